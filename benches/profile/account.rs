//! Times summed over steps, and the tables they are printed as.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use crate::collector::{Event, Kind};
use crate::nesting::{Nested, nest};

/// Where the time of some repetitions of a piece of work went, each by repetition.
#[derive(Debug)]
pub struct Account {
    repetitions: f64,
    /// What threads did without waiting for others.
    busy: f64,
    /// By operation, most first.
    pub operations: Vec<Row>,
    /// By operation and shape, most first.
    pub shapes: Vec<Row>,
    /// By phase and layer, in the order in which they first began.
    pub places: Vec<Row>,
}

/// Sums over all repetitions, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// An operation and its shape, or a phase and its layer.
    pub name: [String; 2],
    pub calls: usize,
    /// Of the spans of that name, with all that lies in them.
    pub total: f64,
    /// Of that, what operations of `kernels` took that lie in no other row; of an operation, its own.
    pub kernels: f64,
    /// What is in no span within: Burn's operations and bookkeeping, mostly.
    pub rest: f64,
}

impl Row {
    fn share(&self) -> f64 {
        self.kernels + self.rest
    }
}

impl Account {
    /// Of the spans of `repetitions`.
    pub fn of(events: &[Event], repetitions: usize) -> Self {
        let mut operations = Rows::default();
        let mut shapes = Rows::default();
        let mut places = Rows::default();
        let mut busy = 0.0;
        let mut nested = nest(events);
        nested.retain(|found| found.event.kind != Kind::Waiting);
        nested.sort_by_key(|found| found.event.begin);
        for found in &nested {
            let own = milliseconds(found.own);
            let total = milliseconds(found.event.end - found.event.begin);
            busy += own;
            let place = places.row(place(found));
            if found.event.kind == Kind::Operation {
                place.kernels += own;
                let name = found.event.name.to_owned();
                for row in [
                    operations.row([name.clone(), String::new()]),
                    shapes.row([name, found.event.shape.clone()]),
                ] {
                    row.calls += 1;
                    row.total += total;
                    row.kernels += own;
                }
            } else {
                place.calls += 1;
                place.total += total;
                place.rest += own;
                let phase = found.phase.map_or("", |phase| phase.name);
                for rows in [&mut operations, &mut shapes] {
                    rows.row([format!("(rest of {phase})"), String::new()]).rest += own;
                }
            }
        }
        Self {
            repetitions: repetitions as f64,
            busy,
            operations: operations.most_first(),
            shapes: shapes.most_first(),
            places: places.0,
        }
    }

    /// The milliseconds that a repetition keeps threads busy, all of them together.
    pub fn busy(&self) -> f64 {
        self.busy / self.repetitions
    }

    /// One of the tables by operation.
    pub fn render_operations(&self, rows: &[Row]) -> String {
        let with_shapes = rows.iter().any(|row| !row.name[1].is_empty());
        let names: &[&str] = match with_shapes {
            true => &["operation", "shape"],
            false => &["operation"],
        };
        let lines = rows.iter().map(|row| {
            let mut cells = row.name[..names.len()].to_vec();
            cells.extend(match row.calls {
                0 => [String::new(), String::new()],
                _ => [self.calls(row), self.each(row.total)],
            });
            cells.extend([self.each(row.share()), self.percent(row)]);
            cells
        });
        let head = [names, &["calls", "total ms", "self ms", "share"]].concat();
        table(&head, names.len(), lines.collect())
    }

    /// The table by phase and layer.
    pub fn render_places(&self) -> String {
        let lines = self.places.iter().map(|row| {
            let [phase, layer] = row.name.clone();
            let [total, kernels, rest] = [row.total, row.kernels, row.rest].map(|ms| self.each(ms));
            let calls = self.calls(row);
            vec![phase, layer, calls, total, kernels, rest, self.percent(row)]
        });
        let head = [
            "phase",
            "layer",
            "calls",
            "total ms",
            "kernels ms",
            "rest ms",
            "share",
        ];
        table(&head, 2, lines.collect())
    }

    fn calls(&self, row: &Row) -> String {
        let calls = row.calls as f64 / self.repetitions;
        if calls.fract() == 0.0 {
            format!("{calls}")
        } else {
            format!("{calls:.1}")
        }
    }

    fn each(&self, total: f64) -> String {
        format!("{:.3}", total / self.repetitions)
    }

    fn percent(&self, row: &Row) -> String {
        format!("{:.1} %", 100.0 * row.share() / self.busy)
    }
}

/// The phase and the layer that a span's own time belongs to.
fn place(found: &Nested<'_>) -> [String; 2] {
    let phase = found.phase.map_or(String::new(), |phase| phase.name.into());
    let layer = found.layer.map_or(String::new(), |layer| {
        format!("{} {}", layer.name, layer.shape).trim_end().into()
    });
    [phase, layer]
}

fn milliseconds(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

/// Rows in the order in which they were first asked for.
#[derive(Default)]
struct Rows(Vec<Row>, HashMap<[String; 2], usize>);

impl Rows {
    fn row(&mut self, name: [String; 2]) -> &mut Row {
        let Self(rows, index) = self;
        let at = *index.entry(name).or_insert_with_key(|name| {
            rows.push(Row {
                name: name.clone(),
                ..Row::default()
            });
            rows.len() - 1
        });
        &mut rows[at]
    }

    fn most_first(mut self) -> Vec<Row> {
        self.0.sort_by(|a, b| b.share().total_cmp(&a.share()));
        self.0
    }
}

/// Lines of Markdown whose columns are flush, the first `names` of them to the left.
fn table(head: &[&str], names: usize, mut lines: Vec<Vec<String>>) -> String {
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = lines.iter().map(|line| line[column].chars().count());
            cells.chain([head[column].len(), 3]).max().unwrap_or(0)
        })
        .collect();
    let rule = (widths.iter().enumerate())
        .map(|(column, &width)| match column < names {
            true => "-".repeat(width),
            false => format!("{}:", "-".repeat(width - 1)),
        })
        .collect();
    let head = head.iter().map(|&cell| cell.to_owned()).collect();
    lines.splice(0..0, [head, rule]);
    let mut text = String::new();
    for line in lines {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let _ = match column < names {
                true => write!(text, "| {cell:<width$} "),
                false => write!(text, "| {cell:>width$} "),
            };
        }
        text.push_str("|\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nesting::tests::step;

    /// Name, calls, total, kernels, rest, in whole milliseconds.
    type Known = ([&'static str; 2], usize, [f64; 3]);

    fn check(rows: &[Row], known: &[Known]) {
        assert_eq!(rows.len(), known.len(), "{rows:?}");
        for (row, (name, calls, times)) in rows.iter().zip(known) {
            assert_eq!(row.name, *name);
            assert_eq!(row.calls, *calls, "{name:?}");
            for (found, known) in [row.total, row.kernels, row.rest].iter().zip(times) {
                assert!((found - known).abs() < 1e-9, "{name:?}: {found} {known}");
            }
        }
    }

    #[test]
    fn own_times_of_a_known_step_are_summed_by_operation() {
        let account = Account::of(&step(), 1);
        // 100 ms on one thread, 81 of them spent waiting, and 80 on the other.
        assert!((account.busy() - 99.0).abs() < 1e-9, "{}", account.busy());
        let known: &[Known] = &[
            (["conv2d backward", ""], 1, [30.0, 30.0, 0.0]),
            (["(rest of forward)", ""], 0, [0.0, 0.0, 18.0]),
            (["conv2d", ""], 2, [15.0, 15.0, 0.0]),
            (["(rest of step)", ""], 0, [0.0, 0.0, 11.0]),
            (["(rest of backward)", ""], 0, [0.0, 0.0, 10.0]),
            (["adamw_ema", ""], 1, [6.0, 6.0, 0.0]),
            (["(rest of part)", ""], 0, [0.0, 0.0, 3.0]),
            (["(rest of draw)", ""], 0, [0.0, 0.0, 3.0]),
            (["(rest of optimiser)", ""], 0, [0.0, 0.0, 2.0]),
            (["silu", ""], 1, [1.0, 1.0, 0.0]),
        ];
        check(&account.operations, known);
        let shares: f64 = account.shapes.iter().map(Row::share).sum();
        assert!((shares - 99.0).abs() < 1e-9);
    }

    #[test]
    fn a_phases_row_leaves_out_what_its_layers_took() {
        let account = Account::of(&step(), 1);
        let known: &[Known] = &[
            (["step", ""], 1, [100.0, 0.0, 11.0]),
            (["part", ""], 1, [80.0, 0.0, 3.0]),
            (["draw", ""], 1, [3.0, 0.0, 3.0]),
            (["forward", ""], 1, [34.0, 1.0, 11.0]),
            (["forward", "down 14x14"], 1, [22.0, 15.0, 7.0]),
            (["backward", ""], 1, [40.0, 30.0, 10.0]),
            (["optimiser", ""], 1, [8.0, 6.0, 2.0]),
        ];
        check(&account.places, known);
    }

    #[test]
    fn tables_are_by_repetition_and_shares_are_of_the_busy_time() {
        let account = Account::of(&step(), 2);
        let text = account.render_operations(&account.shapes);
        let lines: Vec<&str> = text.lines().collect();
        let head = "| operation           | shape | calls | total ms | self ms |  share |";
        let first = "| conv2d backward     | a     |   0.5 |   15.000 |  15.000 | 30.3 % |";
        assert_eq!([lines[0], lines[2]], [head, first]);
        let rest = "| (rest of forward)   |       |       |          |   9.000 | 18.2 % |";
        assert_eq!(lines[3], rest);
        let down = "| forward   | down 14x14 |   0.5 |   11.000 |      7.500 |   3.500 | 22.2 % |";
        assert!(account.render_places().lines().any(|line| line == down));
    }
}
