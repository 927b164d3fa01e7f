//! Burn's own default device, which belongs to the process: hence one test in a file of its own.
#![allow(unsafe_code)]

use burn::tensor::Device;

#[test]
fn the_pinned_default_of_burn_is_the_cpu_whatever_is_compiled_in() {
    // SAFETY: this program has no other test, so no other thread reads the environment.
    unsafe {
        std::env::remove_var(runtime::BURN_DEVICE_VARIABLE);
        runtime::pin_burn_default();
    }
    assert_eq!(Device::default(), Device::flex());
}
