//! The probability flow of a mixture, solved by something else.

use ndarray::Array2;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Time};

use crate::reference_flow::between;

type X = Array2<f64>;

/// From T to t_min, as [`exact_between`].
pub fn exact(sde: &dyn AffineSde, world: &GaussianMixture, x: &X) -> X {
    exact_between(sde, world, x, sde.t_max(), sde.t_min_sampling())
}

/// From one time to another by [`between`], at steps halved once and extrapolated: error of order 5.
pub fn exact_between(
    sde: &dyn AffineSde,
    world: &GaussianMixture,
    x: &X,
    from: Time,
    to: Time,
) -> X {
    let [coarse, fine] = [1000, 2000].map(|n| between(sde, world, x, (from, to), n));
    &fine + &((&fine - &coarse) / 15.0)
}
