//! The learning rate: a linear warm-up, then a cosine down to a share of the peak.

use crate::TrainingConfig;

/// The learning rate of step `step`, counted from 0 (Loshchilov & Hutter 2017, eq. 5, without
/// restarts).
#[must_use]
pub fn learning_rate(config: &TrainingConfig, step: u64) -> f64 {
    let TrainingConfig {
        learning_rate: peak,
        warmup_steps,
        final_learning_rate,
        steps,
        ..
    } = *config;
    let warmup = if step < warmup_steps {
        (step + 1) as f64 / warmup_steps as f64
    } else {
        1.0
    };
    let progress =
        step.saturating_sub(warmup_steps) as f64 / steps.saturating_sub(warmup_steps).max(1) as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos());
    peak * warmup * (final_learning_rate + (1.0 - final_learning_rate) * cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_linearly_peaks_and_falls_along_a_cosine() {
        let config = TrainingConfig {
            steps: 1100,
            warmup_steps: 100,
            learning_rate: 1e-3,
            final_learning_rate: 0.1,
            ..Default::default()
        };
        let at = |step| learning_rate(&config, step) / 1e-3;
        assert!((at(0) - 0.01).abs() < 1e-12);
        assert!((at(49) - 0.5).abs() < 1e-12);
        assert!((at(100) - 1.0).abs() < 1e-12);
        assert!((at(600) - 0.55).abs() < 1e-12);
        assert!((at(1100) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn a_final_share_of_one_keeps_it_constant() {
        let config = TrainingConfig {
            warmup_steps: 0,
            ..Default::default()
        };
        assert!((0..10_000).all(|step| learning_rate(&config, step) == config.learning_rate));
    }
}
