//! When a solver of pairs steps.

use sde_core::Time;
use sde_core::damped::DampedLangevin;

use crate::{GridConfig, GridError, GridSpec, TimeGrid};

impl GridSpec {
    /// The times of critically damped Langevin diffusion, equally spaced in t (`uniform`) or √t
    /// (`quadratic`, much the same as the paper's quadratic striding); from T to 1e-3 if not said
    /// otherwise.
    ///
    /// # Errors
    /// At least one step, T ≥ start > end > 0, a spacing in t, and fewer steps than there are numbers
    /// between.
    pub fn build_damped(self, process: &DampedLangevin) -> Result<TimeGrid, GridError> {
        let start = self.start.unwrap_or(process.t_max());
        let end = self.end.unwrap_or(process.t_min_sampling());
        let (family, t_max) = (DampedLangevin::NAME, process.t_max());
        if self.steps == 0 {
            return Err(GridError::NoSteps);
        }
        let within = end.0 >= 0.0 && end < start && start <= t_max;
        if !within {
            return Err(GridError::Span {
                family,
                start,
                end,
                t_max,
            });
        }
        if end.0 == 0.0 {
            return Err(GridError::NoNoise { family, end });
        }
        let power: f64 = match self.spacing {
            GridConfig::Uniform {} => 1.0,
            GridConfig::Quadratic {} => 2.0,
            GridConfig::LogSnr {} | GridConfig::Karras { .. } => {
                let spacing = self.spacing.name();
                return Err(GridError::NoSigma { family, spacing });
            }
        };
        let root = |t: Time| t.0.powf(power.recip());
        let intervals = self.last_step.times(self.steps) - 1;
        let times = (0..=intervals)
            .map(|i| match i {
                0 => start,
                i if i == intervals => end,
                i => {
                    let u = i as f64 / intervals as f64;
                    Time((root(start) + u * (root(end) - root(start))).powf(power))
                }
            })
            .collect();
        TimeGrid::from_times(times, self.last_step)
    }
}
