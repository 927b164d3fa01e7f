//! Known combinations of the channels.

use super::{EditError, Projection, require};

/// Some combinations of a pixel's channels are known, such as its grey value: colourisation. Samples have
/// the shape `[channels, pixels...]`.
///
/// The combinations are made orthonormal, as in the decoupling of Song et al. 2021, appendix I.3, whose
/// matrix has (1, 1, 1)/√3 for the grey channel; so the known picture is the one whose channels are all the
/// mean of the colours.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelMix {
    /// Orthonormal rows, each of one number a channel.
    rows: Vec<Vec<f64>>,
    channels: usize,
    pixels: usize,
}

impl ChannelMix {
    /// The mean of the channels is known.
    ///
    /// # Errors
    /// There must be a channel and a pixel.
    pub fn grey(channels: usize, pixels: usize) -> Result<Self, EditError> {
        Self::new(vec![vec![1.0; channels]], channels, pixels)
    }

    /// These combinations are known; a row has one number a channel.
    ///
    /// # Errors
    /// Rows must be as long as there are channels, finite, and none a combination of those before.
    pub fn new(rows: Vec<Vec<f64>>, channels: usize, pixels: usize) -> Result<Self, EditError> {
        let one = "it must be 1 at least";
        require(channels > 0, "channels", 0.0, one)?;
        require(pixels > 0, "pixels", 0.0, one)?;
        let mut orthonormal: Vec<Vec<f64>> = Vec::new();
        for (row, mut v) in rows.into_iter().enumerate() {
            let error = |problem| Err(EditError::Combination { row, problem });
            if v.len() != channels {
                return error("has another length than there are channels: give a number for each");
            }
            let before = dot(&v, &v).sqrt();
            if !before.is_finite() {
                return error("is not finite: give numbers");
            }
            // Twice is enough for rounding (Kahan; Parlett 1998, section 6.9).
            for _ in 0..2 {
                for u in &orthonormal {
                    let along = dot(u, &v);
                    v.iter_mut().zip(u).for_each(|(v, u)| *v -= along * u);
                }
            }
            let norm = dot(&v, &v).sqrt();
            if norm <= 1e-10 * before {
                return error("is 0 or a combination of those before: leave it out");
            }
            v.iter_mut().for_each(|v| *v /= norm);
            orthonormal.push(v);
        }
        Ok(Self {
            rows: orthonormal,
            channels,
            pixels,
        })
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Projection for ChannelMix {
    fn sample_len(&self) -> usize {
        self.channels * self.pixels
    }

    fn project(&self, sample: &mut [f64]) {
        for pixel in 0..self.pixels {
            let at = |channel: usize| channel * self.pixels + pixel;
            let colour: Vec<f64> = (0..self.channels).map(|c| sample[at(c)]).collect();
            let known: Vec<f64> = self.rows.iter().map(|row| dot(row, &colour)).collect();
            for c in 0..self.channels {
                sample[at(c)] = self
                    .rows
                    .iter()
                    .zip(&known)
                    .map(|(row, y)| row[c] * y)
                    .sum();
            }
        }
    }
}
