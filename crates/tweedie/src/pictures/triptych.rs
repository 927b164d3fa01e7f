//! What a model of points in the plane has learned: the data, its samples, and its score.

use anyhow::Result;
use ndarray::{Array2, ArrayView2};
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::prelude::{BitMapBackend, Cartesian2d};
use plotters::style::{Color, RGBColor, TRANSPARENT};

use super::Picture;
use super::axis::{Axis, label};
use super::picture::{Area, BLUE, FAINT, INK, ORANGE, px, text, titled, washed};

/// Three panels, side by side.
#[derive(Clone, Debug)]
pub struct Triptych<'a> {
    /// Above all three.
    pub title: String,
    /// Points of the data, `[N, 2]`.
    pub data: ArrayView2<'a, f32>,
    /// Points from the model, `[M, 2]`.
    pub samples: ArrayView2<'a, f32>,
    /// The learned score.
    pub field: VectorField,
}

/// Vectors at points of the plane, and the density beneath them.
#[derive(Clone, Debug)]
pub struct VectorField {
    /// Its panel's title.
    pub title: String,
    /// Where each vector starts.
    pub points: Vec<[f64; 2]>,
    /// The vectors.
    pub vectors: Vec<[f64; 2]>,
    /// The centres of the density, which is a mean of Gaussians.
    pub centres: Vec<[f64; 2]>,
    /// The standard deviation of those Gaussians.
    pub width: f64,
}

/// The half side of the square that all three panels show: the data's, with a margin.
pub fn half_side(data: &ArrayView2<'_, f32>) -> f64 {
    let finite = data.iter().filter(|value| value.is_finite());
    let largest = finite.fold(0.0f32, |most, value| most.max(value.abs()));
    (1.25 * f64::from(largest)).max(0.5)
}

/// A panel's width, and its height, which the caption makes shorter: what is left is a square.
const PANEL: (u32, u32) = (440, 438);

/// Draws the three panels with one scale.
pub fn triptych(triptych: &Triptych<'_>) -> Result<Picture> {
    let half = half_side(&triptych.data);
    Picture::drawn(3 * PANEL.0, PANEL.1 + 44, |area| {
        let area = titled(area, &triptych.title)?;
        let (first, rest) = area.split_horizontally(px(PANEL.0));
        let (second, third) = rest.split_horizontally(px(PANEL.0));
        scatter(&first, "data", half, &triptych.data, BLUE)?;
        scatter(&second, "samples", half, &triptych.samples, ORANGE)?;
        field(&third, half, &triptych.field)
    })
}

/// One panel of points, `[N, 2]`.
pub fn scatter_plot(title: &str, points: &ArrayView2<'_, f32>) -> Result<Picture> {
    scatter_within(title, half_side(points), points)
}

/// The same within the square of half side `half` around 0.
pub fn scatter_within(title: &str, half: f64, points: &ArrayView2<'_, f32>) -> Result<Picture> {
    Picture::drawn(PANEL.0, PANEL.1, |area| {
        scatter(area, title, half, points, ORANGE)
    })
}

type Plane<'a, 'b> = ChartContext<'a, BitMapBackend<'b>, Cartesian2d<Axis, Axis>>;

fn plane<'a, 'b>(area: &'a Area<'b>, title: &str, half: f64) -> Result<Plane<'a, 'b>> {
    let axis = || Axis::linear(-half..half, 5);
    let chart = ChartBuilder::on(area)
        .caption(title, text(19))
        .margin(px(8))
        .margin_right(px(18))
        .x_label_area_size(px(28))
        .y_label_area_size(px(40))
        .build_cartesian_2d(axis(), axis())?;
    Ok(chart)
}

fn frame(chart: &mut Plane<'_, '_>) -> Result<()> {
    chart
        .configure_mesh()
        .x_label_formatter(&|value| label(*value))
        .y_label_formatter(&|value| label(*value))
        .label_style(text(14))
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .draw()?;
    Ok(())
}

fn scatter(
    area: &Area<'_>,
    title: &str,
    half: f64,
    points: &ArrayView2<'_, f32>,
    color: RGBColor,
) -> Result<()> {
    let mut chart = plane(area, title, half)?;
    frame(&mut chart)?;
    let pairs = points.rows().into_iter();
    let pairs = pairs.map(|point| (f64::from(point[0]), f64::from(point[1])));
    let shown = pairs.filter(|(x, y)| x.abs() < half && y.abs() < half);
    let dot = washed(color, 0.55).filled();
    chart.draw_series(shown.map(|pair| Circle::new(pair, px(2), dot)))?;
    Ok(())
}

fn field(area: &Area<'_>, half: f64, field: &VectorField) -> Result<()> {
    let mut chart = plane(area, &field.title, half)?;
    shade(&mut chart, half, field)?;
    frame(&mut chart)?;
    // Lengths saturate, or the far field, where scores are long, would hide everything else.
    let mut lengths: Vec<f64> = field.vectors.iter().map(|[x, y]| x.hypot(*y)).collect();
    lengths.sort_unstable_by(f64::total_cmp);
    let median = lengths
        .get(lengths.len() / 2)
        .copied()
        .unwrap_or(1.0)
        .max(1e-12);
    let spacing = 2.0 * half / (field.points.len() as f64).sqrt();
    for (&[x, y], &[u, v]) in field.points.iter().zip(&field.vectors) {
        let length = u.hypot(v);
        if !(length > 0.0 && length.is_finite()) {
            continue;
        }
        let drawn = 1.05 * spacing * length / (length + median);
        let (dx, dy) = (u / length * drawn, v / length * drawn);
        let tip = (x + 0.5 * dx, y + 0.5 * dy);
        let barb = |turn: f64| {
            let (sin, cos) = turn.sin_cos();
            let size = (0.35 * drawn).min(0.22 * spacing) / drawn;
            (
                tip.0 + size * (cos * dx - sin * dy),
                tip.1 + size * (sin * dx + cos * dy),
            )
        };
        let stroke = washed(INK, 0.85).stroke_width(px(1) as u32);
        let shaft = vec![(x - 0.5 * dx, y - 0.5 * dy), tip];
        let head = vec![barb(2.62), tip, barb(-2.62)];
        chart.draw_series([
            PathElement::new(shaft, stroke),
            PathElement::new(head, stroke),
        ])?;
    }
    Ok(())
}

/// Cells of the density's shading along each side.
const CELLS: usize = 110;

fn shade(chart: &mut Plane<'_, '_>, half: f64, field: &VectorField) -> Result<()> {
    let step = 2.0 * half / CELLS as f64;
    let at = |cell: usize| -half + (cell as f64 + 0.5) * step;
    // One factor for each coordinate: a Gaussian of the plane is their product.
    let factors = |coordinate: usize| -> Array2<f64> {
        Array2::from_shape_fn((CELLS, field.centres.len()), |(cell, centre)| {
            let z = (at(cell) - field.centres[centre][coordinate]) / field.width;
            (-0.5 * z * z).exp()
        })
    };
    let density = factors(0).dot(&factors(1).t());
    let most = density.iter().fold(0.0f64, |most, &value| most.max(value));
    if most <= 0.0 {
        return Ok(());
    }
    let cells = density.indexed_iter().map(|((i, j), &value)| {
        let corner = |sign: f64| (at(i) + sign * 0.5 * step, at(j) + sign * 0.5 * step);
        // The square root shows the tails, too.
        let color = ramp((value / most).sqrt());
        Rectangle::new([corner(-1.0), corner(1.0)], color.filled())
    });
    chart.draw_series(cells)?;
    Ok(())
}

/// From white to a light violet, on which dark arrows stay legible.
fn ramp(level: f64) -> RGBColor {
    let mixed = |full: f64| (255.0 + level.clamp(0.0, 1.0) * (full - 255.0)).round() as u8;
    RGBColor(mixed(150.0), mixed(130.0), mixed(214.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use data::Toy;

    #[test]
    fn all_panels_are_drawn_even_if_samples_and_scores_are_not_finite() {
        let data = Toy::TwoMoons.sample(50, 0).points;
        let samples = Array2::from_elem((4, 2), f32::NAN);
        let picture = triptych(&Triptych {
            title: "nothing learned".into(),
            data: data.view(),
            samples: samples.view(),
            field: VectorField {
                title: "score".into(),
                points: vec![[0.0, 0.0], [1.0, 1.0]],
                vectors: vec![[f64::NAN, 1.0], [0.0, 0.0]],
                centres: vec![[f64::NAN, 0.0]],
                width: 0.3,
            },
        })
        .unwrap();
        assert_eq!(picture.pixels().dimensions(), (1320, 482));
    }
}
