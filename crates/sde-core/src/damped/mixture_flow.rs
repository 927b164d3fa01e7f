//! The probability flow of one Gaussian, solved up to one integral.

use ndarray::Array2;

use super::{CholeskyFactor, DampedWorld, PhaseMixture, PhaseState};
use crate::Time;
use crate::worlds::WorldError;

impl DampedWorld<'_> {
    /// Where the probability flow takes `z`, positions and velocities of shape `[batch, dim]`, from one
    /// time to another. In each coordinate, with L_t L_tᵀ = Σ_t:
    ///
    /// ```text
    /// z_t = μ_t + L_t R(θ) L_s⁻¹ (z_s − μ_s)        θ = ∫ₛᵗ β M⁻¹ L_vv/L_xx dr
    /// ```
    ///
    /// The flow is linear and carries one covariance into the other, which leaves a rotation R; its rate
    /// is the only element of L⁻¹ (A + ½ G Gᵀ Σ⁻¹) L above the diagonal. The angle is integrated to
    /// rounding; the rest is closed.
    ///
    /// # Errors
    /// [`WorldError::NotOneGaussian`] for a mixture, whose flow has no closed form.
    ///
    /// # Panics
    /// If `z` has another dimension than the world.
    pub fn flow(
        &self,
        from: Time,
        to: Time,
        z: &PhaseState<Array2<f64>>,
    ) -> Result<PhaseState<Array2<f64>>, WorldError> {
        if self.world.components() > 1 {
            let components = self.world.components();
            return Err(WorldError::NotOneGaussian { components });
        }
        let dim = self.world.dim();
        assert_eq!(
            z.position.ncols(),
            dim,
            "a position has the world's dimension"
        );
        assert_eq!(z.velocity.dim(), z.position.dim(), "a velocity a position");
        let (start, end) = (self.at(from), self.at(to));
        let mut moved = z.clone();
        for d in 0..dim {
            let angle = self.angle(from, to, d);
            let [here, there] = [&start, &end].map(|law| frame(law, d));
            for i in 0..z.position.nrows() {
                let (x, v) = (z.position[[i, d]], z.velocity[[i, d]]);
                let pair = there.outside(turned(here.inside([x, v]), angle));
                [moved.position[[i, d]], moved.velocity[[i, d]]] = pair;
            }
        }
        Ok(moved)
    }

    /// ∫ β M⁻¹ L_vv/L_xx dt by Gauss-Legendre in ln(τ + 0.01), panels doubled until nothing changes.
    fn angle(&self, from: Time, to: Time, d: usize) -> f64 {
        const SHIFT: f64 = 0.01;
        // The five-point rule on [−1, 1].
        let inner = (10.0f64 / 7.0).sqrt();
        let nodes = [
            (0.0, 128.0 / 225.0),
            (
                (5.0 - 2.0 * inner).sqrt() / 3.0,
                (322.0 + 13.0 * 70f64.sqrt()) / 900.0,
            ),
            (
                (5.0 + 2.0 * inner).sqrt() / 3.0,
                (322.0 - 13.0 * 70f64.sqrt()) / 900.0,
            ),
        ];
        let unit = self.process.damping_time(Time(1.0));
        let log = |t: Time| (unit * t.0 + SHIFT).ln();
        let std = self.world.stds()[[0, d]];
        let speed = self.process.beta * self.process.inverse_mass;
        let integrand = |l: f64| {
            let tau = l.exp();
            let t = Time((tau - SHIFT).max(0.0) / unit);
            let CholeskyFactor { xx, vv, .. } = self.process.covariance(t, std * std).factor();
            speed * vv / xx * tau / unit
        };
        let integral = |panels: u32| -> f64 {
            let width = (log(to) - log(from)) / f64::from(panels);
            let panel = |i: u32| -> f64 {
                let middle = log(from) + (f64::from(i) + 0.5) * width;
                (nodes.iter())
                    .map(|&(node, weight)| {
                        let at = |side: f64| integrand(middle + side * 0.5 * width * node);
                        // The node in the middle is one point, not two.
                        weight
                            * if node == 0.0 {
                                at(0.0)
                            } else {
                                at(1.0) + at(-1.0)
                            }
                    })
                    .sum()
            };
            0.5 * width * (0..panels).map(panel).sum::<f64>()
        };
        let (mut panels, mut last) = (16, integral(8));
        loop {
            let next = integral(panels);
            // 2¹⁴ panels: a point mass at t = 0, whose rate diverges, is integrated no further.
            if (next - last).abs() < 1e-13 * (1.0 + next.abs()) || panels >= 1 << 14 {
                return next;
            }
            (panels, last) = (2 * panels, next);
        }
    }
}

/// The coordinates in which a law is standard normal.
struct Frame {
    mean: [f64; 2],
    factor: CholeskyFactor,
}

fn frame(law: &PhaseMixture, d: usize) -> Frame {
    Frame {
        mean: law.mean(0, d),
        factor: law.covariance(0, d).factor(),
    }
}

impl Frame {
    /// L⁻¹ (z − μ).
    fn inside(&self, [x, v]: [f64; 2]) -> [f64; 2] {
        let a = (x - self.mean[0]) / self.factor.xx;
        [a, (v - self.mean[1] - self.factor.vx * a) / self.factor.vv]
    }

    /// μ + L y.
    fn outside(&self, [a, b]: [f64; 2]) -> [f64; 2] {
        [
            self.mean[0] + self.factor.xx * a,
            self.mean[1] + self.factor.vx * a + self.factor.vv * b,
        ]
    }
}

/// dy/dθ = (y₂, −y₁).
fn turned([a, b]: [f64; 2], angle: f64) -> [f64; 2] {
    let (sin, cos) = angle.sin_cos();
    [a * cos + b * sin, b * cos - a * sin]
}
