//! Pictures that stand for digits in tests: each class its own bar, each picture a little different.

use data::ImageSet;
use ndarray::Array4;

use super::picture::SIDE;

/// `per_class` pictures of each of ten classes, the classes taking turns. Class k is a bar three
/// rows high whose place and length belong to k.
pub(crate) fn bars(per_class: usize) -> ImageSet {
    let count = 10 * per_class;
    let pixels = Array4::from_shape_fn((count, 1, SIDE, SIDE), |(n, _, row, column)| {
        let (class, nth) = (n % 10, n / 10);
        let top = 4 + 2 * class;
        let inked = (top..top + 3).contains(&row) && (4..14 + class).contains(&column);
        if inked { 255 - (nth % 50) as u8 } else { 0 }
    });
    let labels = (0..count).map(|n| (n % 10) as u8).collect();
    ImageSet {
        pixels,
        labels: Some(labels),
    }
}
