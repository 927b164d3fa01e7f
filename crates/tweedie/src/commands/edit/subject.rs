//! The picture that is edited: a file, or one of the run's data.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use data::folder::{self, Channels, Picture};
use data::pixel_to_unit;
use ndarray::Array4;

use crate::dataset::{Dataset, test_part};
use crate::failure::Fault;
use crate::runs::{Chosen, Run};

/// Which picture.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SubjectArgs {
    /// The picture: a PNG, JPEG or WebP file
    #[arg(long, value_name = "FILE", help_heading = "Picture")]
    pub image: Option<PathBuf>,
    /// A picture of the run's test data in place of a file, by its place, counted from 0; of its training data
    /// where no part is for tests
    #[arg(long, value_name = "INDEX", help_heading = "Picture")]
    pub sample: Option<usize>,
}

/// A picture with values in [−1, 1].
#[derive(Clone, Debug)]
pub struct Subject {
    /// `[1, C, H, W]`.
    pub values: Array4<f32>,
    /// In names of files: "test-3", or the file's own without its ending.
    pub name: String,
    /// As it is called in messages.
    pub place: String,
}

impl SubjectArgs {
    /// The picture, of any size if it is a file, with as many channels as `shape`, [channels, height, width].
    pub fn read(&self, chosen: &Chosen, shape: [usize; 3]) -> Result<Subject> {
        match (&self.image, self.sample) {
            (Some(path), _) => of_file(path, shape[0]),
            (None, index) => of_data(chosen, index.unwrap_or_default()),
        }
    }
}

impl Subject {
    /// Width and height in pixels.
    pub fn size(&self) -> [usize; 2] {
        let (_, _, height, width) = self.values.dim();
        [width, height]
    }

    /// The same, if it is of the model's size.
    ///
    /// # Errors
    /// Names both sizes.
    pub fn of_size(self, [_, height, width]: [usize; 3]) -> Result<Self> {
        match self.size() == [width, height] {
            true => Ok(self),
            false => Err(self.of_another_size(&format!("{width}x{height} are needed"))),
        }
    }

    /// The fault of a picture of another size; `wanted` says of which one it should be.
    pub fn of_another_size(&self, wanted: &str) -> anyhow::Error {
        let [width, height] = self.size();
        other_size(&self.place, [width, height], wanted).into()
    }
}

/// The fault of a file of another size (width, height) than wanted.
pub fn other_size(place: &str, [width, height]: [usize; 2], wanted: &str) -> Fault {
    Fault::usage(format!("{place}: {width}x{height} pixels, and {wanted}")).hint(
        "sizes are width x height, as the model was trained; crop or scale it with a program for pictures, \
         so that you see what is left of it",
    )
}

/// A file's picture with `channels` channels, at the size that it has.
pub fn of_file(path: &Path, channels: usize) -> Result<Subject> {
    let wanted = match channels {
        1 => Channels::Grey,
        3 => Channels::Rgb,
        _ => {
            return Err(Fault::usage(format!(
                "{}: the pictures of this run have {channels} channels, and files have 1 (grey) or 3 (colour)",
                path.display()
            ))
            .hint("--sample takes one of the run's data")
            .into());
        }
    };
    let (picture, _) = folder::read(path, wanted)
        .with_context(|| Fault::failed(format!("{}: no picture to edit", path.display())))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Subject {
        values: values(&picture),
        name: stem.into_owned(),
        place: path.display().to_string(),
    })
}

/// `[H, W, C]` bytes as `[1, C, H, W]` in [−1, 1].
fn values(picture: &Picture) -> Array4<f32> {
    let Picture {
        height,
        width,
        channels,
        ref pixels,
    } = *picture;
    Array4::from_shape_fn((1, channels, height, width), |(_, channel, row, column)| {
        pixel_to_unit(pixels[(row * width + column) * channels + channel])
    })
}

/// Picture `index` of the data that the run did not learn from, where that is known.
pub fn of_data(chosen: &Chosen, index: usize) -> Result<Subject> {
    let Some(Run { config, .. }) = &chosen.run else {
        return Err(Fault::usage(format!(
            "{}: this checkpoint lies in no run, so its data is not known",
            chosen.checkpoint.folder().display()
        ))
        .hint("name a run with --run, or files in place of samples")
        .into());
    };
    let (part, data) = match test_part(&config.data) {
        Some(test) => ("test", test),
        None => ("training", config.data.clone()),
    };
    let dataset = Dataset::load(&data)?;
    let len = dataset.source().len();
    if index >= len {
        let fault = format!("there is no sample {index}: the {part} data are {len} pictures");
        return Err(Fault::usage(fault)
            .hint(format!("they are counted from 0 to {}", len - 1))
            .into());
    }
    Ok(Subject {
        values: dataset.at(&[index])?,
        name: format!("{part}-{index}"),
        place: format!("sample {index} of the {part} data"),
    })
}
