//! α, σ and log-SNR of all processes side by side.

use anyhow::Result;
use sde_core::{SdeConfig, Time};

use super::process;
use crate::pictures::{Curve, CurvePanel, CurvePlot, Look, Picture, curve_plot};

/// Times of a curve.
const POINTS: usize = 400;

/// Three panels over t/T, one curve a process.
pub fn picture() -> Result<Picture> {
    let mut panels = [
        panel("α", false),
        panel("σ (log scale)", true),
        panel("log-SNR, ln α²/σ²", false),
    ];
    for (index, kind) in continuous().enumerate() {
        let sde = process(kind)?;
        let end = sde.t_max().0;
        let marginals = (1..=POINTS).map(|i| {
            let share = i as f64 / POINTS as f64;
            (share, sde.marginal(Time(share * end)))
        });
        let marginals: Vec<_> = marginals.collect();
        let values: [fn(sde_core::Marginal) -> f64; 3] =
            [|m| m.alpha, |m| m.sigma, |m| m.log_snr().0];
        for (panel, value) in panels.iter_mut().zip(values) {
            let points = marginals.iter().map(|&(share, m)| (share, value(m)));
            panel.curves.push(Curve {
                legend: index,
                points: points.collect(),
            });
        }
    }
    curve_plot(&CurvePlot {
        title: "every process with its published parameters".into(),
        legend: continuous()
            .enumerate()
            .map(|(index, kind)| (kind.to_owned(), Look::of_many(index)))
            .collect(),
        panels: panels.into(),
    })
}

/// Every kind but the chains, whose curves lie upon those of the processes that they become.
fn continuous() -> impl Iterator<Item = &'static str> {
    let kinds = SdeConfig::KINDS.into_iter();
    kinds.filter(|kind| !matches!(*kind, "ddpm" | "smld"))
}

fn panel(y_name: &str, log_y: bool) -> CurvePanel {
    CurvePanel {
        x_name: "t / T".into(),
        y_name: y_name.into(),
        log: (false, log_y),
        curves: Vec::new(),
    }
}
