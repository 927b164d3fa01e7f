//! What Burn finds on this machine. The only file that asks which features are compiled in.

use burn::tensor::Device;

use crate::backend::Backend;
use crate::error::RuntimeError;

/// What an adapter is, the one to prefer first.
///
/// The number counts the adapters of that kind, as CubeCL's `CUBECL_WGPU_DEFAULT_DEVICE` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The CPU, natively.
    Host,
    /// A card with memory of its own; every CUDA device is one.
    Discrete(usize),
    /// A GPU that shares the CPU's memory.
    Integrated(usize),
    /// A GPU lent to a virtual machine.
    Virtual(usize),
    /// A GPU whose driver does not say what it is.
    Other(usize),
    /// Shaders run on the CPU: lavapipe, llvmpipe, WARP.
    Software,
}

/// A device that Burn reaches, not yet opened.
#[derive(Debug, Clone)]
pub(crate) struct Adapter {
    pub(crate) backend: Backend,
    pub(crate) kind: Kind,
    pub(crate) device: Device,
}

/// Every adapter of a backend, in preference order; empty without a driver, or without the feature.
pub(crate) fn adapters(backend: Backend) -> Vec<Adapter> {
    let mut found: Vec<_> = match backend {
        Backend::Flex => vec![(Kind::Host, Device::flex())],
        Backend::Wgpu => wgpu(),
        Backend::Cuda => cuda(),
    };
    found.sort_by_key(|(kind, _)| *kind);
    found
        .into_iter()
        .map(|(kind, device)| Adapter {
            backend,
            kind,
            device,
        })
        .collect()
}

#[cfg(feature = "cuda")]
fn cuda() -> Vec<(Kind, Device)> {
    use burn::tensor::DeviceType;

    Device::enumerate(DeviceType::Cuda)
        .into_iter()
        .enumerate()
        .map(|(index, device)| (Kind::Discrete(index), device))
        .collect()
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Vec<(Kind, Device)> {
    Vec::new()
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Vec<(Kind, Device)> {
    use burn::tensor::{DeviceKind, DeviceType};

    let found = Device::enumerate(DeviceType::Wgpu);
    let count = found.len();
    let mut others = 0;
    found
        .into_iter()
        .map(|device| {
            // Burn tells the kinds apart in the device it hands out and in nothing else, so each is
            // compared with the device of the kind it may be. `DeviceKind` has no name for `Other`.
            let is = |kind: DeviceKind| device == Device::wgpu(kind);
            let kind = if is(DeviceKind::Cpu) {
                Kind::Software
            } else if let Some(n) = (0..count).find(|&n| is(DeviceKind::DiscreteGpu(n))) {
                Kind::Discrete(n)
            } else if let Some(n) = (0..count).find(|&n| is(DeviceKind::IntegratedGpu(n))) {
                Kind::Integrated(n)
            } else if let Some(n) = (0..count).find(|&n| is(DeviceKind::VirtualGpu(n))) {
                Kind::Virtual(n)
            } else {
                others += 1;
                Kind::Other(others - 1)
            };
            (kind, device)
        })
        .collect()
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Vec<(Kind, Device)> {
    Vec::new()
}

impl Adapter {
    /// Opens the device and returns its name.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Broken`] where the driver lists the device but cannot open it.
    pub(crate) fn open(&self) -> Result<String, RuntimeError> {
        match self.backend {
            Backend::Flex => Ok(cpu_name()),
            Backend::Wgpu | Backend::Cuda => {
                let name = self.guard(&format!("{:?}", self.kind), || gpu_name(&self.device))?;
                Ok(name.unwrap_or_else(|| format!("{:?}", self.kind)))
            }
        }
    }

    /// Runs `work` on the device, with a panic inside Burn turned into an error.
    ///
    /// CubeCL opens devices lazily and answers a failure with `expect`.
    pub(crate) fn guard<T>(&self, name: &str, work: impl FnOnce() -> T) -> Result<T, RuntimeError> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).map_err(|payload| {
            let reason = payload
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()))
                .unwrap_or_else(|| "Burn stopped without a reason".to_owned());
            RuntimeError::Broken {
                backend: self.backend,
                name: name.to_owned(),
                reason,
            }
        })
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn gpu_name(device: &Device) -> Option<String> {
    device.identity().map(|identity| identity.name)
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn gpu_name(_: &Device) -> Option<String> {
    None
}

/// The processor's name where Linux tells it, else its architecture, and the number of threads.
fn cpu_name() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| model_name(&text));
    let model = model.unwrap_or_else(|| format!("CPU ({})", std::env::consts::ARCH));
    match std::thread::available_parallelism() {
        Ok(threads) if threads.get() > 1 => format!("{model}, {threads} threads"),
        Ok(_) => format!("{model}, 1 thread"),
        Err(_) => model,
    }
}

/// The first `model name` of a `/proc/cpuinfo`; Arm's has none.
fn model_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    let name = line.split_once(':')?.1.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there_and_has_a_name() {
        let [host] = adapters(Backend::Flex).try_into().unwrap();
        assert_eq!(host.kind, Kind::Host);
        assert!(!host.open().unwrap().is_empty());
    }

    #[test]
    fn a_backend_that_is_not_compiled_in_has_no_adapters() {
        for backend in Backend::ALL {
            assert!(backend.is_compiled() || adapters(backend).is_empty());
        }
    }

    #[test]
    fn real_gpus_are_preferred_to_software() {
        let mut kinds = vec![
            Kind::Software,
            Kind::Other(0),
            Kind::Integrated(0),
            Kind::Discrete(1),
            Kind::Virtual(0),
            Kind::Discrete(0),
        ];
        kinds.sort();
        assert_eq!(
            kinds,
            [
                Kind::Discrete(0),
                Kind::Discrete(1),
                Kind::Integrated(0),
                Kind::Virtual(0),
                Kind::Other(0),
                Kind::Software,
            ]
        );
    }

    #[test]
    fn a_panic_inside_burn_becomes_an_error_with_its_words() {
        let [host] = adapters(Backend::Flex).try_into().unwrap();
        let error = host
            .guard("adapter 3", || -> () { panic!("no queue for {}", 7) })
            .unwrap_err();
        assert_eq!(
            error,
            RuntimeError::Broken {
                backend: Backend::Flex,
                name: "adapter 3".to_owned(),
                reason: "no queue for 7".to_owned(),
            }
        );
    }

    #[test]
    fn the_processor_name_is_read_from_cpuinfo() {
        let text = "processor\t: 0\nmodel name\t: Example CPU @ 2.0GHz\nmodel name\t: second\n";
        assert_eq!(model_name(text).as_deref(), Some("Example CPU @ 2.0GHz"));
        assert_eq!(model_name("processor : 0\nBogoMIPS : 50\n"), None);
        assert_eq!(model_name("model name\t: \n"), None);
    }
}
