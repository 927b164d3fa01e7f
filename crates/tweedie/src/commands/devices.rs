//! `tweedie devices`: what this binary could run on.

use std::fmt::Write;

use anyhow::Result;
use clap::Args;
use runtime::{AdapterReport, BACKEND_VARIABLE, Backend, DeviceReport};

use crate::terminal::say;

/// Arguments of `devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Tries a backend: flex (CPU), wgpu or cuda. Fails if it cannot be used
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<Backend>,
}

/// Lists backends, their devices, and how to get what is missing.
pub fn run(args: &DevicesArgs) -> Result<()> {
    let reports = runtime::devices();
    say(table(&reports)?);
    let missing = advice(&reports);
    if !missing.is_empty() {
        say(format!("\nTo get what is missing:\n{}", missing.join("\n")));
    }
    let Some(backend) = args.backend else {
        let chosen = match runtime::select(None) {
            Ok(selected) => format!("{selected}"),
            Err(error) => format!("nothing, for {error}"),
        };
        say(format!(
            "\nUsed without --backend (or the variable {BACKEND_VARIABLE}):\n  {chosen}"
        ));
        return Ok(());
    };
    let selected = runtime::select(Some(backend))?;
    selected.check()?;
    say(format!(
        "\nUsed with --backend {backend}, and it calculates:\n  {selected}"
    ));
    Ok(())
}

fn table(reports: &[DeviceReport]) -> Result<String> {
    let mut rows = vec![["backend", "built in", "device", "calculates in"].map(String::from)];
    for report in reports {
        let built_in = if report.compiled { "yes" } else { "no" };
        let row = |device: String, types: String| {
            [
                report.backend.to_string(),
                built_in.to_owned(),
                device,
                types,
            ]
        };
        if report.adapters.is_empty() {
            rows.push(row("-".to_owned(), "-".to_owned()));
        }
        for adapter in &report.adapters {
            rows.push(row(device(adapter), types(adapter)));
        }
    }
    let mut width = [0; 4];
    for row in &rows {
        for (width, cell) in width.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(width) {
            write!(line, "{cell:<width$}  ")?;
        }
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(text.trim_end().to_owned())
}

fn device(adapter: &AdapterReport) -> String {
    let software = if adapter.software {
        " (software, slow)"
    } else {
        ""
    };
    format!("{}{software}", adapter.name)
}

fn types(adapter: &AdapterReport) -> String {
    if adapter.problem.is_some() {
        return "does not work".to_owned();
    }
    let kinds = [(true, "f32"), (adapter.f64, "f64"), (adapter.bf16, "bf16")];
    let kinds = kinds
        .into_iter()
        .filter_map(|(has, name)| has.then_some(name));
    kinds.collect::<Vec<_>>().join(", ")
}

/// What to do about backends that are not built in or have no device, and about devices that fail.
fn advice(reports: &[DeviceReport]) -> Vec<String> {
    let mut lines = Vec::new();
    for report in reports {
        let problems = report
            .adapters
            .iter()
            .filter_map(|adapter| adapter.problem.as_ref());
        for text in report.advice.iter().chain(problems) {
            lines.push(format!("  {:<6}{text}", report.backend));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_has_a_line_and_what_fails_says_so() {
        let adapter = AdapterReport {
            name: "llvmpipe".to_owned(),
            software: true,
            f64: false,
            bf16: true,
            problem: None,
        };
        let broken = AdapterReport {
            problem: Some("no queue".to_owned()),
            ..adapter.clone()
        };
        let reports = [
            DeviceReport {
                backend: Backend::Wgpu,
                compiled: true,
                adapters: vec![adapter, broken],
                advice: None,
            },
            DeviceReport {
                backend: Backend::Cuda,
                compiled: false,
                adapters: vec![],
                advice: Some("Rebuild".to_owned()),
            },
        ];
        assert_eq!(
            table(&reports).unwrap(),
            "backend  built in  device                     calculates in\n\
             wgpu     yes       llvmpipe (software, slow)  f32, bf16\n\
             wgpu     yes       llvmpipe (software, slow)  does not work\n\
             cuda     no        -                          -"
        );
        assert_eq!(advice(&reports), ["  wgpu  no queue", "  cuda  Rebuild"]);
    }
}
