//! Folders of pictures: every file is decoded, on all threads.

use std::path::Path;

use image::ImageFormat;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::Progress;
use super::memory::{half, sums};
use super::report::Problem;
use super::tally::{Digest, Sums, Tally};
use crate::error::DataError;
use crate::folder::{
    Channels, Facts, ImageFolder, ImageFolderConfig, Size, decode, list, read, read_bytes,
};
use crate::source::Source;

/// What one picture was found to be.
struct Seen {
    facts: Facts,
    /// Height and width after it was turned.
    size: [usize; 2],
    digest: Digest,
    sums: Vec<Sums>,
    blank: bool,
}

pub(super) fn check(
    config: &ImageFolderConfig,
    tally: &mut Tally,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), DataError> {
    config.validate()?;
    let listing = list(&config.path, config.classes)?;
    tally.set_ignored(listing.ignored.clone());
    tally.set_classes(listing.classes.len(), &listing.classes);
    let files = listing.files.clone();
    // Where the first picture is unusable, the others are still compared with each other.
    let size = config.size.map(Size::sides).or_else(|| {
        let mut readable = files
            .iter()
            .filter_map(|path| read(path, config.channels).ok());
        let (picture, _) = readable.next()?;
        Some([picture.height, picture.width])
    });
    let set = ImageFolder::of(config, listing, size.unwrap_or([1, 1]));
    if size.is_some() {
        tally.set_shape(set.sample_shape());
    }
    let total = files.len();
    // Few enough at a time that what they are decoded to stays bounded.
    let chunk = 4 * rayon::current_num_threads().max(1);
    for (number, part) in files.chunks(chunk).enumerate() {
        let done = number * chunk;
        progress(Progress { done, total });
        let seen: Vec<_> = part
            .par_iter()
            .map(|path| look(&set, config, path))
            .collect();
        for ((index, path), seen) in (done..).zip(part).zip(seen) {
            match seen {
                Ok(seen) => {
                    note(config, path, &seen, tally);
                    let place = path.display().to_string();
                    tally.size(seen.size);
                    let label = set.label(index);
                    tally.sample(&place, label, seen.digest, &seen.sums, seen.blank);
                }
                Err(error) => tally.error(&error),
            }
        }
    }
    progress(Progress { done: total, total });
    Ok(())
}

/// Decodes a picture as training would.
fn look(set: &ImageFolder, config: &ImageFolderConfig, path: &Path) -> Result<Seen, DataError> {
    let bytes = read_bytes(path)?;
    let (picture, facts) = decode(&bytes, config.channels).map_err(|fault| DataError::Picture {
        path: path.to_owned(),
        fault,
    })?;
    let size = [picture.height, picture.width];
    let picture = set.fit(path, picture)?;
    let [channels, height, width] = set.sample_shape();
    let mut sample = vec![0.0; channels * height * width];
    set.write(&picture, None, &mut sample);
    Ok(Seen {
        facts,
        size,
        digest: half(&Sha256::digest(&bytes)),
        sums: sample.chunks_exact(height * width).map(sums).collect(),
        blank: sample.iter().all(|&value| value == sample[0]),
    })
}

/// Tells what is odd about a picture that can be used.
fn note(config: &ImageFolderConfig, path: &Path, seen: &Seen, tally: &mut Tally) {
    let place = path.display().to_string();
    let Seen { facts, size, .. } = seen;
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    let (format, endings): (_, &[&str]) = match facts.format {
        ImageFormat::Png => ("PNG", &["png"]),
        ImageFormat::Jpeg => ("JPEG", &["jpg", "jpeg"]),
        _ => ("WebP", &["webp"]),
    };
    if !endings.iter().any(|&expected| ending == expected) {
        tally.find(Problem::WrongEnding, &place, format!("it is {format}"));
    }
    if let Some([height, width]) = config.size.map(Size::sides)
        && (size[0] < height || size[1] < width)
    {
        let detail = format!("{}x{} pixels, to {width}x{height}", size[1], size[0]);
        tally.find(Problem::Enlarged, &place, detail);
    }
    let grey_set = config.channels == Channels::Grey;
    for (found, problem) in [
        (facts.animated, Problem::Animated),
        (facts.alpha, Problem::Alpha),
        (facts.grey && !grey_set, Problem::Grey),
        (!facts.grey && grey_set, Problem::Colour),
        (facts.sixteen_bits, Problem::SixteenBits),
        (facts.oriented, Problem::Turned),
    ] {
        if found {
            tally.find(problem, &place, "");
        }
    }
}
