//! What befalls a run from outside, and what is left of it. Each of these is a row of docs/reliability.md.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, TINY, says};

/// Trains for longer than any test lasts, with a checkpoint at every step.
const LONG: &str =
    "--set training.steps=1000000 --set training.sample_every=0 --set training.checkpoint_every=1";

fn spawn(place: &Place, line: &str) -> Child {
    place
        .program()
        .args(line.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(
            start.elapsed() < Duration::from_secs(300),
            "{what} did not come"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn trains(place: &Place, run: &str) -> bool {
    place.path(run).join("metrics.jsonl").exists()
}

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

fn words(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// The folders of checkpoints, oldest first.
fn checkpoints(place: &Place, run: &str) -> Vec<String> {
    let entries = fs::read_dir(place.path(run).join("checkpoints")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Everything in a checkpoint, to be compared.
fn files(place: &Place, run: &str, checkpoint: &str) -> Vec<Vec<u8>> {
    ["ema", "weights", "optimizer"]
        .map(|name| {
            place.read(&format!(
                "{run}/checkpoints/{checkpoint}/{name}.safetensors"
            ))
        })
        .into()
}

#[cfg(unix)]
#[test]
fn each_signal_ends_a_run_after_its_step_with_its_own_code_and_a_checkpoint() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let place = Place::with_config();
        let child = spawn(
            &place,
            &format!("train --config tiny.toml --quiet --run a {LONG}"),
        );
        wait_for("a line of the metrics", || trains(&place, "a"));
        signal(&child, name);
        let (ended, said) = words(child);
        assert_eq!(ended, Some(code), "{said}");
        says(&said, &["stopped after step", "`--resume`"]);
        assert!(!checkpoints(&place, "a").is_empty());
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_a_run_at_once() {
    let place = Place::with_config();
    // Pictures of so many samples take minutes, and a step comes only after them.
    let line = "train --config tiny.toml --quiet --run a --set training.steps=10 --set training.sample_every=1 \
                --set training.log_every=1 --set sampling.count=100000 --set sampling.steps=1000";
    let mut child = spawn(&place, line);
    wait_for("a line of the metrics", || trains(&place, "a"));
    std::thread::sleep(Duration::from_millis(100));
    signal(&child, "-TERM");
    std::thread::sleep(Duration::from_millis(200));
    assert!(
        child.try_wait().unwrap().is_none(),
        "the first signal waits for the step"
    );
    signal(&child, "-TERM");
    let start = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_says_so_and_ends_as_if_nothing_had_happened() {
    let place = Place::with_config();
    let steps =
        "--set training.steps=60 --set training.sample_every=0 --set training.checkpoint_every=4";
    place
        .run(&format!(
            "train --config tiny.toml --quiet --run whole {steps}"
        ))
        .success();
    let mut child = spawn(
        &place,
        &format!("train --config tiny.toml --quiet --run cut {steps}"),
    );
    wait_for("a checkpoint", || {
        place.path("cut/checkpoints/step-00000004").exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let assert = place.run("train --resume cut");
    let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    // Unless it was quicker than the signal.
    if assert.get_output().status.success() {
        says(&said, &["did not end by itself", "going on from step"]);
    }
    assert_eq!(
        files(&place, "cut", "step-00000060"),
        files(&place, "whole", "step-00000060")
    );
}

#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_begins_anew_by_resuming() {
    let place = Place::with_config();
    place
        .run("train --config tiny.toml --quiet --run whole")
        .success();
    place
        .run("train --config tiny.toml --quiet --run cut")
        .success();
    fs::remove_dir_all(place.path("cut/checkpoints")).unwrap();
    let assert = place.run("train --resume cut").success();
    let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    says(
        &said,
        &["there is no checkpoint yet", "going on from step 0"],
    );
    assert_eq!(
        files(&place, "cut", "step-00000006"),
        files(&place, "whole", "step-00000006")
    );
}

#[test]
fn a_run_that_was_killed_while_it_drew_its_last_picture_draws_it_by_resuming() {
    let place = Place::with_run();
    let picture = "runs/tiny/samples/step-00000006.png";
    let before = place.read(picture);
    let said = place.refused("train --resume runs/tiny", 2);
    says(&said, &["has done all of its 6 steps"]);
    fs::remove_file(place.path(picture)).unwrap();
    place.run("train --resume runs/tiny --quiet").success();
    assert_eq!(place.read(picture), before);
}

#[cfg(unix)]
#[test]
fn a_second_process_on_one_run_is_refused_and_told_who_holds_it() {
    let place = Place::with_config();
    let child = spawn(
        &place,
        &format!("train --config tiny.toml --quiet --run a {LONG}"),
    );
    wait_for("a line of the metrics", || trains(&place, "a"));
    let holder = format!("process {} is training in this folder", child.id());
    says(&place.refused("train --resume a", 1), &[&holder]);
    says(
        &place.refused("train --config tiny.toml --run a", 1),
        &[&holder],
    );
    // To look is allowed.
    wait_for("a checkpoint", || {
        place.path("a/checkpoints").exists() && !checkpoints(&place, "a").is_empty()
    });
    signal(&child, "-INT");
    assert_eq!(words(child).0, Some(130));
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_the_run_goes_on_when_there_is_room() {
    let place = Place::with_config();
    place
        .run("train --config tiny.toml --quiet --run whole")
        .success();
    let mut shell = std::process::Command::new("sh");
    let program = place.program();
    // Files of two KiB at most: a configuration fits, weights do not.
    shell
        .args(["-c", "ulimit -f 4; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args("train --config tiny.toml --quiet --run a".split_whitespace())
        .env("TWEEDIE_BACKEND", "flex")
        .current_dir(place.path(""));
    let output = shell.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    says(
        &said,
        &[
            "error: ",
            "safetensors: writing: File too large",
            "hint: ",
            "--resume",
        ],
    );
    assert!(
        checkpoints(&place, "a").is_empty(),
        "no half of a checkpoint"
    );
    place.run("train --resume a --quiet").success();
    assert_eq!(
        files(&place, "a", "step-00000006"),
        files(&place, "whole", "step-00000006")
    );
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_to_is_named() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let place = Place::with_config();
    place.write("locked/file", "");
    fs::set_permissions(place.path("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let mut program = place.program();
    program.args("train --config tiny.toml --run locked/a".split_whitespace());
    if fs::write(place.path("locked/probe"), "").is_ok() {
        // To root everything is allowed: be nobody.
        program.uid(65534);
    }
    let output = program.output().unwrap_or_else(|_| {
        // Nobody may not start the program where it was built.
        let copy = place.path("tweedie");
        fs::copy(program.get_program(), &copy).unwrap();
        let mut program = std::process::Command::new(copy);
        program.args("train --config tiny.toml --run locked/a".split_whitespace());
        program.current_dir(place.path("")).uid(65534);
        program.output().unwrap()
    });
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    says(
        &said,
        &[
            "error: ",
            "locked/a",
            "Permission denied",
            "--run names another folder",
        ],
    );
}

#[test]
fn data_that_are_gone_or_others_are_named_and_the_run_is_as_it_was() {
    let place = Place::new();
    let mnist = crate::place::of_repository("datasets/mnist");
    let config = TINY
        .replace(
            "kind = \"toy\"\nname = \"two-moons\"\ncount = 200",
            "kind = \"mnist\"\npath = \"digits\"\nsplit = \"test\"",
        )
        .replace("sample_every = 3", "sample_every = 0");
    place.write("digits.toml", config);
    copy(&mnist, &place.path("digits"));
    place
        .run("train --config digits.toml --quiet --run a")
        .success();
    let before = files(&place, "a", "step-00000006");
    fs::rename(place.path("digits"), place.path("moved")).unwrap();
    let said = place.refused("train --resume a --set training.steps=8", 1);
    says(
        &said,
        &["the data set at digits cannot be used", "data.path=FOLDER"],
    );
    assert_eq!(files(&place, "a", "step-00000006"), before);
    // The same digits from another folder, which is then written down.
    place
        .run("train --resume a --quiet --set training.steps=8 --set data.path=moved")
        .success();
    says(&place.text("a/config.toml"), &["moved"]);

    // Other data under the old name.
    let text = place
        .text("a/config.toml")
        .replace("split = \"test\"", "split = \"train\"");
    place.write("a/config.toml", text);
    let said = place.refused("train --resume a --set training.steps=10", 1);
    says(
        &said,
        &[
            "another experiment",
            "data.samples is 10000 in it, and 60000 here",
        ],
    );
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_configuration_that_was_changed_in_the_folder_is_refused_by_its_key_or_accepted_where_it_may_change()
 {
    let place = Place::with_run();
    let text = place.text("runs/tiny/config.toml");
    place.write(
        "runs/tiny/config.toml",
        text.replace("batch_size = 16", "batch_size = 17"),
    );
    let said = place.refused("train --resume runs/tiny --set training.steps=8", 1);
    says(
        &said,
        &[
            "another experiment",
            "training.batch_size is 16 in it, and 17 here",
        ],
    );
    place.write(
        "runs/tiny/config.toml",
        text.replace("steps = 6", "steps = 8"),
    );
    place.run("train --resume runs/tiny --quiet").success();
    let said = place.refused("train --resume runs/tiny --set training.seed=9", 2);
    says(
        &said,
        &["`training.seed` cannot change", "not_finite", "sampling.*"],
    );
}

#[test]
fn a_torn_checkpoint_is_named_passed_over_and_the_run_ends_the_same() {
    let place = Place::with_config();
    place
        .run("train --config tiny.toml --quiet --run whole")
        .success();
    place
        .run("train --config tiny.toml --quiet --run torn")
        .success();
    let path = "torn/checkpoints/step-00000006/weights.safetensors";
    let mut bytes = place.read(path);
    bytes.truncate(bytes.len() / 2);
    place.write(path, bytes);
    let assert = place.run("train --resume torn").success();
    let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    says(
        &said,
        &[
            "step-00000006/weights.safetensors",
            "cut short or was altered",
            "going on from step 3",
        ],
    );
    assert_eq!(
        files(&place, "torn", "step-00000006"),
        files(&place, "whole", "step-00000006")
    );
    assert!(
        place
            .path("torn/checkpoints/aside-step-00000006/weights.safetensors")
            .exists()
    );
}

#[cfg(target_os = "linux")]
#[test]
fn too_little_memory_is_told_with_the_batch_to_try() {
    let place = Place::with_config();
    let program = place.program();
    let mut shell = std::process::Command::new("sh");
    let line = "train --config tiny.toml --quiet --run a --set training.batch_size=16000000 --set data.count=50";
    shell
        .args(["-c", "ulimit -v 4000000; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(line.split_whitespace())
        .env("TWEEDIE_BACKEND", "flex")
        .current_dir(place.path(""));
    let output = shell.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    says(
        &said,
        &[
            "error: out of memory with training.batch_size = 16000000",
            "training.batch_size=8000000",
        ],
    );
    assert!(!said.contains("stack backtrace"), "{said}");
}

#[test]
fn numbers_that_are_none_end_a_run_with_step_layer_and_time_and_leave_the_last_checkpoint() {
    let place = Place::with_config();
    let wild = "--set training.learning_rate=1e30 --set training.clip_norm=0 --set training.warmup_steps=0 \
                --set training.steps=200 --set training.sample_every=0 --set training.checkpoint_every=1";
    let said = place.refused(
        &format!("train --config tiny.toml --quiet --run a {wild}"),
        1,
    );
    says(
        &said,
        &[
            "is not finite at step",
            "first in Mlp.",
            "t = ",
            "not_finite = \"skip\"",
        ],
    );
    for checkpoint in checkpoints(&place, "a") {
        let line = format!(
            "sample --checkpoint a/checkpoints/{checkpoint} --out {checkpoint}.png --count 4"
        );
        let assert = place.run(&line);
        let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(!said.contains("SHA-256"), "{said}");
    }
}

/// Memory and open files after 500 steps, and after as many more as a test may last.
#[cfg(target_os = "linux")]
#[test]
fn memory_and_open_files_do_not_grow_with_the_steps() {
    let place = Place::with_config();
    let line = "train --config tiny.toml --quiet --run a --set training.steps=1000000 --set training.sample_every=0 \
                --set training.checkpoint_every=50 --set training.log_every=10";
    let mut child = spawn(&place, line);
    let step = || {
        let text = fs::read_to_string(place.path("a/metrics.jsonl")).unwrap_or_default();
        text.lines().count() * 10
    };
    let resident = |pid: u32| -> u64 {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let open = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let pid = child.id();
    wait_for("step 500", || step() >= 500);
    let before = resident(pid);
    let files_before = open(pid);
    wait_for("step 2500", || step() >= 2500);
    let after = resident(pid);
    // A file may be open at this very moment.
    assert!(
        open(pid) <= files_before + 2,
        "{} {files_before}",
        open(pid)
    );
    assert!(after <= before + before / 20, "{before} KiB, then {after}");
    child.kill().unwrap();
    child.wait().unwrap();
}
