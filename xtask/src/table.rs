//! A table from criterion's files.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// One benchmark's last measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What is done and with what, such as `train_step/unet`.
    pub subject: String,
    /// Where it is done; the last part of the benchmark's name.
    pub backend: String,
    /// The time of one pass, as criterion estimates it, in nanoseconds.
    pub nanoseconds: f64,
    /// How many images a pass works on.
    pub elements: Option<u64>,
    /// The memory at the peak of it, in bytes.
    pub memory: Option<u64>,
}

impl Row {
    fn rate(&self) -> String {
        // A pass does one thing to each element.
        let unit = match self.subject.split('/').next() {
            Some("train_step" | "conv2d" | "group_norm" | "attention" | "upsample") => "images/s",
            Some("evaluate") => "NFE/s",
            Some("solver_step") => "steps/s",
            _ => "elements/s",
        };
        let Some(elements) = self.elements else {
            return format!("{} passes/s", significant(1e9 / self.nanoseconds));
        };
        format!(
            "{} {unit}",
            significant(elements as f64 * 1e9 / self.nanoseconds)
        )
    }
}

/// Reads `FOLDER/**/new/{benchmark,estimates}.json` and `FOLDER/memory.json`; a folder that is not
/// there has no rows.
pub fn read(folder: &Path) -> Result<Vec<Row>> {
    let memory_file = folder.join("memory.json");
    let memory = match memory_file.is_file() {
        true => read_json(&memory_file)?,
        false => Value::Null,
    };
    let mut rows = Vec::new();
    if folder.is_dir() {
        collect(folder, &memory, &mut rows)?;
    }
    rows.sort_by(|a, b| (&a.subject, place(&a.backend)).cmp(&(&b.subject, place(&b.backend))));
    Ok(rows)
}

/// flex comes first: the others are compared with it.
fn place(backend: &str) -> (u8, &str) {
    (u8::from(backend != "flex"), backend)
}

fn collect(folder: &Path, memory: &Value, rows: &mut Vec<Row>) -> Result<()> {
    let benchmark = folder.join("benchmark.json");
    let estimates = folder.join("estimates.json");
    if folder.ends_with("new") && benchmark.is_file() && estimates.is_file() {
        let row = row(&read_json(&benchmark)?, &read_json(&estimates)?, memory);
        rows.push(row.with_context(|| format!("{} is not criterion's", folder.display()))?);
        return Ok(());
    }
    let entries = folder
        .read_dir()
        .with_context(|| format!("could not list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, memory, rows)?;
        }
    }
    Ok(())
}

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

fn row(benchmark: &Value, estimates: &Value, memory: &Value) -> Option<Row> {
    let id = benchmark["full_id"].as_str()?;
    let (subject, backend) = id.rsplit_once('/').unwrap_or((id, "-"));
    // As criterion: the slope where it could fit one, else the mean.
    let typical = match &estimates["slope"] {
        Value::Null => &estimates["mean"],
        slope => slope,
    };
    Some(Row {
        subject: subject.to_owned(),
        backend: backend.to_owned(),
        nanoseconds: typical["point_estimate"].as_f64()?,
        elements: benchmark["throughput"]["Elements"].as_u64(),
        memory: memory[id].as_u64(),
    })
}

/// A Markdown table, to read as it is or to paste.
pub fn render(rows: &[Row]) -> String {
    let reference: BTreeMap<&str, f64> = rows
        .iter()
        .filter(|row| row.backend == "flex")
        .map(|row| (row.subject.as_str(), row.nanoseconds))
        .collect();
    let header = [
        "benchmark",
        "backend",
        "time",
        "rate",
        "against flex",
        "memory",
    ];
    let mut cells = vec![header.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let flex = reference.get(row.subject.as_str());
        [
            row.subject.clone(),
            row.backend.clone(),
            time(row.nanoseconds),
            row.rate(),
            flex.map_or("-".to_owned(), |flex| {
                format!("{}×", significant(flex / row.nanoseconds))
            }),
            row.memory.map_or("-".to_owned(), |bytes| {
                format!("{} MiB", significant(bytes as f64 / f64::from(1 << 20)))
            }),
        ]
    }));
    markdown(&cells, 2)
}

/// A Markdown table whose columns are as wide as their widest cell. The first `words` columns are set
/// to the left, as words are; the others to the right, as numbers.
pub fn markdown<Row: AsRef<[String]>>(rows: &[Row], words: usize) -> String {
    let rows: Vec<&[String]> = rows.iter().map(AsRef::as_ref).collect();
    let columns = rows.first().map_or(0, |row| row.len());
    let width = |column: usize| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column < words {
                true => write!(text, "| {cell:<width$} "),
                false => write!(text, "| {cell:>width$} "),
            };
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let right = if column < words { "-" } else { ":" };
                let _ = write!(text, "| {}{right} ", "-".repeat(width - 1));
            }
            text.push_str("|\n");
        }
    }
    text
}

fn time(nanoseconds: f64) -> String {
    let (number, unit) = match nanoseconds {
        n if n >= 1e9 => (n / 1e9, "s"),
        n if n >= 1e6 => (n / 1e6, "ms"),
        n if n >= 1e3 => (n / 1e3, "µs"),
        n => (n, "ns"),
    };
    format!("{} {unit}", significant(number))
}

/// Three significant digits, without an exponent.
pub fn significant(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    let decimals = (2 - number.abs().log10().floor() as i32).max(0) as usize;
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn measured(subject: &str, backend: &str, nanoseconds: f64) -> Row {
        Row {
            subject: subject.to_owned(),
            backend: backend.to_owned(),
            nanoseconds,
            elements: Some(16),
            memory: None,
        }
    }

    #[test]
    fn three_digits_count() {
        for (number, text) in [
            (0.0, "0"),
            (0.012345, "0.0123"),
            (1.0, "1.00"),
            (12.345, "12.3"),
            (123.45, "123"),
            (12345.6, "12346"),
        ] {
            assert_eq!(significant(number), text);
        }
        assert_eq!(time(1.5e9), "1.50 s");
        assert_eq!(time(2.34e6), "2.34 ms");
        assert_eq!(time(45.6e3), "45.6 µs");
        assert_eq!(time(7.0), "7.00 ns");
    }

    #[test]
    fn the_table_compares_backends_with_flex() {
        let mut rows = [
            measured("train_step/unet", "flex", 2e9),
            measured("train_step/unet", "cuda", 1e7),
            measured("evaluate/unet", "wgpu", 4e8),
        ];
        rows[0].memory = Some(512 << 20);
        rows[2].elements = None;
        assert_eq!(
            render(&rows),
            "\
| benchmark       | backend |    time |          rate | against flex |  memory |
| --------------- | ------- | ------: | ------------: | -----------: | ------: |
| train_step/unet | flex    |  2.00 s | 8.00 images/s |        1.00× | 512 MiB |
| train_step/unet | cuda    | 10.0 ms | 1600 images/s |         200× |       - |
| evaluate/unet   | wgpu    |  400 ms | 2.50 passes/s |            - |       - |
"
        );
    }

    #[test]
    fn rates_have_the_unit_of_what_is_done() {
        let unit = |subject| measured(subject, "flex", 1e9).rate();
        assert_eq!(unit("train_step/unet"), "16.0 images/s");
        assert_eq!(unit("evaluate/mlp"), "16.0 NFE/s");
        assert_eq!(unit("solver_step/heun"), "16.0 steps/s");
        assert_eq!(unit("else"), "16.0 elements/s");
    }

    #[test]
    fn criterions_files_are_read_wherever_they_lie() {
        let folder = std::env::temp_dir().join(format!("xtask-table-{}", std::process::id()));
        let write = |path: &str, value: Value| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, value.to_string()).unwrap();
        };
        let estimate = |n: f64| json!({"point_estimate": n});
        for backend in ["wgpu", "flex"] {
            let id = format!("train_step/unet/{backend}");
            write(
                &format!("train_step/unet/{backend}/new/benchmark.json"),
                json!({"full_id": id, "throughput": {"Elements": 16}}),
            );
            write(
                &format!("train_step/unet/{backend}/new/estimates.json"),
                json!({"mean": estimate(9.0), "slope": estimate(8.0)}),
            );
        }
        write(
            "solver_step_heun_flex/new/benchmark.json",
            json!({"full_id": "solver_step/heun/flex", "throughput": null}),
        );
        write(
            "solver_step_heun_flex/new/estimates.json",
            json!({"mean": estimate(9.0), "slope": null}),
        );
        // An older measurement, which does not count.
        write(
            "train_step/unet/flex/base/benchmark.json",
            json!({"full_id": "old"}),
        );
        write("train_step/unet/flex/base/estimates.json", json!({}));
        write("memory.json", json!({"train_step/unet/wgpu": 1024}));

        let rows = read(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        let rows = rows.unwrap();
        let seen: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    row.subject.as_str(),
                    row.backend.as_str(),
                    row.nanoseconds,
                    row.elements,
                    row.memory,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("solver_step/heun", "flex", 9.0, None, None),
                ("train_step/unet", "flex", 8.0, Some(16), None),
                ("train_step/unet", "wgpu", 8.0, Some(16), Some(1024)),
            ]
        );
        assert_eq!(read(&folder).unwrap(), []);
    }
}
