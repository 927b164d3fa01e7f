//! Pictures come out as Pillow makes them, bit for bit, with the steps of EDM's dataset_tool.py.

use data::folder::{Channels, Crop, Filter, Picture, decode, fit};

use data::{ImageFolder, ImageFolderConfig};
use tempfile::TempDir;

use super::{bytes_made_elsewhere, made_elsewhere, samples};

fn picture(name: &str, channels: Channels) -> Picture {
    decode(&bytes_made_elsewhere(name), channels).unwrap().0
}

fn fitted(size: [usize; 2], crop: Crop, filter: Filter) -> Picture {
    let source = picture("source.png", Channels::Rgb);
    fit(source, size, size, crop, filter).unwrap()
}

#[track_caller]
fn assert_same(found: &Picture, expected: &str) {
    assert_eq!(*found, picture(expected, Channels::Rgb), "{expected}");
}

#[test]
fn the_middle_is_cut_and_resized_as_in_edms_tool() {
    assert_same(
        &fitted([16, 16], Crop::Centre, Filter::Lanczos),
        "centre.png",
    );
    let enlarged = fitted([64, 64], Crop::Centre, Filter::Lanczos);
    assert_same(&enlarged, "centre-enlarged.png");
}

#[test]
fn adms_crop_is_adms() {
    assert_same(&fitted([10, 10], Crop::Adm, Filter::Lanczos), "adm.png");
}

#[test]
fn each_filter_is_pillows() {
    for (filter, expected) in [
        (Filter::Lanczos, "stretch-lanczos.png"),
        (Filter::Bicubic, "stretch-bicubic.png"),
        (Filter::Bilinear, "stretch-bilinear.png"),
        (Filter::Box, "stretch-box.png"),
    ] {
        assert_same(&fitted([13, 24], Crop::Stretch, filter), expected);
    }
}

#[test]
fn without_a_key_a_random_crop_is_torchvisions_resize_and_centre_crop() {
    let dir = TempDir::new().unwrap();
    std::fs::copy(made_elsewhere("source.png"), dir.path().join("a.png")).unwrap();
    let text = format!(
        "path = {:?}\nsize = 16\nresize = 20\ncrop = \"random\"\nfilter = \"bilinear\"",
        dir.path()
    );
    let config: ImageFolderConfig = toml::from_str(&text).unwrap();
    let found = samples(&ImageFolder::open(&config).unwrap(), &[0]);
    let expected = picture("random-middle.png", Channels::Rgb);
    for (place, &value) in found.iter().enumerate() {
        let pixel = f32::from(expected.pixels[place % 256 * 3 + place / 256]);
        assert!(((value + 1.0) * 127.5 - pixel).abs() < 1e-3, "{place}");
    }
}

#[test]
fn grey_is_pillows_luma_exactly() {
    let found = picture("source.png", Channels::Grey);
    let expected = picture("grey.png", Channels::Grey);
    assert_eq!(found, expected);
}

#[test]
fn lossless_formats_hold_the_same_pixels() {
    let png = picture("source.png", Channels::Rgb);
    assert_eq!(picture("source.webp", Channels::Rgb), png);
    assert_eq!(png.pixels.len(), 45 * 70 * 3);
}

#[test]
fn jpeg_is_decoded_as_libjpeg_decodes_it() {
    let found = picture("source.jpg", Channels::Rgb);
    let expected = picture("source-jpg.png", Channels::Rgb);
    let pairs = found.pixels.iter().zip(&expected.pixels);
    let differences: Vec<f64> = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).collect();
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    // T.81 leaves the inverse transform's rounding and the upsampling of colours open.
    assert!(mean < 1.0, "{mean}");
}

#[test]
fn transparency_is_dropped_without_blending() {
    let (found, facts) = decode(&bytes_made_elsewhere("alpha.png"), Channels::Rgb).unwrap();
    assert_eq!(found, picture("source.png", Channels::Rgb));
    assert!(facts.alpha);
}

#[test]
fn a_picture_is_turned_as_its_exif_data_ask_for() {
    let (found, facts) = decode(&bytes_made_elsewhere("turned.png"), Channels::Rgb).unwrap();
    assert_eq!(found, picture("turned-expected.png", Channels::Rgb));
    assert!(facts.oriented);
    assert_eq!(facts.stored_size, [70, 45]);
}

#[test]
fn of_an_animation_the_first_picture_is_taken() {
    for name in ["animated.png", "animated.webp"] {
        let (found, facts) = decode(&bytes_made_elsewhere(name), Channels::Rgb).unwrap();
        assert!(facts.animated, "{name}");
        assert_eq!(found, picture("source.png", Channels::Rgb), "{name}");
    }
}
