//! Steps that every sample chooses for itself.
//!
//! [`StepControl`] says how long the next step is, `walk` takes the steps, `dense` gives the states
//! between them, and [`Rk45`] is the solver made of the three. Whatever a sample does, it does at its own
//! time with its own step; the batch is only where scores are evaluated together.

mod augmented;
mod control;
mod dense;
mod rk45;
pub(crate) mod walk;

pub(crate) use augmented::{Augmented, chosen};
pub use control::StepControl;
pub use rk45::{Rk45, Transported};
pub use walk::SampleCost;
