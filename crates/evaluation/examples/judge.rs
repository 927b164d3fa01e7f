//! Trains a judge.
use burn::tensor::Device;
use data::{Mnist, Source, Split};
use evaluation::digits::*;
use evaluation::*;
use std::time::Instant;
#[allow(clippy::print_stdout)]
fn main() {
    let dir = std::path::PathBuf::from("datasets/mnist");
    let train = Mnist::load(&dir, Split::Train).unwrap();
    let test = Mnist::load(&dir, Split::Test).unwrap();
    let device = Device::flex();
    let start = Instant::now();
    let mut options = JudgeOptions::default();
    if let Some(s) = std::env::args().nth(1) {
        options.steps = s.parse().unwrap();
    }
    let judge = DigitJudge::train(&train, options, &device, &mut |p| {
        if p.step % 100 == 0 {
            println!("{p:?} {:.1} s", start.elapsed().as_secs_f64())
        }
    })
    .unwrap();
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());
    let mut images = Vec::new();
    let all: Vec<usize> = (0..test.len()).collect();
    test.write_samples(&all, &mut images);
    let verdicts = judge.classify(&images, test.len()).unwrap();
    let labels = test.labels.clone().unwrap();
    let right = verdicts
        .iter()
        .zip(&labels)
        .filter(|(v, l)| v.digit == Some(**l))
        .count();
    let readr = verdicts
        .iter()
        .zip(&labels)
        .filter(|(v, l)| v.read() == Some(**l))
        .count();
    let rejected = verdicts.iter().filter(|v| v.digit.is_none()).count();
    println!(
        "accuracy {} rejected {} read right {} {:?}",
        right,
        rejected,
        readr,
        Readability::of(&verdicts).unwrap()
    );
    println!("{:.1} s", start.elapsed().as_secs_f64());
    let pool = DigitPool::new(&test).unwrap();
    for (name, kinds) in [
        ("seen", &NonDigit::SEEN[..]),
        ("unseen", &NonDigit::UNSEEN[..]),
    ] {
        for kind in kinds {
            let pictures = kind.pictures(&pool, 1000, 77);
            let r = judge.readable_share(&pictures, 1000).unwrap();
            println!("{name} {kind:?} {:.3} {:?}", r.readable, r.per_class);
            let mut pgm = format!("P5 {} {} 255\n", 280, 28 * 4).into_bytes();
            for row in 0..112 {
                for col in 0..280 {
                    let i = (row / 28) * 10 + col / 28;
                    pgm.push(data::unit_to_pixel(
                        pictures[i * 784 + row % 28 * 28 + col % 28],
                    ));
                }
            }
            std::fs::write(format!("/tmp/eval_{kind:?}.pgm"), pgm).unwrap();
        }
    }
    println!("{:.1} s", start.elapsed().as_secs_f64());
}
