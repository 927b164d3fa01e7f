//! Selecting and using a wgpu adapter; Mesa's software one will do.
//!
//! Runs with `--features wgpu`, as part of `cargo xtask test --wgpu`.

#![cfg(feature = "wgpu")]

use burn::tensor::{FloatDType, Tensor};
use runtime::{Backend, Precision, RuntimeError, select_in};

fn empty(_: &str) -> Option<String> {
    None
}

#[test]
fn a_wish_for_wgpu_selects_an_adapter_that_calculates() {
    let selected = select_in(Some(Backend::Wgpu), &empty)
        .unwrap()
        .with_precision(Precision::F32)
        .unwrap();
    assert_eq!(selected.backend, Backend::Wgpu);
    selected.check().unwrap();
    selected.sync().unwrap();
    let memory = selected.memory().expect("a GPU backend has a pool");
    assert!(memory.in_use <= memory.reserved);
}

#[test]
fn the_report_lists_what_is_selected() {
    let selected = select_in(Some(Backend::Wgpu), &empty).unwrap();
    let reports = runtime::devices();
    let wgpu = reports.iter().find(|r| r.backend == Backend::Wgpu).unwrap();
    assert!(wgpu.compiled);
    assert_eq!(wgpu.advice, None);
    let first = &wgpu.adapters[0];
    assert_eq!(first.name, selected.name);
    assert_eq!(first.software, selected.software);
    assert_eq!(first.problem, None);
}

#[test]
fn without_a_wish_a_software_adapter_is_left_alone() {
    let selected = select_in(None, &empty).unwrap();
    assert!(!selected.software, "{selected}");
}

#[test]
fn a_type_that_the_report_lists_is_one_that_the_device_calculates_in() {
    let device = select_in(Some(Backend::Wgpu), &empty).unwrap().device;
    let reports = runtime::devices();
    let wgpu = reports.iter().find(|r| r.backend == Backend::Wgpu).unwrap();
    let adapter = &wgpu.adapters[0];
    // WGSL has no f64 of its own; wgpu adds it where the adapter can, as lavapipe can.
    for (listed, dtype, bound) in [
        (true, FloatDType::F32, 1e-7),
        (adapter.f64, FloatDType::F64, 1e-15),
        (adapter.bf16, FloatDType::BF16, 1e-2),
    ] {
        if listed {
            let third = Tensor::<1>::from_floats([1.0], &device)
                .cast(dtype)
                .div_scalar(3.0);
            let third = third.into_data().iter::<f64>().next().unwrap();
            assert!((third - 1.0 / 3.0).abs() < bound, "{dtype:?}: {third}");
        }
    }
}

#[test]
fn an_adapter_that_is_not_there_is_answered_with_those_that_are() {
    let environment =
        |name: &str| (name == "CUBECL_WGPU_DEFAULT_DEVICE").then(|| "DiscreteGpu(99)".to_owned());
    let error = select_in(Some(Backend::Wgpu), &environment).unwrap_err();
    assert!(matches!(error, RuntimeError::NotPresent { .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("names the adapter DiscreteGpu(99)"),
        "{message}"
    );
    assert!(message.contains("offers only"), "{message}");
}
