//! Data that is known by its path alone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use data::folder::{Channels, Size};
use data::npy::{ArrayImages, Layout, read, read_npz};
use data::{ArraySet, DataError, ImageFolderConfig, Source};
use ndarray::{Array4, Ix4};
use toml::{Table, Value};

use super::Dataset;
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
        ("npy" | "npz", _) => {
            let source = array_at(path, shape).with_context(|| unusable(path))?;
            return fitting(path, source, shape);
        }
        (kind, _) => {
            let mut section = section(path)?;
            if matches!(kind, "mnist" | "cifar10" | "cifar100") {
                section.insert("split".to_owned(), Value::from("test"));
            }
            if let ("mnist", DataConfig::Mnist { colours: true, .. }) = (kind, like) {
                section.insert("colours".to_owned(), Value::from(true));
            }
            Base::data(&section).load(&[])?.data
        }
    };
    let source = config.open().with_context(|| unusable(path))?;
    fitting(path, source, shape)
}

/// The first `most` samples in what another program wrote, of `shape`: an array in NumPy's npy or npz, or
/// whatever else can be trained on, such as a folder of pictures.
///
/// Floats are taken as they are; bytes are pixels.
pub fn samples_at(path: &Path, shape: [usize; 3], most: usize) -> Result<Array4<f32>> {
    let source = match kind(path)? {
        "npy" | "npz" => array_at(path, shape),
        "image-folder" => DataConfig::ImageFolder(folder(path, shape[0])).open(),
        _ => Base::data(&section(path)?).load(&[])?.data.open(),
    };
    let source = source.with_context(|| unusable(path))?;
    fitting(path, source, shape)?.first(most)
}

fn unusable(path: &Path) -> Fault {
    Fault::failed(format!("the samples at {} cannot be used", path.display())).hint(
        "name a folder of pictures of one size, or an array of numpy.save or numpy.savez: float32 of \
         shape [N, C, H, W], or uint8 of shape [N, H, W, C]",
    )
}

/// The set, if its samples are of `shape`.
fn fitting(path: &Path, source: Box<dyn Source>, shape: [usize; 3]) -> Result<Dataset> {
    let ([c, h, w], [channels, height, width]) = (shape, source.sample_shape());
    if [channels, height, width] == shape {
        return Ok(Dataset::of(source));
    }
    Err(Fault::failed(format!(
        "{}: the data have shape [{}, {channels}, {height}, {width}], but samples of this run are \
         [N, {c}, {h}, {w}]",
        path.display(),
        source.len(),
    ))
    .into())
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

/// The samples in an npy file, or in the one array of an archive, or else in NumPy's first: samples with their
/// classes beside them are usually `arr_0` and `arr_1`.
fn array_at(path: &Path, [c, h, w]: [usize; 3]) -> Result<Box<dyn Source>, DataError> {
    let array = match path.extension() {
        Some(ending) if ending == "npz" => read_npz(path, None)
            .or_else(|error| read_npz(path, Some("arr_0")).map_err(|_| error))?,
        _ => read(path)?,
    };
    let rest = array.shape().get(1..).unwrap_or_default();
    // Where both would do, floats have their channels first, and bytes last.
    let layout = match (rest == [c, h, w], rest == [h, w, c]) {
        (true, true) if array.holds_bytes() => Some(Layout::Nhwc),
        (true, _) => Some(Layout::Nchw),
        (false, true) => Some(Layout::Nhwc),
        (false, false) => None,
    };
    if array.holds_bytes() || array.shape().len() != 4 {
        return Ok(match ArrayImages::new(path, array, None, layout)? {
            ArrayImages::Bytes(set) => Box::new(set),
            ArrayImages::Floats(set) => Box::new(set),
        });
    }
    let floats = array.into_floats()?.into_dimensionality::<Ix4>();
    let floats = floats.expect("there are four axes");
    let values = match layout {
        Some(Layout::Nhwc) => floats.permuted_axes([0, 3, 1, 2]),
        _ => floats,
    };
    Ok(Box::new(ArraySet::new(values, None)?))
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
        .hint("name a folder of pictures, or an npy, npz or IDX file")),
    }
}
