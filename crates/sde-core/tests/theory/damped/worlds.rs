//! The exact laws of pairs: by finite differences, by their marginals, along the probability flow.

use ndarray::{Array1, Array2, array, prelude::Axis};
use proptest::prelude::*;
use sde_core::damped::{DampedLangevin, PhaseState, VelocityScore};
use sde_core::worlds::{GaussianMixture, WorldError};
use sde_core::{Marginal, State, Time};

use super::moments::any_process;
use crate::densities::derivative;
use crate::world_strategies::any_world;

fn world() -> GaussianMixture {
    GaussianMixture::new(
        vec![0.7, 0.3],
        array![[0.8, -0.5], [-1.0, 0.6]],
        array![[0.4, 0.9], [0.6, 0.3]],
    )
    .unwrap()
}

/// `x` with `by` added to element d.
fn moved(x: &Array1<f64>, d: usize, by: f64) -> Array1<f64> {
    let mut x = x.clone();
    x[d] += by;
    x
}

fn batch(x: &Array1<f64>, v: &Array1<f64>) -> PhaseState<Array2<f64>> {
    let row = |x: &Array1<f64>| x.view().insert_axis(Axis(0)).into_owned();
    PhaseState {
        position: row(x),
        velocity: row(v),
    }
}

proptest! {
    #[test]
    fn scores_and_divergences_are_the_slopes_of_the_log_density(
        world in any_world(),
        process in any_process(),
        fraction in 0.3..1.0,
        seed in any::<u64>(),
    ) {
        let t = Time(fraction);
        let law = world.under_damped(&process).at(t);
        let z = world.under_damped(&process).sample_at(t, seed, 1);
        let (x, v) = (z.position.row(0).to_owned(), z.velocity.row(0).to_owned());
        let score = law.score(x.view(), v.view());
        let (mut across, mut along) = (0.0, 0.0);
        let log = |x: &Array1<f64>, v: &Array1<f64>| law.log_density(x.view(), v.view());
        let close = |found: f64, slope: f64| (found - slope).abs() < 1e-6 * (1.0 + slope.abs());
        for d in 0..world.dim() {
            let c = law.covariance(0, d);
            // The widths of the position given the velocity, and of the velocity given the position.
            let [hx, hv] = [c.vv, c.xx].map(|other| 2e-3 * (c.determinant / other).sqrt());
            let sx = derivative(hx, |h| log(&moved(&x, d, h), &v));
            let sv = derivative(hv, |h| log(&x, &moved(&v, d, h)));
            prop_assert!(close(score.position[d], sx), "{} {sx}", score.position[d]);
            prop_assert!(close(score.velocity[d], sv), "{} {sv}", score.velocity[d]);
            across += derivative(hx, |h| law.score(moved(&x, d, h).view(), v.view()).position[d]);
            along += derivative(hv, |h| law.score(x.view(), moved(&v, d, h).view()).velocity[d]);
        }
        let (position, velocity) = law.divergences(x.view(), v.view());
        prop_assert!(close(position, across), "{position} {across}");
        prop_assert!(close(velocity, along), "{velocity} {along}");
        let alone = world.under_damped(&process).velocity_score(&z, t);
        prop_assert_eq!(alone.row(0), score.velocity.view());
    }

    #[test]
    fn tweedie_s_mean_needs_the_velocity_s_score_alone(
        world in any_world(),
        process in any_process(),
        fraction in 0.01..1.0,
        seed in any::<u64>(),
    ) {
        let t = Time(fraction);
        let exact = world.under_damped(&process);
        let z = exact.sample_at(t, seed, 1);
        let kernel = process.marginal(t);
        let found = kernel.posterior_mean(&z, exact.velocity_score(&z, t));
        let expected = exact.posterior_mean(t, z.position.row(0), z.velocity.row(0));
        // What rounding of the score and of z does to it, through coefficients that grow as e^τ.
        let reach = 1.0 / (kernel.mean.xx.abs() + process.damping_time(t) * kernel.mean.xx.abs());
        for d in 0..world.dim() {
            let error = (found[[0, d]] - expected[d]).abs();
            prop_assert!(error < 1e-10 * (1.0 + reach), "{error:e}, {reach:e}");
        }
    }
}

#[test]
fn the_density_integrates_to_the_position_s_own_under_the_velocity() {
    // p_t(x) is the law of E_xx x₀ + √(Σ_xx given x₀) ε, a world of the scalar kind.
    let world =
        GaussianMixture::new(vec![0.4, 0.6], array![[-1.0], [0.7]], array![[0.5], [0.2]]).unwrap();
    let process = DampedLangevin::default();
    for t in [0.01, 0.2, 1.0] {
        let law = world.under_damped(&process).at(Time(t));
        let kernel = process.marginal(Time(t));
        let marginal = Marginal {
            alpha: kernel.mean.xx,
            sigma: kernel.covariance.xx.sqrt(),
        };
        for x in [-0.8, 0.1, 0.9] {
            let h = 2e-3;
            let total: f64 = (-3000..=3000)
                .map(|i| law.log_density(array![x].view(), array![h * f64::from(i)].view()))
                .map(|log| h * log.exp())
                .sum();
            let expected = world.log_density(marginal, array![x].view()).exp();
            assert!((total / expected - 1.0).abs() < 1e-10, "{total} {expected}");
        }
    }
}

#[test]
fn exact_densities_satisfy_the_fokker_planck_equation() {
    // ∂p/∂t = −∇·(f p) + Γβ ∂²p/∂v², every derivative of p by differences of p itself.
    let (world, process) = (world(), DampedLangevin::default());
    let exact = world.under_damped(&process);
    let (x, v) = (array![0.5, -0.3], array![0.3, 0.1]);
    let density = |x: &Array1<f64>, v: &Array1<f64>, t: f64| {
        exact.at(Time(t)).log_density(x.view(), v.view()).exp()
    };
    for t in [0.05, 0.3, 0.9] {
        let (mut transported, mut spreading) = (0.0, 0.0);
        let h = 1e-2;
        for d in 0..2 {
            let drift = |x: &Array1<f64>, v: &Array1<f64>| process.drift(&batch(x, v));
            transported -= derivative(h, |h| {
                let x = moved(&x, d, h);
                drift(&x, &v).position[[0, d]] * density(&x, &v, t)
            });
            transported -= derivative(h, |h| {
                let v = moved(&v, d, h);
                drift(&x, &v).velocity[[0, d]] * density(&x, &v, t)
            });
            let [p0, p1, m1, p2, m2] =
                [0.0, h, -h, 2.0 * h, -2.0 * h].map(|by| density(&x, &moved(&v, d, by), t));
            spreading += (16.0 * (p1 + m1) - p2 - m2 - 30.0 * p0) / (12.0 * h * h);
        }
        let rate = derivative(1e-3 * t, |h| density(&x, &v, t + h));
        let diffused = process.friction() * process.beta * spreading;
        let residual = rate - transported - diffused;
        let terms = rate.abs() + transported.abs() + diffused.abs();
        assert!(
            residual.abs() < 1e-5 * terms,
            "{t}: {residual:e} of {terms:e}"
        );
    }
}

/// The classical Runge-Kutta method on dz/dt = flow and d ln p/dt = Γβ (M⁻¹ dim + ∇_v·s), with steps equal in
/// l = ln(t + 0.005): at the data the velocity's law changes over a t of γ/8 = 0.005.
fn carried(
    world: &GaussianMixture,
    process: &DampedLangevin,
    z: &PhaseState<Array2<f64>>,
    [from, to]: [f64; 2],
    steps: u32,
) -> (PhaseState<Array2<f64>>, f64) {
    let exact = world.under_damped(process);
    let slope = |z: &PhaseState<Array2<f64>>, l: f64| {
        let pace = l.exp();
        let t = (pace - 0.005).max(0.0);
        let law = exact.at(Time(t));
        let (_, divergence) = law.divergences(z.position.row(0), z.velocity.row(0));
        let rest = process.inverse_mass * world.dim() as f64;
        let rate = process.friction() * process.beta * (rest + divergence);
        let flow = process.flow(z, &exact.velocity_score(z, Time(t)));
        (flow.scale(pace), rate * pace)
    };
    let [from, to] = [from, to].map(|t| (t + 0.005).ln());
    let h = (to - from) / f64::from(steps);
    let (mut z, mut change) = (z.clone(), 0.0);
    for i in 0..steps {
        let t = from + h * f64::from(i);
        let (k1, c1) = slope(&z, t);
        let (k2, c2) = slope(&z.clone().axpy(0.5 * h, &k1), t + 0.5 * h);
        let (k3, c3) = slope(&z.clone().axpy(0.5 * h, &k2), t + 0.5 * h);
        let (k4, c4) = slope(&z.clone().axpy(h, &k3), t + h);
        let sum = k1.axpy(2.0, &k2).axpy(2.0, &k3).axpy(1.0, &k4);
        z = z.axpy(h / 6.0, &sum);
        change += h / 6.0 * (c1 + 2.0 * c2 + 2.0 * c3 + c4);
    }
    (z, change)
}

#[test]
fn likelihoods_integrated_along_the_flow_are_the_exact_ones() {
    let (world, process) = (world(), DampedLangevin::default());
    let exact = world.under_damped(&process);
    let z = batch(&array![0.2, 0.4], &array![0.1, -0.05]);
    let log = |z: &PhaseState<Array2<f64>>, t: f64| {
        let law = exact.at(Time(t));
        law.log_density(z.position.row(0), z.velocity.row(0))
    };
    let (end, change) = carried(&world, &process, &z, [1e-3, 1.0], 4000);
    let error = log(&end, 1.0) - log(&z, 1e-3) - change;
    assert!(error.abs() < 1e-7, "{error:e}");
}

#[test]
fn the_flow_of_one_gaussian_is_the_closed_one() {
    let world = GaussianMixture::new(vec![1.0], array![[0.4, -1.2]], array![[0.5, 0.9]]).unwrap();
    let process = DampedLangevin::default();
    let exact = world.under_damped(&process);
    let z = batch(&array![0.7, -0.3], &array![-0.2, 0.25]);
    let apart = |a: &PhaseState<Array2<f64>>, b: &PhaseState<Array2<f64>>| {
        a.clone().axpy(-1.0, b).norms()[0]
    };
    for span in [[1e-3, 1.0], [1.0, 1e-3], [0.05, 0.4], [0.0, 0.3]] {
        let [from, to] = span.map(Time);
        let found = exact.flow(from, to, &z).unwrap();
        let (expected, _) = carried(&world, &process, &z, span, 4000);
        assert!(
            apart(&found, &expected) < 1e-9,
            "{span:?}: {:e}",
            apart(&found, &expected)
        );
        let back = exact.flow(to, from, &found).unwrap();
        assert!(apart(&back, &z) < 1e-12);
    }
    let mixture = self::world();
    assert_eq!(
        mixture
            .under_damped(&process)
            .flow(Time(0.0), Time(1.0), &z),
        Err(WorldError::NotOneGaussian { components: 2 })
    );
}

#[test]
fn samples_have_the_moments_of_their_law() {
    let (world, process) = (world(), DampedLangevin::default());
    let (t, n) = (Time(0.15), 40_000);
    let z = world.under_damped(&process).sample_at(t, 4, n);
    let e = process.marginal(t).mean;
    let (mean, data) = (world.mean(), world.covariance());
    for d in 0..2 {
        let (x, v) = (z.position.column(d), z.velocity.column(d));
        let expected = process.covariance(t, data[[d, d]]);
        let average = |f: &dyn Fn(f64, f64) -> f64| {
            x.iter().zip(v).map(|(&x, &v)| f(x, v)).sum::<f64>() / n as f64
        };
        let (mx, mv) = (e.xx * mean[d], e.vx * mean[d]);
        // Five standard errors, the fourth moments bounded by those of a normal.
        let bound = |a: f64, b: f64| 5.0 * (2.0 * a * b / n as f64).sqrt();
        let near = |found: f64, expected: f64, bound: f64| {
            assert!(
                (found - expected).abs() < bound,
                "{found} {expected} {bound}"
            );
        };
        near(
            average(&|x, _| x),
            mx,
            5.0 * (expected.xx / n as f64).sqrt(),
        );
        near(
            average(&|_, v| v),
            mv,
            5.0 * (expected.vv / n as f64).sqrt(),
        );
        let (xx, vv) = (expected.xx, expected.vv);
        near(average(&|x, _| (x - mx).powi(2)), xx, bound(xx, xx));
        near(average(&|_, v| (v - mv).powi(2)), vv, bound(vv, vv));
        near(
            average(&|x, v| (x - mx) * (v - mv)),
            expected.xv,
            bound(xx, vv),
        );
    }
}

#[test]
fn single_precision_pictures_are_scored_as_points_are() {
    let (world, process) = (world(), DampedLangevin::default());
    let exact = world.under_damped(&process);
    let z = exact.sample_at(Time(0.3), 0, 3);
    let picture = |x: &Array2<f64>| {
        x.mapv(|x| x as f32)
            .into_shape_with_order((3, 1, 2))
            .unwrap()
    };
    let small = PhaseState {
        position: picture(&z.position),
        velocity: picture(&z.velocity),
    };
    let (fine, coarse) = (
        exact.velocity_score(&z, Time(0.3)),
        exact.velocity_score(&small, Time(0.3)),
    );
    let pairs = fine.iter().zip(&coarse);
    assert!(
        pairs
            .into_iter()
            .all(|(a, &b)| (a - f64::from(b)).abs() < 1e-4)
    );
}
