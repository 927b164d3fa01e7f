//! The precision of a device, which holds for a whole process: hence one test in a file of its own.

use burn::tensor::{FloatDType, Tensor};
use runtime::{Backend, Precision, RuntimeError, select_in};

#[test]
fn a_precision_is_set_once_and_holds_for_every_tensor() {
    let select = || select_in(Some(Backend::Flex), &|_| None).unwrap();

    let f32 = select().with_precision(Precision::F32).unwrap();
    assert_eq!(f32.device.settings().float_dtype, FloatDType::F32);

    let f64 = select().with_precision(Precision::F64).unwrap();
    let third = Tensor::<1>::from_floats([1.0], &f64.device).div_scalar(3.0);
    assert_eq!(third.into_data().try_to_vec::<f64>().unwrap(), [1.0 / 3.0]);

    // The same again is no change; another one comes too late.
    select().with_precision(Precision::F64).unwrap();
    let error = select().with_precision(Precision::Bf16).unwrap_err();
    assert_eq!(
        error,
        RuntimeError::PrecisionTooLate {
            backend: Backend::Flex,
            precision: Precision::Bf16
        }
    );
    assert!(
        error
            .to_string()
            .contains("right after the device is selected")
    );
}
