//! How samples are held to what is known of them.

use std::fmt;

use anyhow::Result;
use clap::{Args, ValueEnum};
use score_net::Model;
use solvers::SolverConfig;
use solvers::editing::{PosteriorCovariance, Reconstruction, Resampling};

use super::super::sample::at_least;
use crate::config::AnySolver;
use crate::editing::Hold;
use crate::failure::Fault;

/// How what is known is imposed.
#[derive(Debug, Args)]
pub struct MethodArgs {
    /// How the rest is made to fit what is known
    #[arg(long, value_enum, default_value_t = Method::Reconstruct, help_heading = "Method")]
    pub method: Method,
    /// RePaint: how many steps are taken back at once [default: 8]
    #[arg(long, value_name = "N", value_parser = at_least(1), help_heading = "Method")]
    pub jump_length: Option<usize>,
    /// RePaint: how often each stretch of steps is taken; 1 is `replace` [default: 4]
    #[arg(long, value_name = "N", value_parser = at_least(1), help_heading = "Method")]
    pub resamples: Option<usize>,
}

/// Of RePaint, if nobody says.
const RESAMPLING: Resampling = Resampling {
    jump_length: 8,
    samples: 4,
};

/// The methods of `solvers::editing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// What is known is noised afresh at every step (Song et al. 2021). The cheapest, and the rest follows it
    /// too late: strokes that join nothing
    Replace,
    /// The same, and stretches of steps are taken again so that the rest comes to fit (RePaint, Lugmayr et al.
    /// 2022); --resamples times the evaluations
    Repaint,
    /// A guided score (PiGDM, Song et al. 2023). The default: of trained digits nearly all pictures fit, where
    /// some of repaint's do not and many of replace's. Any solver takes it; it costs twice the evaluations of
    /// replace, half of them with gradients
    Reconstruct,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replace => "replace",
            Self::Repaint => "repaint",
            Self::Reconstruct => "reconstruct",
        })
    }
}

impl fmt::Display for MethodArgs {
    /// "repaint 4 x 8 steps": stretches of 8 steps, each taken 4 times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        match self.method {
            Method::Repaint => {
                let Resampling {
                    jump_length,
                    samples,
                } = self.resampling();
                write!(f, " {samples} x {jump_length} steps")
            }
            _ => Ok(()),
        }
    }
}

impl MethodArgs {
    fn resampling(&self) -> Resampling {
        Resampling {
            jump_length: self.jump_length.unwrap_or(RESAMPLING.jump_length),
            samples: self.resamples.unwrap_or(RESAMPLING.samples),
        }
    }

    /// The method for a solver and a model.
    ///
    /// # Errors
    /// Replacement with a solver that chooses its own steps.
    pub fn hold(&self, solver: AnySolver, model: &Model) -> Result<Hold> {
        if self.method != Method::Repaint
            && (self.jump_length.is_some() || self.resamples.is_some())
        {
            return Err(Fault::usage(format!(
                "--resamples and --jump-length are RePaint's, and --method is {}",
                self.method
            ))
            .hint("take --method repaint")
            .into());
        }
        if self.method != Method::Reconstruct && !is_stepwise(solver) {
            let stepwise: Vec<&str> = (SolverConfig::NAMES.into_iter())
                .filter(|name| name.parse().is_ok_and(is_stepwise))
                .collect();
            return Err(Fault::usage(format!(
                "--method {}: solver `{}` chooses its own steps, so what is known cannot be put into them; \
                 those that walk a grid are {}",
                self.method,
                solver.info().name,
                stepwise.join(", ")
            ))
            .hint("name one of them with --solver, or take --method reconstruct, which any solver can")
            .into());
        }
        Ok(match self.method {
            Method::Replace => Hold::Replace(Resampling::default()),
            Method::Repaint => Hold::Replace(self.resampling()),
            Method::Reconstruct => Hold::Reconstruct(Reconstruction {
                covariance: PosteriorCovariance::Isotropic {
                    data_std: model.preconditioning.sigma_data(),
                },
                ..Reconstruction::default()
            }),
        })
    }
}

/// Whether it takes its steps where it is told; the others have a tolerance.
fn is_stepwise(solver: AnySolver) -> bool {
    solver.with_tolerance(1e-3).is_none()
}
