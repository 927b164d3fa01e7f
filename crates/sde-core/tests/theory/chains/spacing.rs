//! Sub-sequences of a chain's steps, against the lists of other implementations.

use proptest::prelude::*;
use sde_core::chains::{Chain, Ddpm, StepSpacing};

const ALL: [StepSpacing; 4] = [
    StepSpacing::Leading,
    StepSpacing::Trailing,
    StepSpacing::Linspace,
    StepSpacing::Quadratic,
];

fn thousand(spacing: StepSpacing, count: usize) -> Vec<usize> {
    let steps = spacing.steps(1000, count).unwrap();
    steps.into_iter().map(|step| step.0).collect()
}

#[test]
fn spacings_of_a_thousand_steps_are_those_of_diffusers() {
    // DDIMScheduler.set_timesteps of diffusers 0.35.2.
    use StepSpacing::{Leading, Linspace, Trailing};
    assert_eq!(
        thousand(Leading, 10),
        [900, 800, 700, 600, 500, 400, 300, 200, 100, 0]
    );
    assert_eq!(thousand(Leading, 7), [852, 710, 568, 426, 284, 142, 0]);
    assert_eq!(
        thousand(Trailing, 10),
        [999, 899, 799, 699, 599, 499, 399, 299, 199, 99]
    );
    assert_eq!(thousand(Trailing, 3), [999, 666, 332]);
    assert_eq!(thousand(Trailing, 7), [999, 856, 713, 570, 428, 285, 142]);
    assert_eq!(
        thousand(Linspace, 10),
        [999, 888, 777, 666, 555, 444, 333, 222, 111, 0]
    );
    // 499.5 is rounded to even.
    assert_eq!(thousand(Linspace, 3), [999, 500, 0]);
    assert_eq!(thousand(Linspace, 7), [999, 832, 666, 500, 333, 166, 0]);
}

#[test]
fn the_quadratic_spacing_is_that_of_ddim_s_code() {
    // int(s) for s in np.linspace(0, np.sqrt(1000 * 0.8), n) ** 2.
    let quadratic = |count| thousand(StepSpacing::Quadratic, count);
    assert_eq!(quadratic(10), [800, 632, 483, 355, 246, 158, 88, 39, 9, 0]);
    assert_eq!(
        quadratic(20),
        [
            800, 718, 640, 567, 498, 434, 374, 319, 268, 221, 179, 141, 108, 79, 55, 35, 19, 8, 2,
            0
        ]
    );
    // There it ends 5, 2, 1, 0, 0.
    let fifty = quadratic(50);
    assert_eq!(fifty.len(), 49);
    assert_eq!(fifty[44..], [8, 5, 2, 1, 0]);
}

#[test]
fn all_the_steps_are_the_whole_chain() {
    let chain = Ddpm {
        steps: 50,
        ..Ddpm::default()
    }
    .chain()
    .unwrap();
    for spacing in [
        StepSpacing::Leading,
        StepSpacing::Trailing,
        StepSpacing::Linspace,
    ] {
        let times = chain.spaced_times(spacing, 50).unwrap();
        for (i, t) in times.into_iter().enumerate() {
            assert_eq!(t.0, (50 - i) as f64 / 50.0);
        }
    }
}

#[test]
fn more_steps_than_there_are_is_an_error_with_both_numbers() {
    for count in [0, 1001] {
        let error = StepSpacing::Leading
            .steps(1000, count)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&count.to_string()) && error.contains("1000"),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn spaced_steps_fall_within_the_chain(total in 1..5000usize, share in 0.0..1.0, kind in 0..4usize) {
        let count = 1 + (share * (total - 1) as f64) as usize;
        let steps = ALL[kind].steps(total, count).unwrap();
        prop_assert!(steps.windows(2).all(|pair| pair[1] < pair[0]));
        prop_assert!(steps[0].0 < total);
        if ALL[kind] != StepSpacing::Quadratic {
            prop_assert_eq!(steps.len(), count);
        }
        if ALL[kind] == StepSpacing::Trailing {
            prop_assert_eq!(steps[0].0, total - 1);
        }
    }

    #[test]
    fn spaced_times_are_the_times_of_the_spaced_steps(count in 1..=200usize, kind in 0..4usize) {
        let chain = Ddpm { steps: 200, ..Ddpm::default() }.chain().unwrap();
        let steps = chain.spaced_steps(ALL[kind], count).unwrap();
        let times = chain.spaced_times(ALL[kind], count).unwrap();
        let back: Vec<_> = times.into_iter().map(|t| chain.step_at(t)).collect();
        prop_assert_eq!(back, steps);
    }
}
