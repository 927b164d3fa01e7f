//! Whether the stochastic solvers sample the right distribution, and whether these tests would notice if
//! they did not.
//!
//! Runs start from the exact p_T and end with the state at t_min, so that nothing but the solver can be
//! wrong. By the measure of `exact_variances`, samples of the grids used here are too wide by 0 to 2.5 %
//! in variance. That moves a Kolmogorov-Smirnov distance by 0.37 times as much, 0.009 at most, where
//! detection begins at 0.047 for 2000 samples and at 0.033 for 4000.

use ndarray::{Array2, array};
use sde_core::families::{VarianceExploding, VariancePreserving};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Marginal, Prior, Score, Sigma, StepIndex, Time};
use solvers::{
    Ancestral, AnnealedLangevin, DpmSolver2MSde, EdmSampler, EulerMaruyama, GridConfig, GridSpec,
    LangevinStep, LastStep, Problem, Solver, SolverConfig, Unobserved,
};

use crate::families;
use crate::goodness_of_fit::{FALSE_ALARM, on_the_line, separated};

type X = Array2<f64>;

/// Four Gaussians of unequal weights and unequal, anisotropic widths, far apart.
fn islands() -> GaussianMixture {
    let means = array![[-2.0, -2.0], [2.0, -2.0], [-2.0, 2.0], [2.0, 2.0]];
    let stds = array![[0.2, 0.3], [0.3, 0.2], [0.25, 0.25], [0.2, 0.2]];
    GaussianMixture::new(vec![0.1, 0.2, 0.3, 0.4], means, stds).unwrap()
}

/// A skewed, overlapping mixture on the line.
fn skewed() -> GaussianMixture {
    let means = array![[-1.0], [0.5], [1.5]];
    let stds = array![[0.5], [0.4], [0.8]];
    GaussianMixture::new(vec![0.3, 0.2, 0.5], means, stds).unwrap()
}

/// A solver with the grid to test it on.
struct Sampler {
    solver: Box<dyn Solver<X>>,
    /// The family's published one if none.
    spacing: Option<GridConfig>,
    steps: usize,
}

impl Sampler {
    fn euler_maruyama() -> Self {
        Self {
            solver: Box::new(EulerMaruyama),
            spacing: None,
            steps: 500,
        }
    }

    fn churned_edm() -> Self {
        let solver = EdmSampler {
            s_noise: 1.0,
            ..EdmSampler::imagenet64()
        };
        Self {
            solver: Box::new(solver),
            spacing: Some(GridConfig::karras()),
            steps: 128,
        }
    }

    /// A solver that adds noise by itself, on its default grid.
    fn of(config: SolverConfig, family: &str, steps: usize) -> Self {
        Self {
            solver: config.build().unwrap(),
            spacing: Some(config.default_grid(family)),
            steps,
        }
    }

    /// Many levels of few long steps: the least lag for a given number of evaluations.
    fn annealed_langevin() -> Self {
        let solver = AnnealedLangevin {
            steps_per_level: 10,
            step: LangevinStep::Ncsn { epsilon: 1.0 },
        };
        Self {
            solver: Box::new(solver),
            spacing: Some(GridConfig::LogSnr {}),
            steps: 99,
        }
    }

    /// x at t_min from `n` exact draws of x_T of `world`, with `score` and `noise`.
    fn sample(
        &self,
        world: &GaussianMixture,
        sde: &dyn AffineSde,
        score: &dyn Score<X>,
        noise: &dyn Noise<X>,
        n: usize,
    ) -> X {
        let spacing = self.spacing.unwrap_or(GridConfig::published(sde.name()));
        let grid = GridSpec::new(spacing, self.steps)
            .ending_with(LastStep::Plain)
            .build(sde)
            .unwrap();
        let x_t = world.sample_at(sde.marginal(grid.start()), 1, n);
        let problem = Problem::new(sde, score);
        let run = self
            .solver
            .solve(&problem, &grid, x_t, noise, &mut Unobserved);
        run.unwrap().x
    }

    fn check_on(&self, families: Vec<Box<dyn AffineSde>>) {
        for sde in families {
            let sde = sde.as_ref();
            let end = sde.marginal(sde.t_min_sampling());
            let sample = |world: &GaussianMixture| {
                self.sample(world, sde, &world.under(sde), &CounterNoise::new(2), 2000)
            };
            let p_values = [
                separated(&islands().noised(end), &sample(&islands())),
                on_the_line(&skewed().noised(end), &sample(&skewed())),
            ];
            let accepted = p_values.iter().all(|&p| p > FALSE_ALARM);
            assert!(accepted, "{}: {p_values:?}", sde.name());
        }
    }
}

#[test]
fn euler_maruyama_samples_the_mixtures_under_every_family() {
    Sampler::euler_maruyama().check_on(families::all());
}

#[test]
fn edm_with_churn_samples_the_mixtures_under_every_family() {
    Sampler::churned_edm().check_on(families::all());
}

/// Two families: the solver works on x/α, where `second_methods` shows it to be the same in all.
#[test]
fn annealed_langevin_samples_the_mixtures_under_vp_and_ve() {
    let (vp, ve) = (VariancePreserving::default(), VarianceExploding::default());
    Sampler::annealed_langevin().check_on(vec![Box::new(vp), Box::new(ve)]);
}

/// The others are these on another family (`coefficient_rules`), or with another variance of weak order 1.
#[test]
fn ancestral_sampling_and_dpm_solver_sample_the_mixtures_under_vp_and_ve() {
    let ancestral = SolverConfig::Ancestral(Ancestral::default());
    let two = SolverConfig::DpmSolver2MSde(DpmSolver2MSde::default());
    for (config, steps) in [(ancestral, 500), (two, 128)] {
        let (vp, ve) = (VariancePreserving::default(), VarianceExploding::default());
        Sampler::of(config, "vp", steps).check_on(vec![Box::new(vp)]);
        Sampler::of(config, "ve", steps).check_on(vec![Box::new(ve)]);
    }
}

#[test]
fn exact_samples_pass_in_every_one_of_a_hundred_draws_or_all_but_one() {
    let refused = (0..100).filter(|&seed| {
        separated(&islands(), &islands().sample(seed, 1000)) < FALSE_ALARM
            || on_the_line(&skewed(), &skewed().sample(seed, 1000)) < FALSE_ALARM
    });
    // 0.2 are expected; two or more have a probability of 2 %.
    assert!(refused.count() < 2);
}

/// A process that claims another g(t) than it has.
struct WrongDiffusion<P> {
    inner: P,
    factor: f64,
}

impl<P: AffineSde> AffineSde for WrongDiffusion<P> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn drift_rate(&self, t: Time) -> f64 {
        self.inner.drift_rate(t)
    }
    fn diffusion(&self, t: Time) -> f64 {
        self.factor * self.inner.diffusion(t)
    }
    fn marginal(&self, t: Time) -> Marginal {
        self.inner.marginal(t)
    }
    fn time_at_sigma(&self, sigma: Sigma) -> Time {
        self.inner.time_at_sigma(sigma)
    }
    fn t_max(&self) -> Time {
        self.inner.t_max()
    }
    fn t_min_sampling(&self) -> Time {
        self.inner.t_min_sampling()
    }
    fn prior(&self) -> Prior {
        self.inner.prior()
    }
}

/// Standard normal noise times a factor.
struct Scaled(f64);

impl Noise<X> for Scaled {
    fn standard_normal(&self, like: &X, step: StepIndex, role: Role) -> X {
        CounterNoise::new(2).standard_normal(like, step, role) * self.0
    }
}

/// The p-value on [`islands`] with 4000 samples.
fn p_value(sampler: &Sampler, sde: &dyn AffineSde, score: &dyn Score<X>, noise: f64) -> f64 {
    let x = sampler.sample(&islands(), sde, score, &Scaled(noise), 4000);
    separated(&islands().noised(sde.marginal(sde.t_min_sampling())), &x)
}

#[test]
fn a_score_ten_percent_too_small_is_noticed_with_every_solver() {
    let sde = VariancePreserving::default();
    let world = islands();
    let exact = world.under(&sde);
    let weak = |x: &X, t: Time| 0.9 * exact.score(x, t);
    for sampler in [
        Sampler::euler_maruyama(),
        Sampler::churned_edm(),
        Sampler::annealed_langevin(),
    ] {
        let p = p_value(&sampler, &sde, &weak, 1.0);
        assert!(p < FALSE_ALARM, "{}: {p}", sampler.solver.info().name);
    }
}

#[test]
fn a_diffusion_ten_percent_off_is_noticed() {
    for factor in [0.9, 1.1] {
        let inner = VariancePreserving::default();
        let sde = WrongDiffusion { inner, factor };
        let world = islands();
        let p = p_value(&Sampler::euler_maruyama(), &sde, &world.under(&sde), 1.0);
        assert!(p < FALSE_ALARM, "{factor}: {p}");
    }
}

#[test]
fn noise_ten_percent_off_is_noticed() {
    let sde = VariancePreserving::default();
    let world = islands();
    for sampler in [Sampler::euler_maruyama(), Sampler::churned_edm()] {
        for noise in [0.9, 1.1] {
            let p = p_value(&sampler, &sde, &world.under(&sde), noise);
            assert!(p < FALSE_ALARM, "{}: {p}", sampler.solver.info().name);
        }
    }
}

#[test]
fn weights_five_percent_off_are_noticed() {
    let sde = VariancePreserving::default();
    let weights = vec![0.15, 0.2, 0.3, 0.35];
    let (means, stds) = (islands().means().to_owned(), islands().stds().to_owned());
    let other = GaussianMixture::new(weights, means, stds).unwrap();
    let p = p_value(&Sampler::euler_maruyama(), &sde, &other.under(&sde), 1.0);
    assert!(p < FALSE_ALARM, "{p}");
}
