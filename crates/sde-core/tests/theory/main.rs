//! What the theory crate claims, checked against closed forms, published numbers, quadrature and
//! finite differences.
#![cfg(feature = "ndarray")]

mod bound;
mod chains;
mod configuration;
mod damped;
mod densities;
mod guidance;
mod moments;
mod near_the_data;
mod prediction_formulas;
mod predictions;
mod prior;
mod probability_flow;
mod processes;
mod published_numbers;
mod quadrature;
mod reversal;
mod samples;
mod score_matching;
#[cfg(feature = "burn")]
mod tensors;
mod time_samplers;
mod tweedie;
mod uncertainty;
mod weightings;
mod world_errors;
mod world_strategies;
