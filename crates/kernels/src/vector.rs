//! Vectors to and from memory that need not be aligned.

use pulp::Simd;

/// A vector from memory that need not be aligned.
///
/// # Safety
///
/// A whole vector must be readable at `from`.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; an unaligned read asks for nothing more.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// Writes a vector to memory that need not be aligned.
///
/// # Safety
///
/// A whole vector must be writable there.
#[inline(always)]
pub(crate) unsafe fn write<S: Simd>(into: *mut f32, vector: S::f32s) {
    // SAFETY: the caller's promise; an unaligned write asks for nothing more.
    unsafe { into.cast::<S::f32s>().write_unaligned(vector) }
}

/// A vector, or as much of one as there is, the rest zeros.
#[inline(always)]
pub(crate) fn load_some<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    if from.len() < S::F32_LANES {
        return simd.partial_load_f32s(from);
    }
    // SAFETY: there is a whole vector.
    unsafe { load::<S>(from.as_ptr()) }
}

/// Writes a vector, or as much of it as `into` has room for.
#[inline(always)]
pub(crate) fn store<S: Simd>(simd: S, into: &mut [f32], vector: S::f32s) {
    if into.len() < S::F32_LANES {
        simd.partial_store_f32s(into, vector);
        return;
    }
    // SAFETY: there is room for a whole vector; an unaligned write asks for nothing more.
    unsafe { into.as_mut_ptr().cast::<S::f32s>().write_unaligned(vector) }
}

/// Adds a vector to what is in memory.
#[inline(always)]
pub(crate) fn add<S: Simd>(simd: S, into: &mut [f32], vector: S::f32s) {
    assert_eq!(into.len(), S::F32_LANES);
    // SAFETY: there is a whole vector, by the assertion.
    let before = unsafe { load::<S>(into.as_ptr()) };
    store(simd, into, simd.add_f32s(before, vector));
}
