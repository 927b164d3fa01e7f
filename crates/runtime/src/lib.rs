//! Which device a program runs on, decided while it runs.
//!
//! Burn fixes its default device when it is *compiled* and panics where that device is missing. This
//! crate asks the machine instead: [`select`] takes a wish (a flag, or the variable
//! [`TWEEDIE_BACKEND`](BACKEND_VARIABLE), or neither), compares it with what is compiled in and what
//! is there, and returns a [`Selected`] device or a [`RuntimeError`] that says what was tried and
//! what to install or rebuild.
//!
//! ```
//! use burn::tensor::Tensor;
//! use runtime::{Backend, select};
//!
//! # fn main() -> Result<(), runtime::RuntimeError> {
//! let selected = select(Some(Backend::Flex))?;
//! let x = Tensor::<1>::from_floats([1.0, 2.0], &selected.device);
//! assert_eq!(x.sum().into_scalar::<f32>(), 3.0);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! `wgpu` and `cuda` compile the GPU backends in; without them there is `flex` alone, Burn's CPU
//! backend in pure Rust. `cuda-nvrtc` is `cuda` with kernels compiled by NVRTC. `fusion` turns
//! Burn's fused kernels on.
//!
//! # What Burn does behind one's back
//!
//! Two places in Burn 0.22 reach for `Device::default()` whatever device one works on:
//! `ModuleOptimizer::load_record` and a `DataLoaderBuilder` without `set_device`. In a binary with
//! CUDA compiled in, on a machine without a GPU, both panic. Burn offers no way to set its default
//! but the variable `BURN_DEVICE`: see [`pin_burn_default`].

// The README's snippet is a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod backend;
mod choice;
mod default_device;
mod error;
mod hardware;
mod memory;
mod precision;
mod report;
mod selected;
mod timing;

pub use backend::{Backend, UnknownBackend};
pub use default_device::{BURN_DEVICE_VARIABLE, pin_burn_default};
pub use error::{Origin, RuntimeError};
pub use memory::{DeviceMemory, ProcessMemory, process_memory, reset_peak_memory};
pub use precision::Precision;
pub use report::{AdapterReport, DeviceReport, compiled, devices};
pub use selected::{BACKEND_VARIABLE, Selected, select, select_in};
pub use timing::{Stopwatch, Timed, time};
