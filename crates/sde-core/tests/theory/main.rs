//! What the theory crate claims, checked against closed forms, published numbers, quadrature and
//! finite differences.
#![cfg(feature = "ndarray")]

mod configuration;
mod damped;
mod densities;
mod moments;
mod near_the_data;
mod prediction_formulas;
mod predictions;
mod prior;
mod probability_flow;
mod processes;
mod published_numbers;
mod reversal;
mod samples;
#[cfg(feature = "burn")]
mod tensors;
mod tweedie;
mod world_errors;
mod world_strategies;
