//! The verbs, one a file.

pub mod data;
pub mod devices;
pub mod edit;
pub mod evaluate;
pub mod illustrate;
pub mod inspect;
pub mod likelihood;
pub mod sample;
pub mod train;
