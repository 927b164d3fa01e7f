//! How far a figure would be off with other samples: the bootstrap (Efron 1979, "Bootstrap methods:
//! another look at the jackknife").
//!
//! A replicate draws from each set as many samples as it has, with replacement, and takes the figure
//! anew. The spread of the replicates stands for the spread of the figure itself over other draws of
//! the sets. Every measure says which sets it draws from.
//!
//! A distance between finite sets is larger than that between their distributions, and a replicate,
//! which sees a set through a draw from it, adds the same once more: its replicates lie too high by
//! their mean's excess over the figure, the bootstrap's estimate of the bias. So the interval of a
//! distance is moved down by that excess, to lie about the figure; and [`Estimate::corrected`] takes
//! it off the figure as well.

use ndarray::Array1;
use rand::RngExt;
use rayon::prelude::*;
use sde_core::noise::{Role, generator};
use serde::Serialize;

use crate::EvaluationError;
use crate::progress::{Observer, Stage};

/// The share of replicates that an interval leaves out on each side: it is one of 95 %.
const TAIL: f64 = 0.025;

/// The step of the generators' keys that tells draws of a first set from other random numbers of the
/// same seed; the second set has the next.
const FIRST_SET: u64 = 1 << 40;

/// How intervals are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// How many replicates are drawn, 2 or more. The ends of an interval of 95 % want some 200.
    pub replicates: usize,
    /// Replicate k is a function of (seed, k).
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            replicates: 200,
            seed: 0,
        }
    }
}

/// A figure with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure of the sets as they are.
    pub value: f64,
    /// The ends of the interval of 95 %: the 2.5 % and 97.5 % points of the replicates, less
    /// [`bias`](Self::bias).
    pub interval: [f64; 2],
    /// The standard deviation of the replicates.
    pub standard_error: f64,
    /// How much too large the figure is for being taken of finite sets: the replicates' mean excess
    /// over it. 0 for a mean, which has no bias.
    pub bias: f64,
    /// How many replicates there were.
    pub replicates: usize,
}

impl Estimate {
    /// The figure less its bias, right to the first order in one over the numbers of samples. Below
    /// zero where a distance is too small to be told from none.
    ///
    /// It wants many more samples than coordinates: a replicate holds only some 63 % of a set's
    /// samples, and what finite sets do to a distance is then no longer a small correction.
    #[must_use]
    pub fn corrected(&self) -> f64 {
        self.value - self.bias
    }

    /// The interval of [`corrected`](Self::corrected).
    #[must_use]
    pub fn corrected_interval(&self) -> [f64; 2] {
        self.interval.map(|end| end - self.bias)
    }

    /// A figure that can be biased, with its replicates.
    fn of_biased(value: f64, replicates: Vec<f64>) -> Self {
        let bias = Array1::from_iter(replicates.iter().copied())
            .mean()
            .unwrap_or(value)
            - value;
        let raw = Self::of_unbiased(value, replicates);
        Self {
            interval: raw.interval.map(|end| end - bias),
            bias,
            ..raw
        }
    }

    /// A figure without bias, with its replicates.
    fn of_unbiased(value: f64, mut replicates: Vec<f64>) -> Self {
        replicates.sort_unstable_by(f64::total_cmp);
        let interval = [TAIL, 1.0 - TAIL].map(|share| quantile(&replicates, share));
        let count = replicates.len();
        Self {
            value,
            interval,
            standard_error: Array1::from(replicates).std(1.0),
            bias: 0.0,
            replicates: count,
        }
    }
}

impl Bootstrap {
    /// Checks the options.
    ///
    /// # Errors
    /// Fewer than two replicates.
    pub(crate) fn check(&self) -> Result<(), EvaluationError> {
        match self.replicates {
            0 | 1 => Err(EvaluationError::Option {
                option: "replicates",
                value: self.replicates.to_string(),
                expected: "2 or more; 200 is a usual number",
            }),
            _ => Ok(()),
        }
    }

    /// The mean of `values`, one a sample, drawn from with replacement.
    ///
    /// Where all values are one, as with a share of 0 or 1, so is the interval, which then says too
    /// little: with n samples a share of 3/n would show as 0 one time in twenty.
    ///
    /// # Errors
    /// No values, or fewer than two replicates.
    pub fn of_mean(&self, values: &[f64]) -> Result<Estimate, EvaluationError> {
        self.check()?;
        if values.is_empty() {
            return Err(EvaluationError::TooFewSamples {
                set: "the set of values",
                found: 0,
                needed: 1,
            });
        }
        let n = values.len() as f64;
        let mean = |counts: &[u32]| {
            let terms = values.iter().zip(counts);
            terms.map(|(v, &c)| v * f64::from(c)).sum::<f64>() / n
        };
        let replicates = (0..self.replicates)
            .into_par_iter()
            .map(|replicate| mean(&self.draw(replicate, 0, values.len())))
            .collect();
        Ok(Estimate::of_unbiased(
            values.iter().sum::<f64>() / n,
            replicates,
        ))
    }

    /// A figure of two sets of `sizes`, whose value for the sets as they are is `value`; `figure` takes
    /// it with how often each sample of both sets counts.
    pub(crate) fn of_two_sets(
        &self,
        value: f64,
        sizes: [usize; 2],
        figure: impl Fn(&[u32], &[u32]) -> Result<f64, EvaluationError> + Sync,
        observe: &mut Observer<'_>,
    ) -> Result<Estimate, EvaluationError> {
        self.check()?;
        let mut replicates = Vec::with_capacity(self.replicates);
        let at_a_time = 2 * rayon::current_num_threads();
        let all: Vec<usize> = (0..self.replicates).collect();
        self.tell(0, observe);
        for some in all.chunks(at_a_time) {
            let found: Vec<f64> = some
                .par_iter()
                .map(|&k| figure(&self.draw(k, 0, sizes[0]), &self.draw(k, 1, sizes[1])))
                .collect::<Result<_, _>>()?;
            replicates.extend(found);
            self.tell(replicates.len(), observe);
        }
        Ok(Estimate::of_biased(value, replicates))
    }

    /// A figure with replicates that were taken already.
    pub(crate) fn of_replicates(value: f64, replicates: Vec<f64>) -> Estimate {
        Estimate::of_biased(value, replicates)
    }

    /// How often each of `size` samples of the set number `set` is drawn in a replicate.
    pub(crate) fn draw(&self, replicate: usize, set: u64, size: usize) -> Vec<u32> {
        let mut random = generator(self.seed, replicate as u64, FIRST_SET + set, Role::Probe);
        let mut counts = vec![0; size];
        for _ in 0..size {
            counts[random.random_range(0..size)] += 1;
        }
        counts
    }

    fn tell(&self, done: usize, observe: &mut Observer<'_>) {
        observe(Stage {
            what: "intervals",
            done,
            total: self.replicates,
        });
    }
}

/// The point below which the given share of sorted values lies, linear between them (Hyndman & Fan 1996,
/// definition 7, as NumPy's).
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::unobserved;
    use sde_core::noise::fill_standard_normal;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0, 0.025, 0.5, 0.9, 1])
        for (share, expected) in [
            (0.0, 1.0),
            (0.025, 1.075),
            (0.5, 3.0),
            (0.9, 6.8),
            (1.0, 8.0),
        ] {
            assert!((quantile(&[1.0, 2.0, 4.0, 8.0], share) - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn a_replicate_draws_as_many_as_there_are_and_is_a_function_of_seed_replicate_and_set() {
        let of = |seed| Bootstrap {
            seed,
            ..Bootstrap::default()
        };
        let counts = of(1).draw(3, 0, 50);
        assert_eq!(counts.iter().sum::<u32>(), 50);
        assert_eq!(counts, of(1).draw(3, 0, 50));
        assert_ne!(counts, of(1).draw(4, 0, 50));
        assert_ne!(counts, of(1).draw(3, 1, 50));
        assert_ne!(counts, of(2).draw(3, 0, 50));
    }

    #[test]
    fn a_samples_count_has_the_moments_of_the_binomial_law() {
        let bootstrap = Bootstrap::default();
        let counts: Vec<f64> = (0..400)
            .flat_map(|k| bootstrap.draw(k, 0, 25))
            .map(f64::from)
            .collect();
        let counts = Array1::from(counts);
        assert_eq!(counts.mean(), Some(1.0));
        // Variance 1 − 1/25, and four standard errors of it, about √(3/10⁴) each.
        assert!((counts.var(1.0) - 0.96).abs() < 0.07, "{}", counts.var(1.0));
    }

    #[test]
    fn the_standard_error_of_a_mean_is_the_known_one() {
        let values: Vec<f64> = (0..300).map(|i| f64::from(i % 7)).collect();
        let bootstrap = Bootstrap {
            replicates: 2000,
            seed: 5,
        };
        let found = bootstrap.of_mean(&values).unwrap();
        // What the replicates' deviation tends to: the population deviation over √n.
        let expected = Array1::from(values).std(0.0) / 300_f64.sqrt();
        // Four relative errors of a deviation of 2000, 1/√4000 each.
        assert!((found.standard_error / expected - 1.0).abs() < 4.0 / 4000_f64.sqrt());
        assert_eq!(found.bias, 0.0);
        // A mean of 300 is nearly normal.
        let [low, high] = found.interval.map(|end| (end - found.value) / expected);
        assert!((low + 1.96).abs() < 0.2 && (high - 1.96).abs() < 0.2);
    }

    #[test]
    fn nineteen_of_twenty_intervals_of_a_mean_hold_it() {
        let bootstrap = |seed| Bootstrap {
            replicates: 200,
            seed,
        };
        let held = (0..400)
            .filter(|&seed| {
                let mut values = vec![0.0; 100];
                fill_standard_normal(seed, 0, 0, Role::Data, &mut values);
                let found = bootstrap(seed).of_mean(&values).unwrap();
                found.interval[0] <= 0.0 && 0.0 <= found.interval[1]
            })
            .count();
        // √(0.95 · 0.05/400) = 0.011; a percentile interval of 100 values holds a little less than 95 %.
        assert!((364..=392).contains(&held), "{held} of 400");
    }

    #[test]
    fn the_bias_of_a_squared_mean_is_found_and_taken_off() {
        // E[x̄²] = μ² + σ²/n.
        let mut values = vec![0.0; 40];
        fill_standard_normal(7, 0, 0, Role::Data, &mut values);
        let square = |counts: &[u32]| {
            let sum: f64 = values
                .iter()
                .zip(counts)
                .map(|(v, &c)| v * f64::from(c))
                .sum();
            (sum / 40.0).powi(2)
        };
        let bootstrap = Bootstrap {
            replicates: 4000,
            seed: 1,
        };
        let value = square(&[1; 40]);
        let found = bootstrap
            .of_two_sets(
                value,
                [40, 1],
                |counts, _| Ok(square(counts)),
                &mut unobserved,
            )
            .unwrap();
        let expected = Array1::from(values.clone()).var(0.0) / 40.0;
        assert!((found.bias / expected - 1.0).abs() < 0.1, "{found:?}");
        assert_eq!(found.corrected(), value - found.bias);
        assert_eq!(
            found.corrected_interval()[1],
            found.interval[1] - found.bias
        );
    }

    #[test]
    fn too_few_replicates_and_no_values_are_refused() {
        let bootstrap = Bootstrap {
            replicates: 1,
            seed: 0,
        };
        assert!(matches!(
            bootstrap.of_mean(&[1.0]),
            Err(EvaluationError::Option {
                option: "replicates",
                ..
            })
        ));
        assert!(Bootstrap::default().of_mean(&[]).is_err());
    }
}
