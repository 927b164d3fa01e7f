//! From images as this workspace has them to what a network wants to see.

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma};
use ndarray::{Array3, ArrayView3, Axis};
use serde::{Deserialize, Serialize};

use super::OnnxError;

/// The largest side of a network's images.
const LARGEST: usize = 4096;

/// What a network wants its images like. The layout is always `[N, C, H, W]`, and colours are in the order
/// red, green, blue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputConvention {
    /// Height and width to resize to, 1 to 4096 each. By default what the network says it takes, and if it
    /// takes any, the size of the images.
    pub size: Option<[usize; 2]>,
    /// How to resize.
    pub resize: Resize,
    /// The range of pixels.
    pub range: PixelRange,
    /// The name of the output that holds the features; by default the first.
    pub output: Option<String>,
}

/// How images are resized. Both filters widen when they shrink an image, so that no pixel is passed over
/// (as Pillow does, and PyTorch with `antialias=True`, `align_corners=False`); published FIDs differ in
/// this (Parmar et al. 2022, "On aliased resizing and surprising subtleties in GAN evaluation").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Linear between pixels.
    #[default]
    Bilinear,
    /// Cubic with a = −½ (Catmull & Rom), clamped to the range of pixels.
    Bicubic,
}

/// The range of pixels, black to white.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PixelRange {
    /// −1 to 1.
    #[default]
    Signed,
    /// 0 to 1.
    Unit,
    /// 0 to 255.
    Byte,
    /// 0 to 1, less ImageNet's mean (0.485, 0.456, 0.406) and over its deviation (0.229, 0.224, 0.225), as
    /// torchvision's networks want it.
    ImageNet,
    /// 0 to 1, less a mean and over a deviation for each channel.
    Normalised {
        /// The mean of each channel.
        mean: Vec<f32>,
        /// The deviation of each channel.
        std: Vec<f32>,
    },
}

impl InputConvention {
    /// Checks what can be checked without a network.
    pub(super) fn check(&self) -> Result<(), OnnxError> {
        if let Some(size) = self.size
            && size.iter().any(|side| !(1..=LARGEST).contains(side))
        {
            return Err(OnnxError::Convention {
                field: "size",
                value: format!("{size:?}"),
                expected: "height and width, 1 to 4096 each",
            });
        }
        let PixelRange::Normalised { mean, std } = &self.range else {
            return Ok(());
        };
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        let lengths = matches!((mean.len(), std.len()), (1, 1) | (3, 3));
        if lengths && finite(mean) && finite(std) && std.iter().all(|std| *std > 0.0) {
            return Ok(());
        }
        Err(OnnxError::Convention {
            field: "range.normalised",
            value: format!("mean {mean:?}, std {std:?}"),
            expected: "one number a channel in each, std above 0",
        })
    }
}

/// What a network takes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ImageShape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl ImageShape {
    /// The values of an image.
    pub fn values(self) -> usize {
        self.channels * self.height * self.width
    }
}

impl InputConvention {
    /// Appends what the network sees of `image` `[C, H, W]` in [−1, 1] (clamped): `shape.values()` numbers.
    /// C is `shape.channels`, or 1, which is then repeated.
    pub(super) fn write(&self, image: ArrayView3<'_, f32>, shape: ImageShape, out: &mut Vec<f32>) {
        let unit = image.mapv(|value| (value.clamp(-1.0, 1.0) + 1.0) / 2.0);
        let unit = resized(&unit, shape.height, shape.width, self.resize);
        for channel in 0..shape.channels {
            let plane = unit.index_axis(Axis(0), channel.min(unit.len_of(Axis(0)) - 1));
            let (scale, shift) = self.range.line(channel);
            out.extend(plane.iter().map(|value| value * scale + shift));
        }
    }
}

impl PixelRange {
    /// How many channels it is for; none if for any.
    pub(super) fn channels(&self) -> Option<usize> {
        match self {
            Self::Signed | Self::Unit | Self::Byte => None,
            Self::ImageNet => Some(3),
            Self::Normalised { mean, .. } => Some(mean.len()),
        }
    }

    /// Factor and summand that bring a channel's pixels from 0 to 1 into the range.
    fn line(&self, channel: usize) -> (f32, f32) {
        let normalised = |mean: f32, std: f32| (1.0 / std, -mean / std);
        match self {
            Self::Signed => (2.0, -1.0),
            Self::Unit => (1.0, 0.0),
            Self::Byte => (255.0, 0.0),
            Self::ImageNet => {
                let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
                normalised(mean[channel], std[channel])
            }
            Self::Normalised { mean, std } => normalised(mean[channel], std[channel]),
        }
    }
}

/// An image `[C, H, W]` in [0, 1] at another size.
fn resized(image: &Array3<f32>, height: usize, width: usize, filter: Resize) -> Array3<f32> {
    let (channels, from_height, from_width) = image.dim();
    if (from_height, from_width) == (height, width) {
        return image.clone();
    }
    let filter = match filter {
        Resize::Bilinear => FilterType::Triangle,
        Resize::Bicubic => FilterType::CatmullRom,
    };
    let mut values = Vec::with_capacity(channels * height * width);
    for plane in image.outer_iter() {
        let plane = plane.iter().copied().collect();
        let plane: ImageBuffer<Luma<f32>, Vec<f32>> =
            ImageBuffer::from_raw(from_width as u32, from_height as u32, plane)
                .expect("a plane has its pixels");
        let plane = resize(&plane, width as u32, height as u32, filter);
        values.extend(plane.into_raw());
    }
    Array3::from_shape_vec((channels, height, width), values).expect("each plane has its pixels")
}

#[cfg(test)]
mod tests {
    use super::super::network::reference;
    use super::*;
    use ndarray::array;

    #[test]
    fn resized_images_are_those_of_pytorch_with_antialiasing() {
        let wide = reference("wide");
        let wide = Array3::from_shape_vec((3, 10, 14), wide.values).unwrap();
        for (name, filter) in [("bilinear", Resize::Bilinear), ("bicubic", Resize::Bicubic)] {
            for (height, width) in [(5, 7), (16, 16), (7, 20)] {
                let expected = reference(&format!("resized/{name}-{height}x{width}")).values;
                let found = resized(&wide, height, width, filter);
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 2e-6, "{name} {height}x{width}");
                }
            }
        }
    }

    #[test]
    fn ranges_put_black_and_white_where_they_say() {
        let image = array![[[-1.0, 1.0, 9.0]]];
        let seen = |range: PixelRange, channels| {
            let convention = InputConvention {
                range,
                ..InputConvention::default()
            };
            let shape = ImageShape {
                channels,
                height: 1,
                width: 3,
            };
            let mut out = Vec::new();
            convention.write(image.view(), shape, &mut out);
            out
        };
        assert_eq!(seen(PixelRange::Signed, 1), [-1.0, 1.0, 1.0]);
        assert_eq!(seen(PixelRange::Unit, 1), [0.0, 1.0, 1.0]);
        assert_eq!(seen(PixelRange::Byte, 3), [0.0, 255.0, 255.0].repeat(3));
        let (mean, std) = (vec![0.5], vec![0.25]);
        assert_eq!(
            seen(PixelRange::Normalised { mean, std }, 1),
            [-2.0, 2.0, 2.0]
        );
        let found = seen(PixelRange::ImageNet, 3);
        assert!((found[0] + 0.485 / 0.229).abs() < 1e-6);
        assert!((found[7] - (1.0 - 0.406) / 0.225).abs() < 1e-6);
    }

    #[test]
    fn conventions_are_plain_data_and_unknown_fields_are_refused() {
        let read = |text: &str| serde_json::from_str::<InputConvention>(text);
        let full =
            r#"{"size": [299, 299], "resize": "bicubic", "range": "image-net", "output": "pool"}"#;
        let found = read(full).unwrap();
        assert_eq!(
            (found.size, found.range),
            (Some([299, 299]), PixelRange::ImageNet)
        );
        assert_eq!(read("{}").unwrap(), InputConvention::default());
        let range = read(r#"{"range": {"normalised": {"mean": [0.1], "std": [0.3]}}}"#).unwrap();
        assert!(range.check().is_ok());
        assert!(read(r#"{"sizes": [3, 3]}"#).is_err());
        assert!(read(r#"{"range": "bytes"}"#).is_err());
    }

    #[test]
    fn conventions_that_cannot_be_are_named() {
        let refused = |text: &str| {
            let convention: InputConvention = serde_json::from_str(text).unwrap();
            convention.check().unwrap_err().to_string()
        };
        assert!(refused(r#"{"size": [0, 5]}"#).contains("size = [0, 5]"));
        assert!(refused(r#"{"size": [1, 100000]}"#).contains("4096"));
        for (mean, std) in [
            ("[0.1, 0.2]", "[1, 1]"),
            ("[0.1]", "[0]"),
            ("[0.1]", "[1, 1, 1]"),
        ] {
            let text =
                format!(r#"{{"range": {{"normalised": {{"mean": {mean}, "std": {std}}}}}}}"#);
            assert!(refused(&text).contains("range.normalised"));
        }
    }
}
