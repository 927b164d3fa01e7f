//! Images in rows that have names, under columns that have names.

use anyhow::{Result, bail};
use ndarray::{Array4, Axis};
use plotters::element::Text;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Picture;
use super::image_grid::{enlargement, paint};
use super::picture::{INK, px, text, titled};

/// One row.
#[derive(Clone, Debug)]
pub struct TitledRow {
    /// To its left.
    pub name: String,
    /// `[columns, C, H, W]`.
    pub images: Array4<f32>,
}

/// Between two images.
const GAP: u32 = 6;
/// Around everything.
const MARGIN: u32 = 20;
/// Of the title, and of the names of columns below it.
const HEAD: [u32; 2] = [44, 24];
/// At most, of a letter in the mean.
const LETTER: u32 = 9;

/// Draws the rows, whose images have one shape.
pub fn titled_rows(title: &str, columns: &[String], rows: &[TitledRow]) -> Result<Picture> {
    let Some(first) = rows.first() else {
        bail!("there is no row to show");
    };
    let (_, channels, height, width) = first.images.dim();
    if !matches!(channels, 1 | 3) {
        bail!("images of {channels} channels cannot be shown: 1 (grey) and 3 (colour) can");
    }
    let scale = enlargement(height.max(width) as u32);
    let (wide, high) = (width as u32 * scale, height as u32 * scale);
    let longest = rows.iter().map(|row| row.name.chars().count()).max();
    let names = LETTER * longest.unwrap_or(0) as u32 + 2 * GAP;
    let left = |column: usize| MARGIN + names + column as u32 * (wide + GAP);
    let top = |row: usize| HEAD[0] + HEAD[1] + row as u32 * (high + GAP);
    let widest = rows
        .iter()
        .map(|row| row.images.len_of(Axis(0)))
        .max()
        .unwrap_or(0);
    let wide_enough = title.chars().count() as u32 * LETTER + 2 * MARGIN;
    let whole = (
        (left(widest) - GAP + MARGIN).max(wide_enough),
        top(rows.len()) - GAP + MARGIN,
    );
    let drawn = Picture::drawn(whole.0, whole.1, |area| {
        titled(area, title)?;
        let above = text(16)
            .color(&INK)
            .pos(Pos::new(HPos::Center, VPos::Bottom));
        for (column, name) in columns.iter().enumerate() {
            let place = (px(left(column) + wide / 2), px(top(0) - 4));
            area.draw(&Text::new(name.clone(), place, above.clone()))?;
        }
        let beside = text(16)
            .color(&INK)
            .pos(Pos::new(HPos::Right, VPos::Center));
        for (index, row) in rows.iter().enumerate() {
            let place = (px(MARGIN + names - 2 * GAP), px(top(index) + high / 2));
            area.draw(&Text::new(row.name.clone(), place, beside.clone()))?;
        }
        Ok(())
    })?;
    let mut pixels = drawn.into_pixels();
    for (index, row) in rows.iter().enumerate() {
        for (column, image) in row.images.axis_iter(Axis(0)).enumerate() {
            paint(&mut pixels, (left(column), top(index)), image, scale);
        }
    }
    Ok(Picture::from_pixels(pixels))
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn every_image_stands_in_its_row_and_column() {
        let row = |value| TitledRow {
            name: "w = 2".into(),
            images: Array4::from_elem((3, 1, 28, 28), value),
        };
        let columns = ["0", "1", "2"].map(String::from);
        let picture = titled_rows("a", &columns, &[row(-1.0), row(1.0)]).unwrap();
        let left = 20 + 5 * 9 + 12;
        let pixels = picture.pixels();
        assert_eq!(
            pixels.dimensions(),
            (left + 3 * 90 - 6 + 20, 68 + 2 * 90 - 6 + 20)
        );
        assert_eq!(pixels.get_pixel(left + 90, 68), &Rgb([0; 3]));
        assert_eq!(
            pixels.get_pixel(left + 2 * 90 + 83, 68 + 90 + 83),
            &Rgb([255; 3])
        );
        assert!(titled_rows("none", &columns, &[]).is_err());
    }
}
