//! Arrays that NumPy wrote: npy files, and the members of npz archives.
//!
//! Read are integers of 8 to 64 bits and floats of 32 and 64, of either byte order, in C or Fortran
//! order. As everywhere here, no more memory is taken than the size of the file justifies.

mod element;
mod fault;
mod header;
mod npz;
mod set;

use std::io::BufRead;
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use crate::error::DataError;
use crate::unpack::Unpacked;
use element::{Element, Kind};
pub use fault::ArrayFault;
pub use npz::{decode_npz, read_npz};
pub use set::{ArrayImages, Layout, NpyConfig, NpzConfig};

const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest dictionary that is read. NumPy's own for plain numbers stay below 1,500 bytes.
const MAX_HEADER: u32 = 1 << 16;

/// An array as an npy file holds it.
#[derive(Clone, Debug)]
pub struct NpyArray {
    path: PathBuf,
    element: Element,
    fortran_order: bool,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Reads the npy file at `path`.
///
/// # Errors
/// The file is missing, unreadable, empty, not npy, damaged, of elements that are no numbers, or
/// shorter or longer than its header promises.
pub fn read(path: &Path) -> Result<NpyArray, DataError> {
    parse(path, Unpacked::open(path)?)
}

/// As [`read`], from the bytes of a file; `path` names it in errors.
///
/// # Errors
/// As [`read`], apart from those of the disk.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<NpyArray, DataError> {
    parse(path, Unpacked::over(path, bytes)?)
}

fn parse(path: &Path, mut file: Unpacked<impl BufRead>) -> Result<NpyArray, DataError> {
    let fail = |fault| DataError::Array {
        path: path.to_owned(),
        fault,
    };
    let found = file.take(MAGIC.len() as u64)?;
    if found != MAGIC {
        return Err(fail(ArrayFault::NotNpy { found }));
    }
    let version = file.take(2)?;
    let (length, prefix) = match (version[0], version[1]) {
        (1, 0) => {
            let bytes = file.take(2)?;
            (u32::from(u16::from_le_bytes([bytes[0], bytes[1]])), 10)
        }
        (2 | 3, 0) => {
            let bytes = file.take(4)?;
            (
                u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
                12,
            )
        }
        (major, minor) => return Err(fail(ArrayFault::Version { major, minor })),
    };
    if length > MAX_HEADER {
        return Err(fail(ArrayFault::Header {
            at: format!("(it would be {length} bytes long)"),
        }));
    }
    let text = file.take(u64::from(length))?;
    let header = header::parse(&text).map_err(fail)?;
    if header.shape.contains(&0) {
        return Err(DataError::NoSamples {
            path: path.to_owned(),
            shape: header.shape,
        });
    }
    let promised = (header.shape.iter())
        .try_fold(header.element.width as u128, |product, &size| {
            product.checked_mul(size as u128)
        })
        .unwrap_or(u128::MAX);
    file.check_promise(promised.saturating_add(u128::from(prefix + length)))?;
    // The promise was found to be no more than the file's size justifies, so it fits.
    let bytes = file.take(promised as u64)?;
    file.finish()?;
    Ok(NpyArray {
        path: path.to_owned(),
        element: header.element,
        fortran_order: header.fortran_order,
        shape: header.shape,
        bytes,
    })
}

impl NpyArray {
    /// Its dimensions, outermost first; none is zero.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether its elements are unsigned bytes.
    #[must_use]
    pub fn holds_bytes(&self) -> bool {
        (self.element.kind, self.element.width) == (Kind::Unsigned, 1)
    }

    fn fail(&self, fault: ArrayFault) -> DataError {
        DataError::Array {
            path: self.path.clone(),
            fault,
        }
    }

    fn wrong_element(&self, expected: &'static str) -> DataError {
        self.fail(ArrayFault::Element {
            descr: self.element.descr(),
            expected,
        })
    }

    /// `values` in the array's order, with its shape, in row-major order.
    fn shaped<T: Clone>(shape: &[usize], fortran_order: bool, values: Vec<T>) -> ArrayD<T> {
        let shape = IxDyn(shape).set_f(fortran_order);
        let array = ArrayD::from_shape_vec(shape, values)
            .expect("a parsed array has as many values as its shape says");
        if array.is_standard_layout() {
            array
        } else {
            array.as_standard_layout().into_owned()
        }
    }

    /// Its unsigned bytes, in row-major order.
    ///
    /// # Errors
    /// [`ArrayFault::Element`] if its elements are something else.
    pub fn into_bytes(self) -> Result<ArrayD<u8>, DataError> {
        if !self.holds_bytes() {
            return Err(self.wrong_element("unsigned bytes (u1)"));
        }
        Ok(Self::shaped(&self.shape, self.fortran_order, self.bytes))
    }

    /// Its floats in single precision, in row-major order.
    ///
    /// # Errors
    /// [`ArrayFault::Element`] if its elements are something else.
    pub fn into_floats(self) -> Result<ArrayD<f32>, DataError> {
        if self.element.kind != Kind::Float {
            return Err(self.wrong_element("unsigned bytes (u1) or floats (f4, f8)"));
        }
        let values = self.bytes.chunks_exact(self.element.width);
        let values = values.map(|bytes| self.element.float(bytes)).collect();
        Ok(Self::shaped(&self.shape, self.fortran_order, values))
    }

    /// Its integers, all in [0, 255], as labels `[N]`.
    ///
    /// # Errors
    /// [`ArrayFault::Element`] or [`ArrayFault::Shape`] if it is something else than a list of
    /// integers (`[N]` or `[N, 1]`), [`DataError::UnknownClass`] if one is out of range.
    pub fn into_labels(self) -> Result<Vec<u8>, DataError> {
        if self.element.kind == Kind::Float {
            return Err(self.wrong_element("integers (labels)"));
        }
        if !matches!(self.shape[..], [_] | [_, 1]) {
            return Err(self.fail(ArrayFault::Shape {
                shape: self.shape.clone(),
                expected: "labels are [N]",
            }));
        }
        let numbers = self.bytes.chunks_exact(self.element.width);
        let numbers = numbers.map(|bytes| self.element.integer(bytes));
        let labels = numbers.enumerate().map(|(index, label)| {
            u8::try_from(label).map_err(|_| DataError::UnknownClass {
                path: self.path.clone(),
                index,
                label,
                classes: 256,
            })
        });
        labels.collect()
    }
}
