//! The dark fields of a 4x4 board, uniformly.
//!
//! The board is the square [−√3, √3]², its fields have sides of √3/2 ([`field_side`]), and those
//! eight are dark whose row and column, counted from 0 at the lower left, have an even sum. The
//! density is 1/6 on the dark fields and 0 elsewhere: no blur, sharp edges. Both marginals are
//! uniform with variance 1; the covariance is 3/16.

use rand::{Rng, RngExt};

/// The number of fields along a side.
pub const FIELDS: usize = 4;

/// The side of a field.
#[must_use]
pub fn field_side() -> f64 {
    // Uniform on an interval of length 2√3 has variance 1.
    2.0 * 3.0_f64.sqrt() / FIELDS as f64
}

/// The density at a point: 1/6 or 0. A field owns its left and lower edge.
#[must_use]
pub fn density(point: [f64; 2]) -> f64 {
    let [column, row] = point.map(|x| (x / field_side()).floor() + FIELDS as f64 / 2.0);
    let on_board = |place: f64| (0.0..FIELDS as f64).contains(&place);
    let dark = on_board(column) && on_board(row) && (column + row) % 2.0 == 0.0;
    if dark { 1.0 / 6.0 } else { 0.0 }
}

pub(super) fn draw(rng: &mut impl Rng) -> [f64; 2] {
    // In fields from the lower left: any column, then one of its two dark fields.
    let x = FIELDS as f64 * rng.random::<f64>();
    let pair = FIELDS as f64 / 2.0 * rng.random::<f64>();
    let y = 2.0 * pair.floor() + x.floor() % 2.0 + pair.fract();
    [x, y].map(|fields| (fields - FIELDS as f64 / 2.0) * field_side())
}
