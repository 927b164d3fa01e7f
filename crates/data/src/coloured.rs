//! Digits in colour, made of grey ones.

use crate::error::DataError;
use crate::images::{ImageSet, pixel_to_unit};
use crate::source::Source;

/// A set of grey pictures `[1, H, W]` as pictures `[3, H, W]` in colour: what was white has a colour of its own
/// in each, [`colour`] of its index; black stays black. Labels are kept.
///
/// Coloured MNIST is a family: Arjovsky et al. 2019 ("Invariant risk minimization") let the colour tell the
/// label, most of the time, others draw it independently of the label. Here it says nothing of the label, and
/// the grey value nothing of it: that of every pixel, the mean of its channels, is half of what it was, up to
/// rounding to bytes. So to colour a grey digit again is to choose one colour for all of it, freely.
#[derive(Clone, Debug)]
pub struct Coloured(
    /// The grey pictures.
    pub ImageSet,
);

/// The colour of sample `index`: red, green and blue, of mean ½.
///
/// The hues go around the circle by the golden section, which spreads any number of consecutive ones evenly
/// (Weyl's sequence).
#[must_use]
pub fn colour(index: usize) -> [f64; 3] {
    /// The golden ratio less 1.
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    of_hue((index as f64 * GOLDEN).fract())
}

/// The most saturated colour of mean ½ of a hue in turns, from red by green and blue: it runs along the hexagon
/// in which the plane of mean ½ cuts the cube of colours, so that one channel is 1 or another 0.
fn of_hue(hue: f64) -> [f64; 3] {
    [0.0, 1.0, 2.0].map(|primary| {
        let turn = (hue - primary / 3.0).rem_euclid(1.0);
        let distance = turn.min(1.0 - turn);
        (1.25 - 3.0 * distance).clamp(0.0, 1.0)
    })
}

impl Source for Coloured {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn sample_shape(&self) -> [usize; 3] {
        let [_, height, width] = self.0.sample_shape();
        [3, height, width]
    }

    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        out.reserve(indices.len() * self.sample_shape().iter().product::<usize>());
        for &index in indices {
            let grey = self.0.pixels.index_axis(ndarray::Axis(0), index);
            for share in colour(index) {
                let byte = |&grey: &u8| (f64::from(grey) * share).round() as u8;
                out.extend(grey.iter().map(|grey| pixel_to_unit(byte(grey))));
            }
        }
        Ok(())
    }

    fn label(&self, index: usize) -> Option<u8> {
        self.0.label(index)
    }

    fn class_count(&self) -> usize {
        self.0.class_count()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;

    /// Three pictures of 2x2 pixels: black, white, and shades.
    fn set() -> Coloured {
        let pixels = vec![0; 4]
            .into_iter()
            .chain(vec![255; 4])
            .chain([0, 51, 204, 255]);
        let pixels = Array4::from_shape_vec((3, 1, 2, 2), pixels.collect()).unwrap();
        Coloured(ImageSet::new(pixels, Some(vec![4, 2, 9])).unwrap())
    }

    #[test]
    fn every_colour_has_mean_half_and_is_as_saturated_as_that_allows() {
        for index in 0..10_000 {
            let colour = colour(index);
            let mean = colour.iter().sum::<f64>() / 3.0;
            assert!((mean - 0.5).abs() < 1e-12, "{index}: {colour:?}");
            let on_the_cube = colour.iter().any(|&share| share == 0.0 || share == 1.0);
            assert!(on_the_cube, "{index}: {colour:?}");
        }
    }

    /// The corners of the hexagon are the permutations of (1, ½, 0); the middle between two of them is a
    /// primary or its complement.
    #[test]
    fn hues_run_from_red_by_green_and_blue_back_to_red() {
        let close = |hue: f64, expected: [f64; 3]| {
            let found = of_hue(hue);
            let far = found
                .iter()
                .zip(expected)
                .any(|(a, b)| (a - b).abs() > 1e-12);
            assert!(!far, "{hue}: {found:?}");
        };
        close(0.0, [1.0, 0.25, 0.25]);
        close(1.0 / 12.0, [1.0, 0.5, 0.0]);
        close(1.0 / 6.0, [0.75, 0.75, 0.0]);
        close(3.0 / 12.0, [0.5, 1.0, 0.0]);
        close(1.0 / 3.0, [0.25, 1.0, 0.25]);
        close(2.0 / 3.0, [0.25, 0.25, 1.0]);
        close(11.0 / 12.0, [1.0, 0.0, 0.5]);
    }

    #[test]
    fn black_stays_black_white_takes_the_colour_and_labels_are_kept() {
        let set = set();
        assert_eq!(set.sample_shape(), [3, 2, 2]);
        let mut samples = Vec::new();
        set.write_samples(&[0, 1], &mut samples).unwrap();
        assert!(samples[..12].iter().all(|&value| value == -1.0));
        for (channel, share) in samples[12..].chunks(4).zip(colour(1)) {
            let expected = pixel_to_unit((255.0 * share).round() as u8);
            assert!(channel.iter().all(|&value| value == expected));
        }
        let labels: Vec<_> = (0..3).map(|index| set.label(index)).collect();
        assert_eq!(labels, [Some(4), Some(2), Some(9)]);
        assert_eq!(set.class_count(), 10);
    }

    #[test]
    fn a_sample_is_the_same_alone_and_among_others() {
        let (mut alone, mut among) = (Vec::new(), Vec::new());
        set().write_samples(&[2], &mut alone).unwrap();
        set().write_samples(&[1, 2, 0], &mut among).unwrap();
        assert_eq!(alone, among[12..24]);
    }
}
