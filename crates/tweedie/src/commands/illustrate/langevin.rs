//! Langevin dynamics: samples from the score alone, and what they get wrong in finite time.

use anyhow::Result;
use ndarray::Array2;
use sde_core::families::Brownian;
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::{Score, State, StepIndex, Time};

use super::SEED;
use super::worlds::{shares, uneven_circle};
use crate::pictures::{Cloud, Panel, Picture, Shares, mosaic};

/// Points.
const COUNT: usize = 2000;
/// h of x ← x + h s + √(2h) z: a tenth of a mode's variance.
const STEP: f64 = 0.004;
/// The standard deviation of the starting points.
const START: f64 = 2.0;
/// Steps of the long run.
const LONG: usize = 1000;
/// Steps of the states that are shown.
const SHOWN: [usize; 3] = [0, 20, LONG];

/// The dynamics at three moments, and the modes' shares at the end.
pub fn picture() -> Result<Picture> {
    let world = uneven_circle()?;
    let states = states()?;
    let titles = SHOWN.map(|steps| match steps {
        0 => "start".to_owned(),
        steps => format!("{steps} steps"),
    });
    let mut panels: Vec<Panel> = titles
        .into_iter()
        .zip(&states)
        .map(|(title, points)| {
            Panel::Cloud(Cloud {
                title,
                half: 4.6,
                points: points.clone(),
                density: world.clone(),
            })
        })
        .collect();
    panels.push(Panel::Shares(Shares {
        title: "share of each mode".into(),
        truth: world.weights().to_vec(),
        found: shares(&world, &states[2]),
        names: ["true weight", "samples"],
    }));
    let title = format!("Langevin dynamics from the score alone, h = {STEP}");
    mosaic(&title, panels.len(), &panels)
}

/// The points after each of [`SHOWN`], shape `[COUNT, 2]`.
fn states() -> Result<[Array2<f64>; 3]> {
    let world = uneven_circle()?;
    // At t = 0 Brownian motion has added no noise: the score is that of the data.
    let data = Brownian::default();
    let score = world.under(&data);
    let noise = CounterNoise::new(SEED);
    let like = Array2::zeros((COUNT, 2));
    let start: Array2<f64> = noise.standard_normal(&like, StepIndex(0), Role::Prior);
    let mut x = start.scale(START);
    let mut kept = vec![x.clone()];
    for step in 0..LONG {
        let z = noise.standard_normal(&x, StepIndex(step), Role::Langevin);
        let s = score.score(&x, Time(0.0));
        x = x.axpy(STEP, &s).axpy((2.0 * STEP).sqrt(), &z);
        if SHOWN.contains(&(step + 1)) {
            kept.push(x.clone());
        }
    }
    Ok(<[_; 3]>::try_from(kept).expect("as many states as are shown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_the_shape_of_each_mode_and_not_its_weight() {
        let world = uneven_circle().unwrap();
        let points = &states().unwrap()[2];
        let found = shares(&world, points);
        // Each mode catches the eighth of the plane around it, whatever it weighs.
        for share in &found {
            assert!((share - 0.125).abs() < 0.04, "{found:?}");
        }
        assert!((world.weights()[0] - found[0]) > 0.06);
        // Along the radius nothing is in the way: 2 and 0.2, within five standard errors and the
        // scheme's own error, which for h = s²/10 is a factor 1/(1 − h/(2 s²)) of the variance.
        let radii = points.outer_iter().map(|p| p[0].hypot(p[1]));
        let mean = radii.clone().sum::<f64>() / COUNT as f64;
        let variance = radii.map(|r| (r - mean).powi(2)).sum::<f64>() / COUNT as f64;
        assert!(
            (mean - 2.01).abs() < 5.0 * 0.2 / (COUNT as f64).sqrt(),
            "{mean}"
        );
        let expected = 0.04 / (1.0 - 0.05);
        let error = expected * (2.0 / COUNT as f64).sqrt();
        assert!((variance - expected).abs() < 5.0 * error, "{variance}");
    }
}
