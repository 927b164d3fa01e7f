//! Parts of a picture: boxes, and masks that were painted.

use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};
use data::folder::{self, Channels};

use super::subject::other_size;
use crate::failure::Fault;

/// Rows and columns, counted from 0 at the top left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// The rows.
    pub rows: Range<usize>,
    /// The columns.
    pub columns: Range<usize>,
}

impl FromStr for Area {
    type Err = String;

    /// `7..21,7..21`
    fn from_str(text: &str) -> Result<Self, String> {
        let range = |part: &str| -> Option<Range<usize>> {
            let (start, end) = part.trim().split_once("..")?;
            Some(start.trim().parse().ok()?..end.trim().parse().ok()?)
        };
        let parts = text.split_once(',');
        let ranges = parts.and_then(|(rows, columns)| Some((range(rows)?, range(columns)?)));
        let (rows, columns) = ranges.ok_or(
            "write rows and columns as START..END,START..END, such as 7..21,7..21; they count from 0 at the \
             top left, and END is the first that is outside",
        )?;
        if rows.is_empty() || columns.is_empty() {
            return Err("there is nothing in it: each END has to be above its START".to_owned());
        }
        Ok(Self { rows, columns })
    }
}

impl Area {
    /// Whether each pixel of a picture lies in the area, row by row.
    ///
    /// # Errors
    /// It has to lie in the picture.
    pub fn pixels(&self, [_, height, width]: [usize; 3]) -> Result<Vec<bool>> {
        if self.rows.end > height || self.columns.end > width {
            return Err(Fault::usage(format!(
                "--box {}..{},{}..{}: the model's pictures have {height} rows and {width} columns",
                self.rows.start, self.rows.end, self.columns.start, self.columns.end
            ))
            .hint(format!(
                "the whole picture is 0..{height},0..{width}; rows come first"
            ))
            .into());
        }
        let inside = |row, column| self.rows.contains(&row) && self.columns.contains(&column);
        Ok((0..height)
            .flat_map(|row| (0..width).map(move |column| inside(row, column)))
            .collect())
    }
}

/// What is taken for black and for white in a mask that nobody set a threshold for: JPEG is not exact.
const BLACK: u8 = 31;
const WHITE: u8 = 224;

/// Whether each pixel is in the part that a mask or else a box names, row by row; `clap` wants one of them.
///
/// # Errors
/// As [`painted`] and [`Area::pixels`].
pub fn chosen(
    mask: Option<&Path>,
    area: Option<&Area>,
    threshold: Option<u8>,
    shape: [usize; 3],
) -> Result<Vec<bool>> {
    match (mask, area) {
        (Some(path), _) => painted(path, shape, threshold),
        (None, Some(area)) => Ok(area.pixels(shape)?),
        (None, None) => Ok(Vec::new()),
    }
}

/// Whether each pixel of a mask file is white, row by row.
///
/// # Errors
/// It has to be of the model's size, and black and white unless there is a threshold, from which on it is white.
fn painted(path: &Path, shape: [usize; 3], threshold: Option<u8>) -> Result<Vec<bool>> {
    let [_, height, width] = shape;
    let (picture, _) = folder::read(path, Channels::Grey)
        .with_context(|| Fault::failed(format!("{}: no mask to use", path.display())))?;
    if [picture.height, picture.width] != [height, width] {
        let wanted = format!("a mask for this model has {width}x{height}");
        let place = path.display().to_string();
        return Err(other_size(&place, [picture.width, picture.height], &wanted).into());
    }
    let between = |&&grey: &&u8| threshold.is_none() && grey > BLACK && grey < WHITE;
    if let Some(grey) = picture.pixels.iter().find(between) {
        let count = picture.pixels.iter().filter(between).count();
        return Err(Fault::usage(format!(
            "{}: a mask is black and white, and {count} of its {} pixels are neither, the first of level {grey}",
            path.display(),
            picture.pixels.len(),
        ))
        .hint("paint it without soft edges, or say with --threshold 128 from which level on a pixel is white")
        .into());
    }
    let threshold = threshold.unwrap_or(WHITE);
    Ok(picture
        .pixels
        .iter()
        .map(|&grey| grey >= threshold)
        .collect())
}

/// Refuses a part that is everything or nothing; `made` says whether each pixel is to be made.
pub fn check_parts(made: &[bool]) -> Result<()> {
    let (fault, hint) = match (made.contains(&true), made.contains(&false)) {
        (true, true) => return Ok(()),
        (false, _) => (
            "all of the picture is kept, so there is nothing to do",
            "in a mask for `inpaint` white is what is made anew, in one for `outpaint` black",
        ),
        (true, false) => (
            "nothing of the picture is kept",
            "`tweedie sample` draws without a picture; in a mask for `inpaint` black is what is kept, in one for \
             `outpaint` white",
        ),
    };
    Err(Fault::usage(fault).hint(hint).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_rows_and_then_columns_whose_ends_are_outside() {
        let area: Area = "1..3, 0..1".parse().unwrap();
        let pixels = area.pixels([5, 3, 2]).unwrap();
        assert_eq!(pixels, [false, false, true, false, true, false]);
    }

    #[test]
    fn what_is_no_box_is_refused_with_an_example() {
        for text in ["", "7..21", "7-21,7-21", "7..21,7..", "a..b,0..1"] {
            assert!(
                text.parse::<Area>().unwrap_err().contains("7..21,7..21"),
                "{text}"
            );
        }
        assert!("3..3,0..9".parse::<Area>().is_err());
        let area: Area = "0..28,0..29".parse().unwrap();
        assert!(area.pixels([1, 28, 28]).is_err());
    }
}
