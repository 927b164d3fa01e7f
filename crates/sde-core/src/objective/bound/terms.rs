//! The terms of the bound: what is drawn, and what is known in closed form.

use super::VariationalBound;
use crate::noise::CounterNoise;
use crate::objective::Divergence;
use crate::objective::score_and_divergence;
use crate::objective::score_matching::noised;
use crate::{DifferentiableScore, Marginal, Prediction, Score, State, StepIndex, Time};

impl VariationalBound<'_> {
    /// ½ g² ‖s(x_t, t) + ε/σ‖² of each sample, in nats per unit of t: integrated over [t_min, t_max],
    /// in the mean over ε, and added to [`VariationalBound::denoising_constant`] it is the bound.
    pub fn denoising_integrand<X: State>(
        &self,
        score: &dyn Score<X>,
        x0: &X,
        epsilon: &X,
        times: &[Time],
    ) -> Vec<f64> {
        let errors = self.noise_errors(score, x0, epsilon, times);
        (times.iter().zip(errors))
            .map(|(&t, error)| 0.5 * self.speed(t) * error)
            .collect()
    }

    /// ½ g² ‖s(x_t, t)‖² + g² ∇·s(x_t, t) of each sample, in nats per unit of t: integrated over
    /// [t_min, t_max], in the mean over ε, and added to [`VariationalBound::implicit_constant`] it is the
    /// bound. A probe is the one of `step`.
    #[expect(clippy::too_many_arguments)]
    pub fn implicit_integrand<X: State>(
        &self,
        score: &dyn DifferentiableScore<X>,
        x0: &X,
        epsilon: &X,
        times: &[Time],
        divergence: Divergence,
        noise: CounterNoise,
        step: StepIndex,
    ) -> Vec<f64> {
        let x = noised(x0, epsilon, &self.marginals(times));
        let (s, divergence) = score_and_divergence(score, &x, times, divergence, noise, step);
        (times.iter().zip(s.dots(&s)).zip(divergence))
            .map(|((&t, square), divergence)| {
                self.sde.diffusion(t).powi(2) * (0.5 * square + divergence)
            })
            .collect()
    }

    /// What the implicit form adds to its integral, in nats a sample: E[−log π(x_T)] − ∫ ∇·f dt.
    pub fn implicit_constant<X: State>(&self, x0: &X) -> Vec<f64> {
        let [start, end] = self.ends();
        let dim = x0.sample_len();
        let shrinking = dim as f64 * (start.alpha.ln() - end.alpha.ln());
        (x0.dots(x0).into_iter())
            .map(|square| {
                // The mean of a log-density that is quadratic is its value at the mean square.
                let mean_square = end.alpha.powi(2) * square + dim as f64 * end.sigma.powi(2);
                shrinking - self.sde.prior().log_density(mean_square, dim)
            })
            .collect()
    }

    /// What the denoising form adds to its integral, in nats a sample: that of the implicit form, and
    /// −½ ∫ g² E‖ε‖²/σ² dt.
    pub fn denoising_constant<X: State>(&self, x0: &X) -> Vec<f64> {
        let [start, end] = self.ends();
        let noise = 0.5 * x0.sample_len() as f64 * (start.log_snr().0 - end.log_snr().0);
        let constant = self.implicit_constant(x0);
        constant.into_iter().map(|value| value - noise).collect()
    }

    /// ‖ε − ε_s(x_t, t)‖² of each sample, where ε_s is the noise that the score stands for.
    pub(super) fn noise_errors<X: State>(
        &self,
        score: &dyn Score<X>,
        x0: &X,
        epsilon: &X,
        times: &[Time],
    ) -> Vec<f64> {
        let marginals = self.marginals(times);
        let x = noised(x0, epsilon, &marginals);
        let to_noise: Vec<f64> = (marginals.iter())
            .map(|&m| -Prediction::Score.conversion(Prediction::Epsilon, m).p)
            .collect();
        let s = score.score_each(&x, times);
        let error = epsilon.clone().axpy_per_sample(&to_noise, &s);
        error.dots(&error)
    }

    /// g²/σ² = −d ln SNR/dt.
    pub(super) fn speed(&self, t: Time) -> f64 {
        (self.sde.diffusion(t) / self.sde.marginal(t).sigma).powi(2)
    }

    /// The marginals at t_min and t_max.
    pub(super) fn ends(&self) -> [Marginal; 2] {
        [self.times.t_min(), self.times.t_max()].map(|t| self.sde.marginal(t))
    }

    fn marginals(&self, times: &[Time]) -> Vec<Marginal> {
        times.iter().map(|&t| self.sde.marginal(t)).collect()
    }
}
