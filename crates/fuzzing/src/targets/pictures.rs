//! PNG, JPEG and WebP through the loader of folders. Pillow wrote the files in `corpus`.

use data::folder::{Channels, Crop, Filter, decode, fit};

use crate::Target;

pub(super) static TARGETS: [Target; 3] = [
    Target {
        name: "png",
        seeds: Vec::new,
        run: load,
        dictionary: &[
            b"IHDR",
            b"IDAT",
            b"PLTE",
            b"tRNS",
            b"IEND",
            b"acTL",
            b"fcTL",
            b"fdAT",
            b"gAMA",
            b"eXIf",
            b"iCCP",
            b"zTXt",
            b"iTXt",
            b"\x89PNG\r\n\x1a\n",
        ],
        repair: Some(|bytes| chunk_sums(bytes)),
    },
    Target {
        name: "jpeg",
        seeds: Vec::new,
        run: load,
        dictionary: &[
            b"\xff\xd8",
            b"\xff\xd9",
            b"\xff\xda",
            b"\xff\xc0",
            b"\xff\xc2",
            b"\xff\xc4",
            b"\xff\xdb",
            b"\xff\xdd",
            b"\xff\xe1",
            b"\xff\xee",
            b"\xff\xd0",
            b"Exif\0\0",
            b"ICC_PROFILE\0",
            b"Adobe",
        ],
        repair: Some(end_of_image),
    },
    Target {
        name: "webp",
        seeds: Vec::new,
        run: load,
        dictionary: &[
            b"RIFF",
            b"WEBP",
            b"VP8 ",
            b"VP8L",
            b"VP8X",
            b"ANIM",
            b"ANMF",
            b"ALPH",
            b"ICCP",
            b"EXIF",
            b"\x9d\x01\x2a",
            b"\x2f",
        ],
        repair: Some(|bytes| riff_length(bytes)),
    },
];

/// Decodes the bytes, and brings what they hold to a small size in every way. Whether to colours or to grey
/// is left to their length, as two decodings would take twice the time.
fn load(bytes: &[u8]) {
    let channels = match bytes.len() % 2 {
        0 => Channels::Rgb,
        _ => Channels::Grey,
    };
    let Ok((picture, _)) = decode(bytes, channels) else {
        return;
    };
    for crop in [Crop::Centre, Crop::Random, Crop::Adm, Crop::Stretch] {
        let _ = fit(picture.clone(), [8, 8], [9, 8], crop, Filter::Lanczos);
    }
}

/// Recomputes the CRC of every chunk (PNG specification, section 5.3).
fn chunk_sums(bytes: &mut [u8]) {
    let mut start = 8;
    while let Some(&[a, b, c, d]) = bytes.get(start..start + 4) {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(sum_at) = length.checked_add(start + 8) else {
            return;
        };
        if sum_at + 4 > bytes.len() {
            return;
        }
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[start + 4..sum_at]);
        bytes[sum_at..sum_at + 4].copy_from_slice(&crc.sum().to_be_bytes());
        start = sum_at + 4;
    }
}

/// Ends the file as a whole one ends.
fn end_of_image(bytes: &mut Vec<u8>) {
    bytes.extend(b"\xff\xd9");
}

/// Makes the length of the container what it is.
fn riff_length(bytes: &mut [u8]) {
    if let Some(length) = bytes.len().checked_sub(8) {
        bytes[4..8].copy_from_slice(&(length as u32).to_le_bytes());
    }
}
