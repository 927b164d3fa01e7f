//! The classes of a batch: told to a network, now and then not, or to be told by a classifier.

use data::Source;
use score_net::ModelConfig;
use sde_core::noise::{Role, fill_uniform};

use crate::TrainingError;
use crate::objective::Draw;

/// The share of training examples whose class is not told, as published (Ho & Salimans 2022: 0.1 to 0.2).
const CLASS_DROPOUT: f64 = 0.1;

/// How often the network is told of a class: what makes it the conditional and the unconditional score in one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    dropout: f64,
}

impl Told {
    /// Of a model that knows classes; none of others.
    ///
    /// # Errors
    /// A `class_dropout` that is no share, or one where there are no classes.
    pub fn of(
        class_dropout: Option<f64>,
        model: &ModelConfig,
    ) -> Result<Option<Self>, TrainingError> {
        let refuse = |dropout: f64, must| {
            Err(TrainingError::Config {
                field: "training.objective.class_dropout".into(),
                value: dropout.to_string(),
                must,
            })
        };
        match class_dropout {
            Some(dropout) if model.classes == 0 => {
                refuse(dropout, "left out, where model.classes is 0")
            }
            Some(dropout) if !(0.0..=1.0).contains(&dropout) => {
                refuse(dropout, "a share, from 0 to 1")
            }
            _ => Ok((model.classes > 0).then(|| Self {
                dropout: class_dropout.unwrap_or(CLASS_DROPOUT),
            })),
        }
    }

    /// The classes of the samples at `indices` as `draw` leaves them.
    ///
    /// # Errors
    /// A sample without a class.
    pub fn draw(
        self,
        source: &dyn Source,
        indices: &[usize],
        draw: Draw,
    ) -> Result<Vec<Option<usize>>, TrainingError> {
        let labels = labels(source, indices)?;
        let drawn = labels.into_iter().zip(draw.first_sample..);
        Ok(drawn
            .map(|(label, sample)| {
                let mut share = [0.0];
                fill_uniform(draw.seed, sample, draw.step, Role::ClassDropout, &mut share);
                (share[0] >= self.dropout).then_some(label)
            })
            .collect())
    }
}

/// The classes of the samples at `indices`.
///
/// # Errors
/// A sample without one.
pub(crate) fn labels(source: &dyn Source, indices: &[usize]) -> Result<Vec<usize>, TrainingError> {
    let label = |&index: &usize| {
        let label = source.label(index).map(usize::from);
        label.ok_or(TrainingError::Unlabelled { index })
    };
    indices.iter().map(label).collect()
}

/// Refuses data whose classes are not those of the model.
pub(crate) fn check(source: &dyn Source, model: &ModelConfig) -> Result<(), TrainingError> {
    let (data, classes) = (source.class_count(), model.classes);
    let refuse = |must| {
        Err(TrainingError::Config {
            field: "model.classes".into(),
            value: classes.to_string(),
            must,
        })
    };
    match (classes, data) {
        (0, _) => Ok(()),
        (_, 0) => refuse("0, since the data have no classes"),
        _ if classes < data => refuse("the number of the data's classes at least"),
        _ => Ok(()),
    }
}
