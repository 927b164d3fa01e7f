//! The loss against the step.

use std::ops::Range;

use anyhow::Result;
use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::prelude::{LineSeries, PathElement, WHITE};
use plotters::style::{Color, TRANSPARENT};

use super::Picture;
use super::axis::{Axis, label};
use super::picture::{BLUE, FAINT, INK, ORANGE, px, text, titled, washed};

/// The raw loss and its moving average over `points`, pairs of step and loss, the loss on a
/// logarithmic axis; points that a logarithm has no place for are left out.
pub fn loss_plot(title: &str, points: &[(u64, f64)]) -> Result<Picture> {
    let raw: Vec<(f64, f64)> = points
        .iter()
        .filter(|(_, loss)| *loss > 0.0 && loss.is_finite())
        .map(|&(step, loss)| (step as f64, loss.log10()))
        .collect();
    let smooth = smoothed(&raw);
    let (x, y) = ranges(&raw);
    Picture::drawn(960, 540, |area| {
        let area = titled(area, title)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(px(14))
            .margin_right(px(34))
            .x_label_area_size(px(50))
            .y_label_area_size(px(76))
            .build_cartesian_2d(Axis::linear(x, 8), Axis::log(y, 8))?;
        chart
            .configure_mesh()
            .x_desc("step")
            .y_desc("loss (log scale)")
            .x_label_formatter(&|step| label(*step))
            .y_label_formatter(&|log| label(10f64.powf(*log)))
            .label_style(text(15))
            .axis_desc_style(text(17))
            .axis_style(INK)
            .bold_line_style(FAINT)
            .light_line_style(TRANSPARENT)
            .draw()?;
        let series = [
            (raw, washed(BLUE, 0.4), 1, "mean of each interval"),
            (smooth, ORANGE.to_rgba(), 2, "moving average"),
        ];
        for (points, color, width, name) in series {
            let stroke = color.stroke_width(px(width) as u32);
            let in_legend = color.stroke_width(px(2) as u32);
            chart
                .draw_series(LineSeries::new(points, stroke))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + px(26), y)], in_legend));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .margin(px(10))
            .legend_area_size(px(34))
            .background_style(WHITE.mix(0.85))
            .border_style(FAINT)
            .label_font(text(15))
            .draw()?;
        Ok(())
    })
}

/// The mean over a twentieth of the points around each one; over fewer at both ends, and as many on
/// either side, so that a slope stays where it is.
fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let half = (points.len() / 40).max(1);
    let average = |(index, &(step, _)): (usize, &(f64, f64))| {
        let reach = half.min(index).min(points.len() - 1 - index);
        let window = &points[index - reach..=index + reach];
        let sum: f64 = window.iter().map(|point| point.1).sum();
        (step, sum / window.len() as f64)
    };
    points.iter().enumerate().map(average).collect()
}

/// Ranges of both axes that hold every point, and are not empty where there are few.
fn ranges(points: &[(f64, f64)]) -> (Range<f64>, Range<f64>) {
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold(None, |found, value| {
            let (low, high) = found.unwrap_or((value, value));
            Some((value.min(low), value.max(high)))
        })
    };
    let (_, last) = bounds(&mut points.iter().map(|p| p.0)).unwrap_or((0.0, 1.0));
    let (low, high) = bounds(&mut points.iter().map(|p| p.1)).unwrap_or((-1.0, 0.0));
    let pad = (0.06 * (high - low)).max(0.03);
    (0.0..last.max(1.0), low - pad..high + pad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_is_its_own_average_to_both_ends() {
        let points: Vec<(f64, f64)> = (0..100)
            .map(|i| (f64::from(i), 0.7 * f64::from(i)))
            .collect();
        for (step, value) in smoothed(&points) {
            assert!((value - 0.7 * step).abs() < 1e-12);
        }
    }

    #[test]
    fn any_number_of_points_is_drawn_and_impossible_ones_are_left_out() {
        for points in [
            &[][..],
            &[(10, 0.5)],
            &[(10, 0.5), (20, f64::NAN), (30, 0.0), (40, 0.25)],
        ] {
            let picture = loss_plot("loss", points).unwrap();
            assert_eq!(picture.pixels().dimensions(), (960, 540));
        }
    }
}
