//! In which floating-point type a device calculates.

use std::fmt;

use burn::tensor::FloatDType;
use serde::{Deserialize, Serialize};

/// The type of a device's float tensors where no other is named.
///
/// The policy of the workspace: **f32**, on every device, unless the user says otherwise.
/// Coefficients of equations are f64 on the host whatever this is. `f64` (flex and CUDA; WebGPU has
/// none) is for measuring the error of f32. `bf16` halves the memory where the device can calculate
/// in it; Burn 0.22 has no autocast, so it holds for weights and optimiser state too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 64 bits.
    F64,
    /// 16 bits with the range of f32.
    Bf16,
}

impl Precision {
    /// Burn's name for it.
    pub const fn float_dtype(self) -> FloatDType {
        match self {
            Precision::F32 => FloatDType::F32,
            Precision::F64 => FloatDType::F64,
            Precision::Bf16 => FloatDType::BF16,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
            Precision::Bf16 => "bf16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_files_use_the_names_that_are_displayed() {
        for precision in [Precision::F32, Precision::F64, Precision::Bf16] {
            let json = serde_json::to_string(&precision).unwrap();
            assert_eq!(json, format!("\"{precision}\""));
            assert_eq!(serde_json::from_str::<Precision>(&json).unwrap(), precision);
        }
    }
}
