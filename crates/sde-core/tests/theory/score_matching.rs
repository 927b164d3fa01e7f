//! Score matching: every form of it is one objective up to a constant that no score is in.
//!
//! The scores that are compared are the exact ones of other worlds, so they are wrong, and have exact
//! divergences.

use ndarray::{Array2, array};
use sde_core::families::{Edm, VariancePreserving};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::objective::score_matching::{denoising, explicit, implicit, sliced};
use sde_core::objective::{Divergence, Probe, WithVjp, score_and_divergence};
use sde_core::worlds::{ExactScore, GaussianMixture};
use sde_core::{AffineSde, DifferentiableScore, Marginal, StepIndex, Time};

use crate::quadrature::{mixture, standard_normal, sum, with_noise};

const NOISE: CounterNoise = CounterNoise {
    seed: 17,
    first_sample: 0,
};

fn on_the_line(means: [f64; 2], stds: [f64; 2]) -> GaussianMixture {
    let [means, stds] = [means, stds].map(|v| array![[v[0]], [v[1]]]);
    GaussianMixture::new(vec![0.4, 0.6], means, stds).unwrap()
}

/// [denoising, implicit, explicit] of a score for data of `world`, by quadrature.
fn objectives(
    world: &GaussianMixture,
    sde: &dyn AffineSde,
    score: &ExactScore<'_>,
    t: Time,
) -> [f64; 3] {
    let step = 0.15;
    let (x0, weights) = mixture(world, step);
    let (x0, epsilon, joint) = with_noise(&x0, &weights, step);
    let times = vec![t; x0.nrows()];
    let by_noise = denoising(score, sde, &x0, &epsilon, &times);

    let (x, weights) = mixture(&world.noised(sde.marginal(t)), step);
    let times = vec![t; x.nrows()];
    let by_divergence = implicit(score, &x, &times, Divergence::Exact, NOISE, StepIndex(0));
    let itself = explicit(score, &world.under(sde), &x, &times);
    [
        sum(&joint, &by_noise),
        sum(&weights, &by_divergence),
        sum(&weights, &itself),
    ]
}

#[test]
fn denoising_implicit_and_explicit_score_matching_differ_by_constants_on_the_line() {
    let world = on_the_line([-0.6, 0.7], [0.4, 0.6]);
    let wrong = [
        on_the_line([-0.6, 0.7], [0.4, 0.7]),
        on_the_line([-0.2, 1.0], [0.5, 0.5]),
        on_the_line([0.9, -1.0], [0.8, 0.4]),
    ];
    let vp = VariancePreserving::default();
    let edm = Edm::default();
    let cases: [(&dyn AffineSde, f64); 3] = [(&vp, 0.1), (&vp, 0.4), (&edm, 0.8)];
    for (sde, t) in cases {
        let exact = objectives(&world, sde, &world.under(sde), Time(t));
        assert!(exact[2].abs() < 1e-25);
        for other in &wrong {
            let found = objectives(&world, sde, &other.under(sde), Time(t));
            let [d, i, e] = [0, 1, 2].map(|form| found[form] - exact[form]);
            assert!(e > 1e-4, "the scores differ");
            assert!((d - e).abs() < 1e-9 * (1.0 + exact[0]), "{t}: {d} {e}");
            assert!(
                (i - e).abs() < 1e-9 * (1.0 + exact[1].abs()),
                "{t}: {i} {e}"
            );
        }
        // The constants themselves: ½E‖∇log p(x_t|x₀)‖² = ½/σ², and ½E‖∇log p_t‖².
        let sigma = sde.marginal(Time(t)).sigma;
        let (x, weights) = mixture(&world.noised(sde.marginal(Time(t))), 0.15);
        let zero = |x: &Array2<f64>, _: Time| Array2::zeros(x.raw_dim());
        let times = vec![Time(t); x.nrows()];
        let own = sum(&weights, &explicit(&zero, &world.under(sde), &x, &times));
        assert!((exact[0] - (0.5 / (sigma * sigma) - own)).abs() < 1e-9 * (1.0 + exact[0]));
        assert!((exact[1] + own).abs() < 1e-9 * (1.0 + own));
    }
}

#[test]
fn they_differ_by_constants_in_the_plane() {
    // Points as data, so that the law of x₀ is a sum and two dimensions of noise are left.
    let points = array![[0.5, -0.3], [-0.8, 0.6], [0.2, 0.9]];
    let world = GaussianMixture::new(
        vec![0.2, 0.5, 0.3],
        points.clone(),
        Array2::zeros(points.raw_dim()),
    )
    .unwrap();
    let sde = VariancePreserving::default();
    let t = Time(0.25);
    let marginal = sde.marginal(t);
    let rule = standard_normal(0.2);
    let (mut x0, mut epsilon, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for (point, &share) in points.outer_iter().zip(world.weights()) {
        for &(a, wa) in rule.iter().filter(|node| node.1 > 1e-14) {
            for &(b, wb) in rule.iter().filter(|node| node.1 > 1e-14) {
                x0.extend(point.iter());
                epsilon.extend([a, b]);
                weights.push(share * wa * wb);
            }
        }
    }
    let shape = (weights.len(), 2);
    let x0 = Array2::from_shape_vec(shape, x0).unwrap();
    let epsilon = Array2::from_shape_vec(shape, epsilon).unwrap();
    let times = vec![t; shape.0];
    let x = marginal.alpha * &x0 + marginal.sigma * &epsilon;
    let wrong = |shift: f64, std: f64| {
        let means = &points + &array![[shift, -0.5 * shift]];
        let stds = Array2::from_elem(points.raw_dim(), std);
        GaussianMixture::new(vec![1.0, 1.0, 1.0], means, stds).unwrap()
    };
    let all = |other: &GaussianMixture| {
        let score = other.under(&sde);
        let step = StepIndex(0);
        let implicit = implicit(&score, &x, &times, Divergence::Exact, NOISE, step);
        [
            sum(&weights, &denoising(&score, &sde, &x0, &epsilon, &times)),
            sum(&weights, &implicit),
            sum(&weights, &explicit(&score, &world.under(&sde), &x, &times)),
        ]
    };
    let first = all(&wrong(0.2, 0.1));
    for other in [wrong(-0.4, 0.3), wrong(0.7, 0.0)] {
        let second = all(&other);
        let [d, i, e] = [0, 1, 2].map(|form| second[form] - first[form]);
        assert!(e.abs() > 1e-3, "the scores differ");
        assert!((d - e).abs() < 1e-9 && (i - e).abs() < 1e-9, "{d} {i} {e}");
    }
}

/// An objective of a score, a value a sample.
type Form<'a> = dyn Fn(&ExactScore<'_>) -> Vec<f64> + 'a;

/// The mean of draws and its standard error.
fn mean(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn by_draws_every_form_prefers_one_score_to_another_by_the_same_amount() {
    let world = GaussianMixture::eight_gaussians();
    let sde = VariancePreserving::default();
    let t = Time(0.3);
    let n = 20_000;
    let x0 = world.sample(1, n);
    let epsilon: Array2<f64> = NOISE.standard_normal(&x0, StepIndex(0), Role::Forward);
    let marginal = sde.marginal(t);
    let x = marginal.alpha * &x0 + marginal.sigma * &epsilon;
    let times = vec![t; n];
    let [a, b] = [(&[0.3, 0.0], 0.5), (&[0.0, -0.4], 2.0)]
        .map(|(mean, std)| GaussianMixture::gaussian(mean, std).unwrap());
    let [a, b] = [a.under(&sde), b.under(&sde)];
    let step = StepIndex(1);
    let forms: [(&str, &Form<'_>); 7] = [
        ("explicit", &|s| explicit(s, &world.under(&sde), &x, &times)),
        ("denoising", &|s| denoising(s, &sde, &x0, &epsilon, &times)),
        ("implicit", &|s| {
            implicit(s, &x, &times, Divergence::Exact, NOISE, step)
        }),
        ("Rademacher", &|s| {
            let how = Divergence::Hutchinson(Probe::Rademacher);
            implicit(s, &x, &times, how, NOISE, step)
        }),
        ("Gaussian", &|s| {
            let how = Divergence::Hutchinson(Probe::Gaussian);
            implicit(s, &x, &times, how, NOISE, step)
        }),
        ("sliced", &|s| {
            sliced(s, &x, &times, Probe::Rademacher, NOISE, step)
        }),
        ("sliced, Gaussian", &|s| {
            sliced(s, &x, &times, Probe::Gaussian, NOISE, step)
        }),
    ];
    let differences: Vec<(&str, Vec<f64>)> = (forms.iter())
        .map(|(name, form)| {
            (
                *name,
                form(&a).iter().zip(form(&b)).map(|(a, b)| a - b).collect(),
            )
        })
        .collect();
    let (_, itself) = &differences[0];
    let (by_itself, error) = mean(itself.iter().copied());
    assert!(by_itself.abs() > 10.0 * error, "{by_itself} {error}");
    for (name, values) in &differences[1..] {
        let (gap, error) = mean(values.iter().zip(itself).map(|(a, b)| a - b));
        assert!(
            gap.abs() < 5.0 * error,
            "{name}: {gap} ± {error} from {by_itself}"
        );
        // Draws that resolve the difference, or the test would say nothing.
        assert!(
            error < 0.2 * by_itself.abs(),
            "{name}: ± {error} of {by_itself}"
        );
    }
}

/// s = J x with this Jacobian at every point.
fn linear(jacobian: &Array2<f64>) -> impl DifferentiableScore<Array2<f64>> {
    let (there, back) = (jacobian.clone(), jacobian.clone());
    WithVjp {
        score: move |x: &Array2<f64>, _: Time| x.dot(&there.t()),
        vjp: move |_: &Array2<f64>, _: &[Time], v: &Array2<f64>| v.dot(&back),
    }
}

#[test]
fn hutchinson_s_estimator_has_the_variances_of_theory() {
    let n = 20_000;
    let symmetric = array![[-2.0, 0.8, 0.3], [0.8, -1.0, -0.5], [0.3, -0.5, -1.5]];
    let skewed = array![[-2.0, 1.6, 0.3], [0.0, -1.0, 1.0], [0.3, -2.0, -1.5]];
    for jacobian in [symmetric, skewed] {
        let part: Array2<f64> = 0.5 * (&jacobian + &jacobian.t());
        let all: f64 = part.iter().map(|s| s * s).sum();
        let diagonal: f64 = part.diag().iter().map(|s| s * s).sum();
        let trace = jacobian.diag().sum();
        let x = Array2::from_elem((n, 3), 0.3);
        let times = vec![Time(0.5); n];
        let variances = [Probe::Rademacher, Probe::Gaussian].map(|probe| {
            let how = Divergence::Hutchinson(probe);
            let score = linear(&jacobian);
            let (_, draws) = score_and_divergence(&score, &x, &times, how, NOISE, StepIndex(2));
            let (mean_draw, error) = mean(draws.iter().copied());
            assert!(
                (mean_draw - trace).abs() < 5.0 * error,
                "{probe:?}: {mean_draw} {trace}"
            );
            let (variance, error) = mean(draws.iter().map(|draw| (draw - trace).powi(2)));
            let expected = match probe {
                Probe::Rademacher => 2.0 * (all - diagonal),
                Probe::Gaussian => 2.0 * all,
            };
            assert!(
                (variance - expected).abs() < 5.0 * error,
                "{probe:?}: {variance} {expected}"
            );
            variance
        });
        assert!(variances[0] < variances[1]);
        let score = linear(&jacobian);
        let (_, exact) =
            score_and_divergence(&score, &x, &times, Divergence::Exact, NOISE, StepIndex(2));
        assert!(exact.iter().all(|d| (d - trace).abs() < 1e-14));
    }
}

#[test]
fn a_diagonal_jacobian_leaves_rademacher_probes_no_variance() {
    let world = GaussianMixture::gaussian(&[0.3, -0.2, 1.0], 0.7).unwrap();
    let sde = Edm::default();
    let x = world.sample_at(sde.marginal(Time(0.5)), 0, 50);
    let times = vec![Time(0.5); 50];
    let how = Divergence::Hutchinson(Probe::Rademacher);
    let score = world.under(&sde);
    let (_, draws) = score_and_divergence(&score, &x, &times, how, NOISE, StepIndex(0));
    let expected = -3.0 / (0.49 + 0.25);
    assert!(draws.iter().all(|draw| (draw - expected).abs() < 1e-13));
}

#[test]
fn exact_divergences_are_the_world_s_and_probes_do_not_know_their_neighbours() {
    let world = GaussianMixture::eight_gaussians();
    let sde = VariancePreserving::default();
    let times: Vec<Time> = (1..=6).map(|i| Time(0.15 * f64::from(i))).collect();
    let x = world.sample(3, 6);
    let score = world.under(&sde);
    let by = |how, x: &Array2<f64>, times: &[Time], noise| {
        score_and_divergence(&score, x, times, how, noise, StepIndex(4)).1
    };
    let exact = by(Divergence::Exact, &x, &times, NOISE);
    for ((x, &t), divergence) in x.outer_iter().zip(&times).zip(exact) {
        let expected = world.divergence(sde.marginal(t), x);
        assert!((divergence - expected).abs() < 1e-12 * (1.0 + expected.abs()));
    }
    for probe in [Probe::Rademacher, Probe::Gaussian] {
        let how = Divergence::Hutchinson(probe);
        let whole = by(how, &x, &times, NOISE);
        let tail = x.slice(ndarray::s![4.., ..]).to_owned();
        assert_eq!(
            by(how, &tail, &times[4..], NOISE.starting_at(4)),
            whole[4..]
        );
    }
}

#[test]
fn every_sample_has_a_time_of_its_own() {
    let world = GaussianMixture::eight_gaussians();
    let sde = VariancePreserving::default();
    let wrong = GaussianMixture::gaussian(&[0.3, 0.0], 0.5).unwrap();
    let score = wrong.under(&sde);
    let x0 = world.sample(2, 3);
    let epsilon: Array2<f64> = NOISE.standard_normal(&x0, StepIndex(0), Role::Forward);
    let times = [Time(0.1), Time(0.7), Time(0.3)];
    let whole = denoising(&score, &sde, &x0, &epsilon, &times);
    for i in 0..3 {
        let [x0, epsilon] = [&x0, &epsilon].map(|x| x.slice(ndarray::s![i..=i, ..]).to_owned());
        let alone = denoising(&score, &sde, &x0, &epsilon, &times[i..=i]);
        assert_eq!(alone, whole[i..=i]);
        // ½‖s + ε/σ‖² with s = −(x_t − α m)/(α² 0.25 + σ²), written out.
        let Marginal { alpha, sigma } = sde.marginal(times[i]);
        let variance = 0.25 * alpha * alpha + sigma * sigma;
        let expected: f64 = (0..2)
            .map(|d| {
                let x = alpha * x0[[0, d]] + sigma * epsilon[[0, d]];
                let s = (alpha * [0.3, 0.0][d] - x) / variance;
                0.5 * (s + epsilon[[0, d]] / sigma).powi(2)
            })
            .sum();
        assert!((alone[0] - expected).abs() < 1e-12 * (1.0 + expected));
    }
}

#[test]
fn ways_to_a_divergence_are_plain_data() {
    #[derive(serde::Deserialize)]
    struct File {
        divergence: Divergence,
    }
    for (text, expected) in [
        ("\"exact\"", Divergence::Exact),
        (
            "{ hutchinson = \"gaussian\" }",
            Divergence::Hutchinson(Probe::Gaussian),
        ),
        ("{ hutchinson = \"rademacher\" }", Divergence::default()),
    ] {
        let file: File = toml::from_str(&format!("divergence = {text}")).unwrap();
        assert_eq!(file.divergence, expected);
    }
}
