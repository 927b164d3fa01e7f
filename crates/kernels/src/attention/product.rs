//! Matrix products over a register tile: what attention spends most of its time in.

use pulp::{Simd, WithSimd};

use crate::tile::{Operand, Store, WIDEST, accumulate, most_rows, put, tiles, with_size};

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
        for v in (0..vectors).step_by(WIDEST) {
            let place = Place {
                left: Operand {
                    start: left.values[start * left.row..].as_ptr(),
                    block: 0,
                    line: 0,
                    row: left.row,
                    step: left.step,
                },
                right: Operand {
                    start: right.values[v * right.vector..].as_ptr(),
                    block: 0,
                    line: 0,
                    row: right.vector,
                    step: right.step,
                },
                steps,
                out: out[start * stride + v * S::F32_LANES..].as_mut_ptr(),
                stride,
                into,
            };
            let wide = (vectors - v).min(WIDEST);
            // SAFETY: the assertions above hold every row, vector and step.
            unsafe { with_size!(tall, wide, S, tile(simd, place)) };
        }
    }
}

/// Where a tile reads and writes.
#[derive(Clone, Copy)]
struct Place {
    left: Operand,
    right: Operand,
    /// Terms of a sum.
    steps: usize,
    out: *mut f32,
    /// From a row of the result to the next.
    stride: usize,
    into: Store,
}

/// R rows by V vectors of the product.
struct Tile<const R: usize, const V: usize>(Place);

/// # Safety
///
/// The factors of `place` must be readable as [`accumulate`] asks, and what comes out writable as
/// [`put`] does.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(simd: S, place: Place) {
    // A function of its own for each size: in one with the others, registers run out.
    simd.vectorize(Tile::<R, V>(place));
}

impl<const R: usize, const V: usize> WithSimd for Tile<R, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Place {
            left,
            right,
            steps,
            out,
            stride,
            into,
        } = self.0;
        let mut acc = [[simd.splat_f32s(0.0); V]; R];
        // SAFETY: the promise made to `tile`, which alone makes one of these.
        unsafe {
            accumulate(simd, &mut acc, left, right, [1, 1, steps]);
            put(simd, &acc, out, stride, into);
        }
    }
}
