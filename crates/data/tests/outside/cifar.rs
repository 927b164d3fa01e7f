//! CIFAR's records, from their author's description: labels, then 1,024 bytes of red, of green, of blue.

use std::fs;

use data::{Cifar, Cifar100Labels, DataError, Source, Split};
use tempfile::TempDir;

use super::{assert_helpful, samples};

/// A record whose red is its row, green its column, and blue 200.
fn record(labels: &[u8]) -> Vec<u8> {
    let red = (0..1024).map(|place| (place / 32) as u8);
    let green = (0..1024).map(|place| (place % 32) as u8);
    let labels = labels.iter().copied();
    labels.chain(red).chain(green).chain([200; 1024]).collect()
}

fn write_ten(dir: &TempDir) {
    for batch in 1..=5 {
        let bytes = [record(&[batch]), record(&[batch + 4])].concat();
        fs::write(dir.path().join(format!("data_batch_{batch}.bin")), bytes).unwrap();
    }
    fs::write(dir.path().join("test_batch.bin"), record(&[0])).unwrap();
}

#[test]
fn cifar_10_is_its_five_batches_in_their_order() {
    let dir = TempDir::new().unwrap();
    write_ten(&dir);
    let set = Cifar::Ten.load(dir.path(), Split::Train).unwrap();
    assert_eq!(set.sample_shape(), [3, 32, 32]);
    let labels: Vec<_> = (0..set.len())
        .map(|index| set.label(index).unwrap())
        .collect();
    assert_eq!(labels, [1, 5, 2, 6, 3, 7, 4, 8, 5, 9]);
    assert_eq!(set.class_count(), 10);
    // As in batches.meta.txt.
    assert_eq!(set.class_names()[..3], ["airplane", "automobile", "bird"]);
    assert_eq!(set.class_names()[9], "truck");
    let first = samples(&set, &[0]);
    let at = |channel: usize, row: usize, column: usize| {
        ((first[(channel * 32 + row) * 32 + column] + 1.0) * 127.5).round()
    };
    assert_eq!([at(0, 5, 7), at(1, 5, 7), at(2, 5, 7)], [5.0, 7.0, 200.0]);
    assert_eq!(Cifar::Ten.load(dir.path(), Split::Test).unwrap().len(), 1);
}

#[test]
fn cifar_100_has_the_coarse_label_first() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("train.bin"), record(&[4, 23])).unwrap();
    for (labels, label, count, name) in [
        (Cifar100Labels::Fine, 23, 100, "cloud"),
        (Cifar100Labels::Coarse, 4, 20, "fruit_and_vegetables"),
    ] {
        let set = Cifar::Hundred(labels)
            .load(dir.path(), Split::Train)
            .unwrap();
        assert_eq!(set.label(0), Some(label));
        assert_eq!(set.class_names().len(), count);
        assert_eq!(set.class_names()[usize::from(label)], name);
    }
}

#[test]
fn names_of_classes_are_sorted_as_their_author_sorted_them() {
    for form in [
        Cifar::Hundred(Cifar100Labels::Fine),
        Cifar::Hundred(Cifar100Labels::Coarse),
    ] {
        assert!(form.class_names().is_sorted(), "{form:?}");
    }
}

#[test]
fn damage_is_named() {
    let dir = TempDir::new().unwrap();
    write_ten(&dir);
    let path = dir.path().join("data_batch_3.bin");
    let load = || Cifar::Ten.load(dir.path(), Split::Train).unwrap_err();

    fs::write(&path, &record(&[3])[..3000]).unwrap();
    let error = load();
    assert!(
        matches!(error, DataError::Ragged { size: 3000, .. }),
        "{error}"
    );
    assert_helpful(&error, &path);

    fs::write(&path, [record(&[3]), record(&[10])].concat()).unwrap();
    let error = load();
    assert!(
        matches!(
            error,
            DataError::UnknownClass {
                index: 1,
                label: 10,
                ..
            }
        ),
        "{error}"
    );
    assert_helpful(&error, &path);

    fs::write(&path, b"").unwrap();
    assert!(matches!(load(), DataError::EmptyFile { .. }));
    fs::remove_file(&path).unwrap();
    let error = load();
    assert!(matches!(error, DataError::MissingFile { .. }), "{error}");
    assert_helpful(&error, &path);
}
