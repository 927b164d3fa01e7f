//! From a file and its overrides to an experiment, or to a fault that names the key.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use burn::tensor::Tensor;
use data::Toy;
use score_net::{NetworkConfig, VarianceKind};
use sde_core::ProcessConfig;
use sde_core::damped::DampedLangevin;
use toml::{Table, Value};
use training::{Task, TimeSampler};

use super::diagnosis::{self, Finding};
use super::suggestion::{question, similar_keys, similar_name};
use super::{AnySolver, ClassChoice, DataConfig, ExperimentConfig, Override, SamplingConfig};
use crate::failure::Fault;

/// The text of a configuration and where it came from.
#[derive(Clone, Debug)]
pub struct Base {
    name: String,
    text: Cow<'static, str>,
}

impl Base {
    /// The configuration that comes with the program: MNIST.
    pub fn built_in() -> Self {
        Self {
            name: "configs/mnist.toml (built in)".to_owned(),
            text: include_str!("../../../../configs/mnist.toml").into(),
        }
    }

    /// An experiment of which nothing matters but its section `data`.
    pub fn data(section: &Table) -> Self {
        let text = format!(
            "name = 'data'\n[network]\nkind = 'mlp'\n[data]\n{}",
            toml::to_string(section).unwrap_or_default()
        );
        Self {
            name: "the data set".to_owned(),
            text: text.into(),
        }
    }

    /// A file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn file(path: &Path) -> Result<Self, Fault> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            Fault::usage(format!("{name}: the configuration cannot be read: {error}")).hint(
                "--config names a TOML file; without it the built-in MNIST experiment is used",
            )
        })?;
        Ok(Self {
            name,
            text: text.into(),
        })
    }

    /// The experiment with `overrides`, later ones winning.
    ///
    /// # Errors
    /// What is not TOML, a key that is unknown or missing, a value of the wrong type or out of range.
    pub fn load(&self, overrides: &[Override]) -> Result<ExperimentConfig, Fault> {
        let mut table: Table = toml::from_str(&self.text).map_err(|error| {
            Fault::usage(format!(
                "{}: not TOML: {}",
                self.name,
                error.to_string().trim_end()
            ))
        })?;
        expand_names(&mut table);
        for set in overrides {
            fill_in_default(&mut table, &set.key());
            set.apply(&mut table).map_err(|section| {
                Fault::usage(format!(
                    "--set {}: `{section}` is a value, not a section with keys of its own",
                    set.text()
                ))
            })?;
            expand_names(&mut table);
        }
        choose_solver(&mut table);
        let config: ExperimentConfig =
            diagnosis::read(&table).map_err(|finding| self.fault(finding, overrides))?;
        validate(&config).map_err(|fault| self.out_of_range(&fault, overrides))?;
        Ok(config)
    }

    /// Who said `key`: an override, or the file.
    fn origin(&self, key: &str, overrides: &[Override]) -> String {
        let covers = |set: &&Override| {
            let other = set.key();
            let within =
                |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('.'));
            other == key || within(&other, key) || within(key, &other)
        };
        match overrides.iter().rev().find(covers) {
            Some(set) => format!("--set {}", set.text()),
            None => self.name.clone(),
        }
    }

    fn fault(&self, finding: Finding, overrides: &[Override]) -> Fault {
        match finding {
            Finding::UnknownKey { key, known } => {
                let from = self.origin(&key, overrides);
                let fault = Fault::usage(format!("{from}: there is no key `{key}`"));
                let hint = question(&similar_keys(&key, &known)).or_else(|| siblings(&key, &known));
                hint.into_iter().fold(fault, Fault::hint)
            }
            Finding::UnknownName { key, name, known } => {
                let from = self.origin(&key, overrides);
                let fault = Fault::usage(format!(
                    "{from}: `{key}` cannot be `{name}`: it is one of {}",
                    known.join(", ")
                ));
                let meant: Vec<String> = similar_name(&name, &known).into_iter().collect();
                question(&meant).into_iter().fold(fault, Fault::hint)
            }
            Finding::WrongValue { key, value, wanted } => Fault::usage(format!(
                "{}: `{key}` cannot be {value}: it has to be {wanted}",
                self.origin(&key, overrides)
            )),
            Finding::Missing { key } => {
                let fault = Fault::usage(format!("{}: `{key}` is missing", self.name));
                match key.as_str() {
                    "data" => fault.hint("add a section [data] with kind = \"mnist\" or \"toy\""),
                    "network" => fault
                        .hint("add a section [network] with kind = \"unet\", \"dit\" or \"mlp\""),
                    "data.name" => fault.hint(format!(
                        "the toys are {}",
                        Toy::ALL.map(Toy::name).join(", ")
                    )),
                    "name" => fault.hint("add name = \"…\" at the top; it names the run's folder"),
                    _ => fault,
                }
            }
            Finding::Other(message) => Fault::usage(format!("{}: {message}", self.name)),
        }
    }

    fn out_of_range(&self, fault: &str, overrides: &[Override]) -> Fault {
        // Messages begin with the key, or name its last part.
        let by_set = overrides.iter().rev().find(|set| {
            let key = set.key();
            let last = key.rsplit('.').next().unwrap_or(&key);
            fault.starts_with(&key) || fault.contains(&format!(" {last} ="))
        });
        let from = by_set.map_or_else(|| self.name.clone(), |set| format!("--set {}", set.text()));
        Fault::usage(format!("{from}: {fault}"))
    }
}

/// The keys beside an unknown one.
fn siblings(key: &str, known: &[String]) -> Option<String> {
    let (section, place) = match key.rsplit_once('.') {
        Some((section, _)) => (format!("{section}."), format!("in [{section}]")),
        None => (String::new(), "at the top".to_owned()),
    };
    let beside: Vec<&str> = known
        .iter()
        .filter_map(|known| known.strip_prefix(&section))
        .filter(|name| !name.contains('.'))
        .collect();
    (!beside.is_empty()).then(|| format!("{place} there are {}", beside.join(", ")))
}

/// `solver = "heun"` is short for a section with that name, and so is `grid`.
fn expand_names(table: &mut Table) {
    let Some(Value::Table(sampling)) = table.get_mut("sampling") else {
        return;
    };
    for key in ["solver", "grid"] {
        if let Some(value @ Value::String(_)) = sampling.get_mut(key) {
            let named = Table::from_iter([("name".to_owned(), value.clone())]);
            *value = Value::Table(named);
        }
    }
}

/// Writes out the solver of a process with velocities, if none is named: the default of `sampling` is one of
/// positions alone.
fn choose_solver(table: &mut Table) {
    let kind = table.get("sde").and_then(|sde| sde.get("kind"));
    if kind.and_then(Value::as_str) != Some(DampedLangevin::NAME) {
        return;
    }
    let sampling = table
        .entry("sampling")
        .or_insert_with(|| Value::Table(Table::new()));
    if let (Value::Table(sampling), Ok(solver)) =
        (sampling, Value::try_from(AnySolver::for_pairs()))
    {
        sampling.entry("solver").or_insert(solver);
    }
}

/// Writes out the default of a section that is not there, if `key` lies in it and the section's other
/// keys depend on its kind.
fn fill_in_default(table: &mut Table, key: &str) {
    let (section, default) = if key.starts_with("sde.") {
        ("sde", Value::try_from(ProcessConfig::default()))
    } else if key.starts_with("sampling.solver.") {
        (
            "sampling.solver",
            Value::try_from(SamplingConfig::default().solver),
        )
    } else if key.starts_with("training.objective.time.") {
        (
            "training.objective.time",
            Value::try_from(TimeSampler::default()),
        )
    } else {
        return;
    };
    let (last, outer) = section
        .rsplit_once('.')
        .map_or((section, ""), |(outer, last)| (last, outer));
    let mut place = table;
    for name in outer.split('.').filter(|name| !name.is_empty()) {
        let inner = place
            .entry(name)
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = inner else {
            return;
        };
        place = inner;
    }
    if let Ok(default) = default {
        place.entry(last).or_insert(default);
    }
}

/// What the types cannot say.
fn validate(config: &ExperimentConfig) -> Result<(), String> {
    let name = &config.name;
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
        return Err(format!(
            "name = \"{name}\" is not possible: it names a folder below runs/, so it has no slash \
             and no dot in front"
        ));
    }
    if let DataConfig::Toy { count: 0, .. } = config.data {
        return Err("data.count = 0 is not possible: it must be at least 1".to_owned());
    }
    let text = |error: &dyn std::error::Error| error.to_string();
    if let Some(first) = config.first_stage() {
        validate(&first).map_err(|fault| format!("autoencoder.{fault}"))?;
        if matches!(config.network, NetworkConfig::Classifier(_)) {
            return Err(
                "network.kind = classifier is not possible beside a section [autoencoder]: it is tested on images, \
                 and would learn latents"
                    .to_owned(),
            );
        }
        if matches!(config.network, NetworkConfig::Autoencoder(_)) {
            return Err(
                "network.kind = autoencoder is not possible beside a section [autoencoder]: the network learns \
                 the latents of the one there"
                    .to_owned(),
            );
        }
    }
    config.training.validate().map_err(|e| text(&e))?;
    config.network.validate().map_err(|e| text(&e))?;
    config
        .preconditioning
        .build()
        .map_err(|e| format!("preconditioning: {e}"))?;
    let process = config.sde.build().map_err(|e| text(&e))?;
    // The shape, which is the data's, makes no objective impossible.
    let model = config.model([1, 1, 1]);
    Task::new(config.training.objective, config.sde, &model).map_err(|e| text(&e))?;
    let sampling = &config.sampling;
    let has_variance = config.preconditioning.variance == VarianceKind::Learned;
    if sampling.solver.takes_learned_variance() && !has_variance {
        return Err(
            "sampling.solver.variance = learned is not possible: this model learns none; \
             preconditioning.variance = \"learned\" makes it"
                .to_owned(),
        );
    }
    if let ClassChoice::One(class) = sampling.class
        && class >= config.model.classes
    {
        return Err(format!(
            "sampling.class = {class} is not possible: model.classes = {}",
            config.model.classes
        ));
    }
    if let Some(guidance) = sampling.guidance {
        guidance.validated().map_err(|e| format!("sampling: {e}"))?;
        if config.model.classes == 0 || sampling.class == ClassChoice::None {
            return Err(
                "sampling.guidance is not possible without a class: set model.classes, and sampling.class other \
                 than none"
                    .to_owned(),
            );
        }
    }
    if sampling.count == 0 {
        return Err("sampling.count = 0 is not possible: it must be at least 1".to_owned());
    }
    if sampling.steps == Some(0) {
        return Err("sampling.steps = 0 is not possible: it must be at least 1".to_owned());
    }
    sampling
        .solver
        .check(&process)
        .map_err(|e| format!("sampling: {e}"))?;
    if let AnySolver::Positions(solver) = sampling.solver {
        solver
            .build::<Tensor<4>>()
            .map_err(|e| format!("sampling: {e}"))?;
    }
    sampling
        .grid_of(&process)
        .map_err(|e| format!("sampling: {e}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sde_core::SdeConfig;
    use solvers::SolverConfig;

    use super::*;

    fn load(text: &'static str, sets: &[&str]) -> Result<ExperimentConfig, Fault> {
        let base = Base {
            name: "test.toml".to_owned(),
            text: text.into(),
        };
        let sets: Vec<Override> = sets.iter().map(|set| set.parse().unwrap()).collect();
        base.load(&sets)
    }

    const SMALL: &str = "name = 'x'\n[data]\nkind = 'mnist'\n[network]\nkind = 'unet'";

    #[test]
    fn the_built_in_experiment_loads_and_overrides_win() {
        let plain = Base::built_in().load(&[]).unwrap();
        let set = [
            "training.steps=7".parse().unwrap(),
            "training.steps=8".parse().unwrap(),
        ];
        let changed = Base::built_in().load(&set).unwrap();
        assert_eq!(plain.name, "mnist");
        assert_eq!(changed.training.steps, 8);
        assert_eq!(changed.network, plain.network);
    }

    #[test]
    fn an_experiment_in_latents_has_a_first_stage_of_its_own() {
        let config = load(include_str!("../../../../configs/mnist-latent.toml"), &[]).unwrap();
        let first = config.first_stage().unwrap();
        assert_eq!(first.name, "mnist-latent-autoencoder");
        let NetworkConfig::Autoencoder(network) = &first.network else {
            panic!("{:?}", first.network);
        };
        let latents = network.latent_shape([1, 28, 28]).unwrap();
        assert_eq!(latents, [4, 7, 7]);
        config.model(latents).describe().unwrap();
        let beside =
            "name = 'x'\n[data]\nkind = 'mnist'\n[network]\nkind = 'autoencoder'\n[autoencoder]";
        let fault = load(beside, &[]).unwrap_err().to_string();
        assert!(
            fault.contains("network.kind = autoencoder is not possible beside"),
            "{fault}"
        );
    }

    #[test]
    fn a_solver_can_be_named_alone_or_with_its_parameters() {
        let solver = |sets: &[&str]| load(SMALL, sets).unwrap().sampling.solver;
        let heun = AnySolver::Positions(SolverConfig::Heun {});
        assert_eq!(solver(&["sampling.solver=heun"]), heun);
        let churn = |solver| match solver {
            AnySolver::Positions(SolverConfig::Edm(edm)) => edm.s_churn,
            other => panic!("{other:?}"),
        };
        assert_eq!(churn(solver(&["sampling.solver.s_churn=40"])), 40.0);
        assert_eq!(
            churn(solver(&[
                "sampling.solver=edm",
                "sampling.solver.s_churn=4"
            ])),
            4.0
        );
        let grid = load(SMALL, &["sampling.grid=karras", "sampling.grid.rho=5"]).unwrap();
        assert_eq!(
            grid.sampling.spacing("vp"),
            solvers::GridConfig::Karras { rho: 5.0 }
        );
    }

    #[test]
    fn a_value_of_a_section_that_the_file_leaves_out_can_be_set() {
        let sde = load(SMALL, &["sde.beta_max=15"]).unwrap().sde;
        let ProcessConfig::Affine(SdeConfig::Vp(vp)) = sde else {
            panic!("{sde:?}");
        };
        assert_eq!((vp.beta_min, vp.beta_max), (0.1, 15.0));
        assert_eq!(
            load(SMALL, &["sde.kind=edm"])
                .unwrap()
                .sde
                .build()
                .unwrap()
                .name(),
            "edm"
        );
    }

    #[test]
    fn faults_name_their_origin() {
        let text = |sets: &[&str]| load(SMALL, sets).unwrap_err().to_string();
        assert!(text(&["training.stesp=3"]).starts_with("--set training.stesp=3: "));
        assert!(text(&["training.steps=0"]).starts_with("--set training.steps=0: "));
        let missing = load("name = 'x'\n[data]\nkind = 'toy'", &[])
            .unwrap_err()
            .to_string();
        assert_eq!(missing, "test.toml: `data.name` is missing");
        let section = text(&["name.first=3"]);
        assert!(section.contains("`name` is a value"), "{section}");
    }
}
