//! Which methods sample the conditional distribution of Gaussian data, and how far off the others are.

use ndarray::{Array1, Array2, array};
use proptest::prelude::*;
use sde_core::families::{Edm, SubVariancePreserving, VarianceExploding, VariancePreserving};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::{AffineSde, Score, StepIndex, Time};
use solvers::editing::{
    Mask, Observation, PosteriorCovariance, Reconstruction, Replacement, Resampling,
};
use solvers::{
    Ancestral, DpmSolver2M, EulerMaruyama, GridConfig, GridSpec, HeunOde, LastStep, Problem,
    Solver, TimeGrid,
};

use super::gaussian::{Gaussian, X, inverse};
use super::moments::moments;

/// Two standard Gaussians of correlation 0.8.
fn pair() -> Gaussian {
    Gaussian {
        mean: array![0.0, 0.0],
        covariance: array![[1.0, 0.8], [0.8, 1.0]],
    }
}

/// Four coordinates of variances 0.3 to 2, all dependent.
fn four() -> Gaussian {
    let factor = array![
        [0.9, 0.0, 0.0, 0.0],
        [0.5, 0.6, 0.0, 0.0],
        [-0.7, 0.3, 1.1, 0.0],
        [0.2, -0.4, 0.5, 0.3],
    ];
    Gaussian {
        mean: array![0.5, -1.0, 0.3, 0.0],
        covariance: factor.dot(&factor.t()),
    }
}

/// The first coordinates of a mask, as rows of A.
fn rows(known: &[bool]) -> Array2<f64> {
    let places: Vec<usize> = (0..known.len()).filter(|&i| known[i]).collect();
    Array2::from_shape_fn((places.len(), known.len()), |(i, j)| {
        f64::from(u8::from(places[i] == j))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The score of x_t given y is that of the conditional Gaussian, noised.
    #[test]
    fn with_tweedie_s_covariance_the_score_is_the_conditional_one(
        t in 0.02..0.98,
        noise in prop_oneof![Just(0.0), 0.1..1.0],
        seed in any::<u64>(),
    ) {
        let sdes: [&dyn AffineSde; 2] =
            [&VariancePreserving::default(), &SubVariancePreserving::default()];
        let known = [true, false, true, true];
        let (mask, world) = (Mask::new(known.to_vec()).unwrap(), four());
        let picture = array![[0.7, 9.0, -1.2, 0.4]];
        let y = array![0.7, -1.2, 0.4];
        let given = world.given(&rows(&known), &y, noise);
        for sde in sdes {
            let observation = Observation::new(&mask, &picture).unwrap();
            let rule = Reconstruction {
                noise,
                covariance: PosteriorCovariance::Jacobian { iterations: 3 },
                ..Reconstruction::default()
            };
            let score = world.under(sde);
            let guided = rule.guide(sde, &score, &observation).unwrap();
            let like = X::zeros((3, 4));
            let x = CounterNoise::new(seed).standard_normal(&like, StepIndex(0), Role::Probe);
            let found = guided.score(&x, Time(t));
            let expected = given.under(sde).score(&x, Time(t));
            let size = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
            let error = (&found - &expected).iter().fold(0.0, |m: f64, e| m.max(e.abs())) / size;
            prop_assert!(error < 1e-7, "{} t {t}: {error:e}", sde.name());
            // Samples at times of their own.
            let times = [t, 0.5, 0.9].map(Time);
            let each = guided.score_each(&x, &times);
            let third = guided.score(&x, Time(0.9));
            prop_assert!((&each.row(2) - &third.row(2)).iter().all(|e| e.abs() < 1e-9 * size));
        }
    }

    #[test]
    fn with_isotropic_covariance_it_is_for_isotropic_data(
        t in 0.02..0.98,
        s in 0.2..2.0,
        noise in prop_oneof![Just(0.0), 0.1..1.0],
    ) {
        let sde = VariancePreserving::default();
        let world = Gaussian { mean: array![0.3, -0.2], covariance: s * s * Array2::eye(2) };
        let mask = Mask::new(vec![true, false]).unwrap();
        let observation = Observation::new(&mask, &array![[1.2, 0.0]]).unwrap();
        let rule = Reconstruction {
            noise,
            covariance: PosteriorCovariance::Isotropic { data_std: s },
            ..Reconstruction::default()
        };
        let score = world.under(&sde);
        let guided = rule.guide(&sde, &score, &observation).unwrap();
        let given = world.given(&rows(&[true, false]), &array![1.2], noise);
        let x = array![[0.4, 1.0], [-2.0, 0.1]];
        let (found, expected) = (guided.score(&x, Time(t)), given.under(&sde).score(&x, Time(t)));
        let size = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
        prop_assert!((found - expected).iter().all(|e| e.abs() < 1e-9 * size));
    }
}

/// The largest difference of mean and of covariance.
fn errors(found: &(Array1<f64>, Array2<f64>), exact: &Gaussian) -> [f64; 2] {
    let largest = |e: f64, x: &f64| e.max(x.abs());
    [
        (&found.0 - &exact.mean).iter().fold(0.0, largest),
        (&found.1 - &exact.covariance).iter().fold(0.0, largest),
    ]
}

/// What is left is the solvers' own error, which falls with the steps.
#[test]
fn samples_by_reconstruction_have_the_exact_conditional_mean_and_covariance() {
    let known = [true, false, true, false];
    let (mask, world) = (Mask::new(known.to_vec()).unwrap(), four());
    let picture = array![[0.7, 0.0, -1.2, 0.0]];
    let given = world.given(&rows(&known), &array![0.7, -1.2], 0.0);
    let (vp, ve, edm) = (
        VariancePreserving::default(),
        VarianceExploding::default(),
        Edm::default(),
    );
    let cases: [(&dyn AffineSde, &dyn Solver<X>, usize, f64); 4] = [
        (&vp, &DpmSolver2M::default(), 80, 1e-3),
        (&vp, &HeunOde, 200, 1e-3),
        (&edm, &DpmSolver2M::default(), 80, 1e-3),
        (&ve, &Ancestral::default(), 200, 0.02),
    ];
    for (sde, solver, steps, bound) in cases {
        let observation = Observation::new(&mask, &picture).unwrap();
        let rule = Reconstruction {
            covariance: PosteriorCovariance::Jacobian { iterations: 2 },
            ..Reconstruction::default()
        };
        let score = world.under(sde);
        let guided = rule.guide(sde, &score, &observation).unwrap();
        let problem = Problem::new(sde, &guided);
        let error = |steps| {
            // From and to p_t given y, so that neither the prior nor the last step adds an error.
            let spec = GridSpec::new(GridConfig::LogSnr {}, steps).ending_with(LastStep::Plain);
            let grid = spec.build(sde).unwrap();
            let [start, end] = [grid.start(), grid.end()].map(|t| given.noised(sde, t));
            let std = sde.prior().std;
            errors(&moments(solver, &problem, &grid, &start.mean, std), &end)
        };
        let ([mean, covariance], [_, rough]) = (error(steps), error(steps / 4));
        let name = solver.info().name;
        assert!(
            mean < bound && covariance < bound,
            "{} {name}: {mean:e} {covariance:e}",
            sde.name()
        );
        assert!(
            rough > 2.0 * covariance,
            "{} {name}: {covariance:e} {rough:e}",
            sde.name()
        );
    }
}

/// E and Var of the unknown one in the limit of short steps, in which the noise of the observation averages out
/// and the score of the unknown part is taken at α y: a linear SDE, whose moments are integrated here.
fn limit_of_replacement(sde: &dyn AffineSde, y: f64) -> [f64; 2] {
    let slope = |t: f64, [mean, variance]: [f64; 2]| {
        let (a, g) = (sde.drift_rate(Time(t)), sde.diffusion(Time(t)));
        let marginal = sde.marginal(Time(t));
        let noise = marginal.sigma.powi(2) * Array2::<f64>::eye(2);
        let precision = inverse(&(marginal.alpha.powi(2) * pair().covariance + noise));
        // Coordinate 0 is known; s = −p x − q α y.
        let (p, q) = (precision[[1, 1]], precision[[1, 0]]);
        let square = g * g;
        [
            -a * mean - square * (p * mean + q * marginal.alpha * y),
            -2.0 * a * variance - 2.0 * square * p * variance + square,
        ]
    };
    let mut moments = [0.0, 1.0];
    let (steps, end) = (20_000, 1e-3f64);
    // Equal steps of √t.
    let time = |i: usize| (1.0 + (end.sqrt() - 1.0) * i as f64 / steps as f64).powi(2);
    for i in 0..steps {
        let (t, next) = (time(i), time(i + 1));
        let h = t - next;
        let first = slope(t, moments);
        let middle = [0, 1].map(|k| moments[k] + 0.5 * h * first[k]);
        let second = slope(0.5 * (t + next), middle);
        moments = [0, 1].map(|k| moments[k] + h * second[k]);
    }
    moments
}

fn by_replacement(steps: usize, resampling: Resampling, y: f64) -> (Array1<f64>, Array2<f64>) {
    let (sde, world) = (VariancePreserving::default(), pair());
    let mask = Mask::new(vec![true, false]).unwrap();
    let observation = Observation::new(&mask, &array![[y, 5.0]]).unwrap();
    let replacement = Replacement::new(&observation)
        .resampled(resampling)
        .unwrap();
    let score = world.under(&sde);
    let problem = Problem::new(&sde, &score).holding(replacement);
    let spec = GridSpec::new(GridConfig::Quadratic {}, steps).ending_with(LastStep::Plain);
    let grid = spec.build(&sde).unwrap();
    moments(&EulerMaruyama, &problem, &grid, &array![0.0, 0.0], 1.0)
}

/// The exact conditional of the second, given that the first is 1, has mean 0.8 and variance 0.36.
#[test]
fn replacement_is_biased_by_what_its_limit_says() {
    let sde = VariancePreserving::default();
    let [mean, variance] = limit_of_replacement(&sde, 1.0);
    let once = Resampling::default();
    let [rough, fine] = [200, 800].map(|steps| by_replacement(steps, once, 1.0));
    // The known one is the observation, noised: α y + σ z with z of its own.
    let end = sde.marginal(sde.t_min_sampling());
    assert!((fine.0[0] - end.alpha).abs() < 1e-12);
    assert!((fine.1[[0, 0]] - end.sigma.powi(2)).abs() < 1e-12 && fine.1[[0, 1]] == 0.0);
    let off = |found: &(Array1<f64>, Array2<f64>)| {
        [
            (found.0[1] - mean).abs(),
            (found.1[[1, 1]] - variance).abs(),
        ]
    };
    let (rough, fine) = (off(&rough), off(&fine));
    assert!(fine.iter().all(|e| *e < 0.01), "{fine:?}");
    // Of the first order in the step, so four times as small.
    assert!(rough[0] / fine[0] > 3.0, "{rough:?} {fine:?}");
    // As documented.
    assert!((mean - 0.50).abs() < 5e-3, "{mean}");
    assert!((variance - 0.49).abs() < 5e-3, "{variance}");
}

#[test]
fn repaint_s_bias_falls_with_the_number_of_resamplings() {
    let bias = |samples| {
        let resampling = Resampling {
            jump_length: 5,
            samples,
        };
        let (mean, covariance) = by_replacement(100, resampling, 1.0);
        [0.8 - mean[1], covariance[[1, 1]] - 0.36]
    };
    let found = [1, 2, 5, 10].map(bias);
    for pair in found.windows(2) {
        assert!(pair[1][0].abs() < pair[0][0].abs(), "{found:?}");
        assert!(pair[1][1].abs() < pair[0][1].abs(), "{found:?}");
    }
    // As documented.
    for (found, [mean, variance]) in
        found[1..]
            .iter()
            .zip([[0.63, 0.43], [0.74, 0.38], [0.77, 0.37]])
    {
        assert!((0.8 - found[0] - mean).abs() < 5e-3, "{found:?}");
        assert!((0.36 + found[1] - variance).abs() < 5e-3, "{found:?}");
    }
}

/// ΠGDM's r_t² is that of independent coordinates: the unknown one hears too little of the known.
#[test]
fn an_isotropic_covariance_is_biased_on_correlated_data_and_tweedie_s_is_not() {
    let (sde, world) = (VariancePreserving::default(), pair());
    let mask = Mask::new(vec![true, false]).unwrap();
    let observation = Observation::new(&mask, &array![[1.0, 0.0]]).unwrap();
    let score = world.under(&sde);
    let given = world.given(&rows(&[true, false]), &array![1.0], 0.0);
    let error = |covariance| {
        let rule = Reconstruction {
            covariance,
            ..Reconstruction::default()
        };
        let guided = rule.guide(&sde, &score, &observation).unwrap();
        let problem = Problem::new(&sde, &guided);
        let grid = TimeGrid::log_snr(&sde, 200).unwrap();
        // From p_T given y, which is not quite the prior: its mean is α_T times that of the data.
        let start = sde.marginal(sde.t_max()).alpha * &given.mean;
        let found = moments(&DpmSolver2M::default(), &problem, &grid, &start, 1.0);
        errors(&found, &given)
    };
    let [mean, covariance] = error(PosteriorCovariance::default());
    let [exact_mean, exact_covariance] = error(PosteriorCovariance::Jacobian { iterations: 1 });
    assert!(exact_mean < 1e-4 && exact_covariance < 1e-4);
    // The mean is 0.76 and not 0.8, the variance 0.39 and not 0.36.
    assert!((0.03..0.05).contains(&mean) && (0.02..0.04).contains(&covariance));
}
