//! A state with numbers that are integrated along with it.

use sde_core::State;

/// A batch y with `width` numbers a sample that have slopes of their own and do not feed back: the
/// changes of log-density along the flow, one for each probe.
#[derive(Clone, Debug)]
pub(crate) struct Augmented<X> {
    /// y, shape `[batch, ...]`.
    pub(crate) y: X,
    /// The numbers, those of one sample behind the other; length batch · width.
    pub(crate) extra: Vec<f64>,
    width: usize,
}

impl<X: State> Augmented<X> {
    /// A state alone.
    pub(crate) fn plain(y: X) -> Self {
        Self {
            y,
            extra: Vec::new(),
            width: 0,
        }
    }

    /// A state with `extra`, as many numbers for each of its samples.
    pub(crate) fn new(y: X, extra: Vec<f64>) -> Self {
        let width = extra.len() / y.batch();
        Self { y, extra, width }
    }

    /// `width` zeros for each sample.
    pub(crate) fn from_zero(y: X, width: usize) -> Self {
        let extra = vec![0.0; width * y.batch()];
        Self { y, extra, width }
    }

    /// This and b_i times `other`, for each sample i.
    pub(crate) fn axpy(mut self, b: &[f64], other: &Self) -> Self {
        for (i, (value, slope)) in self.extra.iter_mut().zip(&other.extra).enumerate() {
            *value += b[i / self.width] * slope;
        }
        Self {
            y: self.y.axpy_per_sample(b, &other.y),
            ..self
        }
    }

    /// b_i times this, for each sample i.
    pub(crate) fn scaled(mut self, b: &[f64]) -> Self {
        for (i, value) in self.extra.iter_mut().enumerate() {
            *value *= b[i / self.width];
        }
        let y = self.y.clone();
        Self {
            y: y.lincomb_per_sample(b, &self.y, &vec![0.0; b.len()]),
            ..self
        }
    }

    /// h_i Σ_k `weights`_k · slope_k on top of this.
    pub(crate) fn add(self, h: &[f64], weights: &[f64], slopes: &[Self]) -> Self {
        (weights.iter().zip(slopes))
            .filter(|(weight, _)| **weight != 0.0)
            .fold(self, |sum, (weight, slope)| {
                let b: Vec<f64> = h.iter().map(|h| weight * h).collect();
                sum.axpy(&b, slope)
            })
    }

    /// The samples at these places.
    pub(crate) fn select(&self, samples: &[usize]) -> Self {
        let row = |&i: &usize| &self.extra[i * self.width..(i + 1) * self.width];
        Self {
            y: self.y.select_samples(samples),
            extra: samples.iter().flat_map(row).copied().collect(),
            width: self.width,
        }
    }

    /// Those behind these.
    pub(crate) fn joined(parts: &[Self]) -> Self {
        let states: Vec<X> = parts.iter().map(|part| part.y.clone()).collect();
        Self {
            y: X::concatenate_samples(&states),
            extra: parts.iter().flat_map(|part| part.extra.clone()).collect(),
            width: parts[0].width,
        }
    }

    /// `other`'s samples where `take` is true, and this one's elsewhere.
    pub(crate) fn replaced(self, other: Self, take: &[bool]) -> Self {
        let mut extra = self.extra;
        for (i, value) in extra.iter_mut().enumerate() {
            if take[i / self.width] {
                *value = other.extra[i];
            }
        }
        Self {
            y: chosen(self.y, other.y, take),
            extra,
            width: self.width,
        }
    }

    /// The error of each sample in units of its tolerance, where this is an error of `x` and `y`: that of
    /// the state, or of the numbers if it is larger. They count per element of the sample, like a
    /// log-density per dimension.
    pub(crate) fn error_norms(&self, x: &Self, y: &Self, atol: f64, rtol: f64) -> Vec<f64> {
        let mut norms = self.y.error_norms(&x.y, &y.y, atol, rtol);
        let len = self.y.sample_len() as f64;
        for (i, error) in self.extra.iter().enumerate() {
            let size = x.extra[i].abs().max(y.extra[i].abs());
            let error = error.abs() / (atol * len + rtol * size);
            let norm = &mut norms[i / self.width];
            // A NaN stays one.
            if error.is_nan() || error > *norm {
                *norm = error;
            }
        }
        norms
    }

    /// ‖this_i‖ in units of the tolerance on a state of the size of `scale`.
    pub(crate) fn sizes(&self, scale: &Self, atol: f64, rtol: f64) -> Vec<f64> {
        self.error_norms(scale, scale, atol, rtol)
    }
}

/// `new`'s samples where `take` is true, and `old`'s elsewhere: chosen, not computed, so that nothing of
/// a rejected sample remains.
pub(crate) fn chosen<X: State>(old: X, new: X, take: &[bool]) -> X {
    if take.iter().all(|&take| take) {
        return new;
    }
    if !take.iter().any(|&take| take) {
        return old;
    }
    let batch = take.len();
    let places: Vec<usize> = (take.iter().enumerate())
        .map(|(i, &take)| if take { batch + i } else { i })
        .collect();
    X::concatenate_samples(&[old, new]).select_samples(&places)
}
