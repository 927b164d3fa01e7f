//! Samples that are held to something known, against conditional distributions in closed form.

mod composition;
mod conditionals;
mod gaussian;
mod moments;
mod projections;
mod refusals;
mod sdedit;
