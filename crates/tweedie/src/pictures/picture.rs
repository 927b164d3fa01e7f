//! A picture in memory, what it is drawn with, and how it gets onto the disk.

use std::io::Cursor;
use std::path::Path;
use std::sync::Once;

use anyhow::{Context, Result};
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, ImageFormat, Rgb, RgbImage};
use plotters::coord::Shift;
use plotters::element::Text;
use plotters::prelude::{BitMapBackend, DrawingArea, IntoDrawingArea, RGBColor, WHITE};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, TextStyle, register_font};

use crate::files::write_whole;

/// What a plot is drawn on.
pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Text, axes, and the series of a plot; told apart by people who do not tell red from green.
pub const INK: RGBColor = RGBColor(38, 42, 51);
/// Grid lines and frames.
pub const FAINT: RGBColor = RGBColor(222, 225, 230);
/// The first series.
pub const BLUE: RGBColor = RGBColor(31, 95, 168);
/// The second.
pub const ORANGE: RGBColor = RGBColor(217, 108, 32);
/// The third.
pub const TEAL: RGBColor = RGBColor(0, 128, 115);

/// Plots are drawn at this many times their size and shrunk, because plotters draws thick lines and
/// dots with hard edges.
const OVERSAMPLING: u32 = 2;

/// A length of `pixels` in the finished picture, on the area that is drawn on.
pub const fn px(pixels: u32) -> i32 {
    (pixels * OVERSAMPLING) as i32
}

/// A picture of 8-bit RGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture(RgbImage);

impl Picture {
    /// Pixels as they are.
    pub fn from_pixels(pixels: RgbImage) -> Self {
        Self(pixels)
    }

    /// What `draw` draws on a white area, [`px`]`(width)` by [`px`]`(height)`.
    pub fn drawn(
        width: u32,
        height: u32,
        draw: impl FnOnce(&Area<'_>) -> Result<()>,
    ) -> Result<Self> {
        register_fonts();
        let (wide, high) = (px(width) as u32, px(height) as u32);
        let mut buffer = vec![0; 3 * wide as usize * high as usize];
        {
            let area = BitMapBackend::with_buffer(&mut buffer, (wide, high)).into_drawing_area();
            area.fill(&WHITE)?;
            draw(&area)?;
            area.present()?;
        }
        let drawn = RgbImage::from_raw(wide, high, buffer)
            .context("a plot has as many pixels as its size says")?;
        Ok(Self(image::imageops::thumbnail(&drawn, width, height)))
    }

    /// The pictures one below the other, centred on white.
    pub fn stacked(parts: &[Self]) -> Self {
        let width = parts.iter().map(|part| part.0.width()).max().unwrap_or(1);
        let height = parts.iter().map(|part| part.0.height()).sum::<u32>();
        let mut whole = RgbImage::from_pixel(width, height.max(1), Rgb([255; 3]));
        let mut top = 0;
        for Self(part) in parts {
            let left = (width - part.width()) / 2;
            image::imageops::replace(&mut whole, part, i64::from(left), i64::from(top));
            top += part.height();
        }
        Self(whole)
    }

    /// The pixels, to paint on.
    pub fn into_pixels(self) -> RgbImage {
        self.0
    }

    /// The pixels.
    #[cfg(test)]
    pub fn pixels(&self) -> &RgbImage {
        &self.0
    }

    /// Writes the pictures, which have one size, as a GIF that shows each for `milliseconds`, the last
    /// for two seconds, again and again.
    pub fn save_animation(frames: Vec<Self>, milliseconds: u32, path: &Path) -> Result<()> {
        let encoding = || format!("{}: encoding the animation", path.display());
        let mut bytes = Vec::new();
        let last = frames.len().saturating_sub(1);
        {
            let mut encoder = GifEncoder::new(&mut bytes);
            encoder
                .set_repeat(Repeat::Infinite)
                .with_context(encoding)?;
            for (index, Self(frame)) in frames.into_iter().enumerate() {
                let shown = if index == last { 2000 } else { milliseconds };
                let delay = Delay::from_numer_denom_ms(shown, 1);
                let frame = DynamicImage::ImageRgb8(frame).into_rgba8();
                let frame = Frame::from_parts(frame, 0, 0, delay);
                encoder.encode_frame(frame).with_context(encoding)?;
            }
        }
        write_whole(path, &bytes)
    }

    /// Writes a PNG, creating its folder; whoever looks at the file meanwhile sees the old one or the
    /// new one, never a half.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        self.0
            .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
            .with_context(|| format!("{}: encoding the picture", path.display()))?;
        write_whole(path, &bytes)
    }
}

/// Writes a title, centred, and returns the area below it.
pub fn titled<'a>(area: &Area<'a>, title: &str) -> Result<Area<'a>> {
    let width = area.dim_in_pixel().0 as i32;
    let style = text(20).pos(Pos::new(HPos::Center, VPos::Top));
    area.draw(&Text::new(title, (width / 2, px(14)), style))?;
    Ok(area.split_vertically(px(44)).1)
}

/// Text of `size` pixels.
pub fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", px(size)).into_font().color(&INK)
}

/// A colour as plotters wants it for a translucent fill.
pub fn washed(color: RGBColor, alpha: f64) -> plotters::style::RGBAColor {
    color.mix(alpha)
}

/// Plotters draws with fonts that it was given; none of the system's are asked for.
fn register_fonts() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let font = dejavu::sans::regular();
        if register_font("sans-serif", FontStyle::Normal, font).is_err() {
            // Every drawing of text is an error then, which its caller reports.
            tracing::warn!("the font that comes with this program cannot be read");
        }
    });
}
