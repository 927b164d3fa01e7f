//! What the solvers claim, checked on worlds whose scores are exact.

mod adaptive_sde;
mod batches;
mod chains;
mod configuration;
mod damped;
mod distributions;
mod exact_variances;
mod families;
mod flows;
mod goodness_of_fit;
mod grids;
mod latents;
mod likelihoods;
mod ode_orders;
mod published_numbers;
mod regression;
mod rk45;
mod runge_kutta;
mod runs;
mod scripted_noise;
mod sde_orders;
mod second_methods;
mod tableaux;
