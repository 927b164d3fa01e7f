//! The probability flow transports the exact densities: the continuity equation, the Fokker-Planck
//! equation, likelihoods along trajectories, and the closed form for one Gaussian.

use ndarray::{Array1, Array2, Axis, array};
use proptest::prelude::*;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Marginal, ProbabilityFlow, Time};

use crate::densities::derivative;
use crate::processes::{any_smooth_config, published_smooth};

fn world() -> GaussianMixture {
    GaussianMixture::new(
        vec![0.7, 0.3],
        array![[0.8, -0.5], [-1.0, 0.6]],
        array![[0.4, 0.9], [0.6, 0.3]],
    )
    .unwrap()
}

fn log_density(sde: &dyn AffineSde, x: &Array1<f64>, t: f64) -> f64 {
    world().log_density(sde.marginal(Time(t)), x.view())
}

/// ∇·v of the probability flow, a d − ½ g² ∇·s.
fn flow_divergence(sde: &dyn AffineSde, world: &GaussianMixture, x: &Array1<f64>, t: f64) -> f64 {
    let (a, g) = (sde.drift_rate(Time(t)), sde.diffusion(Time(t)));
    let divergence = world.divergence(sde.marginal(Time(t)), x.view());
    a * world.dim() as f64 - 0.5 * g * g * divergence
}

/// ∂ log p/∂t + ∇·v + v·∇log p, and the size of its terms.
fn continuity_residual(sde: &dyn AffineSde, x: &Array1<f64>, t: f64, h: f64) -> (f64, f64) {
    let world = world();
    let rate = derivative(h, |h| log_density(sde, x, t + h));
    let score = world.under(sde);
    let batch = x.view().insert_axis(Axis(0)).into_owned();
    let velocity = ProbabilityFlow::new(sde, &score).velocity(&batch, Time(t));
    let mut gradient = Array1::zeros(2);
    world.score(sde.marginal(Time(t)), x.view(), gradient.view_mut());
    let divergence = flow_divergence(sde, &world, x, t);
    let advection = velocity.row(0).dot(&gradient);
    (
        rate + divergence + advection,
        divergence.abs() + advection.abs(),
    )
}

proptest! {
    #[test]
    fn exact_scores_satisfy_the_continuity_equation(
        config in any_smooth_config(),
        fraction in 0.01..0.99,
        seed in any::<u64>(),
    ) {
        let sde = config.build().unwrap();
        let t = fraction * sde.t_max().0;
        let x = world().sample_at(sde.marginal(Time(t)), seed, 1).row(0).into_owned();
        let (residual, terms) = continuity_residual(&*sde, &x, t, 1e-3 * t);
        prop_assert!(residual.abs() < 1e-7 * (1.0 + terms), "{residual:e} of {terms}");
    }

    #[test]
    fn the_flow_of_one_gaussian_follows_the_velocity(
        config in any_smooth_config(),
        fraction in 0.01..0.99,
        offset in -3.0..3.0,
        std in 0.1..1.5,
    ) {
        let sde = config.build().unwrap();
        let world = GaussianMixture::gaussian(&[0.4, -1.2], std).unwrap();
        let t = fraction * sde.t_max().0;
        let here = sde.marginal(Time(t));
        let x = array![[0.4 * here.alpha + offset, 2.0 * offset]];
        let score = world.under(&*sde);
        let velocity = ProbabilityFlow::new(&*sde, &score).velocity(&x, Time(t));
        for d in 0..2 {
            let slope = derivative(1e-3 * t, |h| {
                world.flow(here, sde.marginal(Time(t + h)), &x).unwrap()[[0, d]]
            });
            let error = (velocity[[0, d]] - slope).abs();
            prop_assert!(error < 1e-8 * (1.0 + slope.abs() + x[[0, d]].abs() / t), "{error:e} {slope}");
        }
    }

    #[test]
    fn the_flow_of_one_gaussian_composes_and_carries_its_density(
        config in any_smooth_config(),
        fractions in [0.01..1.0, 0.01..1.0, 0.01..1.0],
        seed in any::<u64>(),
    ) {
        let sde = config.build().unwrap();
        let world = GaussianMixture::gaussian(&[0.4, -1.2], 0.7).unwrap();
        let [a, b, c] = fractions.map(|fraction| sde.marginal(Time(fraction * sde.t_max().0)));
        let x = world.sample_at(a, seed, 3);
        let at_once = world.flow(a, c, &x).unwrap();
        let by_stages = world.flow(b, c, &world.flow(a, b, &x).unwrap()).unwrap();
        let size = 1.0 + c.sigma;
        prop_assert!((&at_once - &by_stages).iter().all(|error| error.abs() < 1e-12 * size));
        // ln p_a(x) = ln p_c(y) + ln |det dy/dx|, a stretch by √(v_c/v_a) in both directions.
        let std = |m: Marginal| (0.7 * m.alpha).hypot(m.sigma);
        for (x, y) in x.outer_iter().zip(at_once.outer_iter()) {
            let carried = world.log_density(c, y) + 2.0 * (std(c) / std(a)).ln();
            prop_assert!((world.log_density(a, x) - carried).abs() < 1e-10);
        }
    }
}

#[test]
fn the_continuity_equation_holds_near_the_data_and_ve_s_data_is_blurred_by_its_smallest_sigma() {
    let x = array![0.7, -0.2];
    for sde in published_smooth() {
        let t = sde.t_min_sampling().0;
        let (residual, terms) = continuity_residual(&*sde, &x, t, 1e-2 * t);
        assert!(
            residual.abs() < 1e-6 * (1.0 + terms),
            "{}: {residual:e}",
            sde.name()
        );
        if sde.name() == "ve" {
            // There is no t with σ = 0: p₀ is the data under σ_min, and the equation holds through it.
            let blurred = Marginal {
                alpha: 1.0,
                sigma: 0.01,
            };
            assert_eq!(
                log_density(&*sde, &x, 0.0),
                world().log_density(blurred, x.view())
            );
            let (residual, terms) = continuity_residual(&*sde, &x, 0.0, 1e-3);
            assert!(residual.abs() < 1e-7 * (1.0 + terms), "{residual:e}");
        } else {
            let data = log_density(&*sde, &x, 0.0);
            assert_eq!(data, world().log_pdf(x.view()), "{}", sde.name());
        }
    }
}

#[test]
fn exact_densities_satisfy_the_fokker_planck_equation() {
    // ∂p/∂t = −∇·(f p) + ½ g² Δp with f = a x, every derivative of p by differences of p itself.
    for sde in published_smooth() {
        for fraction in [0.1, 0.4, 0.8] {
            let t = fraction * sde.t_max().0;
            let marginal = sde.marginal(Time(t));
            let spread = (0.3 * marginal.alpha).hypot(marginal.sigma);
            let x = array![0.5 * marginal.alpha + 0.3 * marginal.sigma, -0.4 * spread];
            let density = |x: &Array1<f64>, t: f64| log_density(&*sde, x, t).exp();
            let (a, g) = (sde.drift_rate(Time(t)), sde.diffusion(Time(t)));
            let h = 0.02 * spread;
            let mut transported = 0.0;
            let mut spreading = 0.0;
            for d in 0..2 {
                let at = |by: f64| {
                    let mut x = x.clone();
                    x[d] += by;
                    x
                };
                transported -= derivative(h, |h| a * at(h)[d] * density(&at(h), t));
                // f'' by the five-point stencil.
                let [p0, p1, m1, p2, m2] =
                    [0.0, h, -h, 2.0 * h, -2.0 * h].map(|by| density(&at(by), t));
                spreading += (16.0 * (p1 + m1) - p2 - m2 - 30.0 * p0) / (12.0 * h * h);
            }
            let rate = derivative(1e-3 * t, |h| density(&x, t + h));
            let residual = rate - transported - 0.5 * g * g * spreading;
            let terms = rate.abs() + transported.abs() + 0.5 * g * g * spreading.abs();
            assert!(
                residual.abs() < 1e-5 * terms,
                "{} {t}: {residual:e} of {terms:e}",
                sde.name()
            );
        }
    }
}

#[test]
fn likelihoods_integrated_along_the_flow_are_the_exact_ones() {
    // d ln p_t(x_t)/dt = −∇·v along dx/dt = v, by Runge-Kutta in the logarithm of t.
    let world = world();
    let start = array![[0.2, 0.4]];
    for sde in published_smooth() {
        let score = world.under(&*sde);
        let flow = ProbabilityFlow::new(&*sde, &score);
        let derivative = |x: &Array2<f64>, log_t: f64| {
            let t = log_t.exp();
            let divergence = flow_divergence(&*sde, &world, &x.row(0).to_owned(), t);
            (t * flow.velocity(x, Time(t)), t * divergence)
        };
        let (from, to) = ((0.02 * sde.t_max().0).ln(), sde.t_max().0.ln());
        let steps = 800;
        let h = (to - from) / f64::from(steps);
        let (mut x, mut change) = (start.clone(), 0.0);
        for i in 0..steps {
            let t = from + h * f64::from(i);
            let (v1, d1) = derivative(&x, t);
            let (v2, d2) = derivative(&(&x + 0.5 * h * &v1), t + 0.5 * h);
            let (v3, d3) = derivative(&(&x + 0.5 * h * &v2), t + 0.5 * h);
            let (v4, d4) = derivative(&(&x + h * &v3), t + h);
            x += &(h / 6.0 * (v1 + 2.0 * v2 + 2.0 * v3 + v4));
            change += h / 6.0 * (d1 + 2.0 * d2 + 2.0 * d3 + d4);
        }
        let end = log_density(&*sde, &x.row(0).to_owned(), to.exp());
        let exact = log_density(&*sde, &start.row(0).to_owned(), from.exp());
        assert!(
            (end + change - exact).abs() < 1e-7,
            "{}: {} {exact}",
            sde.name(),
            end + change
        );
    }
}
