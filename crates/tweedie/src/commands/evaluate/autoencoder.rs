//! What an autoencoder's images cost, and what comes back of them.

use anyhow::{Result, anyhow};
use burn::tensor::Device;
use serde_json::json;

use super::{EvaluateArgs, write};
use crate::dataset::{Dataset, test_part};
use crate::reconstructions::{measure, picture};
use crate::runs::{Chosen, Run};
use crate::terminal::say;

/// Both terms of the bound on the test set where there is one, and a picture of what comes back.
pub fn run(args: &EvaluateArgs, chosen: &Chosen, run: &Run, device: &Device) -> Result<()> {
    let test = test_part(&run.config.data);
    let part = if test.is_some() { "test" } else { "training" };
    let dataset = Dataset::load(test.as_ref().unwrap_or(&run.config.data))?;
    let model = chosen.checkpoint.model(device)?;
    let autoencoder = (model.network.as_autoencoder())
        .ok_or_else(|| anyhow!("the checkpoint is of another network than its run"))?;
    let measured = measure(autoencoder, &dataset, part, args.samples, device)?;
    let step = chosen.checkpoint.manifest().step;
    say(format!("{}, step {step}", run.config.name));
    say(measured.text());
    let stem = format!("step-{step:08}-reconstructions-n{}", args.samples);
    let path = (run.folder.root().join("evaluations")).join(format!("{stem}.png"));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    picture(autoencoder, &dataset, device)?.save(&path)?;
    say(path.display());
    let mut record = json!({ "run": run.config.name, "step": step, "results": measured.json() });
    write(args, run, &format!("{stem}.json"), &mut record, None)
}
