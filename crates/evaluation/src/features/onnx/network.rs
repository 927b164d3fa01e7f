//! The network: loaded, asked what it takes and gives, and run.

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView4, Axis};
use rten::{Dimension, Model, ModelOptions, NodeId};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensorView, Tensor};

use super::input::{ImageShape, InputConvention};
use super::{OnnxError, wire};
use crate::features::{FeatureNetwork, STAGE};
use crate::progress::{Observer, Stage};
use crate::{EvaluationError, samples};

/// The most images that are given to a network at a time.
const BATCH: usize = 64;
/// The most values that are, where images are large.
const BATCH_VALUES: usize = 1 << 22;
/// The most values of a batch whose size the network fixes.
const LARGEST_BATCH: usize = 1 << 28;

/// A network in an ONNX file that makes features of images.
pub struct OnnxFeatures {
    path: PathBuf,
    name: String,
    model: Model,
    convention: InputConvention,
    input: NodeId,
    output: NodeId,
    /// What the network says it takes: N, C, H, W where they are fixed.
    takes: [Option<usize>; 4],
}

impl OnnxFeatures {
    /// Loads a network from a file, to be given images by `convention`. Weights that the file says lie in
    /// another one are looked for beside it.
    ///
    /// A damaged file is an error. But a network is a program: one made to use all memory, or to compute
    /// for ever, will. Load those of people you trust.
    ///
    /// # Errors
    /// A file that cannot be read or is no network, operators that the runtime does not know (it names
    /// them), other inputs than one batch of images, an output that does not exist, or a convention that
    /// cannot be followed.
    pub fn load(path: &Path, convention: InputConvention) -> Result<Self, EvaluationError> {
        convention.check()?;
        let bytes = std::fs::read(path).map_err(|source| OnnxError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let not_a_network = |fault| OnnxError::NotANetwork {
            path: path.to_owned(),
            fault,
        };
        wire::check(&bytes).map_err(not_a_network)?;
        drop(bytes);
        let model = ModelOptions::with_all_ops()
            .load_file(path)
            .map_err(|error| not_a_network(error.to_string()))?;
        let input = |fault| OnnxError::Input {
            path: path.to_owned(),
            fault,
        };
        let output = |fault| OnnxError::Output {
            path: path.to_owned(),
            fault,
        };
        Ok(Self {
            path: path.to_owned(),
            name: path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            takes: takes(&model).map_err(input)?,
            input: model.input_ids()[0],
            output: chosen_output(&model, convention.output.as_deref()).map_err(output)?,
            model,
            convention,
        })
    }

    /// How images are given to it.
    #[must_use]
    pub fn convention(&self) -> &InputConvention {
        &self.convention
    }

    /// What the network sees of images `[C, H, W]`.
    fn shape_for(&self, found: [usize; 3]) -> Result<ImageShape, OnnxError> {
        let refused = |fault: String| Err(OnnxError::Images { found, fault });
        let [channels, height, width] = found;
        if channels != 1 && channels != 3 || height == 0 || width == 0 {
            return refused("they must have 1 or 3 channels and some pixels".to_owned());
        }
        let [_, takes_channels, takes_height, takes_width] = self.takes;
        let wanted = takes_channels
            .or(self.convention.range.channels())
            .unwrap_or(channels);
        if channels == 3 && wanted == 1 {
            return refused("it takes grey ones: convert them".to_owned());
        }
        if let Some(of_range) = self.convention.range.channels()
            && of_range != wanted
        {
            return refused(format!(
                "the range of pixels is one of {of_range} channels, and it takes {wanted}"
            ));
        }
        let size = self.convention.size;
        for (axis, asked, taken) in [
            ("height", size.map(|size| size[0]), takes_height),
            ("width", size.map(|size| size[1]), takes_width),
        ] {
            if let (Some(asked), Some(taken)) = (asked, taken)
                && asked != taken
            {
                return refused(format!(
                    "size sets the {axis} to {asked}, and it takes {taken}"
                ));
            }
        }
        Ok(ImageShape {
            channels: wanted,
            height: takes_height.or(size.map(|size| size[0])).unwrap_or(height),
            width: takes_width.or(size.map(|size| size[1])).unwrap_or(width),
        })
    }

    /// The features of one batch, `[N, D]` row by row, and D.
    fn run(&self, values: &[f32], shape: [usize; 4]) -> Result<(Vec<f32>, usize), OnnxError> {
        let failed = |fault| OnnxError::Failed {
            path: self.path.clone(),
            shape,
            fault,
        };
        let images = NdTensorView::from_data(shape, values);
        let mut found = self
            .model
            .run(vec![(self.input, images.into())], &[self.output], None)
            .map_err(|error| failed(error.to_string()))?;
        let output = |fault| OnnxError::Output {
            path: self.path.clone(),
            fault,
        };
        let features: Tensor<f32> = found
            .pop()
            .ok_or_else(|| output("it gives nothing".to_owned()))?
            .try_into()
            .map_err(|_| output("its output is not f32".to_owned()))?;
        match *features.shape() {
            [n, dimension] | [n, dimension, 1, 1] if n == shape[0] && dimension > 0 => {
                Ok((features.to_vec(), dimension))
            }
            ref other => Err(output(format!(
                "for {} images its output has shape {other:?}",
                shape[0]
            ))),
        }
    }
}

impl FeatureNetwork for OnnxFeatures {
    fn name(&self) -> &str {
        &self.name
    }

    fn features(
        &self,
        images: ArrayView4<'_, f32>,
        observe: &mut Observer<'_>,
    ) -> Result<Array2<f64>, EvaluationError> {
        let (total, channels, height, width) = images.dim();
        let shape = self.shape_for([channels, height, width])?;
        let mut tell = |done| {
            observe(Stage {
                what: STAGE,
                done,
                total,
            });
        };
        tell(0);
        let at_most = (BATCH_VALUES / shape.values()).clamp(1, BATCH);
        let batch = self.takes[0].unwrap_or(at_most);
        let (mut all, mut dimension) = (Vec::new(), None);
        let (mut values, mut done) = (Vec::new(), 0);
        for some in images.axis_chunks_iter(Axis(0), batch) {
            values.clear();
            for (index, image) in some.outer_iter().enumerate() {
                check_finite(image.iter(), done + index)?;
                self.convention.write(image, shape, &mut values);
            }
            let count = some.len_of(Axis(0));
            // A network of a fixed N gets the last images with blank ones.
            let given = self.takes[0].unwrap_or(count);
            values.resize(given * shape.values(), 0.0);
            let (features, found) =
                self.run(&values, [given, shape.channels, shape.height, shape.width])?;
            if *dimension.get_or_insert(found) != found {
                return Err(OnnxError::Output {
                    path: self.path.clone(),
                    fault: "the number of features changes from batch to batch".to_owned(),
                }
                .into());
            }
            all.extend(features[..count * found].iter().copied().map(f64::from));
            done += count;
            tell(done);
        }
        let features = Array2::from_shape_vec((total, dimension.unwrap_or(0)), all)
            .expect("every image has its features");
        if total > 0 {
            samples::check("the set of features", &features.view(), 1)?;
        }
        Ok(features)
    }
}

fn check_finite<'a>(
    mut image: impl Iterator<Item = &'a f32>,
    sample: usize,
) -> Result<(), EvaluationError> {
    match image
        .by_ref()
        .enumerate()
        .find(|(_, value)| !value.is_finite())
    {
        None => Ok(()),
        Some((coordinate, &value)) => Err(EvaluationError::NonFinite {
            set: "the set of images",
            sample,
            coordinate,
            value: f64::from(value),
        }),
    }
}

/// What the only input takes; the fault if it takes no images.
fn takes(model: &Model) -> Result<[Option<usize>; 4], String> {
    let count = model.input_ids().len();
    if count != 1 {
        return Err(format!("it has {count} inputs"));
    }
    let Some(shape) = model.input_shape(0) else {
        return Ok([None; 4]);
    };
    let fixed: Vec<Option<usize>> = shape
        .iter()
        .map(|dimension| match dimension {
            Dimension::Fixed(size) => Some(*size),
            Dimension::Symbolic(_) => None,
        })
        .collect();
    let written: Vec<String> = shape
        .iter()
        .map(|dimension| match dimension {
            Dimension::Fixed(size) => size.to_string(),
            Dimension::Symbolic(name) => name.clone(),
        })
        .collect();
    let described = format!("its input has shape [{}]", written.join(", "));
    let Ok(takes) = <[Option<usize>; 4]>::try_from(fixed) else {
        return Err(described);
    };
    let channels = takes[1].is_none_or(|channels| channels == 1 || channels == 3);
    let sides = takes[2..]
        .iter()
        .flatten()
        .all(|side| (1..=4096).contains(side));
    let batch = takes[0].is_none_or(|batch| (1..=4096).contains(&batch));
    let values = takes
        .iter()
        .flatten()
        .fold(1, |product: usize, size| product.saturating_mul(*size));
    if channels && sides && batch && values <= LARGEST_BATCH {
        Ok(takes)
    } else {
        Err(described)
    }
}

/// The output of that name, or the first.
fn chosen_output(model: &Model, name: Option<&str>) -> Result<NodeId, String> {
    let outputs = model.output_ids();
    let name_of = |id: NodeId| {
        let info = model.node_info(id);
        info.and_then(|info| info.name().map(str::to_owned))
            .unwrap_or_default()
    };
    let Some(name) = name else {
        return outputs
            .first()
            .copied()
            .ok_or_else(|| "it has no outputs".to_owned());
    };
    let chosen = outputs.iter().find(|&&id| name_of(id) == name);
    chosen.copied().ok_or_else(|| {
        let names: Vec<String> = outputs.iter().map(|&id| name_of(id)).collect();
        format!("it has no output `{name}`, only {}", names.join(", "))
    })
}

#[cfg(test)]
pub(super) use tests::reference;

#[cfg(test)]
mod tests;
