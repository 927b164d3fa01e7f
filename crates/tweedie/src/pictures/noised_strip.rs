//! Data at several times of a process, side by side.

use anyhow::{Result, bail};
use ndarray::{Array2, Array3};
use plotters::element::{Circle, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, TextStyle};

use super::Picture;
use super::image_grid::paint;
use super::picture::{Area, BLUE, FAINT, px, text, titled, washed};

/// The data at one time.
#[derive(Clone, Debug)]
pub enum Tile {
    /// Images of one shape, `[C, H, W]`, scaled to be shown from −1 to 1, one below the other.
    Images(Vec<Array3<f32>>),
    /// Points of the plane, `[N, 2]`, scaled to be shown from −3 to 3.
    Points(Array2<f32>),
}

/// The lines below a tile and the title above all of them.
const CAPTION: u32 = 52;
const TITLE: u32 = 46;
const GAP: u32 = 10;
/// What the text below a tile needs.
const NARROWEST: u32 = 100;

/// The tiles from left to right, each with its two lines of text below it.
pub fn noised_strip(title: &str, tiles: &[(Tile, [String; 2])]) -> Result<Picture> {
    if tiles.is_empty() {
        bail!("a strip of no pictures cannot be drawn");
    }
    let (side, rows) = match &tiles[0].0 {
        Tile::Images(images) => {
            let size = images.iter().map(|image| {
                let (_, height, width) = image.dim();
                height.max(width) as u32
            });
            let size = size.max().unwrap_or(1);
            // Wide enough for the text below it.
            (
                size * NARROWEST.div_ceil(size.max(1)),
                images.len().max(1) as u32,
            )
        }
        Tile::Points(_) => (124, 1),
    };
    let width = tiles.len() as u32 * (side + GAP) + GAP;
    let column = rows * (side + GAP) - GAP;
    let height = TITLE + column + CAPTION;
    let left = |index: usize| GAP + index as u32 * (side + GAP);
    let labelled = Picture::drawn(width, height, |area| {
        titled(area, title)?;
        for (index, (tile, captions)) in tiles.iter().enumerate() {
            if let Tile::Points(points) = tile {
                scatter(area, (left(index), TITLE), side, points)?;
            }
            for (line, caption) in captions.iter().enumerate() {
                let x = px(left(index) + side / 2);
                let y = px(TITLE + column + 8 + 19 * line as u32);
                area.draw(&Text::new(caption.as_str(), (x, y), centred(text(14))))?;
            }
        }
        Ok(())
    })?;
    Ok(with_images(labelled, tiles, side, &left))
}

fn centred(style: TextStyle<'static>) -> TextStyle<'static> {
    style.pos(Pos::new(HPos::Center, VPos::Top))
}

fn scatter(area: &Area<'_>, corner: (u32, u32), side: u32, points: &Array2<f32>) -> Result<()> {
    let (x0, y0) = (px(corner.0), px(corner.1));
    let side = px(side);
    let frame = Rectangle::new([(x0, y0), (x0 + side, y0 + side)], FAINT);
    area.draw(&frame)?;
    for point in points.rows() {
        let place = |value: f32| ((value + 3.0) / 6.0 * side as f32) as i32;
        let (x, y) = (place(point[0]), place(-point[1]));
        if (1..side).contains(&x) && (1..side).contains(&y) {
            area.draw(&Circle::new(
                (x0 + x, y0 + y),
                px(1),
                washed(BLUE, 0.6).filled(),
            ))?;
        }
    }
    Ok(())
}

fn with_images(
    labelled: Picture,
    tiles: &[(Tile, [String; 2])],
    side: u32,
    left: &dyn Fn(usize) -> u32,
) -> Picture {
    let mut pixels = labelled.into_pixels();
    for (index, (tile, _)) in tiles.iter().enumerate() {
        let Tile::Images(images) = tile else { continue };
        for (row, image) in images.iter().enumerate() {
            let (_, height, width) = image.dim();
            let scale = (side / height.max(width) as u32).max(1);
            let corner = (left(index), TITLE + row as u32 * (side + GAP));
            paint(&mut pixels, corner, image.view(), scale);
        }
    }
    Picture::from_pixels(pixels)
}
