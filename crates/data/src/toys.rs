//! Distributions in the plane that show at a glance what a model has learnt.
//!
//! All are centred on the origin and scaled alike in both coordinates (so shapes keep their
//! proportions) until the variance, averaged over the two coordinates, is 1. Centre and scale
//! come from the distribution's own moments in closed form, not from a sample.
//!
//! Sample i under a seed is drawn from a ChaCha8 stream of its own, keyed by (toy, seed) and
//! numbered i. So it depends on nothing else: the first n points of a longer sample are the
//! sample of n, and two toys with one seed are independent.

use std::fmt;
use std::str::FromStr;

use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::keyed::keyed;
use crate::points::PointSet;

pub mod checkerboard;
pub mod eight_gaussians;
pub mod swiss_roll;
pub mod two_moons;

/// A distribution in the plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Toy {
    /// Two interleaved half circles, blurred: [`two_moons`].
    TwoMoons,
    /// A spiral of one and a half turns, blurred: [`swiss_roll`].
    SwissRoll,
    /// The dark fields of a 4x4 board, uniformly: [`checkerboard`].
    Checkerboard,
    /// A mixture of eight Gaussians on a circle: [`eight_gaussians`].
    EightGaussians,
}

impl Toy {
    /// Every toy.
    pub const ALL: [Self; 4] = [
        Self::TwoMoons,
        Self::SwissRoll,
        Self::Checkerboard,
        Self::EightGaussians,
    ];

    /// Its name in files and on the command line, kebab-case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TwoMoons => "two-moons",
            Self::SwissRoll => "swiss-roll",
            Self::Checkerboard => "checkerboard",
            Self::EightGaussians => "eight-gaussians",
        }
    }

    /// The first `n` points under `seed`, `[n, 2]`.
    #[must_use]
    pub fn sample(self, n: usize, seed: u64) -> PointSet {
        let start = keyed(self.purpose(), seed, 0);
        let mut points = Array2::zeros((n, 2));
        for (index, mut row) in points.rows_mut().into_iter().enumerate() {
            let mut rng = start.clone();
            rng.set_stream(index as u64);
            let [x, y] = self.draw(&mut rng);
            row[0] = x as f32;
            row[1] = y as f32;
        }
        PointSet { points }
    }

    fn draw(self, rng: &mut ChaCha8Rng) -> [f64; 2] {
        match self {
            Self::TwoMoons => two_moons::draw(rng),
            Self::SwissRoll => swiss_roll::draw(rng),
            Self::Checkerboard => checkerboard::draw(rng),
            Self::EightGaussians => eight_gaussians::draw(rng),
        }
    }

    fn purpose(self) -> [u8; 8] {
        match self {
            Self::TwoMoons => *b"moons\0\0\0",
            Self::SwissRoll => *b"roll\0\0\0\0",
            Self::Checkerboard => *b"board\0\0\0",
            Self::EightGaussians => *b"gauss8\0\0",
        }
    }
}

impl fmt::Display for Toy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Toy {
    type Err = UnknownToy;

    fn from_str(name: &str) -> Result<Self, UnknownToy> {
        Self::ALL
            .into_iter()
            .find(|toy| toy.name() == name)
            .ok_or_else(|| UnknownToy {
                name: name.to_owned(),
            })
    }
}

/// A name that no toy bears; its message lists the names there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no toy distribution is called `{name}`; there are {known}", known = known())]
pub struct UnknownToy {
    /// The name asked for.
    pub name: String,
}

fn known() -> String {
    Toy::ALL.map(Toy::name).join(", ")
}
