//! Matrix products over a register tile: what attention spends most of its time in.

use pulp::{Simd, WithSimd};

/// The most rows that [`each_row`] and [`with_size`] write out: both lists end there.
pub(super) const MOST_ROWS: usize = 14;

/// The most rows of a tile of two vectors that leave registers for both vectors and a broadcast.
pub(super) const fn most_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 {
        MOST_ROWS
    } else {
        6
    }
}

/// The left factor, read element by element.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub values: &'a [f32],
    /// From one row to the next, in elements.
    pub row: usize,
    /// From one step of the sum to the next, in elements.
    pub step: usize,
}

/// The right factor, read by vectors of columns.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub values: &'a [f32],
    /// From one vector of columns to the next, in elements.
    pub vector: usize,
    /// From one step of the sum to the next, in elements.
    pub step: usize,
}

/// Rows and vectors of a product, and steps of its sums.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub rows: usize,
    pub vectors: usize,
    pub steps: usize,
}

/// Whether a product is written over what is there, or added to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Write,
    Add,
}

/// Calls `$tile::<S, R, V>` with R the value of `$rows`, from 1 to [`MOST_ROWS`], and V that of
/// `$vectors`, 1 or 2.
macro_rules! with_size {
    ($rows:expr, $vectors:expr, $simd:ty, $tile:ident $arguments:tt) => {
        with_size!(@ $rows, $vectors, $simd, $tile $arguments,
            [1 2 3 4 5 6 7 8 9 10 11 12 13 14])
    };
    (@ $rows:expr, $vectors:expr, $simd:ty, $tile:ident $arguments:tt, [$($r:literal)*]) => {
        match ($rows, $vectors) {
            $(
                ($r, 1) => $tile::<$simd, $r, 1> $arguments,
                ($r, 2) => $tile::<$simd, $r, 2> $arguments,
            )*
            (rows, vectors) => unreachable!("no tile of {rows} by {vectors}"),
        }
    };
}

/// out[r, v] = Σ left[r, k]·right[k, v], where `out` has rows of whole vectors.
#[inline(always)]
pub(super) fn multiply<S: Simd>(
    simd: S,
    left: Left<'_>,
    right: Right<'_>,
    out: &mut [f32],
    into: Store,
    size: Size,
) {
    let Size {
        rows,
        vectors,
        steps,
    } = size;
    let stride = vectors * S::F32_LANES;
    if rows * stride == 0 || steps == 0 {
        assert_eq!(steps * out.len(), 0);
        return;
    }
    // The last element of each that is read or written.
    assert!((rows - 1) * left.row + (steps - 1) * left.step < left.values.len());
    assert!(
        (vectors - 1) * right.vector + (steps - 1) * right.step + S::F32_LANES
            <= right.values.len()
    );
    assert!(rows * stride <= out.len());
    for (start, tall) in tiles(rows, most_rows::<S>()) {
        for v in (0..vectors).step_by(2) {
            let place = Place {
                left: left.values[start * left.row..].as_ptr(),
                row: left.row,
                step: left.step,
                right: right.values[v * right.vector..].as_ptr(),
                vector: right.vector,
                line: right.step,
                out: out[start * stride + v * S::F32_LANES..].as_mut_ptr(),
                stride,
                steps,
                into,
            };
            let wide = (vectors - v).min(2);
            // SAFETY: the assertions above hold every row, vector and step.
            unsafe { with_size!(tall, wide, S, tile(simd, place)) };
        }
    }
}

/// Where a tile reads and writes.
#[derive(Clone, Copy)]
struct Place {
    left: *const f32,
    row: usize,
    step: usize,
    right: *const f32,
    vector: usize,
    line: usize,
    out: *mut f32,
    stride: usize,
    steps: usize,
    into: Store,
}

/// Runs `$body` with `$r` each of 0 to `$rows` − 1 as a constant.
///
/// A loop would do the same, but only if it is unrolled early enough do the sums stay in registers,
/// and a compiler that finds the body long does not unroll it.
macro_rules! each_row {
    ($rows:expr, $r:ident => $body:block) => {
        each_row!(@ $rows, $r, $body, [0 1 2 3 4 5 6 7 8 9 10 11 12 13])
    };
    (@ $rows:expr, $r:ident, $body:block, [$($row:literal)*]) => {
        $(
            if $row < $rows {
                let $r = $row;
                $body
            }
        )*
    };
}

/// R rows by V vectors of the product.
struct Tile<const R: usize, const V: usize>(Place);

/// # Safety
///
/// R rows of the left factor and V vectors of the right one must be readable at every step, and
/// what comes out must be writable.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(simd: S, place: Place) {
    // A function of its own for each size: in one with the others, registers run out.
    simd.vectorize(Tile::<R, V>(place));
}

impl<const R: usize, const V: usize> WithSimd for Tile<R, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let place = self.0;
        let second = if V > 1 { place.vector } else { 0 };
        let mut acc = [[simd.splat_f32s(0.0); V]; R];
        let (mut left, mut right) = (place.left, place.right);
        for _ in 0..place.steps {
            // SAFETY: both pointers are at one of the steps promised to `tile`, which alone makes
            // one of these.
            unsafe {
                let vectors = [load::<S>(right), load::<S>(right.add(second))];
                each_row!(R, r => {
                    let factor = simd.splat_f32s(*left.add(r * place.row));
                    acc[r][0] = simd.mul_add_e_f32s(factor, vectors[0], acc[r][0]);
                    if V > 1 {
                        acc[r][1] = simd.mul_add_e_f32s(factor, vectors[1], acc[r][1]);
                    }
                });
            }
            left = left.wrapping_add(place.step);
            right = right.wrapping_add(place.line);
        }
        // SAFETY: R rows of V vectors, as promised to `tile`.
        unsafe {
            each_row!(R, r => {
                let out = place.out.add(r * place.stride);
                store(simd, out, acc[r][0], place.into);
                if V > 1 {
                    store(simd, out.add(S::F32_LANES), acc[r][1], place.into);
                }
            });
        }
    }
}

/// A vector from memory that need not be aligned.
///
/// # Safety
///
/// A whole vector must be readable at `from`.
#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; an unaligned read asks for nothing more.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
///
/// A whole vector must be readable and writable at `to`.
#[inline(always)]
unsafe fn store<S: Simd>(simd: S, to: *mut f32, vector: S::f32s, into: Store) {
    // SAFETY: the caller's promise; unaligned access asks for nothing more.
    unsafe {
        let vector = match into {
            Store::Write => vector,
            Store::Add => simd.add_f32s(load::<S>(to), vector),
        };
        to.cast::<S::f32s>().write_unaligned(vector);
    }
}

/// Splits `len` into tiles of nearly equal size, none above `most`: start and size of each.
pub(super) fn tiles(len: usize, most: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let count = len.div_ceil(most);
    (0..count).map(move |i| {
        let start = len * i / count;
        (start, len * (i + 1) / count - start)
    })
}
