//! Trains the default judge and reports how far it can be trusted.
//!
//! ```text
//! cargo run -p evaluation --example judge -- [SEED] [FOLDER OF MNIST] [FILE TO SAVE THE JUDGE IN]
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use data::{ImageSet, Mnist, Source, Split};
use evaluation::digits::{
    DigitJudge, DigitPool, JudgeOptions, NonDigit, READABLE_CONFIDENCE, Readability, Verdict,
};
use evaluation::frechet_distance_of_samples;
use ndarray::Array2;
use sde_core::noise::{Role, fill_standard_normal};

/// Pictures of each kind of non-digit.
const PER_KIND: usize = 2000;

const PIXELS: usize = 28 * 28;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().map_or(Ok(0), |seed| seed.parse())?;
    let shipped = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/mnist");
    let folder = arguments.next().map_or_else(shipped, PathBuf::from);
    let train = Mnist::load(&folder, Split::Train)?;
    let test = Mnist::load(&folder, Split::Test)?;

    let start = Instant::now();
    let judge = DigitJudge::train(
        &train,
        JudgeOptions {
            seed,
            ..JudgeOptions::default()
        },
        &Device::flex(),
        &mut |progress| {
            if progress.step % 500 == 0 {
                println!("step {} loss {:.3}", progress.step, progress.loss);
            }
        },
    )?;
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());
    if let Some(path) = arguments.next() {
        judge.save(Path::new(&path))?;
    }

    let images = pictures(&test, 0, 1);
    let verdicts = judge.classify(&images, test.len())?;
    report_test_digits(&test, &verdicts)?;
    report_thresholds(&judge, &test, &verdicts)?;
    report_false_alarms(&judge, &test)?;
    report_fading(&judge, &test)?;
    report_noise(&judge, &test)?;
    report_distances(&judge, &train, &test)?;
    Ok(())
}

/// Every `step`th picture, from `first` on. MNIST's test digits are sorted by the two populations
/// that wrote them, so a run of them is no fair sample.
fn pictures(set: &ImageSet, first: usize, step: usize) -> Vec<f32> {
    let mut images = Vec::new();
    let indices: Vec<usize> = (first..set.len()).step_by(step).collect();
    set.write_samples(&indices, &mut images)
        .expect("what lies in memory can be read");
    images
}

fn report_test_digits(test: &ImageSet, verdicts: &[Verdict]) -> Result<(), Box<dyn Error>> {
    let share = |wanted: &dyn Fn(usize, &Verdict) -> bool| {
        let count = verdicts.iter().enumerate().filter(|(i, v)| wanted(*i, v));
        100.0 * count.count() as f64 / verdicts.len() as f64
    };
    let readability = Readability::of(verdicts)?;
    println!("\ntest digits ({})", readability.n);
    println!(
        "  accuracy           {:6.2} %",
        share(&|i, v| v.digit == test.label(i))
    );
    println!(
        "  called no digit    {:6.2} %",
        share(&|_, v| v.digit.is_none())
    );
    println!(
        "  readable (ceiling) {:6.2} % ± {:.2}, as digits 0 to 9: {:?}",
        100.0 * readability.readable,
        100.0 * readability.standard_error,
        readability.per_class
    );
    println!(
        "  read wrongly       {:6.2} %",
        share(&|i, v| v.read().is_some() && v.read() != test.label(i))
    );
    Ok(())
}

/// What other thresholds than [`READABLE_CONFIDENCE`] would give.
fn report_thresholds(
    judge: &DigitJudge,
    test: &ImageSet,
    digits: &[Verdict],
) -> Result<(), Box<dyn Error>> {
    let pool = DigitPool::new(test)?;
    let of_kinds = |kinds: &[NonDigit]| -> Result<Vec<Verdict>, Box<dyn Error>> {
        let mut verdicts = Vec::new();
        for kind in kinds {
            let pictures = kind.pictures(&pool, PER_KIND, 1);
            verdicts.extend(judge.classify(&pictures, PER_KIND)?);
        }
        Ok(verdicts)
    };
    let (seen, unseen) = (of_kinds(&NonDigit::SEEN)?, of_kinds(&NonDigit::UNSEEN)?);
    println!("\nshare at or above a probability (in use: {READABLE_CONFIDENCE})");
    println!("           test digits  seen non-digits  unseen non-digits");
    for threshold in [0.5, 0.8, 0.9, 0.95, 0.99] {
        let share = |verdicts: &[Verdict]| {
            let sure = |v: &&Verdict| v.digit.is_some() && v.confidence >= threshold;
            100.0 * verdicts.iter().filter(sure).count() as f64 / verdicts.len() as f64
        };
        println!(
            "  {threshold:.2}     {:8.2} %      {:8.2} %        {:8.2} %",
            share(digits),
            share(&seen),
            share(&unseen)
        );
    }
    Ok(())
}

/// Non-digits are made from test digits, so nothing of them was seen in training.
fn report_false_alarms(judge: &DigitJudge, test: &ImageSet) -> Result<(), Box<dyn Error>> {
    let pool = DigitPool::new(test)?;
    for (title, kinds) in [
        ("kinds trained on", &NonDigit::SEEN[..]),
        ("kinds never trained on", &NonDigit::UNSEEN[..]),
    ] {
        println!("\nfalse alarms, {PER_KIND} pictures each, {title}");
        for kind in kinds {
            let found = judge.readable_share(&kind.pictures(&pool, PER_KIND, 1), PER_KIND)?;
            println!(
                "  {:22}{:6.2} % ± {:.2}, as digits 0 to 9: {:?}",
                format!("{kind:?}"),
                100.0 * found.readable,
                100.0 * found.standard_error,
                found.per_class
            );
        }
    }
    Ok(())
}

/// A digit that fades into another should be readable at both ends and not half way.
fn report_fading(judge: &DigitJudge, test: &ImageSet) -> Result<(), Box<dyn Error>> {
    let images = pictures(test, 0, 1);
    let pairs: Vec<(usize, usize)> = (0..test.len() / 2)
        .map(|i| (2 * i, 2 * i + 1))
        .filter(|(a, b)| test.label(*a) != test.label(*b))
        .collect();
    println!(
        "\nreadable share of (1 − λ) digit + λ other digit, {} pairs",
        pairs.len()
    );
    for tenth in 0..=5 {
        let share = tenth as f32 / 10.0;
        let mixed: Vec<f32> = pairs
            .iter()
            .flat_map(|&(a, b)| {
                let digit = |i: usize| images[i * PIXELS..(i + 1) * PIXELS].iter();
                digit(a)
                    .zip(digit(b))
                    .map(move |(a, b)| (1.0 - share) * a + share * b)
            })
            .collect();
        let found = judge.readable_share(&mixed, pairs.len())?;
        println!("  λ = {share:.1}  {:6.2} %", 100.0 * found.readable);
    }
    Ok(())
}

/// `images` with Gaussian noise, on the scale from −1 to 1.
fn noisy(images: &[f32], deviation: f64) -> Vec<f32> {
    let mut normal = vec![0.0; PIXELS];
    let mut out = Vec::with_capacity(images.len());
    for (index, image) in images.chunks_exact(PIXELS).enumerate() {
        fill_standard_normal(9, index as u64, 0, Role::Data, &mut normal);
        out.extend(
            image
                .iter()
                .zip(&normal)
                .map(|(x, z)| x + (deviation * z) as f32),
        );
    }
    out
}

fn report_noise(judge: &DigitJudge, test: &ImageSet) -> Result<(), Box<dyn Error>> {
    let images = pictures(test, 0, test.len() / PER_KIND);
    println!("\nreadable share of test digits with Gaussian noise, pixels in [−1, 1]");
    for deviation in [0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8] {
        let found = judge.readable_share(&noisy(&images, deviation), PER_KIND)?;
        println!("  σ = {deviation:4}  {:6.2} %", 100.0 * found.readable);
    }
    Ok(())
}

/// Squared Fréchet distances from the test digits in the judge's features, all of 5000 pictures.
fn report_distances(
    judge: &DigitJudge,
    train: &ImageSet,
    test: &ImageSet,
) -> Result<(), Box<dyn Error>> {
    let count = 5000;
    let features = |images: &[f32]| -> Result<Array2<f64>, Box<dyn Error>> {
        Ok(judge.features(&images[..count * PIXELS], count)?)
    };
    let reference = features(&pictures(test, 0, 2))?;
    let train_images = pictures(train, 0, train.len() / count);
    let pool = DigitPool::new(test)?;
    println!("\nFréchet distance d² from every other test digit in the judge's features (no FID)");
    let report = |name: &str, images: &[f32]| -> Result<(), Box<dyn Error>> {
        let found = frechet_distance_of_samples(reference.view(), features(images)?.view())?;
        println!("  {name:32} {:10.3}", found.squared());
        Ok(())
    };
    report("the other 5000 test digits", &pictures(test, 1, 2))?;
    report("5000 training digits", &train_images)?;
    for deviation in [0.1, 0.3, 0.5] {
        report(
            &format!("training digits, noise {deviation}"),
            &noisy(&train_images, deviation),
        )?;
    }
    for kind in [
        NonDigit::Blend,
        NonDigit::Average,
        NonDigit::GaussianFit,
        NonDigit::Scribble,
        NonDigit::Noise,
    ] {
        report(&format!("{kind:?}"), &kind.pictures(&pool, count, 2))?;
    }
    Ok(())
}
