//! This workspace's side of the comparison with PyTorch: `cargo xtask bench peers` starts it, and
//! `serve.py` on the other side.
//!
//! It answers one line of JSON on standard input with one line on standard output:
//!
//! | request | answer |
//! |---|---|
//! | `{"do": "cases"}` | the networks: `[{"name", "model", "training", "parameters", …}]` |
//! | `{"do": "prepare", "case", "kind", "batch"}` | `{"parameters"}` |
//! | `{"do": "run", "seconds", "repetitions"}` | `{"seconds": […], "peak_bytes"}` |
//! | `{"do": "export", "case", "batch", "path"}` | `{}`: weights, inputs and outputs are in the file |
//! | anything else | `{"error"}` |

mod agreement;
mod cases;
mod work;

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cases::Kind;
use crate::work::Work;

#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Request {
    Cases,
    Prepare {
        case: String,
        kind: Kind,
        batch: usize,
    },
    Run {
        seconds: f64,
        repetitions: usize,
    },
    Export {
        case: String,
        batch: usize,
        path: PathBuf,
    },
}

fn main() -> std::io::Result<()> {
    benches::keep_freed_memory();
    serve(std::io::stdin().lock(), std::io::stdout().lock())
}

fn serve(requests: impl BufRead, mut answers: impl Write) -> std::io::Result<()> {
    let mut work = None;
    for line in requests.lines() {
        let answer =
            answer(&line?, &mut work).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

fn answer(line: &str, work: &mut Option<Work>) -> Result<Value, Box<dyn Error>> {
    match serde_json::from_str(line)? {
        Request::Cases => Ok(serde_json::to_value(cases::all())?),
        Request::Prepare { case, kind, batch } => {
            let case = cases::named(&case)?;
            *work = Some(Work::new(&case, kind, batch)?);
            Ok(json!({ "parameters": case.parameters }))
        }
        Request::Run {
            seconds,
            repetitions,
        } => {
            let work = work.as_mut().ok_or("nothing is prepared yet")?;
            Ok(serde_json::to_value(work.run(seconds, repetitions)?)?)
        }
        Request::Export { case, batch, path } => {
            agreement::export(&cases::named(&case)?, batch, &path)?;
            Ok(json!({}))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(requests: &[Value]) -> Vec<Value> {
        let lines: Vec<String> = requests.iter().map(Value::to_string).collect();
        let mut written = Vec::new();
        serve(lines.join("\n").as_bytes(), &mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn what_is_prepared_can_be_run() {
        for kind in ["train", "evaluate"] {
            let answers = answers(&[
                json!({"do": "prepare", "case": "default", "kind": kind, "batch": 2}),
                json!({"do": "run", "seconds": 0.0, "repetitions": 2}),
            ]);
            assert_eq!(answers[0], json!({"parameters": 717_809}));
            let seconds = answers[1]["seconds"].as_array().unwrap();
            assert_eq!(seconds.len(), 2);
            assert!(seconds.iter().all(|time| time.as_f64().unwrap() > 0.0));
        }
    }

    #[test]
    fn cases_say_all_that_the_other_side_needs() {
        let cases = &answers(&[json!({"do": "cases"})])[0];
        let default = &cases[0];
        assert_eq!(default["name"], "default");
        assert_eq!(default["model"]["network"]["kind"], "unet");
        assert_eq!(default["model"]["preconditioning"]["prediction"], "edm");
        assert_eq!(default["sde"]["kind"], "edm");
        assert_eq!(default["training"]["objective"]["weighting"], "edm");
        assert_eq!(default["batches"][0][0], "train");
    }

    #[test]
    fn a_fault_is_answered_and_the_next_request_too() {
        let answers = answers(&[
            json!({"do": "run", "seconds": 0.0, "repetitions": 1}),
            json!({"do": "prepare", "case": "none", "kind": "train", "batch": 1}),
            json!({"do": "prepare", "case": "default", "kind": "train", "batch": 0}),
            json!({"do": "dance"}),
            json!({"do": "cases"}),
        ]);
        for (answer, part) in answers.iter().zip([
            "nothing is prepared",
            "there is no case `none`, but default, unet-1m, unet-4m",
            "batch_size",
            "dance",
        ]) {
            assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
        }
        assert!(answers[4].is_array());
    }
}
