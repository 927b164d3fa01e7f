//! Whether both sides compute the same, without which there is nothing to compare.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Sides;
use super::process::Process;

/// Images of the batch on which the sides must agree.
const BATCH: usize = 4;

/// The largest difference allowed in any tensor, relative to its largest value. Sums in f32 in another
/// order differ by some 1e-5 after a network's depth; another epsilon, order or scale by far more.
const TOLERANCE: f64 = 1e-4;

/// Compares outputs and gradients on the same weights, none of them zero, for every network.
pub fn check(sides: &Sides, cases: &[Value], folder: &Path) -> Result<()> {
    let mut ours = Process::start(&sides.ours)?;
    let mut theirs = Process::start(&sides.theirs)?;
    for case in cases {
        let name = case["name"].as_str().unwrap_or_default();
        let path = folder.join(format!("agreement-{name}.safetensors"));
        let compared = ours
            .ask(&json!({"do": "export", "case": name, "batch": BATCH, "path": path}))
            .and_then(|_| theirs.ask(&json!({"do": "compare", "case": case, "path": path})))
            .with_context(|| format!("the networks `{name}` of both sides cannot be compared"))?;
        eprintln!("{}", judge(case, &compared)?);
    }
    Ok(())
}

/// One line for the reader, or why the comparison ends here.
fn judge(case: &Value, compared: &Value) -> Result<String> {
    let name = case["name"].as_str().unwrap_or_default();
    let (ours, theirs) = (&case["parameters"], &compared["parameters"]);
    ensure!(
        ours == theirs,
        "`{name}` has {ours} parameters here and {theirs} in PyTorch: they are different networks"
    );
    let worst = &compared["worst"];
    let tensor = worst["tensor"].as_str().unwrap_or("nothing");
    // NaN is no number in JSON, and no agreement.
    let error = worst["error"].as_f64().unwrap_or(f64::NAN);
    ensure!(
        error <= TOLERANCE,
        "`{name}` does not agree with PyTorch: {tensor} differs by {error:.1e} of its largest value, \
         and {TOLERANCE:.0e} is allowed; nothing was measured"
    );
    Ok(format!(
        "{name}: {ours} parameters; outputs and gradients agree in all {} tensors (worst: {tensor}, \
         {error:.1e})",
        compared["tensors"]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(parameters: u64, error: Value) -> Result<String, String> {
        let case = json!({"name": "small", "parameters": 10});
        let worst = json!({"tensor": "gradients.norm.weight", "error": error});
        let compared = json!({"parameters": parameters, "tensors": 3, "worst": worst});
        judge(&case, &compared).map_err(|error| error.to_string())
    }

    #[test]
    fn what_differs_in_size_or_values_is_not_measured() {
        let agreed = judged(10, json!(2e-6)).unwrap();
        assert!(agreed.contains("all 3 tensors"), "{agreed}");
        let other = judged(11, json!(2e-6)).unwrap_err();
        assert!(other.contains("10 parameters here and 11"), "{other}");
        for wrong in [json!(2e-4), json!(null)] {
            let wrong = judged(10, wrong).unwrap_err();
            assert!(wrong.contains("gradients.norm.weight"), "{wrong}");
        }
    }
}
