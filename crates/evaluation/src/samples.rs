//! What every distance between two sets of samples asks of them first.

use ndarray::ArrayView2;

use crate::EvaluationError;

/// The name of a first and a second set in errors.
pub(crate) const SETS: [&str; 2] = ["the first set", "the second set"];

/// Checks that `samples` `[N, D]` has N ≥ `needed`, D ≥ 1 and only finite values.
pub(crate) fn check<A: Copy + Into<f64>>(
    set: &'static str,
    samples: &ArrayView2<'_, A>,
    needed: usize,
) -> Result<(), EvaluationError> {
    let (found, coordinates) = samples.dim();
    if found < needed {
        return Err(EvaluationError::TooFewSamples { set, found, needed });
    }
    if coordinates == 0 {
        return Err(EvaluationError::NoCoordinates { set });
    }
    let mut values = samples.indexed_iter();
    match values.find(|(_, value)| !(**value).into().is_finite()) {
        None => Ok(()),
        Some(((sample, coordinate), &value)) => Err(EvaluationError::NonFinite {
            set,
            sample,
            coordinate,
            value: value.into(),
        }),
    }
}

/// Checks both sets, and that they live in one space.
pub(crate) fn check_pair(
    first: &ArrayView2<'_, f64>,
    second: &ArrayView2<'_, f64>,
    needed: usize,
) -> Result<(), EvaluationError> {
    check(SETS[0], first, needed)?;
    check(SETS[1], second, needed)?;
    same_dimension(first.ncols(), second.ncols())
}

/// Checks that two dimensions agree.
pub(crate) fn same_dimension(first: usize, second: usize) -> Result<(), EvaluationError> {
    if first == second {
        Ok(())
    } else {
        Err(EvaluationError::DimensionMismatch { first, second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn the_first_value_that_is_no_number_is_named() {
        let samples = array![[0.0, 1.0], [2.0, f64::NAN], [f64::INFINITY, 0.0]];
        let error = check("it", &samples.view(), 1).unwrap_err();
        assert!(matches!(
            error,
            EvaluationError::NonFinite {
                set: "it",
                sample: 1,
                coordinate: 1,
                value
            } if value.is_nan()
        ));
    }

    #[test]
    fn small_empty_and_differing_sets_are_refused() {
        let two = Array2::<f64>::zeros((2, 3));
        assert!(matches!(
            check("it", &two.view(), 3),
            Err(EvaluationError::TooFewSamples {
                found: 2,
                needed: 3,
                ..
            })
        ));
        assert!(matches!(
            check("it", &Array2::<f64>::zeros((2, 0)).view(), 2),
            Err(EvaluationError::NoCoordinates { .. })
        ));
        assert!(matches!(
            check_pair(&two.view(), &Array2::zeros((2, 4)).view(), 2),
            Err(EvaluationError::DimensionMismatch {
                first: 3,
                second: 4
            })
        ));
        assert!(check_pair(&two.view(), &two.view(), 2).is_ok());
    }
}
