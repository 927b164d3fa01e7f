//! Mixtures whose components have classes: the probability of a class at every t, exactly.

use ndarray::{Array2, ArrayView1, Axis};

use super::{ExactScore, GaussianMixture, WorldError};
use crate::guidance::{ClassifierGradient, DifferentiableClassifier};
use crate::{AffineSde, DifferentiableScore, Marginal, Score, State, Time};

/// A [`GaussianMixture`] each component of which belongs to a class. Given the class, x₀ is the mixture of
/// its components with their weights made to sum to 1, so conditional scores and the classifier of noised
/// data are exact as well.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassedMixture {
    mixture: GaussianMixture,
    classes: Vec<usize>,
}

impl GaussianMixture {
    /// This world with a class for each component, any numbers.
    ///
    /// # Errors
    /// There must be one class a component.
    pub fn with_classes(self, classes: Vec<usize>) -> Result<ClassedMixture, WorldError> {
        if classes.len() != self.components() {
            return Err(WorldError::Shape {
                field: "classes",
                found: vec![classes.len()],
                expected: vec![self.components()],
            });
        }
        Ok(ClassedMixture {
            mixture: self,
            classes,
        })
    }
}

impl ClassedMixture {
    /// The law of x₀ whatever its class.
    #[must_use]
    pub fn mixture(&self) -> &GaussianMixture {
        &self.mixture
    }

    /// The law of x₀ given its class.
    ///
    /// # Errors
    /// [`WorldError::NoSuchClass`] if no component has it.
    pub fn of_class(&self, class: usize) -> Result<GaussianMixture, WorldError> {
        let places = self.components_of(class);
        if places.is_empty() {
            return Err(WorldError::NoSuchClass { class });
        }
        let weights = places.iter().map(|&k| self.mixture.weights()[k]).collect();
        let (means, stds) = (self.mixture.means(), self.mixture.stds());
        GaussianMixture::new(
            weights,
            means.select(Axis(0), &places),
            stds.select(Axis(0), &places),
        )
    }

    /// ln p(c | x_t = x), for x of shape `[dim]`, by Bayes' rule.
    ///
    /// # Errors
    /// [`WorldError::NoSuchClass`] if no component has the class.
    ///
    /// # Panics
    /// If `x` has another dimension than the world.
    pub fn log_class_probability(
        &self,
        marginal: Marginal,
        class: usize,
        x: ArrayView1<'_, f64>,
    ) -> Result<f64, WorldError> {
        let given = self.of_class(class)?.log_density(marginal, x);
        let prior: f64 = (self.components_of(class).iter())
            .map(|&k| self.mixture.weights()[k])
            .sum();
        Ok(prior.ln() + given - self.mixture.log_density(marginal, x))
    }

    /// The exact classifier of noised data for one class, as a gradient.
    ///
    /// # Errors
    /// [`WorldError::NoSuchClass`] if no component has the class.
    pub fn classifier<'a>(
        &'a self,
        class: usize,
        sde: &'a dyn AffineSde,
    ) -> Result<ExactClassifier<'a>, WorldError> {
        Ok(ExactClassifier {
            given: self.of_class(class)?,
            mixture: &self.mixture,
            sde,
        })
    }

    fn components_of(&self, class: usize) -> Vec<usize> {
        let all = 0..self.classes.len();
        all.filter(|&k| self.classes[k] == class).collect()
    }
}

/// ∇ₓ log p(c | x, t) of a [`ClassedMixture`] under a process: the score given the class less the score.
#[derive(Clone)]
pub struct ExactClassifier<'a> {
    given: GaussianMixture,
    mixture: &'a GaussianMixture,
    sde: &'a dyn AffineSde,
}

impl ExactClassifier<'_> {
    fn scores(&self) -> [ExactScore<'_>; 2] {
        [self.given.under(self.sde), self.mixture.under(self.sde)]
    }
}

impl<X: State> ClassifierGradient<X> for ExactClassifier<'_>
where
    for<'b> ExactScore<'b>: Score<X>,
{
    fn gradient(&self, x: &X, t: Time) -> X {
        let [given, all] = self.scores();
        given.score(x, t).axpy(-1.0, &all.score(x, t))
    }

    fn gradient_each(&self, x: &X, times: &[Time]) -> X {
        let [given, all] = self.scores();
        (given.score_each(x, times)).axpy(-1.0, &all.score_each(x, times))
    }
}

impl DifferentiableClassifier<Array2<f64>> for ExactClassifier<'_> {
    fn gradient_and_product(
        &self,
        x: &Array2<f64>,
        times: &[Time],
        v: &Array2<f64>,
    ) -> (Array2<f64>, Array2<f64>) {
        let [given, all] = self.scores();
        let (s, product) = given.score_and_vjp(x, times, v);
        let (of_all, product_of_all) = all.score_and_vjp(x, times, v);
        (s - of_all, product - product_of_all)
    }
}
