//! Pixels to channels and back, so that a network can work at a fraction of the resolution; and
//! from channels first, as images come, to channels last, as the network works.

use burn::tensor::Tensor;

use crate::network::ConfigError;

/// Refuses images of a height or width that `patch` does not divide.
pub(crate) fn check(patch: usize, [height, width]: [usize; 2]) -> Result<(), ConfigError> {
    for (whole_name, whole) in [("the images' height", height), ("the images' width", width)] {
        if !whole.is_multiple_of(patch) {
            return Err(ConfigError::NotADivisor {
                field: "patch",
                value: patch,
                whole_name,
                whole,
                remedy: "use 1, or a common divisor of height and width",
            });
        }
    }
    Ok(())
}

/// Moves squares of `patch` × `patch` pixels into the channels.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, height/patch, width/patch, channels·patch²]`
pub(crate) fn space_to_depth(x: Tensor<4>, patch: usize) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let [rows, columns] = [height / patch, width / patch];
    x.reshape([batch, channels, rows, patch, columns, patch])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([batch, rows, columns, channels * patch * patch])
}

/// The inverse of [`space_to_depth`].
///
/// # Shapes
///
/// - x: `[batch, height, width, channels·patch²]`
/// - output: `[batch, channels, height·patch, width·patch]`
pub(crate) fn depth_to_space(x: Tensor<4>, patch: usize) -> Tensor<4> {
    let [batch, rows, columns, depth] = x.dims();
    let channels = depth / (patch * patch);
    x.reshape([batch, rows, columns, channels, patch, patch])
        .permute([0, 3, 1, 4, 2, 5])
        .reshape([batch, channels, rows * patch, columns * patch])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int};

    use super::*;

    fn numbered(shape: [usize; 4]) -> Tensor<4> {
        let count = shape.iter().product::<usize>() as i64;
        Tensor::<1, Int>::arange(0..count, &Device::flex())
            .float()
            .reshape(shape)
    }

    #[test]
    fn a_patch_becomes_the_channels_of_one_pixel() {
        let y = space_to_depth(numbered([1, 1, 4, 6]), 2);
        assert_eq!(y.dims(), [1, 2, 3, 4]);
        let second = y.slice([0..1, 1..2, 2..3, 0..4]).into_data();
        assert_eq!(
            second.iter::<f32>().collect::<Vec<_>>(),
            [16.0, 17.0, 22.0, 23.0]
        );
    }

    #[test]
    fn depth_to_space_undoes_space_to_depth() {
        for patch in [1, 2, 3] {
            let x = numbered([2, 3, 6, 12]);
            let there = space_to_depth(x.clone(), patch);
            assert_eq!(depth_to_space(there, patch).into_data(), x.into_data());
        }
    }
}
