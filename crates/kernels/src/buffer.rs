//! Memory that is written before it is read.

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
