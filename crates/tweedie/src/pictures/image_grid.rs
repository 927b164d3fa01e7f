//! Images in rows and columns.

use anyhow::{Result, bail};
use data::unit_to_pixel;
use image::{Rgb, RgbImage};
use ndarray::{Array4, ArrayView3, Axis};

use super::Picture;

/// Between the images: neither the black nor the white of a digit.
const GAP_COLOR: Rgb<u8> = Rgb([92, 98, 112]);
const GAP: u32 = 3;
/// An image is enlarged, by a whole factor, to about this many pixels.
const TILE: u32 = 84;

/// `images`, `[N, C, H, W]` in [−1, 1], C 1 (grey) or 3 (red, green, blue), as nearly square as N
/// allows; sample 0 is top left, and rows are filled first.
pub fn image_grid(images: &Array4<f32>) -> Result<Picture> {
    let columns = (images.len_of(Axis(0)) as f64).sqrt().ceil() as usize;
    image_rows(
        images,
        &vec![columns.max(1); images.len_of(Axis(0)).div_ceil(columns.max(1))],
    )
}

/// The same in rows of these lengths, such as one a class; a row that is shorter than others ends early, and so
/// does the last if there are no more images.
pub fn image_rows(images: &Array4<f32>, lengths: &[usize]) -> Result<Picture> {
    let (count, channels, height, width) = images.dim();
    if count == 0 || height == 0 || width == 0 {
        bail!(
            "there is no image to show: the array has shape {:?}",
            images.shape()
        );
    }
    if channels != 1 && channels != 3 {
        bail!("images of {channels} channels cannot be shown: 1 (grey) and 3 (colour) can");
    }
    let columns = lengths.iter().copied().max().unwrap_or(0).min(count) as u32;
    let rows = lengths.len() as u32;
    let scale = enlargement(height.max(width) as u32);
    let (cell_width, cell_height) = (width as u32 * scale + GAP, height as u32 * scale + GAP);
    let mut grid = RgbImage::from_pixel(
        columns * cell_width + GAP,
        rows * cell_height + GAP,
        GAP_COLOR,
    );
    let places = (lengths.iter().zip(0_u32..))
        .flat_map(|(&length, row)| (0..length as u32).map(move |column| (row, column)));
    for (image, (row, column)) in images.axis_iter(Axis(0)).zip(places) {
        let corner = (column * cell_width + GAP, row * cell_height + GAP);
        paint(&mut grid, corner, image, scale);
    }
    Ok(Picture::from_pixels(grid))
}

/// The whole factor by which an image of `size` pixels is enlarged.
pub fn enlargement(size: u32) -> u32 {
    (TILE / size.max(1)).max(1)
}

/// Paints one image `[C, H, W]`, enlarged, with its top left at `corner`.
pub fn paint(onto: &mut RgbImage, corner: (u32, u32), image: ArrayView3<'_, f32>, scale: u32) {
    let (channels, height, width) = image.dim();
    for y in 0..height as u32 * scale {
        for x in 0..width as u32 * scale {
            let pixel = |channel: usize| {
                let channel = channel.min(channels - 1);
                unit_to_pixel(image[[channel, (y / scale) as usize, (x / scale) as usize]])
            };
            let color = Rgb([pixel(0), pixel(1), pixel(2)]);
            onto.put_pixel(corner.0 + x, corner.1 + y, color);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_is_enlarged_whole_and_stands_in_its_cell() {
        let mut images = Array4::from_elem((5, 1, 28, 28), -1.0);
        images.index_axis_mut(Axis(0), 4).fill(1.0);
        let picture = image_grid(&images).unwrap();
        let pixels = picture.pixels();
        // Three columns and two rows of 84 pixels, with gaps of 3.
        assert_eq!(pixels.dimensions(), (3 * 87 + 3, 2 * 87 + 3));
        assert_eq!(pixels.get_pixel(0, 0), &GAP_COLOR);
        assert_eq!(pixels.get_pixel(3, 3), &Rgb([0; 3]));
        let fifth = (87 + 3, 87 + 3);
        for (dx, dy) in [(0, 0), (83, 0), (0, 83), (83, 83)] {
            assert_eq!(pixels.get_pixel(fifth.0 + dx, fifth.1 + dy), &Rgb([255; 3]));
        }
        assert_eq!(pixels.get_pixel(fifth.0 + 84, fifth.1), &GAP_COLOR);
        // The sixth cell is empty.
        assert_eq!(pixels.get_pixel(2 * 87 + 3, 87 + 3), &GAP_COLOR);
    }

    #[test]
    fn colour_channels_keep_their_order_and_values_outside_the_range_saturate() {
        let images = Array4::from_shape_fn((1, 3, 32, 32), |(_, c, ..)| [7.0, 0.0, -7.0][c]);
        let picture = image_grid(&images).unwrap();
        assert_eq!(picture.pixels().get_pixel(GAP, GAP), &Rgb([255, 128, 0]));
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        for shape in [(0, 1, 28, 28), (4, 2, 1, 1), (4, 1, 0, 28)] {
            assert!(image_grid(&Array4::zeros(shape)).is_err());
        }
    }
}
