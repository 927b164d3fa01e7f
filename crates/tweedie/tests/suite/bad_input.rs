//! Whatever is asked wrongly is answered with what is wrong and what to do.

use std::fs;

use crate::place::{Place, TINY, says};

/// The exit code of a command line or configuration that cannot be followed.
const USAGE: i32 = 2;
/// The exit code of what fails on the way.
const FAILED: i32 = 1;

#[test]
fn a_mistyped_key_in_a_file_is_named_with_the_file_and_the_key_that_was_meant() {
    let place = Place::new();
    place.write("exp.toml", TINY.replace("batch_size", "batchsize"));
    let text = place.refused("train --config exp.toml", USAGE);
    says(
        &text,
        &[
            "exp.toml",
            "`training.batchsize`",
            "did you mean `training.batch_size`?",
        ],
    );
    assert!(!place.path("runs").exists());
}

#[test]
fn a_mistyped_key_is_found_in_every_section() {
    let place = Place::with_config();
    for (key, meant) in [
        ("data.cuont", "data.count"),
        ("sde.beta_mim", "sde.beta_min"),
        ("network.widht", "network.width"),
        ("preconditioning.sigmadata", "preconditioning.sigma_data"),
        ("training.learning_rat", "training.learning_rate"),
        (
            "training.objective.weigthing",
            "training.objective.weighting",
        ),
        ("sampling.stpes", "sampling.steps"),
        ("sampling.gird", "sampling.grid"),
        ("trainig.steps", "training"),
        ("nam", "name"),
    ] {
        let text = place.refused(&format!("train --config tiny.toml --set {key}=1"), USAGE);
        let section = key.split('.').next().unwrap();
        says(
            &text,
            &[&format!("--set {key}=1"), section, &format!("`{meant}`")],
        );
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_what_is_wanted() {
    let place = Place::with_config();
    for (set, wanted) in [
        ("training.steps=-5", "a whole number, 0 or more"),
        ("training.steps=many", "a whole number, 0 or more"),
        ("training.learning_rate=fast", "a number"),
        ("training.betas=0.9", "a list of 2"),
        ("network.width=2.5", "a whole number, 0 or more"),
        ("name=5", "a string"),
    ] {
        let key = set.split('=').next().unwrap();
        let text = place.refused(&format!("train --config tiny.toml --set {set}"), USAGE);
        says(
            &text,
            &[&format!("--set {set}"), &format!("`{key}`"), wanted],
        );
    }
}

#[test]
fn a_value_out_of_range_is_named_with_its_range() {
    let place = Place::with_config();
    for (set, reason) in [
        ("training.steps=0", "at least 1"),
        ("training.clip_norm=-1", "0 for no clipping"),
        ("network.blocks=0", "at least 1"),
        ("network.embedding=7", "even"),
        ("sde.beta_min=-1", "at least 0"),
        ("preconditioning.sigma_data=0", "above 0"),
        ("sampling.steps=0", "at least 1"),
        ("sampling.count=0", "at least 1"),
        ("data.count=0", "at least 1"),
        ("name=../elsewhere", "no slash"),
    ] {
        let key = set.split(['.', '=']).nth_back(1).unwrap();
        let text = place.refused(&format!("train --config tiny.toml --set {set}"), USAGE);
        says(&text, &[key, reason]);
    }
}

#[test]
fn an_unknown_solver_is_answered_with_those_there_are() {
    let place = Place::with_run();
    let names = ["euler-maruyama", "heun", "edm"];
    let text = place.refused("train --config tiny.toml --set sampling.solver=huen", USAGE);
    says(
        &text,
        &["`sampling.solver.name`", "`huen`", "did you mean `heun`?"],
    );
    says(&text, &names);
    let text = place.refused("sample --solver huen", USAGE);
    says(&text, &["huen"]);
    says(&text, &names);
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let place = Place::new();
    let text = place.refused("train --config nowhere.toml", USAGE);
    says(&text, &["nowhere.toml", "cannot be read"]);
    place.write("broken.toml", "name = \n[data");
    says(
        &place.refused("train --config broken.toml", USAGE),
        &["broken.toml", "not TOML"],
    );
    place.write("empty.toml", "");
    says(
        &place.refused("train --config empty.toml", USAGE),
        &["empty.toml", "is missing"],
    );
    says(
        &place.refused("train --set training.steps", USAGE),
        &["training.steps", "no `=`"],
    );
}

#[test]
fn a_missing_dataset_is_named_with_the_way_to_name_another() {
    let place = Place::new();
    let text = place.refused("train --set data.path=digits", FAILED);
    says(&text, &["digits", "no such folder", "data.path"]);
    fs::create_dir(place.path("digits")).unwrap();
    let text = place.refused("train --set data.path=digits", FAILED);
    says(&text, &["train-images-idx3-ubyte", "no such file"]);
    assert!(!place.path("runs").exists());
}

#[test]
fn a_corrupt_dataset_is_named_with_the_file_and_the_fault() {
    let place = Place::new();
    place.write("digits/train-images-idx3-ubyte.gz", "these are no digits");
    place.write("digits/train-labels-idx1-ubyte.gz", "nor are these labels");
    let text = place.refused("train --set data.path=digits", FAILED);
    says(&text, &["train-images-idx3-ubyte.gz", "not a gzip file"]);
    assert!(!place.path("runs").exists());
}

#[test]
fn a_checkpoint_of_another_architecture_is_refused_by_the_field_that_differs() {
    let place = Place::with_run();
    let config = place.text("runs/tiny/config.toml");
    place.write(
        "runs/tiny/config.toml",
        config.replace("width = 16", "width = 24"),
    );
    let text = place.refused("train --resume runs/tiny --set training.steps=12", FAILED);
    says(
        &text,
        &[
            "another experiment",
            "model.network.width is 16 in it, and 24 here",
        ],
    );
}

#[test]
fn a_run_goes_on_with_what_it_was_told_and_nothing_else() {
    let place = Place::with_run();
    let text = place.refused("train --resume --set training.seed=3", USAGE);
    says(&text, &["`training.seed` cannot change", "training.steps"]);
    let text = place.refused("train --resume", USAGE);
    says(
        &text,
        &["has done all of its 6 steps", "--set training.steps=12"],
    );
    says(
        &place.refused("train --resume runs/none", FAILED),
        &["runs/none", "no run"],
    );
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let place = Place::with_run();
    place.write("file", "in the way");
    let text = place.refused("train --config tiny.toml --run file/run", FAILED);
    says(&text, &["file/run", "--run names another folder"]);
    let text = place.refused("sample --out file/samples.png", FAILED);
    says(&text, &["file/samples.png", "cannot be written"]);
    let text = place.refused("sample --format npy --out file/samples.npy", FAILED);
    says(&text, &["file/samples.npy", "cannot be written"]);
    assert_eq!(place.text("file"), "in the way");
}

#[test]
fn a_folder_that_holds_a_run_is_not_written_over() {
    let place = Place::with_run();
    let before = place.read("runs/tiny/metrics.jsonl");
    let text = place.refused("train --config tiny.toml --run runs/tiny", FAILED);
    says(&text, &["runs/tiny", "--resume"]);
    assert_eq!(place.read("runs/tiny/metrics.jsonl"), before);
}

#[test]
fn there_is_nothing_to_sample_before_something_is_trained() {
    let place = Place::new();
    says(
        &place.refused("sample", FAILED),
        &["no run in runs/ yet", "tweedie train"],
    );
    let text = place.refused("sample --checkpoint nowhere", FAILED);
    says(&text, &["nowhere", "no such file"]);
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_named_if_there_is_no_other() {
    let place = Place::with_run();
    let damage = |step: &str| {
        let file = format!("runs/tiny/checkpoints/{step}/ema.safetensors");
        let bytes = place.read(&file);
        place.write(&file, &bytes[..bytes.len() / 2]);
    };
    damage("step-00000006");
    let assert = place.run("sample").success();
    let told = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    says(&told, &["step-00000006", "step-00000003"]);
    damage("step-00000003");
    let text = place.refused("sample", FAILED);
    says(
        &text,
        &["no checkpoint is whole", "cut short or was altered"],
    );
}

#[test]
fn counts_of_nothing_are_refused() {
    let place = Place::with_run();
    for flag in [
        "--count 0",
        "--steps 0",
        "--batch 0",
        "--seed -1",
        "--format gif",
    ] {
        place.refused(&format!("sample {flag}"), USAGE);
    }
}

#[cfg(not(all(feature = "wgpu", feature = "cuda")))]
#[test]
fn a_backend_that_is_not_built_in_is_refused_with_the_way_to_build_it() {
    let missing = if cfg!(feature = "wgpu") {
        "cuda"
    } else {
        "wgpu"
    };
    let place = Place::with_config();
    let text = place.refused(
        &format!("train --config tiny.toml --backend {missing}"),
        USAGE,
    );
    says(
        &text,
        &["built without it", &format!("--features {missing}")],
    );
    assert!(!place.path("runs").exists());
}

#[test]
fn a_word_that_is_no_backend_is_answered_with_those_there_are() {
    let place = Place::with_config();
    let text = place.refused("train --config tiny.toml --backend gpu", USAGE);
    says(&text, &["gpu", "flex, wgpu or cuda"]);
    let mut program = place.program();
    program
        .env("TWEEDIE_BACKEND", "gpu")
        .args(["train", "--config", "tiny.toml"]);
    let output = program.output().unwrap();
    assert_eq!(output.status.code(), Some(USAGE));
    says(
        &String::from_utf8(output.stderr).unwrap(),
        &["TWEEDIE_BACKEND", "flex, wgpu or cuda"],
    );
}
