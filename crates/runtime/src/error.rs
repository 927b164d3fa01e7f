//! What can go wrong between a wish for a device and a device.

use std::fmt;

use crate::backend::{Backend, UnknownBackend, name_list};
use crate::precision::Precision;

/// Who asked for a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The caller: a flag or a configuration file.
    Caller,
    /// The environment variable of this name.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Caller => f.write_str("was asked for"),
            Origin::Variable(name) => write!(f, "was asked for by the variable {name}"),
        }
    }
}

/// Why no device could be selected or used. Every message says what to do next.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// An environment variable names no backend.
    #[error("the environment variable {variable}: {source}, or unset it")]
    Variable {
        /// The variable's name.
        variable: &'static str,
        /// The value and the names that would do.
        source: UnknownBackend,
    },

    /// The backend is not part of this binary.
    #[error(
        "the backend `{backend}` {origin}, but this binary was built without it (it has {}). \
         Rebuild with `--features {backend}`, which `cargo xtask train --backend {backend}` does, \
         or ask for {} instead",
        name_list(compiled, "and"),
        name_list(compiled, "or")
    )]
    NotCompiled {
        /// What was asked for.
        backend: Backend,
        /// Who asked.
        origin: Origin,
        /// What this binary has.
        compiled: Vec<Backend>,
    },

    /// The backend is compiled in, but the machine has no device for it.
    #[error("the backend `{backend}` {origin}, but {tried}. {}", how_to_get(*backend))]
    NotPresent {
        /// What was asked for.
        backend: Backend,
        /// Who asked.
        origin: Origin,
        /// What was looked for, as a clause.
        tried: String,
    },

    /// `CUBECL_WGPU_DEFAULT_DEVICE` is not in the form that CubeCL reads.
    #[error(
        "the environment variable {variable} is `{value}`: write Cpu, DiscreteGpu(0), \
         IntegratedGpu(0), VirtualGpu(0) or Other(0), or unset it"
    )]
    WgpuVariable {
        /// The variable's name.
        variable: &'static str,
        /// Its value.
        value: String,
    },

    /// `BURN_DEVICE` would make Burn panic.
    #[error(
        "the environment variable BURN_DEVICE is `{value}`, {reason}; Burn would stop with a panic. \
         Set it to `flex` or unset it: this program chooses its device with --backend or \
         TWEEDIE_BACKEND"
    )]
    BurnDevice {
        /// Its value.
        value: String,
        /// The fault, as a clause.
        reason: String,
    },

    /// The device is there but fails when it is opened or used.
    #[error("the {backend} device {name} was found but does not work: {reason}. {}", when_broken(*backend))]
    Broken {
        /// The device's backend.
        backend: Backend,
        /// The device's name, or its place in the list where it has not told its name.
        name: String,
        /// The fault, as Burn words it.
        reason: String,
    },

    /// The device cannot calculate in the wanted type.
    #[error(
        "the {backend} device {name} cannot calculate in {precision}: use f32, which every device has"
    )]
    Precision {
        /// The device's backend.
        backend: Backend,
        /// The device's name.
        name: String,
        /// What was wanted.
        precision: Precision,
    },

    /// The type of a device was to be changed after its first tensor.
    #[error(
        "the {backend} device's precision cannot be set to {precision} any more: a tensor was made \
         on it, or its precision was set, before. Set it once, right after the device is selected"
    )]
    PrecisionTooLate {
        /// The device's backend.
        backend: Backend,
        /// What was wanted.
        precision: Precision,
    },

    /// Work that was queued on a device failed.
    #[error("work on the device failed: {reason}")]
    Execution {
        /// The fault, as Burn words it.
        reason: String,
    },
}

/// What to install for a backend that is compiled in but finds no device.
pub(crate) fn how_to_get(backend: Backend) -> &'static str {
    match backend {
        Backend::Flex => "It needs nothing",
        Backend::Wgpu => {
            "Install the GPU's Vulkan driver (Debian: `mesa-vulkan-drivers` for AMD and Intel, \
             NVIDIA's own driver for its cards, and `libvulkan1`); `mesa-vulkan-drivers` also brings \
             a software adapter that runs on any CPU, slowly. Or use --backend flex"
        }
        Backend::Cuda => {
            "Install NVIDIA's driver (`nvidia-smi` must list the card, and CUDA_VISIBLE_DEVICES must \
             not hide it). Or use --backend flex, or --backend wgpu for cards of other makers"
        }
    }
}

fn when_broken(backend: Backend) -> &'static str {
    match backend {
        Backend::Flex => "Please report it",
        Backend::Wgpu => "Update the graphics driver, or use --backend flex",
        Backend::Cuda if cfg!(feature = "cuda-nvrtc") => {
            "This binary compiles kernels with NVRTC: install libnvrtc of a CUDA toolkit that the \
             driver supports, or use --backend flex"
        }
        Backend::Cuda => "Update NVIDIA's driver, or use --backend flex",
    }
}
