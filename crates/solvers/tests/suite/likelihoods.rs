//! Likelihoods against closed forms, within the errors that they state.
//!
//! The prior π stands for p_T; that is the model's own approximation and no error of the computation. So
//! figures are compared with ln p_{t_min}(x) + ln π(x_T) − ln p_T(x_T).

use ndarray::{Array2, array};
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, DifferentiableScore, Marginal, Score, Time};
use solvers::likelihood::Probe;
use solvers::{
    DataEnd, Divergence, FlowVariable, Integrator, Likelihood, LikelihoodError, Quantisation, Rk45,
};

use crate::families;

type X = Array2<f64>;

const NOISE: CounterNoise = CounterNoise {
    seed: 31,
    first_sample: 0,
};

fn worlds() -> [GaussianMixture; 2] {
    let means = array![[0.8, -0.5], [-1.0, 0.6]];
    let stds = array![[0.4, 0.9], [0.6, 0.3]];
    [
        GaussianMixture::gaussian(&[0.4, -0.3], 0.5).unwrap(),
        GaussianMixture::new(vec![0.7, 0.3], means, stds).unwrap(),
    ]
}

fn data_end(sde: &dyn AffineSde) -> Time {
    sde.t_min_training()
}

fn log_densities(world: &GaussianMixture, at: Marginal, x: &X) -> Vec<f64> {
    let law = world.noised(at);
    x.outer_iter().map(|x| law.log_pdf(x)).collect()
}

/// ln p_{t_min}(x) of each row, if π is the prior that x_T is held against.
fn closed_form(world: &GaussianMixture, sde: &dyn AffineSde, x: &X, latents: &X) -> Vec<f64> {
    let here = log_densities(world, sde.marginal(data_end(sde)), x);
    let there = log_densities(world, sde.marginal(sde.t_max()), latents);
    let prior = sde.prior().log_densities(latents);
    (here.iter().zip(there).zip(prior))
        .map(|((here, there), prior)| here + prior - there)
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_exact_divergence_gives_the_closed_form_within_the_solver_s_error_on_every_family() {
    for world in worlds() {
        for sde in families::all() {
            let sde = sde.as_ref();
            let score = world.under(sde);
            let x = world.sample_at(sde.marginal(data_end(sde)), 5, 6);
            let likelihood = Likelihood {
                divergence: Divergence::exact(),
                integrator: Integrator::Rk45(Rk45::with_tolerance(1e-6)),
                ..Likelihood::default()
            };
            let found = likelihood.log_densities(sde, &score, &x, NOISE, 0).unwrap();
            let expected = closed_form(&world, sde, &x, &found.latents);
            let report = likelihood.evaluate(sde, &score, &x, NOISE).unwrap();
            let solver = report.budget.solver.unwrap();
            assert_eq!(report.nats_per_point, found.values);
            assert!(solver.largest < 1e-4, "{}: {solver:?}", sde.name());
            // The finer run errs too, by about a tenth.
            let allowed = 1.5 * solver.largest + 1e-9;
            for (value, expected) in found.values.iter().zip(&expected) {
                let error = (value - expected).abs();
                assert!(error < allowed, "{}: {error:e} of {allowed:e}", sde.name());
            }
            let budget = report.budget;
            assert_eq!((budget.draws, budget.probes), (Some(0.0), Some(0.0)));
            let spread = budget.data.unwrap();
            assert!((report.nats.standard_error / spread - 1.0).abs() < 1e-12);
            assert!(report.evaluations > found.evaluations);
        }
    }
}

/// Five standard errors of the probes, which they measure themselves, and the solver's error.
#[test]
fn hutchinson_s_estimate_is_the_closed_form_within_its_budget_on_every_family() {
    let [_, world] = worlds();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let x = world.sample_at(sde.marginal(data_end(sde)), 5, 12);
        for law in [Probe::Rademacher, Probe::Gaussian] {
            let likelihood = Likelihood {
                divergence: Divergence::Hutchinson { probes: 12, law },
                integrator: Integrator::Rk45(Rk45::with_tolerance(1e-4)),
                ..Likelihood::default()
            };
            let report = likelihood.evaluate(sde, &score, &x, NOISE).unwrap();
            let exact = Likelihood {
                divergence: Divergence::exact(),
                ..likelihood
            };
            let exact = exact.log_densities(sde, &score, &x, NOISE, 0).unwrap();
            let expected = mean(&closed_form(&world, sde, &x, &exact.latents));
            let (probes, solver) = (report.budget.probes.unwrap(), report.budget.solver.unwrap());
            let error = (report.nats.value - expected).abs();
            let allowed = 5.0 * probes + 1.5 * solver.shift.abs() + 1e-4;
            assert!(probes > 1e-3, "{}: probes are uncertain", sde.name());
            assert!(
                error < allowed,
                "{} {law:?}: {error} of {allowed}",
                sde.name()
            );
            assert_eq!(report.budget.sampling(), probes);
        }
    }
}

/// In two dimensions the estimate of signs is the trace and 2 J₁₂ ± 1, so that it is exact where the data's
/// dimensions are independent; that of Gaussian probes is not.
#[test]
fn signs_are_exact_for_independent_dimensions_and_gaussian_probes_are_not() {
    let [world, _] = worlds();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let x = world.sample_at(sde.marginal(data_end(sde)), 5, 3);
        let run = |divergence| {
            let likelihood = Likelihood {
                divergence,
                ..Likelihood::default()
            };
            likelihood.evaluate(sde, &score, &x, NOISE).unwrap()
        };
        let exact = run(Divergence::exact());
        let signs = run(Divergence::hutchinson(2));
        assert!(
            (exact.nats.value - signs.nats.value).abs() < 1e-9,
            "{}",
            sde.name()
        );
        assert!(signs.budget.probes.unwrap() < 1e-9);
        let law = Probe::Gaussian;
        let gaussian = run(Divergence::Hutchinson { probes: 2, law });
        assert!(gaussian.budget.probes.unwrap() > 0.1, "{}", sde.name());
    }
}

#[test]
fn every_flow_variable_and_the_fixed_grid_give_one_density() {
    let [_, world] = worlds();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let x = world.sample_at(sde.marginal(data_end(sde)), 9, 2);
        let run = |integrator| {
            let likelihood = Likelihood {
                divergence: Divergence::exact(),
                integrator,
                ..Likelihood::default()
            };
            likelihood.evaluate(sde, &score, &x, NOISE).unwrap()
        };
        let reference = run(Integrator::Rk45(Rk45::with_tolerance(1e-9)));
        for variable in FlowVariable::ALL {
            let adaptive = run(Integrator::Rk45(Rk45 {
                variable,
                ..Rk45::with_tolerance(1e-7)
            }));
            let error = (adaptive.nats.value - reference.nats.value).abs();
            assert!(error < 1e-5, "{} {variable:?}: {error:e}", sde.name());
        }
        let variable = FlowVariable::LogSigma;
        let fixed = run(Integrator::Rk4 {
            steps: 300,
            variable,
        });
        let error = (fixed.nats.value - reference.nats.value).abs();
        let stated = fixed.budget.solver.unwrap().largest;
        assert!(
            error < 1.5 * stated + 1e-7,
            "{}: {error:e} of {stated:e}",
            sde.name()
        );
    }
}

/// `rescaled` is the density of x₀ + (σ/α) ε, whatever t_min is.
#[test]
fn the_rescaled_density_is_that_of_the_blurred_data() {
    let [_, world] = worlds();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let t_min = sde.time_at_sigma(sde_core::Sigma(0.1));
        let at = sde.marginal(t_min);
        let x = world.sample(4, 4);
        let likelihood = Likelihood {
            divergence: Divergence::exact(),
            integrator: Integrator::Rk45(Rk45::with_tolerance(1e-8)),
            data_end: DataEnd::Rescaled,
            t_min: Some(t_min),
            ..Likelihood::default()
        };
        let found = likelihood.log_densities(sde, &score, &x, NOISE, 0).unwrap();
        let blurred = Marginal {
            alpha: 1.0,
            sigma: at.sigma_ratio().0,
        };
        let there = log_densities(&world, sde.marginal(sde.t_max()), &found.latents);
        let prior = sde.prior().log_densities(&found.latents);
        for (i, expected) in log_densities(&world, blurred, &x).into_iter().enumerate() {
            let error = (found.values[i] - (expected + prior[i] - there[i])).abs();
            assert!(error < 1e-6, "{}: {error:e}", sde.name());
        }
    }
}

/// For a Gaussian of standard deviation s, p(x₀ | x′) has the variance τ² = s² v/(s² + v), v = (σ/α)²,
/// where the bound takes v. Bayes' rule turns one into ln p₀ for every draw.
#[test]
fn the_bound_is_the_data_s_density_less_what_its_gaussian_decoder_misses() {
    let [world, _] = worlds();
    let clean = Marginal {
        alpha: 1.0,
        sigma: 0.0,
    };
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let t_min = sde.time_at_sigma(sde_core::Sigma(0.2));
        let x = world.sample(4, 200);
        let likelihood = Likelihood {
            divergence: Divergence::exact(),
            integrator: Integrator::Rk45(Rk45::with_tolerance(1e-6)),
            data_end: DataEnd::Bound,
            t_min: Some(t_min),
            solver_check: false,
            ..Likelihood::default()
        };
        let found = likelihood.log_densities(sde, &score, &x, NOISE, 0).unwrap();
        let there = log_densities(&world, sde.marginal(sde.t_max()), &found.latents);
        let prior = sde.prior().log_densities(&found.latents);
        let gaps: Vec<f64> = (log_densities(&world, clean, &x).into_iter().enumerate())
            .map(|(i, exact)| exact + prior[i] - there[i] - found.values[i])
            .collect();
        // E[D/2 (τ²/v − 1 − ln(τ²/v))] over x′ given x, averaged over the data.
        let ratio = 0.25 / (0.25 + sde.marginal(t_min).sigma_ratio().0.powi(2));
        let expected = ratio - 1.0 - ratio.ln();
        let spread = gaps.iter().map(|g| (g - mean(&gaps)).powi(2)).sum::<f64>() / 199.0;
        let error = (mean(&gaps) - expected).abs();
        assert!(expected > 0.005);
        assert!(
            error < 5.0 * (spread / 200.0).sqrt(),
            "{}: {error}",
            sde.name()
        );
    }
}

/// ln P(k) ≥ E_u ln p: the expectation by the midpoint rule over each cell. Coarse levels, so that
/// dequantisation matters.
#[test]
fn bits_per_dimension_of_levels_are_the_closed_form_s_within_the_budget() {
    let [_, world] = worlds();
    let quantisation = Quantisation {
        bits: 3,
        low: -2.0,
        high: 2.0,
    };
    let levels: X = array![[2.0, 5.0], [5.0, 3.0], [4.0, 4.0], [1.0, 4.0]];
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let likelihood = Likelihood {
            divergence: Divergence::exact(),
            integrator: Integrator::Rk45(Rk45::with_tolerance(1e-4)),
            draws: 24,
            ..Likelihood::default()
        };
        let run = likelihood.evaluate_quantised(sde, &score, &levels, quantisation, NOISE);
        let report = run.unwrap();
        let law = world.noised(sde.marginal(data_end(sde)));
        let mut nats = Vec::new();
        for level in levels.outer_iter() {
            let mut sum = 0.0;
            for (i, j) in (0..40).flat_map(|i| (0..40).map(move |j| (i, j))) {
                let within = [i, j].map(|i| (f64::from(i) + 0.5) / 40.0);
                let x = array![
                    -2.0 + 0.5 * (level[0] + within[0]),
                    -2.0 + 0.5 * (level[1] + within[1])
                ];
                sum += law.log_pdf(x.view());
            }
            nats.push(sum / 1600.0 + 2.0 * 0.5f64.ln());
        }
        let expected = -mean(&nats) / (2.0 * std::f64::consts::LN_2);
        let bits = report.bits_per_dim.unwrap();
        let per_dim = (2.0 * std::f64::consts::LN_2).recip();
        // The prior's share: below 0.003 nats where it is N(0, T).
        let allowed = per_dim * (5.0 * report.budget.sampling() + 0.03);
        let error = (bits.value - expected).abs();
        assert!(error < allowed, "{}: {error} of {allowed}", sde.name());
        let draws = report.budget.draws.unwrap();
        assert!(draws > 1e-3 && report.budget.sampling() == draws);
        assert_eq!((report.draws, report.points, report.dim), (24, 4, 2));
        assert_eq!(bits.value, -report.nats.value * per_dim);
    }
}

#[test]
fn the_budget_takes_the_variances_apart() {
    let [_, world] = worlds();
    let sde = sde_core::families::VariancePreserving::default();
    let score = world.under(&sde);
    let likelihood = Likelihood {
        divergence: Divergence::hutchinson(3),
        integrator: Integrator::Rk45(Rk45::with_tolerance(1e-3)),
        draws: 4,
        solver_check: false,
        ..Likelihood::default()
    };
    let levels = X::from_shape_fn((40, 2), |(i, d)| ((3 * i + 5 * d + i / 4) % 4) as f64);
    let quantisation = Quantisation {
        bits: 2,
        low: -3.0,
        high: 3.0,
    };
    let run = likelihood.evaluate_quantised(&sde, &score, &levels, quantisation, NOISE);
    let report = run.unwrap();
    let budget = report.budget;
    assert!(budget.solver.is_none());
    // Every component again, from the raw figures, as one-way analyses of variance.
    let mut probes = Vec::new();
    let mut means = vec![Vec::new(); 40];
    for draw in 0..4 {
        let x = quantisation.dequantised(&levels, NOISE, draw);
        let found = likelihood
            .log_densities(&sde, &score, &x, NOISE, draw)
            .unwrap();
        for (point, values) in found.values.chunks(3).enumerate() {
            let m = mean(values);
            probes.push(values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / 2.0);
            means[point].push(m);
        }
    }
    let of_probe = mean(&probes);
    let within: Vec<f64> = (means.iter())
        .map(|m| m.iter().map(|v| (v - mean(m)).powi(2)).sum::<f64>() / 3.0)
        .collect();
    let of_draw = (mean(&within) - of_probe / 3.0).max(0.0);
    assert!(of_probe > 0.0 && of_draw > 0.0);
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9 * (1.0 + b.abs());
    assert!(close(budget.probes.unwrap(), (of_probe / 480.0).sqrt()));
    assert!(close(budget.draws.unwrap(), (of_draw / 160.0).sqrt()));
    let total = budget.sampling().hypot(budget.data.unwrap());
    assert!((total / report.nats.standard_error - 1.0).abs() < 1e-6);
}

#[test]
fn a_point_s_density_does_not_depend_on_its_batch() {
    let [_, world] = worlds();
    let sde = sde_core::families::VariancePreserving::default();
    let score = world.under(&sde);
    let levels = X::from_shape_fn((5, 2), |(i, d)| ((7 * i + 3 * d) % 16) as f64);
    let likelihood = Likelihood {
        divergence: Divergence::hutchinson(2),
        draws: 2,
        data_end: DataEnd::Bound,
        ..Likelihood::default()
    };
    let quantisation = Quantisation::symmetric(4);
    let run = |first: usize, last: usize| {
        let part = levels.slice(ndarray::s![first..last, ..]).to_owned();
        let noise = NOISE.starting_at(first as u64);
        let report = likelihood.evaluate_quantised(&sde, &score, &part, quantisation, noise);
        report.unwrap().nats_per_point
    };
    assert_eq!([run(0, 1), run(1, 4), run(4, 5)].concat(), run(0, 5));
}

/// A score that is lost for some points below some t.
struct Broken<'a>(sde_core::worlds::ExactScore<'a>);

impl Score<X> for Broken<'_> {
    fn score(&self, x: &X, t: Time) -> X {
        self.0.score(x, t)
    }
}

impl DifferentiableScore<X> for Broken<'_> {
    fn score_and_vjp(&self, x: &X, times: &[Time], v: &X) -> (X, X) {
        let (s, mut product) = self.0.score_and_vjp(x, times, v);
        for (i, mut row) in product.outer_iter_mut().enumerate() {
            if times[i].0 > 0.3 && x[[i, 0]] > 0.0 {
                row.fill(f64::NAN);
            }
        }
        (s, product)
    }
}

#[test]
fn what_has_no_likelihood_is_an_error_that_says_why() {
    let [_, world] = worlds();
    let sde = sde_core::families::VariancePreserving::default();
    let score = world.under(&sde);
    let x = X::ones((2, 2));
    let error = |likelihood: Likelihood| {
        let run = likelihood.evaluate(&sde, &score, &x, NOISE);
        run.unwrap_err().to_string()
    };
    let default = Likelihood::default();
    let with = |integrator| Likelihood {
        integrator,
        ..default
    };
    let tolerance = |rtol| {
        with(Integrator::Rk45(Rk45 {
            rtol,
            ..Rk45::default()
        }))
    };
    let variable = FlowVariable::Time;
    let divergence = Divergence::hutchinson(0);
    for (likelihood, message) in [
        (tolerance(0.0), "rtol = 0"),
        (with(Integrator::Rk4 { steps: 0, variable }), "steps = 0"),
        (
            Likelihood {
                divergence,
                ..default
            },
            "probes = 0",
        ),
        (
            Likelihood {
                draws: 0,
                ..default
            },
            "draws = 0",
        ),
        (
            Likelihood {
                t_min: Some(Time(0.0)),
                ..default
            },
            "no density at t = 0",
        ),
        (
            Likelihood {
                t_min: Some(Time(2.0)),
                ..default
            },
            "no density at t = 2",
        ),
        (
            Likelihood {
                t_min: Some(Time(f64::NAN)),
                ..default
            },
            "no density",
        ),
        (
            Likelihood {
                divergence: Divergence::Exact { max_dim: 1 },
                ..default
            },
            "2 products at every evaluation, and 1",
        ),
    ] {
        let error = error(likelihood);
        assert!(error.contains(message), "{error}");
    }
    let q = Quantisation::symmetric;
    for (quantisation, message) in [
        (q(0), "bits = 0"),
        (Quantisation { high: -1.0, ..q(8) }, "high = -1"),
        (
            Quantisation {
                low: f64::NAN,
                ..q(8)
            },
            "low = NaN",
        ),
    ] {
        let run = default.evaluate_quantised(&sde, &score, &x, quantisation, NOISE);
        let error = run.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let run =
        default.evaluate_quantised(&sde, &score, &array![[0.0, 3.0], [4.0, 0.0]], q(2), NOISE);
    let error = run.unwrap_err().to_string();
    assert!(
        error.contains("sample 1 has levels outside 0..=3"),
        "{error}"
    );

    let x = array![[-1.0, 0.0], [1.0, 0.0]];
    let run = default.evaluate(&sde, &Broken(score), &x, NOISE);
    match run.unwrap_err() {
        LikelihoodError::Solve(solvers::SolveError::SampleNotFinite { sample: 1, time }) => {
            assert!(time.0 < 0.3 && time.0 > 0.29, "{}", time.0);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn likelihood_settings_survive_a_round_trip_and_refuse_unknown_fields() {
    for likelihood in [
        Likelihood::default(),
        Likelihood {
            divergence: Divergence::exact(),
            integrator: Integrator::Rk4 {
                steps: 100,
                variable: FlowVariable::LogSigma,
            },
            data_end: DataEnd::Bound,
            t_min: Some(Time(1e-3)),
            draws: 5,
            solver_check: false,
        },
    ] {
        let text = toml::to_string(&likelihood).unwrap();
        assert_eq!(
            toml::from_str::<Likelihood>(&text).unwrap(),
            likelihood,
            "{text}"
        );
    }
    assert!(toml::from_str::<Likelihood>("probes = 2").is_err());
    assert!(toml::from_str::<Divergence>("name = 'exact'\nprobes = 2").is_err());
    let published: Likelihood = toml::from_str("").unwrap();
    assert_eq!(published, Likelihood::default());
}
