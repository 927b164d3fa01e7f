//! Curves in panels side by side, under one legend.

use std::ops::Range;

use anyhow::Result;
use plotters::chart::ChartBuilder;
use plotters::element::{Circle, PathElement, Text};
use plotters::prelude::{DashedLineSeries, LineSeries};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, TRANSPARENT};

use super::Picture;
use super::axis::{Axis, label};
use super::nfe_plot::color;
use super::picture::{Area, FAINT, INK, px, text, titled};

/// All panels.
#[derive(Clone, Debug)]
pub struct CurvePlot {
    /// Above them.
    pub title: String,
    /// What is drawn, and how.
    pub legend: Vec<(String, Look)>,
    /// From left to right.
    pub panels: Vec<CurvePanel>,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct CurvePanel {
    /// Below the panel.
    pub x_name: String,
    /// Beside it.
    pub y_name: String,
    /// Which of x and y are shown as logarithms.
    pub log: (bool, bool),
    /// Later ones above earlier ones.
    pub curves: Vec<Curve>,
}

/// One curve.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Its place in [`CurvePlot::legend`].
    pub legend: usize,
    /// Pairs of x and y.
    pub points: Vec<(f64, f64)>,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    color: RGBColor,
    stroke: Stroke,
}

/// What a curve is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// A line.
    Solid,
    /// A dashed line.
    Dashed,
    /// A dotted line.
    Dotted,
    /// A dot at each point.
    Dots,
}

impl Look {
    /// Of a colour and a stroke.
    pub fn new(color: RGBColor, stroke: Stroke) -> Self {
        Self { color, stroke }
    }

    /// The `index`-th of many: told apart by colour, and where curves coincide by stroke.
    pub fn of_many(index: usize) -> Self {
        let strokes = [
            Stroke::Solid,
            Stroke::Solid,
            Stroke::Dashed,
            Stroke::Solid,
            Stroke::Dashed,
            Stroke::Dotted,
        ];
        Self::new(color(index), strokes[index % strokes.len()])
    }

    /// The length of a dash and of the gap after it, in pixels.
    fn dashes(self) -> Option<(u32, u32)> {
        match self.stroke {
            Stroke::Solid | Stroke::Dots => None,
            Stroke::Dashed => Some((8, 6)),
            Stroke::Dotted => Some((2, 5)),
        }
    }
}

const WIDTH: u32 = 960;
const HEIGHT: u32 = 340;
/// A line of the legend.
const LINE: u32 = 26;

/// Draws the panels; what an axis of logarithms cannot show is left out.
pub fn curve_plot(plot: &CurvePlot) -> Result<Picture> {
    let panels = plot.panels.len().max(1) as u32;
    let lines = legend_lines(&plot.legend);
    let above = 44 + LINE * lines.len() as u32 + 6;
    Picture::drawn(WIDTH, above + HEIGHT, |area| {
        let rest = titled(area, &plot.title)?;
        let (names, mut rest) = rest.split_vertically(px(above - 44));
        legend(&names, &lines)?;
        for shown in &plot.panels {
            let (area, right) = rest.split_horizontally(px(WIDTH / panels));
            panel(&area, shown, plot)?;
            rest = right;
        }
        Ok(())
    })
}

/// The width of a name with its line, about, in pixels.
fn name_width(name: &str) -> u32 {
    66 + 9 * name.chars().count() as u32
}

/// The names, as many on a line as there is room for.
fn legend_lines(legend: &[(String, Look)]) -> Vec<Vec<&(String, Look)>> {
    let mut lines: Vec<Vec<&(String, Look)>> = vec![Vec::new()];
    let mut used = 0;
    for entry in legend {
        let width = name_width(&entry.0);
        if used > 0 && used + width > WIDTH - 40 {
            lines.push(Vec::new());
            used = 0;
        }
        used += width;
        lines.last_mut().expect("there is a line").push(entry);
    }
    lines
}

fn legend(area: &Area<'_>, lines: &[Vec<&(String, Look)>]) -> Result<()> {
    let style = text(15).pos(Pos::new(HPos::Left, VPos::Center));
    for (line, entries) in lines.iter().enumerate() {
        let y = px(LINE * line as u32 + LINE / 2);
        let whole: u32 = entries.iter().map(|(name, _)| name_width(name)).sum();
        let mut x = px((WIDTH.saturating_sub(whole)) / 2 + 10);
        for (name, look) in entries {
            sample(area, *look, (x, y))?;
            area.draw(&Text::new(name.as_str(), (x + px(40), y), style.clone()))?;
            x += px(name_width(name));
        }
    }
    Ok(())
}

/// What stands before a name.
fn sample(area: &Area<'_>, look: Look, (x, y): (i32, i32)) -> Result<()> {
    let stroke = look.color.stroke_width(px(2) as u32);
    if look.stroke == Stroke::Dots {
        area.draw(&Circle::new((x + px(16), y), px(3), look.color.filled()))?;
        return Ok(());
    }
    let (dash, gap) = look.dashes().unwrap_or((32, 1));
    for from in (0..32).step_by((dash + gap) as usize) {
        let ends = vec![(x + px(from), y), (x + px((from + dash).min(32)), y)];
        area.draw(&PathElement::new(ends, stroke))?;
    }
    Ok(())
}

fn panel(area: &Area<'_>, shown: &CurvePanel, plot: &CurvePlot) -> Result<()> {
    let scaled = |log: bool, value: f64| if log { value.log10() } else { value };
    let (log_x, log_y) = shown.log;
    let curves: Vec<(Look, Vec<(f64, f64)>)> = shown
        .curves
        .iter()
        .filter_map(|curve| {
            let look = plot.legend.get(curve.legend)?.1;
            let points = curve.points.iter();
            let points = points.map(|&(x, y)| (scaled(log_x, x), scaled(log_y, y)));
            Some((
                look,
                points
                    .filter(|p| p.0.is_finite() && p.1.is_finite())
                    .collect(),
            ))
        })
        .collect();
    let points = || curves.iter().flat_map(|(_, points)| points);
    let x = axis(&mut points().map(|p| p.0), 0.02, log_x);
    let y = axis(&mut points().map(|p| p.1), 0.05, log_y);
    let mut chart = ChartBuilder::on(area)
        .margin(px(10))
        .margin_right(px(18))
        .x_label_area_size(px(48))
        .y_label_area_size(px(68))
        .build_cartesian_2d(x, y)?;
    let written =
        |log: bool| move |value: &f64| label(if log { 10f64.powf(*value) } else { *value });
    chart
        .configure_mesh()
        .x_desc(&shown.x_name)
        .y_desc(&shown.y_name)
        .x_label_formatter(&written(log_x))
        .y_label_formatter(&written(log_y))
        .label_style(text(14))
        .axis_desc_style(text(15))
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (look, points) in curves {
        let stroke = look.color.stroke_width(px(2) as u32);
        match (look.stroke, look.dashes()) {
            (Stroke::Dots, _) => {
                let dot = |at| Circle::new(at, px(3), look.color.filled());
                chart.draw_series(points.into_iter().map(dot))?;
            }
            (_, Some((dash, gap))) => {
                let (dash, gap) = (px(dash) as u32, px(gap) as u32);
                chart.draw_series(DashedLineSeries::new(points, dash, gap, stroke))?;
            }
            _ => {
                chart.draw_series(LineSeries::new(points, stroke))?;
            }
        }
    }
    Ok(())
}

/// An axis that holds every value, with a margin, and is not empty.
fn axis(values: &mut dyn Iterator<Item = f64>, margin: f64, log: bool) -> Axis {
    let range = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let range: Range<f64> = match range {
        (low, high) if low > high => 0.0..1.0,
        (low, high) => {
            let margin = (margin * (high - low)).max(1e-3);
            low - margin..high + margin
        }
    };
    match log {
        true => Axis::log(range, 7),
        false => Axis::linear(range, 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stroke_is_drawn_and_long_legends_take_more_lines() {
        let strokes = [Stroke::Solid, Stroke::Dashed, Stroke::Dotted, Stroke::Dots];
        let names = strokes.map(|stroke| {
            let name = "a name of the length that names have".to_owned();
            (name, Look::new(INK, stroke))
        });
        assert_eq!(legend_lines(&names).len(), 2);
        let curve = |legend| Curve {
            legend,
            points: vec![(0.1, 1.0), (1.0, 0.0), (2.0, f64::NAN), (3.0, 5.0)],
        };
        let plot = CurvePlot {
            title: "curves".into(),
            legend: names.into(),
            panels: vec![
                CurvePanel {
                    x_name: "x".into(),
                    y_name: "y".into(),
                    log: (false, true),
                    curves: (0..4).map(curve).collect(),
                },
                CurvePanel {
                    x_name: "x".into(),
                    y_name: "y".into(),
                    log: (true, false),
                    curves: vec![],
                },
            ],
        };
        let picture = curve_plot(&plot).unwrap();
        assert_eq!(picture.pixels().dimensions(), (960, 44 + 2 * 26 + 6 + 340));
    }
}
