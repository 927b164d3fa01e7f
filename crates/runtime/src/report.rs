//! What this binary could run on, and how to get what it lacks.

use std::fmt;

use burn::tensor::FloatDType;
use serde::Serialize;

use crate::backend::Backend;
use crate::error::how_to_get;
use crate::hardware::{self, Adapter, Kind};

/// The backends of this binary.
pub fn compiled() -> Vec<Backend> {
    Backend::ALL
        .into_iter()
        .filter(|backend| backend.is_compiled())
        .collect()
}

/// One device of a backend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterReport {
    /// What the device calls itself.
    pub name: String,
    /// Whether a GPU backend runs on the CPU here.
    pub software: bool,
    /// Whether it calculates in f64.
    pub f64: bool,
    /// Whether it calculates in bf16.
    pub bf16: bool,
    /// Why the device cannot be used, where it cannot.
    pub problem: Option<String>,
}

/// One backend: whether it is compiled in, what it finds, and what to do where either is missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceReport {
    /// The backend.
    pub backend: Backend,
    /// Whether this binary has it.
    pub compiled: bool,
    /// Its devices on this machine, in the order in which [`select`](crate::select) prefers them;
    /// empty where it is not compiled in, for then nothing can be asked.
    pub adapters: Vec<AdapterReport>,
    /// How to get the backend, where it cannot be used as it is.
    pub advice: Option<String>,
}

/// Every backend, with every device opened once: seconds where a driver is slow to load.
pub fn devices() -> Vec<DeviceReport> {
    Backend::ALL
        .into_iter()
        .map(|backend| {
            let adapters: Vec<_> = hardware::adapters(backend).iter().map(look_at).collect();
            let compiled = backend.is_compiled();
            DeviceReport {
                backend,
                compiled,
                advice: advice(backend, compiled, adapters.is_empty()),
                adapters,
            }
        })
        .collect()
}

fn advice(backend: Backend, compiled: bool, empty: bool) -> Option<String> {
    if !compiled {
        Some(format!(
            "Rebuild with `--features {backend}`: `cargo xtask train --backend {backend}` does"
        ))
    } else if empty {
        Some(how_to_get(backend).to_owned())
    } else {
        None
    }
}

fn look_at(adapter: &Adapter) -> AdapterReport {
    let software = adapter.kind == Kind::Software;
    let seen = adapter.open().and_then(|name| {
        let supports = |dtype: FloatDType| adapter.device.supports_dtype(dtype);
        adapter
            .guard(&name, || {
                (supports(FloatDType::F64), supports(FloatDType::BF16))
            })
            .map(|types| (name.clone(), types))
    });
    match seen {
        Ok((name, (f64, bf16))) => AdapterReport {
            name,
            software,
            f64,
            bf16,
            problem: None,
        },
        Err(error) => AdapterReport {
            name: adapter.kind.to_string(),
            software,
            f64: false,
            bf16: false,
            problem: Some(error.to_string()),
        },
    }
}

impl fmt::Display for DeviceReport {
    /// A few lines of text without a last line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<5} ", self.backend)?;
        f.write_str(match (self.compiled, self.adapters.is_empty()) {
            (false, _) => "not compiled in",
            (true, true) => "compiled in, no device found",
            (true, false) => "ready",
        })?;
        for adapter in &self.adapters {
            write!(f, "\n      {}", adapter.name)?;
            if adapter.software {
                f.write_str(" (software: runs on the CPU)")?;
            }
            match &adapter.problem {
                Some(problem) => write!(f, "\n      {problem}")?,
                None => {
                    f.write_str("; f32")?;
                    f.write_str(if adapter.f64 { ", f64" } else { "" })?;
                    f.write_str(if adapter.bf16 { ", bf16" } else { "" })?;
                }
            }
        }
        match &self.advice {
            Some(advice) => write!(f, "\n      {advice}."),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flex_is_ready_and_calculates_in_every_type() {
        let reports = devices();
        assert_eq!(reports.len(), Backend::ALL.len());
        assert_eq!(reports[0].backend, Backend::Flex);
        let [cpu] = reports[0].adapters.as_slice() else {
            panic!("flex has one device");
        };
        assert!(cpu.f64 && cpu.bf16 && !cpu.software && cpu.problem.is_none());
        assert_eq!(reports[0].advice, None);
    }

    #[test]
    fn a_backend_that_cannot_be_used_comes_with_advice() {
        for report in devices() {
            assert_eq!(report.compiled, compiled().contains(&report.backend));
            assert_eq!(report.advice.is_some(), report.adapters.is_empty());
        }
    }

    #[test]
    fn the_text_names_devices_types_and_remedies() {
        let software = DeviceReport {
            backend: Backend::Wgpu,
            compiled: true,
            adapters: vec![AdapterReport {
                name: "llvmpipe".to_owned(),
                software: true,
                f64: false,
                bf16: true,
                problem: None,
            }],
            advice: None,
        };
        assert_eq!(
            software.to_string(),
            "wgpu  ready\n      llvmpipe (software: runs on the CPU); f32, bf16"
        );
        let missing = DeviceReport {
            backend: Backend::Cuda,
            compiled: false,
            adapters: vec![],
            advice: advice(Backend::Cuda, false, true),
        };
        assert_eq!(
            missing.to_string(),
            "cuda  not compiled in\n      Rebuild with `--features cuda`: `cargo xtask train \
             --backend cuda` does."
        );
    }
}
