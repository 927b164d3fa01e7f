//! Where a token stands: fixed sines and cosines of its column and row.

/// Ratio of the highest frequency to the lowest there would be after one more.
const FREQUENCY_RATIO: f64 = 10_000.0;

/// The published embedding (Peebles & Xie 2023, after He et al. 2022) of rows × columns places, row by
/// row: `[rows·columns, width]`.
///
/// The first half of the features is of the column, the second of the row; each half sines and then
/// cosines of the place times 10000^{−k/K}, k = 0…K − 1, K = width/4. So `width` is a multiple of 4.
pub(super) fn table([rows, columns]: [usize; 2], width: usize) -> Vec<f64> {
    let [of_rows, of_columns] = [rows, columns].map(|count| waves(count, width / 2));
    let half = width / 2;
    let mut table = Vec::with_capacity(rows * columns * width);
    for row in 0..rows {
        for column in 0..columns {
            table.extend_from_slice(&of_columns[column * half..][..half]);
            table.extend_from_slice(&of_rows[row * half..][..half]);
        }
    }
    table
}

/// Sines, then cosines, of each place on an axis.
fn waves(places: usize, features: usize) -> Vec<f64> {
    let count = features / 2;
    let frequency = |k: usize| FREQUENCY_RATIO.powf(-(k as f64) / count as f64);
    (0..places)
        .flat_map(|place| {
            let phase = move |k| place as f64 * frequency(k);
            let sines = (0..count).map(move |k| phase(k).sin());
            sines.chain((0..count).map(move |k| phase(k).cos()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get_2d_sincos_pos_embed(8, 3)` of the published code, its tokens 1 (row 0, column 1) and 5
    /// (row 1, column 2).
    #[test]
    fn places_are_embedded_as_published() {
        let table = table([3, 3], 8);
        assert_eq!(table.len(), 72);
        let one = [
            0.8414709848078965,
            0.009999833334166664,
            0.5403023058681398,
            0.9999500004166653,
        ];
        let two = [
            0.9092974268256817,
            0.01999866669333308,
            -0.4161468365471424,
            0.9998000066665778,
        ];
        let published = [(1, [one, [0.0, 0.0, 1.0, 1.0]]), (5, [two, one])];
        for (token, published) in published {
            for (ours, published) in table[token * 8..].iter().zip(published.as_flattened()) {
                assert!(
                    (ours - published).abs() < 1e-12,
                    "{token}: {ours} {published}"
                );
            }
        }
    }

    #[test]
    fn rows_and_columns_need_not_be_as_many() {
        let (wide, square) = (table([1, 3], 12), table([3, 3], 12));
        assert_eq!(wide, square[..36]);
        let tall = table([3, 1], 12);
        for row in 0..3 {
            assert_eq!(tall[row * 12..][..12], square[row * 36..][..12]);
        }
    }
}
