//! What each kind of knowledge keeps of a picture.

use ndarray::{Array2, Array4, array};
use proptest::collection::vec;
use proptest::prelude::*;
use solvers::editing::{AveragePooling, ChannelMix, Mask, Observation, Projection};

/// One of each kind, for samples of 24 elements: 3 channels of 2 × 4 pixels.
fn all() -> Vec<Box<dyn Projection>> {
    let rows = vec![vec![0.3, 0.6, 0.1], vec![1.0, 0.0, -1.0]];
    vec![
        Box::new(Mask::without_box([3, 2, 4], 0..1, 1..3).unwrap()),
        Box::new(Mask::without_box([3, 2, 4], 0..2, 0..4).unwrap()),
        Box::new(ChannelMix::grey(3, 8).unwrap()),
        Box::new(ChannelMix::new(rows, 3, 8).unwrap()),
        Box::new(AveragePooling::new([3, 2, 4], 2).unwrap()),
    ]
}

fn projected(projection: &dyn Projection, x: &[f64]) -> Vec<f64> {
    let mut x = x.to_vec();
    projection.project(&mut x);
    x
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

proptest! {
    #[test]
    fn all_are_orthogonal_projections(x in vec(-3.0..3.0, 24), y in vec(-3.0..3.0, 24)) {
        for projection in all() {
            prop_assert_eq!(projection.sample_len(), 24);
            let (px, py) = (projected(&*projection, &x), projected(&*projection, &y));
            let twice = projected(&*projection, &px);
            prop_assert!(px.iter().zip(&twice).all(|(a, b)| (a - b).abs() < 1e-13), "P² = P");
            prop_assert!((dot(&px, &y) - dot(&x, &py)).abs() < 1e-11, "Pᵀ = P");
        }
    }
}

#[test]
fn a_mask_keeps_its_pixels_in_every_channel() {
    let pixels = |projection: &Mask| {
        let x: Vec<f64> = (1..=12).map(f64::from).collect();
        projected(projection, &x)
    };
    // Two channels of 2 × 3; the last two columns of the first row are unknown.
    let inside = Mask::without_box([2, 2, 3], 0..1, 1..3).unwrap();
    assert_eq!(
        pixels(&inside),
        [
            1.0, 0.0, 0.0, 4.0, 5.0, 6.0, 7.0, 0.0, 0.0, 10.0, 11.0, 12.0
        ]
    );
    let outside = inside.inverted();
    assert_eq!(
        pixels(&outside),
        [0.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 8.0, 9.0, 0.0, 0.0, 0.0]
    );
    assert_eq!(outside.known().iter().filter(|known| **known).count(), 4);
}

/// score_sde's decoupling: colours times M, all but the first made 0, and times M⁻¹. M as in its code.
#[test]
fn a_grey_picture_is_what_score_sde_decouples() {
    let m = array![
        [5.7735014e-01, -8.1649649e-01, 4.7008697e-08],
        [5.7735026e-01, 4.0824834e-01, 7.0710671e-01],
        [5.7735026e-01, 4.0824822e-01, -7.0710683e-01]
    ];
    let x: Array2<f64> = array![[0.9, -0.2, 0.4], [0.1, 0.8, -0.7]];
    // Two pixels of three channels, channels first.
    let planes: Vec<f64> = x.t().iter().copied().collect();
    let found = projected(&ChannelMix::grey(3, 2).unwrap(), &planes);
    for pixel in 0..2 {
        let decoupled = x.row(pixel).dot(&m);
        let mean = x.row(pixel).sum() / 3.0;
        for channel in 0..3 {
            // M is orthogonal, to the digits that it is given with.
            let coupled = decoupled[0] * m[[channel, 0]];
            assert!((found[2 * channel + pixel] - coupled).abs() < 1e-6);
            assert!((found[2 * channel + pixel] - mean).abs() < 1e-14);
        }
    }
}

#[test]
fn pooling_gives_every_pixel_the_mean_of_its_square() {
    let pooling = AveragePooling::new([1, 2, 4], 2).unwrap();
    let x = [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 10.0];
    assert_eq!(
        projected(&pooling, &x),
        [2.5, 2.5, 7.0, 7.0, 2.5, 2.5, 7.0, 7.0]
    );
    let same = AveragePooling::new([1, 2, 4], 1).unwrap();
    assert_eq!(projected(&same, &x), x);
}

#[test]
fn an_observation_of_pictures_is_projected_in_their_own_shape() {
    let mask = Mask::of_pixels(2, &[true, false, false]).unwrap();
    let pictures =
        Array4::from_shape_fn((2, 2, 1, 3), |(i, c, _, p)| (100 * i + 10 * c + p) as f32);
    let observation = Observation::new(&mask, &pictures).unwrap();
    let found = observation.project(&pictures);
    let expected = Array4::from_shape_fn((2, 2, 1, 3), |(i, c, _, p)| {
        if p == 0 { pictures[[i, c, 0, 0]] } else { 0.0 }
    });
    assert_eq!(found, expected);
}
