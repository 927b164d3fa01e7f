//! Every solver under every guidance, on a mixture whose classes are known.

use ndarray::{Array2, ArrayView1, array};
use sde_core::families::{Edm, VariancePreserving};
use sde_core::guidance::{
    Autoguidance, ClassifierFree, ClassifierGuidance, GuidanceInterval, Scaling,
};
use sde_core::noise::CounterNoise;
use sde_core::worlds::{ClassedMixture, GaussianMixture};
use sde_core::{AffineSde, Score};
use solvers::{
    Divergence, GridSpec, Likelihood, Problem, Solution, SolverConfig, Unobserved, sample_prior,
};

type X = Array2<f64>;

/// Class 0 at (±2, −2) with shares ¼ and ¾, class 1 at (±2, 2); all of standard deviation 0.3.
fn world() -> ClassedMixture {
    let means = array![[-2.0, -2.0], [2.0, -2.0], [-2.0, 2.0], [2.0, 2.0]];
    let mixture = GaussianMixture::isotropic(vec![0.15, 0.45, 0.2, 0.2], means, 0.3).unwrap();
    mixture.with_classes(vec![0, 0, 1, 1]).unwrap()
}

fn every_solver() -> Vec<SolverConfig> {
    SolverConfig::NAMES
        .map(|name| name.parse().unwrap())
        .to_vec()
}

/// `n` samples on the solver's default grid.
fn run(config: SolverConfig, sde: &dyn AffineSde, score: &dyn Score<X>, n: usize) -> Solution<X> {
    let steps = config.default_steps().min(60);
    let grid = GridSpec::new(config.default_grid(sde.name()), steps)
        .build(sde)
        .unwrap();
    let noise = CounterNoise::new(5);
    let x_t = sample_prior(sde, &X::zeros((n, 2)), &noise);
    let solver = config.build().unwrap();
    let problem = Problem::new(sde, score);
    solver
        .solve(&problem, &grid, x_t, &noise, &mut Unobserved)
        .unwrap()
}

/// Under each guidance, the score at the scale that means the class's own distribution, and at one that
/// asks for more.
fn with_every_guidance(sde: &dyn AffineSde, mut each: impl FnMut(&str, &dyn Score<X>, bool)) {
    let world = world();
    let given = world.of_class(0).unwrap();
    let (s_c, s) = (given.under(sde), world.mixture().under(sde));
    let classifier = world.classifier(0, sde).unwrap();
    let blurred = GaussianMixture::isotropic(vec![0.25, 0.75], given.means().to_owned(), 0.8);
    let blurred = blurred.unwrap();
    let weak = blurred.under(sde);
    for more in [false, true] {
        let extra = if more { 1.0 } else { 0.0 };
        let free = ClassifierFree::new(1.0 + extra);
        each("classifier-free", &free.guide(sde, &s_c, &s).unwrap(), more);
        let original = ClassifierFree {
            scaling: Scaling::FromConditional,
            ..ClassifierFree::new(extra)
        };
        each(
            "as published",
            &original.guide(sde, &s_c, &s).unwrap(),
            more,
        );
        let rule = ClassifierGuidance::new(1.0 + extra);
        each(
            "classifier",
            &rule.guide(sde, &s, &classifier).unwrap(),
            more,
        );
        let auto = Autoguidance::new(1.0 + extra);
        each("autoguidance", &auto.guide(sde, &s_c, &weak).unwrap(), more);
    }
}

fn distance(x: ArrayView1<'_, f64>, mean: [f64; 2]) -> f64 {
    (x[0] - mean[0]).hypot(x[1] - mean[1])
}

/// At the scale of the class's own distribution each sample is at one of its two components: at most 6 of
/// their standard deviations away, beyond which a Gaussian of the plane has e^{−18} = 1.5e-8 of its mass, and
/// 2.2 times as wide as that at the other's side of the half way. And the second has its share of ¾: the
/// number of 64 samples there is 48 with a standard deviation of 3.5, and is held to four of them. (Euler's
/// steps and Langevin's short runs are a few percent off in width, nothing beside these bounds.)
#[test]
fn every_solver_under_every_guidance_reaches_the_components_of_the_class() {
    let sde = VariancePreserving::default();
    for config in every_solver() {
        let name = config.info().name;
        with_every_guidance(&sde, |guidance, score, more| {
            let n = if more { 8 } else { 64 };
            let x = run(config, &sde, score, n).x;
            let at = |mean: [f64; 2]| {
                x.outer_iter()
                    .filter(|x| distance(*x, mean) < 6.0 * 0.3)
                    .count()
            };
            let [left, right] = [at([-2.0, -2.0]), at([2.0, -2.0])];
            assert_eq!(left + right, n, "{name}, {guidance}, more: {more}");
            if !more {
                assert!(
                    right.abs_diff(48) <= 14,
                    "{name}, {guidance}: {right} of 64"
                );
            }
        });
    }
}

#[test]
fn evaluations_count_both_scores_and_only_where_guidance_acts() {
    let (sde, world) = (Edm::default(), world());
    let given = world.of_class(0).unwrap();
    let (s_c, s) = (given.under(&sde), world.mixture().under(&sde));
    for config in every_solver() {
        // Those that choose their own steps take others for another score.
        if config.with_tolerance(1.0).is_some() {
            continue;
        }
        let alone = run(config, &sde, &s_c, 2).nfe;
        let guided = ClassifierFree::new(2.0).guide(&sde, &s_c, &s).unwrap();
        assert_eq!(
            run(config, &sde, &guided, 2).nfe,
            2 * alone,
            "{}",
            config.info().name
        );
    }
    // Heun's 18 steps evaluate once at the first time, twice at those between, once at the last.
    let heun = SolverConfig::Heun {};
    let grid = GridSpec::new(heun.default_grid("edm"), 18)
        .build(&sde)
        .unwrap();
    let [high, low] = [grid.times()[4], grid.times()[10]].map(|t| t.0);
    let rule = ClassifierFree {
        interval: GuidanceInterval { low, high },
        ..ClassifierFree::new(2.0)
    };
    let guided = rule.guide(&sde, &s_c, &s).unwrap();
    let noise = CounterNoise::new(0);
    let x_t = sample_prior(&sde, &X::zeros((2, 2)), &noise);
    let solver = heun.build().unwrap();
    let problem = Problem::new(&sde, &guided);
    let solution = solver
        .solve(&problem, &grid, x_t, &noise, &mut Unobserved)
        .unwrap();
    // Times 4 to 9.
    assert_eq!(solution.nfe, 35 + 2 * 6);
}

#[test]
fn an_adaptive_run_with_samples_inside_and_outside_the_interval_is_each_sample_s_own() {
    let (sde, world) = (VariancePreserving::default(), world());
    let given = world.of_class(1).unwrap();
    let (s_c, s) = (given.under(&sde), world.mixture().under(&sde));
    let rule = ClassifierFree {
        interval: GuidanceInterval {
            low: 0.3,
            high: 3.0,
        },
        ..ClassifierFree::new(1.5)
    };
    let guided = rule.guide(&sde, &s_c, &s).unwrap();
    let config: SolverConfig = "adaptive-sde".parse().unwrap();
    let config = config.with_tolerance(0.05).unwrap();
    let noise = CounterNoise::new(1);
    let grid = GridSpec::new(config.default_grid("vp"), 4)
        .build(&sde)
        .unwrap();
    let part = |first: usize, len: usize| {
        let noise = noise.starting_at(first as u64);
        let x_t = sample_prior(&sde, &X::zeros((len, 2)), &noise);
        let solver = config.build().unwrap();
        let problem = Problem::new(&sde, &guided);
        solver
            .solve(&problem, &grid, x_t, &noise, &mut Unobserved)
            .unwrap()
            .x
    };
    let whole = part(0, 6);
    assert_eq!(part(2, 3), whole.slice(ndarray::s![2..5, ..]));
}

/// At w = 1 the guided flow is the flow of the class's own distribution, whose density is known; so the
/// guided score's Jacobian is right too.
#[test]
fn a_guided_score_has_the_likelihood_of_the_class() {
    let (sde, world) = (VariancePreserving::default(), world());
    let given = world.of_class(0).unwrap();
    let s = world.mixture().under(&sde);
    let classifier = world.classifier(0, &sde).unwrap();
    let guided = ClassifierGuidance::new(1.0)
        .guide(&sde, &s, &classifier)
        .unwrap();
    let likelihood = Likelihood {
        divergence: Divergence::Exact { max_dim: 2 },
        ..Likelihood::default()
    };
    let x = given.sample(3, 8);
    let noise = CounterNoise::new(0);
    let [found, expected] = [
        likelihood.evaluate(&sde, &guided, &x, noise).unwrap(),
        likelihood
            .evaluate(&sde, &given.under(&sde), &x, noise)
            .unwrap(),
    ]
    .map(|report| report.nats.value);
    assert!((found - expected).abs() < 1e-3, "{found} {expected}");
}
