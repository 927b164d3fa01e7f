//! The reversals of any process: what each drift is, and that reversing twice is doing nothing.

use ndarray::{Array1, Array2, array};
use proptest::prelude::*;
use sde_core::worlds::GaussianMixture;
use sde_core::{
    AffineSde, CountedScore, GenerativeClock, ProbabilityFlow, ReverseSde, Score, Sde, Time,
};

use crate::processes::any_config;

fn world() -> GaussianMixture {
    GaussianMixture::eight_gaussians()
}

fn assert_close(found: &Array2<f64>, expected: &Array2<f64>, terms: f64) {
    let worst = (found - expected)
        .iter()
        .fold(0f64, |worst, error| worst.max(error.abs()));
    assert!(worst <= 1e-13 * (1.0 + terms), "{worst:e} of {terms:e}");
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |largest, x| largest.max(x.abs()))
}

proptest! {
    #[test]
    fn the_reverse_sde_has_the_drift_of_anderson(
        config in any_config(),
        fraction in 0.01..1.0,
        seed in any::<u64>(),
    ) {
        let sde = config.build().unwrap();
        let t = Time(fraction * sde.t_max().0);
        let world = world();
        let score = world.under(&*sde);
        let x = world.sample_at(sde.marginal(t), seed, 3);
        let (a, g, s) = (sde.drift_rate(t), AffineSde::diffusion(&*sde, t), score.score(&x, t));
        let reverse = ReverseSde::new(&*sde, &score);
        let terms = largest(&x) * a.abs() + g * g * largest(&s);
        assert_close(&reverse.drift(&x, t), &(a * &x - g * g * &s), terms);
        prop_assert_eq!(reverse.diffusion(t), g);
    }

    #[test]
    fn reverse_sde_and_probability_flow_differ_by_half_g_squared_times_the_score(
        config in any_config(),
        fraction in 0.01..1.0,
        seed in any::<u64>(),
    ) {
        let sde = config.build().unwrap();
        let t = Time(fraction * sde.t_max().0);
        let world = world();
        let score = world.under(&*sde);
        let x = world.sample_at(sde.marginal(t), seed, 3);
        let g = AffineSde::diffusion(&*sde, t);
        let flow = ProbabilityFlow::new(&*sde, &score);
        let s = score.score(&x, t);
        let velocity = flow.velocity(&x, t);
        let difference = &velocity - &ReverseSde::new(&*sde, &score).drift(&x, t);
        let terms = largest(&velocity) + g * g * largest(&s);
        assert_close(&difference, &(0.5 * g * g * s), terms);
        prop_assert_eq!(flow.drift(&x, t), velocity);
        prop_assert_eq!(flow.diffusion(t), 0.0);
    }

    #[test]
    fn the_reverse_of_the_reverse_is_the_forward_process(
        config in any_config(),
        fraction in 0.01..1.0,
        seed in any::<u64>(),
    ) {
        let sde = config.build().unwrap();
        let (t, t_max) = (Time(fraction * sde.t_max().0), sde.t_max());
        let world = world();
        let score = world.under(&*sde);
        let x = world.sample_at(sde.marginal(t), seed, 3);
        // The generative process is a forward process of the clock s, of marginals p_{T−s}.
        let generative = GenerativeClock::new(ReverseSde::new(&*sde, &score), t_max);
        let seen_from_there =
            |x: &Array2<f64>, s: Time| score.score(x, Time(t_max.0 - s.0));
        let back = GenerativeClock::new(ReverseSde::new(&generative, &seen_from_there), t_max);
        let (forward, a) = (Sde::drift(&*sde, &x, t), sde.drift_rate(t));
        let g = AffineSde::diffusion(&*sde, t);
        // T − (T − t) is t up to a rounding of T.
        let terms = (a.abs() * largest(&x) + g * g * largest(&score.score(&x, t))) / fraction;
        let drift: Array2<f64> = back.drift(&x, t);
        assert_close(&drift, &forward, 10.0 * terms);
        prop_assert!((Sde::<Array2<f64>>::diffusion(&back, t) / g - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_generative_clock_gives_the_form_of_huang_et_al(
        config in any_config(),
        fraction in 0.01..0.99,
        seed in any::<u64>(),
    ) {
        // dX = [g² s(X, T − s) − f(X, T − s)] ds + g(T − s) dW.
        let sde = config.build().unwrap();
        let s = Time(fraction * sde.t_max().0);
        let t = Time(sde.t_max().0 - s.0);
        let world = world();
        let score = world.under(&*sde);
        let x = world.sample_at(sde.marginal(t), seed, 3);
        let generative = GenerativeClock::new(ReverseSde::new(&*sde, &score), sde.t_max());
        let g = AffineSde::diffusion(&*sde, t);
        let noise = score.score(&x, t);
        let expected = g * g * &noise - sde.drift_rate(t) * &x;
        let terms = g * g * largest(&noise) + sde.drift_rate(t).abs() * largest(&x);
        assert_close(&generative.drift(&x, s), &expected, terms);
        prop_assert_eq!(Sde::<Array2<f64>>::diffusion(&generative, s), g);
        // And of the flow: dy = [−f + ½ g² s] ds, without noise.
        let flow = GenerativeClock::new(ProbabilityFlow::new(&*sde, &score), sde.t_max());
        let expected = 0.5 * g * g * &noise - sde.drift_rate(t) * &x;
        assert_close(&flow.drift(&x, s), &expected, terms);
        prop_assert_eq!(Sde::<Array2<f64>>::diffusion(&flow, s), 0.0);
    }
}

/// dx = −x³ dt + √2 dw, of stationary density ∝ exp(−x⁴/4): neither linear nor Gaussian.
struct Quartic;

impl Sde<Array1<f64>> for Quartic {
    fn drift(&self, x: &Array1<f64>, _: Time) -> Array1<f64> {
        x.mapv(|x| -x.powi(3))
    }

    fn diffusion(&self, _: Time) -> f64 {
        2f64.sqrt()
    }
}

#[test]
fn a_nonlinear_process_in_equilibrium_is_its_own_reversal() {
    // Detailed balance: with s = −x³ the generative drift g² s − f is f again, and the flow rests.
    let score = |x: &Array1<f64>, _: Time| x.mapv(|x| -x.powi(3));
    let x = array![-1.5, 0.2, 0.9];
    let generative = GenerativeClock::new(ReverseSde::new(&Quartic, &score), Time(1.0));
    let drift = generative.drift(&x, Time(0.3));
    assert!(
        (drift - Quartic.drift(&x, Time(0.7)))
            .iter()
            .all(|error| error.abs() < 1e-14)
    );
    let velocity = ProbabilityFlow::new(&Quartic, &score).velocity(&x, Time(0.7));
    assert!(velocity.iter().all(|v| v.abs() < 1e-14));
}

#[test]
fn a_counted_score_counts_evaluations_and_changes_nothing() {
    let score = |x: &Array1<f64>, _: Time| -x;
    let counted = CountedScore::new(&score);
    assert_eq!(counted.evaluations(), 0);
    let reverse = ReverseSde::new(&Quartic, &counted);
    let x = array![0.5];
    assert_eq!(
        reverse.drift(&x, Time(0.5)),
        ReverseSde::new(&Quartic, &score).drift(&x, Time(0.5))
    );
    reverse.diffusion(Time(0.5));
    assert_eq!(counted.evaluations(), 1);
}
