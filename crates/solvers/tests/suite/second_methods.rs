//! Each step once more, from its equation rather than from the solver's arrangement of it.

use ndarray::Array2;
use sde_core::families::{Edm, VariancePreserving};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{
    AffineSde, Marginal, ProbabilityFlow, ReverseSde, Score, Sde, Sigma, StepIndex, Time,
};
use solvers::{
    AdaptiveSde, AnnealedLangevin, EdmSampler, EulerMaruyama, EulerOde, HeunOde, LangevinStep,
    LastStep, Problem, Rk45, RungeKutta, Solver, TimeGrid, Unobserved,
};

use crate::families;

type X = Array2<f64>;

const NOISE: CounterNoise = CounterNoise {
    seed: 6,
    first_sample: 0,
};

/// Two times in the middle of a process: σ/α from 1.3 to 0.7.
fn interval(sde: &dyn AffineSde) -> (Time, Time) {
    (sde.time_at_sigma(Sigma(1.3)), sde.time_at_sigma(Sigma(0.7)))
}

fn world() -> GaussianMixture {
    GaussianMixture::eight_gaussians()
}

fn start(sde: &dyn AffineSde) -> X {
    world().sample_at(sde.marginal(interval(sde).0), 8, 5)
}

fn solve(solver: &dyn Solver<X>, sde: &dyn AffineSde, times: Vec<Time>, last: LastStep) -> X {
    let grid = TimeGrid::from_times(times, last).unwrap();
    let (world, x) = (world(), start(sde));
    let score = world.under(sde);
    let run = solver.solve(
        &Problem::new(sde, &score),
        &grid,
        x,
        &NOISE,
        &mut Unobserved,
    );
    run.unwrap().x
}

/// One step of `solver` over [`interval`].
fn one_step(solver: &dyn Solver<X>, sde: &dyn AffineSde) -> X {
    let (from, to) = interval(sde);
    solve(solver, sde, vec![from, to], LastStep::Plain)
}

fn assert_close(found: &X, expected: &X, what: &str) {
    let scale = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    let error = (found - expected)
        .iter()
        .fold(0.0, |m: f64, d| m.max(d.abs()));
    assert!(error < 1e-12 * scale, "{what}: {error:e}");
}

#[test]
fn euler_maruyama_steps_along_the_reverse_sde_of_sde_core() {
    for sde in families::all() {
        let sde = sde.as_ref();
        let ((from, to), x) = (interval(sde), start(sde));
        let (world, h) = (world(), from.0 - to.0);
        let score = world.under(sde);
        let reverse = ReverseSde::new(sde, &score);
        let z = NOISE.standard_normal(&x, StepIndex(0), Role::Diffusion);
        let g = Sde::<X>::diffusion(&reverse, from);
        let expected = &x - &(h * reverse.drift(&x, from)) + g * h.sqrt() * z;
        assert_close(&one_step(&EulerMaruyama, sde), &expected, sde.name());
    }
}

#[test]
fn euler_and_heun_step_along_the_probability_flow_of_sde_core() {
    for sde in families::all() {
        let sde = sde.as_ref();
        let ((from, to), x) = (interval(sde), start(sde));
        let (world, h) = (world(), from.0 - to.0);
        let score = world.under(sde);
        let flow = ProbabilityFlow::new(sde, &score);
        let d = flow.velocity(&x, from);
        let euler = &x - &(h * &d);
        let heun = &x - &(0.5 * h * (d + flow.velocity(&euler, to)));
        assert_close(&one_step(&EulerOde, sde), &euler, sde.name());
        assert_close(&one_step(&HeunOde, sde), &heun, sde.name());
    }
}

/// Algorithm 2 in the paper's own variables, with a denoiser D(x̃; σ̃).
#[test]
fn edm_follows_algorithm_2_line_by_line_under_every_family() {
    let sampler = EdmSampler {
        s_churn: 0.3,
        s_min: 0.1,
        s_max: 2.0,
        s_noise: 1.01,
    };
    for sde in families::all() {
        let sde = sde.as_ref();
        let (world, (from, to)) = (world(), interval(sde));
        let noised = |sigma| Marginal { alpha: 1.0, sigma };
        let denoiser = |x: &X, sigma: f64| -> X {
            let mut mean = x.clone();
            for (mut mean, x) in mean.outer_iter_mut().zip(x.outer_iter()) {
                mean.assign(&world.posterior_mean(noised(sigma), x));
            }
            mean
        };
        let (alpha, [t0, t1]) = (
            sde.marginal(from).alpha,
            [from, to].map(|t| sde.marginal(t).sigma_ratio().0),
        );

        // N = 1 step, so γ = S_churn.
        let x = start(sde) / alpha;
        let epsilon = 1.01 * NOISE.standard_normal(&x, StepIndex(0), Role::Churn);
        let t_hat = t0 + 0.3 * t0;
        let x_hat = x + (t_hat * t_hat - t0 * t0).sqrt() * epsilon;
        let d = (&x_hat - &denoiser(&x_hat, t_hat)) / t_hat;
        let next = &x_hat + (t1 - t_hat) * &d;
        let d_next = (&next - &denoiser(&next, t1)) / t1;
        let expected = x_hat + (t1 - t_hat) * 0.5 * (d + d_next);
        let found = one_step(&sampler, sde) / sde.marginal(to).alpha;
        assert_close(&found, &expected, sde.name());
    }
}

/// The step to σ̃ = 0 of algorithm 2 is churned as well.
#[test]
fn the_denoising_step_of_edm_starts_from_the_churned_state() {
    let sde = VariancePreserving::default();
    let (from, _) = interval(&sde);
    let churned = EdmSampler {
        s_churn: 0.3,
        ..EdmSampler::default()
    };
    let found = solve(&churned, &sde, vec![from], LastStep::Denoise);
    let (world, m) = (world(), sde.marginal(from));
    let raised = sde.time_at_sigma(Sigma(1.3 * m.sigma_ratio().0));
    let up = sde.marginal(raised);
    let x = start(&sde) / m.alpha;
    let added = (up.sigma_ratio().0.powi(2) - m.sigma_ratio().0.powi(2)).sqrt();
    let z = NOISE.standard_normal(&x, StepIndex(0), Role::Churn);
    let x_hat = up.alpha * (x + added * z);
    let mut expected = x_hat.clone();
    for (mut mean, x) in expected.outer_iter_mut().zip(x_hat.outer_iter()) {
        mean.assign(&world.posterior_mean(up, x));
    }
    assert_close(&found, &expected, "churned");
}

#[test]
fn denoising_is_the_posterior_mean_for_every_solver_that_does_nothing_else_there() {
    let solvers: [&dyn Solver<X>; 7] = [
        &EulerMaruyama,
        &EulerOde,
        &HeunOde,
        &EdmSampler::default(),
        &RungeKutta::RK4,
        &Rk45::default(),
        &AdaptiveSde::default(),
    ];
    for sde in families::all() {
        let sde = sde.as_ref();
        let (from, _) = interval(sde);
        let mut expected = start(sde);
        for mut x in expected.outer_iter_mut() {
            let mean = world().posterior_mean(sde.marginal(from), x.view());
            x.assign(&mean);
        }
        for solver in solvers {
            let found = solve(solver, sde, vec![from], LastStep::Denoise);
            assert_close(&found, &expected, sde.name());
        }
    }
}

#[test]
fn denoising_is_an_euler_step_of_the_edm_flow_to_zero() {
    let sde = Edm::default();
    let (from, _) = interval(&sde);
    let (world, x) = (world(), start(&sde));
    let score = world.under(&sde);
    let d = ProbabilityFlow::new(&sde as &dyn AffineSde, &score).velocity(&x, from);
    let expected = &x - from.0 * d;
    let found = solve(&EulerOde, &sde, vec![from], LastStep::Denoise);
    assert_close(&found, &expected, "edm");
}

#[test]
fn heun_in_t_and_edm_without_churn_are_one_method_where_t_is_the_noise_level() {
    let sde = Edm::default();
    let times: Vec<Time> = [3.0, 2.0, 1.2, 0.5, 0.1].map(Time).to_vec();
    let [heun, edm]: [&dyn Solver<X>; 2] = [&HeunOde, &EdmSampler::default()];
    let [heun, edm] = [heun, edm].map(|s| solve(s, &sde, times.clone(), LastStep::Denoise));
    assert_close(&heun, &edm, "edm");
}

/// At the largest noise level there is no room for churn, so there is none.
#[test]
fn churn_never_leaves_the_process() {
    let sampler = EdmSampler {
        s_churn: 1.0,
        ..EdmSampler::default()
    };
    for sde in families::all() {
        let sde = sde.as_ref();
        let times = vec![sde.t_max(), sde.t_min_sampling()];
        let [churned, calm] = [sampler, EdmSampler::default()]
            .map(|s| solve(&s, sde, times.clone(), LastStep::Plain));
        assert_eq!(churned, calm, "{}", sde.name());
    }
}

/// Song & Ermon 2019, algorithm 1, in x/α: α_i = ε σ_i²/σ_L², here with σ_L = 1 level's own.
#[test]
fn annealed_langevin_follows_algorithm_1_line_by_line_under_every_family() {
    let (t_steps, epsilon) = (3, 0.2);
    let sampler = AnnealedLangevin {
        steps_per_level: t_steps,
        step: LangevinStep::Ncsn { epsilon },
    };
    for sde in families::all() {
        let sde = sde.as_ref();
        let (world, (from, to)) = (world(), interval(sde));
        let mut x = start(sde) / sde.marginal(from).alpha;
        for (level, t) in [from, to].into_iter().enumerate() {
            let sigma = sde.marginal(t).sigma_ratio().0;
            let blurred = Edm::default();
            let score = world.under(&blurred);
            let alpha = epsilon * sigma * sigma;
            for inner in 0..t_steps {
                let index = StepIndex(level * t_steps + inner);
                let z = NOISE.standard_normal(&x, index, Role::Langevin);
                let s = score.score(&x, Time(sigma));
                x = x + 0.5 * alpha * s + alpha.sqrt() * z;
            }
        }
        let found = one_step(&sampler, sde) / sde.marginal(to).alpha;
        assert_close(&found, &x, sde.name());
    }
}

/// In many dimensions ‖z‖² is d and ‖s‖² is w d/v² for x of variance w under N(0, v), so that a step maps
/// w to w (1 − 2r² v/w)² + 4r² v²/w, whose fixed point is v (1 + r²).
#[test]
fn score_sde_steps_settle_at_one_plus_r_squared_times_the_variance_in_many_dimensions() {
    const DIM: usize = 8192;
    let sde = Edm::default();
    let sampler = AnnealedLangevin {
        steps_per_level: 40,
        step: LangevinStep::Snr { r: 0.4 },
    };
    let score = |x: &X, t: Time| -x / (t.0 * t.0);
    let grid = TimeGrid::from_times(vec![Time(1.0 + 1e-9), Time(1.0)], LastStep::Plain).unwrap();
    let x = NOISE.standard_normal(&X::zeros((8, DIM)), StepIndex(0), Role::Prior);
    let problem = Problem::new(&sde, &score);
    let run = sampler.solve(&problem, &grid, x, &NOISE, &mut Unobserved);
    let found = run.unwrap().x.mapv(|x| x * x).mean().unwrap();
    // Five standard errors of a mean of 65536 squares.
    let error = 5.0 * (2.0 / (8.0 * DIM as f64)).sqrt();
    assert!((found / 1.16 - 1.0).abs() < error, "{found}");
}

/// γ ≤ √2 − 1, so that no step more than doubles the variance of the noise; and no churn outside
/// [S_min, S_max]. The interval starts at σ/α = 1.3.
#[test]
fn churn_is_capped_and_confined_to_its_noise_levels() {
    let sde = VariancePreserving::default();
    let (calm, churned) = (
        EdmSampler::default(),
        EdmSampler {
            s_churn: std::f64::consts::SQRT_2 - 1.0,
            ..EdmSampler::default()
        },
    );
    let capped = EdmSampler {
        s_churn: 100.0,
        ..churned
    };
    assert_eq!(one_step(&capped, &sde), one_step(&churned, &sde));
    for outside in [
        EdmSampler {
            s_max: 1.29,
            ..churned
        },
        EdmSampler {
            s_min: 1.31,
            ..churned
        },
    ] {
        assert_eq!(one_step(&outside, &sde), one_step(&calm, &sde));
    }
    assert_ne!(one_step(&churned, &sde), one_step(&calm, &sde));
}

/// Where the score vanishes, ‖z‖/‖s‖ knows no bound; the step is σ² there.
#[test]
fn a_score_sde_step_is_never_longer_than_the_variance_of_the_noise() {
    let sde = Edm::default();
    let sampler = AnnealedLangevin {
        steps_per_level: 1,
        step: LangevinStep::Snr { r: 0.16 },
    };
    let score = |x: &X, _: Time| X::zeros(x.raw_dim());
    let grid = TimeGrid::from_times(vec![Time(3.0), Time(0.5)], LastStep::Plain).unwrap();
    let x = X::ones((4, 3));
    let noise = |step| -> X { NOISE.standard_normal(&x, StepIndex(step), Role::Langevin) };
    let expected = &x + 2f64.sqrt() * (3.0 * noise(0) + 0.5 * noise(1));
    let problem = Problem::new(&sde, &score);
    let run = sampler.solve(&problem, &grid, x.clone(), &NOISE, &mut Unobserved);
    assert_close(&run.unwrap().x, &expected, "edm");
}
