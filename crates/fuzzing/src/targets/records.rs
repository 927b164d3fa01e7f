//! IDX and CIFAR.

use std::io::Write;
use std::path::Path;

use data::{Cifar, Cifar100Labels, idx};
use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

use crate::Target;

pub(super) static TARGETS: [Target; 3] = [
    Target {
        name: "idx",
        seeds: idx_seeds,
        run: read_idx,
        dictionary: IDX_TOKENS,
        repair: None,
    },
    Target {
        name: "idx-gzip",
        seeds: || idx_seeds().iter().map(|bytes| deflate(bytes)).collect(),
        run: |bytes| {
            read_idx(bytes);
            // What is mutated is then what was packed, not the packing.
            read_idx(&gzip(bytes));
        },
        dictionary: &[
            b"\x1f\x8b\x08",
            b"\x1f\x8b\x08\x08",
            b"\x03\x00",
            b"\x00\x00\xff\xff",
        ],
        repair: None,
    },
    Target {
        name: "cifar",
        seeds: cifar_seeds,
        run: |bytes| {
            let path = Path::new("input.bin");
            let _ = Cifar::Ten.decode(path, bytes);
            let _ = Cifar::Hundred(Cifar100Labels::Fine).decode(path, bytes);
            let _ = Cifar::Hundred(Cifar100Labels::Coarse).decode(path, bytes);
        },
        dictionary: &[],
        repair: Some(whole_records),
    },
];

const IDX_TOKENS: &[&[u8]] = &[
    b"\0\0\x08\x01",
    b"\0\0\x08\x02",
    b"\0\0\x08\x03",
    b"\0\0\x08\x04",
    b"\0\0\x0d\x03",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
];

fn read_idx(bytes: &[u8]) {
    let path = Path::new("input");
    let _ = idx::decode::<1>(path, bytes);
    let _ = idx::decode::<2>(path, bytes);
    let _ = idx::decode::<3>(path, bytes);
    let _ = idx::decode::<4>(path, bytes);
}

/// An IDX file of each rank.
fn idx_seeds() -> Vec<Vec<u8>> {
    let shapes: [&[u32]; 5] = [&[7], &[3, 5], &[4, 6, 5], &[2, 3, 2, 4], &[0]];
    let seed = |shape: &[u32]| {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend((0..shape.iter().product()).map(|value: u32| (value * 37) as u8));
        bytes
    };
    shapes.into_iter().map(seed).collect()
}

/// `bytes` gzipped without compression (RFC 1952, RFC 1951 section 3.2.4), which takes no time.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzipped = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut blocks = bytes.chunks(0xffff).peekable();
    loop {
        let block = blocks.next().unwrap_or_default();
        let last = blocks.peek().is_none();
        let length = block.len() as u16;
        gzipped.push(u8::from(last));
        gzipped.extend(length.to_le_bytes());
        gzipped.extend((!length).to_le_bytes());
        gzipped.extend(block);
        if last {
            break;
        }
    }
    let mut crc = Crc::new();
    crc.update(bytes);
    gzipped.extend(crc.sum().to_le_bytes());
    gzipped.extend((bytes.len() as u32).to_le_bytes());
    gzipped
}

/// `bytes` gzipped by flate2.
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("a vector takes every byte");
    encoder.finish().expect("a vector takes every byte")
}

/// Two records of each data set.
fn cifar_seeds() -> Vec<Vec<u8>> {
    let record = |labels: &[u8], shift: usize| {
        let pixels = (0..3072).map(|place| (place * 7 + shift) as u8);
        labels.iter().copied().chain(pixels).collect::<Vec<u8>>()
    };
    vec![
        [record(&[3], 0), record(&[9], 50)].concat(),
        [record(&[19, 99], 0), record(&[0, 12], 90)].concat(),
    ]
}

/// Cuts or fills the input to whole records, of one or of two labels by its first byte.
fn whole_records(bytes: &mut Vec<u8>) {
    let record = 3073 + bytes.first().map_or(0, |first| usize::from(first % 2));
    let count = bytes.len().div_ceil(record);
    bytes.resize(count * record, 0);
}
