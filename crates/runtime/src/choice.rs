//! Which adapter a wish leads to: a pure function of the wish, the environment and the machine.

use crate::backend::{Backend, UnknownBackend};
use crate::error::{Origin, RuntimeError};
use crate::hardware::Kind;

/// The variable by which CubeCL picks a wgpu adapter; obeyed here because CubeCL's own reading of it
/// panics.
pub(crate) const WGPU_VARIABLE: &str = "CUBECL_WGPU_DEFAULT_DEVICE";

/// What the choice needs to know of a machine and a build.
pub(crate) trait Machine {
    /// Whether the backend is compiled in.
    fn is_compiled(&self, backend: Backend) -> bool;
    /// The kinds of the adapters that the backend finds, in preference order.
    fn kinds(&self, backend: Backend) -> Vec<Kind>;
}

/// A backend, and the place of an adapter in [`Machine::kinds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) backend: Backend,
    pub(crate) index: usize,
}

/// The wish of a caller, or failing that of `variable`; an empty variable is no wish.
///
/// # Errors
///
/// [`RuntimeError::Variable`] where the variable names no backend.
pub(crate) fn wish(
    request: Option<Backend>,
    variable: &'static str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<(Backend, Origin)>, RuntimeError> {
    if let Some(backend) = request {
        return Ok(Some((backend, Origin::Caller)));
    }
    match environment(variable) {
        Some(value) if !value.trim().is_empty() => value
            .parse()
            .map(|backend| Some((backend, Origin::Variable(variable))))
            .map_err(|source: UnknownBackend| RuntimeError::Variable { variable, source }),
        _ => Ok(None),
    }
}

/// The adapters to try in turn. With a wish there is one; without, CUDA comes before a real wgpu GPU
/// and that before flex, and a software adapter is never among them.
///
/// # Errors
///
/// A wish that this build or this machine cannot meet, or a malformed [`WGPU_VARIABLE`].
pub(crate) fn candidates(
    wish: Option<(Backend, Origin)>,
    environment: &dyn Fn(&str) -> Option<String>,
    machine: &dyn Machine,
) -> Result<Vec<Candidate>, RuntimeError> {
    let Some((backend, origin)) = wish else {
        let mut found = Vec::new();
        for backend in [Backend::Cuda, Backend::Wgpu, Backend::Flex] {
            if machine.is_compiled(backend) {
                found.extend(
                    best(backend, environment, machine)?
                        .ok()
                        .filter(|candidate| {
                            machine.kinds(backend)[candidate.index] != Kind::Software
                        }),
                );
            }
        }
        return Ok(found);
    };
    if !machine.is_compiled(backend) {
        return Err(RuntimeError::NotCompiled {
            backend,
            origin,
            compiled: Backend::ALL
                .into_iter()
                .filter(|&backend| machine.is_compiled(backend))
                .collect(),
        });
    }
    match best(backend, environment, machine)? {
        Ok(candidate) => Ok(vec![candidate]),
        Err(tried) => Err(RuntimeError::NotPresent {
            backend,
            origin,
            tried,
        }),
    }
}

/// The best adapter of a backend; where there is none, what was looked for.
fn best(
    backend: Backend,
    environment: &dyn Fn(&str) -> Option<String>,
    machine: &dyn Machine,
) -> Result<Result<Candidate, String>, RuntimeError> {
    let kinds = machine.kinds(backend);
    let wanted = match (backend, environment(WGPU_VARIABLE)) {
        (Backend::Wgpu, Some(value)) => Some(read_wgpu_variable(&value)?),
        _ => None,
    };
    let index = match wanted {
        Some(kind) => kinds.iter().position(|&found| found == kind),
        None => (!kinds.is_empty()).then_some(0),
    };
    Ok(match (index, wanted) {
        (Some(index), _) => Ok(Candidate { backend, index }),
        (None, Some(kind)) => Err(format!(
            "{WGPU_VARIABLE} names the adapter {kind}, and this machine offers {}",
            match kinds.as_slice() {
                [] => "none at all".to_owned(),
                found => format!(
                    "only {} (name one that it offers, or unset the variable)",
                    found
                        .iter()
                        .map(Kind::to_string)
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            }
        )),
        (None, None) => Err(nothing_found(backend).to_owned()),
    })
}

fn nothing_found(backend: Backend) -> &'static str {
    match backend {
        Backend::Flex => "there is no CPU",
        Backend::Wgpu => "no Vulkan, Metal or DX12 driver offers an adapter",
        Backend::Cuda => "there is no CUDA driver, or it lists no device",
    }
}

/// The spelling that CubeCL reads: `Cpu`, or a kind with a number.
fn read_wgpu_variable(value: &str) -> Result<Kind, RuntimeError> {
    let numbered = |name: &str| -> Option<usize> {
        let number = value.strip_prefix(name)?.strip_prefix('(')?;
        number.strip_suffix(')')?.parse().ok()
    };
    if value == "Cpu" {
        return Ok(Kind::Software);
    }
    numbered("DiscreteGpu")
        .map(Kind::Discrete)
        .or_else(|| numbered("IntegratedGpu").map(Kind::Integrated))
        .or_else(|| numbered("VirtualGpu").map(Kind::Virtual))
        .or_else(|| numbered("Other").map(Kind::Other))
        .ok_or_else(|| RuntimeError::WgpuVariable {
            variable: WGPU_VARIABLE,
            value: value.to_owned(),
        })
}

impl std::fmt::Display for Kind {
    /// The spelling of [`WGPU_VARIABLE`].
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Host => f.write_str("Host"),
            Kind::Discrete(n) => write!(f, "DiscreteGpu({n})"),
            Kind::Integrated(n) => write!(f, "IntegratedGpu({n})"),
            Kind::Virtual(n) => write!(f, "VirtualGpu({n})"),
            Kind::Other(n) => write!(f, "Other({n})"),
            Kind::Software => f.write_str("Cpu"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with made-up hardware and a build with made-up features.
    #[derive(Default)]
    struct Made {
        wgpu: Option<Vec<Kind>>,
        cuda: Option<Vec<Kind>>,
    }

    impl Machine for Made {
        fn is_compiled(&self, backend: Backend) -> bool {
            match backend {
                Backend::Flex => true,
                Backend::Wgpu => self.wgpu.is_some(),
                Backend::Cuda => self.cuda.is_some(),
            }
        }

        fn kinds(&self, backend: Backend) -> Vec<Kind> {
            match backend {
                Backend::Flex => vec![Kind::Host],
                Backend::Wgpu => self.wgpu.clone().unwrap_or_default(),
                Backend::Cuda => self.cuda.clone().unwrap_or_default(),
            }
        }
    }

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn adapter(value: &'static str) -> impl Fn(&str) -> Option<String> {
        move |name| (name == WGPU_VARIABLE).then(|| value.to_owned())
    }

    fn order(machine: &Made) -> Vec<Backend> {
        candidates(None, &nothing, machine)
            .unwrap()
            .into_iter()
            .map(|candidate| candidate.backend)
            .collect()
    }

    fn asked(backend: Backend) -> Option<(Backend, Origin)> {
        Some((backend, Origin::Caller))
    }

    #[test]
    fn a_flag_goes_before_the_variable() {
        let environment = |_: &str| Some("cuda".to_owned());
        assert_eq!(
            wish(Some(Backend::Flex), "TWEEDIE_BACKEND", &environment),
            Ok(Some((Backend::Flex, Origin::Caller)))
        );
        assert_eq!(
            wish(None, "TWEEDIE_BACKEND", &environment),
            Ok(Some((Backend::Cuda, Origin::Variable("TWEEDIE_BACKEND"))))
        );
    }

    #[test]
    fn an_unset_or_empty_variable_is_no_wish() {
        assert_eq!(wish(None, "TWEEDIE_BACKEND", &nothing), Ok(None));
        let empty = |_: &str| Some("  ".to_owned());
        assert_eq!(wish(None, "TWEEDIE_BACKEND", &empty), Ok(None));
    }

    #[test]
    fn a_misspelt_variable_is_named_with_its_value_and_the_choices() {
        let environment = |name: &str| (name == "TWEEDIE_BACKEND").then(|| "gpu".to_owned());
        let error = wish(None, "TWEEDIE_BACKEND", &environment).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable TWEEDIE_BACKEND: `gpu` is no backend: write flex, wgpu or \
             cuda, or unset it"
        );
    }

    #[test]
    fn without_a_wish_the_best_device_that_is_there_wins() {
        let gpu = || Some(vec![Kind::Discrete(0)]);
        let all = Made {
            wgpu: gpu(),
            cuda: gpu(),
        };
        assert_eq!(order(&all), [Backend::Cuda, Backend::Wgpu, Backend::Flex]);
        let no_driver = Made {
            wgpu: gpu(),
            cuda: Some(vec![]),
        };
        assert_eq!(order(&no_driver), [Backend::Wgpu, Backend::Flex]);
        assert_eq!(order(&Made::default()), [Backend::Flex]);
    }

    #[test]
    fn a_software_adapter_is_taken_only_when_wgpu_is_asked_for() {
        let lavapipe = Made {
            wgpu: Some(vec![Kind::Software]),
            cuda: None,
        };
        assert_eq!(order(&lavapipe), [Backend::Flex]);
        assert_eq!(
            candidates(asked(Backend::Wgpu), &nothing, &lavapipe),
            Ok(vec![Candidate {
                backend: Backend::Wgpu,
                index: 0
            }])
        );
    }

    #[test]
    fn cubecls_variable_picks_the_adapter() {
        let machine = Made {
            wgpu: Some(vec![Kind::Discrete(0), Kind::Discrete(1), Kind::Software]),
            cuda: None,
        };
        let index = |value| {
            candidates(asked(Backend::Wgpu), &adapter(value), &machine).map(|found| found[0].index)
        };
        assert_eq!(index("DiscreteGpu(1)"), Ok(1));
        assert_eq!(index("Cpu"), Ok(2));
        assert_eq!(
            index("IntegratedGpu(0)").unwrap_err().to_string(),
            format!(
                "the backend `wgpu` was asked for, but CUBECL_WGPU_DEFAULT_DEVICE names the adapter \
                 IntegratedGpu(0), and this machine offers only DiscreteGpu(0), DiscreteGpu(1), Cpu \
                 (name one that it offers, or unset the variable). {}",
                crate::error::how_to_get(Backend::Wgpu)
            )
        );
        for malformed in ["gpu", "DiscreteGpu", "DiscreteGpu(x)", "DiscreteGpu(1", ""] {
            let error = index(malformed).unwrap_err().to_string();
            assert!(error.contains("write Cpu, DiscreteGpu(0)"), "{error}");
            assert!(error.contains(&format!("`{malformed}`")), "{error}");
        }
    }

    #[test]
    fn a_wish_for_a_backend_that_is_not_compiled_in_says_how_to_rebuild() {
        let error = candidates(
            Some((Backend::Cuda, Origin::Variable("TWEEDIE_BACKEND"))),
            &nothing,
            &Made {
                wgpu: Some(vec![]),
                cuda: None,
            },
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the backend `cuda` was asked for by the variable TWEEDIE_BACKEND, but this binary was \
             built without it (it has flex and wgpu). Rebuild with `--features cuda`, which `cargo \
             xtask train --backend cuda` does, or ask for flex or wgpu instead"
        );
    }

    #[test]
    fn a_wish_for_a_missing_device_says_what_was_tried_and_what_to_install() {
        let machine = Made {
            wgpu: Some(vec![]),
            cuda: Some(vec![]),
        };
        let message = |backend| {
            candidates(asked(backend), &nothing, &machine)
                .unwrap_err()
                .to_string()
        };
        let wgpu = message(Backend::Wgpu);
        assert!(wgpu.contains("no Vulkan, Metal or DX12 driver offers an adapter"));
        assert!(wgpu.contains("mesa-vulkan-drivers"), "{wgpu}");
        let cuda = message(Backend::Cuda);
        assert!(cuda.contains("there is no CUDA driver, or it lists no device"));
        assert!(cuda.contains("Install NVIDIA's driver"), "{cuda}");
        assert!(cuda.contains("--backend flex"), "{cuda}");
    }
}
