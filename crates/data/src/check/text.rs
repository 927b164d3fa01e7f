//! A report for the terminal.

use std::fmt::Write as _;

use super::report::{Finding, Problem, Report, Severity};

/// How many findings of a kind are listed; the report as data has all.
const LISTED: usize = 10;

/// How many sizes and endings are listed.
const ROWS: usize = 8;

impl Report {
    /// The report as lines for a terminal, the verdict last. Of each kind of finding the first ten are
    /// listed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_set(&mut text);
        let _ = self.write_findings(&mut text);
        text.push_str(&self.verdict());
        text.push('\n');
        text
    }

    fn write_set(&self, text: &mut String) -> std::fmt::Result {
        write!(text, "{}: {} usable samples", self.kind, self.samples)?;
        match self.shape {
            Some([channels, 1, 1]) => writeln!(text, " of {channels} coordinates")?,
            Some([channels, height, width]) => {
                writeln!(text, " of {channels} x {height} x {width} (C x H x W)")?;
            }
            None => text.push('\n'),
        }
        for (channel, moments) in self.channels.iter().enumerate() {
            let (mean, std) = (moments.mean, moments.std);
            writeln!(text, "  channel {channel}  mean {mean:+.4}  std {std:.4}")?;
        }
        if !self.sizes.is_empty() {
            writeln!(text, "sizes as stored (W x H)")?;
            for size in self.sizes.iter().take(ROWS) {
                let name = format!("{} x {}", size.width, size.height);
                writeln!(text, "  {name:<13} {:>9}", size.count)?;
            }
            if let Some(more) = self.sizes.len().checked_sub(ROWS).filter(|&more| more > 0) {
                writeln!(text, "  and {more} other sizes")?;
            }
        }
        if !self.classes.is_empty() {
            writeln!(text, "classes")?;
            let names = self.classes.iter().map(|class| class.name.chars().count());
            let width = names.max().unwrap_or(0).min(40);
            for class in &self.classes {
                let (label, name, count) = (class.label, &class.name, class.count);
                writeln!(text, "  {label:>3}  {name:<width$} {count:>9}")?;
            }
        }
        if !self.ignored.is_empty() {
            writeln!(text, "files that are no pictures, left out")?;
            for (ending, count) in self.ignored.iter().take(ROWS) {
                writeln!(text, "  {ending:<13} {count:>9}")?;
            }
            if let Some(more) = self
                .ignored
                .len()
                .checked_sub(ROWS)
                .filter(|&more| more > 0)
            {
                writeln!(text, "  and {more} other endings")?;
            }
        }
        Ok(())
    }

    fn write_findings(&self, text: &mut String) -> std::fmt::Result {
        let mut findings = &self.findings[..];
        while let Some(first) = findings.first() {
            let alike = |finding: &Finding| finding.problem == first.problem;
            let end = findings.partition_point(alike);
            let (kind, rest) = findings.split_at(end);
            write_kind(text, first.problem, kind)?;
            findings = rest;
        }
        Ok(())
    }

    fn verdict(&self) -> String {
        let number = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        let [errors, warnings, notes] =
            [Severity::Error, Severity::Warning, Severity::Note].map(|of| self.count(of));
        let counts = format!(
            "{}, {}, {}",
            number(errors, "error"),
            number(warnings, "warning"),
            number(notes, "note")
        );
        if self.is_usable() {
            format!("{counts}: training can go over all of it")
        } else {
            format!("{counts}: training would stop; mend or take out what is an error")
        }
    }
}

fn write_kind(text: &mut String, problem: Problem, findings: &[Finding]) -> std::fmt::Result {
    let severity = match problem.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let count = findings.len();
    writeln!(text, "{severity}: {count} {}", problem.meaning())?;
    for finding in findings.iter().take(LISTED) {
        match (&*finding.place, &*finding.detail) {
            ("", detail) => writeln!(text, "  {detail}")?,
            (place, "") => writeln!(text, "  {place}")?,
            (place, detail) => writeln!(text, "  {place}: {detail}")?,
        }
    }
    if let Some(more) = count.checked_sub(LISTED).filter(|&more| more > 0) {
        writeln!(text, "  and {more} more")?;
    }
    Ok(())
}
