//! What cannot be known, held or edited is refused by name.

use ndarray::{Array2, array};
use sde_core::families::VariancePreserving;
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Sigma, Time};
use solvers::editing::{
    AveragePooling, ChannelMix, EditError, Mask, Observation, PosteriorCovariance, Reconstruction,
    Replacement, Resampling, SdEdit,
};
use solvers::{
    AdaptiveSde, Ancestral, GridConfig, GridSpec, Problem, Rk45, SolveError, Solver, TimeGrid,
    Unobserved, interpolate, sample_prior,
};

type X = Array2<f64>;

fn message<T>(result: Result<T, EditError>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn sizes_that_are_none_or_do_not_divide_are_errors() {
    let row = |row: &[f64]| ChannelMix::new(vec![row.to_vec()], 3, 4).map(|_| ());
    let twice = ChannelMix::new(vec![vec![1.0, 1.0], vec![2.0, 2.0]], 2, 4).map(|_| ());
    let cases = [
        (Mask::new(vec![]).map(|_| ()), "mask.len = 0"),
        (Mask::of_pixels(0, &[true]).map(|_| ()), "mask.channels = 0"),
        (
            Mask::without_box([1, 4, 4], 0..5, 0..1).map(|_| ()),
            "mask.rows.end = 5",
        ),
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
        (
            Mask::without_box([1, 4, 4], 0..4, 3..1).map(|_| ()),
            "mask.columns.end = 1",
        ),
        (ChannelMix::grey(0, 4).map(|_| ()), "channels = 0"),
        (ChannelMix::grey(3, 0).map(|_| ()), "pixels = 0"),
        (
            row(&[1.0, 2.0]),
            "row 0 of the channels' combinations has another length",
        ),
        (row(&[1.0, f64::NAN, 0.0]), "is not finite"),
        (row(&[0.0; 3]), "is 0 or a combination"),
        (
            twice,
            "row 1 of the channels' combinations is 0 or a combination",
        ),
        (
            AveragePooling::new([1, 4, 4], 0).map(|_| ()),
            "pooling.factor = 0",
        ),
        (
            AveragePooling::new([1, 4, 6], 4).map(|_| ()),
            "pooling.width = 6",
        ),
    ];
    for (result, expected) in cases {
        let text = message(result);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn values_that_no_method_can_have_are_errors() {
    let rule = Reconstruction::default();
    let with = |covariance| {
        Reconstruction { covariance, ..rule }
            .validated()
            .map(|_| ())
    };
    let isotropic = |data_std| with(PosteriorCovariance::Isotropic { data_std });
    let none = Resampling {
        jump_length: 0,
        samples: 1,
    };
    let never = Resampling {
        jump_length: 1,
        samples: 0,
    };
    let cases = [
        (none.validated().map(|_| ()), "resampling.jump_length = 0"),
        (never.validated().map(|_| ()), "resampling.samples = 0"),
        (
            Reconstruction {
                scale: f64::NAN,
                ..rule
            }
            .validated()
            .map(|_| ()),
            "reconstruction.scale = NaN",
        ),
        (
            Reconstruction {
                noise: -0.1,
                ..rule
            }
            .validated()
            .map(|_| ()),
            "reconstruction.noise = -0.1",
        ),
        (isotropic(0.0), "data_std = 0"),
        (isotropic(f64::INFINITY), "data_std = inf"),
        (
            with(PosteriorCovariance::Jacobian { iterations: 0 }),
            "iterations = 0",
        ),
    ];
    for (result, expected) in cases {
        let text = message(result);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_mask_of_another_shape_and_pictures_for_other_samples_are_errors_before_the_run() {
    let (sde, world) = (
        VariancePreserving::default(),
        GaussianMixture::eight_gaussians(),
    );
    let score = world.under(&sde);
    let mask = Mask::new(vec![true, false]).unwrap();
    let text = message(Observation::new(&mask, &X::zeros((1, 3))).map(|_| ()));
    assert!(
        text.contains("2 elements") && text.contains("have 3"),
        "{text}"
    );
    assert!(Observation::new(&mask, &X::zeros((0, 2))).is_err());

    let grid = TimeGrid::uniform(&sde, 5).unwrap();
    let run = |observation: &Observation<'_, X>, like: X| {
        let problem = Problem::new(&sde, &score).holding(Replacement::new(observation));
        let noise = CounterNoise::new(0);
        let solver = Ancestral::default();
        solver
            .solve(&problem, &grid, like, &noise, &mut Unobserved)
            .map(|s| s.x)
    };
    let three = Observation::new(&mask, &X::zeros((3, 2))).unwrap();
    assert!(run(&three, X::zeros((3, 2))).is_ok());
    let error = run(&three, X::zeros((4, 2))).unwrap_err().to_string();
    assert!(
        error.contains("3 pictures are known for 4 samples"),
        "{error}"
    );
    let error = run(&three, X::zeros((3, 4))).unwrap_err().to_string();
    assert!(error.contains("2 elements, but these have 4"), "{error}");
    let one = Observation::new(&mask, &X::zeros((1, 2))).unwrap();
    assert!(run(&one, X::zeros((4, 2))).is_ok());
    // A score is not told which samples it is asked for.
    let text = message(
        Reconstruction::default()
            .guide(&sde, &score, &three)
            .map(|_| ()),
    );
    assert!(
        text.contains("one for all") && text.contains("a score"),
        "{text}"
    );
}

#[test]
fn a_solver_that_chooses_its_own_steps_cannot_be_held_and_says_what_can() {
    let (sde, world) = (
        VariancePreserving::default(),
        GaussianMixture::eight_gaussians(),
    );
    let score = world.under(&sde);
    let mask = Mask::new(vec![true, false]).unwrap();
    let observation = Observation::new(&mask, &X::zeros((1, 2))).unwrap();
    let problem = Problem::new(&sde, &score).holding(Replacement::new(&observation));
    let grid = TimeGrid::uniform(&sde, 5).unwrap();
    let noise = CounterNoise::new(0);
    let x = sample_prior(&sde, &X::zeros((2, 2)), &noise);
    for solver in [&Rk45::default() as &dyn Solver<X>, &AdaptiveSde::default()] {
        let error = solver
            .solve(&problem, &grid, x.clone(), &noise, &mut Unobserved)
            .unwrap_err();
        let name = solver.info().name;
        assert_eq!(error, SolveError::NotStepwise { solver: name });
        assert!(error.to_string().contains("reconstruction guidance"));
    }
    let moved = Rk45::default().transport(&problem, x, Time(1.0), Time(0.5));
    assert!(moved.is_err());
}

#[test]
fn a_level_of_noise_that_a_run_does_not_have_is_an_error() {
    let (sde, world) = (
        VariancePreserving::default(),
        GaussianMixture::eight_gaussians(),
    );
    let score = world.under(&sde);
    let edit = |sigma| {
        let spec = GridSpec::new(GridConfig::LogSnr {}, 5);
        let (problem, noise) = (Problem::new(&sde, &score), CounterNoise::new(0));
        let solver = Ancestral::default();
        let edit = SdEdit {
            sigma: Sigma(sigma),
        };
        edit.edit(
            &solver,
            &problem,
            spec,
            array![[1.0, 0.0]],
            &noise,
            &mut Unobserved,
        )
        .map(|s| s.x)
    };
    let lowest = sde.marginal(sde.t_min_sampling()).sigma_ratio().0;
    for sigma in [0.0, -1.0, f64::NAN, lowest, 1e6, f64::INFINITY] {
        let error = edit(sigma).unwrap_err().to_string();
        assert!(error.contains("sdedit.sigma"), "{error}");
    }
    assert!(edit(1.0).is_ok());
}

#[test]
fn states_of_two_shapes_are_not_interpolated() {
    let (sde, world) = (
        VariancePreserving::default(),
        GaussianMixture::eight_gaussians(),
    );
    let score = world.under(&sde);
    let problem = Problem::new(&sde, &score);
    let pair = [X::zeros((1, 2)), X::zeros((2, 2))];
    let error = interpolate(&Rk45::default(), &problem, pair, Time(1e-3), &[0.5]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("1 samples of 2 elements and 2 of 2"),
        "{error}"
    );
}

#[test]
fn methods_are_plain_data_with_no_unknown_field() {
    let read: Reconstruction =
        toml::from_str("noise = 0.1\ncovariance = { rule = 'jacobian' }").unwrap();
    let expected = Reconstruction {
        noise: 0.1,
        covariance: PosteriorCovariance::Jacobian { iterations: 3 },
        ..Reconstruction::default()
    };
    assert_eq!(read, expected);
    for rule in [read, Reconstruction::default()] {
        let text = toml::to_string(&rule).unwrap();
        assert_eq!(toml::from_str::<Reconstruction>(&text).unwrap(), rule);
    }
    let isotropic: Reconstruction = toml::from_str("covariance = { rule = 'isotropic' }").unwrap();
    assert_eq!(isotropic, Reconstruction::default());
    let repaint: Resampling = toml::from_str("jump_length = 10\nsamples = 10").unwrap();
    assert_eq!(repaint, Resampling::repaint());
    assert_eq!(
        toml::from_str::<Resampling>("").unwrap(),
        Resampling::default()
    );
    assert_eq!(
        toml::from_str::<SdEdit>("sigma = 2.5").unwrap(),
        SdEdit { sigma: Sigma(2.5) }
    );
    assert!(toml::from_str::<SdEdit>("strength = 0.5").is_err());
    assert!(toml::from_str::<Resampling>("jumps = 1").is_err());
    assert!(toml::from_str::<Reconstruction>("zeta = 1").is_err());
    assert!(
        toml::from_str::<Reconstruction>("covariance = { rule = 'isotropic', iterations = 2 }")
            .is_err()
    );
}
