//! A picture, and what was made of it.

use anyhow::{Result, bail};
use ndarray::{Array3, Array4, ArrayView3, Axis};
use plotters::element::Text;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Picture;
use super::image_grid::paint;
use super::picture::{px, text, titled};

/// One image under its caption.
#[derive(Clone, Debug)]
pub struct Cell {
    /// `[C, H, W]` in [−1, 1].
    pub image: Array3<f32>,
    /// Above it, of one line.
    pub caption: String,
}

/// What is shown, from left to right.
#[derive(Clone, Debug)]
pub struct Edited<'a> {
    /// Above everything.
    pub title: &'a str,
    /// What was there.
    pub before: Vec<Cell>,
    /// Above what was made.
    pub caption: &'a str,
    /// What was made, `[N, C, H, W]`.
    pub made: &'a Array4<f32>,
    /// How many of them stand in a row.
    pub columns: usize,
    /// What was there as well, on the other side.
    pub beyond: Vec<Cell>,
}

/// An image is enlarged, by a whole factor, to about this many pixels.
const SIDE: u32 = 112;
/// Between two images.
const GAP: u32 = 6;
/// Between what was there and what was made.
const ASIDE: u32 = 30;
/// Around everything.
const MARGIN: u32 = 20;
/// Of the title and of the captions below it.
const HEAD: u32 = 44 + 24;
/// At most, of a letter of a title and of a caption in the mean.
const LETTERS: [u32; 2] = [10, 8];

/// Draws before and after side by side; all images have one size.
pub fn before_after(edited: &Edited<'_>) -> Result<Picture> {
    let (count, channels, height, width) = edited.made.dim();
    let shown = |cell: &Cell| matches!(cell.image.dim().0, 1 | 3);
    let cells = || edited.before.iter().chain(&edited.beyond);
    if count == 0 || !matches!(channels, 1 | 3) || !cells().all(shown) {
        bail!("images of {channels} channels cannot be shown: 1 (grey) and 3 (colour) can");
    }
    let scale = (SIDE / height.max(width).max(1) as u32).max(1);
    let (wide, high) = (width as u32 * scale, height as u32 * scale);
    // A caption may be wider than its image.
    let longest = cells().map(|cell| cell.caption.chars().count() as u32);
    let pitch = wide.max(longest.max().unwrap_or(0) * LETTERS[1]) + GAP;
    let columns = edited.columns.clamp(1, count);
    let rows = count.div_ceil(columns) as u32;

    let inset = (pitch - GAP - wide) / 2;
    let made_left = match edited.before.len() as u32 {
        0 => MARGIN,
        before => MARGIN + before * pitch - GAP + ASIDE,
    };
    let made_right = made_left + columns as u32 * (wide + GAP) - GAP;
    let right = match edited.beyond.len() as u32 {
        0 => made_right,
        beyond => made_right + ASIDE + beyond * pitch - GAP,
    };
    let before = edited.before.iter().enumerate();
    let before = before.map(|(i, cell)| (cell, MARGIN + i as u32 * pitch + inset));
    let beyond = edited.beyond.iter().enumerate();
    let beyond = beyond.map(|(i, cell)| (cell, made_right + ASIDE + i as u32 * pitch + inset));
    let beside: Vec<(&Cell, u32)> = before.chain(beyond).collect();

    let wide_enough = edited.title.chars().count() as u32 * LETTERS[0] + 2 * MARGIN;
    let whole = (right + MARGIN).max(wide_enough);
    let bottom = HEAD + rows * (high + GAP) - GAP + MARGIN;
    let drawn = Picture::drawn(whole, bottom, |area| {
        titled(area, edited.title)?;
        let style = text(14).pos(Pos::new(HPos::Center, VPos::Top));
        let write = |what: &str, centre: u32| {
            let place = (px(centre), px(HEAD - 22));
            area.draw(&Text::new(what.to_owned(), place, style.clone()))
        };
        for (cell, left) in &beside {
            write(&cell.caption, left + wide / 2)?;
        }
        write(edited.caption, (made_left + made_right) / 2)?;
        Ok(())
    })?;
    let mut pixels = drawn.into_pixels();
    let mut put = |image: ArrayView3<'_, f32>, left, top| {
        paint(&mut pixels, (left, top), image, scale);
    };
    for (cell, left) in beside {
        put(cell.image.view(), left, HEAD);
    }
    for (index, image) in edited.made.axis_iter(Axis(0)).enumerate() {
        let (row, column) = ((index / columns) as u32, (index % columns) as u32);
        put(
            image,
            made_left + column * (wide + GAP),
            HEAD + row * (high + GAP),
        );
    }
    Ok(Picture::from_pixels(pixels))
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn cell(value: f32) -> Cell {
        Cell {
            image: Array3::from_elem((3, 28, 28), value),
            caption: "known".to_owned(),
        }
    }

    #[test]
    fn what_was_there_stands_left_and_what_was_made_right_in_rows() {
        let mut made = Array4::from_elem((5, 1, 28, 28), 0.0);
        made.index_axis_mut(Axis(0), 4).fill(1.0);
        let picture = before_after(&Edited {
            title: "inpaint",
            before: vec![cell(-1.0), cell(-1.0)],
            caption: "made of it",
            made: &made,
            columns: 4,
            beyond: vec![cell(-1.0)],
        })
        .unwrap();
        let pixels = picture.pixels();
        let made_left = 20 + 2 * 118 - 6 + 30;
        let made_right = made_left + 4 * 118 - 6;
        let size = (made_right + 30 + 112 + 20, 68 + 2 * 118 - 6 + 20);
        assert_eq!(pixels.dimensions(), size);
        let (black, grey, white) = (Rgb([0; 3]), Rgb([128; 3]), Rgb([255; 3]));
        for left in [20, 138, made_right + 30] {
            assert_eq!(pixels.get_pixel(left, 68), &black, "{left}");
            assert_eq!(pixels.get_pixel(left + 111, 68 + 111), &black, "{left}");
            assert_eq!(pixels.get_pixel(left, 68 + 118), &white, "{left}");
        }
        for column in 0..4 {
            let left = made_left + column * 118;
            assert_eq!(pixels.get_pixel(left, 68), &grey, "{column}");
        }
        // The fifth begins the second row.
        assert_eq!(pixels.get_pixel(made_left, 68 + 118), &white);
        assert_eq!(pixels.get_pixel(made_left + 5, 68 + 111), &grey);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        for shape in [(1, 2, 8, 8), (0, 1, 8, 8)] {
            let made = Array4::zeros(shape);
            let edited = Edited {
                title: "",
                before: Vec::new(),
                caption: "",
                made: &made,
                columns: 1,
                beyond: Vec::new(),
            };
            assert!(before_after(&edited).is_err());
        }
    }
}
