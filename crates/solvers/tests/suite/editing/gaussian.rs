//! Gaussian data of any covariance, and what it is given some of its coordinates.

use ndarray::{Array1, Array2};
use sde_core::{AffineSde, DifferentiableScore, Score, Time};

pub type X = Array2<f64>;

/// N(mean, covariance); the covariance may be singular.
#[derive(Clone, Debug)]
pub struct Gaussian {
    pub mean: Array1<f64>,
    pub covariance: Array2<f64>,
}

/// The inverse by Gauss and Jordan, with pivots.
pub fn inverse(matrix: &Array2<f64>) -> Array2<f64> {
    let n = matrix.nrows();
    let (mut a, mut b) = (matrix.clone(), Array2::eye(n));
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[[i, k]].abs().total_cmp(&a[[j, k]].abs()));
        let pivot = pivot.unwrap();
        for m in [&mut a, &mut b] {
            for c in 0..n {
                m.swap([k, c], [pivot, c]);
            }
        }
        let p = a[[k, k]];
        for m in [&mut a, &mut b] {
            m.row_mut(k).mapv_inplace(|x| x / p);
        }
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[[i, k]];
            for m in [&mut a, &mut b] {
                let row = m.row(k).to_owned();
                m.row_mut(i).scaled_add(-factor, &row);
            }
        }
    }
    b
}

impl Gaussian {
    /// N(α m, α² Σ + σ² I), the law of x_t.
    pub fn noised(&self, sde: &dyn AffineSde, t: Time) -> Self {
        let marginal = sde.marginal(t);
        let noise = marginal.sigma.powi(2) * Array2::<f64>::eye(self.mean.len());
        Self {
            mean: marginal.alpha * &self.mean,
            covariance: marginal.alpha.powi(2) * &self.covariance + noise,
        }
    }

    fn precision(&self, sde: &dyn AffineSde, t: Time) -> Array2<f64> {
        inverse(&self.noised(sde, t).covariance)
    }

    /// x₀ given y = A x₀ + σ_y z, by the formulas for joint Gaussians; `rows` is A.
    pub fn given(&self, rows: &Array2<f64>, y: &Array1<f64>, noise: f64) -> Self {
        let cross = self.covariance.dot(&rows.t());
        let of_y = rows.dot(&cross) + noise * noise * Array2::<f64>::eye(rows.nrows());
        let gain = cross.dot(&inverse(&of_y));
        Self {
            mean: &self.mean + &gain.dot(&(y - &rows.dot(&self.mean))),
            covariance: &self.covariance - &gain.dot(&cross.t()),
        }
    }

    pub fn under<'a>(&'a self, sde: &'a dyn AffineSde) -> GaussianScore<'a> {
        GaussianScore { world: self, sde }
    }
}

/// −(α² Σ + σ² I)⁻¹ (x − α m).
pub struct GaussianScore<'a> {
    world: &'a Gaussian,
    sde: &'a dyn AffineSde,
}

impl Score<X> for GaussianScore<'_> {
    fn score(&self, x: &X, t: Time) -> X {
        let precision = self.world.precision(self.sde, t);
        let centred = x - &(self.sde.marginal(t).alpha * &self.world.mean);
        -centred.dot(&precision)
    }
}

impl DifferentiableScore<X> for GaussianScore<'_> {
    fn score_and_vjp(&self, x: &X, times: &[Time], v: &X) -> (X, X) {
        let mut product = v.clone();
        let same = times.iter().all(|t| *t == times[0]);
        if same {
            product = -v.dot(&self.world.precision(self.sde, times[0]));
            return (self.score(x, times[0]), product);
        }
        for (i, mut row) in product.outer_iter_mut().enumerate() {
            row.assign(&-v.row(i).dot(&self.world.precision(self.sde, times[i])));
        }
        (self.score_each(x, times), product)
    }
}

#[test]
fn the_inverse_is_one() {
    let matrix = ndarray::array![[0.0, 2.0, 1.0], [3.0, -1.0, 0.5], [1.0, 1.0, 4.0]];
    let error = matrix.dot(&inverse(&matrix)) - Array2::<f64>::eye(3);
    assert!(error.iter().all(|e| e.abs() < 1e-14), "{error}");
}
