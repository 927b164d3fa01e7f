//! Folders of pictures: which files, which classes, which order, and what training gets.

use std::fs;

use data::folder::{FolderFault, PictureFault, list};
use data::{DataError, ImageFolder, ImageFolderConfig, Source};
use tempfile::TempDir;

use super::{assert_helpful, bytes_made_elsewhere, made_elsewhere, samples, write_png};

fn config(dir: &TempDir, more: &str) -> ImageFolderConfig {
    toml::from_str(&format!("path = {:?}\n{more}", dir.path())).unwrap()
}

/// Pictures of 4x4 pixels of one colour each.
fn write_all(dir: &TempDir, names: &[&str]) {
    for (number, name) in names.iter().enumerate() {
        write_png(&dir.path().join(name), 4, 4, |_, _| [number as u8; 3]);
    }
}

#[test]
fn the_order_is_that_of_the_names_and_other_files_are_counted() {
    let dir = TempDir::new().unwrap();
    write_all(
        &dir,
        &["b/2.png", "b/10.png", "a.png", "B/1.PNG.png", "c/d/e.png"],
    );
    fs::write(dir.path().join("notes.TXT"), "x").unwrap();
    fs::write(dir.path().join("README"), "x").unwrap();
    fs::write(dir.path().join("b/._2.png"), "x").unwrap();
    fs::create_dir(dir.path().join(".cache")).unwrap();
    fs::write(dir.path().join(".cache/old.png"), "x").unwrap();
    fs::rename(dir.path().join("c/d/e.png"), dir.path().join("c/d/e.PNG")).unwrap();

    let listing = list(dir.path(), false).unwrap();
    let names: Vec<_> = (listing.files.iter())
        .map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["B/1.PNG.png", "a.png", "b/10.png", "b/2.png", "c/d/e.PNG"]
    );
    let ignored: Vec<_> = listing.ignored.into_iter().collect();
    let expected = [(".txt", 1), ("hidden", 2), ("without ending", 1)];
    assert_eq!(
        ignored,
        expected.map(|(name, count)| (name.to_owned(), count))
    );

    let set = ImageFolder::open(&config(&dir, "")).unwrap();
    let red: Vec<_> = samples(&set, &[0, 1, 2, 3, 4])
        .chunks(48)
        .map(|sample| ((sample[0] + 1.0) * 127.5).round())
        .collect();
    assert_eq!(red, [3.0, 2.0, 1.0, 0.0, 4.0]);
    assert_eq!((set.label(0), set.class_count()), (None, 0));
}

#[test]
fn folders_are_classes_where_that_is_asked_for() {
    let dir = TempDir::new().unwrap();
    write_all(
        &dir,
        &["dog/1.png", "cat/1.png", "cat/young/2.png", "eel/9.png"],
    );
    let set = ImageFolder::open(&config(&dir, "classes = true")).unwrap();
    assert_eq!(set.class_names(), ["cat", "dog", "eel"]);
    let labels: Vec<_> = (0..4).map(|index| set.label(index)).collect();
    assert_eq!(labels, [Some(0), Some(0), Some(1), Some(2)]);
    assert_eq!(set.label(4), None);

    write_all(&dir, &["stray.png"]);
    let error = ImageFolder::open(&config(&dir, "classes = true")).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::Folder {
                fault: FolderFault::Unclassed,
                ..
            }
        ),
        "{error}"
    );
    assert_helpful(&error, &dir.path().join("stray.png"));
}

#[test]
fn more_classes_than_labels_are_refused() {
    let dir = TempDir::new().unwrap();
    for class in 0..257 {
        fs::create_dir(dir.path().join(class.to_string())).unwrap();
    }
    let error = list(dir.path(), true).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::Folder {
                fault: FolderFault::TooManyClasses { count: 257 },
                ..
            }
        ),
        "{error}"
    );
    assert_helpful(&error, dir.path());
}

#[test]
fn a_folder_without_pictures_tells_what_else_is_there() {
    let dir = TempDir::new().unwrap();
    let error = list(dir.path(), false).unwrap_err();
    assert!(error.to_string().contains("nor any other file"), "{error}");
    for name in ["a.tiff", "b.tiff", "c.mp4"] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    let error = list(dir.path(), false).unwrap_err();
    assert!(error.to_string().contains("1 .mp4, 2 .tiff"), "{error}");
    assert_helpful(&error, dir.path());
}

#[cfg(unix)]
#[test]
fn links_that_lead_round_in_a_circle_are_found() {
    let dir = TempDir::new().unwrap();
    write_all(&dir, &["a/1.png"]);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("a/up")).unwrap();
    let error = list(dir.path(), false).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::Folder {
                fault: FolderFault::Circle,
                ..
            }
        ),
        "{error}"
    );
    assert_helpful(&error, &dir.path().join("a/up"));
}

#[test]
fn pictures_of_several_sizes_need_one_to_be_named() {
    let dir = TempDir::new().unwrap();
    write_all(&dir, &["a.png"]);
    write_png(&dir.path().join("b.png"), 6, 5, |_, _| [9; 3]);
    let set = ImageFolder::open(&config(&dir, "")).unwrap();
    assert_eq!(set.sample_shape(), [3, 4, 4]);
    let error = set.write_samples(&[0, 1], &mut Vec::new()).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::Picture {
                fault: PictureFault::OtherSize { .. },
                ..
            }
        ),
        "{error}"
    );
    assert_helpful(&error, &dir.path().join("b.png"));
    let set = ImageFolder::open(&config(&dir, "size = [2, 3]\nchannels = \"grey\"")).unwrap();
    assert_eq!(set.sample_shape(), [1, 2, 3]);
    assert_eq!(samples(&set, &[0, 1]).len(), 12);
}

#[test]
fn a_file_that_vanishes_is_an_error_and_leaves_the_batch_as_it_was() {
    let dir = TempDir::new().unwrap();
    write_all(&dir, &["a.png", "b.png", "c.png", "d.png"]);
    let set = ImageFolder::open(&config(&dir, "cache_mib = 0")).unwrap();
    let gone = dir.path().join("c.png");
    fs::remove_file(&gone).unwrap();
    let mut out = vec![7.0];
    let error = set.write_samples(&[0, 1, 2, 3], &mut out).unwrap_err();
    assert!(matches!(error, DataError::MissingFile { .. }), "{error}");
    assert_helpful(&error, &gone);
    assert_eq!(out, [7.0]);
    set.write_samples(&[0, 1, 3], &mut out).unwrap();
    assert_eq!(out.len(), 1 + 3 * 48);
}

#[test]
fn the_cache_holds_no_more_than_its_room() {
    let dir = TempDir::new().unwrap();
    for number in 0..6 {
        let path = dir.path().join(format!("{number}.png"));
        // 400x400 RGB: 480,000 bytes; two fit into a MiB.
        write_png(&path, 400, 400, |x, _| [x as u8, number, 0]);
    }
    let set = ImageFolder::open(&config(&dir, "cache_mib = 1")).unwrap();
    for _ in 0..2 {
        samples(&set, &[0, 1, 2, 3, 4, 5]);
        assert!(
            (960_000..=1 << 20).contains(&set.cached_bytes()),
            "{}",
            set.cached_bytes()
        );
    }
}

#[test]
fn the_ending_does_not_matter_to_the_decoder() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("a.jpg"), bytes_made_elsewhere("source.png")).unwrap();
    fs::copy(made_elsewhere("source.webp"), dir.path().join("b.JPEG")).unwrap();
    let set = ImageFolder::open(&config(&dir, "")).unwrap();
    assert_eq!(samples(&set, &[0]), samples(&set, &[1]));
}

#[test]
fn impossible_values_are_named() {
    let dir = TempDir::new().unwrap();
    write_all(&dir, &["a.png"]);
    for (text, field) in [
        ("size = 0", "data.size = 0"),
        ("size = [8, 5000]", "data.size = [8, 5000]"),
        ("size = [8, 9]\ncrop = \"adm\"", "data.size = [8, 9]"),
        ("size = 8\nresize = 9", "data.resize = 9"),
        ("size = 8\nresize = 7\ncrop = \"random\"", "data.resize = 7"),
        ("resize = 7\ncrop = \"random\"", "data.resize = 7"),
    ] {
        let error = ImageFolder::open(&config(&dir, text))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(field), "{error}");
    }
}
