//! The names of the backends.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A family of devices that Burn runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The CPU, in pure Rust. Always compiled in.
    Flex,
    /// Any GPU with a Vulkan, Metal or DX12 driver. Feature `wgpu`.
    Wgpu,
    /// NVIDIA GPUs. Feature `cuda` or `cuda-nvrtc`.
    Cuda,
}

impl Backend {
    /// Every backend, the fastest last.
    pub const ALL: [Backend; 3] = [Backend::Flex, Backend::Wgpu, Backend::Cuda];

    /// The name on the command line and in configuration files; also the name of the Cargo feature
    /// that compiles it in (`flex` needs none).
    pub const fn name(self) -> &'static str {
        match self {
            Backend::Flex => "flex",
            Backend::Wgpu => "wgpu",
            Backend::Cuda => "cuda",
        }
    }

    /// Whether this binary has the backend compiled in.
    pub const fn is_compiled(self) -> bool {
        match self {
            Backend::Flex => true,
            Backend::Wgpu => cfg!(feature = "wgpu"),
            Backend::Cuda => cfg!(feature = "cuda"),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no backend: write {}", name_list(&Backend::ALL, "or"))]
pub struct UnknownBackend {
    /// The word as it was written.
    pub given: String,
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    /// Reads a name as [`Backend::name`] writes it; upper case is allowed.
    ///
    /// # Errors
    ///
    /// [`UnknownBackend`], which lists the names.
    fn from_str(given: &str) -> Result<Self, Self::Err> {
        Backend::ALL
            .into_iter()
            .find(|backend| backend.name().eq_ignore_ascii_case(given.trim()))
            .ok_or_else(|| UnknownBackend {
                given: given.to_owned(),
            })
    }
}

/// "flex, wgpu or cuda".
pub(crate) fn name_list(backends: &[Backend], conjunction: &str) -> String {
    let names: Vec<_> = backends.iter().map(|backend| backend.name()).collect();
    match names.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, rest)) => format!("{} {conjunction} {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_backend() {
        for backend in Backend::ALL {
            assert_eq!(backend.to_string().parse(), Ok(backend));
            assert_eq!(backend.name().to_uppercase().parse(), Ok(backend));
        }
    }

    #[test]
    fn serde_and_the_command_line_use_the_same_names() {
        for backend in Backend::ALL {
            let json = serde_json::to_string(&backend).unwrap();
            assert_eq!(json, format!("\"{backend}\""));
            assert_eq!(serde_json::from_str::<Backend>(&json).unwrap(), backend);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "gpu".parse::<Backend>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`gpu` is no backend: write flex, wgpu or cuda"
        );
        assert!("".parse::<Backend>().is_err());
    }

    #[test]
    fn lists_of_names_read_as_english() {
        assert_eq!(name_list(&[], "and"), "none");
        assert_eq!(name_list(&[Backend::Flex], "and"), "flex");
        assert_eq!(
            name_list(&[Backend::Flex, Backend::Cuda], "and"),
            "flex and cuda"
        );
    }
}
