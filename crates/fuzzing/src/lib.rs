#![doc = include_str!("../README.md")]

mod campaign;
mod corpus;
mod mutation;
mod target;
pub mod targets;
mod trial;

pub use campaign::{Failure, Summary, run};
pub use corpus::Corpus;
pub use mutation::{MAX_LEN, Mutator};
pub use target::Target;
pub use trial::{Limits, Trial, Verdict, quiet_panics, trial};

use peak_alloc::PeakAlloc;

/// Counts what is allocated; whoever links this crate is measured by it.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;
