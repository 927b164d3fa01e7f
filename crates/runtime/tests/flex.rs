//! Selecting and using the device that every build has.

use burn::tensor::{Distribution, Tensor};
use runtime::{Backend, RuntimeError, select_in};

fn empty(_: &str) -> Option<String> {
    None
}

#[test]
fn a_wish_for_flex_selects_the_cpu() {
    let selected = select_in(Some(Backend::Flex), &empty).unwrap();
    assert_eq!(selected.backend, Backend::Flex);
    assert!(!selected.software);
    assert_eq!(selected.to_string(), format!("flex: {}", selected.name));
    selected.check().unwrap();
    selected.sync().unwrap();
}

#[test]
fn tensors_calculate_on_the_selected_device() {
    let selected = select_in(Some(Backend::Flex), &empty).unwrap();
    let a = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &selected.device);
    let product = a.clone().matmul(a);
    assert_eq!(
        product.into_data().try_to_vec::<f32>().unwrap(),
        [7.0, 10.0, 15.0, 22.0]
    );
}

#[test]
fn one_seed_draws_the_same_numbers_twice() {
    let selected = select_in(Some(Backend::Flex), &empty).unwrap();
    let draw = || {
        selected.seed(42);
        Tensor::<1>::random([16], Distribution::Default, &selected.device)
            .into_data()
            .try_to_vec::<f32>()
            .unwrap()
    };
    // The generator belongs to the process; this file has no other test that draws from it.
    assert_eq!(draw(), draw());
}

#[test]
fn the_variable_is_obeyed_where_no_flag_is_given() {
    let environment = |name: &str| (name == runtime::BACKEND_VARIABLE).then(|| "flex".to_owned());
    let selected = select_in(None, &environment).unwrap();
    assert_eq!(selected.backend, Backend::Flex);
}

#[test]
fn a_backend_that_is_not_compiled_in_is_an_error_with_a_way_out() {
    for backend in Backend::ALL {
        if runtime::compiled().contains(&backend) {
            continue;
        }
        let error = select_in(Some(backend), &empty).unwrap_err();
        assert!(matches!(error, RuntimeError::NotCompiled { .. }));
        let message = error.to_string();
        assert!(
            message.contains(&format!("--features {backend}")),
            "{message}"
        );
    }
}

#[test]
fn a_value_of_burn_device_that_would_panic_is_refused() {
    let environment = |name: &str| (name == "BURN_DEVICE").then(|| "toaster".to_owned());
    let error = select_in(Some(Backend::Flex), &environment).unwrap_err();
    assert!(matches!(error, RuntimeError::BurnDevice { .. }), "{error}");
}
