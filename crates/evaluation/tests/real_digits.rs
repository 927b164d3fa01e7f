//! A judge trained briefly on real digits does what a judge is for. Its published figures come from
//! the longer training of the example `judge`.

use std::path::Path;

use burn::tensor::Device;
use data::{ImageSet, Mnist, Source, Split};
use evaluation::digits::{DigitJudge, DigitPool, JudgeOptions, NonDigit};
use evaluation::frechet_distance_of_samples;
use ndarray::s;

fn part(set: &ImageSet, from: usize, until: usize) -> ImageSet {
    ImageSet {
        pixels: set.pixels.slice(s![from..until, .., .., ..]).to_owned(),
        labels: set.labels.as_ref().map(|l| l[from..until].to_vec()),
    }
}

#[test]
fn after_a_few_hundred_steps_held_out_digits_are_told_from_each_other_and_from_none() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/mnist");
    // The smaller of the two files is enough, and quick to read.
    let digits = Mnist::load(&folder, Split::Test).unwrap();
    let (train, held_out) = (part(&digits, 0, 9000), part(&digits, 9000, 10_000));
    let options = JudgeOptions {
        steps: 250,
        batch: 64,
        ..JudgeOptions::default()
    };
    let judge = DigitJudge::train(&train, options, &Device::flex(), &mut |_| {}).unwrap();

    let mut images = Vec::new();
    let first: Vec<usize> = (0..1000).collect();
    held_out.write_samples(&first, &mut images).unwrap();
    let verdicts = judge.classify(&images, 1000).unwrap();
    let right = (0..1000)
        .filter(|&i| verdicts[i].digit == held_out.label(i))
        .count();
    assert!(right >= 900, "{right} of 1000");

    let pool = DigitPool::new(&held_out).unwrap();
    for kind in [
        NonDigit::Noise,
        NonDigit::Blank,
        NonDigit::ShuffledPatches,
        NonDigit::Average,
    ] {
        let pictures = kind.pictures(&pool, 200, 1);
        let share = judge.readable_share(&pictures, 200).unwrap().readable;
        assert!(share < 0.05, "{kind:?}: {share}");
    }

    // Further from the digits in the judge's features, the worse the pictures.
    let features = judge.features(&images, 1000).unwrap();
    let distance = |pictures: &[f32]| {
        let others = judge.features(pictures, pictures.len() / 784).unwrap();
        frechet_distance_of_samples(features.view(), others.view())
            .unwrap()
            .squared()
    };
    let mut others = Vec::new();
    train.write_samples(&first, &mut others).unwrap();
    let (real, blends) = (
        distance(&others),
        distance(&NonDigit::Blend.pictures(&pool, 1000, 2)),
    );
    let noise = distance(&NonDigit::Noise.pictures(&pool, 1000, 3));
    assert!(
        4.0 * real < blends && blends < noise,
        "{real} {blends} {noise}"
    );
}
