//! A network's numbers, and its optimiser's, as named tensors in safetensors files.
//!
//! Such a file is a table of names, types, shapes and places, and the numbers: nothing in it can be
//! run, and reading it takes the memory that the file takes on the disk.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, View};
use score_net::Network;

use crate::optimizer::Moment;

/// Tensors by name.
#[derive(Debug, Default)]
pub(crate) struct Tensors(Vec<(String, TensorData)>);

/// What is wrong with a file of tensors, in words.
pub(crate) type Fault = String;

impl Tensors {
    /// The values of a network, under the paths of its parameters.
    pub fn of(network: &Network) -> Self {
        struct Values(Vec<TensorData>);
        impl ModuleVisitor for Values {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.push(param.val().into_data());
            }
        }
        let mut values = Values(Vec::new());
        network.visit(&mut values);
        Self(paths(network).into_iter().zip(values.0).collect())
    }

    /// An optimiser's moments, in the order of the network's parameters: `first.PATH`, `second.PATH`,
    /// and `updates.PATH`, the number of gradients so far.
    pub fn of_moments(network: &Network, moments: Vec<Option<Moment>>) -> Self {
        let mut tensors = Vec::new();
        for (path, moment) in paths(network).into_iter().zip(moments) {
            let Some(moment) = moment else { continue };
            tensors.push((format!("first.{path}"), moment.first));
            tensors.push((format!("second.{path}"), moment.second));
            let updates = TensorData::new(vec![moment.updates as i64], [1]);
            tensors.push((format!("updates.{path}"), updates));
        }
        Self(tensors)
    }

    /// Writes them to a new file. The same tensors make the same bytes.
    pub fn write(self, path: &Path) -> std::io::Result<()> {
        let views = self
            .0
            .iter()
            .map(|(name, data)| (name.as_str(), Stored(data)));
        // One entry: the order of several would differ from process to process.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize_to_file(views, Some(metadata), path).map_err(|error| match error {
            safetensors::SafeTensorError::IoError(error) => error,
            error => std::io::Error::other(error),
        })
    }

    /// Reads a file of tensors.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let bytes = fs::read(path).map_err(|error| format!("it cannot be read ({error})"))?;
        Self::parse(&bytes)
    }

    /// Reads the bytes of a file of tensors.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| format!("it is no safetensors file ({error})"))?;
        let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            let dtype = dtype(view.dtype())
                .ok_or_else(|| format!("{name} has numbers of type {:?}", view.dtype()))?;
            let data =
                TensorData::try_from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype);
            Ok((name, data.map_err(|error| error.to_string())?))
        };
        let tensors: Result<Vec<_>, Fault> = file.tensors().into_iter().map(tensor).collect();
        tensors.map(Self)
    }

    /// `network` with these values. Every parameter must be there, in its shape, and nothing else.
    pub fn into_network(self, network: Network) -> Result<Network, Fault> {
        let mut filling = Filling {
            shelf: Shelf::new(self, &network),
            fault: None,
        };
        let network = network.map(&mut filling);
        filling.shelf.emptied(filling.fault)?;
        Ok(network)
    }

    /// The moments of an optimiser for `network`, in the order of its parameters.
    pub fn into_moments(self, network: &Network) -> Result<Vec<Option<Moment>>, Fault> {
        let mut taking = TakingMoments {
            shelf: Shelf::new(self, network),
            moments: Vec::new(),
            fault: None,
        };
        network.visit(&mut taking);
        taking.shelf.emptied(taking.fault)?;
        Ok(taking.moments)
    }
}

/// The paths of a network's parameters, such as `UNet.down.0.conv.weight`, in its own order.
pub(crate) fn paths(network: &Network) -> Vec<String> {
    #[derive(Default)]
    struct Paths {
        stack: Vec<String>,
        paths: Vec<String>,
    }
    impl ModuleVisitor for Paths {
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.paths.push(self.stack.join("."));
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.stack.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.stack.pop();
        }
    }
    let mut paths = Paths::default();
    network.visit(&mut paths);
    paths.paths
}

/// Tensors that are taken, parameter by parameter.
struct Shelf {
    tensors: HashMap<String, TensorData>,
    paths: std::vec::IntoIter<String>,
}

impl Shelf {
    fn new(tensors: Tensors, network: &Network) -> Self {
        Self {
            tensors: tensors.0.into_iter().collect(),
            paths: paths(network).into_iter(),
        }
    }

    /// The path of the next parameter.
    fn next(&mut self) -> Result<String, Fault> {
        self.paths
            .next()
            .ok_or_else(|| "it has too few tensors".to_owned())
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Fault> {
        let data = self.tensors.remove(name);
        let data = data.ok_or_else(|| format!("{name} is missing"))?;
        let found = data.shape().to_vec();
        if found != shape {
            return Err(format!("{name} has the shape {found:?}, not {shape:?}"));
        }
        Ok(data)
    }

    fn emptied(&self, fault: Option<Fault>) -> Result<(), Fault> {
        match (fault, self.tensors.keys().min()) {
            (Some(fault), _) => Err(fault),
            (None, Some(name)) => Err(format!("{name} belongs to no parameter of the network")),
            (None, None) => Ok(()),
        }
    }
}

struct Filling {
    shelf: Shelf,
    fault: Option<Fault>,
}

impl ModuleMapper for Filling {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = param.val();
        let name = self.shelf.next();
        match name.and_then(|name| self.shelf.take(&name, &value.dims())) {
            Ok(data) => param.map(|_| Tensor::from_data(data, (&value.device(), value.dtype()))),
            Err(fault) => {
                self.fault.get_or_insert(fault);
                param
            }
        }
    }
}

struct TakingMoments {
    shelf: Shelf,
    moments: Vec<Option<Moment>>,
    fault: Option<Fault>,
}

impl TakingMoments {
    fn moment(&mut self, shape: &[usize]) -> Result<Option<Moment>, Fault> {
        let path = self.shelf.next()?;
        let updates = format!("updates.{path}");
        if !self.shelf.tensors.contains_key(&updates) {
            return Ok(None);
        }
        let counted = self.shelf.take(&updates, &[1])?;
        let counted = counted.iter::<i64>().next().map(usize::try_from);
        let Some(Ok(counted)) = counted else {
            return Err(format!("{updates} is no count"));
        };
        Ok(Some(Moment {
            first: self.shelf.take(&format!("first.{path}"), shape)?,
            second: self.shelf.take(&format!("second.{path}"), shape)?,
            updates: counted,
        }))
    }
}

impl ModuleVisitor for TakingMoments {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match self.moment(&param.val().dims()) {
            Ok(moment) => self.moments.push(moment),
            Err(fault) => {
                self.fault.get_or_insert(fault);
            }
        }
    }
}

/// Tensor data as the file holds it.
struct Stored<'a>(&'a TensorData);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self.0.dtype() {
            DType::F64 => Dtype::F64,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
            DType::I64 => Dtype::I64,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }

    fn data_len(&self) -> usize {
        self.0.as_bytes().len()
    }
}

fn dtype(stored: Dtype) -> Option<DType> {
    Some(match stored {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        _ => return None,
    })
}
