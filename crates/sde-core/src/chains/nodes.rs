//! Where a time lies among a chain's nodes 0, 1/N, 2/N, …, 1.

use crate::Time;

/// A place between two nodes: the `fraction` in [0, 1] of the way from node `piece` to the next.
///
/// A node itself belongs to the piece that leads to it, at the fraction 1 exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// The piece, from 0.
    pub piece: usize,
    /// How far into it.
    pub fraction: f64,
}

impl Place {
    /// The place of t among `steps` pieces; times outside [0, 1] count as its ends.
    pub fn of(t: Time, steps: usize) -> Self {
        let count = steps as f64;
        let scaled = (t.0 * count).clamp(0.0, count);
        let nearest = scaled.round();
        // i/N times N need not be i.
        let scaled = if nearest / count == t.0 {
            nearest
        } else {
            scaled
        };
        let piece = (scaled.ceil() - 1.0).max(0.0);
        Self {
            piece: piece as usize,
            fraction: scaled - piece,
        }
    }

    /// The time of this place; the inverse of [`Place::of`].
    pub fn time(self, steps: usize) -> Time {
        let place = self.piece as f64 + self.fraction.clamp(0.0, 1.0);
        Time((place / steps as f64).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_the_end_of_its_piece_whatever_rounding_says() {
        // 0.07 · 100 is above 7.
        for steps in [7, 49, 100, 1000] {
            for node in 1..=steps {
                let t = Time(node as f64 / steps as f64);
                let place = Place::of(t, steps);
                assert_eq!((place.piece, place.fraction), (node - 1, 1.0));
                assert_eq!(place.time(steps), t);
            }
        }
    }

    #[test]
    fn times_outside_count_as_the_ends() {
        let ends = [(-0.5, (0, 0.0)), (0.0, (0, 0.0)), (1.5, (9, 1.0))];
        for (t, expected) in ends {
            let place = Place::of(Time(t), 10);
            assert_eq!((place.piece, place.fraction), expected);
        }
    }
}
