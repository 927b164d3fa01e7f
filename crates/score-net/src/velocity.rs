//! Models of the score of velocities, for critically damped Langevin diffusion (Dockhorn, Vahdat & Kreis 2022).
//!
//! The network takes position and velocity, each scaled to unit variance, one behind the other along the
//! channels, and ¼ ln(σ/α) of the position; it answers in the data's shape, for the velocity.

use burn::tensor::{Tensor, TensorData};
use sde_core::Time;
use sde_core::damped::{
    DampedLangevin, Matching, PhaseState, VelocityObjective, VelocityPrediction, VelocityScore,
};

use crate::{Model, Preconditioning, parallel};

/// What a network is given of one time, and what its input is scaled by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairInput {
    /// 1/√Var x_t, for data of the preconditioning's standard deviation.
    pub position: f64,
    /// 1/√Var v_t.
    pub velocity: f64,
    /// ¼ ln(σ/α) of the position.
    pub c_noise: f64,
}

impl Preconditioning {
    /// The coefficients at `t` > 0.
    #[must_use]
    pub fn pair_input(&self, process: &DampedLangevin, t: Time) -> PairInput {
        let sigma_data = self.sigma_data();
        let covariance = process.covariance(t, sigma_data * sigma_data);
        PairInput {
            position: covariance.xx.sqrt().recip(),
            velocity: covariance.vv.sqrt().recip(),
            c_noise: self.c_noise(process.position_marginal(t)),
        }
    }
}

impl Model {
    /// The raw output of a network of velocities for pairs at their own times, to be compared with
    /// [`sde_core::damped::Examples::target`].
    ///
    /// # Shapes
    /// - z: `[batch, 2 channels, height, width]`, positions and then velocities; `inputs`: one a sample
    /// - output: `[batch, channels, height, width]`
    ///
    /// # Panics
    /// If there is not one input a sample, or the network is one of positions alone.
    pub fn velocity_output(&self, z: Tensor<4>, inputs: &[PairInput]) -> Tensor<4> {
        let [batch, both, ..] = z.dims();
        assert_eq!(batch, inputs.len(), "one input a sample");
        let place = (&z.device(), z.dtype());
        let channels = both / 2;
        let scales = inputs.iter().flat_map(|input| {
            let channel = |i| {
                if i < channels {
                    input.position
                } else {
                    input.velocity
                }
            };
            (0..both).map(channel)
        });
        let scales = TensorData::new(scales.collect::<Vec<f64>>(), [batch, both, 1, 1]);
        let c_noise: Vec<f64> = inputs.iter().map(|input| input.c_noise).collect();
        let c_noise = Tensor::from_data(TensorData::new(c_noise, [batch]), place);
        let scaled = z * Tensor::from_data(scales, place);
        self.network.forward(scaled, c_noise)
    }

    /// The score of velocities of this model under `process`; none if it is a model of positions alone.
    #[must_use]
    pub fn under_damped<'a>(
        &'a self,
        process: &'a DampedLangevin,
    ) -> Option<ModelVelocityScore<'a>> {
        let prediction = self.preconditioning.velocity()?;
        Some(ModelVelocityScore {
            model: self,
            process,
            prediction,
        })
    }
}

/// A model as the score of the velocities of a process.
#[derive(Clone, Copy)]
pub struct ModelVelocityScore<'a> {
    model: &'a Model,
    process: &'a DampedLangevin,
    prediction: VelocityPrediction,
}

impl VelocityScore<Tensor<4>> for ModelVelocityScore<'_> {
    fn velocity_score(&self, z: &PhaseState<Tensor<4>>, t: Time) -> Tensor<4> {
        let input = (self.model.preconditioning).pair_input(self.process, t);
        let both = Tensor::cat(vec![z.position.clone(), z.velocity.clone()], 1);
        let output = parallel::by_sample(both, |z, samples| {
            self.model.velocity_output(z, &vec![input; samples.len()])
        });
        let objective = VelocityObjective {
            prediction: self.prediction,
            // The meaning of the output is that of the law given x₀ alone.
            matching: Matching::Hybrid,
            ..VelocityObjective::default()
        };
        let score = objective.coefficients(self.process, t).score;
        score.apply(&z.velocity, output)
    }
}
