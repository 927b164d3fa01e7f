//! Reading and changing the parameters of a module.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{FloatDType, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Uniform numbers in [−1, 1).
pub struct Noise(ChaCha8Rng);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn data<const D: usize>(&mut self, shape: [usize; D]) -> TensorData {
        let values: Vec<f64> = (0..shape.iter().product())
            .map(|_| f64::from(self.0.next_u32()) / 2.0_f64.powi(31) - 1.0)
            .collect();
        TensorData::new(values, shape)
    }

    pub fn like<const D: usize>(&mut self, x: &Tensor<D>) -> Tensor<D> {
        Tensor::from_data(self.data(x.dims()), (&x.device(), x.dtype()))
    }
}

struct Mapper<F>(F);

/// A change of a parameter, whatever its rank.
pub trait Change {
    fn change<const D: usize>(&mut self, id: ParamId, value: Tensor<D>) -> Tensor<D>;
}

impl<F: Change> ModuleMapper for Mapper<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, value, mapper) = param.consume();
        let changed = self.0.change(id, value.without_autodiff());
        Param::from_mapped_value(id, changed, mapper)
    }
}

pub fn map<M: Module>(module: &M, change: impl Change) -> M {
    module.clone().map(&mut Mapper(change))
}

/// Adds noise to every parameter, so that none is zero by initialisation, and widens it to f64.
pub struct Stir(pub Noise);

impl Change for Stir {
    fn change<const D: usize>(&mut self, _: ParamId, value: Tensor<D>) -> Tensor<D> {
        let value = value.cast(FloatDType::F64);
        let noise = self.0.like(&value).mul_scalar(0.3);
        value.add(noise)
    }
}

/// Records gradients for every parameter.
pub struct Track;

impl Change for Track {
    fn change<const D: usize>(&mut self, _: ParamId, value: Tensor<D>) -> Tensor<D> {
        value.autodiff().require_grad()
    }
}

/// Visits every float parameter as a flat vector, with its path.
pub struct Parameters {
    path: Vec<String>,
    pub list: Vec<(String, ParamId, TensorData)>,
}

impl Parameters {
    pub fn of<M: Module>(module: &M) -> Vec<(String, ParamId, TensorData)> {
        let mut visitor = Self {
            path: Vec::new(),
            list: Vec::new(),
        };
        module.visit(&mut visitor);
        visitor.list
    }
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.val().without_autodiff().into_data();
        self.list.push((self.path.join("."), param.id, data));
    }
}
