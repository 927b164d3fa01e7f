//! What a network of velocity scores regresses on: hybrid score matching and its relatives.

use serde::{Deserialize, Serialize};

use super::{DampedLangevin, PhaseKernel, PhaseState};
use crate::prediction::Conversion;
use crate::{State, Time};

/// Given what the noised pair is scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matching {
    /// Given x₀, the initial velocity integrated out (hybrid score matching, section 3.2).
    #[default]
    Hybrid,
    /// Given x₀ and v₀ (denoising score matching): the same optimum from targets of more variance.
    Denoising,
}

/// What the network's output p means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VelocityPrediction {
    /// s = p.
    Score,
    /// α_θ = p, an estimate of ε_v: s = −ℓ_t p.
    Epsilon,
    /// The mixed score, p the residual α′_θ: s = −v_t/Σ_vv − ℓ_t p with Σ_vv = Var(v_t | x₀)
    /// (section 3.2: α_θ = ℓ_t⁻¹ v_t/Σ_vv + α′_θ). An output of 0 is the score of data at one point,
    /// with the position left out; that score is nearly right where t is large.
    #[default]
    Mixed,
}

/// λ(t), the weight of the squared error of the score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VelocityWeighting {
    /// λ = ℓ_t⁻²: the error of ε_v itself, for the quality of samples (section 3.2).
    #[default]
    Reweighted,
    /// λ = Γβ: a bound of the likelihood (section 3.2).
    Likelihood,
}

/// Score matching of velocities: E_t λ(t) E‖s_θ(z_t, t) − ∇_v log p(z_t | ·)‖².
///
/// The defaults are those of the paper's images: hybrid matching of the mixed score, reweighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VelocityObjective {
    /// Given what.
    pub matching: Matching,
    /// Of what.
    pub prediction: VelocityPrediction,
    /// How much each time counts.
    pub weighting: VelocityWeighting,
}

/// Everything that a training example at one time takes, all on the host:
///
/// ```text
/// z_t    = E z₀ + L (ε_x, ε_v)                   kernel
/// target = target_v · v_t + target_epsilon · ε_v
/// loss   = weight · ‖p − target‖²
/// s      = score.x · v_t + score.p · p           when sampling
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExampleCoefficients {
    /// p(z_t | ·); for [`Matching::Hybrid`] v₀ is 0 in it.
    pub kernel: PhaseKernel,
    /// From v_t to the target.
    pub target_v: f64,
    /// From ε_v to the target.
    pub target_epsilon: f64,
    /// λ(t) (∂s/∂p)², the weight of the squared error of the prediction.
    pub weight: f64,
    /// From v_t (as `x`) and the prediction to the score of the velocity.
    pub score: Conversion,
}

/// A batch of training examples.
#[derive(Clone, Debug)]
pub struct Examples<X> {
    /// z_t, what the network sees beside t.
    pub state: PhaseState<X>,
    /// What its output should be, of v_t's shape.
    pub target: X,
    /// The weight of each sample's squared error, of length batch.
    pub weights: Vec<f64>,
}

impl VelocityPrediction {
    /// s from v_t (as `x`) and the prediction, under the `kernel` of the matching and the law of z_t
    /// given x₀.
    fn to_score(self, kernel: &PhaseKernel, given_x0: &PhaseKernel) -> Conversion {
        let residual = -kernel.ell();
        let (x, p) = match self {
            Self::Score => (0.0, 1.0),
            Self::Epsilon => (0.0, residual),
            Self::Mixed => (-given_x0.covariance.vv.recip(), residual),
        };
        Conversion { x, p }
    }
}

impl VelocityObjective {
    /// The coefficients of an example at `t` > 0.
    #[must_use]
    pub fn coefficients(&self, process: &DampedLangevin, t: Time) -> ExampleCoefficients {
        let given_x0 = process.marginal(t);
        let kernel = match self.matching {
            Matching::Hybrid => given_x0,
            Matching::Denoising => process.transition(t),
        };
        let score = self.prediction.to_score(&kernel, &given_x0);
        let ell = kernel.ell();
        let lambda = match self.weighting {
            VelocityWeighting::Reweighted => (ell * ell).recip(),
            VelocityWeighting::Likelihood => process.friction() * process.beta,
        };
        ExampleCoefficients {
            kernel,
            // p solves s = score.x · v_t + score.p · p for s = −ℓ_t ε_v.
            target_v: -score.x / score.p,
            target_epsilon: -ell / score.p,
            weight: lambda * score.p * score.p,
            score,
        }
    }

    /// A batch of examples, sample i at `times[i]` > 0 from `z0` and standard normal `epsilon`.
    ///
    /// Hybrid matching reads the positions of `z0` alone: [`PhaseState::at_rest`] will do. Denoising
    /// matching wants velocities of standard deviation [`DampedLangevin::initial_velocity_std`].
    ///
    /// # Panics
    /// If the shapes differ, or `times` has another length than the batch.
    pub fn examples<X: State>(
        &self,
        process: &DampedLangevin,
        times: &[Time],
        z0: &PhaseState<X>,
        epsilon: &PhaseState<X>,
    ) -> Examples<X> {
        assert_eq!(times.len(), z0.batch(), "one time a sample");
        let each: Vec<_> = (times.iter())
            .map(|&t| self.coefficients(process, t))
            .collect();
        let of = |pick: &dyn Fn(&ExampleCoefficients) -> f64| each.iter().map(pick).collect();
        let mean = |from_x: Vec<f64>, from_v: Vec<f64>| {
            let x0 = z0.position.clone();
            match self.matching {
                // The mean of the initial velocity is 0.
                Matching::Hybrid => {
                    x0.lincomb_per_sample(&from_x, &z0.position, &vec![0.0; from_x.len()])
                }
                Matching::Denoising => x0.lincomb_per_sample(&from_x, &z0.velocity, &from_v),
            }
        };
        let factor = |c: &ExampleCoefficients| c.kernel.covariance.factor();
        let position = mean(of(&|c| c.kernel.mean.xx), of(&|c| c.kernel.mean.xv))
            .axpy_per_sample(&of(&|c| factor(c).xx), &epsilon.position);
        let velocity = mean(of(&|c| c.kernel.mean.vx), of(&|c| c.kernel.mean.vv))
            .axpy_per_sample(&of(&|c| factor(c).vx), &epsilon.position)
            .axpy_per_sample(&of(&|c| factor(c).vv), &epsilon.velocity);
        let target = (epsilon.velocity.clone()).lincomb_per_sample(
            &of(&|c| c.target_epsilon),
            &velocity,
            &of(&|c| c.target_v),
        );
        Examples {
            state: PhaseState { position, velocity },
            target,
            weights: of(&|c| c.weight),
        }
    }
}
