//! Which arrays are a set of samples.

use std::path::{Path, PathBuf};

use ndarray::{Array4, ArrayD, Axis, Ix4};
use serde::{Deserialize, Serialize};

use super::{ArrayFault, NpyArray, read, read_npz};
use crate::arrays::ArraySet;
use crate::error::DataError;
use crate::images::ImageSet;

/// The order of the axes of `[N, ., ., .]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Channels first: `[N, C, H, W]`.
    Nchw,
    /// Channels last, as pictures usually are in NumPy: `[N, H, W, C]`.
    Nhwc,
}

/// An npy file of samples.
///
/// Unsigned bytes are pixels, floats are pixels scaled to [−1, 1]: `[N, H, W]`, `[N, C, H, W]` or
/// `[N, H, W, C]`. Floats `[N, D]` are points, which may be anywhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NpyConfig {
    /// The file.
    pub path: PathBuf,
    /// An npy file of integers `[N]`, one class a sample; without it there are no classes.
    #[serde(default)]
    pub labels: Option<PathBuf>,
    /// The order of the axes; without it channels are the one axis of at most 4, and where both ends
    /// are so short the file is refused.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// Whether training mirrors pictures, left for right, with probability ½.
    #[serde(default)]
    pub flip: bool,
}

/// An npz archive of samples, as [`NpyConfig`] otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NpzConfig {
    /// The archive.
    pub path: PathBuf,
    /// The name of the samples in it, e.g. `arr_0`; needed where it holds several arrays.
    #[serde(default)]
    pub images: Option<String>,
    /// The name of the labels in it, e.g. `arr_1`; without it there are no classes.
    #[serde(default)]
    pub labels: Option<String>,
    /// The order of the axes, as [`NpyConfig::layout`].
    #[serde(default)]
    pub layout: Option<Layout>,
    /// Whether training mirrors pictures, left for right, with probability ½.
    #[serde(default)]
    pub flip: bool,
}

/// A set of samples from NumPy.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrayImages {
    /// Unsigned bytes.
    Bytes(ImageSet),
    /// Floats.
    Floats(ArraySet),
}

impl NpyConfig {
    /// Reads the file, and the labels' if it is named.
    ///
    /// # Errors
    /// A file is not what [`read`] reads, has another shape or type than is expected, or holds what is no
    /// pixel; or there are not as many labels as samples.
    pub fn load(&self) -> Result<ArrayImages, DataError> {
        let samples = read(&self.path)?;
        let labels = self.labels.as_deref().map(|path| (path, read(path)));
        let labels = labels.map(|(path, labels)| labels.map(|labels| (path, labels)));
        ArrayImages::new(&self.path, samples, labels.transpose()?, self.layout)
    }
}

impl NpzConfig {
    /// Reads the samples, and the labels if they are named.
    ///
    /// # Errors
    /// As [`NpyConfig::load`]; or the archive has no such array.
    pub fn load(&self) -> Result<ArrayImages, DataError> {
        let samples = read_npz(&self.path, self.images.as_deref())?;
        let labels = self.labels.as_deref();
        let labels = labels.map(|name| read_npz(&self.path, Some(name)));
        let labels = labels.transpose()?.map(|labels| (&*self.path, labels));
        ArrayImages::new(&self.path, samples, labels, self.layout)
    }
}

impl ArrayImages {
    /// The set of an array and of its labels, if it has any.
    ///
    /// # Errors
    /// As [`NpyConfig::load`], apart from those of reading.
    pub fn new(
        path: &Path,
        samples: NpyArray,
        labels: Option<(&Path, NpyArray)>,
        layout: Option<Layout>,
    ) -> Result<Self, DataError> {
        let labels = match labels {
            Some((path, labels)) => Some((path, labels.into_labels()?)),
            None => None,
        };
        let count = samples.shape().first().copied().unwrap_or(0);
        if let Some((labels_path, labels)) = &labels
            && labels.len() != count
        {
            return Err(DataError::CountMismatch {
                images: path.to_owned(),
                image_count: count,
                labels: (*labels_path).to_owned(),
                label_count: labels.len(),
            });
        }
        let labels = labels.map(|(_, labels)| labels);
        let fail = |fault| DataError::Array {
            path: path.to_owned(),
            fault,
        };
        if samples.holds_bytes() {
            let pixels = channels_first(samples.into_bytes()?, layout, false).map_err(fail)?;
            return Ok(Self::Bytes(ImageSet { pixels, labels }));
        }
        let floats = samples.into_floats()?;
        let points = floats.ndim() == 2;
        let values = channels_first(floats, layout, true).map_err(fail)?;
        for (index, sample) in values.outer_iter().enumerate() {
            if let Some(&value) = sample.iter().find(|value| !value.is_finite()) {
                return Err(fail(ArrayFault::NotFinite { index, value }));
            }
            // Scaling may round beyond the ends.
            let beyond = |value: &&f32| value.abs() > 1.0 + 1e-5;
            if let Some(&value) = sample.iter().find(beyond).filter(|_| !points) {
                return Err(fail(ArrayFault::OutOfRange { index, value }));
            }
        }
        Ok(Self::Floats(ArraySet { values, labels }))
    }
}

/// `array` as `[N, C, H, W]` in row-major order.
fn channels_first<T: Clone>(
    array: ArrayD<T>,
    layout: Option<Layout>,
    points: bool,
) -> Result<Array4<T>, ArrayFault> {
    let shape = array.shape().to_vec();
    let refuse = |expected| ArrayFault::Shape {
        shape: shape.clone(),
        expected,
    };
    let (array, layout) = match shape[..] {
        [_, _] if points => {
            let array = array.insert_axis(Axis(2)).insert_axis(Axis(3));
            (array, Layout::Nchw)
        }
        [_, _, _] => (array.insert_axis(Axis(1)), Layout::Nchw),
        [_, first, _, last] => {
            let layout = layout.or(match (first <= 4, last <= 4) {
                (true, false) => Some(Layout::Nchw),
                (false, true) => Some(Layout::Nhwc),
                _ => None,
            });
            let layout = layout.ok_or_else(|| {
                refuse("which of its axes are the channels? Say data.layout = \"nchw\" or \"nhwc\"")
            })?;
            (array, layout)
        }
        _ => {
            return Err(refuse(
                "samples are [N, H, W], [N, C, H, W], [N, H, W, C] or, as floats, points [N, D]",
            ));
        }
    };
    let array = array.into_dimensionality::<Ix4>().expect("four axes");
    Ok(match layout {
        Layout::Nchw => array,
        Layout::Nhwc => array
            .permuted_axes([0, 3, 1, 2])
            .as_standard_layout()
            .into_owned(),
    })
}
