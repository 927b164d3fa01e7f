//! Flips and crops are functions of (seed, step, place in the batch) alone.

use data::{AugmentationKey, Flipped, ImageFolder, ImageFolderConfig, ImageSet, Source};
use ndarray::Array4;
use tempfile::TempDir;

use super::{samples, write_png};

const KEY: AugmentationKey = AugmentationKey {
    seed: 5,
    step: 9,
    first_sample: 0,
};

fn ramp() -> Flipped<ImageSet> {
    let pixels = Array4::from_shape_fn((4, 2, 3, 5), |(n, c, h, w)| {
        (n * 60 + c * 30 + h * 10 + w) as u8
    });
    Flipped(ImageSet::new(pixels, None).unwrap())
}

fn augmented(set: &dyn Source, indices: &[usize], key: AugmentationKey) -> Vec<f32> {
    let mut out = Vec::new();
    set.write_augmented(indices, key, &mut out).unwrap();
    out
}

#[test]
fn a_batch_is_the_same_however_it_is_split() {
    let set = ramp();
    let indices: Vec<usize> = (0..40).map(|place| place % 4).collect();
    let whole = augmented(&set, &indices, KEY);
    for cut in [1, 13, 39] {
        let mut parts = augmented(&set, &indices[..cut], KEY);
        parts.extend(augmented(&set, &indices[cut..], KEY.advanced(cut)));
        assert_eq!(parts, whole);
    }
}

#[test]
fn half_of_the_samples_are_mirrored_row_by_row() {
    let set = ramp();
    let plain = samples(&set, &[1]);
    let mirrored: Vec<f32> = plain
        .chunks(5)
        .flat_map(|row| row.iter().rev().copied())
        .collect();
    let many = augmented(&set, &[1; 4000], KEY);
    let mut count = 0;
    for sample in many.chunks(30) {
        assert!(sample == plain || sample == mirrored);
        count += u32::from(sample == mirrored);
    }
    // Six standard deviations of a fair coin.
    assert!((1810..2190).contains(&count), "{count}");
}

#[test]
fn seeds_steps_and_places_draw_anew() {
    let set = ramp();
    let indices = [0; 64];
    let all = augmented(&set, &indices, KEY);
    for other in [
        AugmentationKey { seed: 6, ..KEY },
        AugmentationKey { step: 10, ..KEY },
        KEY.advanced(64),
    ] {
        assert_ne!(augmented(&set, &indices, other), all);
    }
}

#[test]
fn without_a_key_nothing_is_random() {
    let set = ramp();
    assert_eq!(samples(&set, &[0, 3]), samples(&set.0, &[0, 3]));
}

#[test]
fn random_windows_reach_every_place_and_no_further() {
    let dir = TempDir::new().unwrap();
    // The red of a pixel is its column, the green its row.
    write_png(&dir.path().join("a.png"), 12, 10, |x, y| {
        [x as u8, y as u8, 0]
    });
    let toml = format!(
        "path = {:?}\nsize = 8\nresize = 10\ncrop = \"random\"\n",
        dir.path()
    );
    let config: ImageFolderConfig = toml::from_str(&toml).unwrap();
    let set = ImageFolder::open(&config).unwrap();
    let corner = |sample: &[f32]| [0, 64].map(|at| ((sample[at] + 1.0) * 127.5).round() as usize);
    assert_eq!(corner(&samples(&set, &[0])), [2, 1]);
    let many = augmented(&set, &[0; 3000], KEY);
    let mut counts = [[0; 3]; 5];
    for sample in many.chunks(192) {
        let [left, top] = corner(sample);
        counts[left][top] += 1;
    }
    // 200 of each expected; six standard deviations are 82.
    assert!(
        counts
            .iter()
            .flatten()
            .all(|&count| (118..282).contains(&count)),
        "{counts:?}"
    );
}
