//! Critically damped Langevin diffusion: its moments, its objectives and its exact laws.

mod configuration;
mod matching;
mod moments;
mod states;
mod worlds;
