//! A variance that is learned, from its configuration to its bound.

use burn::tensor::{Device, Tensor, TensorData};
use data::Toy;
use score_net::{
    MlpConfig, Model, ModelConfig, NetworkConfig, PreconditioningConfig, PredictionKind,
    VarianceKind,
};
use sde_core::chains::bound::{Decoder, DiscreteBound};
use sde_core::chains::{BetaSchedule, Chain, Ddpm, DdpmChain, FixedVariance};
use sde_core::noise::CounterNoise;
use sde_core::{Prediction, SdeConfig};
use training::{
    HybridConfig, Objective, ObjectiveConfig, TimeSampler, Trainer, TrainingConfig,
    UncertaintyConfig, Weighting,
};

fn chain(steps: usize) -> Ddpm {
    // The linear schedule needs more than 20 steps.
    let schedule = BetaSchedule::cosine();
    Ddpm { steps, schedule }
}

fn model(variance: VarianceKind) -> ModelConfig {
    ModelConfig {
        shape: [2, 1, 1],
        network: NetworkConfig::Mlp(MlpConfig {
            width: 64,
            blocks: 2,
            embedding: 16,
            ..MlpConfig::default()
        }),
        preconditioning: PreconditioningConfig {
            prediction: PredictionKind::Edm,
            sigma_data: 1.0,
            variance,
            velocity: None,
        },
        classes: 0,
    }
}

fn hybrid() -> ObjectiveConfig {
    ObjectiveConfig {
        weighting: Weighting::SigmaSquared,
        time: TimeSampler::Stratified,
        hybrid: Some(HybridConfig::default()),
        ..ObjectiveConfig::default()
    }
}

#[test]
fn what_does_not_go_together_is_refused_by_the_name_of_the_field() {
    use VarianceKind::{Fixed, Learned};
    let ddpm = SdeConfig::Ddpm(chain(10));
    let refused = |config: ObjectiveConfig, sde, variance, parts: &[&str]| {
        let error = Objective::of_model(config, sde, &model(variance))
            .err()
            .unwrap();
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "no {part} in {text}");
        }
    };
    assert!(Objective::of_model(hybrid(), ddpm, &model(Learned)).is_ok());
    let vp = SdeConfig::default();
    refused(
        hybrid(),
        vp,
        Learned,
        &["sde.kind = vp", "DDPM chain", "hybrid"],
    );
    let fixed = ["preconditioning.variance = fixed", "learned", "hybrid"];
    refused(hybrid(), ddpm, Fixed, &fixed);
    let learned = ["preconditioning.variance = learned", "fixed", "hybrid"];
    refused(ObjectiveConfig::default(), ddpm, Learned, &learned);
    let importance = ObjectiveConfig {
        time: TimeSampler::Importance,
        ..hybrid()
    };
    refused(
        importance,
        ddpm,
        Learned,
        &["training.objective.time", "uniform"],
    );
    let late = ObjectiveConfig {
        t_min: Some(0.5),
        ..hybrid()
    };
    refused(late, ddpm, Learned, &["training.objective.t_min = 0.5"]);
    let uncertain = ObjectiveConfig {
        uncertainty: Some(UncertaintyConfig::default()),
        ..hybrid()
    };
    refused(
        uncertain,
        ddpm,
        Learned,
        &["training.objective.uncertainty"],
    );
    let with = |hybrid| ObjectiveConfig {
        hybrid: Some(hybrid),
        ..ObjectiveConfig::default()
    };
    let weight = with(HybridConfig {
        vlb_weight: -1.0,
        decoder: None,
    });
    refused(
        weight,
        ddpm,
        Learned,
        &["training.objective.hybrid.vlb_weight = -1"],
    );
    let levels = with(HybridConfig {
        decoder: Some(Decoder::Discretised { levels: 1 }),
        ..HybridConfig::default()
    });
    refused(
        levels,
        ddpm,
        Learned,
        &["training.objective.hybrid.decoder.levels = 1"],
    );
    let alone = Objective::new(hybrid(), ddpm.build().unwrap(), Prediction::Epsilon, 1.0);
    let text = alone.err().unwrap().to_string();
    assert!(text.contains("training.objective.hybrid"), "{text}");
}

/// The mean of the discrete bound over fresh data, in nats, with a network's own variance or a fixed one.
fn bound(model: &Model, chain: &DdpmChain, variance: Option<FixedVariance>) -> f64 {
    let fresh = Toy::TwoMoons.sample(600, 1).points;
    let values: Vec<f32> = fresh.iter().copied().collect();
    let x0 = Tensor::<4>::from_data(TensorData::new(values, [600, 2, 1, 1]), &Device::flex());
    let predicted = |x: &Tensor<4>, step| {
        let marginal = chain.marginal_at(step);
        model.predict_with_variance(Prediction::Epsilon, x, marginal)
    };
    let bound = DiscreteBound::new(chain, Decoder::Density {}).unwrap();
    let noise = CounterNoise::new(2);
    let terms = match variance {
        Some(variance) => bound.terms(
            &x0,
            variance,
            |x, step| predicted(x, step).prediction,
            &noise,
        ),
        None => {
            let both = |x: &Tensor<4>, step| {
                let output = predicted(x, step);
                (output.prediction, output.variance.unwrap())
            };
            bound.terms_learned(&x0, both, &noise)
        }
    };
    terms.iter().map(|terms| terms.total()).sum::<f64>() / terms.len() as f64
}

/// Nichol & Dhariwal 2021, section 3.1: the learned variance improves the bound, the more the fewer steps.
#[test]
fn a_variance_learned_in_a_few_seconds_has_a_lower_bound_than_both_fixed_ones() {
    let steps = 20;
    let points = Toy::TwoMoons.sample(2000, 0);
    let config = TrainingConfig {
        steps: 600,
        batch_size: 128,
        warmup_steps: 50,
        learning_rate: 2e-3,
        final_learning_rate: 0.05,
        ema_decay: 0.98,
        objective: hybrid(),
        ..TrainingConfig::default()
    };
    let (sde, config_of_model) = (SdeConfig::Ddpm(chain(steps)), model(VarianceKind::Learned));
    let device = Device::flex();
    let mut trainer = Trainer::new(config, sde, &config_of_model, &points, &device).unwrap();
    for _ in 0..600 {
        trainer.step().unwrap();
    }
    let (model, chain) = (trainer.averaged_model(), chain(steps).chain().unwrap());
    let learned = bound(&model, &chain, None);
    let small = bound(&model, &chain, Some(FixedVariance::Small));
    let large = bound(&model, &chain, Some(FixedVariance::Large));
    assert!(
        learned < small - 0.05 && learned < large - 0.05,
        "{learned} {small} {large}"
    );
}
