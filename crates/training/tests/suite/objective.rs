//! The objective against closed forms.

use data::{Source, Toy};
use sde_core::families::{Edm, VariancePreserving};
use sde_core::{AffineSde, Prediction, SdeConfig, Sigma, Time};
use training::objective::Batch;
use training::{Draw, Objective, ObjectiveConfig, TimeSampler, Weighting};

fn objective(sde: SdeConfig, prediction: Prediction, config: ObjectiveConfig) -> Objective {
    Objective::new(config, sde.build().unwrap(), prediction, 0.5).unwrap()
}

fn weighted(weighting: Weighting) -> ObjectiveConfig {
    ObjectiveConfig {
        weighting,
        ..Default::default()
    }
}

const EDM_F: Prediction = Prediction::Edm { sigma_data: 0.5 };

#[test]
fn sigma_squared_on_the_score_is_simple_on_epsilon() {
    // λ = σ² on the score's error is the error of ε (Song et al. 2021 against Ho et al. 2020).
    let sde = SdeConfig::default();
    let [simple, squared] = [Weighting::Simple, Weighting::SigmaSquared]
        .map(|w| objective(sde, Prediction::Epsilon, weighted(w)));
    for t in [1e-5, 0.1, 0.5, 1.0] {
        assert!((simple.weight(Time(t)) / squared.weight(Time(t)) - 1.0).abs() < 1e-12);
    }
}

#[test]
fn the_edm_weighting_is_one_on_edms_own_output() {
    // λ(σ) c_out(σ)² = 1 (Karras et al. 2022, appendix B.6).
    let objective = objective(
        SdeConfig::Edm(Edm::default()),
        EDM_F,
        weighted(Weighting::Edm),
    );
    for t in [0.002, 0.5, 3.0, 80.0] {
        assert!((objective.weight(Time(t)) - 1.0).abs() < 1e-12);
    }
}

#[test]
fn every_weighting_is_the_same_loss_whatever_the_network_predicts() {
    // An error of x₀ by δ is an error of each prediction by δ times a known slope: the weighted
    // squared errors must agree for all of them.
    let vp = VariancePreserving::default();
    let predictions = [
        Prediction::Epsilon,
        Prediction::X0,
        Prediction::V,
        Prediction::Score,
        EDM_F,
    ];
    for weighting in [
        Weighting::SigmaSquared,
        Weighting::Likelihood,
        Weighting::Edm,
    ] {
        for t in [0.01, 0.3, 0.9] {
            let losses = predictions.map(|prediction| {
                let objective = objective(SdeConfig::Vp(vp), prediction, weighted(weighting));
                let slope = Prediction::X0
                    .conversion(prediction, vp.marginal(Time(t)))
                    .p;
                objective.weight(Time(t)) * slope * slope
            });
            for loss in losses {
                assert!(
                    (loss / losses[0] - 1.0).abs() < 1e-10,
                    "{weighting:?} {t} {losses:?}"
                );
            }
        }
    }
}

#[test]
fn the_likelihood_weighting_is_g_squared_on_the_score() {
    let vp = VariancePreserving::default();
    let objective = objective(
        SdeConfig::Vp(vp),
        Prediction::Score,
        weighted(Weighting::Likelihood),
    );
    for t in [0.01, 0.5, 1.0] {
        let g = AffineSde::diffusion(&vp, Time(t));
        assert!((objective.weight(Time(t)) / (g * g) - 1.0).abs() < 1e-12);
    }
}

#[test]
fn log_normal_times_have_the_moments_of_karras() {
    let time = TimeSampler::LogNormal {
        mean: -1.2,
        std: 1.2,
    };
    let config = ObjectiveConfig {
        time,
        ..Default::default()
    };
    let objective = objective(SdeConfig::Edm(Edm::default()), EDM_F, config);
    let n = 20_000;
    let logs: Vec<f64> = (0..n)
        .map(|i| objective.times().time(3, 0, i, 1).0.ln())
        .collect();
    let mean = logs.iter().sum::<f64>() / n as f64;
    let variance = logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
    // Five standard errors: 1.2/√n, and √2·1.44/√n.
    let root = (n as f64).sqrt();
    assert!((mean + 1.2).abs() < 5.0 * 1.2 / root, "{mean}");
    assert!(
        (variance - 1.44).abs() < 5.0 * 2f64.sqrt() * 1.44 / root,
        "{variance}"
    );
}

#[test]
fn uniform_times_stay_within_their_cut_offs_and_fill_them() {
    let config = ObjectiveConfig {
        t_min: Some(0.2),
        ..Default::default()
    };
    let objective = objective(SdeConfig::default(), Prediction::Epsilon, config);
    let times: Vec<f64> = (0..5000)
        .map(|i| objective.times().time(1, 7, i, 1).0)
        .collect();
    assert!(times.iter().all(|t| (0.2..=1.0).contains(t)));
    let mean = times.iter().sum::<f64>() / 5000.0;
    assert!((mean - 0.6).abs() < 5.0 * 0.8 / 12f64.sqrt() / 5000f64.sqrt());
}

#[test]
fn a_batch_is_a_function_of_seed_and_step_and_holds_x_t_and_its_target() {
    let points = Toy::TwoMoons.sample(64, 0);
    let vp = VariancePreserving::default();
    let objective = objective(SdeConfig::Vp(vp), Prediction::V, ObjectiveConfig::default());
    let indices: Vec<usize> = (0..16).collect();
    let draw = |seed, step| {
        objective
            .draw(&points, &indices, Draw::whole(seed, step, 1))
            .unwrap()
    };
    let batch = draw(5, 9);
    assert_eq!(batch, draw(5, 9));
    assert_ne!(batch.noisy, draw(5, 10).noisy);
    assert_ne!(batch.noisy, draw(6, 9).noisy);

    // x₀ = α x − σ v under VP (Salimans & Ho 2022).
    let mut data = Vec::new();
    points.write_samples(&indices, &mut data).unwrap();
    for (i, x0) in data.chunks_exact(2).enumerate() {
        let m = vp.marginal(batch.times[i]);
        for (d, &x0) in x0.iter().enumerate() {
            let (x, v) = (batch.noisy[2 * i + d], batch.target[2 * i + d]);
            let back = m.alpha * f64::from(x) - m.sigma * f64::from(v);
            assert!((back - f64::from(x0)).abs() < 1e-5);
        }
    }
}

#[test]
fn a_batch_drawn_in_parts_on_any_threads_and_in_any_order_is_the_same() {
    for time in [TimeSampler::Uniform, TimeSampler::Stratified] {
        drawn_in_parts(ObjectiveConfig {
            time,
            ..Default::default()
        });
    }
}

fn drawn_in_parts(config: ObjectiveConfig) {
    let points = Toy::TwoMoons.sample(64, 0);
    let objective = objective(SdeConfig::default(), Prediction::V, config);
    let indices: Vec<usize> = (0..16).map(|i| (i * 37) % 64).collect();
    let whole = objective
        .draw(&points, &indices, Draw::whole(5, 9, indices.len() as u64))
        .unwrap();
    let part = |range: std::ops::Range<usize>| {
        let draw = Draw {
            first_sample: range.start as u64,
            ..Draw::whole(5, 9, indices.len() as u64)
        };
        objective.draw(&points, &indices[range], draw).unwrap()
    };
    let mut parts = [part(11..16), part(0..3), part(3..11)];
    parts.rotate_left(1);
    let joined = |of: fn(&Batch) -> Vec<u64>| parts.iter().flat_map(of).collect::<Vec<_>>();
    let of: [fn(&Batch) -> Vec<u64>; 4] = [
        |batch| bits_of(&batch.noisy),
        |batch| bits_of(&batch.target),
        |batch| bits_of(&batch.weights),
        |batch| batch.times.iter().map(|t| t.0.to_bits()).collect(),
    ];
    for of in of {
        assert_eq!(joined(of), of(&whole));
    }
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let again = pool.build().unwrap().install(|| part(0..16));
        assert_eq!(again, whole);
    }
}

fn bits_of(values: &[f32]) -> Vec<u64> {
    values.iter().map(|x| u64::from(x.to_bits())).collect()
}

#[test]
fn a_noise_level_beyond_the_process_is_drawn_at_its_end() {
    let time = TimeSampler::LogNormal {
        mean: 20.0,
        std: 0.1,
    };
    let config = ObjectiveConfig {
        time,
        ..Default::default()
    };
    let objective = objective(SdeConfig::Edm(Edm::default()), EDM_F, config);
    assert_eq!(
        objective.times().time(0, 0, 0, 1),
        Edm::default().time_at_sigma(Sigma(80.0))
    );
}

/// In every sixteenth of the time there is one time of sixteen.
#[test]
fn stratified_times_of_a_batch_are_spread_evenly() {
    let config = ObjectiveConfig {
        time: TimeSampler::Stratified,
        t_min: Some(1e-9),
        ..Default::default()
    };
    let objective = objective(SdeConfig::default(), Prediction::V, config);
    let points = Toy::TwoMoons.sample(16, 0);
    let indices: Vec<usize> = (0..16).collect();
    for step in 0..20 {
        let mut times: Vec<f64> = objective
            .draw(&points, &indices, Draw::whole(1, step, 16))
            .unwrap()
            .times
            .iter()
            .map(|t| t.0)
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.into_iter().all(|gap| (gap - 1.0 / 16.0).abs() < 1e-6));
    }
}

/// Importance sampling changes where times are drawn, not what is minimised: weights times densities
/// are those of uniform times.
#[test]
fn importance_sampling_keeps_the_objective_that_the_weighting_states() {
    let weighted = |time| {
        let config = ObjectiveConfig {
            weighting: Weighting::Likelihood,
            time,
            ..Default::default()
        };
        objective(SdeConfig::default(), Prediction::Epsilon, config)
    };
    let [uniform, importance] = [TimeSampler::Uniform, TimeSampler::Importance].map(weighted);
    for t in [1e-4, 0.1, 0.5, 0.99] {
        let share =
            |objective: &Objective| objective.weight(Time(t)) * objective.times().density(Time(t));
        assert!((share(&importance) / share(&uniform) - 1.0).abs() < 1e-9);
    }
}

#[test]
fn impossible_times_are_refused_by_name() {
    let config = ObjectiveConfig {
        t_min: Some(2.0),
        ..Default::default()
    };
    let sde = SdeConfig::default().build().unwrap();
    let error = Objective::new(config, sde, Prediction::Epsilon, 0.5)
        .err()
        .unwrap();
    assert!(error.to_string().contains("t_min"), "{error}");
}
