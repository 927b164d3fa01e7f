//! The choice between kernels and plain operations: a program of its own, since it holds for the process.

use burn::tensor::{Device, Tensor, TensorData};
use kernels::{Kernels, choose, chosen, conv2d, plain};

#[test]
fn plain_operations_are_used_when_they_are_chosen() {
    let tensor = |shape: [usize; 4], step: f32| -> Tensor<4> {
        let len = shape.iter().product();
        let values: Vec<f32> = (0..len).map(|i| (i as f32 * step).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    };
    let (x, weight) = (tensor([2, 9, 9, 16], 0.7), tensor([16, 16, 3, 3], 1.3));
    let bias = Tensor::<1>::ones([16], &Device::flex());
    let ours = || conv2d(x.clone(), weight.clone(), bias.clone(), 1).into_data();
    let theirs = plain::conv2d(x.clone(), weight.clone(), bias.clone(), 1).into_data();

    assert_eq!(chosen(), Kernels::Own);
    let by_kernels = ours();
    // Sums in another order: if they were equal to the last bit, this test would show nothing.
    assert_ne!(by_kernels, theirs);

    choose(Kernels::Plain);
    assert_eq!(chosen(), Kernels::Plain);
    assert_eq!(ours(), theirs);

    choose(Kernels::Own);
    assert_eq!(ours(), by_kernels);
}
