//! A process of the line and its reversal: densities over time, paths, and the densities at the ends.

use std::ops::Range;

use anyhow::Result;
use ndarray::Array2;
use plotters::chart::ChartBuilder;
use plotters::element::{Polygon, Rectangle};
use plotters::prelude::LineSeries;
use plotters::style::Color;

use super::Picture;
use super::axis::{Axis, label};
use super::mosaic::ramp;
use super::picture::{Area, BLUE, INK, ORANGE, px, text, titled, washed};

/// Both directions.
#[derive(Clone, Debug)]
pub struct ProcessPlot {
    /// Above everything.
    pub title: String,
    /// What the vertical axis shows.
    pub x_name: &'static str,
    /// It shows ± this.
    pub half: f64,
    /// From the first time to the last.
    pub time: (f64, f64),
    /// Whether the time's axis is logarithmic.
    pub log_time: bool,
    /// The density at equal cells of the time's axis and of x, shape `[times, xs]`.
    pub density: Array2<f64>,
    /// (x, density) at the first time and at the last.
    pub ends: [Vec<(f64, f64)>; 2],
    /// The process and its reversal.
    pub panels: [ProcessPanel; 2],
}

/// One direction.
#[derive(Clone, Debug)]
pub struct ProcessPanel {
    /// Above the panel.
    pub title: String,
    /// Whether time runs from right to left.
    pub backwards: bool,
    /// (t, x) of random paths.
    pub paths: Vec<Vec<(f64, f64)>>,
    /// (t, x) of smooth curves.
    pub curves: Vec<Vec<(f64, f64)>>,
}

/// Widths of the first profile, which has the ticks, of the other two, and of a panel.
const WIDTHS: (u32, u32, u32) = (136, 74, 338);
const HEIGHT: u32 = 400;
/// What stands below every chart.
const TICKS: u32 = 50;

/// Data, process, noise, reversal, data.
pub fn process_plot(plot: &ProcessPlot) -> Result<Picture> {
    let (first, other, panel) = WIDTHS;
    Picture::drawn(first + 2 * other + 2 * panel, 44 + HEIGHT, |area| {
        let rest = titled(area, &plot.title)?;
        let [data, noise] = &plot.ends;
        let (area, rest) = rest.split_horizontally(px(first));
        profile(&area, "data", plot, data, true)?;
        let (area, rest) = rest.split_horizontally(px(panel));
        direction(&area, plot, &plot.panels[0])?;
        let (area, rest) = rest.split_horizontally(px(other));
        profile(&area, "noise", plot, noise, false)?;
        let (area, rest) = rest.split_horizontally(px(panel));
        direction(&area, plot, &plot.panels[1])?;
        profile(&rest, "data", plot, data, false)
    })
}

fn chart_on<'a, 'b>(
    area: &'a Area<'b>,
    title: &str,
) -> ChartBuilder<'a, 'b, plotters::prelude::BitMapBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .caption(title, text(16))
        .margin_bottom(px(6))
        .x_label_area_size(px(TICKS));
    builder
}

fn profile(
    area: &Area<'_>,
    title: &str,
    plot: &ProcessPlot,
    density: &[(f64, f64)],
    ticks: bool,
) -> Result<()> {
    let most = density
        .iter()
        .fold(0.0f64, |most, &(_, value)| most.max(value));
    let mut builder = chart_on(area, title);
    builder.margin_left(px(6)).margin_right(px(6));
    if ticks {
        builder.y_label_area_size(px(62));
    }
    let x = Axis::with_ticks(0.0..1.05 * most.max(f64::MIN_POSITIVE), Vec::new());
    let mut chart = builder.build_cartesian_2d(x, vertical(plot.half))?;
    if ticks {
        chart
            .configure_mesh()
            .disable_mesh()
            .y_desc(plot.x_name)
            .y_label_formatter(&|value| label(*value))
            .label_style(text(14))
            .axis_desc_style(text(16))
            .axis_style(INK)
            .draw()?;
    }
    let mut outline: Vec<(f64, f64)> = density.iter().map(|&(x, value)| (value, x)).collect();
    let curve = outline.clone();
    outline.push((0.0, plot.half));
    outline.push((0.0, -plot.half));
    chart.draw_series([Polygon::new(outline, washed(BLUE, 0.35).filled())])?;
    chart.draw_series(LineSeries::new(curve, BLUE.stroke_width(px(1) as u32)))?;
    Ok(())
}

fn direction(area: &Area<'_>, plot: &ProcessPlot, panel: &ProcessPanel) -> Result<()> {
    let sign = if panel.backwards { -1.0 } else { 1.0 };
    let time = |t: f64| sign * if plot.log_time { t.log10() } else { t };
    let (start, end) = (time(plot.time.0), time(plot.time.1));
    let range = start.min(end)..start.max(end);
    let mut chart = chart_on(area, &panel.title)
        .build_cartesian_2d(horizontal(range, plot.log_time), vertical(plot.half))?;
    shade(
        &mut |cell| chart.draw_series([cell]).map(|_| ()).map_err(Into::into),
        plot,
        (start, end),
    )?;
    let written = |value: &f64| {
        let value = sign * value;
        label(if plot.log_time {
            10f64.powf(value)
        } else {
            value
        })
    };
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc(if plot.log_time { "t (log scale)" } else { "t" })
        .x_label_formatter(&written)
        .label_style(text(14))
        .axis_desc_style(text(16))
        .axis_style(INK)
        .draw()?;
    let shown = |line: &[(f64, f64)]| -> Vec<(f64, f64)> {
        let inside = |x: f64| x.clamp(-plot.half, plot.half);
        line.iter().map(|&(t, x)| (time(t), inside(x))).collect()
    };
    for path in &panel.paths {
        let stroke = washed(ORANGE, 0.9).stroke_width(px(1) as u32);
        chart.draw_series(LineSeries::new(shown(path), stroke))?;
    }
    for curve in &panel.curves {
        chart.draw_series(LineSeries::new(
            shown(curve),
            INK.stroke_width(px(2) as u32),
        ))?;
    }
    Ok(())
}

fn vertical(half: f64) -> Axis {
    Axis::linear(-half..half, 6)
}

fn horizontal(range: Range<f64>, log: bool) -> Axis {
    match log {
        true => Axis::log(range, 6),
        false => Axis::linear(range, 5),
    }
}

type Cell = Rectangle<(f64, f64)>;

fn shade(
    draw: &mut dyn FnMut(Cell) -> Result<()>,
    plot: &ProcessPlot,
    (start, end): (f64, f64),
) -> Result<()> {
    let (columns, rows) = plot.density.dim();
    // p at the data has peaks many times as high as the rest.
    let most = plot.density.iter().fold(0.0f64, |most, &v| most.max(v));
    let t = |column: usize| start + (end - start) * column as f64 / columns as f64;
    let x = |row: usize| (2.0 * row as f64 / rows as f64 - 1.0) * plot.half;
    for ((column, row), value) in plot.density.indexed_iter() {
        let color = ramp((value / most.max(f64::MIN_POSITIVE)).sqrt());
        let corners = [(t(column), x(row)), (t(column + 1), x(row + 1))];
        draw(Rectangle::new(corners, color.filled()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_are_drawn_on_either_axis_of_time() {
        for log_time in [false, true] {
            let panel = |backwards| ProcessPanel {
                title: "a direction".into(),
                backwards,
                paths: vec![vec![(0.1, 0.0), (1.0, f64::NAN), (1.0, 99.0)]],
                curves: vec![],
            };
            let plot = ProcessPlot {
                title: "a process".into(),
                x_name: "x",
                half: 2.0,
                time: (0.1, 1.0),
                log_time,
                density: Array2::ones((4, 4)),
                ends: [vec![(0.0, 1.0)], vec![(0.0, 0.0)]],
                panels: [panel(false), panel(true)],
            };
            let picture = process_plot(&plot).unwrap();
            assert_eq!(picture.pixels().dimensions(), (960, 444));
            assert!(picture.pixels().pixels().any(|p| p.0 == [112, 158, 214]));
        }
    }
}
