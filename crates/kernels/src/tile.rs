//! The register tile: the one loop in which convolutions and attention spend their time, a product of
//! two matrices whose sums stay in registers.

use pulp::Simd;

use crate::vector::{load, write};

/// The most rows of a tile of two vectors that leave registers for both vectors and a broadcast.
pub(crate) const fn most_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 {
        MOST_ROWS
    } else {
        6
    }
}

/// The most rows that [`each_row`] and [`with_size`] write out: both lists end there.
pub(crate) const MOST_ROWS: usize = 14;

/// The vectors of the widest tile.
pub(crate) const WIDEST: usize = 2;

/// A matrix in memory, read down its rows and along its steps, which lie in lines, and
/// these in blocks.
#[derive(Clone, Copy)]
pub(crate) struct Operand {
    /// The first element.
    pub start: *const f32,
    /// From one block of lines to the next, in elements.
    pub block: usize,
    /// From one line of steps to the next, in elements.
    pub line: usize,
    /// From one row to the next, in elements; rows of vectors are counted by vectors.
    pub row: usize,
    /// From one step of the sum to the next, in elements.
    pub step: usize,
}

/// Runs `$body` with `$r` each of 0 to `$rows` − 1 as a constant.
///
/// A loop would do the same, but only if it is unrolled early enough do the sums stay in registers,
/// and a compiler that finds the body long does not unroll it. The conditions are constants, so that
/// what they exclude is not even handed to the optimiser.
macro_rules! each_row {
    ($rows:expr, $r:ident => $body:block) => {
        each_row!(@ $rows, $r, $body, [0 1 2 3 4 5 6 7 8 9 10 11 12 13])
    };
    (@ $rows:expr, $r:ident, $body:block, [$($row:literal)*]) => {
        $(
            if const { $row < $rows } {
                let $r = $row;
                $body
            }
        )*
    };
}

/// Adds the terms of a matrix product to the tile, acc[r][v] += Σ a[r, k]·b[k, v], over so many
/// blocks of so many lines of so many steps.
///
/// # Safety
///
/// At every step of every line and block, R rows of `a` and V vectors of `b` must be readable.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, const R: usize, const V: usize>(
    simd: S,
    acc: &mut [[S::f32s; V]; R],
    a: Operand,
    b: Operand,
    [blocks, lines, steps]: [usize; 3],
) {
    for block in 0..blocks {
        for line in 0..lines {
            let mut a_at = a.start.wrapping_add(block * a.block + line * a.line);
            let mut b_at = b.start.wrapping_add(block * b.block + line * b.line);
            for _ in 0..steps {
                // SAFETY: both pointers are at one of the steps that the caller answers for.
                unsafe { step(simd, acc, [a_at, b_at], [a.row, b.row]) };
                a_at = a_at.wrapping_add(a.step);
                b_at = b_at.wrapping_add(b.step);
            }
        }
    }
}

/// One step's terms.
///
/// # Safety
///
/// R rows at `a` and V vectors at `b` must be readable, so far apart.
#[inline(always)]
unsafe fn step<S: Simd, const R: usize, const V: usize>(
    simd: S,
    acc: &mut [[S::f32s; V]; R],
    [a, b]: [*const f32; 2],
    rows: [usize; 2],
) {
    let second = if V > 1 { rows[1] } else { 0 };
    // SAFETY: the caller's promise.
    unsafe {
        let vectors = [load::<S>(b), load::<S>(b.add(second))];
        each_row!(R, r => {
            let factor = simd.splat_f32s(*a.add(r * rows[0]));
            acc[r][0] = simd.mul_add_e_f32s(factor, vectors[0], acc[r][0]);
            if const { V > 1 } {
                acc[r][1] = simd.mul_add_e_f32s(factor, vectors[1], acc[r][1]);
            }
        });
    }
}

/// The sums of a tile, for loops that are not unrolled: these are in memory, the tile's own are not.
#[inline(always)]
pub(crate) fn settle<T: Copy, const R: usize, const V: usize>(acc: &[[T; V]; R]) -> [[T; V]; R] {
    let mut settled = [[acc[0][0]; V]; R];
    each_row!(R, r => {
        settled[r][0] = acc[r][0];
        if const { V > 1 } {
            settled[r][1] = acc[r][1];
        }
    });
    settled
}

/// Whether a product is written over what is there, or added to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Write,
    Add,
}

/// Writes the sums of a tile to rows of vectors that are neighbours, `row` elements from one row to
/// the next.
///
/// # Safety
///
/// R rows of V vectors must be writable, readable too if they are added to.
#[inline(always)]
pub(crate) unsafe fn put<S: Simd, const R: usize, const V: usize>(
    simd: S,
    acc: &[[S::f32s; V]; R],
    into: *mut f32,
    row: usize,
    how: Store,
) {
    for (r, vectors) in settle(acc).iter().enumerate() {
        for (v, vector) in vectors.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                let into = into.add(r * row + v * S::F32_LANES);
                let sum = match how {
                    Store::Write => *vector,
                    Store::Add => simd.add_f32s(load::<S>(into), *vector),
                };
                write::<S>(into, sum);
            }
        }
    }
}

/// Calls `$tile::<S, R, V>` with R the value of `$rows`, from 1 to [`most_rows`], and V that of
/// `$vectors`, 1 or 2.
///
/// The conditions are constants: sizes for which there are no registers are not compiled.
macro_rules! with_size {
    ($rows:expr, $vectors:expr, $simd:ty, $tile:ident $arguments:tt) => {
        with_size!(@ $rows, $vectors, $simd, $tile $arguments,
            [1 2 3 4 5 6 7 8 9 10 11 12 13 14])
    };
    (@ $rows:expr, $vectors:expr, $simd:ty, $tile:ident $arguments:tt, [$($r:literal)*]) => {
        match ($rows, $vectors) {
            $(
                ($r, 1) if const { $r <= $crate::tile::most_rows::<$simd>() } => {
                    $tile::<$simd, $r, 1> $arguments
                }
                ($r, 2) if const { $r <= $crate::tile::most_rows::<$simd>() } => {
                    $tile::<$simd, $r, 2> $arguments
                }
            )*
            (rows, vectors) => unreachable!("no tile of {rows} by {vectors}"),
        }
    };
}

pub(crate) use with_size;

/// Splits `len` into tiles of nearly equal size, none above `most`: start and size of each.
pub(crate) fn tiles(len: usize, most: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let count = len.div_ceil(most);
    (0..count).map(move |i| {
        let start = len * i / count;
        (start, len * (i + 1) / count - start)
    })
}
