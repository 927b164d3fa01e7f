//! Results that are written once, and not set to zero before.

use std::marker::PhantomData;

/// A vector that `write` fills. It holds anything at first.
///
/// Filling it with zeros beforehand would be a pass over memory that no kernel needs.
pub(crate) fn written(len: usize, write: impl FnOnce(&mut [f32])) -> Vec<f32> {
    let mut values = anything(len);
    // In tests, what a kernel forgets to write is seen.
    if cfg!(test) {
        values.fill(f32::NAN);
    }
    write(&mut values);
    values
}

/// Numbers that nobody chose.
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
fn anything(len: usize) -> Vec<f32> {
    let mut values: Vec<f32> = Vec::with_capacity(len);
    // SAFETY: memory that was never written to is not merely unknown to the compiler, it is no value at
    // all, and a reference to numbers in it would be undefined behaviour even if all are written before
    // they are read. Assembly may write to any memory whose address it is given, and the compiler does
    // not look into it: what this piece of it stands for is "writes numbers of its own choice to all
    // `len`", and for the processor it has only to choose those that are there. So to the compiler all
    // are initialised, and any bit pattern is an f32. (To the machine it is nearly so: pages that an
    // allocator has offered back to the kernel may read as one number and then as zero until they are
    // written. No kernel reads what it has not written; the tests fill the memory with NaN to see it.)
    unsafe {
        std::arch::asm!("/* {} */", in(reg) values.as_mut_ptr(), options(nostack, preserves_flags));
        values.set_len(len);
    }
    values
}

/// Where that cannot be said, zeros.
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
fn anything(len: usize) -> Vec<f32> {
    vec![0.0; len]
}

/// A matrix whose columns are written by several threads, each its own.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    start: *mut f32,
    len: usize,
    /// From one row to the next, in elements.
    stride: usize,
    values: PhantomData<&'a mut [f32]>,
}

// SAFETY: what it lends, it lends by `row`, whose caller answers for no element being lent twice.
unsafe impl Send for Columns<'_> {}
// SAFETY: as above.
unsafe impl Sync for Columns<'_> {}

impl<'a> Columns<'a> {
    pub(crate) fn new(values: &'a mut [f32], stride: usize) -> Self {
        Self {
            start: values.as_mut_ptr(),
            len: values.len(),
            stride,
            values: PhantomData,
        }
    }

    /// The columns from `start` on of one row, `width` of them.
    ///
    /// # Safety
    ///
    /// While the result is in use, no other may hold one of its elements.
    #[inline(always)]
    pub(crate) unsafe fn row(&self, row: usize, start: usize, width: usize) -> &'a mut [f32] {
        let at = row * self.stride + start;
        assert!(start + width <= self.stride && at + width <= self.len);
        // SAFETY: the elements are there, by the assertion, and lent to no other, by the caller's
        // promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), width) }
    }
}

/// How many pieces of `len` values, to be read and written once, are worth a thread of their own.
pub(crate) fn worth_a_thread(len: usize) -> usize {
    // Some ten microseconds.
    const VALUES: usize = 32 * 1024;
    (VALUES / len.max(1)).max(1)
}
