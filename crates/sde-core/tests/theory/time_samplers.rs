//! Samplers of time: their densities, and that all of them estimate one integral.

use rand_distr::{Distribution, StandardNormal, StandardUniform};
use sde_core::families::{Brownian, Edm, VarianceExploding, VariancePreserving};
use sde_core::noise::{Role, generator};
use sde_core::objective::TimeSampler;
use sde_core::{AffineSde, Sigma, Time};

use crate::processes::published_smooth;
use crate::quadrature::over_time;

const T_MIN: Time = Time(1e-5);

const LOG_NORMAL: TimeSampler = TimeSampler::LogNormal {
    mean: -1.2,
    std: 1.2,
};

const ALL: [TimeSampler; 4] = [
    TimeSampler::Uniform,
    TimeSampler::Stratified,
    TimeSampler::Importance,
    LOG_NORMAL,
];

/// The likelihood-weighted denoising loss at t of standard normal data of one coordinate under its exact
/// score, ½ g² E(s + ε/σ)² = ½ g² (1/σ² − 1/(α² + σ²)) = ½ (−d SNR/dt)/(SNR + 1).
fn loss(sde: &dyn AffineSde, t: Time) -> f64 {
    let (g, m) = (sde.diffusion(t), sde.marginal(t));
    0.5 * (g * m.alpha / m.sigma).powi(2) / (m.alpha.powi(2) + m.sigma.powi(2))
}

/// Its integral over time: ½ ln((SNR(t_min) + 1)/(SNR(t_max) + 1)).
fn integral(sde: &dyn AffineSde, t_min: Time) -> f64 {
    let [most, least] = [t_min, sde.t_max()].map(|t| sde.marginal(t).log_snr().0.exp());
    0.5 * (most.ln_1p() - least.ln_1p())
}

#[test]
fn densities_integrate_to_one_and_log_normal_s_to_what_lies_inside() {
    for sde in published_smooth() {
        let rule = over_time(&*sde, T_MIN, 400);
        for sampler in ALL {
            let times = sampler.over(&*sde, T_MIN).unwrap();
            let total: f64 = rule.iter().map(|&(t, dt)| dt * times.density(t)).sum();
            let expected = match sampler {
                TimeSampler::LogNormal { mean, std } => {
                    // The normal's own mass between the two noise levels, by the trapezoidal rule.
                    let [low, high] = [T_MIN, sde.t_max()]
                        .map(|t| (sde.marginal(t).sigma_ratio().0.ln() - mean) / std);
                    let (n, h) = (20_000, (high - low) / 20_000.0);
                    let at = |i: i32| (-0.5 * (low + h * f64::from(i)).powi(2)).exp();
                    let inner: f64 = (1..n).map(at).sum();
                    h * (inner + 0.5 * (at(0) + at(n))) / std::f64::consts::TAU.sqrt()
                }
                _ => 1.0,
            };
            let name = sde.name();
            assert!(
                (total - expected).abs() < 1e-7,
                "{name} {sampler:?}: {total} {expected}"
            );
            let outside = [Time(0.9 * T_MIN.0), Time(1.01 * sde.t_max().0)];
            assert_eq!(outside.map(|t| times.density(t)), [0.0; 2]);
        }
    }
}

#[test]
fn draws_fall_where_the_density_says() {
    let n = 4000;
    for sde in published_smooth() {
        let rule = over_time(&*sde, T_MIN, 400);
        for sampler in ALL {
            let times = sampler.over(&*sde, T_MIN).unwrap();
            let draws: Vec<Time> = (0..n).map(|i| times.time(3, i, 0, 1)).collect();
            assert!(draws.iter().all(|&t| (T_MIN..=sde.t_max()).contains(&t)));
            for sigma in [0.02, 0.2, 1.0, 5.0] {
                let below = sde.time_at_sigma(Sigma(sigma));
                let inside = rule.iter().filter(|(t, _)| *t < below);
                let expected: f64 = inside.map(|&(t, dt)| dt * times.density(t)).sum();
                let found = draws.iter().filter(|&&t| t < below).count() as f64 / n as f64;
                // Five standard errors, and the panel that `below` cuts.
                let bound = 5.0 * (expected * (1.0 - expected).max(0.0) / n as f64).sqrt() + 0.01;
                let name = sde.name();
                assert!(
                    (found - expected).abs() < bound,
                    "{name} {sampler:?} σ̃ {sigma}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn importance_sampling_is_uniform_in_the_log_snr_and_goes_as_g_squared_over_sigma_squared() {
    for sde in published_smooth() {
        let times = TimeSampler::Importance.over(&*sde, T_MIN).unwrap();
        let ratio = |t: Time| {
            let speed = (sde.diffusion(t) / sde.marginal(t).sigma).powi(2);
            times.density(t) / speed
        };
        let [start, end] = [T_MIN, sde.t_max()].map(|t| sde.marginal(t).log_snr().0);
        for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let t = Time(T_MIN.0 + share * (sde.t_max().0 - T_MIN.0));
            // 1/Z of Song, Durkan et al. 2021.
            assert!((ratio(t) * (start - end) - 1.0).abs() < 1e-12);
        }
        let t = times.time(5, 7, 2, 1);
        let u: f64 = StandardUniform.sample(&mut generator(5, 2, 7, Role::Time));
        let log_snr = sde.marginal(t).log_snr().0;
        assert!(
            (log_snr - (start + u * (end - start))).abs() < 1e-6,
            "{}",
            sde.name()
        );
    }
    // VE: g²/σ² is constant, so importance sampling is uniform sampling.
    let ve = VarianceExploding::default();
    let times = TimeSampler::Importance.over(&ve, Time(0.0)).unwrap();
    assert!((times.density(Time(0.3)) - 1.0).abs() < 1e-12);
}

#[test]
fn uniform_and_log_normal_times_are_those_of_their_generators() {
    // As training has always drawn them: old runs resume with the same times.
    let sde = VariancePreserving::default();
    let (seed, step, sample) = (11, 5, 3);
    let uniform: f64 = StandardUniform.sample(&mut generator(seed, sample, step, Role::Time));
    let times = TimeSampler::Uniform.over(&sde, T_MIN).unwrap();
    let expected = 1e-5 + uniform * (1.0 - 1e-5);
    assert_eq!(times.time(seed, step, sample, 8), Time(expected));
    let normal: f64 = StandardNormal.sample(&mut generator(seed, sample, step, Role::Time));
    let times = LOG_NORMAL.over(&sde, T_MIN).unwrap();
    let expected = sde.time_at_sigma(Sigma((-1.2 + 1.2 * normal).exp()));
    assert_eq!(times.time(seed, step, sample, 8), expected);
}

#[test]
fn stratified_times_fall_one_into_each_part_and_share_a_shift() {
    let sde = Brownian { t_max: 2.0 };
    let times = TimeSampler::Stratified.over(&sde, Time(0.0)).unwrap();
    let batch = 16;
    let mut starts = Vec::new();
    for step in 0..50 {
        let mut parts: Vec<f64> = (0..batch)
            .map(|sample| times.time(1, step, sample, batch).0 / 2.0 * batch as f64)
            .collect();
        parts.sort_by(f64::total_cmp);
        for (i, part) in parts.iter().enumerate() {
            assert!(
                (part - i as f64 - (parts[0] % 1.0)).abs() < 1e-9,
                "{parts:?}"
            );
        }
        starts.push(times.time(1, step, 0, batch).0 / 2.0);
    }
    // Each time alone is uniform: the mean of 50 within five standard errors of ½.
    let mean = starts.iter().sum::<f64>() / 50.0;
    assert!((mean - 0.5).abs() < 5.0 * (1.0f64 / 12.0 / 50.0).sqrt());
    assert!(starts.windows(2).all(|pair| pair[0] != pair[1]));
    // A batch that is not there counts as one sample.
    assert_eq!(times.time(1, 0, 0, 0), times.time(1, 0, 0, 1));
}

#[test]
fn every_sampler_estimates_the_same_integral_of_any_weighting() {
    let n = 4000;
    for sde in published_smooth() {
        let rule = over_time(&*sde, T_MIN, 800);
        let exact = integral(&*sde, T_MIN);
        let length = sde.t_max().0 - T_MIN.0;
        for sampler in ALL {
            let times = sampler.over(&*sde, T_MIN).unwrap();
            let estimate = |t: Time| length * times.correction(t) * loss(&*sde, t);
            let mean = |f: &dyn Fn(Time) -> f64| -> f64 {
                rule.iter()
                    .map(|&(t, dt)| dt * times.density(t) * f(t))
                    .sum()
            };
            let name = sde.name();
            let by_quadrature = mean(&estimate);
            let error = (by_quadrature / exact - 1.0).abs();
            assert!(error < 1e-7, "{name} {sampler:?}: {by_quadrature} {exact}");

            let variance = mean(&|t| estimate(t).powi(2)) - exact * exact;
            let draws = |i: u64| times.time(9, i, 0, 1);
            let by_draws = (0..n).map(|i| estimate(draws(i))).sum::<f64>() / n as f64;
            let bound = 5.0 * (variance / n as f64).sqrt();
            assert!(
                (by_draws - exact).abs() < bound,
                "{name} {sampler:?}: {by_draws} {exact} ± {bound}"
            );
        }
    }
}

#[test]
fn importance_sampling_has_the_least_variance_for_the_likelihood_weighting() {
    for sde in published_smooth() {
        let rule = over_time(&*sde, T_MIN, 800);
        let exact = integral(&*sde, T_MIN);
        let variance = |sampler: TimeSampler| -> f64 {
            let times = sampler.over(&*sde, T_MIN).unwrap();
            let square = |t| loss(&*sde, t).powi(2) / times.density(t);
            rule.iter().map(|&(t, dt)| dt * square(t)).sum::<f64>() - exact * exact
        };
        let [uniform, _, importance, _] = ALL.map(variance);
        let ratio = importance / uniform;
        // VE's g²/σ² is constant, where the two are one.
        if sde.name() == "ve" {
            assert!((ratio - 1.0).abs() < 1e-3, "{ratio}");
        } else {
            assert!(ratio < 0.2, "{}: {ratio}", sde.name());
        }
    }
}

#[test]
fn stratified_batches_have_less_variance_than_uniform_ones() {
    let sde = Edm::default();
    let spread = |sampler: TimeSampler| -> f64 {
        let times = sampler.over(&sde, T_MIN).unwrap();
        let means: Vec<f64> = (0..100)
            .map(|step| (0..32).map(|i| times.time(2, step, i, 32).0).sum::<f64>() / 32.0)
            .collect();
        means.iter().map(|mean| (mean - 40.0).powi(2)).sum::<f64>() / 100.0
    };
    let [uniform, stratified] = [TimeSampler::Uniform, TimeSampler::Stratified].map(spread);
    // Of a line, one time in each of B parts: the variance of one part over B², a B²th of B times less.
    assert!(
        (uniform / (80.0f64.powi(2) / 12.0 / 32.0) - 1.0).abs() < 0.8,
        "{uniform}"
    );
    let expected = (80.0f64 / 32.0).powi(2) / 12.0;
    assert!(
        (stratified / expected - 1.0).abs() < 0.8,
        "{stratified} {expected}"
    );
}

#[test]
fn only_importance_sampling_corrects_a_training_loss() {
    let sde = VariancePreserving::default();
    let t = Time(0.2);
    for sampler in ALL {
        let times = sampler.over(&sde, T_MIN).unwrap();
        let correction = times.correction(t);
        let expected = 1.0 / (times.density(t) * (1.0 - 1e-5));
        assert!((correction / expected - 1.0).abs() < 1e-12);
        let factor = times.loss_factor(t);
        let corrected = sampler == TimeSampler::Importance;
        assert_eq!(factor, if corrected { correction } else { 1.0 });
    }
}

#[test]
fn times_moved_to_an_end_are_no_part_of_an_integral() {
    // Half of these noise levels are above the largest.
    let sde = Edm::default();
    let sampler = TimeSampler::LogNormal {
        mean: 80f64.ln(),
        std: 1.0,
    };
    let times = sampler.over(&sde, T_MIN).unwrap();
    let n = 2000;
    let draws: Vec<Time> = (0..n).map(|i| times.time(0, i, 0, 1)).collect();
    let moved = draws.iter().filter(|&&t| t == Time(80.0)).count();
    assert!((moved as f64 / n as f64 - 0.5).abs() < 5.0 * (0.25 / n as f64).sqrt());
    assert_eq!(times.density(Time(80.0)), f64::INFINITY);
    assert_eq!(times.correction(Time(80.0)), 0.0);
    // ∫ t² over [0, 80], whatever share of the times the end has: 80³/3. The variance is that of
    // t²/p, by quadrature.
    let exact = 80f64.powi(3) / 3.0;
    let value = |t: Time| 80.0 * times.correction(t) * t.0 * t.0;
    let mean = draws.iter().map(|&t| value(t)).sum::<f64>() / n as f64;
    let rule = over_time(&sde, T_MIN, 800);
    let second: f64 = rule
        .iter()
        .map(|&(t, dt)| dt * t.0.powi(4) / times.density(t))
        .sum();
    let bound = 5.0 * ((second - exact * exact) / n as f64).sqrt();
    assert!((mean - exact).abs() < bound, "{mean} {exact} ± {bound}");
}

#[test]
fn samplers_are_read_as_they_always_were_and_refuse_what_they_do_not_know() {
    for (text, expected) in [
        ("kind = \"uniform\"", TimeSampler::Uniform),
        ("kind = \"stratified\"", TimeSampler::Stratified),
        ("kind = \"importance\"", TimeSampler::Importance),
        ("kind = \"log-normal\"\nmean = -1.2\nstd = 1.2", LOG_NORMAL),
    ] {
        let sampler: TimeSampler = toml::from_str(text).unwrap();
        assert_eq!(sampler, expected);
        assert_eq!(toml::to_string(&sampler).unwrap().trim(), text);
    }
    for (text, part) in [
        ("kind = \"uniform\"\nmean = 1.0", "mean"),
        ("kind = \"normal\"", "log-normal"),
        ("kind = \"log-normal\"\nmean = 1.0", "std"),
        ("mean = 1.0", "kind"),
    ] {
        let error = toml::from_str::<TimeSampler>(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn impossible_times_are_refused_with_field_and_value() {
    let sde = VariancePreserving::default();
    let log_normal = |mean, std| TimeSampler::LogNormal { mean, std };
    for (sampler, t_min, message) in [
        (
            log_normal(f64::NAN, 1.0),
            1e-5,
            "time.mean = NaN is not possible: it must be finite",
        ),
        (
            log_normal(0.0, 0.0),
            1e-5,
            "time.std = 0 is not possible: it must be above 0 and finite",
        ),
        (
            TimeSampler::Uniform,
            1.0,
            "t_min = 1 is not possible: it must be before the end of the process",
        ),
        (
            TimeSampler::Uniform,
            f64::NAN,
            "t_min = NaN is not possible: it must be at least 0",
        ),
        (
            TimeSampler::Importance,
            0.0,
            "t_min = 0 is not possible: it must be above 0, as g²/σ² has no integral from there",
        ),
    ] {
        let error = sampler.over(&sde, Time(t_min)).err().unwrap();
        assert_eq!(error.to_string(), message);
    }
}
