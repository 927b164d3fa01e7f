//! Figures of samples, with those of real data beside them, as a table and as JSON.

use evaluation::Estimate;
use serde_json::{Map, Value, json};

/// A number and, where it is known, how far another draw of samples would be from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The number.
    pub value: f64,
    /// Its standard deviation over draws.
    pub spread: Option<f64>,
    /// The ends of its interval of 95 %.
    pub interval: Option<[f64; 2]>,
}

impl Figure {
    /// A number alone.
    pub fn new(value: f64) -> Self {
        Self {
            value,
            spread: None,
            interval: None,
        }
    }

    /// A number with its interval.
    pub fn within(value: f64, interval: [f64; 2]) -> Self {
        Self {
            interval: Some(interval),
            ..Self::new(value)
        }
    }

    /// The mean of figures of several draws, with their spread; there must be two at least.
    pub fn over_draws(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            value: mean,
            spread: Some((squares / (n - 1.0)).sqrt()),
            interval: None,
        }
    }
}

impl From<Estimate> for Figure {
    fn from(estimate: Estimate) -> Self {
        Self::within(estimate.value, estimate.interval)
    }
}

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As a percentage.
    Share,
    /// As it is.
    Number,
}

/// One line of the table.
#[derive(Clone, Debug)]
struct Line {
    title: String,
    key: String,
    style: Style,
    samples: Figure,
    data: Option<Figure>,
}

/// All figures of an evaluation.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the second column is.
    data: &'static str,
    lines: Vec<Line>,
    notes: Vec<String>,
}

impl Report {
    /// Without figures yet; `data` heads the column of real data.
    pub fn new(data: &'static str) -> Self {
        Self {
            data,
            lines: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a figure; `key` names it in JSON.
    pub fn add(
        &mut self,
        title: impl Into<String>,
        key: impl Into<String>,
        style: Style,
        samples: Figure,
        data: Option<Figure>,
    ) {
        self.lines.push(Line {
            title: title.into(),
            key: key.into(),
            style,
            samples,
            data,
        });
    }

    /// Adds a line below the table.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The table.
    pub fn table(&self) -> String {
        let widest = self
            .lines
            .iter()
            .map(|line| line.title.chars().count())
            .max();
        let title = widest.unwrap_or(0).max(10) + 2;
        let mut cells = vec![("", "samples".to_owned(), self.data.to_owned())];
        for line in &self.lines {
            let data = line
                .data
                .map_or_else(|| "-".to_owned(), |figure| written(figure, line.style));
            cells.push((&line.title, written(line.samples, line.style), data));
        }
        let wide = |cell: &String| cell.chars().count() + 2;
        let widths = cells
            .iter()
            .map(|(_, samples, data)| wide(samples).max(wide(data)));
        let column = widths.max().unwrap_or(0).max(18);
        let mut rows: Vec<String> = cells
            .iter()
            .map(|(name, samples, data)| format!("{name:title$}{samples:>column$}{data:>column$}"))
            .collect();
        if !self.notes.is_empty() {
            rows.push(String::new());
            rows.extend(self.notes.iter().cloned());
        }
        rows.join("\n")
    }

    /// The same as JSON: an object a figure.
    pub fn json(&self) -> Value {
        let object = |figure: Figure| {
            json!({
                "value": figure.value,
                "spread": figure.spread,
                "interval": figure.interval,
            })
        };
        let lines = self.lines.iter().map(|line| {
            let figures = json!({
                "samples": object(line.samples),
                "data": line.data.map(object),
            });
            (line.key.clone(), figures)
        });
        Value::Object(lines.collect::<Map<_, _>>())
    }
}

fn written(figure: Figure, style: Style) -> String {
    let small = figure.value != 0.0 && figure.value.abs() < 1e-3;
    let number = |value: f64| {
        let text = match style {
            Style::Share => format!("{:.1}", 100.0 * value),
            Style::Number if small => format!("{value:.2e}"),
            Style::Number => format!("{value:.4}"),
        };
        // What rounds to zero has no sign.
        match text.strip_prefix('-') {
            Some(rest) if rest.parse() == Ok(0.0) => rest.to_owned(),
            _ => text,
        }
    };
    let mut text = number(figure.value);
    if let Some(spread) = figure.spread {
        text += &format!(" ± {}", number(spread));
    }
    if style == Style::Share {
        text += " %";
    }
    if let Some([low, high]) = figure.interval {
        text += &format!(" [{}, {}]", number(low), number(high));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_draws_give_their_mean_and_standard_deviation() {
        let figure = Figure::over_draws(&[1.0, 2.0, 6.0]);
        assert_eq!(figure.value, 3.0);
        assert_eq!(figure.spread, Some(7f64.sqrt()));
    }

    #[test]
    fn figures_stand_in_columns_and_keep_their_digits_in_json() {
        let figure = |value, spread| Figure {
            spread,
            ..Figure::new(value)
        };
        let mut report = Report::new("test set");
        report.add(
            "readable",
            "readable",
            Style::Share,
            figure(0.9123, Some(0.0089)),
            None,
        );
        report.add(
            "distance",
            "distance",
            Style::Number,
            figure(1.25, None),
            Some(figure(0.5, None)),
        );
        report.note("a note");
        assert_eq!(
            report.table(),
            "                       samples          test set\n\
             readable          91.2 ± 0.9 %                 -\n\
             distance                1.2500            0.5000\n\
             \n\
             a note"
        );
        let with_interval = Figure {
            interval: Some([0.3, 0.45]),
            ..figure(0.4, Some(0.02))
        };
        report.add("share", "share", Style::Share, with_interval, None);
        assert!(report.table().contains("  40.0 ± 2.0 % [30.0, 45.0]"));
        let near_zero = Figure::within(0.0, [-1e-4, 3e-3]);
        report.add("none", "none", Style::Share, near_zero, None);
        assert!(report.table().contains("  0.0 % [0.0, 0.3]"));
        let small = Figure::within(2.3e-5, [1e-5, 3e-5]);
        report.add("small", "small", Style::Number, small, None);
        assert!(report.table().contains("  2.30e-5 [1.00e-5, 3.00e-5]"));
        assert_eq!(
            report.json()["share"]["samples"]["interval"],
            json!([0.3, 0.45])
        );
        let json = report.json();
        assert_eq!(json["readable"]["samples"]["spread"], 0.0089);
        assert_eq!(json["readable"]["data"], Value::Null);
        assert_eq!(json["distance"]["data"]["value"], 0.5);
    }
}
