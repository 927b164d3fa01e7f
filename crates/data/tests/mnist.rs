//! Facts about MNIST that its authors and users have published, and the files that ship.

mod made_files;

use std::fs;

use data::mnist::FILES;
use data::{Coloured, Content, ImageSet, Mnist, Source, Split};
use flate2::read::GzDecoder;
use made_files::{mnist_folder, write_miniature};
use ndarray::s;
use tempfile::TempDir;

fn class_counts(set: &ImageSet) -> [usize; 10] {
    let mut counts = [0; 10];
    for index in 0..set.len() {
        counts[usize::from(set.label(index).unwrap())] += 1;
    }
    counts
}

/// Mean and standard deviation of the pixels in [0, 1], as PyTorch's examples normalise by.
fn pixel_moments(set: &ImageSet) -> (f64, f64) {
    let count = set.pixels.len() as f64;
    let (mut sum, mut squares) = (0_u64, 0_u64);
    for &pixel in &set.pixels {
        sum += u64::from(pixel);
        squares += u64::from(pixel).pow(2);
    }
    let mean = sum as f64 / count;
    let variance = squares as f64 / count - mean * mean;
    (mean / 255.0, variance.sqrt() / 255.0)
}

#[test]
fn the_training_part_is_the_one_that_everybody_knows() {
    let set = Mnist::load(&mnist_folder(), Split::Train).unwrap();
    assert_eq!(set.pixels.dim(), (60_000, 1, 28, 28));
    assert_eq!(set.labels.as_ref().unwrap()[..5], [5, 0, 4, 1, 9]);
    assert_eq!(
        class_counts(&set),
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    );
    let (mean, std) = pixel_moments(&set);
    assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
    assert!((std - 0.3081).abs() < 5e-5, "{std}");
}

#[test]
fn the_test_part_is_the_one_that_everybody_knows() {
    let set = Mnist::load(&mnist_folder(), Split::Test).unwrap();
    assert_eq!(set.pixels.dim(), (10_000, 1, 28, 28));
    assert_eq!(set.labels.as_ref().unwrap()[..5], [7, 2, 1, 0, 4]);
    assert_eq!(
        class_counts(&set),
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    );
}

#[test]
fn digits_stand_upright_in_the_middle_of_their_pictures() {
    // The authors centred each digit by its centre of mass in 28x28, within a margin of 4.
    let set = Mnist::load(&mnist_folder(), Split::Test).unwrap();
    let corners = set.pixels.slice(s![.., 0, ..2, ..2]);
    assert!(corners.iter().all(|&pixel| pixel == 0));
    // A seven (the first test digit) has its bar on top: rows and columns are not exchanged.
    assert_eq!(set.label(0), Some(7));
    let ink = |rows: std::ops::Range<usize>| -> u32 {
        let part = set.pixels.slice(s![0, 0, rows, ..]);
        part.iter().map(|&pixel| u32::from(pixel > 127)).sum()
    };
    let widest_row = (0..28).max_by_key(|&row| ink(row..row + 1)).unwrap();
    assert!(widest_row < 12, "{widest_row}");
}

#[test]
fn unpacked_files_load_to_the_same_set() {
    let dir = TempDir::new().unwrap();
    for file in FILES.iter().filter(|file| file.split == Split::Test) {
        let gzipped = fs::File::open(mnist_folder().join(format!("{}.gz", file.name))).unwrap();
        let mut unpacked = fs::File::create(dir.path().join(file.name)).unwrap();
        std::io::copy(&mut GzDecoder::new(gzipped), &mut unpacked).unwrap();
    }
    let plain = Mnist::load(dir.path(), Split::Test).unwrap();
    let gzipped = Mnist::load(&mnist_folder(), Split::Test).unwrap();
    assert!(plain == gzipped);
    assert!(gzipped == Mnist::load_unverified(dir.path(), Split::Test).unwrap());
}

#[test]
fn the_unpacked_file_wins_where_there_are_both() {
    let dir = TempDir::new().unwrap();
    write_miniature(dir.path());
    made_files::write(dir.path(), "train-images-idx3-ubyte.gz", b"never looked at");
    let set = Mnist::load_unverified(dir.path(), Split::Train).unwrap();
    assert_eq!(set.pixels.dim(), (5, 1, 3, 2));
    assert_eq!(set.pixels[[1, 0, 2, 1]], 88);
    assert_eq!(set.labels, Some(vec![3, 1, 4, 1, 5]));
}

#[test]
fn the_readme_beside_the_files_has_their_checksums_and_licence() {
    let readme = fs::read_to_string(mnist_folder().join("README.md")).unwrap();
    for file in FILES {
        let row = format!("| `{}` | `{}` |", file.name, file.sha256);
        assert!(readme.contains(&row), "{row}");
    }
    for words in ["LeCun", "Cortes", "Burges", "ShareAlike 3.0"] {
        assert!(readme.contains(words), "{words}");
    }
}

#[test]
fn each_split_has_one_file_of_images_and_one_of_labels() {
    for split in [Split::Train, Split::Test] {
        for content in [Content::Images, Content::Labels] {
            let of_both = FILES
                .iter()
                .filter(|file| file.split == split && file.content == content);
            assert_eq!(of_both.count(), 1, "{split} {content}");
        }
    }
}

#[test]
fn splits_are_written_in_kebab_case() {
    for split in [Split::Train, Split::Test] {
        let json = serde_json::to_string(&split).unwrap();
        assert_eq!(json, format!("\"{split}\""));
        assert_eq!(serde_json::from_str::<Split>(&json).unwrap(), split);
    }
}

/// The mean of the channels is half of what the grey pixel was; bytes are rounded to within ½ each.
#[test]
fn digits_in_colour_have_the_strokes_and_labels_of_the_grey_ones() {
    let grey = Mnist::load(&mnist_folder(), Split::Test).unwrap();
    let coloured = Coloured(grey.clone());
    assert_eq!(
        (coloured.len(), coloured.sample_shape()),
        (10_000, [3, 28, 28])
    );
    let indices: Vec<usize> = (0..10_000).step_by(97).collect();
    let (mut of_grey, mut of_colour) = (Vec::new(), Vec::new());
    grey.write_samples(&indices, &mut of_grey).unwrap();
    coloured.write_samples(&indices, &mut of_colour).unwrap();
    let level = |unit: f32| f64::from(unit + 1.0) * 127.5;
    for (place, &index) in indices.iter().enumerate() {
        assert_eq!(coloured.label(index), grey.label(index));
        let digit = &of_colour[place * 3 * 784..][..3 * 784];
        for pixel in 0..784 {
            let mean = (0..3)
                .map(|channel| level(digit[channel * 784 + pixel]))
                .sum::<f64>()
                / 3.0;
            let half = level(of_grey[place * 784 + pixel]) / 2.0;
            assert!(
                (mean - half).abs() < 0.51,
                "sample {index}, pixel {pixel}: {mean}, {half}"
            );
        }
    }
}
