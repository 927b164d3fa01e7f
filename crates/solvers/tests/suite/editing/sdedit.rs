//! SDEdit and interpolation against the flow of a Gaussian in closed form.

use ndarray::{Array2, array};
use sde_core::families::{Edm, VariancePreserving};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Sigma, State, StepIndex};
use solvers::editing::SdEdit;
use solvers::{
    GridConfig, GridSpec, HeunOde, LastStep, Problem, Rk45, Unobserved, interpolate, slerp,
};

use crate::reference_flow::distance;

type X = Array2<f64>;

#[test]
fn an_edit_is_the_flow_from_the_noised_picture() {
    let world = GaussianMixture::gaussian(&[0.5, -0.2], 0.3).unwrap();
    let (vp, edm) = (VariancePreserving::default(), Edm::default());
    for sde in [&vp as &dyn AffineSde, &edm] {
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let noise = CounterNoise::new(8);
        let pictures = array![[2.0, 1.0], [0.0, -1.0], [0.5, 0.5]];
        for sigma in [0.1, 1.0, 5.0] {
            let spec = GridSpec::new(GridConfig::LogSnr {}, 200).ending_with(LastStep::Plain);
            let edit = SdEdit {
                sigma: Sigma(sigma),
            };
            let (solver, x) = (HeunOde, pictures.clone());
            let solution = edit
                .edit(&solver, &problem, spec, x, &noise, &mut Unobserved)
                .unwrap();
            let from = sde.marginal(sde.time_at_sigma(Sigma(sigma)));
            let z: X = noise.standard_normal(&pictures, StepIndex(0), Role::Prior);
            let x_t = from.alpha * (&pictures + &(sigma * &z));
            let to = sde.marginal(sde.t_min_sampling());
            let expected = world.flow(from, to, &x_t).unwrap();
            let error = distance(&solution.x, &expected);
            assert!(error < 1e-3, "{} {sigma}: {error:e}", sde.name());
        }
    }
}

#[test]
fn little_noise_leaves_the_picture_and_much_forgets_it() {
    let world = GaussianMixture::gaussian(&[0.0, 0.0], 0.3).unwrap();
    let sde = Edm::default();
    let score = world.under(&sde);
    let problem = Problem::new(&sde, &score);
    let edited = |sigma, picture: X| {
        let spec = GridSpec::new(GridConfig::LogSnr {}, 100);
        let noise = CounterNoise::new(8);
        let edit = SdEdit {
            sigma: Sigma(sigma),
        };
        edit.edit(&HeunOde, &problem, spec, picture, &noise, &mut Unobserved)
            .unwrap()
            .x
    };
    let (a, b) = (array![[1.0, 1.0]], array![[-1.0, 2.0]]);
    // A Gaussian's flow from σ shrinks by s/√(s² + σ²): 0.3 % at 0.02, to 0.4 % at 80.
    assert!(distance(&edited(0.02, a.clone()), &a) < 0.05);
    let apart = distance(&a, &b);
    assert!(distance(&edited(80.0, a), &edited(80.0, b)) < 0.005 * apart);
}

#[test]
fn one_call_interpolates_through_the_latents() {
    let world = GaussianMixture::gaussian(&[0.5, -0.2], 0.3).unwrap();
    let sde = VariancePreserving::default();
    let score = world.under(&sde);
    let problem = Problem::new(&sde, &score);
    let t_min = sde.t_min_sampling();
    let [a, b] = [
        array![[0.8, 0.1], [0.3, 0.0]],
        array![[0.2, -0.9], [0.9, -0.3]],
    ];
    let solver = Rk45::with_tolerance(1e-9);
    let pair = [a.clone(), b.clone()];
    let between = interpolate(&solver, &problem, pair, t_min, &[0.0, 0.3, 1.0]).unwrap();
    let [low, high] = [t_min, sde.t_max()].map(|t| sde.marginal(t));
    let flow = |from, to, x: &X| world.flow(from, to, x).unwrap();
    let middle = slerp(&flow(low, high, &a), &flow(low, high, &b), 0.3);
    let expected = [a, flow(high, low, &middle), b];
    for (found, expected) in between.iter().zip(&expected) {
        assert!(distance(found, expected) < 1e-6, "{found} {expected}");
        assert_eq!(found.batch(), 2);
    }
}
