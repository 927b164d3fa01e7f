//! The bound against improved-diffusion's formulas.

use ndarray::{Array2, array};
use sde_core::chains::bound::{BoundTerms, Decoder, DiscreteBound};
use sde_core::chains::{BetaSchedule, Ddpm, DdpmChain, FixedVariance};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::{State, StepIndex};

/// ε of step t is sin(1 + t + 10 j) at the element j of the batch.
struct Sines;

impl Noise<Array2<f64>> for Sines {
    fn standard_normal(&self, like: &Array2<f64>, step: StepIndex, _: Role) -> Array2<f64> {
        let mut j = 0.0;
        like.mapv(|_| {
            let epsilon = (1.0 + step.0 as f64 + 10.0 * j).sin();
            j += 1.0;
            epsilon
        })
    }
}

/// Two samples of three of the 256 levels.
fn pixels() -> Array2<f64> {
    array![[0.0, 1.0, 37.0], [128.0, 254.0, 255.0]].mapv(|level: f64| 2.0 * level / 255.0 - 1.0)
}

/// 0.9 ε + 0.1 cos x_t for ε_θ.
fn network(x: &Array2<f64>, step: StepIndex) -> Array2<f64> {
    let epsilon = Sines.standard_normal(x, step, Role::Forward);
    0.9 * epsilon + 0.1 * x.mapv(f64::cos)
}

fn hundred(schedule: BetaSchedule) -> DdpmChain {
    let steps = 100;
    Ddpm { steps, schedule }.chain().unwrap()
}

fn assert_close(found: f64, expected: f64, relative: f64) {
    let error = (found / expected - 1.0).abs();
    assert!(error < relative, "{found:e} is not {expected:e}: {error:e}");
}

/// L_T, L_{t−1} of the steps 1, 50 and 99, L_0 and the sum.
fn summary(terms: &BoundTerms) -> [f64; 6] {
    let at = |step: usize| terms.transitions[step - 1];
    [
        terms.prior,
        at(1),
        at(50),
        at(99),
        terms.decoder,
        terms.total(),
    ]
}

/// From gaussian_diffusion.py and losses.py of improved-diffusion (_vb_terms_bpd, _prior_bpd, normal_kl,
/// p_mean_variance) written in NumPy, in nats, without clipping x₀ and with the normal distribution in
/// 60 digits where the code approximates it: for each sample the numbers of [`summary`].
const IMPROVED_DIFFUSION: [(&str, &str, [[f64; 6]; 2]); 6] = [
    (
        "linear",
        "large",
        [
            [
                2.536759034482059e-05,
                0.9632459515378673,
                0.0011988356179622388,
                0.003818727759093862,
                4.970909428572221,
                7.293071112119976,
            ],
            [
                2.0231263236825268e-05,
                0.9667448467379369,
                0.0018010411892959196,
                0.005858373816133266,
                4.936868900495075,
                7.326879558759874,
            ],
        ],
    ),
    (
        "cosine",
        "large",
        [
            [
                3.021383387519112e-07,
                0.5750422042324518,
                0.0011264518378941214,
                15.284238298806542,
                4.323077984615791,
                21.362200822135428,
            ],
            [
                2.409618467322972e-07,
                0.5777044189972076,
                0.001532957488082861,
                23.35647588890788,
                4.28766349253062,
                29.456666284822226,
            ],
        ],
    ),
    (
        "linear",
        "small",
        [
            [
                2.536759034482059e-05,
                0.027293375854786563,
                0.0011590889662347627,
                0.0038187472061509482,
                4.970909428572221,
                5.255275059656374,
            ],
            [
                2.0231263236825268e-05,
                0.041313767002847154,
                0.0017661934554774874,
                0.0058584036605969,
                4.936868900495075,
                5.303604165735317,
            ],
        ],
    ),
    (
        "cosine",
        "small",
        [
            [
                3.021383387519112e-07,
                0.016271506219091084,
                0.00045779489623559624,
                15.287947331275038,
                4.323077984615791,
                19.89510643636325,
            ],
            [
                2.409618467322972e-07,
                0.023641048343695698,
                0.000876812359228101,
                23.362143837956545,
                4.28766349253062,
                27.998973968433972,
            ],
        ],
    ),
    (
        "linear",
        "learned",
        [
            [
                2.536759034482059e-05,
                0.07107894690249264,
                0.0011744761663196471,
                0.00381873989012218,
                5.029867778323792,
                5.406015224332744,
            ],
            [
                2.0231263236825268e-05,
                0.5888994984015538,
                0.0017781113289195086,
                0.005858396722700415,
                5.136325197806883,
                6.660983990152319,
            ],
        ],
    ),
    (
        "cosine",
        "learned",
        [
            [
                3.021383387519112e-07,
                0.04075427718024586,
                0.0005748380915931934,
                15.286547569634367,
                4.415666501192664,
                20.04811572798321,
            ],
            [
                2.409618467322972e-07,
                0.34561057415067825,
                0.0011890556147571968,
                23.360831521810233,
                4.602982952832211,
                29.13910074257806,
            ],
        ],
    ),
];

#[test]
fn every_term_is_that_of_improved_diffusion() {
    for (schedule, variance, expected) in IMPROVED_DIFFUSION {
        let chain = hundred(match schedule {
            "linear" => BetaSchedule::linear(),
            _ => BetaSchedule::cosine(),
        });
        let bound = DiscreteBound::new(&chain, Decoder::default()).unwrap();
        let terms = match variance {
            "large" => bound.terms(&pixels(), FixedVariance::Large, network, &Sines),
            "small" => bound.terms(&pixels(), FixedVariance::Small, network, &Sines),
            // v = ½ + 0.4 sin x_t.
            _ => bound.terms_learned(
                &pixels(),
                |x, step| (network(x, step), x.mapv(|x| 0.5 + 0.4 * x.sin())),
                &Sines,
            ),
        };
        for (terms, expected) in terms.iter().zip(expected) {
            let found = summary(terms);
            // There L_T loses nine digits to 1 − ᾱ_T, and the cosine's first β five.
            assert!((found[0] - expected[0]).abs() < 1e-14, "{found:?}");
            for (found, expected) in found.into_iter().zip(expected).skip(1) {
                assert_close(found, expected, 1e-9);
            }
        }
    }
    // Bits per dimension of the first sample of the first case, also from there.
    let chain = hundred(BetaSchedule::linear());
    let bound = DiscreteBound::new(&chain, Decoder::default()).unwrap();
    let terms = bound.terms(&pixels(), FixedVariance::Large, network, &Sines);
    assert_close(terms[0].bits_per_dimension(3), 3.5072258421020153, 1e-10);
}

#[test]
fn the_decoder_is_near_the_approximation_in_improved_diffusion() {
    // discretized_gaussian_log_likelihood with its approx_standard_normal_cdf, same case: 2e-5 apart.
    let chain = hundred(BetaSchedule::linear());
    let bound = DiscreteBound::new(&chain, Decoder::default()).unwrap();
    let terms = bound.terms(&pixels(), FixedVariance::Small, network, &Sines);
    for (terms, approximated) in terms.iter().zip([4.97101545343309, 4.936981855965779]) {
        let error = (terms.decoder / approximated - 1.0).abs();
        assert!(error > 1e-5 && error < 3e-5, "{error:e}");
    }
}

#[test]
fn a_sample_s_terms_do_not_depend_on_its_neighbours() {
    let chain = hundred(BetaSchedule::cosine());
    let bound = DiscreteBound::new(&chain, Decoder::default()).unwrap();
    let noise = CounterNoise::new(5);
    let network = |x: &Array2<f64>, _: StepIndex| x.mapv(f64::sin);
    let both = bound.terms(&pixels(), FixedVariance::Large, network, &noise);
    let second = pixels().select_samples(&[1]);
    let alone = bound.terms(
        &second,
        FixedVariance::Large,
        network,
        &noise.starting_at(1),
    );
    assert_eq!(alone[0], both[1]);
}
