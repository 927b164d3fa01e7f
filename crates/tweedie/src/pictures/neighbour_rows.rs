//! Samples with the images nearest to them, a row a sample.

use anyhow::{Result, bail};
use image::{Rgb, RgbImage};
use ndarray::{Array4, Axis};
use plotters::element::Text;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Picture;
use super::image_grid::{enlargement, paint};
use super::picture::{INK, ORANGE, px, text, titled};

/// One row.
#[derive(Clone, Debug)]
pub struct NeighbourRow {
    /// The sample, `[C, H, W]`, and then its neighbours, the nearest first: `[1 + k, C, H, W]`.
    pub images: Array4<f32>,
    /// Below the sample.
    pub label: String,
    /// Below its neighbours: how far they are.
    pub distances: Vec<f64>,
    /// Whether the sample is taken for a copy: its label is then orange.
    pub marked: bool,
}

/// Between two images.
const GAP: u32 = 8;
/// Between a sample and its neighbours.
const ASIDE: u32 = 36;
/// Below an image, for its label.
const LABEL: u32 = 22;
/// Around everything.
const MARGIN: u32 = 24;
/// At most, of a letter of the title in the mean.
const LETTER: u32 = 9;
/// Of the title and the heads of the columns.
const HEAD: u32 = 44 + 22;

/// Draws the rows, which have one number of neighbours and one shape of images.
pub fn neighbour_rows(title: &str, rows: &[NeighbourRow]) -> Result<Picture> {
    let Some(first) = rows.first() else {
        bail!("there is no sample to show with its neighbours");
    };
    let (count, channels, height, width) = first.images.dim();
    if !matches!(channels, 1 | 3) || count < 2 {
        bail!("images of {channels} channels cannot be shown: 1 (grey) and 3 (colour) can");
    }
    let scale = enlargement(height.max(width) as u32);
    let (wide, high) = (width as u32 * scale, height as u32 * scale);
    let left = |column: usize| match column {
        0 => MARGIN,
        _ => MARGIN + ASIDE + column as u32 * (wide + GAP) - GAP,
    };
    let top = |row: usize| HEAD + row as u32 * (high + LABEL + GAP);
    let whole = (left(count - 1) + wide + MARGIN, top(rows.len()) + MARGIN);
    let centred = Pos::new(HPos::Center, VPos::Top);
    let wide_enough = title.chars().count() as u32 * LETTER + 2 * MARGIN;
    let drawn = Picture::drawn(whole.0.max(wide_enough), whole.1, |area| {
        titled(area, title)?;
        let style = |color| text(14).color(color).pos(centred);
        let centre = |column| px(left(column) + wide / 2);
        let write = |what: &str, column, top, color| {
            area.draw(&Text::new(
                what.to_owned(),
                (centre(column), px(top)),
                style(color),
            ))
        };
        write("sample", 0, HEAD - 22, &INK)?;
        write("nearest", 1, HEAD - 22, &INK)?;
        for (index, row) in rows.iter().enumerate() {
            let top = top(index) + high + 4;
            write(&row.label, 0, top, if row.marked { &ORANGE } else { &INK })?;
            for (column, distance) in (1..).zip(&row.distances) {
                write(&format!("{distance:.2}"), column, top, &INK)?;
            }
        }
        Ok(())
    })?;
    let mut pixels: RgbImage = drawn.into_pixels();
    let frame = Rgb([ORANGE.0, ORANGE.1, ORANGE.2]);
    for (index, row) in rows.iter().enumerate() {
        for (column, image) in row.images.axis_iter(Axis(0)).enumerate() {
            let corner = (left(column), top(index));
            if row.marked && column < 2 {
                for x in corner.0 - 2..corner.0 + wide + 2 {
                    for y in corner.1 - 2..corner.1 + high + 2 {
                        pixels.put_pixel(x, y, frame);
                    }
                }
            }
            paint(&mut pixels, corner, image, scale);
        }
    }
    Ok(Picture::from_pixels(pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(marked: bool) -> NeighbourRow {
        NeighbourRow {
            images: Array4::from_elem((4, 1, 28, 28), -1.0),
            label: "12: 0.31".into(),
            distances: vec![1.0, 3.25, 4.0],
            marked,
        }
    }

    #[test]
    fn every_image_stands_in_its_row_and_a_copy_is_framed() {
        let picture = neighbour_rows("two", &[row(false), row(true)]).unwrap();
        let pixels = picture.pixels();
        assert_eq!(pixels.dimensions(), (436, 66 + 2 * (84 + 22 + 8) + 24));
        let black = Rgb([0; 3]);
        assert_eq!(pixels.get_pixel(24, 66), &black);
        assert_eq!(pixels.get_pixel(24 + 36 + 84, 66), &black);
        let orange = Rgb([217, 108, 32]);
        assert_ne!(pixels.get_pixel(23, 66), &orange);
        assert_eq!(pixels.get_pixel(23, 66 + 114), &orange);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        assert!(neighbour_rows("none", &[]).is_err());
        let mut two_channels = row(false);
        two_channels.images = Array4::zeros((2, 2, 1, 1));
        assert!(neighbour_rows("points", &[two_channels]).is_err());
    }
}
