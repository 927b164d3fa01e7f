//! α, σ and the signal-to-noise ratio of a process against its time.

use std::ops::Range;

use anyhow::Result;
use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::prelude::{LineSeries, PathElement, WHITE};
use plotters::style::{Color, RGBColor, TRANSPARENT};

use super::Picture;
use super::axis::{Axis, label};
use super::picture::{Area, BLUE, FAINT, INK, ORANGE, TEAL, px, text, titled};

/// A process at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SchedulePoint {
    /// t.
    pub t: f64,
    /// α_t.
    pub alpha: f64,
    /// σ_t.
    pub sigma: f64,
    /// ln(α_t²/σ_t²).
    pub log_snr: f64,
}

/// A panel of α and σ and one of the log-SNR. `log_time` makes the time's axis logarithmic, as a
/// process whose time is a noise level wants it.
pub fn schedule_plot(title: &str, points: &[SchedulePoint], log_time: bool) -> Result<Picture> {
    let time = |t: f64| if log_time { t.log10() } else { t };
    // A σ that leaves [0, 1] far behind needs decades to be seen at both ends.
    let log_level = points.iter().any(|point| point.sigma > 2.0);
    let level = |value: f64| if log_level { value.log10() } else { value };
    let curve = |value: &dyn Fn(&SchedulePoint) -> f64| -> Vec<(f64, f64)> {
        let pairs = points.iter().map(|point| (time(point.t), value(point)));
        pairs
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect()
    };
    Picture::drawn(1060, 460, |area| {
        let area = titled(area, title)?;
        let (left, right) = area.split_horizontally(px(530));
        let levels = [
            Curve {
                name: "α",
                color: BLUE,
                points: curve(&|point| level(point.alpha)),
            },
            Curve {
                name: "σ",
                color: ORANGE,
                points: curve(&|point| level(point.sigma)),
            },
        ];
        let snr = [Curve {
            name: "",
            color: TEAL,
            points: curve(&|point| point.log_snr),
        }];
        let name = |log: bool, name: &str| {
            let scale = if log { " (log scale)" } else { "" };
            format!("{name}{scale}")
        };
        let t = name(log_time, "t");
        panel(
            &left,
            &levels,
            (&t, log_time),
            (&name(log_level, "α, σ"), log_level),
        )?;
        panel(&right, &snr, (&t, log_time), ("log-SNR, ln α²/σ²", false))
    })
}

struct Curve {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// One panel; an axis is its name and whether its values are decimal logarithms.
fn panel(area: &Area<'_>, curves: &[Curve], x: (&str, bool), y: (&str, bool)) -> Result<()> {
    let range = |coordinate: &dyn Fn(&(f64, f64)) -> f64, pad: f64| -> Range<f64> {
        let values = curves
            .iter()
            .flat_map(|curve| curve.points.iter().map(coordinate));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        if low < high {
            let pad = pad * (high - low);
            low - pad..high + pad
        } else {
            let middle = if low.is_finite() { low } else { 0.0 };
            middle - 0.5..middle + 0.5
        }
    };
    let axis = |range: Range<f64>, log: bool| match log {
        true => Axis::log(range, 7),
        false => Axis::linear(range, 6),
    };
    let written =
        |log: bool| move |value: &f64| label(if log { 10f64.powf(*value) } else { *value });
    let mut chart = ChartBuilder::on(area)
        .margin(px(14))
        .margin_right(px(28))
        .x_label_area_size(px(48))
        .y_label_area_size(px(72))
        .build_cartesian_2d(
            axis(range(&|p| p.0, 0.0), x.1),
            axis(range(&|p| p.1, 0.05), y.1),
        )?;
    chart
        .configure_mesh()
        .x_desc(x.0)
        .y_desc(y.0)
        .x_label_formatter(&written(x.1))
        .y_label_formatter(&written(y.1))
        .label_style(text(15))
        .axis_desc_style(text(17))
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for curve in curves {
        let stroke = curve.color.stroke_width(px(2) as u32);
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), stroke))?
            .label(curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + px(24), y)], stroke));
    }
    if curves.len() == 1 {
        // The axis names the only curve.
        return Ok(());
    }
    // Where no family has a curve: α falls to 0 on a linear axis and stays at 1 on a logarithmic one.
    let position = match y.1 {
        true => SeriesLabelPosition::LowerRight,
        false => SeriesLabelPosition::MiddleRight,
    };
    chart
        .configure_series_labels()
        .position(position)
        .margin(px(12))
        .legend_area_size(px(32))
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT)
        .label_font(text(16))
        .draw()?;
    Ok(())
}
