//! npy and npz.

use std::path::Path;

use data::npy::{self, ArrayImages, Layout, NpyArray};

use crate::Target;

pub(super) static TARGETS: [Target; 2] = [
    Target {
        name: "npy",
        seeds: npy_seeds,
        run: |bytes| {
            if let Ok(array) = npy::decode(Path::new("input.npy"), bytes) {
                use_array(&array);
            }
        },
        dictionary: NPY_TOKENS,
        repair: Some(|bytes| header_length(bytes)),
    },
    Target {
        name: "npz",
        // NumPy wrote those in the folder.
        seeds: Vec::new,
        run: |bytes| {
            for name in [None, Some("arr_0"), Some("labels")] {
                if let Ok(array) = npy::decode_npz(Path::new("input.npz"), bytes, name) {
                    use_array(&array);
                }
            }
        },
        dictionary: &[
            b"PK\x01\x02",
            b"PK\x03\x04",
            b"PK\x05\x06",
            b"PK\x06\x06",
            b"PK\x06\x07",
            b"PK\x07\x08",
            b"\x01\x00\x14\x00",
            b"\xff\xff\xff\xff",
            b"arr_0.npy",
            b"\x93NUMPY\x01\x00",
        ],
        repair: None,
    },
];

const NPY_TOKENS: &[&[u8]] = &[
    b"\x93NUMPY\x01\x00",
    b"\x93NUMPY\x02\x00",
    b"\x93NUMPY\x03\x00",
    b"'descr': ",
    b"'fortran_order': ",
    b"'shape': ",
    b"True",
    b"False",
    b"'|u1'",
    b"'<f4'",
    b"'>f8'",
    b"'<i8'",
    b"'>u2'",
    b"'|b1'",
    b"[('a', '<f4')]",
    b"(",
    b")",
    b"((((((((",
    b"{",
    b"}",
    b",",
    b"'",
    b"0",
    b"18446744073709551615",
];

/// Everything that is done with an array once it was read.
fn use_array(array: &NpyArray) {
    let _ = array.clone().into_labels();
    for layout in [None, Some(Layout::Nchw), Some(Layout::Nhwc)] {
        let path = Path::new("input");
        let labels = Some((path, array.clone()));
        let _ = ArrayImages::new(path, array.clone(), None, layout);
        let _ = ArrayImages::new(path, array.clone(), labels, layout);
    }
}

fn npy_seeds() -> Vec<Vec<u8>> {
    let seed = |descr: &str, width: usize, order: &str, shape: &[usize]| {
        let sizes: Vec<String> = shape.iter().map(|size| format!("{size}, ")).collect();
        let header = format!(
            "{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({}), }}\n",
            sizes.concat()
        );
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        let count: usize = shape.iter().product();
        // Small numbers in every format.
        bytes.extend(
            (0..count * width).map(|place| if place % width == 0 { place as u8 } else { 0 }),
        );
        bytes
    };
    vec![
        seed("|u1", 1, "False", &[2, 4, 5, 3]),
        seed("|u1", 1, "True", &[2, 3, 5, 6]),
        seed("<f4", 4, "False", &[3, 4, 4]),
        seed(">f8", 8, "False", &[5, 2]),
        seed("<i8", 8, "False", &[6]),
        seed(">u2", 2, "True", &[6, 1]),
    ]
}

/// Makes the length of the header what it is.
fn header_length(bytes: &mut [u8]) {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    if let Some(length) = (end + 1).checked_sub(10) {
        bytes[8..10].copy_from_slice(&(length as u16).to_le_bytes());
    }
}
