//! Where a run starts.

use sde_core::noise::{Noise, Role};
use sde_core::{AffineSde, State, StepIndex};

/// x_T from the prior N(0, std² I) of `sde`, of `like`'s shape, type and device.
///
/// It stands for p_T: start the grid at [`AffineSde::t_max`] with it.
pub fn sample_prior<X: State>(sde: &dyn AffineSde, like: &X, noise: &dyn Noise<X>) -> X {
    noise
        .standard_normal(like, StepIndex(0), Role::Prior)
        .scale(sde.prior().std)
}
