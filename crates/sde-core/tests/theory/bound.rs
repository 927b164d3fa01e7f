//! The variational bound: equal to the likelihood where theory says so, above it by what theory says.

use ndarray::{Array2, array};
use sde_core::families::{Edm, SubVariancePreserving, VariancePreserving};
use sde_core::noise::CounterNoise;
use sde_core::objective::score_matching::explicit;
use sde_core::objective::{
    BoundConfig, BoundEstimate, Divergence, Probe, TimeSampler, VariationalBound,
};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, DifferentiableScore, Marginal, StepIndex, Time};

use crate::processes::published;
use crate::quadrature::{mixture, over_time, standard_normal, sum, with_noise};

const CLEAN: Marginal = Marginal {
    alpha: 1.0,
    sigma: 0.0,
};

fn world() -> GaussianMixture {
    let (means, stds) = (array![[-0.6], [0.7]], array![[0.4], [0.6]]);
    GaussianMixture::new(vec![0.4, 0.6], means, stds).unwrap()
}

/// Both forms of the bound in the mean over weighted (x₀, ε), by quadrature in time.
fn by_quadrature(
    bound: &VariationalBound<'_>,
    sde: &dyn AffineSde,
    score: &dyn DifferentiableScore<Array2<f64>>,
    (x0, epsilon, weights): &(Array2<f64>, Array2<f64>, Vec<f64>),
    panels: usize,
) -> [f64; 2] {
    let mut forms = [
        sum(weights, &bound.denoising_constant(x0)),
        sum(weights, &bound.implicit_constant(x0)),
    ];
    let noise = CounterNoise::new(0);
    for (t, dt) in over_time(sde, bound.times().t_min(), panels) {
        let times = vec![t; x0.nrows()];
        let denoising = bound.denoising_integrand(score, x0, epsilon, &times);
        let (how, step) = (Divergence::Exact, StepIndex(0));
        let implicit = bound.implicit_integrand(score, x0, epsilon, &times, how, noise, step);
        forms[0] += dt * sum(weights, &denoising);
        forms[1] += dt * sum(weights, &implicit);
    }
    forms
}

/// E[−ln N(y; α m, α² s² + σ²)] for y = α x + σ ε, each coordinate.
fn gaussian_cross_entropy(marginal: Marginal, mean: f64, std: f64, x: f64) -> f64 {
    let variance = (marginal.alpha * std).powi(2) + marginal.sigma.powi(2);
    let square = (marginal.alpha * (x - mean)).powi(2) + marginal.sigma.powi(2);
    0.5 * ((std::f64::consts::TAU * variance).ln() + square / variance)
}

#[test]
fn with_an_exact_score_both_forms_are_a_gaussian_s_log_likelihood_and_the_prior_s_gap() {
    // At every point x: E[−ln p(x_{t_min})] + E[ln p_T(x_T) − ln π(x_T)].
    let (mean, stds) = ([0.4, -1.2], [0.7, 0.3]);
    let gaussian =
        GaussianMixture::new(vec![1.0], array![[0.4, -1.2]], array![[0.7, 0.3]]).unwrap();
    // Three points a coordinate are exact for what is quadratic in ε.
    let nodes = [
        (-3f64.sqrt(), 1.0 / 6.0),
        (0.0, 2.0 / 3.0),
        (3f64.sqrt(), 1.0 / 6.0),
    ];
    for sde in published() {
        for t_min in [1e-5, 0.05 * sde.t_max().0] {
            let config = BoundConfig {
                t_min: Some(t_min),
                ..BoundConfig::default()
            };
            let bound = VariationalBound::new(config, &*sde).unwrap();
            let [start, end] = [Time(t_min), sde.t_max()].map(|t| sde.marginal(t));
            for x in [[0.4, -1.2], [1.5, -0.5], [-2.0, 0.0]] {
                let x0 = Array2::from_shape_fn((9, 2), |(_, d)| x[d]);
                let place = |i: usize, d: usize| nodes[if d == 0 { i / 3 } else { i % 3 }];
                let epsilon = Array2::from_shape_fn((9, 2), |(i, d)| place(i, d).0);
                let weights = (0..9).map(|i| place(i, 0).1 * place(i, 1).1).collect();
                let all = (x0, epsilon, weights);
                let found = by_quadrature(&bound, &*sde, &gaussian.under(&*sde), &all, 300);
                let expected: f64 = (0..2)
                    .map(|d| {
                        let at = |m| gaussian_cross_entropy(m, mean[d], stds[d], x[d]);
                        let prior = |m: Marginal| {
                            let square = (m.alpha * x[d]).powi(2) + m.sigma.powi(2);
                            let std = sde.prior().std;
                            0.5 * ((std::f64::consts::TAU * std * std).ln() + square / (std * std))
                        };
                        at(start) - at(end) + prior(end)
                    })
                    .sum();
                for form in found {
                    let error = (form - expected).abs();
                    let name = sde.name();
                    assert!(error < 1e-8, "{name} {t_min} {x:?}: {found:?} {expected}");
                }
            }
        }
    }
}

#[test]
fn with_an_exact_score_both_forms_are_a_mixture_s_log_likelihood_and_the_prior_s_gap() {
    let world = world();
    for sde in published() {
        let config = BoundConfig {
            t_min: Some(1e-3 * sde.t_max().0),
            ..BoundConfig::default()
        };
        let bound = VariationalBound::new(config, &*sde).unwrap();
        let [start, end] = [bound.times().t_min(), sde.t_max()].map(|t| sde.marginal(t));
        for x in [-0.6, 0.1, 1.9] {
            let all = with_noise(&array![[x]], &[1.0], 0.2);
            let found = by_quadrature(&bound, &*sde, &world.under(&*sde), &all, 60);
            let mean_log = |m: Marginal, log: &dyn Fn(f64) -> f64| -> f64 {
                (standard_normal(0.1).iter())
                    .map(|&(z, weight)| weight * log(m.alpha * x + m.sigma * z))
                    .sum()
            };
            let (first, last) = (world.noised(start), world.noised(end));
            let prior = sde.prior();
            let expected = mean_log(end, &|y| {
                last.log_pdf(array![y].view()) - prior.log_density(y * y, 1)
            }) - mean_log(start, &|y| first.log_pdf(array![y].view()));
            for form in found {
                let error = (form - expected).abs();
                assert!(error < 1e-7, "{} {x}: {found:?} {expected}", sde.name());
            }
        }
    }
}

#[test]
fn a_wrong_score_is_above_by_half_the_integral_of_its_weighted_error() {
    let world = world();
    let wrong =
        GaussianMixture::new(vec![0.5, 0.5], array![[-0.3], [0.9]], array![[0.5], [0.5]]).unwrap();
    let (vp, sub_vp) = (
        VariancePreserving::default(),
        SubVariancePreserving::default(),
    );
    let edm = Edm {
        sigma_max: 10.0,
        ..Edm::default()
    };
    for sde in [&vp as &dyn AffineSde, &sub_vp, &edm] {
        let config = BoundConfig {
            t_min: Some(1e-2),
            ..BoundConfig::default()
        };
        let bound = VariationalBound::new(config, sde).unwrap();
        let (x0, weights) = mixture(&world.noised(CLEAN), 0.3);
        let all = with_noise(&x0, &weights, 0.3);
        let panels = 16;
        let found = by_quadrature(&bound, sde, &wrong.under(sde), &all, panels);

        let [start, end] = [Time(1e-2), sde.t_max()].map(|t| world.noised(sde.marginal(t)));
        let mean = |world: &GaussianMixture, f: &dyn Fn(f64) -> f64| -> f64 {
            let (x, weights) = mixture(world, 0.1);
            (x.iter().zip(weights))
                .map(|(&x, weight)| weight * f(x))
                .sum()
        };
        let entropy = -mean(&start, &|x| start.log_pdf(array![x].view()));
        let prior = sde.prior();
        let divergence = mean(&end, &|x| {
            end.log_pdf(array![x].view()) - prior.log_density(x * x, 1)
        });
        let error: f64 = over_time(sde, Time(1e-2), panels)
            .into_iter()
            .map(|(t, dt)| {
                let (x, weights) = mixture(&world.noised(sde.marginal(t)), 0.1);
                let times = vec![t; x.nrows()];
                let squares = explicit(&wrong.under(sde), &world.under(sde), &x, &times);
                dt * sde.diffusion(t).powi(2) * sum(&weights, &squares)
            })
            .sum();
        assert!(error > 0.01 && divergence >= 0.0, "{error} {divergence}");
        let expected = entropy + divergence + error;
        for form in found {
            let name = sde.name();
            assert!(
                (form - expected).abs() < 1e-6,
                "{name}: {found:?} {expected}"
            );
        }
    }
}

/// What the estimates are of, by quadrature.
fn check(name: &str, found: &[BoundEstimate], expected: &[f64], largest: f64) {
    for (found, expected) in found.iter().zip(expected) {
        let (error, bound) = (
            found.at_t_min.value - expected,
            found.at_t_min.standard_error,
        );
        assert!(error.abs() < 5.0 * bound, "{name}: {found:?} {expected}");
        assert!(bound < largest, "{name}: {found:?} says too little");
    }
}

#[test]
fn estimates_are_within_their_standard_errors_whatever_the_sampler_and_the_form() {
    let world = world();
    let sde = VariancePreserving::default();
    let x = array![[-0.6], [0.1], [1.9]];
    let t_min = Some(1e-3);
    let exact = VariationalBound::new(
        BoundConfig {
            t_min,
            ..BoundConfig::default()
        },
        &sde,
    )
    .unwrap();
    let expected: Vec<f64> = (x.outer_iter())
        .map(|x| {
            let all = with_noise(&array![[x[0]]], &[1.0], 0.2);
            by_quadrature(&exact, &sde, &world.under(&sde), &all, 60)[0]
        })
        .collect();
    let log_normal = TimeSampler::LogNormal {
        mean: -1.0,
        std: 1.8,
    };
    for (time, sigma_data) in [
        (TimeSampler::Uniform, 0.8),
        (TimeSampler::Stratified, 0.8),
        (TimeSampler::Importance, 0.8),
        (TimeSampler::Importance, 0.3),
        (log_normal, 0.8),
    ] {
        let config = BoundConfig {
            time,
            t_min,
            draws: 32,
            repeats: 24,
            sigma_data,
        };
        let bound = VariationalBound::new(config, &sde).unwrap();
        let (score, noise) = (world.under(&sde), CounterNoise::new(4));
        let found = bound.denoising(&score, &x, noise);
        check(&format!("denoising, {config:?}"), &found, &expected, 0.4);
        // On the line a Rademacher probe is exact, and a Gaussian one has variance 2 (∂s/∂x)².
        for (how, largest) in [
            (Divergence::Exact, 0.4),
            (Divergence::Hutchinson(Probe::Gaussian), 2.0),
        ] {
            let found = bound.implicit(&score, &x, how, noise);
            check(&format!("{how:?}, {config:?}"), &found, &expected, largest);
        }
    }
}

#[test]
fn the_nearer_the_data_is_to_the_gaussian_of_sigma_data_the_smaller_the_standard_error() {
    let gaussian = GaussianMixture::gaussian(&[0.0; 8], 0.5).unwrap();
    let sde = VariancePreserving::default();
    let x = gaussian.sample(0, 20);
    let error = |sigma_data: f64| -> f64 {
        let config = BoundConfig {
            sigma_data,
            ..BoundConfig::default()
        };
        let bound = VariationalBound::new(config, &sde).unwrap();
        let found = bound.denoising(&gaussian.under(&sde), &x, CounterNoise::new(1));
        found
            .iter()
            .map(|bound| bound.at_t_min.standard_error)
            .sum()
    };
    assert!(error(0.5) < 0.7 * error(1.0) && error(1.0) < 0.7 * error(4.0));
}

#[test]
fn a_sample_s_bound_does_not_depend_on_its_batch() {
    let world = GaussianMixture::eight_gaussians();
    let sde = VariancePreserving::default();
    let x = world.sample(0, 5);
    for time in [TimeSampler::Importance, TimeSampler::Stratified] {
        let config = BoundConfig {
            time,
            t_min: Some(1e-3),
            ..BoundConfig::default()
        };
        let bound = VariationalBound::new(config, &sde).unwrap();
        let noise = CounterNoise::new(2);
        let whole = bound.denoising(&world.under(&sde), &x, noise);
        let tail = x.slice(ndarray::s![3.., ..]).to_owned();
        let rest = bound.denoising(&world.under(&sde), &tail, noise.starting_at(3));
        assert_eq!(whole[3..], rest);
        let other = bound.denoising(&world.under(&sde), &x, CounterNoise::new(3));
        assert_ne!(whole, other);
    }
}

#[test]
fn states_of_any_shape_and_precision_have_the_same_bound() {
    let world = GaussianMixture::eight_gaussians();
    let sde = VariancePreserving::default();
    let config = BoundConfig {
        t_min: Some(1e-2),
        ..BoundConfig::default()
    };
    let bound = VariationalBound::new(config, &sde).unwrap();
    let x = world.sample(0, 3);
    let noise = CounterNoise::new(2);
    let double = bound.denoising(&world.under(&sde), &x, noise);
    let single = x
        .mapv(|x| x as f32)
        .into_shape_with_order((3, 2, 1, 1))
        .unwrap();
    let single = bound.denoising(&world.under(&sde), &single, noise);
    for (a, b) in double.iter().zip(&single) {
        let (a, b) = (a.at_data(), b.at_data());
        assert!(
            (a.value - b.value).abs() < 1e-3 * a.standard_error,
            "{a:?} {b:?}"
        );
    }
}

#[test]
fn for_a_gaussian_of_the_known_width_the_noise_of_the_last_step_is_taken_away_whole() {
    // At the mean the error of ε is κ ε with κ = α² s²/(α² s² + σ²), and the term is
    // −d ln α − ½ d + ½ κ² d without any variance.
    let gaussian = GaussianMixture::gaussian(&[0.3, -0.8, 0.1], 0.6).unwrap();
    for sde in published() {
        let config = BoundConfig {
            t_min: Some(0.02 * sde.t_max().0),
            sigma_data: 0.6,
            draws: 1,
            repeats: 3,
            ..BoundConfig::default()
        };
        let bound = VariationalBound::new(config, &*sde).unwrap();
        let x = array![[0.3, -0.8, 0.1]];
        let found = bound.denoising(&gaussian.under(&*sde), &x, CounterNoise::new(0));
        let Marginal { alpha, sigma } = sde.marginal(bound.times().t_min());
        let signal = (0.6 * alpha).powi(2);
        let kappa = signal / (signal + sigma * sigma);
        let expected = 3.0 * (0.5 * (kappa * kappa - 1.0) - alpha.ln());
        let last = found[0].reconstruction;
        assert!(
            (last.value - expected).abs() < 1e-10,
            "{}: {last:?}",
            sde.name()
        );
        assert!(last.standard_error < 1e-10);
    }
}

#[test]
fn with_the_last_step_it_bounds_the_data_s_own_likelihood() {
    // In the mean over Gaussian data it is above the entropy by what the last step's variance σ̃² has
    // too much over the posterior's, ½ (κ − 1 − ln κ), and the prior's gap.
    let std: f64 = 0.6;
    let gaussian = GaussianMixture::gaussian(&[0.3], std).unwrap();
    let sde = VariancePreserving::default();
    let n = 400;
    let x = gaussian.sample(5, n);
    for (t_min, smallest, largest) in [(0.1, 0.01, 0.2), (1e-3, 0.0, 1e-6)] {
        let config = BoundConfig {
            t_min: Some(t_min),
            sigma_data: std,
            ..BoundConfig::default()
        };
        let bound = VariationalBound::new(config, &sde).unwrap();
        let found = bound.denoising(&gaussian.under(&sde), &x, CounterNoise::new(1));
        let Marginal { alpha, sigma } = sde.marginal(Time(t_min));
        let signal = (std * alpha).powi(2);
        let kappa = signal / (signal + sigma * sigma);
        let gap = 0.5 * (kappa - 1.0 - kappa.ln());
        assert!(gap > smallest && gap < largest, "{gap}");
        let end = sde.marginal(sde.t_max());
        let spread = (std * end.alpha).powi(2) + end.sigma.powi(2);
        let prior = 0.5 * (spread + (0.3 * end.alpha).powi(2) - 1.0 - spread.ln());
        // −ln p of the same points, so that only the draws and the gap's own spread are left.
        let differences: Vec<f64> = (found.iter().zip(x.outer_iter()))
            .map(|(bound, x)| bound.at_data().value + gaussian.log_pdf(x))
            .collect();
        let mean = differences.iter().sum::<f64>() / n as f64;
        let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
        let error = (squares / (n - 1) as f64 / n as f64).sqrt();
        assert!(
            (mean - gap - prior).abs() < 5.0 * error,
            "{mean} ± {error}, {gap} {prior}"
        );
        assert!(error < 0.02, "{error}");
    }
}

#[test]
fn impossible_configurations_are_refused_with_field_and_value() {
    let sde = VariancePreserving::default();
    for (text, message) in [
        (
            "t_min = 0.0\ntime = { kind = \"uniform\" }",
            "t_min = 0 is not possible: it must be a time at which there is noise",
        ),
        (
            "t_min = 1.5",
            "t_min = 1.5 is not possible: it must be before the end of the process",
        ),
        (
            "draws = 0",
            "draws = 0 is not possible: it must be at least 1",
        ),
        (
            "repeats = 1",
            "repeats = 1 is not possible: it must be at least 2",
        ),
        (
            "sigma_data = -1.0",
            "sigma_data = -1 is not possible: it must be above 0 and finite",
        ),
    ] {
        let config: BoundConfig = toml::from_str(text).unwrap();
        let error = VariationalBound::new(config, &sde).err().unwrap();
        assert_eq!(error.to_string(), message);
    }
    assert!(toml::from_str::<BoundConfig>("draw = 1").is_err());
    let text = toml::to_string(&BoundConfig::default()).unwrap();
    assert_eq!(
        toml::from_str::<BoundConfig>(&text).unwrap(),
        BoundConfig::default()
    );
}
