//! Pictures that are cut, altered or made to harm: an error, and no more memory than their size justifies.

use std::fs;
use std::path::Path;

use data::folder::{Channels, Crop, Filter, PictureFault, decode, fit};
use data::{DataError, ImageFolder, ImageFolderConfig, Source};
use tempfile::TempDir;

use super::{assert_helpful, bytes_made_elsewhere};

fn fault(bytes: &[u8]) -> PictureFault {
    decode(bytes, Channels::Rgb).unwrap_err()
}

/// A PNG's header for a size, with the right checksum, and no more.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&chunk);
    bytes.extend(crc.sum().to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    bytes
}

#[test]
fn a_picture_cut_anywhere_is_an_error() {
    for name in ["source.png", "source.jpg", "source.webp", "animated.webp"] {
        let whole = bytes_made_elsewhere(name);
        // What follows the last pixel of a PNG, and a WebP's filling, may be missing.
        for length in (0..whole.len() - 16).step_by(97) {
            let outcome = decode(&whole[..length], Channels::Rgb);
            assert!(
                outcome.is_err(),
                "{name} cut to {length} of {}",
                whole.len()
            );
        }
    }
}

#[test]
fn a_jpeg_that_ends_early_is_told_from_one_that_is_followed_by_more() {
    let whole = bytes_made_elsewhere("source.jpg");
    for length in [whole.len() / 2, whole.len() - 2, whole.len() - 1] {
        assert_eq!(fault(&whole[..length]), PictureFault::Truncated);
    }
    // A thumbnail's end marker in front does not count.
    let mut marked = whole[..2].to_vec();
    marked.extend(b"\xff\xe1\x00\x06\xff\xd8\xff\xd9");
    marked.extend(&whole[2..whole.len() - 9]);
    assert_eq!(fault(&marked), PictureFault::Truncated);
    let followed = [&whole[..], b"a maker's note"].concat();
    assert!(decode(&followed, Channels::Rgb).is_ok());
}

#[test]
fn bytes_of_no_picture_are_told_by_what_they_are() {
    for (bytes, word) in [
        (&b"GIF89a\x01\x00\x01\x00"[..], "GIF"),
        (b"BM\x46\0\0\0", "BMP"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"<!DOCTYPE html>", "text"),
        (b"", "neither"),
        (b"\xff", "neither"),
    ] {
        let fault = fault(bytes);
        assert!(
            matches!(fault, PictureFault::Unrecognised { .. }),
            "{fault}"
        );
        assert!(fault.to_string().contains(word), "{fault}");
    }
}

#[test]
fn a_header_may_not_promise_what_its_file_cannot_hold() {
    for (width, height) in [
        (30_000, 30_000),
        (5_592_406, 1),
        (u32::MAX >> 1, u32::MAX >> 1),
    ] {
        let fault = fault(&png_header(width, height));
        assert!(
            matches!(
                fault,
                PictureFault::TooLarge { .. } | PictureFault::Damaged { .. }
            ),
            "{fault}"
        );
    }
    let fault = fault(&png_header(30, 30));
    assert!(matches!(fault, PictureFault::Damaged { .. }), "{fault}");
}

/// image-webp 0.2.4 would take the 4 GiB that the size of such a chunk claims.
#[test]
fn a_webp_chunk_may_not_claim_more_than_the_file_has() {
    let mut bytes = bytes_made_elsewhere("animated.webp");
    let exif = [b"EXIF".as_slice(), &0xffff_fff0_u32.to_le_bytes(), b"II*\0"].concat();
    bytes.splice(30..30, exif);
    assert_eq!(fault(&bytes), PictureFault::Truncated);
}

#[test]
fn a_webp_frame_may_not_be_larger_than_its_file_justifies() {
    let lossless = [&0x0fff_ffff_u32.to_le_bytes()[..], &[0; 7]].concat();
    let lossless = [b"VP8L\x0c\0\0\0\x2f".as_slice(), &lossless].concat();
    let lossy = b"VP8 \x0c\0\0\0\x10\x02\0\x9d\x01\x2a\xff\x3f\xff\x3f\0\0";
    let frame = [b"ANMF\x24\0\0\0".as_slice(), &[0; 16], lossy].concat();
    for chunk in [&lossless[..], lossy, &frame] {
        let size = (chunk.len() + 4) as u32;
        let bytes = [b"RIFF", &size.to_le_bytes()[..], b"WEBP", chunk].concat();
        let fault = fault(&bytes);
        assert!(matches!(fault, PictureFault::TooLarge { .. }), "{fault}");
    }
}

#[test]
fn a_strip_is_not_resized_to_something_gigantic() {
    let strip = data::folder::Picture {
        height: 1,
        width: 4_000_000,
        channels: 1,
        pixels: vec![9; 4_000_000],
    };
    let size = [64, 64];
    for crop in [Crop::Random, Crop::Adm] {
        let fault = fit(strip.clone(), size, size, crop, Filter::Lanczos).unwrap_err();
        assert!(matches!(fault, PictureFault::Proportions { .. }), "{fault}");
    }
    for crop in [Crop::Centre, Crop::Stretch] {
        let fitted = fit(strip.clone(), size, size, crop, Filter::Box).unwrap();
        assert_eq!(fitted.pixels, vec![9; 64 * 64]);
    }
}

#[test]
fn each_fault_of_a_file_is_an_error_that_names_it() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.png");
    let whole = bytes_made_elsewhere("source.png");
    let mut flipped = whole.clone();
    flipped[2000] ^= 1;
    for bytes in [
        &whole[..3000],
        &flipped,
        b"GIF89a",
        b"",
        &png_header(30_000, 30_000),
    ] {
        fs::write(&path, bytes).unwrap();
        let mut config = ImageFolderConfig::new(dir.path());
        config.size = Some(data::folder::Size::Square(8));
        let set = ImageFolder::open(&config).unwrap();
        let error: DataError = set.write_samples(&[0], &mut Vec::new()).unwrap_err();
        assert_helpful(&error, Path::new(&path));
    }
}
