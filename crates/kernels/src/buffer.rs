//! Results that are written once, and not set to zero before.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// A vector that `write` fills: all of it, whatever it holds at first, without reading it.
///
/// Filling it with zeros beforehand would be a pass over memory that no kernel needs.
pub(crate) fn written(len: usize, write: impl FnOnce(&mut [f32])) -> Vec<f32> {
    let mut values: Vec<f32> = Vec::with_capacity(len);
    // In tests, what a kernel forgets to write is seen.
    if cfg!(test) {
        values.extend(std::iter::repeat_n(f32::NAN, len));
    }
    // SAFETY: the capacity is `len`; every bit pattern is an f32, and `write` reads none before it has
    // written it.
    unsafe {
        write(std::slice::from_raw_parts_mut(values.as_mut_ptr(), len));
        values.set_len(len);
    }
    values
}

/// A vector of `len` values, all of them written by `write`.
///
/// # Safety
///
/// `write` must write every element.
pub(crate) unsafe fn initialised(
    len: usize,
    write: impl FnOnce(&mut [MaybeUninit<f32>]),
) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    write(&mut values.spare_capacity_mut()[..len]);
    // SAFETY: there is room for `len` values, and by the caller's promise they are written.
    unsafe { values.set_len(len) };
    values
}

/// A matrix whose columns are written by several threads, each its own.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    start: *mut MaybeUninit<f32>,
    len: usize,
    /// From one row to the next, in elements.
    stride: usize,
    values: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: what it lends, it lends by `row`, whose caller answers for no element being lent twice.
unsafe impl Send for Columns<'_> {}
// SAFETY: as above.
unsafe impl Sync for Columns<'_> {}

impl<'a> Columns<'a> {
    pub(crate) fn new(values: &'a mut [MaybeUninit<f32>], stride: usize) -> Self {
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
    pub(crate) unsafe fn row(
        &self,
        row: usize,
        start: usize,
        width: usize,
    ) -> &'a mut [MaybeUninit<f32>] {
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
