//! Pairs of positions and velocities are states like any other.

use ndarray::{Array2, Array3, array, concatenate, prelude::Axis};
use proptest::prelude::*;
use sde_core::damped::{PhaseMatrix, PhaseState};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::{State, StepIndex};

type Pair = PhaseState<Array2<f64>>;

/// The pair as one array, position beside velocity.
fn joined(z: &Pair) -> Array2<f64> {
    concatenate(Axis(1), &[z.position.view(), z.velocity.view()]).unwrap()
}

fn pair(seed: u64, batch: usize) -> Pair {
    let draw = |role| {
        let like = Array2::zeros((batch, 3));
        CounterNoise::new(seed).standard_normal(&like, StepIndex(0), role)
    };
    PhaseState {
        position: draw(Role::Prior),
        velocity: draw(Role::Diffusion),
    }
}

proptest! {
    #[test]
    fn every_operation_is_that_of_the_two_arrays_side_by_side(seed in any::<u64>(), a in -2.0..2.0, b in -2.0..2.0) {
        let (x, y) = (pair(seed, 4), pair(seed ^ 1, 4));
        let (u, v) = (joined(&x), joined(&y));
        prop_assert_eq!(x.sample_len(), u.sample_len());
        prop_assert_eq!(x.batch(), 4);
        let on_host: Vec<f64> = u.iter().copied().collect();
        prop_assert_eq!(x.to_host(), on_host);
        let own = [a, b, 0.5, -1.0];
        let same = |z: Pair, w: Array2<f64>| joined(&z) == w;
        prop_assert!(same(x.clone().scale(a), u.clone().scale(a)));
        prop_assert!(same(x.clone().lincomb(a, &y, b), u.clone().lincomb(a, &v, b)));
        prop_assert!(same(x.clone().axpy(b, &y), u.clone().axpy(b, &v)));
        prop_assert!(same(x.clone().axpy_per_sample(&own, &y), u.clone().axpy_per_sample(&own, &v)));
        prop_assert!(same(
            x.clone().lincomb_per_sample(&own, &y, &own),
            u.clone().lincomb_per_sample(&own, &v, &own)
        ));
        prop_assert!(same(x.clone().clamped(-0.5, 0.5), u.clone().clamped(-0.5, 0.5)));
        prop_assert!(same(x.select_samples(&[2, 0]), u.select_samples(&[2, 0])));
        let parts = [x.select_samples(&[1]), y.clone()];
        let rows = [u.select_samples(&[1]), v.clone()];
        prop_assert!(same(Pair::concatenate_samples(&parts), Array2::concatenate_samples(&rows)));
        let close = |found: Vec<f64>, expected: Vec<f64>| {
            found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-12)
        };
        prop_assert!(close(x.dots(&y), u.dots(&v)));
        prop_assert!(close(x.norms(), u.norms()));
        let errors = x.clone().axpy(-1.0, &y).error_norms(&x, &y, 1e-3, 0.1);
        prop_assert!(close(errors, (&u - &v).error_norms(&u, &v, 1e-3, 0.1)));
    }
}

#[test]
fn noise_fills_the_position_and_then_the_velocity_of_each_sample() {
    let noise = CounterNoise::new(3);
    let draw = |like: &Pair| noise.standard_normal(like, StepIndex(7), Role::Diffusion);
    let drawn = draw(&pair(0, 5));
    let side_by_side: Array2<f64> =
        noise.standard_normal(&Array2::zeros((5, 6)), StepIndex(7), Role::Diffusion);
    assert_eq!(joined(&drawn), side_by_side);
    let cut: Pair =
        noise
            .starting_at(2)
            .standard_normal(&pair(0, 3), StepIndex(7), Role::Diffusion);
    assert_eq!(drawn.select_samples(&[2, 3, 4]), cut);
}

#[test]
fn pictures_are_pairs_too() {
    let like = PhaseState::at_rest(Array3::<f32>::zeros((2, 3, 4)));
    assert!(like.is_paired());
    let filled = like.filled_like(&mut |i, out| {
        assert_eq!(out.len(), 24);
        out.fill(i as f64);
        out[12] = 9.0;
    });
    assert_eq!(filled.position[[1, 2, 3]], 1.0);
    assert_eq!(filled.velocity[[1, 0, 0]], 9.0);
    assert!(filled.is_finite());
}

#[test]
fn a_pair_is_finite_only_if_both_parts_are() {
    let mut z = pair(1, 2);
    z.velocity[[0, 0]] = f64::NAN;
    assert!(!z.is_finite());
    let uneven = PhaseState {
        position: Array2::<f64>::zeros((2, 3)),
        velocity: Array2::zeros((2, 4)),
    };
    assert!(!uneven.is_paired());
}

#[test]
fn a_map_mixes_each_coordinate_s_position_and_velocity() {
    let z = PhaseState {
        position: array![[1.0, 2.0]],
        velocity: array![[10.0, -20.0]],
    };
    let map = PhaseMatrix {
        xx: 2.0,
        xv: 0.5,
        vx: -1.0,
        vv: 3.0,
    };
    let moved = z.mapped(map);
    assert_eq!(moved.position, array![[7.0, -6.0]]);
    assert_eq!(moved.velocity, array![[29.0, -62.0]]);
}
