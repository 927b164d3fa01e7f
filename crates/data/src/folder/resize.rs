//! Crops and sizes, as EDM's `dataset_tool.py` and torchvision make them.

use serde::{Deserialize, Serialize};

use super::resample::{Filter, resize};
use super::{Picture, PictureFault};

/// How a picture comes to the set's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// The largest part of the set's proportions is cut from the middle, then resized: EDM's
    /// `--transform=center-crop`.
    #[default]
    Centre,
    /// The shorter side is resized, the longer in proportion; training cuts a window from a random
    /// place, all else from the middle: torchvision's `Resize` and `RandomCrop`.
    Random,
    /// Halved with a box filter while both sides stay at least twice as long, then resized by a bicubic
    /// filter, then cut from the middle: ADM's way (Dhariwal & Nichol 2021), EDM's
    /// `--transform=center-crop-dhariwal`. For square sizes.
    Adm,
    /// Resized whole; proportions are not kept: EDM's `--resolution` without a transform.
    Stretch,
}

/// A part of a picture: its upper left corner, and its size.
#[derive(Clone, Copy)]
struct Part {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Part {
    fn whole(picture: &Picture) -> Self {
        Self {
            top: 0,
            left: 0,
            height: picture.height,
            width: picture.width,
        }
    }
}

/// How many times longer one side may be than the other where a crop resizes the whole: beyond that
/// most of what is made would be thrown away, and a thin strip would become gigantic.
const MAX_RATIO: usize = 64;

/// `picture` at the size `[height, width]`; for [`Crop::Random`] at one that just covers `cover`, which is
/// at least `[height, width]`.
///
/// # Errors
/// [`PictureFault::Proportions`] if one side is more than 64 times as long as the other and the crop is
/// [`Crop::Random`] or [`Crop::Adm`].
pub fn fit(
    picture: Picture,
    [height, width]: [usize; 2],
    cover: [usize; 2],
    crop: Crop,
    filter: Filter,
) -> Result<Picture, PictureFault> {
    let [short, long] = match [picture.height, picture.width] {
        [height, width] if height < width => [height, width],
        [height, width] => [width, height],
    };
    if matches!(crop, Crop::Random | Crop::Adm) && long / MAX_RATIO > short {
        return Err(PictureFault::Proportions {
            width: picture.width,
            height: picture.height,
        });
    }
    Ok(match crop {
        Crop::Stretch => {
            let part = Part::whole(&picture);
            resized(picture, part, [height, width], filter)
        }
        Crop::Centre => {
            let part = middle(&picture, [height, width]);
            resized(picture, part, [height, width], filter)
        }
        Crop::Random => {
            let size = covering(&picture, cover);
            let part = Part::whole(&picture);
            resized(picture, part, size, filter)
        }
        Crop::Adm => adm(picture, height),
    })
}

/// The largest part of the proportions of `size`, in the middle.
fn middle(picture: &Picture, [height, width]: [usize; 2]) -> Part {
    let (full_height, full_width) = (picture.height as u64, picture.width as u64);
    let (height, width) = (height as u64, width as u64);
    let (part_height, part_width) = if full_width * height >= full_height * width {
        (full_height, (full_height * width / height).max(1))
    } else {
        ((full_width * height / width).max(1), full_width)
    };
    Part {
        top: ((full_height - part_height) / 2) as usize,
        left: ((full_width - part_width) / 2) as usize,
        height: part_height as usize,
        width: part_width as usize,
    }
}

/// The size in `picture`'s proportions that just covers `size`; the other side is rounded down, as
/// torchvision does.
fn covering(picture: &Picture, [height, width]: [usize; 2]) -> [usize; 2] {
    let (full_height, full_width) = (picture.height as u64, picture.width as u64);
    let (to_height, to_width) = (height as u64, width as u64);
    if full_width * to_height >= full_height * to_width {
        [height, (full_width * to_height / full_height) as usize]
    } else {
        [(full_height * to_width / full_width) as usize, width]
    }
}

/// ADM's `center_crop_arr` (`image_datasets.py`), which EDM copies.
fn adm(mut picture: Picture, side: usize) -> Picture {
    while picture.height.min(picture.width) >= 2 * side {
        let size = [picture.height / 2, picture.width / 2];
        let part = Part::whole(&picture);
        picture = resized(picture, part, size, Filter::Box);
    }
    let scale = side as f64 / picture.height.min(picture.width) as f64;
    let scaled = |length: usize| (length as f64 * scale).round_ties_even() as usize;
    let size = [scaled(picture.height), scaled(picture.width)];
    let part = Part::whole(&picture);
    let picture = resized(picture, part, size, Filter::Bicubic);
    let (top, left) = ((picture.height - side) / 2, (picture.width - side) / 2);
    cut(&picture, [top, left], [side, side])
}

/// The window of `size` whose upper left corner is at `corner`.
pub(super) fn cut(
    picture: &Picture,
    [top, left]: [usize; 2],
    [height, width]: [usize; 2],
) -> Picture {
    let channels = picture.channels;
    let mut pixels = Vec::with_capacity(height * width * channels);
    for row in top..top + height {
        let start = (row * picture.width + left) * channels;
        pixels.extend_from_slice(&picture.pixels[start..start + width * channels]);
    }
    Picture {
        height,
        width,
        channels,
        pixels,
    }
}

/// `part` of `picture`, resized to `size`.
fn resized(picture: Picture, part: Part, size: [usize; 2], filter: Filter) -> Picture {
    let whole = [picture.height, picture.width] == [part.height, part.width];
    let picture = if whole {
        picture
    } else {
        cut(&picture, [part.top, part.left], [part.height, part.width])
    };
    resize(picture, size, filter)
}
