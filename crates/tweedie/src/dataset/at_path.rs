//! Data that is known by its path alone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use data::folder::{Channels, Size};
use data::npy::{ArrayImages, Layout, NpyArray, read, read_npz};
use data::{DataError, ImageFolderConfig, Source};
use ndarray::{Array4, Axis, Ix4, Slice};
use toml::{Table, Value};

use super::{Dataset, first_of};
use crate::config::{Base, DataConfig};
use crate::failure::Fault;

/// The set at `path` as samples of `shape`, read as the pictures of `like` are: data that a run does not
/// train on.
pub fn held_out_at(path: &Path, like: &DataConfig, shape: [usize; 3]) -> Result<Dataset> {
    let [channels, height, width] = shape;
    let config = match (kind(path)?, like) {
        ("image-folder", DataConfig::ImageFolder(like)) => {
            DataConfig::ImageFolder(ImageFolderConfig {
                path: path.to_owned(),
                size: Some(Size::Rectangle([height, width])),
                classes: false,
                ..like.clone()
            })
        }
        ("image-folder", _) => DataConfig::ImageFolder(ImageFolderConfig {
            size: Some(Size::Rectangle([height, width])),
            ..folder(path, channels)
        }),
        (kind, _) => {
            let mut section = section(path)?;
            if matches!(kind, "mnist" | "cifar10" | "cifar100") {
                section.insert("split".to_owned(), Value::from("test"));
            }
            Base::data(&section).load(&[])?.data
        }
    };
    let source = (config.open()).with_context(|| {
        let fault = format!("the data at {} cannot be used", path.display());
        Fault::failed(fault).hint("`tweedie data check PATH` looks at each of its samples")
    })?;
    let found = source.sample_shape();
    if found != shape {
        return Err(other_shape(path, &found, shape));
    }
    Ok(Dataset::of(source))
}

/// The first `most` samples in what another program wrote, of `shape`: an array in NumPy's npy or npz, or
/// whatever else can be trained on, such as a folder of pictures.
///
/// Floats are taken as they are; bytes are pixels.
pub fn samples_at(path: &Path, shape: [usize; 3], most: usize) -> Result<Array4<f32>> {
    let samples = match kind(path)? {
        "npy" => read(path).and_then(|array| of_array(path, array, shape, most)),
        "npz" => member(path).and_then(|array| of_array(path, array, shape, most)),
        "image-folder" => {
            let config = DataConfig::ImageFolder(folder(path, shape[0]));
            config.open().and_then(|source| first_of(&*source, most))
        }
        _ => {
            let config = Base::data(&section(path)?).load(&[])?.data;
            config.open().and_then(|source| first_of(&*source, most))
        }
    };
    let samples = samples.with_context(|| {
        Fault::failed(format!("the samples at {} cannot be used", path.display())).hint(
            "name a folder of pictures of one size, or an array of numpy.save or numpy.savez: float32 of \
             shape [N, C, H, W], or uint8 of shape [N, H, W, C]",
        )
    })?;
    match samples.shape() {
        [_, found @ ..] if found == shape => Ok(samples),
        found => Err(other_shape(path, found, shape)),
    }
}

fn other_shape(path: &Path, found: &[usize], [c, h, w]: [usize; 3]) -> anyhow::Error {
    let path = path.display();
    Fault::failed(format!(
        "{path}: the array has shape {found:?}, but samples of this run are [N, {c}, {h}, {w}]"
    ))
    .into()
}

/// Pictures as they are; none is kept, for none is read twice.
fn folder(path: &Path, channels: usize) -> ImageFolderConfig {
    ImageFolderConfig {
        channels: match channels {
            1 => Channels::Grey,
            _ => Channels::Rgb,
        },
        cache_mib: 0,
        ..ImageFolderConfig::new(path)
    }
}

/// The one array of an archive, or else NumPy's first: samples with their classes beside them are usually
/// `arr_0` and `arr_1`.
fn member(path: &Path) -> Result<NpyArray, DataError> {
    read_npz(path, None).or_else(|error| read_npz(path, Some("arr_0")).map_err(|_| error))
}

fn of_array(
    path: &Path,
    array: NpyArray,
    [c, h, w]: [usize; 3],
    most: usize,
) -> Result<Array4<f32>, DataError> {
    let layout = match array.shape() {
        [_, rest @ ..] if rest == [c, h, w] => Some(Layout::Nchw),
        [_, rest @ ..] if rest == [h, w, c] => Some(Layout::Nhwc),
        _ => None,
    };
    if array.holds_bytes() || array.shape().len() != 4 {
        return match ArrayImages::new(path, array, None, layout)? {
            ArrayImages::Bytes(set) => first_of(&set, most),
            ArrayImages::Floats(set) => first_of(&set, most),
        };
    }
    let floats = array.into_floats()?.into_dimensionality::<Ix4>();
    let floats = floats.expect("there are four axes");
    let floats = match layout {
        Some(Layout::Nhwc) => floats.permuted_axes([0, 3, 1, 2]),
        _ => floats,
    };
    let some = Slice::from(..most.min(floats.len_of(Axis(0))));
    let some = floats.slice_axis(Axis(0), some);
    Ok(some.as_standard_layout().into_owned())
}

/// The section `data` of a set that is known by its path alone.
pub fn section(path: &Path) -> Result<Table, Fault> {
    let kind = kind(path)?;
    let key = if kind == "idx" { "images" } else { "path" };
    let text = path
        .to_str()
        .ok_or_else(|| Fault::usage(format!("{}: the path is no UTF-8", path.display())))?;
    let mut section = Table::from_iter([
        ("kind".to_owned(), Value::from(kind)),
        (key.to_owned(), Value::from(text)),
    ]);
    if kind == "idx" {
        // Labels lie beside their pictures, under a name that says so.
        let labels = text.replace("images", "labels").replace("idx3", "idx1");
        if labels != text && Path::new(&labels).is_file() {
            section.insert("labels".to_owned(), Value::from(labels));
        }
    }
    Ok(section)
}

/// The kind of a set, by what lies at its path.
fn kind(path: &Path) -> Result<&'static str, Fault> {
    let has = |name: &str| path.join(name).is_file();
    if path.is_dir() {
        let mnist = ["t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"];
        return Ok(if has("data_batch_1.bin") {
            "cifar10"
        } else if has("train.bin") && has("fine_label_names.txt") {
            "cifar100"
        } else if mnist.iter().any(|name| has(name)) {
            "mnist"
        } else {
            "image-folder"
        });
    }
    if let Err(error) = fs::metadata(path) {
        return Err(Fault::failed(format!("{}: {error}", path.display())));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("npy") => Ok("npy"),
        Some("npz") => Ok("npz"),
        _ if name.contains("idx") || name.contains("ubyte") => Ok("idx"),
        _ => Err(Fault::usage(format!(
            "{}: what this is cannot be told from its name",
            path.display()
        ))
        .hint("name a folder of pictures, or an npy, npz or IDX file; --config takes any other")),
    }
}
