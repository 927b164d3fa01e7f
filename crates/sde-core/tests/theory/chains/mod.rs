//! The discrete chains: as published, as processes, towards their limits, and their bound.

mod bound;
mod bound_parts;
mod equivalences;
mod gaussian_bound;
mod limits;
mod process;
mod published;
mod reading;
mod spacing;
