//! What the solvers claim, checked on worlds whose scores are exact.

mod batches;
mod coefficient_rules;
mod configuration;
mod ddpm_chain;
mod distributions;
mod exact_variances;
mod families;
mod golden_numbers;
mod goodness_of_fit;
mod grids;
mod ode_orders;
mod published_numbers;
mod reference_flow;
mod regression;
mod runs;
mod scripted_noise;
mod sde_orders;
mod second_methods;
