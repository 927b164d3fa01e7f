//! What the IDX reader takes and what it refuses.

mod made_files;

use data::DataError;
use data::idx::{self, IdxTensor};
use made_files::{gzip, idx_bytes, write};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Reads at the rank that is only known at run time.
fn read_rank(path: &std::path::Path, rank: usize) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    fn parts<const D: usize>(tensor: IdxTensor<D>) -> (Vec<usize>, Vec<u8>) {
        (tensor.shape.to_vec(), tensor.values)
    }
    match rank {
        1 => idx::read::<1>(path).map(parts),
        2 => idx::read::<2>(path).map(parts),
        3 => idx::read::<3>(path).map(parts),
        4 => idx::read::<4>(path).map(parts),
        _ => unreachable!("ranks are 1 to 4"),
    }
}

fn shape_and_values() -> impl Strategy<Value = (Vec<u32>, Vec<u8>)> {
    prop::collection::vec(0_u32..6, 1..=4).prop_flat_map(|shape| {
        let count = shape.iter().product::<u32>() as usize;
        (Just(shape), prop::collection::vec(any::<u8>(), count))
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read_back((shape, values) in shape_and_values(), gzipped: bool) {
        let dir = TempDir::new().unwrap();
        let bytes = idx_bytes(&shape, &values);
        let path = if gzipped {
            write(dir.path(), "file.gz", &gzip(&bytes))
        } else {
            write(dir.path(), "file", &bytes)
        };
        let (read_shape, read_values) = read_rank(&path, shape.len()).unwrap();
        let shape: Vec<usize> = shape.iter().map(|&size| size as usize).collect();
        prop_assert_eq!(read_shape, shape);
        prop_assert_eq!(read_values, values);
    }

    #[test]
    fn another_rank_is_refused((shape, values) in shape_and_values(), asked in 1_usize..=4) {
        prop_assume!(asked != shape.len());
        let dir = TempDir::new().unwrap();
        let path = write(dir.path(), "file", &idx_bytes(&shape, &values));
        let error = read_rank(&path, asked).unwrap_err();
        let matches = matches!(
            &error,
            DataError::WrongRank { expected, found, .. }
                if *expected == asked && *found == shape.len()
        );
        prop_assert!(matches, "{error}");
    }

    #[test]
    fn a_plain_file_cut_anywhere_is_truncated(
        (shape, values) in shape_and_values(),
        cut: prop::sample::Index,
    ) {
        let dir = TempDir::new().unwrap();
        let bytes = idx_bytes(&shape, &values);
        let length = cut.index(bytes.len() - 1) + 1;
        prop_assume!(length < bytes.len());
        let path = write(dir.path(), "file", &bytes[..length]);
        let error = read_rank(&path, shape.len()).unwrap_err();
        let matches = matches!(
            &error,
            DataError::Truncated { found, needed, .. }
                if *found == length as u64 && *needed > length as u128
        );
        prop_assert!(matches, "{error}");
    }

    #[test]
    fn a_byte_too_many_is_refused((shape, values) in shape_and_values(), gzipped: bool) {
        let dir = TempDir::new().unwrap();
        let mut bytes = idx_bytes(&shape, &values);
        let promised = bytes.len() as u128;
        bytes.push(0);
        let bytes = if gzipped { gzip(&bytes) } else { bytes };
        let path = write(dir.path(), "file", &bytes);
        let error = read_rank(&path, shape.len()).unwrap_err();
        let matches =
            matches!(&error, DataError::TrailingBytes { needed, .. } if *needed == promised);
        prop_assert!(matches, "{error}");
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let dir = TempDir::new().unwrap();
        let path = write(dir.path(), "file", &bytes);
        // Chance finds no valid header in 64 bytes: [0, 0, 8, rank] alone has odds of 2⁻³².
        prop_assert!(idx::read::<1>(&path).is_err());
        // A valid start, so that what follows is reached.
        let mut bytes = bytes;
        bytes.splice(0..0, [0, 0, 8, 4]);
        let path = write(dir.path(), "file", &bytes);
        let gzipped = write(dir.path(), "file.gz", &gzip(&bytes));
        prop_assert_eq!(idx::read::<4>(&path).is_ok(), idx::read::<4>(&gzipped).is_ok());
    }
}

#[test]
fn the_checksum_is_that_of_the_unpacked_file() {
    let dir = TempDir::new().unwrap();
    let bytes = idx_bytes(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    let expected: [u8; 32] = Sha256::digest(&bytes).into();
    let plain = write(dir.path(), "file", &bytes);
    let gzipped = write(dir.path(), "file.gz", &gzip(&bytes));
    assert_eq!(idx::read::<2>(&plain).unwrap().sha256, expected);
    assert_eq!(idx::read::<2>(&gzipped).unwrap().sha256, expected);
}

#[test]
fn gzip_is_recognised_under_any_name() {
    let dir = TempDir::new().unwrap();
    let path = write(dir.path(), "labels", &gzip(&idx_bytes(&[2], &[8, 9])));
    assert_eq!(idx::read::<1>(&path).unwrap().values, [8, 9]);
}

#[test]
fn a_gzip_file_of_several_members_is_one_stream() {
    let dir = TempDir::new().unwrap();
    let bytes = idx_bytes(&[4], &[1, 2, 3, 4]);
    let mut members = gzip(&bytes[..6]);
    members.extend(gzip(&bytes[6..]));
    let path = write(dir.path(), "labels.gz", &members);
    assert_eq!(idx::read::<1>(&path).unwrap().values, [1, 2, 3, 4]);
}

#[test]
fn a_very_regular_small_file_is_no_bomb() {
    let dir = TempDir::new().unwrap();
    let bytes = idx_bytes(&[1000, 1000], &[0; 1_000_000]);
    let gzipped = gzip(&bytes);
    assert!(gzipped.len() * 500 < bytes.len());
    let path = write(dir.path(), "blank.gz", &gzipped);
    assert_eq!(idx::read::<2>(&path).unwrap().values.len(), 1_000_000);
}

#[test]
fn a_promise_of_all_that_a_header_can_say_is_refused() {
    let dir = TempDir::new().unwrap();
    let bytes = idx_bytes(&[u32::MAX; 4], &[1, 2, 3]);
    let promised = u128::from(u32::MAX).pow(4) + 20;
    let plain = write(dir.path(), "file", &bytes);
    let error = idx::read::<4>(&plain).unwrap_err();
    assert!(
        matches!(error, DataError::Truncated { needed, found: 23, .. } if needed == promised),
        "{error}"
    );
    let gzipped = write(dir.path(), "file.gz", &gzip(&bytes));
    let error = idx::read::<4>(&gzipped).unwrap_err();
    assert!(
        matches!(error, DataError::Implausible { needed, .. } if needed == promised),
        "{error}"
    );
}

#[test]
fn elements_other_than_bytes_are_named_and_refused() {
    let dir = TempDir::new().unwrap();
    let mut bytes = idx_bytes(&[4], &[0; 16]);
    bytes[2] = 0x0d;
    let path = write(dir.path(), "floats", &bytes);
    let error = idx::read::<1>(&path).unwrap_err();
    assert!(
        matches!(error, DataError::WrongElement { code: 0x0d, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("32-bit float"), "{error}");
}

#[test]
fn a_file_of_another_format_is_refused_by_its_first_bytes() {
    let dir = TempDir::new().unwrap();
    let path = write(dir.path(), "picture", b"\x89PNG\r\n\x1a\n and so on");
    let error = idx::read::<3>(&path).unwrap_err();
    assert!(
        matches!(error, DataError::WrongMagic { found, .. } if &found == b"\x89PNG"),
        "{error}"
    );
}
