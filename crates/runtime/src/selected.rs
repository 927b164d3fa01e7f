//! From a wish to a device that is open.

use std::cell::OnceCell;

use burn::tensor::{Device, DeviceError, Tensor};

use crate::backend::Backend;
use crate::choice::{self, Machine};
use crate::default_device::check_burn_device;
use crate::error::RuntimeError;
use crate::hardware::{self, Adapter, Kind};
use crate::memory::DeviceMemory;
use crate::precision::Precision;

/// The environment variable that names a backend where no flag does.
pub const BACKEND_VARIABLE: &str = "TWEEDIE_BACKEND";

/// A device to work on.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The family of the device.
    pub backend: Backend,
    /// The device, without autodiff: for training, `selected.device.clone().autodiff()`.
    pub device: Device,
    /// What the device calls itself, for people to read.
    pub name: String,
    /// Whether a GPU backend runs on the CPU here: right, but slow.
    pub software: bool,
}

/// Selects a device: the one that is asked for, else the one that [`BACKEND_VARIABLE`] names, else
/// the best that is really there (CUDA, then a wgpu GPU, then flex).
///
/// A software Vulkan adapter is selected only where wgpu is asked for. Among several wgpu adapters
/// `CUBECL_WGPU_DEFAULT_DEVICE` picks one; among several CUDA devices, `CUDA_VISIBLE_DEVICES`. With a
/// wish for flex no driver is loaded at all.
///
/// # Errors
///
/// [`RuntimeError`]: a variable that cannot be read, a wish that this build or this machine cannot
/// meet, a device that does not open. Without a wish a device that does not open is passed over with
/// a warning.
pub fn select(request: Option<Backend>) -> Result<Selected, RuntimeError> {
    select_in(request, &|name| {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    })
}

/// [`select`] with an environment of one's own: `environment` returns a variable's value.
///
/// # Errors
///
/// As [`select`].
pub fn select_in(
    request: Option<Backend>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Selected, RuntimeError> {
    let here = Here::default();
    check_burn_device(environment, &here)?;
    let wish = choice::wish(request, BACKEND_VARIABLE, environment)?;
    let mut fault = None;
    for candidate in choice::candidates(wish, environment, &here)? {
        let adapter = &here.adapters(candidate.backend)[candidate.index];
        match Selected::open(adapter) {
            Ok(selected) => {
                tracing::debug!(backend = %selected.backend, name = selected.name, "device selected");
                return Ok(selected);
            }
            Err(error) if wish.is_some() => return Err(error),
            Err(error) => {
                tracing::warn!("{error}");
                fault = Some(error);
            }
        }
    }
    // Without a wish the last candidate is flex, which always opens.
    Err(fault.unwrap_or(RuntimeError::NotPresent {
        backend: Backend::Flex,
        origin: crate::Origin::Caller,
        tried: "no backend offers a device".to_owned(),
    }))
}

/// This machine and this build; each driver is asked once, and only if need be.
#[derive(Default)]
struct Here {
    flex: OnceCell<Vec<Adapter>>,
    wgpu: OnceCell<Vec<Adapter>>,
    cuda: OnceCell<Vec<Adapter>>,
}

impl Here {
    fn adapters(&self, backend: Backend) -> &[Adapter] {
        let cell = match backend {
            Backend::Flex => &self.flex,
            Backend::Wgpu => &self.wgpu,
            Backend::Cuda => &self.cuda,
        };
        cell.get_or_init(|| hardware::adapters(backend))
    }
}

impl Machine for Here {
    fn is_compiled(&self, backend: Backend) -> bool {
        backend.is_compiled()
    }

    fn kinds(&self, backend: Backend) -> Vec<Kind> {
        let adapters = self.adapters(backend).iter();
        adapters.map(|adapter| adapter.kind).collect()
    }
}

impl Selected {
    fn open(adapter: &Adapter) -> Result<Self, RuntimeError> {
        Ok(Self {
            backend: adapter.backend,
            name: adapter.open()?,
            device: adapter.device.clone(),
            software: adapter.kind == Kind::Software,
        })
    }

    /// Sets the type in which the device calculates where no other is named.
    ///
    /// Burn fixes that type at the device's first tensor, for the whole process: call this right
    /// after [`select`].
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Precision`] where the device cannot calculate in that type, and
    /// [`RuntimeError::PrecisionTooLate`] where another type was fixed before.
    pub fn with_precision(mut self, precision: Precision) -> Result<Self, RuntimeError> {
        let wanted = precision.float_dtype();
        if self.device.settings().float_dtype == wanted {
            return Ok(self);
        }
        let unsupported = |selected: &Self| RuntimeError::Precision {
            backend: selected.backend,
            name: selected.name.clone(),
            precision,
        };
        if !self.device.supports_dtype(wanted) {
            return Err(unsupported(&self));
        }
        match self.device.configure(wanted) {
            Ok(()) => Ok(self),
            Err(DeviceError::AlreadyInitialized { .. }) => Err(RuntimeError::PrecisionTooLate {
                backend: self.backend,
                precision,
            }),
            Err(DeviceError::UnsupportedDType { .. }) => Err(unsupported(&self)),
        }
    }

    /// Adds two numbers on the device, so that a missing kernel compiler or a faulty driver is an
    /// error here and not a panic in the middle of a run.
    ///
    /// It makes a tensor, and so fixes the precision: call it after [`Selected::with_precision`].
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Broken`].
    pub fn check(&self) -> Result<(), RuntimeError> {
        let adapter = Adapter {
            backend: self.backend,
            kind: Kind::Host,
            device: self.device.clone(),
        };
        let sum = adapter.guard(&self.name, || {
            let two = Tensor::<1>::from_floats([2.0], &self.device);
            two.add_scalar(3.0).into_data().iter::<f32>().next()
        })?;
        if sum == Some(5.0) {
            return Ok(());
        }
        Err(RuntimeError::Broken {
            backend: self.backend,
            name: self.name.clone(),
            reason: format!("2 + 3 came out as {sum:?}"),
        })
    }

    /// Seeds Burn's own generator, which draws the initial weights.
    ///
    /// There is one generator per family of backends and process, its state cannot be saved, and its
    /// values differ from backend to backend. What must be the same everywhere (noise, the order of
    /// the data) is drawn on the host instead.
    pub fn seed(&self, seed: u64) {
        self.device.seed(seed);
    }

    /// Waits until the device has done all that was queued on it.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Execution`] where some of it failed.
    pub fn sync(&self) -> Result<(), RuntimeError> {
        sync(&self.device)
    }

    /// What the device's allocator holds, in bytes; `None` on flex, whose tensors are in the memory
    /// of the process ([`process_memory`](crate::process_memory)).
    pub fn memory(&self) -> Option<DeviceMemory> {
        self.device.memory_pool_usage().map(|usage| DeviceMemory {
            in_use: usage.bytes_in_use,
            reserved: usage.bytes_reserved,
        })
    }
}

impl std::fmt::Display for Selected {
    /// `wgpu: llvmpipe (software)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.backend, self.name)?;
        f.write_str(if self.software { " (software)" } else { "" })
    }
}

/// [`Selected::sync`] for a bare device.
pub(crate) fn sync(device: &Device) -> Result<(), RuntimeError> {
    device.sync().map_err(|error| RuntimeError::Execution {
        reason: error.to_string(),
    })
}
