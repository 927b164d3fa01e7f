//! Guided scores against the gradients of the densities that they are said to be the scores of, taken by
//! finite differences of log densities, in which no score enters.

use std::cell::Cell;

use ndarray::{Array1, Array2, array};
use proptest::prelude::*;
use sde_core::families::{Edm, VariancePreserving};
use sde_core::guidance::{
    Autoguidance, ClassifierFree, ClassifierGradient, ClassifierGuidance, GuidanceInterval, Scaling,
};
use sde_core::worlds::{ClassedMixture, GaussianMixture};
use sde_core::{
    AffineSde, CountedScore, DifferentiableScore, LearnedVariance, Marginal, Score, Time,
};

use crate::densities::derivative;

type X = Array2<f64>;

const SCALINGS: [Scaling; 3] = [
    Scaling::FromUnconditional,
    Scaling::FromConditional,
    Scaling::Sum,
];

/// Five overlapping Gaussians of classes 3, 7, 3, 3, 7.
fn world() -> ClassedMixture {
    let means = array![
        [-1.0, 0.5],
        [0.3, -0.8],
        [1.5, 1.0],
        [0.0, 2.0],
        [-0.4, -1.6]
    ];
    let stds = array![[0.5, 0.3], [0.4, 0.7], [0.8, 0.5], [0.3, 0.3], [0.6, 0.2]];
    let mixture = GaussianMixture::new(vec![0.3, 0.2, 0.1, 0.25, 0.15], means, stds).unwrap();
    mixture.with_classes(vec![3, 7, 3, 3, 7]).unwrap()
}

/// ∇ of a function of one point, by finite differences.
fn gradient(x: &Array1<f64>, f: impl Fn(&Array1<f64>) -> f64) -> Array1<f64> {
    (0..x.len())
        .map(|d| {
            derivative(1e-3, |h| {
                let mut x = x.clone();
                x[d] += h;
                f(&x)
            })
        })
        .collect()
}

/// The largest difference, relative to 1 + the largest element.
fn difference(found: &X, expected: &X) -> f64 {
    let size = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    let each = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    each.fold(0.0, f64::max) / size
}

/// The gradients of `log_density` at each of `x`.
fn gradients(x: &X, log_density: impl Fn(&Array1<f64>) -> f64) -> X {
    let mut all = x.clone();
    for (point, mut out) in x.outer_iter().zip(all.outer_iter_mut()) {
        out.assign(&gradient(&point.to_owned(), &log_density));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_scaling_is_the_score_of_the_density_that_it_is_documented_to_be(
        w in -2.0..4.0,
        t in 0.15..0.9,
        seed in any::<u64>(),
    ) {
        let (sde, world, t) = (VariancePreserving::default(), world(), Time(t));
        let marginal = sde.marginal(t);
        let given = world.of_class(3).unwrap();
        let (s_c, s) = (given.under(&sde), world.mixture().under(&sde));
        let classifier = world.classifier(3, &sde).unwrap();
        let x = world.mixture().sample_at(marginal, seed, 3);

        let log_p = |x: &Array1<f64>| world.mixture().log_density(marginal, x.view());
        let log_p_c = |x: &Array1<f64>| world.log_class_probability(marginal, 3, x.view()).unwrap();
        // p(x)^a p(c|x)^b for each scaling.
        let powers = |scaling| match scaling {
            Scaling::FromUnconditional => (1.0, w),
            Scaling::FromConditional => (1.0, 1.0 + w),
            Scaling::Sum => (1.0 + w, w),
        };
        for scaling in SCALINGS {
            let rule = ClassifierFree { scaling, ..ClassifierFree::new(w) };
            let guided = rule.guide(&sde, &s_c, &s).unwrap().score(&x, t);
            let (a, b) = powers(scaling);
            let expected = gradients(&x, |x| a * log_p(x) + b * log_p_c(x));
            let error = difference(&guided, &expected);
            prop_assert!(error < 1e-7, "{scaling:?} w {w}: {error:e}");
        }
        let rule = ClassifierGuidance::new(w);
        let guided = rule.guide(&sde, &s, &classifier).unwrap().score(&x, t);
        let expected = gradients(&x, |x| log_p(x) + w * log_p_c(x));
        prop_assert!(difference(&guided, &expected) < 1e-7);
        // On the conditional score: p(x|c) p(c|x)^w.
        let guided = rule.guide(&sde, &s_c, &classifier).unwrap().score(&x, t);
        let expected = gradients(&x, |x| log_p(x) + (1.0 + w) * log_p_c(x));
        prop_assert!(difference(&guided, &expected) < 1e-7);
        // By a weaker score: p_weak (p/p_weak)^w.
        let weak = GaussianMixture::gaussian(&[0.1, 0.2], 1.3).unwrap();
        let s_weak = weak.under(&sde);
        let guided = Autoguidance::new(w).guide(&sde, &s, &s_weak).unwrap().score(&x, t);
        let log_weak = |x: &Array1<f64>| weak.log_density(marginal, x.view());
        let expected = gradients(&x, |x| (1.0 - w) * log_weak(x) + w * log_p(x));
        prop_assert!(difference(&guided, &expected) < 1e-7);
    }

    #[test]
    fn the_product_with_the_jacobian_is_the_guided_score_s_slope(
        w in -1.0..3.0,
        v in prop::array::uniform2(-1.0..1.0),
    ) {
        let (sde, world) = (VariancePreserving::default(), world());
        let given = world.of_class(7).unwrap();
        let (s_c, s) = (given.under(&sde), world.mixture().under(&sde));
        let classifier = world.classifier(7, &sde).unwrap();
        // Guidance acts at the first and the last time only.
        let times = [0.5, 0.2, 0.9, 0.4].map(Time);
        let [low, high] = [0.3, 0.7].map(|t| sde.marginal(Time(t)).sigma_ratio().0);
        let interval = GuidanceInterval { low, high };
        let x = world.mixture().sample_at(sde.marginal(Time(0.5)), 9, 4);
        let v = Array2::from_shape_fn((4, 2), |(i, d)| v[d] * (1.0 - 0.3 * i as f64));
        let free = ClassifierFree { interval, ..ClassifierFree::new(w) };
        let free = free.guide(&sde, &s_c, &s).unwrap();
        let classified = ClassifierGuidance { scale: w, interval };
        let classified = classified.guide(&sde, &s, &classifier).unwrap();
        let guided: [&dyn DifferentiableScore<X>; 2] = [&free, &classified];
        for guided in guided {
            let (s, product) = guided.score_and_vjp(&x, &times, &v);
            prop_assert!(difference(&s, &guided.score_each(&x, &times)) < 1e-14);
            for i in 0..4 {
                for d in 0..2 {
                    let slope = derivative(1e-3, |h| {
                        guided.score_each(&(&x + &(h * &v)), &times)[[i, d]]
                    });
                    let error = (product[[i, d]] - slope).abs();
                    prop_assert!(error < 1e-7 * (1.0 + slope.abs()), "{error:e}");
                }
            }
        }
    }
}

#[test]
fn the_probabilities_of_the_classes_are_bayes_rule_s_and_sum_to_one() {
    let world = world();
    let marginal = Marginal {
        alpha: 0.7,
        sigma: 0.4,
    };
    let x = array![0.2, -0.3];
    let normal = |x: f64, mean: f64, variance: f64| {
        (-0.5 * (x - mean).powi(2) / variance).exp() / (std::f64::consts::TAU * variance).sqrt()
    };
    let joint: Vec<f64> = (0..5)
        .map(|k| {
            let each = (0..2).map(|d| {
                let (m, s) = (
                    world.mixture().means()[[k, d]],
                    world.mixture().stds()[[k, d]],
                );
                normal(x[d], 0.7 * m, (0.7 * s).powi(2) + 0.16)
            });
            world.mixture().weights()[k] * each.product::<f64>()
        })
        .collect();
    let of_three = (joint[0] + joint[2] + joint[3]) / joint.iter().sum::<f64>();
    let found = [3, 7].map(|c| {
        world
            .log_class_probability(marginal, c, x.view())
            .unwrap()
            .exp()
    });
    assert!((found[0] - of_three).abs() < 1e-13, "{found:?} {of_three}");
    assert!((found[0] + found[1] - 1.0).abs() < 1e-13);
    // The sub-mixture: weights 0.3, 0.1, 0.25 made to sum to 1.
    let given = world.of_class(3).unwrap();
    assert_eq!(given.components(), 3);
    assert!((given.weights()[0] - 0.3 / 0.65).abs() < 1e-15);
    assert_eq!(given.means().row(1), array![1.5, 1.0]);
}

#[test]
fn what_is_no_class_is_refused() {
    let message = world().of_class(4).unwrap_err().to_string();
    assert!(message.contains("class 4"), "{message}");
    let marginal = Marginal {
        alpha: 1.0,
        sigma: 1.0,
    };
    assert!(
        world()
            .log_class_probability(marginal, 4, array![0.0, 0.0].view())
            .is_err()
    );
    assert!(world().classifier(4, &Edm::default()).is_err());
    let error = GaussianMixture::eight_gaussians()
        .with_classes(vec![0; 7])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "classes has shape [7], but [8] is what the means ask for"
    );
}

#[test]
fn at_the_scales_that_mean_no_guidance_the_guide_is_not_asked() {
    let sde = Edm::default();
    let main = |x: &X, t: Time| -x / (1.0 + t.0 * t.0);
    let never = |_: &X, _: Time| -> X { panic!("the guide was evaluated") };
    let x = array![[1.0, -2.0]];
    let times = [Time(1.0)];
    let free = |scaling, scale| ClassifierFree {
        scaling,
        ..ClassifierFree::new(scale)
    };
    let by_default = ClassifierFree::default()
        .guide(&sde, &main, &never)
        .unwrap();
    assert_eq!(by_default.score(&x, Time(1.0)), main(&x, Time(1.0)));
    let from_conditional = free(Scaling::FromConditional, 0.0);
    let from_conditional = from_conditional.guide(&sde, &main, &never).unwrap();
    assert_eq!(from_conditional.score_each(&x, &times), main(&x, Time(1.0)));
    let auto = Autoguidance::default().guide(&sde, &main, &never).unwrap();
    assert_eq!(auto.score(&x, Time(1.0)), main(&x, Time(1.0)));
    let classifier = ClassifierGuidance::new(0.0)
        .guide(&sde, &main, &never)
        .unwrap();
    assert_eq!(classifier.score_each(&x, &times), main(&x, Time(1.0)));
    for score in [
        &by_default as &dyn Score<X>,
        &from_conditional,
        &auto,
        &classifier,
    ] {
        assert_eq!(score.cost(&times), 1);
    }
}

/// −c x, and how many samples it was asked for, call by call.
struct Watched {
    c: f64,
    batches: Cell<Vec<usize>>,
}

impl Watched {
    fn new(c: f64) -> Self {
        Self {
            c,
            batches: Cell::default(),
        }
    }

    fn saw(&self, samples: usize) {
        let mut batches = self.batches.take();
        batches.push(samples);
        self.batches.set(batches);
    }
}

impl Score<X> for Watched {
    fn score(&self, x: &X, _: Time) -> X {
        self.saw(x.nrows());
        -self.c * x
    }

    fn score_each(&self, x: &X, times: &[Time]) -> X {
        assert_eq!(x.nrows(), times.len());
        self.score(x, times[0])
    }
}

impl ClassifierGradient<X> for Watched {
    fn gradient(&self, x: &X, t: Time) -> X {
        self.score(x, t)
    }

    fn gradient_each(&self, x: &X, times: &[Time]) -> X {
        self.score_each(x, times)
    }
}

#[test]
fn outside_the_interval_the_score_stands_alone_and_the_guide_costs_nothing() {
    // σ/α is t, so the interval is one of t: open below, closed above.
    let sde = Edm::default();
    let interval = GuidanceInterval {
        low: 1.0,
        high: 2.0,
    };
    let x = array![[1.0, 2.0], [1.0, 3.0], [1.0, 4.0], [1.0, 5.0]];
    let mixed = [2.0, 1.0, 2.5, 1.5].map(Time);
    let within = [1.5; 4].map(Time);
    let outside = [3.0; 4].map(Time);

    let (main, guide) = (Watched::new(1.0), Watched::new(0.5));
    let rule = ClassifierFree {
        interval,
        ..ClassifierFree::new(3.0)
    };
    let free = rule.guide(&sde, &main, &guide).unwrap();
    let rule = ClassifierGuidance {
        interval,
        scale: -2.0,
    };
    let classified = rule.guide(&sde, &main, &guide).unwrap();
    let rule = Autoguidance {
        interval,
        scale: 3.0,
    };
    let auto = rule.guide(&sde, &main, &guide).unwrap();
    // 0.5 + 3 (1 − 0.5), and 1 − 2·0.5.
    let cases: [(&dyn Score<X>, f64); 3] = [(&free, 2.0), (&classified, 0.0), (&auto, 2.0)];
    for (score, guided) in cases {
        let (counted, factors) = (CountedScore::new(score), [guided, 1.0, 1.0, guided]);
        let expected = Array2::from_shape_fn((4, 2), |(i, d)| -factors[i] * x[[i, d]]);
        assert_eq!(counted.score_each(&x, &mixed), expected);
        assert_eq!(counted.evaluations(), 2);
        assert_eq!(counted.score_each(&x, &within), -guided * &x);
        assert_eq!(counted.evaluations(), 4);
        assert_eq!(counted.score_each(&x, &outside), -&x);
        assert_eq!(counted.evaluations(), 5);
        assert_eq!(counted.score(&x, Time(1.0)), -&x);
        assert_eq!(counted.evaluations(), 6);
        assert_eq!(counted.score(&x, Time(2.0)), -guided * &x);
        assert_eq!(counted.evaluations(), 8);
        assert_eq!(main.batches.take(), [4, 4, 4, 4, 4]);
        assert_eq!(guide.batches.take(), [2, 4, 4]);
        assert_eq!(counted.cost(&mixed), 2);
    }

    // Guidance within guidance counts all three.
    let stacked = Autoguidance::new(2.0).guide(&sde, &free, &main).unwrap();
    assert_eq!((stacked.cost(&within), stacked.cost(&outside)), (3, 2));
    let expected = -(1.0 + 2.0 * (2.0 - 1.0)) * &x;
    assert_eq!(stacked.score_each(&x, &within), expected);
}

/// −x with the learned variance 0.25.
struct WithVariance;

impl Score<X> for WithVariance {
    fn score(&self, x: &X, _: Time) -> X {
        -x
    }

    fn with_learned_variance(&self) -> Option<&dyn LearnedVariance<X>> {
        Some(self)
    }
}

impl LearnedVariance<X> for WithVariance {
    fn score_and_variance(&self, x: &X, _: Time) -> (X, X) {
        (-x, X::from_elem(x.raw_dim(), 0.25))
    }
}

#[test]
fn the_guided_part_keeps_its_learned_variance() {
    let sde = Edm::default();
    let other = |x: &X, _: Time| -0.5 * x;
    let x = array![[1.0, 2.0]];
    let free = ClassifierFree::new(3.0)
        .guide(&sde, &WithVariance, &other)
        .unwrap();
    let classified = ClassifierGuidance::new(2.0)
        .guide(&sde, &WithVariance, &other)
        .unwrap();
    for guided in [&free as &dyn Score<X>, &classified] {
        let counted = CountedScore::new(guided);
        let (s, v) = counted.score_and_variance(&x, Time(1.0)).unwrap();
        assert_eq!((s, v), (-2.0 * &x, array![[0.25, 0.25]]));
        assert_eq!(counted.evaluations(), 2);
    }
    let none = ClassifierFree::new(3.0)
        .guide(&sde, &other, &WithVariance)
        .unwrap();
    let none: &dyn Score<X> = &none;
    assert!(none.with_learned_variance().is_none());
}

#[test]
fn impossible_values_are_refused_by_name() {
    let with = |low, high| GuidanceInterval { low, high };
    let free = |scale, interval| ClassifierFree {
        scale,
        interval,
        ..ClassifierFree::default()
    };
    let cases = [
        (f64::NAN, with(0.0, 1.0), "scale = NaN"),
        (f64::INFINITY, with(0.0, 1.0), "scale = inf"),
        (1.0, with(-0.1, 1.0), "interval.low = -0.1"),
        (1.0, with(f64::NAN, 1.0), "interval.low = NaN"),
        (1.0, with(2.0, 1.0), "interval.high = 1"),
        (1.0, with(1.0, 1.0), "interval.high = 1"),
        (1.0, with(0.0, f64::NAN), "interval.high = NaN"),
    ];
    for (scale, interval, message) in cases {
        let errors = [
            free(scale, interval).validated().unwrap_err(),
            ClassifierGuidance { scale, interval }
                .validated()
                .unwrap_err(),
            Autoguidance { scale, interval }.validated().unwrap_err(),
        ];
        for (error, name) in errors
            .iter()
            .zip(["classifier-free", "classifier", "autoguidance"])
        {
            let text = error.to_string();
            assert!(
                text.contains(message) && text.contains(&format!("`{name}`")),
                "{text}"
            );
        }
    }
}

#[test]
fn rules_are_plain_data_with_no_unknown_field() {
    let rule: ClassifierFree = toml::from_str(
        "scale = 2.5\nscaling = 'from-conditional'\ninterval = { low = 0.28, high = 2.9 }",
    )
    .unwrap();
    let expected = ClassifierFree {
        scale: 2.5,
        scaling: Scaling::FromConditional,
        interval: GuidanceInterval {
            low: 0.28,
            high: 2.9,
        },
    };
    assert_eq!(rule, expected);
    for rule in [rule, ClassifierFree::new(-1.0)] {
        let text = toml::to_string(&rule).unwrap();
        assert_eq!(toml::from_str::<ClassifierFree>(&text).unwrap(), rule);
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<ClassifierFree>(&json).unwrap(), rule);
    }
    let classifier: ClassifierGuidance = toml::from_str("scale = -1").unwrap();
    assert_eq!(classifier, ClassifierGuidance::new(-1.0));
    assert_eq!(
        toml::from_str::<Autoguidance>("").unwrap(),
        Autoguidance::default()
    );
    assert!(toml::from_str::<Autoguidance>("scaling = 'sum'").is_err());
    assert!(toml::from_str::<ClassifierFree>("w = 1").is_err());
    assert!(toml::from_str::<ClassifierFree>("interval = { min = 1 }").is_err());
}
