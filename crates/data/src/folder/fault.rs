//! What can be wrong with pictures and with a folder of them.

use std::collections::BTreeMap;

/// What makes a picture useless, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureFault {
    /// Bytes of no format that is read.
    #[error(
        "neither PNG nor JPEG nor WebP: it starts with {found:02x?}{}; convert it or take it out",
        known(found)
    )]
    Unrecognised {
        /// Its first bytes, four at most.
        found: Vec<u8>,
    },
    /// The data end before the picture does.
    #[error("the picture is cut short; fetch it again or take it out")]
    Truncated,
    /// The decoder refuses the data.
    #[error("the picture is damaged ({fault}); fetch it again or take it out")]
    Damaged {
        /// What the decoder found.
        fault: String,
    },
    /// More pixels than the size of the file justifies, or than are decoded at all.
    #[error(
        "the header promises {width}x{height} pixels, {needed} bytes, and a file of this size is \
         trusted for {limit}; it is damaged or a decompression bomb. If it is neither, scale it down"
    )]
    TooLarge {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes that they take.
        needed: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// A file larger than any that is read.
    #[error("{size} bytes are more than the {limit} that are read of one picture; take it out")]
    TooLong {
        /// The size of the file in bytes.
        size: u64,
        /// The largest size in bytes.
        limit: u64,
    },
    /// A strip, where a crop resizes the whole picture.
    #[error(
        "{width}x{height} pixels are too thin a strip for this crop (64 to 1 at most); take it out, or set \
         data.crop = \"centre\""
    )]
    Proportions {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// A picture of another size in a set whose pictures are not resized.
    #[error(
        "{width}x{height} pixels, and the first of the set has {expected_width}x{expected_height}; \
         set data.size, so that all are cropped and resized"
    )]
    OtherSize {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// Of the set.
        expected_width: usize,
        /// Of the set.
        expected_height: usize,
    },
}

fn known(found: &[u8]) -> &'static str {
    match found {
        [b'G', b'I', b'F', ..] => ", which is GIF",
        [b'B', b'M', ..] => ", which is BMP",
        [b'I', b'I', ..] | [b'M', b'M', ..] => ", which is TIFF",
        [b'<', ..] => ", which is text: a page of an error, perhaps",
        _ => "",
    }
}

/// What makes a folder useless as a set of pictures, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderFault {
    /// Nothing in it ends in `.png`, `.jpg`, `.jpeg` or `.webp`.
    #[error(
        "no picture is in this folder (a name that ends in .png, .jpg, .jpeg or .webp){}; name \
         another folder, or convert them",
        others(ignored)
    )]
    NoPictures {
        /// How many files of each other ending there are.
        ignored: BTreeMap<String, usize>,
    },
    /// A picture that lies beside the classes' folders.
    #[error(
        "this picture lies in none of the classes' folders; move it into one, or set data.classes = false"
    )]
    Unclassed,
    /// More classes than labels can tell apart.
    #[error("{count} classes, and there may be 256; set data.classes = false, or merge some")]
    TooManyClasses {
        /// How many folders there are.
        count: usize,
    },
    /// Links that lead back to a folder that they are in.
    #[error("this link leads back to a folder that it lies in; take it out")]
    Circle,
}

fn others(ignored: &BTreeMap<String, usize>) -> String {
    if ignored.is_empty() {
        return ", nor any other file".to_owned();
    }
    let counts = ignored.iter().take(8);
    let counts = counts.map(|(ending, count)| format!("{count} {ending}"));
    format!("; there are {}", counts.collect::<Vec<_>>().join(", "))
}
