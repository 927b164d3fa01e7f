//! DDPM's chain of 1000 steps as a process, to compare with what is published for it.

use sde_core::{AffineSde, Marginal, Prior, Sigma, Time};

/// β from 0.0001 to 0.02 in equal steps (Ho et al. 2020). Time t = n is the chain's state number n, from 0
/// (one step of noise) to 999; between them β is constant.
pub struct DdpmChain {
    /// −ln ᾱ_n.
    integral: Vec<f64>,
}

impl DdpmChain {
    pub fn new() -> Self {
        let beta = |n: usize| 1e-4 + (0.02 - 1e-4) * n as f64 / 999.0;
        let mut sum = 0.0;
        let integral = (0..1000).map(|n| {
            sum -= (-beta(n)).ln_1p();
            sum
        });
        Self {
            integral: integral.collect(),
        }
    }

    fn rate(&self, t: Time) -> f64 {
        let n = (t.0.floor() as usize).min(self.integral.len() - 2);
        self.integral[n + 1] - self.integral[n]
    }
}

impl AffineSde for DdpmChain {
    fn name(&self) -> &'static str {
        "ddpm-chain"
    }

    fn drift_rate(&self, t: Time) -> f64 {
        -0.5 * self.rate(t)
    }

    fn diffusion(&self, t: Time) -> f64 {
        self.rate(t).sqrt()
    }

    fn marginal(&self, t: Time) -> Marginal {
        let n = (t.0.floor() as usize).min(self.integral.len() - 2);
        let integral = self.integral[n] + (t.0 - n as f64) * self.rate(t);
        Marginal {
            alpha: (-0.5 * integral).exp(),
            sigma: (-(-integral).exp_m1()).sqrt(),
        }
    }

    fn time_at_sigma(&self, sigma: Sigma) -> Time {
        let level = |&n: &usize| self.marginal(Time(n as f64)).sigma_ratio();
        let above = (0..self.integral.len()).find(|n| level(n) >= sigma);
        Time(above.unwrap_or(self.integral.len() - 1) as f64)
    }

    fn t_max(&self) -> Time {
        Time(999.0)
    }

    fn t_min_sampling(&self) -> Time {
        Time(0.0)
    }

    fn prior(&self) -> Prior {
        Prior { std: 1.0 }
    }
}
