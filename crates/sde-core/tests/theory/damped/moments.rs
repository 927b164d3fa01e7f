//! The closed moments against fifty-digit arithmetic, the moment equations, and each other.

use proptest::prelude::*;
use sde_core::Time;
use sde_core::damped::{CholeskyFactor, DampedLangevin, PhaseCovariance, PhaseKernel, PhaseMatrix};

pub fn any_process() -> impl Strategy<Value = DampedLangevin> {
    (0.5..10.0, 0.2..9.0, 0.0..1.0).prop_map(|(beta, inverse_mass, gamma)| DampedLangevin {
        beta,
        inverse_mass,
        gamma,
    })
}

type Row = (f64, [f64; 2], [f64; 5], [f64; 5]);

/// t; E_xx, E_vx; Σ_xx, Σ_xv, Σ_vv and ℓ given x₀ and v₀; the same given x₀. By mpmath with 50 digits, from
/// the matrix exponential and the integral ∫ E G Gᵀ Eᵀ over its second column, not from closed forms.
#[allow(clippy::excessive_precision)]
const FIFTY_DIGITS: [Row; 7] = [
    (
        1e-8,
        [0.9999999999999968, -3.9999996800000128e-8],
        [
            6.8266658474667191e-22,
            6.3999989760000819e-15,
            7.9999987200001195e-8,
            1.3653331148800186e-29,
            7071.0679532868316,
        ],
        [
            2.5600064170658802e-16,
            1.600006015999017e-9,
            0.010000076799987648,
            6.8266789546646219e-24,
            6123.7265206695843,
        ],
    ),
    (
        1e-5,
        [0.99999999680017066, -3.9996800127996587e-5],
        [
            6.8258475190931366e-13,
            6.3989760819156311e-9,
            7.9987201194591577e-5,
            1.3651148986402327e-17,
            223.61126988891533,
        ],
        [
            2.5664162802853456e-10,
            1.6060150170391851e-6,
            0.010076787649157047,
            6.8389526221200828e-15,
            193.71745431401841,
        ],
    ),
    (
        1e-3,
        [0.99996817015575712, -0.0039681276593482425],
        [
            6.7452686324646115e-7,
            6.2984148483538247e-5,
            0.0078731871921580925,
            1.3436733002822179e-9,
            22.405404110049737,
        ],
        [
            3.193892802587991e-6,
            0.0002191848367227131,
            0.017557629862986933,
            8.0351950007355407e-9,
            19.937098634162367,
        ],
    ),
    (
        0.02,
        [0.98848679520080515, -0.068171503117296907],
        [
            0.0043044403645550038,
            0.018589415349086488,
            0.1172599560229293,
            0.00015917212483018921,
            5.2002574007185209,
        ],
        [
            0.0050480169785184633,
            0.020541303960740569,
            0.12238366362852126,
            0.00019584964348253168,
            5.076904695322116,
        ],
    ),
    (
        0.1,
        [0.80879213541099886, -0.17973158564688864],
        [
            0.21664151018073702,
            0.12921377151657946,
            0.21567759194090858,
            0.030028520480684388,
            2.6859867737406446,
        ],
        [
            0.22181006104140019,
            0.12985984037416236,
            0.21575835054810644,
            0.030993794763264383,
            2.6751814494533718,
        ],
    ),
    (
        0.5,
        [0.091578194443670901, -0.036631277777468361],
        [
            0.98624603225599701,
            0.0053674020464401894,
            0.2479033585756093,
            0.24446489477340223,
            2.00855802691437,
        ],
        [
            0.98646072833785462,
            0.0052868910157435866,
            0.24793355021212053,
            0.24454875930502612,
            2.0084321664261794,
        ],
    ),
    (
        1.0,
        [0.0030191636511226065, -0.0013418505116100474],
        [
            0.99998368239966571,
            7.2022511820325833e-6,
            0.24999682088131418,
            0.24999274148123377,
            2.0000127168035231,
        ],
        [
            0.99998397048971299,
            7.0762117863470131e-6,
            0.24999687602354979,
            0.24999286864598108,
            2.0000124962232109,
        ],
    ),
];

#[test]
fn the_published_moments_agree_with_fifty_digits_down_to_t_of_1e_minus_8() {
    let process = DampedLangevin::default();
    let close = |found: f64, expected: f64| {
        let error = (found / expected - 1.0).abs();
        assert!(error < 2e-14, "{found:e} for {expected:e}: {error:e}");
    };
    for (t, [xx, vx], given_both, given_x0) in FIFTY_DIGITS {
        let mean = process.transition(Time(t)).mean;
        close(mean.xx, xx);
        close(mean.vx, vx);
        let kernels = [process.transition(Time(t)), process.marginal(Time(t))];
        for (kernel, expected) in kernels.into_iter().zip([given_both, given_x0]) {
            let PhaseCovariance {
                xx,
                xv,
                vv,
                determinant,
            } = kernel.covariance;
            let found = [xx, xv, vv, determinant, kernel.ell()];
            for (found, expected) in found.into_iter().zip(expected) {
                close(found, expected);
            }
        }
    }
}

/// The drift matrix and the velocity's squared diffusion, as the equation writes them.
fn drift(process: &DampedLangevin) -> (PhaseMatrix, f64) {
    let DampedLangevin {
        beta, inverse_mass, ..
    } = *process;
    let friction = 2.0 / inverse_mass.sqrt();
    let matrix = PhaseMatrix {
        xx: 0.0,
        xv: beta * inverse_mass,
        vx: -beta,
        vv: -friction * beta * inverse_mass,
    };
    (matrix, 2.0 * friction * beta)
}

/// (E, Σ) at `t` by the classical Runge-Kutta method on E' = A E and Σ' = A Σ + Σ Aᵀ + G Gᵀ.
fn integrated(process: &DampedLangevin, t: f64, x0: f64, v0: f64) -> [f64; 7] {
    let (a, noise) = drift(process);
    let slope = |[exx, exv, evx, evv, xx, xv, vv]: [f64; 7]| {
        [
            a.xv * evx,
            a.xv * evv,
            a.vx * exx + a.vv * evx,
            a.vx * exv + a.vv * evv,
            2.0 * a.xv * xv,
            a.xv * vv + a.vx * xx + a.vv * xv,
            2.0 * (a.vx * xv + a.vv * vv) + noise,
        ]
    };
    let mut y = [1.0, 0.0, 0.0, 1.0, x0, 0.0, v0];
    let steps = 2000;
    let h = t / f64::from(steps);
    let ahead = |y: [f64; 7], h: f64, k: [f64; 7]| std::array::from_fn(|i| y[i] + h * k[i]);
    for _ in 0..steps {
        let k1 = slope(y);
        let k2 = slope(ahead(y, 0.5 * h, k1));
        let k3 = slope(ahead(y, 0.5 * h, k2));
        let k4 = slope(ahead(y, h, k3));
        y = std::array::from_fn(|i| y[i] + h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]));
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_moments_solve_the_moment_equations(process in any_process(), t in 0.01..1.0, x0 in 0.0..2.0) {
        let v0 = process.gamma / process.inverse_mass;
        let found = integrated(&process, t, x0, v0);
        let e = process.transition(Time(t)).mean;
        let c = process.covariance(Time(t), x0);
        let scale = 1.0 + process.inverse_mass + process.mass();
        for (found, expected) in found.into_iter().zip([e.xx, e.xv, e.vx, e.vv, c.xx, c.xv, c.vv]) {
            prop_assert!((found - expected).abs() < 1e-9 * scale, "{found} {expected}");
        }
        let determinant = c.xx * c.vv - c.xv * c.xv;
        prop_assert!((determinant - c.determinant).abs() < 1e-12 * c.xx * c.vv);
    }

    #[test]
    fn two_transitions_are_one_longer_transition(process in any_process(), s in 1e-4..0.5, t in 1e-4..0.5) {
        let [first, second, both] = [s, t, s + t].map(|t| process.transition(Time(t)));
        let map = |a: PhaseMatrix, b: PhaseMatrix| [
            a.xx * b.xx + a.xv * b.vx,
            a.xx * b.xv + a.xv * b.vv,
            a.vx * b.xx + a.vv * b.vx,
            a.vx * b.xv + a.vv * b.vv,
        ];
        let e = both.mean;
        for (found, expected) in map(second.mean, first.mean).into_iter().zip([e.xx, e.xv, e.vx, e.vv]) {
            prop_assert!((found - expected).abs() < 1e-13 * (1.0 + expected.abs()) * (1.0 + process.inverse_mass));
        }
        let carried = carried(second, first.covariance);
        for (found, expected) in carried.into_iter().zip([both.covariance.xx, both.covariance.xv, both.covariance.vv]) {
            prop_assert!((found - expected).abs() < 1e-13, "{found} {expected}");
        }
    }

    #[test]
    fn the_factor_s_square_is_the_covariance(process in any_process(), t in 1e-7..1.0) {
        let covariance = process.marginal(Time(t)).covariance;
        let CholeskyFactor { xx, vx, vv } = covariance.factor();
        prop_assert!((xx * xx / covariance.xx - 1.0).abs() < 1e-14);
        prop_assert!((xx * vx / covariance.xv - 1.0).abs() < 1e-14);
        prop_assert!(((vx * vx + vv * vv) / covariance.vv - 1.0).abs() < 1e-14);
    }

    #[test]
    fn a_backward_transition_is_the_forward_one_with_the_velocity_turned_and_keeps_the_prior(
        process in any_process(),
        t in 1e-4..1.0,
    ) {
        let backward = process.backward_transition(Time(t));
        let mass = process.mass();
        let equilibrium = PhaseCovariance { xx: 1.0, xv: 0.0, vv: mass, determinant: mass };
        for kernel in [backward, process.transition(Time(t))] {
            for (found, expected) in carried(kernel, equilibrium).into_iter().zip([1.0, 0.0, mass]) {
                prop_assert!((found - expected).abs() < 1e-13 * (1.0 + mass), "{found} {expected}");
            }
        }
        // Backwards in time, x falls by β M⁻¹ v dt and v grows by β x dt, to first order.
        let h = 1e-6;
        let step = process.backward_transition(Time(h)).mean;
        let speed = process.beta * process.inverse_mass;
        prop_assert!((step.xv / (-h * speed) - 1.0).abs() < 1e-3);
        prop_assert!((step.vx / (h * process.beta) - 1.0).abs() < 1e-3);
    }
}

/// E C Eᵀ + Σ: xx, xv, vv.
fn carried(kernel: PhaseKernel, c: PhaseCovariance) -> [f64; 3] {
    let (e, s) = (kernel.mean, kernel.covariance);
    [
        s.xx + e.xx * e.xx * c.xx + 2.0 * e.xx * e.xv * c.xv + e.xv * e.xv * c.vv,
        s.xv + e.xx * e.vx * c.xx + (e.xx * e.vv + e.xv * e.vx) * c.xv + e.xv * e.vv * c.vv,
        s.vv + e.vx * e.vx * c.xx + 2.0 * e.vx * e.vv * c.xv + e.vv * e.vv * c.vv,
    ]
}

/// Given x₀ alone, x_t tells v₀ as t falls, so hybrid matching does not bound ℓ_t; it divides it by
/// √(4/3). Without an initial velocity's noise the two are one.
#[test]
fn ell_diverges_as_the_inverse_root_of_t_in_hybrid_and_in_denoising_matching() {
    let process = DampedLangevin::default();
    for t in [1e-12, 1e-9, 1e-7] {
        let tau = process.damping_time(Time(t));
        let scaled = |kernel: PhaseKernel| kernel.ell() * (tau * process.mass()).sqrt();
        let denoising = scaled(process.transition(Time(t)));
        let hybrid = scaled(process.marginal(Time(t)));
        assert!((denoising - 1.0).abs() < 1e-5, "{denoising}");
        assert!((hybrid - 0.75f64.sqrt()).abs() < 1e-4, "{hybrid}");
    }
    for t in [1e-5, 1e-3, 0.1, 1.0] {
        let [hybrid, denoising] = [process.marginal(Time(t)), process.transition(Time(t))];
        assert!(hybrid.ell() < denoising.ell());
        let still = DampedLangevin {
            gamma: 0.0,
            ..process
        };
        assert_eq!(still.marginal(Time(t)), still.transition(Time(t)));
    }
}

#[test]
fn the_far_end_neither_overflows_nor_leaves_the_equilibrium() {
    let fast = DampedLangevin {
        beta: 1e6,
        ..DampedLangevin::default()
    };
    let PhaseKernel { mean, covariance } = fast.marginal(Time(1.0));
    assert_eq!([mean.xx, mean.xv, mean.vx, mean.vv].map(f64::abs), [0.0; 4]);
    assert_eq!((covariance.xx, covariance.xv), (1.0, 0.0));
    assert_eq!((covariance.vv, covariance.determinant), (0.25, 0.25));
    let nothing = DampedLangevin::default().marginal(Time(0.0));
    assert_eq!(nothing.covariance.factor().vv, 0.1);
    assert_eq!((nothing.covariance.xx, nothing.covariance.xv), (0.0, 0.0));
}
