//! What steers the samples: a class, and how much more, or less, of it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};
use burn::tensor::{Device, Tensor};
use clap::{Args, ValueEnum};
use score_net::{ClassError, Model, ModelScore};
use sde_core::guidance::{
    Autoguidance, ClassifierFree, ClassifierGuidance, GuidanceError, GuidanceInterval, Scaling,
};
use sde_core::{AffineSde, DifferentiableScore, Score};

use crate::config::ClassChoice;
use crate::failure::Fault;
use crate::latents::{self, Record};
use crate::runs::Chosen;

/// The guidances of a run of a sampler; none by default. One is put around the other: classifier-free inside,
/// then autoguidance, then the classifier.
#[derive(Clone, Debug, Default)]
pub struct Guidance {
    /// The conditional score away from the unconditional one.
    pub free: Option<ClassifierFree>,
    /// The score away from that of a worse model.
    pub weak: Option<(Autoguidance, Model)>,
    /// The gradient of a classifier.
    pub classifier: Option<(ClassifierGuidance, Model)>,
    /// The autoencoder, by its digest, in whose latents another model guides; None for the data themselves.
    guide_space: Option<Option<String>>,
    /// Where the other model is from.
    guide: Option<PathBuf>,
}

/// A guided score, which is differentiable unless a classifier takes part in it.
pub struct GuidedScore<'a> {
    /// The score.
    pub score: &'a dyn Score<Tensor<4>>,
    /// The same, where its Jacobian can be had.
    pub differentiable: Option<&'a dyn DifferentiableScore<Tensor<4>>>,
}

impl Guidance {
    /// Classifier-free guidance alone.
    pub fn free(rule: Option<ClassifierFree>) -> Self {
        Self {
            free: rule,
            ..Self::default()
        }
    }

    /// The same guidance by another scale.
    ///
    /// # Errors
    /// A scale that is no number.
    pub fn rescale(&mut self, scale: f64) -> Result<(), Fault> {
        if let Some(rule) = &mut self.free {
            rule.scale = scale;
            rule.validated().map_err(refused)?;
        }
        if let Some((rule, _)) = &mut self.weak {
            rule.scale = scale;
            rule.validated().map_err(refused)?;
        }
        if let Some((rule, _)) = &mut self.classifier {
            rule.scale = scale;
            rule.validated().map_err(refused)?;
        }
        Ok(())
    }

    /// Refuses a guide that knows other latents than those of the autoencoder of this digest, or than the data.
    ///
    /// # Errors
    /// Names both.
    pub fn check_space(&self, space: Option<&str>) -> Result<(), Fault> {
        let named = |space: Option<&str>| match space {
            Some(digest) => format!("in latents of the autoencoder {}…", latents::short(digest)),
            None => "of the data themselves".to_owned(),
        };
        match &self.guide_space {
            Some(of_guide) if of_guide.as_deref() != space => Err(Fault::usage(format!(
                "the guide is {}, and the model is {}",
                named(of_guide.as_deref()),
                named(space)
            ))
            .hint("name a guide that was trained in the same space")),
            _ => Ok(()),
        }
    }

    /// Whether samples follow the model's own distribution.
    pub fn is_none(&self) -> bool {
        self.free.is_none() && self.weak.is_none() && self.classifier.is_none()
    }

    /// The classes that can be asked for: the model's, or else the classifier's.
    pub fn classes_of(&self, model: &Model) -> usize {
        let of_classifier = self
            .classifier
            .as_ref()
            .map_or(0, |(_, model)| model.classes);
        match model.classes {
            0 => of_classifier,
            classes => classes,
        }
    }

    /// "-guided2" with the scales, for names of files; nothing if there is none.
    pub fn label(&self) -> String {
        let within = |interval: GuidanceInterval| match interval == GuidanceInterval::default() {
            true => String::new(),
            false => format!("-within{}-{}", interval.low, interval.high),
        };
        let free = self.free.map(|rule| {
            let scaling = match rule.scaling {
                Scaling::FromUnconditional => "",
                Scaling::FromConditional => "-from-conditional",
                Scaling::Sum => "-sum",
            };
            format!("-guided{}{scaling}{}", rule.scale, within(rule.interval))
        });
        let weak = (self.weak.as_ref())
            .map(|(rule, _)| format!("-autoguided{}{}", rule.scale, within(rule.interval)));
        let classifier = (self.classifier.as_ref())
            .map(|(rule, _)| format!("-classifier{}{}", rule.scale, within(rule.interval)));
        [free, weak, classifier].into_iter().flatten().collect()
    }

    /// Each rule with its values, and where its guide is from, for files of results.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "classifier_free": self.free,
            "autoguidance": self.weak.as_ref().map(|(rule, _)| rule),
            "classifier": self.classifier.as_ref().map(|(rule, _)| rule),
            "guide": self.guide,
        })
    }

    /// ", guided by 2", for a sentence; nothing if there is none.
    pub fn said(&self) -> String {
        let free = self.free.map(|rule| format!(", guided by {}", rule.scale));
        let weak = (self.weak.as_ref()).map(|(rule, _)| format!(", autoguided by {}", rule.scale));
        let classifier = self.classifier.as_ref();
        let classifier =
            classifier.map(|(rule, _)| format!(", guided by {} times a classifier", rule.scale));
        [free, weak, classifier].into_iter().flatten().collect()
    }

    /// Refuses what `model` and `class` cannot be guided by.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn check(&self, model: &Model, class: Option<usize>) -> Result<(), Fault> {
        if self.free.is_some() && model.classes == 0 {
            return Err(Fault::usage(
                "guidance needs a model that knows classes, and this one was trained without",
            )
            .hint(
                "train one with --set model.classes=10, or guide this one by a classifier of noised images with \
                 --classifier RUN",
            ));
        }
        if let Some(class) = class {
            let classes = self.classes_of(model);
            if classes > 0 && class >= classes {
                let error = ClassError::OutOfRange { class, classes };
                return Err(Fault::usage(error.to_string()));
            }
            if classes == 0 {
                return Err(no_classes(class));
            }
        }
        if (self.free.is_some() || self.classifier.is_some()) && class.is_none() {
            return Err(Fault::usage("guidance towards no class is not possible")
                .hint("--class N names one"));
        }
        Ok(())
    }

    /// The score of `class` under `sde`, guided, as `then` wants it.
    ///
    /// # Errors
    /// A class that a model does not have, or values that no guidance can have.
    pub fn with_score<R>(
        &self,
        model: &Model,
        sde: &dyn AffineSde,
        class: Option<usize>,
        then: impl FnOnce(&GuidedScore<'_>) -> R,
    ) -> Result<R> {
        self.check(model, class)?;
        let unconditional = model.under(sde);
        // Where a classifier is told the class, a model without classes need not be.
        let told = class.filter(|_| self.classifier.is_none() || model.classes > 0);
        let conditional = of_class(unconditional, told)?;
        let mut score: &dyn DifferentiableScore<Tensor<4>> = &conditional;
        let free;
        if let Some(rule) = self.free {
            free = rule
                .guide(sde, &conditional, &unconditional)
                .map_err(refused)?;
            score = &free;
        }
        let (weak_score, weak);
        if let Some((rule, model)) = &self.weak {
            let told = told.filter(|_| model.classes > 0);
            weak_score = of_class(model.under(sde), told).context("the worse model")?;
            weak = rule.guide(sde, score, &weak_score).map_err(refused)?;
            score = &weak;
        }
        let Some(((rule, classifier), class)) = self.classifier.as_ref().zip(class) else {
            let differentiable = Some(score);
            return Ok(then(&GuidedScore {
                score,
                differentiable,
            }));
        };
        let gradient = (classifier.classifier_under(sde, class))
            .map_err(|error| Fault::usage(format!("--classifier: {error}")))?;
        let guided = rule.guide(sde, score, &gradient).map_err(refused)?;
        Ok(then(&GuidedScore {
            score: &guided,
            differentiable: None,
        }))
    }
}

fn of_class<'a>(score: ModelScore<'a>, class: Option<usize>) -> Result<ModelScore<'a>, Fault> {
    let Some(class) = class else {
        return Ok(score);
    };
    score.of_class(class).map_err(|error| match error {
        ClassError::Unconditional { class } => no_classes(class),
        _ => Fault::usage(error.to_string()),
    })
}

fn no_classes(class: usize) -> Fault {
    Fault::usage(ClassError::Unconditional { class }.to_string()).hint(
        "leave --class out, train with --set model.classes=10, or guide by a classifier with --classifier RUN",
    )
}

fn refused(error: GuidanceError) -> Fault {
    Fault::usage(error.to_string())
}

/// What steers the samples, on the command line.
#[derive(Clone, Debug, Default, Args)]
pub struct GuidanceArgs {
    /// The class to draw, by its number, or `all` in turn, or `none` [default: the run's, all unless configured; of
    /// `edit` none]
    #[arg(long, value_name = "N", value_parser = ClassChoice::from_str, help_heading = "Guidance")]
    pub class: Option<ClassChoice>,
    /// How much of the class: 1 is what the model learned, 2 clearly so, 0 none of it, and below 0 away from it; with
    /// --autoguide 1 is the model alone and 0 the worse one
    #[arg(
        long,
        value_name = "W",
        allow_negative_numbers = true,
        help_heading = "Guidance"
    )]
    pub guidance: Option<f64>,
    /// Noise levels σ/α between which guidance acts, such as 0.3,5 [default: all]
    #[arg(
        long, value_name = "LO,HI", value_parser = interval, help_heading = "Guidance"
    )]
    pub guidance_interval: Option<GuidanceInterval>,
    /// What W means: u + W (c - u), c + W (c - u), or u + W c, for the conditional score c and the
    /// unconditional u [default: the run's, from-unconditional unless configured]
    #[arg(
        long, value_enum, conflicts_with_all = ["classifier", "autoguide"], help_heading = "Guidance"
    )]
    pub guidance_scaling: Option<Formula>,
    /// The run or checkpoint of a classifier of noised images, whose gradient guides in place of the
    /// unconditional score [W: 1]
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "autoguide",
        help_heading = "Guidance"
    )]
    pub classifier: Option<PathBuf>,
    /// The run or checkpoint of a worse model of the same data, away from which to guide [W: 2]
    #[arg(long, value_name = "DIR", help_heading = "Guidance")]
    pub autoguide: Option<PathBuf>,
}

/// [`Scaling`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Formula {
    /// u + W (c - u): Imagen, DiT, diffusers.
    FromUnconditional,
    /// c + W (c - u): Ho & Salimans.
    FromConditional,
    /// u + W c.
    Sum,
}

impl From<Formula> for Scaling {
    fn from(formula: Formula) -> Self {
        match formula {
            Formula::FromUnconditional => Self::FromUnconditional,
            Formula::FromConditional => Self::FromConditional,
            Formula::Sum => Self::Sum,
        }
    }
}

impl GuidanceArgs {
    /// Puts what is asked for here in the place of what a run's configuration says.
    ///
    /// # Errors
    /// A guide that cannot be read, or is for samples of another shape.
    pub fn over(&self, guidance: &mut Guidance, shape: [usize; 3], device: &Device) -> Result<()> {
        let interval = self.guidance_interval.unwrap_or_default();
        if let Some(path) = &self.classifier {
            let rule = ClassifierGuidance {
                scale: self.guidance.unwrap_or(1.0),
                interval,
            };
            let (model, space) = guide(path, "--classifier", shape, device)?;
            guidance.guide_space = Some(space);
            guidance.guide = Some(path.clone());
            guidance.free = None;
            guidance.classifier = Some((rule.validated().map_err(refused)?, model));
            return Ok(());
        }
        if let Some(path) = &self.autoguide {
            let rule = Autoguidance {
                scale: self.guidance.unwrap_or(AUTOGUIDANCE),
                interval,
            };
            let (model, space) = guide(path, "--autoguide", shape, device)?;
            guidance.guide_space = Some(space);
            guidance.guide = Some(path.clone());
            guidance.free = None;
            guidance.weak = Some((rule.validated().map_err(refused)?, model));
            return Ok(());
        }
        // What is not said here is as the run has it.
        let base = match (guidance.free, self.guidance) {
            (Some(configured), _) => configured,
            (None, Some(scale)) => ClassifierFree::new(scale),
            (None, None) if self.guidance_interval.is_some() || self.guidance_scaling.is_some() => {
                return Err(Fault::usage(
                    "--guidance-interval and --guidance-scaling say how to guide, and nothing guides here",
                )
                .hint("--guidance W does")
                .into());
            }
            (None, None) => return Ok(()),
        };
        let rule = ClassifierFree {
            scale: self.guidance.unwrap_or(base.scale),
            scaling: self.guidance_scaling.map_or(base.scaling, Scaling::from),
            interval: self.guidance_interval.unwrap_or(base.interval),
        };
        guidance.free = Some(rule.validated().map_err(refused)?);
        Ok(())
    }
}

/// What autoguidance counts if nobody says: about what serves best in its paper, 1.7 to 2.2.
const AUTOGUIDANCE: f64 = 2.0;

/// "LO,HI", in σ/α.
pub fn interval(text: &str) -> Result<GuidanceInterval, String> {
    let wanted = "two noise levels σ/α with a comma between them, such as 0.3,5";
    let (low, high) = text.split_once(',').ok_or(wanted)?;
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wanted);
    let (low, high) = (number(low)?, number(high)?);
    if !(low >= 0.0 && low.is_finite() && high > low) {
        return Err("the first is 0 or above, and the second above the first".to_owned());
    }
    Ok(GuidanceInterval { low, high })
}

/// The model of a run or checkpoint that guides another, which must be of one shape with it; and the digest of
/// the autoencoder whose latents it knows, if it knows latents.
fn guide(
    path: &Path,
    flag: &str,
    shape: [usize; 3],
    device: &Device,
) -> Result<(Model, Option<String>)> {
    let chosen = Chosen::at(path).with_context(|| format!("{flag} {}", path.display()))?;
    let found = chosen.checkpoint.manifest().model.shape;
    if found != shape {
        return Err(Fault::usage(format!(
            "{flag} {}: it is for samples of shape {found:?} (channels, height, width), and this model draws {shape:?}",
            path.display()
        ))
        .into());
    }
    let model = chosen.checkpoint.model(device)?;
    if model.network.as_autoencoder().is_some() {
        let fault = format!("{flag} {}: an autoencoder guides nothing", path.display());
        return Err(Fault::usage(fault).into());
    }
    match (flag, model.is_classifier()) {
        ("--autoguide", true) => {
            let fault = format!(
                "--autoguide {}: this run is of a classifier, which has no score",
                path.display()
            );
            return Err(Fault::usage(fault)
                .hint("--classifier guides by it; --autoguide takes a worse model of the same data")
                .into());
        }
        ("--classifier", false) => {
            let fault = format!(
                "--classifier {}: this run is of a score, not of a classifier",
                path.display()
            );
            return Err(Fault::usage(fault)
                .hint("train one with configs/mnist-classifier.toml; --autoguide takes a score")
                .into());
        }
        _ => {}
    }
    let space = match &chosen.run {
        Some(run) if run.config.autoencoder.is_some() => Record::read(run.folder.root())?,
        _ => None,
    };
    Ok((model, space.map(|record| record.autoencoder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_two_numbers_in_order() {
        assert_eq!(
            interval("0.3, 5"),
            Ok(GuidanceInterval {
                low: 0.3,
                high: 5.0
            })
        );
        assert_eq!(interval("0,inf"), Ok(GuidanceInterval::default()));
        for text in ["0.3", "5,0.3", "a,b", "-1,2", "nan,1", "0,nan"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
