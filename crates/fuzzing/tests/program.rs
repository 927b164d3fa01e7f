//! The program finds planted faults, and tells of each what and where.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

fn fuzz(arguments: &[&str], out: &TempDir) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fuzz"));
    command.args(arguments).arg("--out").arg(out.path());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_panic_an_abort_and_a_glutton_are_found_and_kept() {
    let dir = TempDir::new().unwrap();
    let output = fuzz(&["--target", "planted", "--runs", "5"], &dir);
    assert_eq!(output.status.code(), Some(1));
    let lines = text(&output.stdout);
    for (input, what) in [(1, "panicked at "), (2, "ended the process"), (3, "held 3")] {
        let name = format!("seed-0-input-{input}: {what}");
        assert!(lines.contains(&name), "{name} in {lines}");
        let kept = dir.path().join(format!("planted/seed-0-input-{input}"));
        assert_eq!(fs::read(kept).unwrap(), [input, 0, 0]);
    }
    let row = lines
        .lines()
        .find(|line| line.starts_with("planted"))
        .unwrap();
    let columns: Vec<&str> = row.split_whitespace().collect();
    assert_eq!((columns[1], columns[3]), ("5", "3"), "{row}");
}

#[test]
fn a_sound_parser_is_a_row_and_success() {
    let dir = TempDir::new().unwrap();
    let output = fuzz(&["--target", "idx", "--runs", "2500", "--seed", "3"], &dir);
    let lines = text(&output.stdout);
    assert!(output.status.success(), "{lines}");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let row: Vec<&str> = lines.lines().last().unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[1], row[3]), ("idx", "2500", "0"));
}

#[test]
fn an_unknown_target_is_answered_with_the_known_ones() {
    let dir = TempDir::new().unwrap();
    let output = fuzz(&["--target", "png2"], &dir);
    assert!(!output.status.success());
    let message = text(&output.stderr);
    assert!(
        message.contains("png2") && message.contains("jpeg"),
        "{message}"
    );
}
