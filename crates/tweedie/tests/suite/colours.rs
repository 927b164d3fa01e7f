//! Small pictures in colour, as files of every kind, and a model of them.

use std::io::{Cursor, Write};

use image::{Rgb, RgbImage};
use ndarray::{Array3, Array4};
use ndarray_npy::WriteNpyExt;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::place::Place;

/// A model of small pictures in colour that trains in a moment.
const TINY: &str = r#"
[network]
kind = "unet"
patch = 2
channels = 8
multipliers = [1]
blocks = 1
middle_attention = false
embedding = 16
[training]
steps = 4
batch_size = 8
warmup_steps = 2
ema_decay = 0.9
log_every = 2
sample_every = 0
checkpoint_every = 2
[training.objective]
weighting = "edm"
[sampling]
solver = "edm"
steps = 3
count = 9
"#;

pub fn experiment(place: &Place, name: &str, data: &str) {
    let text = format!("name = \"{name}\"\n[data]\n{data}\n{TINY}");
    place.write(&format!("{name}.toml"), text);
}

/// Picture `index` of a class: a gradient from its colour to white, `[8, 8, 3]`; no two are alike.
fn pixels(class: usize, index: usize) -> Array3<u8> {
    Array3::from_shape_fn((8, 8, 3), |(y, x, channel)| {
        let steep = 1 + index % 7;
        let shade = (20 * (index / 7) + steep * (3 * x + y)).min(255) as u8;
        if channel == class { 255 } else { shade }
    })
}

fn png(place: &Place, name: &str, pixels: &Array3<u8>) {
    let picture = RgbImage::from_fn(8, 8, |x, y| {
        let channel = |channel| pixels[[y as usize, x as usize, channel]];
        Rgb([channel(0), channel(1), channel(2)])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    place.write(name, bytes.into_inner());
}

/// Folders of pictures in red, green and blue, the indices from `first` on.
pub fn folders(place: &Place, root: &str, first: usize, count: usize) {
    for (class, name) in ["a-red", "b-green", "c-blue"].into_iter().enumerate() {
        for index in first..first + count {
            let file = format!("{root}/{name}/{index:02}.png");
            png(place, &file, &pixels(class, index));
        }
    }
}

/// The same as one array `[N, 8, 8, 3]`.
pub fn array(first: usize, count: usize) -> Array4<u8> {
    Array4::from_shape_fn((3 * count, 8, 8, 3), |(n, y, x, channel)| {
        pixels(n / count, first + n % count)[[y, x, channel]]
    })
}

/// A folder of pictures and an experiment with them.
pub fn with_pictures() -> Place {
    let place = Place::new();
    folders(&place, "pictures", 0, 12);
    let data =
        "kind = \"image-folder\"\npath = \"pictures\"\nsize = 8\nflip = true\nclasses = true";
    experiment(&place, "colours", data);
    place
}

pub fn with_run() -> Place {
    let place = with_pictures();
    place.run("train --config colours.toml --quiet").success();
    place
}

pub fn npy(array: &impl WriteNpyExt) -> Vec<u8> {
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).unwrap();
    bytes
}

/// An archive of arrays, as `numpy.savez` writes it.
pub fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        archive.start_file(format!("{name}.npy"), stored).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
