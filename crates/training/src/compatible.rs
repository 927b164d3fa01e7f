//! Which parts of a configuration go with which process and which model.

use score_net::{ModelConfig, PreconditioningConfig, VarianceKind};
use sde_core::damped::{DampedLangevin, VelocityPrediction};
use sde_core::objective::Weighting;
use sde_core::{ProcessConfig, SdeConfig};

use crate::{ObjectiveConfig, TrainingError};

fn refuse<T>(field: &str, value: String, must: &'static str) -> Result<T, TrainingError> {
    Err(TrainingError::Config {
        field: field.into(),
        value,
        must,
    })
}

/// Refuses what does not go with a process of positions alone, or with a variance that is learned or is not.
pub(crate) fn with_positions(
    config: &ObjectiveConfig,
    sde: SdeConfig,
    preconditioning: &PreconditioningConfig,
) -> Result<(), TrainingError> {
    if let Some(velocity) = preconditioning.velocity {
        let must = "left out, where sde.kind is not damped-langevin";
        return refuse("preconditioning.velocity", format!("{velocity:?}"), must);
    }
    if let Some(weighting) = config.velocity_weighting {
        let must = "left out, where sde.kind is not damped-langevin";
        let field = "training.objective.velocity_weighting";
        return refuse(field, format!("{weighting:?}"), must);
    }
    match (config.hybrid, preconditioning.variance) {
        (None, VarianceKind::Fixed) => Ok(()),
        (None, VarianceKind::Learned) => {
            let must = "fixed, unless [training.objective.hybrid] trains the learned variance";
            refuse("preconditioning.variance", "learned".into(), must)
        }
        (Some(_), VarianceKind::Fixed) => {
            let must = "learned, where [training.objective.hybrid] is there to train it";
            refuse("preconditioning.variance", "fixed".into(), must)
        }
        (Some(_), VarianceKind::Learned) => with_hybrid(config, sde),
    }
}

/// Refuses what the bound of a chain cannot stand beside.
fn with_hybrid(config: &ObjectiveConfig, sde: SdeConfig) -> Result<(), TrainingError> {
    if !matches!(sde, SdeConfig::Ddpm(_)) {
        let must =
            "ddpm, where there is [training.objective.hybrid]: its bound is that of a DDPM chain";
        return refuse("sde.kind", sde.build()?.name().into(), must);
    }
    if config.time.share(0, 0, 0, 1).is_none() {
        let must = "uniform or stratified, where there is [training.objective.hybrid]: one step stands for \
                    all of the bound's";
        return refuse(
            "training.objective.time",
            format!("{:?}", config.time),
            must,
        );
    }
    if let Some(t_min) = config.t_min {
        let must =
            "left out, where there is [training.objective.hybrid]: its first step is the chain's";
        return refuse("training.objective.t_min", t_min.to_string(), must);
    }
    if let Some(uncertainty) = config.uncertainty {
        let must = "left out, where there is [training.objective.hybrid], whose terms have their own weights";
        let value = format!("{uncertainty:?}");
        return refuse("training.objective.uncertainty", value, must);
    }
    Ok(())
}

/// Refuses what a classifier has no use for, and returns the process that noises its examples.
pub(crate) fn with_classifier(
    config: &ObjectiveConfig,
    process: ProcessConfig,
    model: &ModelConfig,
) -> Result<SdeConfig, TrainingError> {
    let ProcessConfig::Affine(sde) = process else {
        let must = "one of positions alone, where network.kind = classifier";
        return refuse("sde.kind", "damped-langevin".into(), must);
    };
    let must = "left out, where network.kind = classifier";
    let unused: [(bool, &str); 6] = [
        (config.hybrid.is_some(), "training.objective.hybrid"),
        (
            config.uncertainty.is_some(),
            "training.objective.uncertainty",
        ),
        (
            config.class_dropout.is_some(),
            "training.objective.class_dropout",
        ),
        (
            config.weighting != Weighting::default(),
            "training.objective.weighting",
        ),
        (
            config.velocity_weighting.is_some(),
            "training.objective.velocity_weighting",
        ),
        (
            model.preconditioning.velocity.is_some(),
            "preconditioning.velocity",
        ),
    ];
    if let Some((_, field)) = unused.iter().find(|(set, _)| *set) {
        return refuse(field, "a value".into(), must);
    }
    if model.preconditioning.variance == VarianceKind::Learned {
        return refuse("preconditioning.variance", "learned".into(), must);
    }
    Ok(sde)
}

/// Refuses what an autoencoder has no use for.
pub(crate) fn with_autoencoder(
    config: &ObjectiveConfig,
    model: &ModelConfig,
) -> Result<(), TrainingError> {
    let must = "left out, where network.kind = autoencoder";
    let own = ObjectiveConfig {
        elbo: config.elbo,
        ..ObjectiveConfig::default()
    };
    if *config != own {
        let value = "more than `elbo`".into();
        return refuse("training.objective", value, must);
    }
    if model.preconditioning != PreconditioningConfig::default() {
        return refuse("preconditioning", "a value".into(), must);
    }
    match model.classes {
        0 => Ok(()),
        classes => refuse("model.classes", classes.to_string(), must),
    }
}

/// Refuses what is for an autoencoder alone.
pub(crate) fn without_elbo(config: &ObjectiveConfig) -> Result<(), TrainingError> {
    match config.elbo {
        None => Ok(()),
        Some(elbo) => {
            let must = "left out, where network.kind is not autoencoder";
            let field = "training.objective.elbo.kl_weight";
            refuse(field, elbo.kl_weight.to_string(), must)
        }
    }
}

/// Refuses what is for processes of positions alone, and returns what the network answers for velocities.
pub(crate) fn with_pairs(
    config: &ObjectiveConfig,
    process: &DampedLangevin,
    preconditioning: &PreconditioningConfig,
) -> Result<VelocityPrediction, TrainingError> {
    let Some(velocity) = preconditioning.velocity else {
        let must = "mixed, epsilon or score, where sde.kind = damped-langevin";
        return refuse("preconditioning.velocity", "nothing".into(), must);
    };
    if preconditioning.variance != VarianceKind::Fixed {
        let must = "fixed, where sde.kind = damped-langevin: a learned one is that of a DDPM chain";
        return refuse("preconditioning.variance", "learned".into(), must);
    }
    if config.weighting != Weighting::default() {
        let must =
            "left out, where sde.kind = damped-langevin: velocity_weighting stands in its place";
        let value = format!("{:?}", config.weighting);
        return refuse("training.objective.weighting", value, must);
    }
    if config.time.share(0, 0, 0, 1).is_none() {
        let must =
            "uniform or stratified, where sde.kind = damped-langevin, which has no one noise level";
        return refuse(
            "training.objective.time",
            format!("{:?}", config.time),
            must,
        );
    }
    if let Some(t) = config.t_min
        && t >= process.t_max().0
    {
        let must = "before the end of the process";
        return refuse("training.objective.t_min", t.to_string(), must);
    }
    if let Some(hybrid) = config.hybrid {
        let must = "left out, where sde.kind = damped-langevin: its bound is that of a DDPM chain";
        return refuse("training.objective.hybrid", format!("{hybrid:?}"), must);
    }
    if let Some(uncertainty) = config.uncertainty {
        let must = "left out, where sde.kind = damped-langevin, which has no one noise level";
        let value = format!("{uncertainty:?}");
        return refuse("training.objective.uncertainty", value, must);
    }
    Ok(velocity)
}
