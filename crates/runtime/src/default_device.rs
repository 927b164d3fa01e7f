//! Burn's own default device, which this crate can keep from panicking but not replace.

use crate::backend::Backend;
use crate::choice::Machine;
use crate::error::RuntimeError;

/// The variable that Burn's `Device::default()` reads, and panics on where it does not like it.
pub const BURN_DEVICE_VARIABLE: &str = "BURN_DEVICE";

/// Checks that `Device::default()` would not panic on the variable's value.
///
/// Burn compares in lower case and takes no index; the device must also be there, for whatever uses
/// the default goes on to open it.
pub(crate) fn check_burn_device(
    environment: &dyn Fn(&str) -> Option<String>,
    machine: &dyn Machine,
) -> Result<(), RuntimeError> {
    let Some(value) = environment(BURN_DEVICE_VARIABLE) else {
        return Ok(());
    };
    let fault = |reason: &str| {
        Err(RuntimeError::BurnDevice {
            value: value.clone(),
            reason: reason.to_owned(),
        })
    };
    let lower = value.to_lowercase();
    match Backend::ALL
        .into_iter()
        .find(|backend| backend.name() == lower)
    {
        None => fault("which is no device that this program can be built with"),
        Some(backend) if !machine.is_compiled(backend) => {
            fault("a backend that this binary was built without")
        }
        Some(backend) if machine.kinds(backend).is_empty() => {
            fault("a backend that has no device on this machine")
        }
        Some(_) => Ok(()),
    }
}

/// Makes `flex` Burn's default device, unless `BURN_DEVICE` says otherwise.
///
/// Call it as the first statement of `main` in a binary that may have `cuda` or `wgpu` compiled in.
/// Without it, `ModuleOptimizer::load_record` (so: resuming a training) and data loaders without a
/// device of their own reach for the first GPU backend that was compiled in, and panic on a machine
/// without that GPU. It costs nothing: optimiser state moves to its parameter's device at the first
/// step, and every other tensor of the workspace names its device. In a binary with `flex` alone it
/// does nothing.
///
/// # Safety
///
/// It sets an environment variable, so no other thread may be running (see
/// [`std::env::set_var`]).
#[allow(unsafe_code)]
pub unsafe fn pin_burn_default() {
    if crate::compiled().len() > 1 && std::env::var_os(BURN_DEVICE_VARIABLE).is_none() {
        // SAFETY: the caller promises that there is no other thread.
        unsafe { std::env::set_var(BURN_DEVICE_VARIABLE, Backend::Flex.name()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::Kind;

    /// wgpu is compiled in and finds nothing; CUDA is not compiled in.
    struct Made;

    impl Machine for Made {
        fn is_compiled(&self, backend: Backend) -> bool {
            backend != Backend::Cuda
        }

        fn kinds(&self, backend: Backend) -> Vec<Kind> {
            match backend {
                Backend::Flex => vec![Kind::Host],
                _ => vec![],
            }
        }
    }

    fn checked(value: &'static str) -> Result<(), RuntimeError> {
        let environment = move |name: &str| {
            assert_eq!(name, "BURN_DEVICE");
            Some(value.to_owned())
        };
        check_burn_device(&environment, &Made)
    }

    #[test]
    fn what_burn_would_accept_passes() {
        assert_eq!(checked("flex"), Ok(()));
        assert_eq!(checked("FLEX"), Ok(()));
        assert_eq!(check_burn_device(&|_| None, &Made), Ok(()));
    }

    #[test]
    fn what_burn_would_panic_on_is_an_error_that_says_why() {
        for (value, reason) in [
            ("gpu", "no device that this program can be built with"),
            ("", "no device that this program can be built with"),
            ("cuda:1", "no device that this program can be built with"),
            ("cuda", "a backend that this binary was built without"),
            ("wgpu", "a backend that has no device on this machine"),
        ] {
            let error = checked(value).unwrap_err().to_string();
            assert!(
                error.contains(&format!("BURN_DEVICE is `{value}`")),
                "{error}"
            );
            assert!(error.contains(reason), "{error}");
            assert!(error.contains("Set it to `flex` or unset it"), "{error}");
        }
    }
}
