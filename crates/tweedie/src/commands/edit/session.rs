//! A model that is ready to edit, and where what it makes goes.

use std::cell::RefCell;
use std::path::PathBuf;

use anyhow::Result;
use ndarray::{Array3, Array4, ArrayView3, Axis};
use runtime::Selected;
use score_net::Model;
use sde_core::{AffineSde, Process};
use solvers::GridSpec;
use solvers::editing::Projection;

use super::super::sample::{Format, ModelArgs, write_npy};
use super::method::MethodArgs;
use super::{DrawArgs, OutputArgs};
use crate::config::{AnySolver, ClassChoice, SamplingConfig};
use crate::editing::Editor;
use crate::failure::Fault;
use crate::pictures::{Cell, Edited, before_after};
use crate::runs::Chosen;
use crate::sampling::{Plan, Samples, default_batch};
use crate::terminal::{Progress, note, say};

/// A checkpoint of a model of images, opened.
pub struct Session {
    /// Where it lies.
    pub chosen: Chosen,
    /// The model.
    pub model: Model,
    /// Where it runs.
    pub selected: Selected,
    /// Its process.
    pub process: Process,
}

impl Session {
    /// Opens a checkpoint; `shape` below is that of its pictures.
    ///
    /// # Errors
    /// A model of points, of latents, or none that draws; or a process of positions and velocities.
    pub fn open(args: &ModelArgs) -> Result<Self> {
        let chosen = Chosen::open(args.run.as_deref(), args.checkpoint.as_deref())?;
        let manifest = chosen.checkpoint.manifest();
        let process = manifest.sde.build()?;
        process.affine()?;
        if let [channels, 1, 1] = manifest.model.shape {
            return Err(Fault::usage(format!(
                "{}: this model draws points of {channels} coordinates, and `edit` is for pictures",
                chosen.checkpoint.folder().display()
            ))
            .hint("name a run of pictures with --run")
            .into());
        }
        let of_latents = (chosen.run.as_ref()).is_some_and(|run| run.config.autoencoder.is_some());
        if of_latents {
            return Err(Fault::usage(format!(
                "{}: this model draws latents, and what is known of a picture is not known of those",
                chosen.checkpoint.folder().display()
            ))
            .hint("name a run whose model draws the pictures themselves with --run")
            .into());
        }
        let selected = runtime::select(args.backend)?;
        selected.check()?;
        let model = chosen.checkpoint.model(&selected.device)?;
        if model.is_classifier() {
            return Err(Fault::usage("this run is of a classifier, which draws no pictures")
                .hint("it guides another run: tweedie edit WHAT --run RUN --classifier THIS --class N")
                .into());
        }
        if model.network.as_autoencoder().is_some() {
            return Err(Fault::usage(
                "this run is of an autoencoder, which draws no pictures by itself",
            )
            .hint("name a run whose model draws pictures with --run")
            .into());
        }
        Ok(Self {
            model,
            selected,
            process,
            chosen,
        })
    }

    /// [channels, height, width].
    pub fn shape(&self) -> [usize; 3] {
        self.chosen.checkpoint.manifest().model.shape
    }

    /// The process; [`Session::open`] refuses any other.
    pub fn sde(&self) -> Result<&dyn AffineSde> {
        Ok(self.process.affine()?)
    }

    /// The run's settings, changed by `args`. A class is told only if it is asked for: what is in the picture
    /// says more of it than a turn through all classes would.
    pub fn config(&self, args: &DrawArgs) -> Result<SamplingConfig> {
        let run = self.chosen.run.as_ref();
        let configured = run.map_or_else(SamplingConfig::default, |run| run.config.sampling);
        let config = args.sampling.over(&configured)?;
        let class = args.sampling.guidance.class;
        Ok(SamplingConfig {
            count: args.count,
            class: class.unwrap_or(ClassChoice::None),
            guidance: config.guidance.filter(|_| class.is_some()),
            ..config
        })
    }

    /// What `work` makes with an editor by `config`.
    pub fn edit(
        &self,
        args: &DrawArgs,
        config: &SamplingConfig,
        work: impl FnOnce(&Editor<'_>) -> Result<Samples>,
    ) -> Result<Made> {
        let batch = args.sampling.batch;
        let batch = batch.unwrap_or_else(|| default_batch(self.shape()));
        let mut plan = Plan::new(config, &self.process, batch)?;
        let (guidance, device) = (&args.sampling.guidance, &self.selected.device);
        guidance.over(&mut plan.guidance, self.shape(), device)?;
        plan.guidance.check_space(None)?;
        for (class, _) in plan.groups(&self.model) {
            plan.guidance.check(&self.model, class)?;
        }
        let AnySolver::Positions(solver) = plan.solver else {
            // The plan checked it against the process.
            return Err(Fault::usage("this solver is for positions and velocities").into());
        };
        let solver = solver.build()?;
        let sde = self.sde()?;
        self.announce();
        let bar = RefCell::new(Progress::new("editing", 0, 0));
        let progress = |done, total| {
            let mut bar = bar.borrow_mut();
            bar.lengthen(total);
            bar.advance(done);
            bar.show("solver steps");
        };
        let samples = work(&Editor {
            model: &self.model,
            sde,
            solver: &*solver,
            plan: &plan,
            device,
            progress: &progress,
        })?;
        Ok(Made { plan, samples })
    }

    /// Says what edits.
    pub fn announce(&self) {
        let checkpoint = &self.chosen.checkpoint;
        let (folder, step) = (checkpoint.folder().display(), checkpoint.manifest().step);
        note(format!("editing with {folder} (step {step})"));
    }

    /// Samples of which `projection` knows what it knows of `picture`.
    pub fn hold(
        &self,
        args: &DrawArgs,
        method: &MethodArgs,
        projection: &dyn Projection,
        picture: &Array4<f32>,
    ) -> Result<Made> {
        let config = self.config(args)?;
        let hold = method.hold(config.solver, &self.model)?;
        self.edit(args, &config, |editor| {
            editor.hold(projection, picture, hold)
        })
    }

    /// The run's steps as they are before the process is known.
    pub fn spec(&self, config: &SamplingConfig) -> GridSpec {
        GridSpec::new(config.spacing(self.process.name()), config.steps())
            .ending_with(config.last_step)
    }

    /// Writes what was made, beside what it was made of, and says where.
    pub fn write(&self, output: &OutputArgs, name: &str, edited: &Edited<'_>) -> Result<()> {
        let extension = match output.format {
            Format::Png => "png",
            Format::Npy => "npy",
        };
        let out = output.out.clone().unwrap_or_else(|| {
            let name = format!("{name}.{extension}");
            match &self.chosen.run {
                Some(run) => run.folder.samples_path().join(name),
                None => PathBuf::from(name),
            }
        });
        match output.format {
            Format::Png => before_after(edited)?.save(&out)?,
            Format::Npy => write_npy(edited.made, &out)?,
        }
        say(out.display());
        Ok(())
    }

    /// Writes variants of a picture `subject`, which `what` made in the way `how`.
    pub fn write_variants(
        &self,
        output: &OutputArgs,
        (what, subject, how): (&str, &str, &str),
        before: Vec<Cell>,
        made: &Made,
    ) -> Result<()> {
        let Samples {
            values,
            nfe,
            seconds,
            ..
        } = &made.samples;
        let (solver, steps) = (made.plan.solver.info().name, made.plan.grid.steps());
        let count = made.plan.count;
        let pictures = if count == 1 { "picture" } else { "pictures" };
        say(format!(
            "{count} {pictures}{} by {solver} in {steps} steps, {how}, NFE {nfe}, {seconds:.1} s on {}",
            made.plan.steered(),
            self.selected
        ));
        let step = self.chosen.checkpoint.manifest().step;
        // No class is what `edit` tells unless it is asked to, and so not worth a word.
        let label = made.plan.label().replace("-class-none", "");
        let way: String = (how.chars())
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c => (c.is_ascii_alphanumeric() || c == '.' || c == '-').then_some(c),
            })
            .collect();
        let name = format!("{what}-{subject}-{way}-step-{step:08}-{label}-n{count}");
        let edited = Edited {
            title: &format!("{what}: {how}, {solver}, {steps} steps"),
            before,
            caption: "made of it",
            made: values,
            columns: count.min(COLUMNS),
            beyond: Vec::new(),
        };
        self.write(output, &name, &edited)
    }
}

/// The most variants in a row.
const COLUMNS: usize = 8;

/// What was made, and how.
pub struct Made {
    /// By which steps.
    pub plan: Plan,
    /// The pictures.
    pub samples: Samples,
}

/// The first of `pictures` as it is shown.
pub fn first(pictures: &Array4<f32>) -> Array3<f32> {
    pictures.index_axis(Axis(0), 0).to_owned()
}

/// What `projection` knows of a picture.
pub fn known_of(projection: &dyn Projection, picture: &Array4<f32>) -> Array3<f32> {
    let mut values: Vec<f64> = picture.iter().map(|&value| f64::from(value)).collect();
    projection.project(&mut values);
    let mut known = first(picture);
    for (known, value) in known.iter_mut().zip(values) {
        *known = value as f32;
    }
    known
}

/// A picture whose pixels that are not known are painted blue, `[3, H, W]`.
pub fn with_unknown_painted(image: ArrayView3<'_, f32>, known: &[bool]) -> Array3<f32> {
    /// As where plots have their first series.
    const PAINT: [u8; 3] = [31, 95, 168];
    let (channels, height, width) = image.dim();
    Array3::from_shape_fn((3, height, width), |(channel, row, column)| {
        match known[row * width + column] {
            true => image[[channel.min(channels - 1), row, column]],
            false => data::pixel_to_unit(PAINT[channel]),
        }
    })
}
