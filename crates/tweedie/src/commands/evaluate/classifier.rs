//! How good a classifier of noised images is.

use anyhow::Result;
use burn::tensor::Device;
use serde_json::json;

use super::{EvaluateArgs, write};
use crate::dataset::{Dataset, test_part};
use crate::noisy_accuracy::{levels, picture, table};
use crate::runs::{Chosen, Run};
use crate::terminal::say;

/// Accuracy and cross-entropy at each noise level, on the test set where there is one.
pub fn run(args: &EvaluateArgs, chosen: &Chosen, run: &Run, device: &Device) -> Result<()> {
    let process = chosen.checkpoint.manifest().sde.build()?;
    let sde = process.affine()?;
    let test = test_part(&run.config.data);
    let part = if test.is_some() { "test" } else { "training" };
    let dataset = Dataset::load(test.as_ref().unwrap_or(&run.config.data))?;
    let classifier = chosen.checkpoint.model(device)?;
    let found = levels(&classifier, sde, &dataset, args.samples, device)?;
    let (step, count) = (
        chosen.checkpoint.manifest().step,
        args.samples.min(dataset.source().len()),
    );
    say(format!(
        "{}, step {step}: {count} noised {} of the {part} set\n",
        run.config.name,
        dataset.unit()
    ));
    say(table(&found));
    let stem = format!("step-{step:08}-classifier-n{count}");
    let beside = run
        .folder
        .root()
        .join("evaluations")
        .join(format!("{stem}.json"));
    let path = args.out.clone().unwrap_or(beside).with_extension("png");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    picture(&format!("{} after {step} steps", run.config.name), &found)?.save(&path)?;
    say(path.display());
    let levels: Vec<_> = (found.iter())
        .map(|level| {
            json!({
                "sigma": level.sigma,
                "accuracy": level.accuracy,
                "standard_error": level.error,
                "cross_entropy_nats": level.cross_entropy,
            })
        })
        .collect();
    let mut record = json!({
        "run": run.config.name,
        "step": step,
        "part": part,
        "samples": count,
        "levels": levels,
    });
    write(args, run, &format!("{stem}.json"), &mut record, None)
}
