//! The objectives against closed forms, the trainer and the loop, and what a run survives.
#![allow(missing_docs)]

mod autoencoders;
mod checkpoints;
mod classes;
mod failing;
mod learned_variance;
mod objective;
mod pairs;
mod resuming;
mod small;
mod trainer;
