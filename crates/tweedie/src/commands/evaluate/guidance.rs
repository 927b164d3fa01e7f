//! `tweedie evaluate guidance`: samples class by class, against how much they are guided.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ndarray::Axis;
use serde_json::json;

use super::super::sample::{ModelArgs, SamplingArgs, at_least};
use super::digits::Digits;
use crate::config::{ClassChoice, DataConfig};
use crate::failure::Fault;
use crate::files::write_whole;
use crate::guidance::GuidanceArgs;
use crate::pictures::{
    BLUE, Curve, CurvePanel, CurvePlot, INK, Look, ORANGE, Stroke, TitledRow, curve_plot,
    titled_rows,
};
use crate::runs::Chosen;
use crate::sampling::{Plan, default_batch, generate};
use crate::terminal::{Progress, say};

/// Arguments of `evaluate guidance`.
#[derive(Debug, Args)]
#[command(after_help = "\
Samples of every class are judged by a classifier that was trained apart, on MNIST's labels, and never saw a \
sample: how many it takes for the digit that was asked for, and the Fréchet distance, squared, in its features \
to the test set. One seed gives every scale the same noise.

Writes a plot (guidance.png), a picture of the first sample of each class at each scale (samples.png), and all \
figures (guidance.json).

Examples:
  tweedie evaluate guidance --run runs/mnist-classes
  tweedie evaluate guidance --scales 0,1,2,4 --guidance-interval 0.3,5
  tweedie evaluate guidance --run runs/mnist --classifier runs/mnist-classifier --scales -1,0,1,2,5")]
pub struct GuidanceSweepArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// How much is guided, separated by commas [default: -1,0,1,2,3,4,5]
    #[arg(
        long,
        value_name = "W",
        value_delimiter = ',',
        allow_hyphen_values = true,
        help_heading = "Guidance",
        conflicts_with = "guidance"
    )]
    pub scales: Vec<f64>,
    /// Number of samples at each scale, of all classes together, 20 or more
    #[arg(
        long, value_name = "N", default_value = "500", value_parser = at_least(20),
        help_heading = "Sampling"
    )]
    pub samples: usize,
    /// The folder of results [default: made of the settings, in the run's folder evaluations/]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

/// The scales that are tried if nobody says.
const SCALES: [f64; 7] = [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

/// What was found at one scale.
struct Found {
    scale: f64,
    nfe: usize,
    distance: f64,
    /// Of each digit, and of all.
    of_class: [Option<f64>; 10],
    right: f64,
}

/// Samples at each scale, judges, and writes the results.
pub fn run(args: &GuidanceSweepArgs) -> Result<()> {
    let chosen = Chosen::open(args.model.run.as_deref(), args.model.checkpoint.as_deref())?;
    let path = match chosen.run.as_ref().map(|run| &run.config.data) {
        Some(DataConfig::Mnist {
            path,
            colours: false,
            ..
        }) => path.clone(),
        _ => {
            let fault = "there is a judge of classes for MNIST's digits alone";
            return Err(Fault::usage(fault)
                .hint("name a run of digits with --run")
                .into());
        }
    };
    let scales = match (&args.scales[..], args.sampling.guidance.guidance) {
        ([], Some(scale)) => vec![scale],
        ([], None) => SCALES.to_vec(),
        (scales, _) => scales.to_vec(),
    };
    if let Some(scale) = scales.iter().find(|scale| !scale.is_finite()) {
        return Err(Fault::usage(format!("--scales {scale}: a scale is a finite number")).into());
    }
    let selected = runtime::select(args.model.backend)?;
    selected.check()?;
    let device = &selected.device;
    let manifest = chosen.checkpoint.manifest();
    let process = manifest.sde.build()?;
    let (model, shape) = (chosen.checkpoint.model(device)?, manifest.model.shape);
    let configured = chosen
        .run
        .as_ref()
        .map(|run| run.config.sampling)
        .unwrap_or_default();
    let mut config = args.sampling.over(&configured)?;
    config.count = args.samples;
    let batch = args.sampling.batch.unwrap_or_else(|| default_batch(shape));
    let mut plan = Plan::new(&config, &process, batch)?;
    plan.latents = chosen.latents(device)?;
    if plan.class == ClassChoice::None {
        return Err(
            Fault::usage("--class none: without a class there is nothing to guide to").into(),
        );
    }
    let asked = GuidanceArgs {
        guidance: Some(1.0),
        ..args.sampling.guidance.clone()
    };
    // What cannot be should not be told after a judge was trained.
    asked.over(&mut plan.guidance, shape, device)?;
    for (class, _) in plan.groups(&model) {
        plan.guidance.check(&model, class)?;
    }
    let digits = Digits::new(&path, device)?;
    let (test, of_test) = digits.accuracy_on_test()?;
    let real = digits.real_distance(args.samples)?;

    let mut bar = Progress::new("guidance", scales.len() as u64, 0);
    let (mut found, mut rows) = (Vec::new(), Vec::new());
    for (done, &scale) in (1..).zip(&scales) {
        bar.show(&format!("scale {scale}"));
        plan.guidance.rescale(scale)?;
        let samples = generate(&model, &process, shape, &plan, device, None, &mut |_, _| {})?;
        let classes = samples.classes().unwrap_or_default();
        let (distance, of_class) = digits.judged_by_class(&samples.values, &classes)?;
        let counts = |digit: usize| classes.iter().filter(|&&class| class == digit).count() as f64;
        let hits = of_class
            .iter()
            .enumerate()
            .map(|(digit, share)| share.unwrap_or(0.0) * counts(digit));
        found.push(Found {
            scale,
            nfe: samples.nfe,
            distance,
            of_class,
            right: hits.sum::<f64>() / classes.len().max(1) as f64,
        });
        let firsts: Vec<usize> = samples
            .groups
            .iter()
            .map(|(_, range)| range.start)
            .collect();
        rows.push(TitledRow {
            name: format!("{scale}"),
            images: samples.values.select(Axis(0), &firsts),
        });
        bar.advance(done);
    }
    drop(bar);

    let name = chosen.run.as_ref().map_or("model", |run| &run.config.name);
    let how = match (
        &args.sampling.guidance.classifier,
        &args.sampling.guidance.autoguide,
    ) {
        (Some(_), _) => "classifier guidance",
        (_, Some(_)) => "autoguidance",
        _ => "classifier-free guidance",
    };
    let title = format!("{name}: {how}, {} samples at each scale", args.samples);
    say(format!("{title}\n"));
    say(table(&found, test, &of_test, real));
    let folder = args.out.clone().unwrap_or_else(|| {
        let label = how.replace(' ', "-");
        let (step, count) = (manifest.step, args.samples);
        let (solver, steps) = (plan.solver.info().name, plan.grid.steps());
        let name = format!(
            "{label}-step-{step:08}-{solver}-{steps}-seed{}-n{count}",
            plan.seed
        );
        let root = chosen
            .run
            .as_ref()
            .map(|run| run.folder.root().join("evaluations"));
        root.unwrap_or_default().join(name)
    });
    let plotted = folder.join("guidance.png");
    curve_plot(&plot(&title, &found, test, real))?.save(&plotted)?;
    let columns: Vec<String> = (plan.groups(&model).iter())
        .map(|(class, _)| class.map_or_else(String::new, |class| class.to_string()))
        .collect();
    let shown = folder.join("samples.png");
    titled_rows(&format!("{name}: {how}, by scale"), &columns, &rows)?.save(&shown)?;
    let scales: Vec<_> = (found.iter())
        .map(|found| {
            json!({
                "scale": found.scale,
                "nfe": found.nfe,
                "frechet_squared": found.distance,
                "of_class": found.right,
                "of_each_class": found.of_class,
            })
        })
        .collect();
    let record = json!({
        "run": name,
        "step": manifest.step,
        "guidance": how,
        "solver": plan.solver.info().name,
        "steps": plan.grid.steps(),
        "seed": plan.seed,
        "samples": args.samples,
        "class": plan.class.to_string(),
        "rule_at_the_last_scale": plan.guidance.json(),
        "judge_accuracy_on_test": test,
        "judge_accuracy_on_test_of_each_class": of_test,
        "frechet_squared_of_training_images": real,
        "scales": scales,
    });
    let text = format!("{}\n", serde_json::to_string_pretty(&record)?);
    write_whole(&folder.join("guidance.json"), text.as_bytes())?;
    say(format!("\n{}\n{}", plotted.display(), shown.display()));
    Ok(())
}

/// A line a scale.
fn table(found: &[Found], test: f64, of_test: &[Option<f64>; 10], real: f64) -> String {
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "  -  ".into(), |share| format!("{:5.1}", 100.0 * share))
    };
    let each = |shares: &[Option<f64>; 10]| shares.map(percent).join(" ");
    let mut text = format!(
        "scale    NFE   Fréchet²   taken for the digit asked for, %\n{:26}{:>5} {}\n",
        "",
        "all",
        (0..10)
            .map(|digit| format!("{digit:>5}"))
            .collect::<Vec<_>>()
            .join(" ")
    );
    let mut line =
        |name: &str, nfe: &str, distance: f64, right: f64, shares: &[Option<f64>; 10]| {
            let (right, each) = (percent(Some(right)), each(shares));
            writeln!(text, "{name:<8} {nfe:<5} {distance:8.2}   {right} {each}")
                .expect("a string takes any text");
        };
    for found in found {
        let (scale, nfe) = (found.scale.to_string(), found.nfe.to_string());
        line(&scale, &nfe, found.distance, found.right, &found.of_class);
    }
    line("real", "", real, test, of_test);
    text.push_str(
        "\nreal: the Fréchet distance of training images, and what the judge takes test images for",
    );
    text
}

fn plot(title: &str, found: &[Found], test: f64, real: f64) -> CurvePlot {
    let ends = || {
        let scales = found.iter().map(|found| found.scale);
        let low = scales.clone().fold(f64::INFINITY, f64::min);
        [low, scales.fold(f64::NEG_INFINITY, f64::max)]
    };
    let panel = |y_name: &str, floor: f64, value: &dyn Fn(&Found) -> f64| CurvePanel {
        x_name: "scale ω".into(),
        y_name: y_name.into(),
        log: (false, false),
        curves: vec![
            Curve {
                legend: 1,
                points: ends().map(|scale| (scale, floor)).to_vec(),
            },
            Curve {
                legend: 0,
                points: found
                    .iter()
                    .map(|found| (found.scale, value(found)))
                    .collect(),
            },
            Curve {
                legend: 2,
                points: found
                    .iter()
                    .map(|found| (found.scale, value(found)))
                    .collect(),
            },
        ],
    };
    CurvePlot {
        title: title.into(),
        legend: vec![
            ("samples".into(), Look::new(BLUE, Stroke::Solid)),
            ("real digits".into(), Look::new(ORANGE, Stroke::Dashed)),
            ("as measured".into(), Look::new(INK, Stroke::Dots)),
        ],
        panels: vec![
            panel("Fréchet distance, squared", real, &|found| found.distance),
            panel("taken for the digit asked for", test, &|found| found.right),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_a_scale_and_one_of_real_digits() {
        let found = Found {
            scale: -1.0,
            nfe: 126,
            distance: 12.346,
            of_class: [Some(0.5); 10],
            right: 0.5,
        };
        let mut of_test = [Some(0.99); 10];
        of_test[3] = None;
        let text = table(&[found], 0.991, &of_test, 2.5);
        let lines: Vec<&str> = text.lines().collect();
        let words = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>();
        assert_eq!(words(2)[..5], ["-1", "126", "12.35", "50.0", "50.0"]);
        assert_eq!(words(3)[..4], ["real", "2.50", "99.1", "99.0"]);
        // Columns end under their heads.
        assert_eq!(lines[2].chars().count(), lines[1].chars().count());
        assert!(lines[3].contains("  -  "));
    }
}
