//! The exponential moving average of the weights, which is what one samples from (Song et al. 2021,
//! appendix C; Song & Ermon 2020, technique 5).

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The decay after `updates` updates: min(d, (1 + n)/(10 + n)), so that the average forgets the
/// initial weights quickly (TensorFlow's ExponentialMovingAverage, as in DDPM and score_sde).
#[must_use]
pub fn warmed_up_decay(decay: f64, updates: u64) -> f64 {
    let n = updates as f64;
    decay.min((1.0 + n) / (10.0 + n))
}

/// ema ← ema + (1 − d)·(weights − ema), parameter by parameter; no graph is kept.
///
/// `average` must be a copy of `weights`: parameters are matched by their ids.
#[must_use]
pub fn updated<M: Module>(average: M, weights: &M, decay: f64) -> M {
    average.map(&mut Average {
        weights: values(weights),
        decay,
    })
}

/// The values of a module's parameters by their ids, without a graph. Burn's container for gradients
/// is one for any tensors.
pub(crate) fn values<M: Module>(module: &M) -> GradientsParams {
    let mut collected = Values(GradientsParams::new());
    module.visit(&mut collected);
    collected.0
}

struct Values(GradientsParams);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.register(param.id, param.val().without_autodiff());
    }
}

struct Average {
    weights: GradientsParams,
    decay: f64,
}

impl ModuleMapper for Average {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(weights) = self.weights.remove::<D>(param.id) else {
            return param;
        };
        let decay = self.decay;
        param.map(|average| {
            let average = average.without_autodiff();
            // Not d·ema + (1 − d)·weights: d and 1 − d, rounded, do not add up to 1, and at
            // d = 0.9999 the average would tend to 0.9998·weights.
            average.clone() + (weights - average).mul_scalar(1.0 - decay)
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn decay_warms_up_to_its_limit() {
        assert_eq!(warmed_up_decay(0.9999, 0), 0.1);
        assert_eq!(warmed_up_decay(0.9999, 90), 0.91);
        assert_eq!(warmed_up_decay(0.9999, 1_000_000), 0.9999);
    }

    #[test]
    fn the_average_moves_by_the_closed_form() {
        let device = Device::flex().autodiff();
        let linear: Linear = LinearConfig::new(1, 1).with_bias(false).init(&device);
        let with = |value: f32, like: &Linear| {
            let mut linear = like.clone();
            linear.weight = linear.weight.map(|w| w.zeros_like().add_scalar(value));
            linear
        };
        let weights = with(1.0, &linear);
        let mut average = with(0.0, &linear).valid();
        for _ in 0..3 {
            average = updated(average, &weights.valid(), 0.9);
        }
        // 1 − 0.9³.
        let value: f32 = average.weight.val().into_scalar();
        assert!((value - 0.271).abs() < 1e-6);
    }

    #[test]
    fn the_average_of_what_stands_still_stands_still() {
        let device = Device::flex();
        let linear: Linear = LinearConfig::new(5, 7).with_bias(false).init(&device);
        let values = |linear: &Linear| linear.weight.val().into_data();
        let mut average = linear.clone();
        for _ in 0..10_000 {
            average = updated(average, &linear, 0.9999);
        }
        assert_eq!(values(&average), values(&linear));
    }
}
