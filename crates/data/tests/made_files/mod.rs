//! IDX files made to measure, written here independently of the crate's reader.

#![allow(dead_code, reason = "each test binary uses some of these")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The folder of MNIST's gzipped files that ships with the workspace.
pub fn mnist_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/mnist")
}

/// An IDX file of bytes: header for `shape`, then `values`, whether they agree or not.
pub fn idx_bytes(shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    for size in shape {
        bytes.extend(size.to_be_bytes());
    }
    bytes.extend(values);
    bytes
}

/// `bytes` gzipped.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes `bytes` to a file in `dir` and returns its path.
pub fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Writes a data set of MNIST's form with five pictures of 3x2 pixels for training.
pub fn write_miniature(dir: &Path) {
    let pixels: Vec<u8> = (0..30).map(|i| i * 8).collect();
    let images = idx_bytes(&[5, 3, 2], &pixels);
    write(dir, "train-images-idx3-ubyte", &images);
    let labels = idx_bytes(&[5], &[3, 1, 4, 1, 5]);
    write(dir, "train-labels-idx1-ubyte.gz", &gzip(&labels));
}
