//! The comparison with PyTorch on the CPU: the same networks, the same work, in turns.
//!
//! `benches/peers` holds both sides: a Rust program and a Python one, which answer the same requests.

mod agreement;
mod load;
mod measure;
mod process;
mod python;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;
use serde_json::{Value, json};

use self::measure::{Plan, measure};
use self::process::Process;
use self::report::{Results, Row};
use crate::command::{Command, root, target_dir};

/// How PyTorch is run; `work.py` knows what each means.
const MODES: [&str; 4] = ["eager", "channels_last", "compile", "compile-bf16"];

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Only the rows whose name has this in it, such as default/train/16 (a row of that very name is
    /// taken alone)
    #[arg(long, value_name = "FILTER")]
    rows: Option<String>,
    /// How PyTorch is run, separated by commas
    #[arg(long, value_delimiter = ',', default_values = MODES, value_parser = MODES)]
    modes: Vec<String>,
    /// How often both sides are measured in turn
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// The least time that a side works in each turn, in seconds
    #[arg(long, default_value_t = 0.4, value_parser = seconds)]
    seconds: f64,
    /// Threads of both sides; without it, as many as there are cores
    #[arg(long)]
    threads: Option<usize>,
    /// A Python that has the packages of benches/peers/requirements.txt; without it, they are
    /// installed in target/peers/venv
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Print the table of the last measurements and measure nothing
    #[arg(long)]
    table: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("write a number of seconds, such as 0.4".to_owned()),
    }
}

pub fn run(args: &Args) -> Result<()> {
    let path = folder().join("results.json");
    if args.table {
        print!("{}", Results::read(&path)?.render());
        return Ok(());
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.unwrap_or(cores);
    ensure!(threads > 0, "--threads 0: at least one thread must work");
    std::fs::create_dir_all(folder())
        .with_context(|| format!("could not create {}", folder().display()))?;
    let python = python::interpreter(args.python.as_deref(), &folder())?;
    build().run()?;
    let sides = Sides {
        ours: pinned(ours(threads), threads, cores),
        theirs: pinned(theirs(&python, threads), threads, cores),
    };

    let cases = sides.cases()?;
    let rows = matching(rows_of(&cases)?, args.rows.as_deref())?;
    agreement::check(&sides, &cases, &folder())?;
    let plan = Plan {
        modes: args.modes.clone(),
        pairs: args.pairs,
        seconds: args.seconds,
    };
    let mut results = Results::of(sides.versions()?);
    for row in rows {
        let measured = measure(&sides, &case(&cases, &row.network)?, row, &plan)?;
        results.rows.push(measured);
        results.write(&path)?;
    }
    print!("{}", results.render());
    Ok(())
}

/// Where the environment, the exchanged files and the results are.
fn folder() -> PathBuf {
    target_dir().join("peers")
}

/// The commands that start both sides.
struct Sides {
    ours: Command,
    theirs: Command,
}

impl Sides {
    /// The networks, as our side describes them.
    fn cases(&self) -> Result<Vec<Value>> {
        let cases = Process::start(&self.ours)?.ask(&json!({"do": "cases"}))?;
        let cases = cases.as_array().context("`peers` lists no cases")?;
        Ok(cases.clone())
    }

    /// What the other side is made of.
    fn versions(&self) -> Result<Value> {
        Process::start(&self.theirs)?.ask(&json!({"do": "versions"}))
    }
}

/// The profile `dev` is optimised in this workspace.
fn build() -> Command {
    Command::cargo(["build", "--package", "benches", "--bin", "peers"])
}

fn ours(threads: usize) -> Command {
    let name = format!("peers{}", std::env::consts::EXE_SUFFIX);
    let program = target_dir().join("debug").join(name);
    Command::new(program, [""; 0]).env("RAYON_NUM_THREADS", threads.to_string())
}

fn theirs(python: &Path, threads: usize) -> Command {
    let script = root().join("benches/peers/serve.py");
    let threads = threads.to_string();
    let cache = folder().join("inductor").display().to_string();
    let command = Command::new(python, [script.into_os_string()])
        .args(["--threads", &threads])
        .env("OMP_NUM_THREADS", threads)
        .env("TORCHINDUCTOR_CACHE_DIR", cache);
    KEEP_MEMORY
        .iter()
        .fold(command, |command, &(name, bytes)| command.env(name, bytes))
}

/// glibc gives large blocks back to the system as soon as they are free, and the next step pays for
/// every page of them again. Those who train on CPUs replace its allocator, as our side does; that
/// takes a library to install, and telling glibc to keep what it has takes none (mallopt(3)).
const KEEP_MEMORY: [(&str, &str); 3] = [
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TOP_PAD_", "67108864"),
    ("MALLOC_TRIM_THRESHOLD_", "17179869184"),
];

/// On as many cores as there are threads: each side has parts that count cores, not threads.
pub fn pinned(command: Command, threads: usize, cores: usize) -> Command {
    if threads >= cores {
        return command;
    }
    command.within("taskset", ["--cpu-list", &format!("0-{}", threads - 1)])
}

/// One row of the table for each network, kind of work and batch size.
fn rows_of(cases: &[Value]) -> Result<Vec<Row>> {
    let rows = cases.iter().flat_map(|case| {
        let kinds = case["batches"].as_array().into_iter().flatten();
        kinds.flat_map(move |kind| {
            let batches = kind[1].as_array().into_iter().flatten();
            batches.map(move |batch| Row::of(case["name"].as_str()?, kind[0].as_str()?, batch))
        })
    });
    let rows: Option<Vec<_>> = rows.collect();
    rows.context("`peers` describes its cases in another format than it did")
}

/// The row of that name, or else those with `filter` in their names.
fn matching(rows: Vec<Row>, filter: Option<&str>) -> Result<Vec<Row>> {
    let Some(filter) = filter else {
        return Ok(rows);
    };
    let names: Vec<String> = rows.iter().map(Row::name).collect();
    let exact = names.iter().any(|name| name == filter);
    let wanted = |row: &Row| match exact {
        true => row.name() == filter,
        false => row.name().contains(filter),
    };
    let found: Vec<Row> = rows.into_iter().filter(wanted).collect();
    if found.is_empty() {
        bail!(
            "--rows {filter}: no row is called so; there are {}",
            names.join(", ")
        );
    }
    Ok(found)
}

fn case(cases: &[Value], name: &str) -> Result<Value> {
    let found = cases.iter().find(|case| case["name"] == name);
    found.cloned().context("a row of no case")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Peers {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Peers::try_parse_from([&["peers"], words].concat()).map(|peers| peers.args)
    }

    #[test]
    fn everything_is_measured_seven_times_unless_told_otherwise() {
        let args = parse(&[]).unwrap();
        assert_eq!(args.modes, MODES);
        assert_eq!((args.pairs, args.seconds), (7, 0.4));
        assert!(args.rows.is_none() && args.threads.is_none() && !args.table);
        let args = parse(&["--modes", "eager,compile", "--pairs", "9"]).unwrap();
        assert_eq!(args.modes, ["eager", "compile"]);
        assert_eq!(args.pairs, 9);
        for wrong in [
            ["--modes", "lazy"],
            ["--pairs", "0"],
            ["--seconds", "-1"],
            ["--seconds", "NaN"],
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn commands_are_those_one_would_type() {
        assert_eq!(
            build().to_string(),
            "cargo build --package benches --bin peers"
        );
        let ours = ours(2).to_string();
        assert!(ours.starts_with("RAYON_NUM_THREADS=2 "), "{ours}");
        let theirs = theirs("py".as_ref(), 2).to_string();
        assert!(theirs.starts_with("OMP_NUM_THREADS=2 "), "{theirs}");
        assert!(theirs.ends_with("serve.py --threads 2"), "{theirs}");
    }

    #[test]
    fn fewer_threads_than_cores_get_as_many_cores() {
        let command = || Command::new("peers", ["x"]).env("N", "1");
        assert_eq!(pinned(command(), 4, 4), command());
        assert_eq!(
            pinned(command(), 2, 4).to_string(),
            "N=1 taskset --cpu-list 0-1 peers x"
        );
    }

    fn rows() -> Vec<Row> {
        let cases = json!([
            {"name": "small", "batches": [["train", [1, 16]], ["evaluate", [1]]]},
            {"name": "large", "batches": [["train", [1]]]},
        ]);
        rows_of(cases.as_array().unwrap()).unwrap()
    }

    fn names(filter: Option<&str>) -> Vec<String> {
        let rows = matching(rows(), filter).unwrap();
        rows.iter().map(Row::name).collect()
    }

    #[test]
    fn rows_are_chosen_by_name_or_by_a_part_of_it() {
        let all = [
            "small/train/1",
            "small/train/16",
            "small/evaluate/1",
            "large/train/1",
        ];
        assert_eq!(names(None), all);
        assert_eq!(names(Some("train/1")), [all[0], all[1], all[3]]);
        assert_eq!(names(Some("small/train/1")), [all[0]]);
        let error = matching(rows(), Some("huge")).unwrap_err().to_string();
        assert!(
            error.contains("huge") && error.contains("large/train/1"),
            "{error}"
        );
    }

    #[test]
    fn cases_in_another_format_are_refused() {
        assert!(rows_of(&[json!({"name": "x", "batches": [["train", ["one"]]]})]).is_err());
    }
}
