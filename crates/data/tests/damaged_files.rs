//! Files that are missing, cut, altered, exchanged or of another data set: each is an error that
//! names the file, and none a panic or a wrong tensor.

mod made_files;

use std::fs;
use std::path::Path;

use data::{Content, DataError, Mnist, Split, idx};
use made_files::{gzip, idx_bytes, mnist_folder, write, write_miniature};
use tempfile::TempDir;

const IMAGES: &str = "t10k-images-idx3-ubyte";
const LABELS: &str = "t10k-labels-idx1-ubyte";

/// A folder with MNIST's test part, gzipped.
fn test_part() -> TempDir {
    let dir = TempDir::new().unwrap();
    for name in [IMAGES, LABELS] {
        let name = format!("{name}.gz");
        fs::copy(mnist_folder().join(&name), dir.path().join(&name)).unwrap();
    }
    dir
}

/// Every place in the first and last hundred of `0..length`, where headers and checksums lie, and
/// each ninth between.
fn throughout(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |&place| place < 100 || place >= length - 100 || place % 9 == 0)
}

fn load_error(dir: &Path) -> DataError {
    Mnist::load(dir, Split::Test).unwrap_err()
}

/// The message starts with the path and goes on after the fault with what to do.
#[track_caller]
fn assert_helpful(error: &DataError, path: &Path) {
    let message = error.to_string();
    let path = path.display().to_string();
    assert!(message.starts_with(&path), "{message}");
    assert!(message.contains([';', '.']), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn a_missing_folder_is_named() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("nowhere");
    let error = load_error(&folder);
    assert!(matches!(error, DataError::MissingFolder { .. }), "{error}");
    assert_helpful(&error, &folder);
}

#[test]
fn a_file_in_the_folders_place_is_named() {
    let dir = TempDir::new().unwrap();
    let file = write(dir.path(), "mnist", b"");
    let error = load_error(&file);
    assert!(matches!(error, DataError::NotAFolder { .. }), "{error}");
    assert_helpful(&error, &file);
}

#[test]
fn each_missing_file_is_named() {
    for name in [IMAGES, LABELS] {
        let dir = test_part();
        fs::remove_file(dir.path().join(format!("{name}.gz"))).unwrap();
        let error = load_error(dir.path());
        assert!(matches!(error, DataError::MissingEither { .. }), "{error}");
        assert_helpful(&error, &dir.path().join(name));
        assert!(error.to_string().contains("`.gz`"), "{error}");
    }
}

#[test]
fn a_missing_idx_file_is_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("absent");
    let error = idx::read::<1>(&path).unwrap_err();
    assert!(matches!(error, DataError::MissingFile { .. }), "{error}");
    assert_helpful(&error, &path);
}

#[test]
fn a_folder_in_a_files_place_is_named() {
    let dir = test_part();
    let path = dir.path().join(IMAGES);
    fs::create_dir(&path).unwrap();
    let error = load_error(dir.path());
    assert!(matches!(error, DataError::NotAFile { .. }), "{error}");
    assert_helpful(&error, &path);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_round_in_a_circle_is_unreadable() {
    let dir = test_part();
    let path = dir.path().join(IMAGES);
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let error = load_error(dir.path());
    assert!(matches!(error, DataError::Unreadable { .. }), "{error}");
    assert_helpful(&error, &path);
}

#[test]
fn an_empty_file_is_named() {
    for name in [IMAGES.to_owned(), format!("{LABELS}.gz")] {
        let dir = test_part();
        let path = write(dir.path(), &name, b"");
        let error = load_error(dir.path());
        assert!(matches!(error, DataError::EmptyFile { .. }), "{error}");
        assert_helpful(&error, &path);
    }
}

#[test]
fn a_page_saved_as_gzip_is_not_gzip() {
    let dir = test_part();
    let path = write(dir.path(), &format!("{IMAGES}.gz"), b"<!DOCTYPE html>");
    let error = load_error(dir.path());
    assert!(
        matches!(&error, DataError::NotGzip { found, .. } if found == b"<!"),
        "{error}"
    );
    assert_helpful(&error, &path);
}

#[test]
fn labels_cut_at_many_lengths_are_an_error() {
    let dir = TempDir::new().unwrap();
    let name = format!("{LABELS}.gz");
    let whole = fs::read(mnist_folder().join(&name)).unwrap();
    for length in throughout(whole.len()) {
        let path = write(dir.path(), &name, &whole[..length]);
        let error = idx::read::<1>(&path).unwrap_err();
        let as_expected = match length {
            0 => matches!(error, DataError::EmptyFile { .. }),
            1 => matches!(error, DataError::NotGzip { .. }),
            _ => matches!(error, DataError::TruncatedGzip { .. }),
        };
        assert!(as_expected, "{length}: {error}");
        assert_helpful(&error, &path);
    }
}

#[test]
fn images_cut_short_are_an_error_and_say_how_far_they_go() {
    let dir = test_part();
    let name = format!("{IMAGES}.gz");
    let whole = fs::read(mnist_folder().join(&name)).unwrap();
    let mut before = 0;
    for length in [whole.len() / 10, whole.len() / 2, whole.len() - 1] {
        let path = write(dir.path(), &name, &whole[..length]);
        let error = load_error(dir.path());
        let DataError::TruncatedGzip { unpacked, .. } = error else {
            panic!("{length}: {error}");
        };
        assert!(unpacked > before && unpacked <= 7_840_016, "{unpacked}");
        before = unpacked;
        assert_helpful(&error, &path);
    }
    assert_eq!(before, 7_840_016);
}

#[test]
fn a_flipped_byte_in_gzip_is_an_error_or_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let name = format!("{LABELS}.gz");
    let mut bytes = fs::read(mnist_folder().join(&name)).unwrap();
    let original = idx::read::<1>(&mnist_folder().join(&name)).unwrap();
    let mut unharmed = 0;
    for position in throughout(bytes.len()) {
        bytes[position] ^= 0x55;
        let path = write(dir.path(), &name, &bytes);
        match idx::read::<1>(&path) {
            Ok(tensor) => {
                assert_eq!(tensor, original, "{position}");
                unharmed += 1;
            }
            Err(error) => assert_helpful(&error, &path),
        }
        bytes[position] ^= 0x55;
    }
    // Gzip's header has a time of four bytes, hints on compression and system of one each, and a
    // file name that nobody checks; all else is covered by CRC-32.
    assert!(unharmed <= 6 + LABELS.len(), "{unharmed}");
}

#[test]
fn a_flipped_bit_in_an_unpacked_file_is_a_wrong_checksum() {
    let dir = test_part();
    let labels = idx::read::<1>(&dir.path().join(format!("{LABELS}.gz"))).unwrap();
    for position in [0, 4_999, 9_999] {
        let mut values = labels.values.clone();
        values[position] ^= 1;
        let path = write(dir.path(), LABELS, &idx_bytes(&[10_000], &values));
        let error = load_error(dir.path());
        assert!(
            matches!(
                error,
                DataError::ChecksumMismatch {
                    recognised: None,
                    ..
                }
            ),
            "{error}"
        );
        assert_helpful(&error, &path);
        assert!(
            error.to_string().contains("without verification"),
            "{error}"
        );
        assert!(Mnist::load_unverified(dir.path(), Split::Test).is_ok());
    }
}

#[test]
fn exchanged_names_are_recognised_by_what_the_files_hold() {
    let dir = test_part();
    let [images, labels, aside] =
        [IMAGES, LABELS, "aside"].map(|name| dir.path().join(format!("{name}.gz")));
    fs::rename(&images, &aside).unwrap();
    fs::rename(&labels, &images).unwrap();
    let error = load_error(dir.path());
    assert!(
        matches!(
            error,
            DataError::Mislabelled {
                expected: Content::Images,
                found: Content::Labels,
                ..
            }
        ),
        "{error}"
    );
    assert_helpful(&error, &images);

    fs::rename(&aside, &labels).unwrap();
    fs::copy(&labels, &images).unwrap();
    let error = load_error(dir.path());
    assert!(
        matches!(
            error,
            DataError::Mislabelled {
                expected: Content::Labels,
                found: Content::Images,
                ..
            }
        ),
        "{error}"
    );
    assert_helpful(&error, &labels);
}

#[test]
fn training_labels_under_the_tests_name_are_recognised() {
    let dir = test_part();
    let path = dir.path().join(format!("{LABELS}.gz"));
    fs::copy(mnist_folder().join("train-labels-idx1-ubyte.gz"), &path).unwrap();
    let error = load_error(dir.path());
    assert!(
        matches!(
            error,
            DataError::ChecksumMismatch {
                recognised: Some("train-labels-idx1-ubyte"),
                ..
            }
        ),
        "{error}"
    );
    assert_helpful(&error, &path);
    let error = Mnist::load_unverified(dir.path(), Split::Test).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::CountMismatch {
                image_count: 10_000,
                label_count: 60_000,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn another_data_set_in_the_same_format_loads_only_unverified() {
    let dir = TempDir::new().unwrap();
    write_miniature(dir.path());
    let error = Mnist::load(dir.path(), Split::Train).unwrap_err();
    assert!(
        matches!(error, DataError::ChecksumMismatch { .. }),
        "{error}"
    );
    assert_helpful(&error, &dir.path().join("train-images-idx3-ubyte"));
    let set = Mnist::load_unverified(dir.path(), Split::Train).unwrap();
    assert_eq!(set.pixels.dim(), (5, 1, 3, 2));
}

#[test]
fn labels_that_do_not_match_the_images_in_number_are_an_error() {
    let dir = TempDir::new().unwrap();
    write_miniature(dir.path());
    let labels = gzip(&idx_bytes(&[4], &[3, 1, 4, 1]));
    let labels = write(dir.path(), "train-labels-idx1-ubyte.gz", &labels);
    let error = Mnist::load_unverified(dir.path(), Split::Train).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::CountMismatch {
                image_count: 5,
                label_count: 4,
                ..
            }
        ),
        "{error}"
    );
    assert_helpful(&error, &dir.path().join("train-images-idx3-ubyte"));
    let message = error.to_string();
    assert!(message.contains(&labels.display().to_string()), "{message}");
}

#[test]
fn a_set_without_a_pixel_is_an_error() {
    let dir = TempDir::new().unwrap();
    write_miniature(dir.path());
    let path = write(
        dir.path(),
        "train-images-idx3-ubyte",
        &idx_bytes(&[5, 0, 2], &[]),
    );
    let error = Mnist::load_unverified(dir.path(), Split::Train).unwrap_err();
    assert!(
        matches!(&error, DataError::NoSamples { shape, .. } if shape == &[5, 0, 2]),
        "{error}"
    );
    assert_helpful(&error, &path);
}

#[test]
fn something_appended_to_a_gzip_file_is_an_error() {
    let dir = test_part();
    let name = format!("{LABELS}.gz");
    let mut bytes = fs::read(dir.path().join(&name)).unwrap();
    bytes.extend(b"something else");
    let path = write(dir.path(), &name, &bytes);
    let error = load_error(dir.path());
    assert!(
        matches!(
            error,
            DataError::CorruptGzip {
                unpacked: 10_008,
                ..
            }
        ),
        "{error}"
    );
    assert_helpful(&error, &path);
}
