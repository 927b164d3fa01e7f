//! Points of the plane over the density they should have, panel by panel, and shares of its modes.

use anyhow::Result;
use ndarray::{Array2, array};
use plotters::chart::{ChartBuilder, ChartContext, SeriesLabelPosition};
use plotters::element::{Circle, Rectangle};
use plotters::prelude::{BitMapBackend, Cartesian2d, WHITE};
use plotters::style::{Color, RGBColor, TRANSPARENT};
use sde_core::worlds::GaussianMixture;

use super::Picture;
use super::axis::{Axis, label};
use super::picture::{Area, BLUE, FAINT, INK, ORANGE, px, text, titled, washed};

/// One panel.
#[derive(Clone, Debug)]
pub enum Panel {
    /// Points of the plane.
    Cloud(Cloud),
    /// Bars.
    Shares(Shares),
}

/// Points over a density.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// Above the panel.
    pub title: String,
    /// Half the side of the square around 0 that is shown.
    pub half: f64,
    /// The points, shape `[N, 2]`; the first 600 are drawn.
    pub points: Array2<f64>,
    /// What they should be distributed as, of two dimensions.
    pub density: GaussianMixture,
}

/// Two shares of each mode, side by side.
#[derive(Clone, Debug)]
pub struct Shares {
    /// Above the panel.
    pub title: String,
    /// The modes' weights.
    pub truth: Vec<f64>,
    /// The shares of samples.
    pub found: Vec<f64>,
    /// What the two are called.
    pub names: [&'static str; 2],
}

/// The whole picture's width.
const WIDTH: u32 = 960;
/// The narrowest panel with ticks; narrower ones have room for their points only.
const TICKS_FROM: u32 = 240;
/// The most points of a panel.
const DRAWN: usize = 600;
/// What a caption takes of a panel's height.
const CAPTION: u32 = 28;
/// What the ticks of a panel take beside and below it.
const TICKS: (u32, u32) = (40, 28);

/// Draws the panels in rows of `columns`, each of whose clouds is a square.
pub fn mosaic(title: &str, columns: usize, panels: &[Panel]) -> Result<Picture> {
    let columns = columns.max(1);
    let width = WIDTH / columns as u32;
    let ticks = width >= TICKS_FROM;
    let height = match ticks {
        true => width + CAPTION + TICKS.1 - TICKS.0,
        false => width + CAPTION,
    };
    let rows = panels.len().div_ceil(columns) as u32;
    Picture::drawn(WIDTH, 44 + rows * height, |area| {
        let mut rest = titled(area, title)?;
        for row in panels.chunks(columns) {
            let (mut this, below) = rest.split_vertically(px(height));
            for panel in row {
                let (area, right) = this.split_horizontally(px(width));
                match panel {
                    Panel::Cloud(shown) => cloud(&area, shown, ticks)?,
                    Panel::Shares(shown) => shares(&area, shown)?,
                }
                this = right;
            }
            rest = below;
        }
        Ok(())
    })
}

type Plane<'a, 'b> = ChartContext<'a, BitMapBackend<'b>, Cartesian2d<Axis, Axis>>;

fn cloud(area: &Area<'_>, shown: &Cloud, ticks: bool) -> Result<()> {
    let half = shown.half;
    let axis = || match ticks {
        true => Axis::linear(-half..half, 5),
        false => Axis::with_ticks(-half..half, Vec::new()),
    };
    let room = |pixels: u32| if ticks { px(pixels) } else { 0 };
    let mut chart = ChartBuilder::on(area)
        .caption(&shown.title, text(16))
        .margin(px(6))
        .x_label_area_size(room(TICKS.1))
        .y_label_area_size(room(TICKS.0))
        .build_cartesian_2d(axis(), axis())?;
    shade(&mut chart, half, &shown.density)?;
    chart
        .configure_mesh()
        .x_label_formatter(&|value| label(*value))
        .y_label_formatter(&|value| label(*value))
        .label_style(text(14))
        .axis_style(INK)
        .disable_mesh()
        .draw()?;
    let pairs = shown.points.outer_iter().map(|point| (point[0], point[1]));
    let within = pairs
        .take(DRAWN)
        .filter(|(x, y)| x.abs() < half && y.abs() < half);
    let dot = washed(ORANGE, 0.7).filled();
    chart.draw_series(within.map(|pair| Circle::new(pair, px(1), dot)))?;
    let frame = INK.stroke_width(px(1) as u32);
    chart.draw_series([Rectangle::new([(-half, -half), (half, half)], frame)])?;
    Ok(())
}

/// Cells of the density's shading along each side.
const CELLS: usize = 120;
/// Steps of its colours.
const LEVELS: f64 = 12.0;

fn shade(chart: &mut Plane<'_, '_>, half: f64, density: &GaussianMixture) -> Result<()> {
    let step = 2.0 * half / CELLS as f64;
    let at = |cell: usize| -half + (cell as f64 + 0.5) * step;
    let density = Array2::from_shape_fn((CELLS, CELLS), |(i, j)| {
        density.log_pdf(array![at(i), at(j)].view()).exp()
    });
    let most = density.iter().fold(0.0f64, |most, &value| most.max(value));
    let cells = density.indexed_iter().map(|((i, j), &value)| {
        // A little too large, for the next cell to paint over: no gaps are left by rounding.
        let corner = |by: f64| (at(i) + by * step, at(j) + by * step);
        let end = |end: f64| end.min(half);
        let (right, top) = corner(0.9);
        // The square root shows the tails, too. Levels are steps, which a PNG stores in little room.
        let level = (value / most.max(f64::MIN_POSITIVE)).sqrt();
        let color = ramp((LEVELS * level).round() / LEVELS);
        Rectangle::new([corner(-0.5), (end(right), end(top))], color.filled())
    });
    chart.draw_series(cells)?;
    Ok(())
}

/// From white to a light blue, on which dark and orange marks stay legible.
pub(super) fn ramp(level: f64) -> RGBColor {
    let mixed = |full: f64| (255.0 + level.clamp(0.0, 1.0) * (full - 255.0)).round() as u8;
    RGBColor(mixed(112.0), mixed(158.0), mixed(214.0))
}

fn shares(area: &Area<'_>, shown: &Shares) -> Result<()> {
    let modes = shown.truth.len();
    let most = shown.truth.iter().chain(&shown.found);
    let most = 1.25 * most.fold(0.0f64, |most, &value| most.max(value)).max(0.01);
    let x = Axis::with_ticks(
        0.4..modes as f64 + 0.6,
        (1..=modes).map(|k| k as f64).collect(),
    );
    let mut chart = ChartBuilder::on(area)
        .caption(&shown.title, text(16))
        .margin(px(6))
        .x_label_area_size(px(TICKS.1))
        .y_label_area_size(px(TICKS.0))
        .build_cartesian_2d(x, Axis::linear(0.0..most, 5))?;
    chart
        .configure_mesh()
        .x_label_formatter(&|value| label(*value))
        .y_label_formatter(&|value| label(*value))
        .label_style(text(14))
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .disable_x_mesh()
        .draw()?;
    let series = [(&shown.truth, BLUE, -0.38), (&shown.found, ORANGE, 0.02)];
    for ((values, color, left), name) in series.into_iter().zip(shown.names) {
        let bar = |(k, &value): (usize, &f64)| {
            let from = (k + 1) as f64 + left;
            Rectangle::new([(from, 0.0), (from + 0.36, value)], color.filled())
        };
        chart
            .draw_series(values.iter().enumerate().map(bar))?
            .label(name)
            .legend(move |(x, y)| {
                let corners = [(x, y - px(5)), (x + px(14), y + px(5))];
                Rectangle::new(corners, color.filled())
            });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .margin(px(8))
        .legend_area_size(px(20))
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT)
        .label_font(text(14))
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_fill_rows_whatever_their_points_are() {
        let cloud = Panel::Cloud(Cloud {
            title: "nothing".into(),
            half: 3.0,
            points: array![[f64::NAN, 0.0], [1e9, 0.0], [1.0, 1.0]],
            density: GaussianMixture::eight_gaussians(),
        });
        let shares = Panel::Shares(Shares {
            title: "shares".into(),
            truth: vec![0.5, 0.5],
            found: vec![1.0, 0.0],
            names: ["true", "found"],
        });
        let picture = mosaic("two rows", 2, &[cloud.clone(), cloud, shares]).unwrap();
        assert_eq!(picture.pixels().dimensions(), (960, 44 + 2 * (480 + 16)));
        let orange = |pixel: &image::Rgb<u8>| pixel.0 == [217, 108, 32];
        assert!(picture.pixels().pixels().any(orange));
    }
}
