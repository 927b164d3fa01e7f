//! Training, going on, and sampling from what was trained.

use ndarray::Array4;
use ndarray_npy::read_npy;

use crate::place::{Place, says};

fn losses(place: &Place, run: &str) -> Vec<(u64, f64)> {
    let text = place.text(&format!("{run}/metrics.jsonl"));
    let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let pair = |record: serde_json::Value| {
        (
            record["step"].as_u64().unwrap(),
            record["loss"].as_f64().unwrap(),
        )
    };
    records.map(pair).collect()
}

#[test]
fn a_run_leaves_its_configuration_metrics_pictures_and_checkpoints() {
    let place = Place::with_config();
    let assert = place.run("train --config tiny.toml").success();
    let output = assert.get_output();
    let summary = String::from_utf8(output.stdout.clone()).unwrap();
    says(
        &summary,
        &[
            "runs/tiny/samples/step-00000006.png",
            "runs/tiny/loss.png",
            "6 steps",
        ],
    );
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    says(&told, &["training 2/6", "training 6/6", "loss"]);
    let steps: Vec<u64> = losses(&place, "runs/tiny")
        .iter()
        .map(|(step, _)| *step)
        .collect();
    assert_eq!(steps, [2, 4, 6]);
    says(
        &place.text("runs/tiny/config.toml"),
        &["ema_decay = 0.9999", "name = \"heun\""],
    );
    for name in [
        "samples/step-00000003.png",
        "samples/step-00000006.png",
        "loss.png",
    ] {
        let picture = image::open(place.path("runs/tiny").join(name)).unwrap();
        assert!(picture.width() > 900, "{name}");
    }
    for step in ["step-00000003", "step-00000006"] {
        assert!(
            place
                .path(format!("runs/tiny/checkpoints/{step}/manifest.json"))
                .is_file()
        );
    }
}

#[test]
fn plain_train_never_writes_over_a_run_and_the_newest_is_used_next() {
    let place = Place::with_run();
    place.run("train --config tiny.toml --quiet").success();
    assert!(place.path("runs/tiny-2/config.toml").is_file());
    let assert = place.run("sample").success();
    let said = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    says(
        &said,
        &[
            "runs/tiny-2/samples/sample-step-00000006-heun-4-seed0-n20.png",
            "NFE 7",
        ],
    );
}

#[test]
fn quiet_leaves_standard_error_empty() {
    let place = Place::with_config();
    place
        .run("train --config tiny.toml --quiet")
        .success()
        .stderr("");
}

#[test]
fn an_interrupted_run_goes_on_as_if_nothing_had_happened() {
    let place = Place::with_config();
    place
        .run("train --config tiny.toml --quiet --run whole")
        .success();
    let cut = "train --config tiny.toml --quiet --run cut --set training.steps=3 \
               --set training.log_every=1";
    place.run(cut).success();
    let on = "train --resume cut --quiet --set training.steps=6 --set training.log_every=2";
    place.run(on).success();
    // Steps 5 and 6 were averaged in both.
    assert_eq!(losses(&place, "cut").last(), losses(&place, "whole").last());
    for run in ["cut", "whole"] {
        let line = format!("sample --run {run} --format npy --out {run}.npy");
        place.run(&line).success();
    }
    assert_eq!(place.read("cut.npy"), place.read("whole.npy"));
    says(&place.text("cut/config.toml"), &["steps = 6", "shards = "]);
}

#[test]
fn one_seed_gives_the_same_files_whatever_the_batch_size() {
    let place = Place::with_run();
    for solver in ["heun", "euler-maruyama", "edm"] {
        let sample = |options: &str, out: &str| {
            let line =
                format!("sample --solver {solver} --steps 5 --count 10 {options} --out {out}");
            place.run(&line).success();
            place.read(out)
        };
        let (png, npy) = (
            sample("--seed 4", "a.png"),
            sample("--seed 4 --format npy", "a.npy"),
        );
        assert_eq!(sample("--seed 4", "b.png"), png);
        for batch in [1, 3, 10, 64] {
            let options = format!("--seed 4 --batch {batch}");
            assert_eq!(sample(&options, "c.png"), png, "{solver}, batch {batch}");
            assert_eq!(sample(&format!("{options} --format npy"), "c.npy"), npy);
        }
        assert_ne!(sample("--seed 5 --format npy", "d.npy"), npy);
    }
}

#[test]
fn fewer_samples_are_the_first_of_more() {
    let place = Place::with_run();
    place
        .run("sample --count 12 --format npy --out more.npy")
        .success();
    place
        .run("sample --count 5 --format npy --out few.npy")
        .success();
    let more: Array4<f32> = read_npy(place.path("more.npy")).unwrap();
    let few: Array4<f32> = read_npy(place.path("few.npy")).unwrap();
    assert_eq!(few.dim(), (5, 2, 1, 1));
    assert_eq!(few, more.slice(ndarray::s![..5, .., .., ..]));
    assert!(more.iter().all(|value| value.is_finite()));
}

#[test]
fn a_checkpoint_by_its_folder_is_sampled_with_its_runs_settings() {
    let place = Place::with_run();
    let checkpoint = "runs/tiny/checkpoints/step-00000006";
    place.run("sample --format npy --out a.npy").success();
    place
        .run(&format!(
            "sample --checkpoint {checkpoint} --format npy --out b.npy"
        ))
        .success();
    assert_eq!(place.read("a.npy"), place.read("b.npy"));
    // Moved out of its run, it still says all about the model, but not how to sample.
    std::fs::rename(place.path(checkpoint), place.path("moved")).unwrap();
    let line = "sample --checkpoint moved --solver heun --grid karras --steps 4 --count 20 \
                --format npy --out c.npy";
    place.run(line).success();
    assert_eq!(place.read("a.npy"), place.read("c.npy"));
    place
        .run("sample --checkpoint moved --out moved.png")
        .success();
    assert!(image::open(place.path("moved.png")).is_ok());
}

#[test]
fn points_are_measured_against_fresh_data_and_the_figures_kept() {
    let place = Place::with_run();
    let assert = place.run("evaluate --samples 200").success();
    let said = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    says(
        &said,
        &[
            "sliced Wasserstein distance",
            "energy distance",
            "fresh data",
        ],
    );
    let file = "runs/tiny/evaluations/step-00000006-heun-4-seed0-n200.json";
    says(&said, &[file]);
    let json: serde_json::Value = serde_json::from_slice(&place.read(file)).unwrap();
    assert_eq!(json["nfe"], 7);
    // Six steps teach nothing, and fresh data is like fresh data.
    let distance = |column: &str| {
        json["results"]["sliced_wasserstein"][column]["value"]
            .as_f64()
            .unwrap()
    };
    assert!(distance("samples") > 2.0 * distance("data"));
    let p_value = json["results"]["energy_p_value"]["samples"]["value"]
        .as_f64()
        .unwrap();
    assert!(p_value < 0.05);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_keeps_its_last_step_and_goes_on_from_it() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let place = Place::with_config();
    let mut child = place
        .program()
        .args(["train", "--config", "tiny.toml", "--quiet"])
        .args([
            "--set",
            "training.steps=1000000",
            "--set",
            "training.sample_every=0",
        ])
        .args(["--set", "training.checkpoint_every=0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first line of the metrics: it trains.
    let started = Instant::now();
    while !place.path("runs/tiny/metrics.jsonl").exists() {
        assert!(
            started.elapsed() < Duration::from_secs(300),
            "it does not train"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));

    let steps = losses(&place, "runs/tiny");
    let checkpoints = std::fs::read_dir(place.path("runs/tiny/checkpoints")).unwrap();
    let names: Vec<_> = checkpoints
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let step: u64 = names[0].to_str().unwrap()["step-".len()..].parse().unwrap();
    assert!(step >= steps.last().unwrap().0);
    let more = format!("train --resume runs/tiny --set training.steps={}", step + 2);
    let told = place.run(&more).success().get_output().stderr.clone();
    says(
        &String::from_utf8(told).unwrap(),
        &[&format!("from step {step}")],
    );
}
