//! Data that others wrote: folders of pictures, CIFAR, arrays from NumPy, and what may be wrong with each.

#[path = "../made_files/mod.rs"]
mod made_files;

mod arrays;
mod augmentation;
mod checks;
mod cifar;
mod config;
mod folder;
mod hostile;
mod pillow;
mod prefetch;

use std::path::{Path, PathBuf};

use data::{DataError, Source};

/// A file that NumPy or Pillow wrote; `pillow/make.py` tells how.
fn made_elsewhere(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/outside/pillow")
        .join(name)
}

/// Its bytes.
fn bytes_made_elsewhere(name: &str) -> Vec<u8> {
    std::fs::read(made_elsewhere(name)).unwrap()
}

/// The samples at `indices`.
fn samples(set: &dyn Source, indices: &[usize]) -> Vec<f32> {
    let mut out = Vec::new();
    set.write_samples(indices, &mut out).unwrap();
    out
}

/// The message names the file first, and goes on after the fault with what to do.
#[track_caller]
fn assert_helpful(error: &DataError, path: &Path) {
    let message = error.to_string();
    let path = path.display().to_string();
    assert!(message.starts_with(&path), "{message}");
    assert!(message.contains(';') || message.contains('.'), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

/// Writes a plain PNG whose pixels are `pixel(x, y)`.
fn write_png(path: &Path, width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).unwrap();
    }
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb(pixel(x, y)));
    picture.save(path).unwrap();
}
