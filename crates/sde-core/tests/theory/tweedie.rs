//! Tweedie's formula and the identity behind denoising score matching, for exact worlds.

use ndarray::{Array1, Array2, ArrayView1, Axis, array};
use proptest::prelude::*;
use sde_core::families::VariancePreserving;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Marginal, Prediction, Score, Time};

use crate::processes::any_config;
use crate::world_strategies::any_world;

fn score_of(world: &GaussianMixture, marginal: Marginal, x: ArrayView1<'_, f64>) -> Array1<f64> {
    let mut score = Array1::zeros(world.dim());
    world.score(marginal, x, score.view_mut());
    score
}

proptest! {
    #[test]
    fn the_posterior_mean_is_the_score_s_conversion_to_x0(
        world in any_world(),
        config in any_config(),
        fraction in 0.002..0.7,
        seed in any::<u64>(),
    ) {
        let sde = config.build().unwrap();
        let t = Time(fraction * sde.t_max().0);
        let marginal = sde.marginal(t);
        let Marginal { alpha, sigma } = marginal;
        let x = world.sample_at(marginal, seed, 4);
        let score = world.under(&*sde).score(&x, t);
        let x0 = Prediction::Score.convert(Prediction::X0, marginal, &x, score.clone());
        let noise = Prediction::Score.convert(Prediction::Epsilon, marginal, &x, score.clone());
        for i in 0..4 {
            let mean = world.posterior_mean(marginal, x.row(i));
            for d in 0..world.dim() {
                // E[X|Y] = (Y + σ² s)/α; both terms are rounded before they are divided by α.
                let terms = (x[[i, d]].abs() + (sigma * sigma * score[[i, d]]).abs()) / alpha;
                prop_assert!((x0[[i, d]] - mean[d]).abs() < 1e-12 * (1.0 + terms));
                // E[Z|Y] = (Y − α E[X|Y])/σ = −σ s.
                let expected = (x[[i, d]] - alpha * mean[d]) / sigma;
                let terms = (x[[i, d]].abs() + (alpha * mean[d]).abs()) / sigma;
                prop_assert!((noise[[i, d]] - expected).abs() < 1e-12 * (1.0 + terms));
            }
        }
    }
}

/// ∫ f(x₀) p₀(x₀) N(y; α x₀, σ²) dx₀ for the mixture ⅔ N(−1, 0.3²) + ⅓ N(1.5, 0.8²), by the trapezoidal
/// rule, whose error for such integrands is below rounding.
fn quadrature(Marginal { alpha, sigma }: Marginal, y: f64, f: impl Fn(f64) -> f64) -> f64 {
    let normal = |x: f64, mean: f64, std: f64| {
        (-0.5 * ((x - mean) / std).powi(2)).exp() / (std * std::f64::consts::TAU.sqrt())
    };
    let h = 2.5e-3;
    (-4000..=4000)
        .map(|i| {
            let x0 = h * f64::from(i);
            let prior = 2.0 / 3.0 * normal(x0, -1.0, 0.3) + normal(x0, 1.5, 0.8) / 3.0;
            h * f(x0) * prior * normal(y, alpha * x0, sigma)
        })
        .sum()
}

#[test]
fn density_score_and_posterior_mean_match_quadrature_over_the_data() {
    let world =
        GaussianMixture::new(vec![2.0, 1.0], array![[-1.0], [1.5]], array![[0.3], [0.8]]).unwrap();
    let sde = VariancePreserving::default();
    for t in [0.02, 0.1, 0.3, 0.6, 1.0] {
        let marginal = sde.marginal(Time(t));
        let Marginal { alpha, sigma } = marginal;
        for y in [-2.0, -0.5, 0.0, 0.7, 1.9] {
            let x = array![y];
            let density = quadrature(marginal, y, |_| 1.0);
            let mean = quadrature(marginal, y, |x0| x0) / density;
            // ∇log p(y) = E[∇log p(y | x₀) | y], what denoising score matching rests on.
            let score = quadrature(marginal, y, |x0| (alpha * x0 - y) / sigma.powi(2)) / density;
            let found = world.log_density(marginal, x.view());
            assert!(
                (found - density.ln()).abs() < 1e-11,
                "{found} {}",
                density.ln()
            );
            let found = world.posterior_mean(marginal, x.view())[0];
            assert!((found - mean).abs() < 1e-11, "{found} {mean}");
            let found = score_of(&world, marginal, x.view())[0];
            assert!(
                (found - score).abs() < 1e-10 * (1.0 + score.abs()),
                "{found} {score}"
            );
        }
    }
}

#[test]
fn the_noise_of_drawn_points_regresses_on_minus_sigma_times_the_score() {
    // E[Z h(Y)] = E[−σ s(Y) h(Y)] for any h, within five standard errors: h = 1, y₀ and y₁².
    let world = GaussianMixture::eight_gaussians();
    let sde = VariancePreserving::default();
    let marginal = sde.marginal(Time(0.3));
    let n = 100_000;
    let x0 = world.sample(5, n);
    let y = world.sample_at(marginal, 5, n);
    let z = (&y - marginal.alpha * &x0) / marginal.sigma;
    let score: Array2<f64> = world.under(&sde).score(&y, Time(0.3));
    let residual = z + marginal.sigma * score;
    for h in [|_: f64, _: f64| 1.0, |y0, _| y0, |_, y1| y1 * y1] {
        let weight: Array1<f64> = y.map_axis(Axis(1), |y| h(y[0], y[1]));
        for d in 0..2 {
            let product = &residual.column(d) * &weight;
            let error = product.std(1.0) / (n as f64).sqrt();
            let mean = product.mean().unwrap();
            assert!(mean.abs() < 5.0 * error, "{mean} is not within 5 · {error}");
        }
    }
}

#[test]
fn the_exact_score_takes_samples_of_any_shape_and_precision() {
    let world = GaussianMixture::gaussian(&[1.0, 2.0, 3.0, 4.0], 0.5).unwrap();
    let sde = VariancePreserving::default();
    let score = world.under(&sde);
    let x = world.sample_at(sde.marginal(Time(0.5)), 0, 3);
    let flat: Array2<f64> = score.score(&x, Time(0.5));
    let square = x.clone().into_shape_with_order((3, 2, 2)).unwrap();
    let shaped = score.score(&square, Time(0.5));
    assert_eq!(shaped.shape(), &[3, 2, 2]);
    assert!(shaped.iter().eq(flat.iter()));
    let single = score.score(&x.mapv(|x| x as f32), Time(0.5));
    let agree = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 1e-6 * (1.0 + b.abs());
    assert!(single.iter().zip(&flat).all(agree));
}
