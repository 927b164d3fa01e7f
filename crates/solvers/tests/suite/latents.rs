//! Data to latents and back, and between latents.

use ndarray::{Array2, Array4, array};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{State, StepIndex};
use solvers::{Problem, Rk45, decode, encode, slerp};

use crate::families;
use crate::reference_flow::distance;

type X = Array2<f64>;

#[test]
fn the_latents_of_a_gaussian_are_its_closed_flow_s_and_decode_to_the_data() {
    let world = GaussianMixture::gaussian(&[0.5, -0.2], 0.3).unwrap();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let (t_min, t_max) = (sde.t_min_sampling(), sde.t_max());
        let x = world.sample_at(sde.marginal(t_min), 3, 6);
        let solver = Rk45::with_tolerance(1e-9);
        let codes = encode(&solver, &problem, x.clone(), t_min).unwrap().x;
        let expected = world
            .flow(sde.marginal(t_min), sde.marginal(t_max), &x)
            .unwrap();
        let error = distance(&codes, &expected) / sde.prior().std;
        assert!(error < 1e-7, "{}: {error:e}", sde.name());
        let back = decode(&solver, &problem, codes, t_min).unwrap().x;
        assert!(distance(&back, &x) < 1e-6, "{}", sde.name());
    }
}

#[test]
fn a_round_trip_on_the_mixture_comes_back_to_the_tolerance_on_every_family() {
    let world = GaussianMixture::eight_gaussians();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let t_min = sde.t_min_sampling();
        let x = world.sample_at(sde.marginal(t_min), 3, 12);
        let trip = |tolerance| {
            let solver = Rk45::with_tolerance(tolerance);
            let codes = encode(&solver, &problem, x.clone(), t_min).unwrap().x;
            distance(&decode(&solver, &problem, codes, t_min).unwrap().x, &x)
        };
        let [coarse, fine] = [1e-5, 1e-8].map(trip);
        assert!(
            coarse < 3e-3 && fine < 3e-6,
            "{}: {coarse:e} {fine:e}",
            sde.name()
        );
    }
}

#[test]
fn slerp_turns_at_constant_speed_on_the_sphere() {
    let (a, b) = (
        array![[2.0, 0.0], [0.0, 1.0]],
        array![[0.0, 2.0], [3.0, 0.0]],
    );
    for w in [0.0, 0.25, 0.5, 1.0] {
        let angle = w * std::f64::consts::FRAC_PI_2;
        let (sine, cosine) = angle.sin_cos();
        let expected = array![[2.0 * cosine, 2.0 * sine], [3.0 * sine, cosine]];
        assert!(distance(&slerp(&a, &b, w), &expected) < 1e-14);
    }
}

#[test]
fn zero_and_parallel_latents_are_joined_by_a_line() {
    let a = array![[0.0, 0.0], [1.0, 2.0], [0.0, 0.0], [1.0, 1.0]];
    let b = array![[2.0, 4.0], [3.0, 6.0], [0.0, 0.0], [0.0, 0.0]];
    let expected = array![[0.5, 1.0], [1.5, 3.0], [0.0, 0.0], [0.75, 0.75]];
    assert!(distance(&slerp(&a, &b, 0.25), &expected) < 1e-14);
}

#[test]
fn opposite_latents_are_joined_by_a_half_circle_that_no_neighbour_changes() {
    let noise = CounterNoise::new(2);
    let like = Array4::<f32>::zeros((3, 2, 2, 3));
    let a: Array4<f32> = noise.standard_normal(&like, StepIndex(0), Role::Prior);
    let mut b = noise.standard_normal(&like, StepIndex(1), Role::Prior);
    for i in [0, 2] {
        let opposite = a.select_samples(&[i]).scale(-1.0);
        b.slice_mut(ndarray::s![i..=i, .., .., ..])
            .assign(&opposite);
    }
    for w in [0.0, 0.3, 0.5, 0.9, 1.0] {
        let between = slerp(&a, &b, w);
        let (norms, whole) = (between.norms(), a.norms());
        let dots = between.dots(&a);
        for i in [0, 2] {
            assert!(
                (norms[i] / whole[i] - 1.0).abs() < 1e-5,
                "{w}: the norm stays"
            );
            let cosine = dots[i] / (norms[i] * whole[i]);
            assert!(
                (cosine - (std::f64::consts::PI * w).cos()).abs() < 1e-5,
                "{w}"
            );
            let alone = slerp(&a.select_samples(&[i]), &b.select_samples(&[i]), w);
            assert_eq!(alone, between.select_samples(&[i]));
        }
    }
    // One dimension has no way around.
    let line: X = slerp(&array![[1.0]], &array![[-1.0]], 0.5);
    assert!(line[[0, 0]].abs() < 1e-12);
}
