//! Weights that were laid out for a convolution, kept for the next time.
//!
//! A sampler evaluates one network hundreds of times, and for a small batch laying out its weights is a
//! good part of each time. In training they change at every step, and nothing is kept.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::flex::FlexTensor;
use pulp::Arch;

use crate::conv::{Correlation, Direction, Geometry};
use crate::ops::slice;

/// The most bytes of laid-out weights that are kept.
const MOST: usize = 128 << 20;

/// Forward convolutions, the one that was used last at the end.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

struct Kept {
    /// Holding the weights keeps their memory from being changed, and from becoming another tensor's:
    /// who finds the same address finds the same numbers.
    weight: FlexTensor,
    /// With a batch of none: it is no part of the layout.
    geometry: Geometry,
    correlation: Arc<Correlation>,
}

/// The forward convolution with these weights, which must be contiguous; kept if it is worth it.
pub(crate) fn correlation(weight: &FlexTensor, geometry: &Geometry) -> Arc<Correlation> {
    let geometry = Geometry {
        batch: 0,
        ..*geometry
    };
    let lay_out = || {
        let new = Correlation::new(Arch::new(), slice(weight), &geometry, Direction::Forward);
        Arc::new(new)
    };
    // Those of attention are put together anew each time, and laying out a kernel of one pixel is a copy.
    if geometry.kernel == 1 {
        return lay_out();
    }
    let is_it = |kept: &Kept| {
        kept.geometry == geometry && slice(&kept.weight).as_ptr() == slice(weight).as_ptr()
    };
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = all.iter().position(is_it) {
        let kept = all.remove(at);
        let correlation = kept.correlation.clone();
        all.push(kept);
        return correlation;
    }
    // Not under the lock: other threads are at other layers.
    drop(all);
    let correlation = lay_out();
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    // What nobody else holds any more will not be asked for again.
    all.retain(|kept| !kept.weight.is_unique());
    all.push(Kept {
        weight: weight.clone(),
        geometry,
        correlation: correlation.clone(),
    });
    let mut bytes: usize = all.iter().map(|kept| kept.correlation.bytes()).sum();
    while bytes > MOST {
        bytes -= all.remove(0).correlation.bytes();
    }
    correlation
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn weights(value: f32) -> FlexTensor {
        FlexTensor::from_data(TensorData::new(vec![value; 16 * 16 * 9], [16, 16, 3, 3]))
    }

    fn geometry(batch: usize, size: [usize; 2]) -> Geometry {
        Geometry {
            batch,
            size,
            channels_in: 16,
            channels_out: 16,
            kernel: 3,
            stride: 1,
        }
    }

    // One test, since what is kept is kept for the process.
    #[test]
    fn weights_are_found_again_until_there_are_too_many() {
        the_same_weights_are_found_again_and_others_are_not();
        what_is_gone_elsewhere_is_let_go_of();
        no_more_is_kept_than_the_limit();
    }

    fn the_same_weights_are_found_again_and_others_are_not() {
        let weight = weights(1.0);
        let first = correlation(&weight, &geometry(1, [8, 8]));
        // Of a copy that shares the memory, and for another batch.
        let again = correlation(&weight.clone(), &geometry(7, [8, 8]));
        assert!(Arc::ptr_eq(&first, &again));
        let another_size = correlation(&weight, &geometry(1, [9, 8]));
        assert!(!Arc::ptr_eq(&first, &another_size));
        for value in [2.0, 3.0, 4.0] {
            // Each is gone before the next one comes, and could come to lie at its address.
            let other = correlation(&weights(value), &geometry(1, [8, 8]));
            let x = vec![1.0; 64 * 16];
            let out = other.run(&x, Default::default(), 1);
            // In the middle, 9 places of 16 channels.
            assert_eq!(out[(4 * 8 + 4) * 16], value * 9.0 * 16.0);
        }
    }

    fn what_is_gone_elsewhere_is_let_go_of() {
        let (first, second) = (weights(1.0), weights(2.0));
        correlation(&first, &geometry(1, [8, 8]));
        correlation(&second, &geometry(1, [8, 8]));
        let count = || KEPT.lock().unwrap_or_else(PoisonError::into_inner).len();
        let before = count();
        drop(first);
        let third = weights(3.0);
        correlation(&third, &geometry(1, [8, 8]));
        assert_eq!(count(), before);
    }

    fn no_more_is_kept_than_the_limit() {
        let big = |_: usize| {
            FlexTensor::from_data(TensorData::new(
                vec![0.5_f32; 512 * 512 * 9],
                [512, 512, 3, 3],
            ))
        };
        let geometry = Geometry {
            channels_in: 512,
            channels_out: 512,
            ..geometry(1, [4, 4])
        };
        let bytes = correlation(&big(0), &geometry).bytes();
        assert!(bytes > 512 * 512 * 9 * 4);
        let held: Vec<FlexTensor> = (0..MOST / bytes + 2).map(big).collect();
        for weight in &held {
            correlation(weight, &geometry);
        }
        let all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let sum: usize = all.iter().map(|kept| kept.correlation.bytes()).sum();
        assert!(sum <= MOST, "{sum}");
    }
}
