//! Time grids: their ends, their spacing, and what they refuse.

use proptest::prelude::*;
use sde_core::families::{Edm, VarianceExploding, VariancePreserving};
use sde_core::{AffineSde, LogSnr, Time};
use solvers::{GridConfig, GridError, GridSpec, LastStep, TimeGrid};

use crate::families;

fn spacings() -> [GridConfig; 4] {
    [
        GridConfig::Uniform {},
        GridConfig::Quadratic {},
        GridConfig::LogSnr {},
        GridConfig::karras(),
    ]
}

/// The quantity in which a grid is equally spaced.
fn clock(spacing: GridConfig, sde: &dyn AffineSde, t: Time) -> f64 {
    let m = sde.marginal(t);
    match spacing {
        GridConfig::Uniform {} => t.0,
        GridConfig::Quadratic {} => t.0.sqrt(),
        GridConfig::LogSnr {} => {
            let LogSnr(value) = m.log_snr();
            -value
        }
        GridConfig::Karras { rho } => m.sigma_ratio().0.powf(1.0 / rho),
    }
}

proptest! {
    #[test]
    fn a_grid_falls_from_t_max_to_t_min_in_equal_steps_of_its_clock(
        family in 0..5usize,
        spacing in 0..4usize,
        steps in 1..300usize,
        denoise: bool,
    ) {
        let sde = families::all().remove(family);
        let last_step = if denoise { LastStep::Denoise } else { LastStep::Plain };
        let spacing = spacings()[spacing];
        let grid = GridSpec::new(spacing, steps).ending_with(last_step).build(sde.as_ref()).unwrap();
        prop_assert_eq!(grid.steps(), steps);
        prop_assert_eq!(grid.start(), sde.t_max());
        let intervals = grid.times().len() - 1;
        if intervals == 0 {
            return Ok(());
        }
        prop_assert_eq!(grid.end(), sde.t_min_sampling());
        let values: Vec<f64> = grid.times().iter().map(|&t| clock(spacing, sde.as_ref(), t)).collect();
        let span = values[0] - values[intervals];
        for (i, value) in values.iter().enumerate() {
            let expected = values[0] - span * i as f64 / intervals as f64;
            prop_assert!((value - expected).abs() < 1e-9 * span, "{i}: {value} for {expected}");
        }
        prop_assert!(grid.times().windows(2).all(|pair| pair[1] < pair[0]));
    }
}

#[test]
fn the_shorthands_are_the_specifications_they_stand_for() {
    let sde = VariancePreserving::default();
    let built = |spacing| GridSpec::new(spacing, 9).build(&sde);
    assert_eq!(TimeGrid::uniform(&sde, 9), built(GridConfig::Uniform {}));
    assert_eq!(
        TimeGrid::quadratic(&sde, 9),
        built(GridConfig::Quadratic {})
    );
    assert_eq!(TimeGrid::log_snr(&sde, 9), built(GridConfig::LogSnr {}));
    assert_eq!(TimeGrid::karras(&sde, 9, 7.0), built(GridConfig::karras()));
}

#[test]
fn the_ends_can_be_chosen() {
    let sde = VariancePreserving::default();
    for spacing in spacings() {
        let spec = GridSpec::new(spacing, 10).between(Time(0.8), Time(0.1));
        let grid = spec.build(&sde).unwrap();
        assert_eq!((grid.start(), grid.end()), (Time(0.8), Time(0.1)));
    }
}

#[test]
fn log_snr_is_the_limit_of_karras_for_large_rho() {
    let sde = Edm::default();
    let limit = TimeGrid::log_snr(&sde, 20).unwrap();
    let karras = TimeGrid::karras(&sde, 20, 1e5).unwrap();
    for (a, b) in limit.times().iter().zip(karras.times()) {
        assert!((a.0 / b.0 - 1.0).abs() < 1e-3);
    }
}

#[test]
fn grids_that_cannot_be_are_errors_that_say_why() {
    let sde = VariancePreserving::default();
    let refused = |spec: GridSpec| spec.build(&sde).unwrap_err();
    let spec = GridSpec::new(GridConfig::Uniform {}, 10);

    for last_step in [LastStep::Denoise, LastStep::Plain] {
        let none = GridSpec { steps: 0, ..spec }.ending_with(last_step);
        assert_eq!(refused(none), GridError::NoSteps);
    }
    for (start, end) in [
        (1.5, 0.1),
        (0.1, 0.5),
        (0.5, 0.5),
        (1.0, -0.1),
        (f64::NAN, 0.1),
        (1.0, f64::NAN),
    ] {
        let error = refused(spec.between(Time(start), Time(end)));
        assert!(matches!(error, GridError::Span { .. }), "{error}");
    }
    let error = refused(spec.between(Time(1.0), Time(0.0)));
    assert!(matches!(error, GridError::NoNoise { .. }), "{error}");
    for rho in [0.0, -7.0, f64::NAN, f64::INFINITY] {
        let error = refused(GridSpec::new(GridConfig::Karras { rho }, 10));
        assert!(matches!(error, GridError::Rho { .. }), "{error}");
    }
    // VE has noise left at 0.
    let ve = VarianceExploding::default();
    assert!(spec.between(Time(1.0), Time(0.0)).build(&ve).is_ok());
    // There are only so many numbers between two neighbours.
    let error = refused(spec.between(Time(1.0), Time(1.0 - 4.0 * f64::EPSILON)));
    assert!(matches!(error, GridError::NotFalling { .. }), "{error}");
}

#[test]
fn times_of_ones_own_are_checked() {
    let times = |times: &[f64], last_step| {
        TimeGrid::from_times(times.iter().map(|&t| Time(t)).collect(), last_step)
    };
    assert_eq!(times(&[], LastStep::Denoise), Err(GridError::NoSteps));
    assert_eq!(times(&[1.0], LastStep::Plain), Err(GridError::NoSteps));
    assert_eq!(times(&[1.0], LastStep::Denoise).unwrap().steps(), 1);
    let error = times(&[1.0, f64::NAN], LastStep::Plain).unwrap_err();
    assert!(matches!(error, GridError::NotFinite { index: 1, .. }));
    let error = times(&[1.0, 0.5, 0.7], LastStep::Plain).unwrap_err();
    assert!(matches!(error, GridError::NotFalling { index: 2, .. }));
}

#[test]
fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    for spacing in spacings() {
        assert_eq!(spacing.name().parse(), Ok(spacing));
    }
    assert_eq!(spacings().map(GridConfig::name), GridConfig::NAMES);
    let error = "kerras".parse::<GridConfig>().unwrap_err().to_string();
    assert!(
        error.contains("`kerras`") && error.contains("log-snr, karras"),
        "{error}"
    );
}
