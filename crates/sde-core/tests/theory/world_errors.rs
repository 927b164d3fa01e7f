//! What no world can be is refused by name.

use ndarray::{Array2, array};
use sde_core::Marginal;
use sde_core::worlds::{GaussianMixture, WorldError};

#[test]
fn an_empty_mixture_is_refused() {
    let empty = GaussianMixture::isotropic(vec![], Array2::zeros((0, 2)), 1.0);
    assert_eq!(
        empty,
        Err(WorldError::Empty {
            components: 0,
            dim: 2
        })
    );
    assert!(GaussianMixture::gaussian(&[], 1.0).is_err());
}

#[test]
fn shapes_that_disagree_are_refused_with_both_shapes() {
    let error = GaussianMixture::isotropic(vec![1.0], array![[0.0], [1.0]], 1.0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "weights has shape [1], but [2] is what the means ask for"
    );
    let error = GaussianMixture::new(vec![1.0], array![[0.0, 1.0]], array![[1.0]]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "stds has shape [1, 1], but [1, 2] is what the means ask for"
    );
}

#[test]
fn impossible_values_are_refused_with_their_place() {
    let build = |weight, mean, std| {
        GaussianMixture::new(
            vec![1.0, weight],
            array![[0.0], [mean]],
            array![[1.0], [std]],
        )
    };
    assert!(build(1.0, 0.0, 0.0).is_ok());
    for (weight, mean, std, message) in [
        (
            0.0,
            0.0,
            1.0,
            "weights[1] = 0 is not possible: it must be above 0",
        ),
        (
            -1.0,
            0.0,
            1.0,
            "weights[1] = -1 is not possible: it must be above 0",
        ),
        (
            f64::NAN,
            0.0,
            1.0,
            "weights[1] = NaN is not possible: it must be above 0",
        ),
        (
            1.0,
            f64::INFINITY,
            1.0,
            "means[1] = inf is not possible: it must be finite",
        ),
        (
            1.0,
            0.0,
            -0.5,
            "stds[1] = -0.5 is not possible: it must be at least 0",
        ),
        (
            1.0,
            0.0,
            f64::NAN,
            "stds[1] = NaN is not possible: it must be at least 0",
        ),
    ] {
        assert_eq!(build(weight, mean, std).unwrap_err().to_string(), message);
    }
}

#[test]
fn the_flow_of_a_mixture_is_refused() {
    let world = GaussianMixture::eight_gaussians();
    let marginal = Marginal {
        alpha: 1.0,
        sigma: 1.0,
    };
    let error = world.flow(marginal, marginal, &Array2::zeros((1, 2)));
    assert_eq!(error, Err(WorldError::NotOneGaussian { components: 8 }));
}
