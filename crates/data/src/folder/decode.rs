//! From the bytes of a PNG, JPEG or WebP file to pixels, within limits.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, Limits};
use serde::{Deserialize, Serialize};

use super::{PictureFault, jpeg_end, webp_chunks};

/// How many bytes of pixels a byte of file may stand for: what DEFLATE can reach, so that drawings
/// and masks of one colour remain readable.
const MAX_EXPANSION: u64 = 1032;

/// What any file may be decoded to.
const MIN_ALLOWANCE: u64 = 1 << 22;

/// What no file may be decoded to: 89 million pixels of RGB, the number beyond which Pillow warns.
const MAX_ALLOWANCE: u64 = 1 << 28;

/// The channels that pictures are converted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// Red, green, blue. Grey pictures get three equal channels.
    #[default]
    Rgb,
    /// Luma by ITU-R 601-2, L = 0.299 R + 0.587 G + 0.114 B, as Pillow's `convert("L")`.
    Grey,
}

impl Channels {
    /// How many there are.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Grey => 1,
        }
    }
}

/// Pixels as bytes, `[H, W, C]` in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// 1 or 3.
    pub channels: usize,
    /// The bytes.
    pub pixels: Vec<u8>,
}

/// What decoding left out or converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its format by its first bytes.
    pub format: ImageFormat,
    /// Pixels in a row and rows, as stored.
    pub stored_size: [u32; 2],
    /// Whether it is stored in shades of grey.
    pub grey: bool,
    /// Whether it has an alpha channel, which is dropped.
    pub alpha: bool,
    /// Whether it has 16 bits a channel, which are rounded to 8.
    pub sixteen_bits: bool,
    /// Whether it is an animation, of which the first picture is taken.
    pub animated: bool,
    /// Whether it was turned or mirrored as its EXIF data ask for.
    pub oriented: bool,
}

/// Decodes the bytes of a file. Transparency is dropped without blending, as Pillow does; the turn that
/// EXIF data ask for is made.
///
/// # Errors
/// [`PictureFault`]. Nothing is allocated for pixels before their number was checked against the
/// size of the file.
pub fn decode(bytes: &[u8], channels: Channels) -> Result<(Picture, Facts), PictureFault> {
    let unrecognised = || PictureFault::Unrecognised {
        found: bytes.iter().take(4).copied().collect(),
    };
    let format = image::guess_format(bytes).map_err(|_| unrecognised())?;
    let reader = Cursor::new(bytes);
    match format {
        ImageFormat::Png => {
            let limits = allowance(bytes);
            let decoder = PngDecoder::with_limits(reader, limits_of(limits)).map_err(refused)?;
            let animated = decoder.is_apng().map_err(refused)?;
            read(decoder, bytes, channels, format, animated)
        }
        ImageFormat::Jpeg => {
            if !jpeg_end::is_whole(bytes) {
                return Err(PictureFault::Truncated);
            }
            let decoder = JpegDecoder::new(reader).map_err(refused)?;
            read(decoder, bytes, channels, format, false)
        }
        ImageFormat::WebP => {
            webp_chunks::check(bytes, allowance(bytes))?;
            let decoder = WebPDecoder::new(reader).map_err(refused)?;
            let animated = decoder.has_animation();
            read(decoder, bytes, channels, format, animated)
        }
        _ => Err(unrecognised()),
    }
}

/// Bytes of pixels that the size of the file justifies.
fn allowance(bytes: &[u8]) -> u64 {
    (bytes.len() as u64)
        .saturating_mul(MAX_EXPANSION)
        .clamp(MIN_ALLOWANCE, MAX_ALLOWANCE)
}

fn limits_of(allowance: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(allowance);
    limits
}

fn read(
    mut decoder: impl ImageDecoder,
    bytes: &[u8],
    channels: Channels,
    format: ImageFormat,
    animated: bool,
) -> Result<(Picture, Facts), PictureFault> {
    let limit = allowance(bytes);
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    let needed = decoder.total_bytes();
    if needed > limit {
        return Err(PictureFault::TooLarge {
            width,
            height,
            needed,
            limit,
        });
    }
    decoder.set_limits(limits_of(limit)).map_err(refused)?;
    // Damaged EXIF data ask for nothing.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    picture.apply_orientation(orientation);
    let facts = Facts {
        format,
        stored_size: [width, height],
        grey: !color.has_color(),
        alpha: color.has_alpha(),
        sixteen_bits: !matches!(
            color,
            ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8
        ),
        animated,
        oriented: orientation != Orientation::NoTransforms,
    };
    Ok((converted(picture, channels), facts))
}

fn converted(picture: DynamicImage, channels: Channels) -> Picture {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = match channels {
        Channels::Rgb => picture.into_rgb8().into_raw(),
        Channels::Grey if !picture.color().has_color() => picture.into_luma8().into_raw(),
        Channels::Grey => {
            let rgb = picture.into_rgb8().into_raw();
            rgb.chunks_exact(3).map(luma).collect()
        }
    };
    Picture {
        height,
        width,
        channels: channels.count(),
        pixels,
    }
}

/// ITU-R 601-2 in Pillow's fixed point: the weights times 2¹⁶, rounded to nearest.
fn luma(rgb: &[u8]) -> u8 {
    let [red, green, blue] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
    ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
}

/// The decoders' errors as this crate's.
fn refused(error: ImageError) -> PictureFault {
    match &error {
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            PictureFault::Truncated
        }
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            PictureFault::Damaged {
                fault: "it needs more memory than its size justifies".to_owned(),
            }
        }
        _ => PictureFault::Damaged {
            fault: error.to_string(),
        },
    }
}
