//! Both sides in turn, so that whatever the machine does meets both.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Sides;
use super::load::Load;
use super::process::Process;
use super::report::{Measured, Outcome, Pair, Row};

/// What to measure in a row, and for how long.
pub struct Plan {
    /// How PyTorch is run.
    pub modes: Vec<String>,
    /// How often both sides take their turn.
    pub pairs: u32,
    /// The least time of a turn, in seconds.
    pub seconds: f64,
}

/// Measures a row. What the other side cannot do is noted in it; a fault of ours is an error.
pub fn measure(sides: &Sides, case: &Value, mut row: Row, plan: &Plan) -> Result<Row> {
    for mode in &plan.modes {
        let outcome = turns(sides, case, &row, mode, plan)
            .with_context(|| format!("{} beside {mode}", row.name()))?;
        eprintln!("{}, {mode}: {}", row.name(), outcome.describe(row.batch));
        row.peers.insert(mode.clone(), outcome);
    }
    Ok(row)
}

/// New processes for each mode, so that none has the memory of another.
fn turns(sides: &Sides, case: &Value, row: &Row, mode: &str, plan: &Plan) -> Result<Outcome> {
    let mut ours = Process::start(&sides.ours)?;
    let (kind, batch) = (&row.work, row.batch);
    let ready =
        ours.ask(&json!({"do": "prepare", "case": row.network, "kind": kind, "batch": batch}))?;
    let mut theirs = Process::start(&sides.theirs)?;
    let prepare =
        json!({"do": "prepare", "case": case, "kind": kind, "batch": batch, "mode": mode});
    // Its first turn, in which things are compiled and caches filled, does not count.
    let warm = |side: &mut Process| turn(side, plan.seconds, 3);
    let prepared = theirs
        .ask(&prepare)
        .and_then(|said| warm(&mut theirs).map(|_| said));
    let said = match prepared {
        Ok(said) => said,
        Err(error) => return Ok(Outcome::failed(&error)),
    };
    ensure!(
        ready["parameters"] == said["parameters"],
        "{} parameters here and {} there",
        ready["parameters"],
        said["parameters"]
    );
    warm(&mut ours)?;
    let (ours_id, theirs_id) = (ours.id(), theirs.id());
    let mut measured = Measured {
        layout: said["layout"].as_str().unwrap_or_default().to_owned(),
        ..Measured::default()
    };
    let load = || Load::now(&[ours_id, theirs_id]);
    let before = load();
    for number in 0..plan.pairs {
        let take = |side: &mut Process| turn(side, plan.seconds, 1);
        // Whoever goes second finds the machine warmer: they take turns in that too.
        let (a, b) = if number % 2 == 0 {
            (take(&mut ours)?, take(&mut theirs))
        } else {
            let b = take(&mut theirs);
            (take(&mut ours)?, b)
        };
        match b {
            Ok(b) => measured.add(a, b),
            Err(error) => return Ok(Outcome::failed(&error)),
        }
    }
    let after = before.zip(load());
    measured.others = after.map(|(before, after)| after.of_others_since(before));
    Ok(Outcome::Measured(measured))
}

impl Measured {
    fn add(&mut self, ours: Turn, theirs: Turn) {
        self.ours_peak = self.ours_peak.max(ours.peak);
        self.theirs_peak = self.theirs_peak.max(theirs.peak);
        self.pairs.push(Pair {
            ours: ours.seconds,
            theirs: theirs.seconds,
        });
    }
}

/// What a turn took.
struct Turn {
    /// The median time of a repetition.
    seconds: f64,
    /// The most memory held, in bytes.
    peak: Option<u64>,
}

fn turn(side: &mut Process, seconds: f64, repetitions: u32) -> Result<Turn> {
    let said = side.ask(&json!({"do": "run", "seconds": seconds, "repetitions": repetitions}))?;
    let times: Option<Vec<f64>> = said["seconds"]
        .as_array()
        .and_then(|times| times.iter().map(Value::as_f64).collect());
    let times = times.filter(|times| !times.is_empty());
    Ok(Turn {
        seconds: median(times.context("a turn without times")?),
        peak: said["peak_bytes"].as_u64(),
    })
}

/// The middle value, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 if middle == 0 => f64::NAN,
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(vec![]).is_nan());
    }

    #[cfg(unix)]
    mod with_shells {
        use super::*;
        use crate::command::Command;

        /// A side that answers `answer` to whatever it is asked.
        fn side(answer: &str) -> Command {
            let script = format!("while read -r line; do printf '%s\\n' '{answer}'; done");
            Command::new("sh", ["-c", &script])
        }

        fn measured(theirs: &str) -> Result<Row> {
            let sides = Sides {
                ours: side(r#"{"parameters": 5, "seconds": [0.5, 0.4], "peak_bytes": 7}"#),
                theirs: side(theirs),
            };
            let plan = Plan {
                modes: vec!["eager".to_owned()],
                pairs: 3,
                seconds: 0.0,
            };
            let row = Row::of("small", "train", &json!(4)).unwrap();
            measure(&sides, &json!({}), row, &plan)
        }

        #[test]
        fn each_pair_has_both_sides_in_their_places() {
            let answer = r#"{"parameters": 5, "layout": "channels_last", "seconds": [0.9]}"#;
            let row = measured(answer).unwrap();
            let Outcome::Measured(measured) = &row.peers["eager"] else {
                panic!("{row:?}");
            };
            let pair = Pair {
                ours: 0.45,
                theirs: 0.9,
            };
            assert_eq!(measured.pairs, [pair; 3]);
            assert_eq!((measured.ours_peak, measured.theirs_peak), (Some(7), None));
            assert_eq!(measured.layout, "channels_last");
        }

        #[test]
        fn what_the_other_side_cannot_do_is_noted() {
            let row = measured(r#"{"error": "no compiler\nlong trace"}"#).unwrap();
            assert_eq!(
                row.peers["eager"],
                Outcome::Failed("no compiler".to_owned())
            );
        }

        #[test]
        fn networks_of_different_sizes_are_not_measured() {
            let error = measured(r#"{"parameters": 6, "seconds": [0.9]}"#).unwrap_err();
            assert!(format!("{error:#}").contains("5 parameters here and 6 there"));
        }
    }
}
