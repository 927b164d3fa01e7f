//! Where the ticks of an axis go, and how a number is written beside one.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// An axis with ticks of one's own. Plotters' own choice writes 0.30000000000000004, and has no ticks
/// at all on a logarithmic axis shorter than a decade.
#[derive(Clone, Debug)]
pub struct Axis {
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Axis {
    /// An axis over `range`, which must not be empty, with about `count` ticks.
    pub fn linear(range: Range<f64>, count: usize) -> Self {
        let ticks = linear_ticks(&range, count);
        Self { range, ticks }
    }

    /// The same for values that are decimal logarithms.
    pub fn log(range: Range<f64>, count: usize) -> Self {
        let ticks = log_ticks(&range, count);
        Self { range, ticks }
    }

    /// An axis over `range`, which must not be empty, with these ticks.
    pub fn with_ticks(range: Range<f64>, ticks: Vec<f64>) -> Self {
        Self { range, ticks }
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        first + (share * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight().allow_light_points() {
            true => Vec::new(),
            false => self.ticks.clone(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Multiples of 1, 2 or 5 times a power of ten within `range`, about `count` of them.
fn linear_ticks(range: &Range<f64>, count: usize) -> Vec<f64> {
    let span = range.end - range.start;
    if !(span > 0.0 && span.is_finite()) {
        return vec![range.start];
    }
    let rough = span / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&step| step >= rough * 0.999)
        .unwrap_or(10.0 * power);
    let first = (range.start / step - 1e-9).ceil() as i64;
    let last = (range.end / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Decimal logarithms of round numbers within `range`, itself of logarithms: powers of ten, with 2
/// and 5 times them where there are few; within less than a decade, multiples of one step.
fn log_ticks(range: &Range<f64>, count: usize) -> Vec<f64> {
    let decades = (range.end - range.start).abs();
    if decades < 0.8 {
        let values = 10f64.powf(range.start)..10f64.powf(range.end);
        return linear_ticks(&values, count)
            .into_iter()
            .map(f64::log10)
            .collect();
    }
    let (first, last) = (range.start.floor() as i32, range.end.ceil() as i32);
    let every = (decades / count.max(1) as f64).ceil().max(1.0) as usize;
    let factors: &[f64] = match decades {
        d if d > 3.0 => &[1.0],
        _ => &[1.0, 2.0, 5.0],
    };
    (first..=last)
        .step_by(every)
        .flat_map(|power| factors.iter().map(move |f| f.log10() + f64::from(power)))
        .filter(|tick| (range.start - 1e-9..=range.end + 1e-9).contains(tick))
        .collect()
}

/// A number in as few characters as tell it: 0, 0.002, 1.5, 40k, 1e-5.
pub fn label(value: f64) -> String {
    let magnitude = value.abs();
    // Sums of steps carry rounding; four digits are more than any tick has.
    let rounded = |value: f64, digits: usize| {
        let text = format!("{value:.digits$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    };
    match magnitude {
        m if m < 1e-12 => "0".to_owned(),
        m if !(9.995e-4..9.995e6).contains(&m) => {
            let power = magnitude.log10().floor();
            let power = if 10f64.powf(power + 1.0) <= magnitude * (1.0 + 1e-9) {
                power + 1.0
            } else {
                power
            };
            format!("{}e{power}", rounded(value / 10f64.powf(power), 2))
        }
        m if m < 1.0 => rounded(value, 4),
        m if m < 100.0 => rounded(value, 2),
        m if m < 10_000.0 => rounded(value, 0),
        _ => format!("{}k", rounded(value / 1000.0, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_range() {
        assert_eq!(
            linear_ticks(&(0.0..1.0), 5),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(
            linear_ticks(&(0.0..3100.0), 6),
            [0.0, 1000.0, 2000.0, 3000.0]
        );
        assert_eq!(linear_ticks(&(-7.0..7.0), 3), [-5.0, 0.0, 5.0]);
        assert_eq!(linear_ticks(&(2.0..2.0), 3), [2.0]);
    }

    #[test]
    fn log_ticks_are_powers_of_ten_or_finer_where_those_are_few() {
        assert_eq!(
            log_ticks(&(-3.0..2.0), 9),
            [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]
        );
        let values: Vec<String> = log_ticks(&(-1.0..0.31), 9)
            .iter()
            .map(|tick| label(10f64.powf(*tick)))
            .collect();
        assert_eq!(values, ["0.1", "0.2", "0.5", "1", "2"]);
        assert!(log_ticks(&(-30.0..30.0), 6).len() <= 8);
        let short = log_ticks(&(2.8f64.log10()..3.6f64.log10()), 5);
        let values: Vec<String> = short.iter().map(|tick| label(10f64.powf(*tick))).collect();
        assert_eq!(values, ["2.8", "3", "3.2", "3.4", "3.6"]);
    }

    #[test]
    fn labels_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (1e-5, "1e-5"),
            (0.00025, "2.5e-4"),
            (0.001, "0.001"),
            (0.6000000000000001, "0.6"),
            (1.5, "1.5"),
            (-12.25, "-12.25"),
            (800.0, "800"),
            (40_000.0, "40k"),
            (1e9, "1e9"),
        ] {
            assert_eq!(label(value), text);
        }
    }
}
