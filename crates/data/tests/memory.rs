//! The reader takes no more memory than the size of a file justifies. Measured as the process's
//! own peak, so this test has a binary to itself.

#![cfg(target_os = "linux")]

mod made_files;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use data::{DataError, idx};
use flate2::Compression;
use flate2::write::GzEncoder;
use made_files::idx_bytes;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// The largest resident size so far in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Gzips a header for `promised` values and then `zeros` zeros.
fn bomb(path: &Path, promised: u32, zeros: u64) {
    let mut encoder = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
    encoder.write_all(&idx_bytes(&[promised], &[])).unwrap();
    io::copy(&mut io::repeat(0).take(zeros), &mut encoder).unwrap();
    encoder.finish().unwrap();
}

#[test]
fn bombs_and_false_promises_cost_next_to_nothing() {
    let dir = TempDir::new().unwrap();
    let [honest_bomb, hidden_bomb, false_promise, plain_promise] =
        ["a.gz", "b.gz", "c.gz", "d"].map(|name| dir.path().join(name));
    bomb(&honest_bomb, (256 * MIB) as u32, 256 * MIB);
    bomb(&hidden_bomb, 16, 256 * MIB);
    // A file of 2 MiB may promise 128 MiB, and this one promises 100 and has 2.
    let mut noise = idx_bytes(&[100 * MIB as u32], &[]);
    let mut state = 1_u32;
    noise.extend((0..2 * MIB).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    let noise = made_files::gzip(&noise);
    assert!(noise.len() as u64 > 2 * MIB - 100_000);
    fs::write(&false_promise, &noise).unwrap();
    drop(noise);
    fs::write(&plain_promise, idx_bytes(&[u32::MAX], &[0; 1000])).unwrap();

    let before = peak();
    let errors = [honest_bomb, hidden_bomb, false_promise, plain_promise]
        .map(|path| idx::read::<1>(&path).unwrap_err());
    let grown = peak() - before;

    assert!(
        matches!(
            errors,
            [
                DataError::Implausible { .. },
                DataError::TrailingBytes { .. },
                DataError::Truncated { .. },
                DataError::Truncated { .. },
            ]
        ),
        "{errors:#?}"
    );
    assert!(grown < 16 * MIB, "{grown} bytes");
}
