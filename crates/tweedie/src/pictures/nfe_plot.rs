//! What samples cost against how good they are: one curve a solver, one panel a measure.

use std::ops::Range;

use anyhow::Result;
use plotters::chart::ChartBuilder;
use plotters::element::{Circle, PathElement, Text};
use plotters::prelude::{DashedLineSeries, LineSeries};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, TRANSPARENT};

use super::Picture;
use super::axis::{Axis, label};
use super::picture::{Area, FAINT, INK, px, text, titled};

/// A measure of samples, smaller being better.
#[derive(Clone, Debug)]
pub struct NfePanel {
    /// What is measured.
    pub measure: String,
    /// What real data get, where that is known.
    pub floor: Option<f64>,
    /// The curves, in the order of [`NfePlot::solvers`]; pairs of NFE and value.
    pub curves: Vec<Vec<(f64, f64)>>,
}

/// All panels.
#[derive(Clone, Debug)]
pub struct NfePlot {
    /// Above them.
    pub title: String,
    /// The solvers' names, and whether they are stochastic.
    pub solvers: Vec<(String, bool)>,
    /// Where the axes of NFE have ticks.
    pub budgets: Vec<usize>,
    /// From left to right.
    pub panels: Vec<NfePanel>,
}

const PANEL: (u32, u32) = (480, 470);
const LEGEND: u32 = 250;
const LINE: u32 = 22;

/// Colours that differ in hue and in lightness (Okabe & Ito's, and darker and lighter ones between).
const COLORS: [RGBColor; 10] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(110, 60, 160),
    RGBColor(120, 120, 120),
    RGBColor(150, 40, 40),
    RGBColor(20, 70, 60),
];

/// Draws the panels with one legend. Deterministic solvers have solid lines, stochastic ones dashed;
/// both axes are logarithmic, so values that are not above 0 are left out.
pub fn nfe_plot(plot: &NfePlot) -> Result<Picture> {
    let panels = plot.panels.len().max(1) as u32;
    let legend = 44 + LINE * (plot.solvers.len() as u32 + 4);
    let height = (PANEL.1 + 44).max(legend);
    Picture::drawn(panels * PANEL.0 + LEGEND, height, |area| {
        let mut rest = titled(area, &plot.title)?;
        for measured in &plot.panels {
            let (left, right) = rest.split_horizontally(px(PANEL.0));
            let (left, _) = left.split_vertically(px(PANEL.1));
            panel(&left, measured, plot)?;
            rest = right;
        }
        names(&rest, &plot.solvers)
    })
}

/// A point of a curve: hollow where the colours begin again.
fn dot<C>(at: C, index: usize) -> Circle<C, i32> {
    match index < COLORS.len() {
        true => Circle::new(at, px(4), color(index).filled()),
        false => Circle::new(at, px(4), color(index).stroke_width(px(2) as u32)),
    }
}

pub(super) fn color(index: usize) -> RGBColor {
    COLORS[index % COLORS.len()]
}

fn names(area: &Area<'_>, solvers: &[(String, bool)]) -> Result<()> {
    let style = text(15).pos(Pos::new(HPos::Left, VPos::Center));
    for (index, (name, stochastic)) in solvers.iter().enumerate() {
        let y = px(20 + LINE * index as u32);
        let stroke = color(index).stroke_width(px(2) as u32);
        let pieces: &[(i32, i32)] = match stochastic {
            true => &[(0, 8), (12, 20), (24, 30)],
            false => &[(0, 30)],
        };
        for &(from, to) in pieces {
            let ends = vec![(px(6) + 2 * from, y), (px(6) + 2 * to, y)];
            area.draw(&PathElement::new(ends, stroke))?;
        }
        area.draw(&dot((px(6) + 30, y), index))?;
        area.draw(&Text::new(name.as_str(), (px(46), y), style.clone()))?;
    }
    let y = px(20 + LINE * (solvers.len() as u32 + 1));
    let words = "solid: deterministic, dashed: draws noise";
    let style = text(12).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(words, (px(6), y), style))?;
    Ok(())
}

fn panel(area: &Area<'_>, measured: &NfePanel, plot: &NfePlot) -> Result<()> {
    let logs = |curve: &[(f64, f64)]| -> Vec<(f64, f64)> {
        let shown = curve.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0);
        let logs = shown.map(|(x, y)| (x.log10(), y.log10()));
        logs.filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect()
    };
    let curves: Vec<_> = measured.curves.iter().map(|curve| logs(curve)).collect();
    let floor = measured.floor.filter(|floor| *floor > 0.0).map(f64::log10);
    let points = || curves.iter().flatten();
    let ticks = plot.budgets.iter().map(|&budget| (budget as f64).log10());
    let ticks: Vec<f64> = ticks.filter(|tick| tick.is_finite()).collect();
    let x = range(&mut points().map(|point| point.0).chain(ticks.iter().copied()));
    let y = range(&mut points().map(|point| point.1).chain(floor));
    let mut chart = ChartBuilder::on(area)
        .margin(px(14))
        .x_label_area_size(px(50))
        .y_label_area_size(px(76))
        .build_cartesian_2d(Axis::with_ticks(x.clone(), ticks), Axis::log(y, 8))?;
    let written = |log: &f64| label(10f64.powf(*log));
    chart
        .configure_mesh()
        .x_desc("evaluations of the score, NFE (log scale)")
        .y_desc(format!("{} (log scale)", measured.measure))
        .x_label_formatter(&written)
        .y_label_formatter(&written)
        .label_style(text(15))
        .axis_desc_style(text(16))
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .draw()?;
    if let Some(floor) = floor {
        let ends = [(x.start, floor), (x.end, floor)];
        let stroke = INK.stroke_width(px(1) as u32);
        chart.draw_series(LineSeries::new(ends, stroke))?;
        let style = text(13).pos(Pos::new(HPos::Left, VPos::Top));
        chart.draw_series([Text::new(" real data", ends[0], style)])?;
    }
    for (index, (curve, (_, stochastic))) in curves.into_iter().zip(&plot.solvers).enumerate() {
        let stroke = color(index).stroke_width(px(2) as u32);
        let dots: Vec<_> = curve.clone();
        if *stochastic {
            let dashes = DashedLineSeries::new(curve, px(7) as u32, px(5) as u32, stroke);
            chart.draw_series(dashes)?;
        } else {
            chart.draw_series(LineSeries::new(curve, stroke))?;
        }
        chart.draw_series(dots.into_iter().map(|at| dot(at, index)))?;
    }
    Ok(())
}

/// A range that holds every value, with a margin, and is not empty.
fn range(values: &mut dyn Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return 0.0..1.0;
    }
    let margin = (0.06 * (high - low)).max(0.05);
    low - margin..high + margin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_whatever_their_values() {
        let plot = NfePlot {
            title: "error against NFE".into(),
            budgets: vec![5, 10, 20],
            solvers: vec![("heun".into(), false), ("euler-maruyama".into(), true)],
            panels: vec![
                NfePanel {
                    measure: "error".into(),
                    floor: Some(0.01),
                    curves: vec![
                        vec![(5.0, 1.0), (10.0, 0.25), (20.0, f64::NAN)],
                        vec![(5.0, 0.0)],
                    ],
                },
                NfePanel {
                    measure: "distance".into(),
                    floor: None,
                    curves: vec![vec![], vec![]],
                },
            ],
        };
        let picture = nfe_plot(&plot).unwrap();
        assert_eq!(picture.pixels().width(), 2 * PANEL.0 + LEGEND);
        let blue = |pixel: &image::Rgb<u8>| pixel.0 == [0, 114, 178];
        assert!(picture.pixels().pixels().any(blue));
    }
}
