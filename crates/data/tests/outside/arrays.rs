//! npy and npz, as NumPy and as another reader and writer have them.

use std::fs;
use std::path::Path;

use data::npy::{self, ArrayFault, ArrayImages, Layout};
use data::{DataError, NpyConfig, NpzConfig, Source};
use ndarray::{Array, Array1, Array4, ArrayD};
use ndarray_npy::{ReadNpyExt, write_npy};
use tempfile::TempDir;

use super::{assert_helpful, made_elsewhere, samples};

fn npy(path: impl AsRef<Path>) -> NpyConfig {
    NpyConfig {
        path: path.as_ref().to_owned(),
        labels: None,
        layout: None,
        flip: false,
    }
}

fn npz(images: Option<&str>, labels: Option<&str>) -> NpzConfig {
    NpzConfig {
        path: made_elsewhere("arrays.npz"),
        images: images.map(str::to_owned),
        labels: labels.map(str::to_owned),
        layout: Some(Layout::Nhwc),
        flip: false,
    }
}

fn values(set: &ArrayImages) -> Vec<f32> {
    match set {
        ArrayImages::Bytes(set) => samples(set, &[0]),
        ArrayImages::Floats(set) => samples(set, &[0]),
    }
}

#[track_caller]
fn fault(error: DataError) -> ArrayFault {
    match error {
        DataError::Array { fault, .. } => fault,
        error => panic!("{error}"),
    }
}

#[test]
fn every_order_and_layout_is_the_same_set() {
    let read = |name: &str, layout| {
        let config = NpyConfig {
            layout,
            ..npy(made_elsewhere(name))
        };
        config.load().unwrap()
    };
    let fortran = read("fortran.npy", None);
    let ArrayImages::Bytes(set) = &fortran else {
        panic!("bytes are expected");
    };
    assert_eq!(set.sample_shape(), [3, 8, 6]);
    assert_eq!(fortran, read("nchw.npy", None));
    assert_eq!(fortran, npz(Some("arr_0"), None).load().unwrap());
    for (byte, float) in values(&fortran)
        .iter()
        .zip(values(&read("floats.npy", None)))
    {
        assert!((byte - float).abs() < 1e-6);
    }
    // The other reader's opinion of the same file.
    let file = fs::File::open(made_elsewhere("fortran.npy")).unwrap();
    let other = Array4::<u8>::read_npy(file).unwrap();
    let pixel = set.pixels[[0, 2, 7, 4]];
    assert_eq!(other[[0, 7, 4, 2]], pixel);
}

#[test]
fn npz_gives_what_it_is_asked_for() {
    let ArrayImages::Bytes(set) = npz(Some("arr_0"), Some("arr_1")).load().unwrap() else {
        panic!("bytes are expected");
    };
    assert_eq!((set.label(0), set.class_count()), (Some(3), 4));
    let ArrayImages::Floats(points) = npz(Some("big"), None).load().unwrap() else {
        panic!("floats are expected");
    };
    assert_eq!(points.sample_shape(), [2, 1, 1]);
    assert_eq!(samples(&points, &[2]), [4.0 / 6.0, 5.0 / 6.0]);
    for config in [npz(None, None), npz(Some("x"), None)] {
        let error = config.load().unwrap_err();
        assert_helpful(&error, &config.path);
        assert!(error.to_string().contains("arr_0, arr_1, big"), "{error}");
    }
}

#[test]
fn each_type_that_the_other_writer_writes_is_read() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.npy");
    let floats = Array::from_shape_fn((2, 3, 3), |(n, h, w)| (n * 9 + h * 3 + w) as f64 / 20.0);
    write_npy(&path, &floats).unwrap();
    let read = npy::read(&path).unwrap().into_floats().unwrap();
    assert_eq!(read, floats.mapv(|x| x as f32).into_dyn());
    macro_rules! labels {
        ($($kind:ty),*) => {$(
            write_npy(&path, &Array1::from(vec![3 as $kind, 0, 100])).unwrap();
            assert_eq!(npy::read(&path).unwrap().into_labels().unwrap(), [3, 0, 100]);
        )*};
    }
    labels!(u8, i8, u16, i16, u32, i32, u64, i64);
}

#[test]
fn labels_that_are_none_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("y.npy");
    for label in [-1, 256, i64::MIN] {
        write_npy(&path, &Array1::from(vec![0, label])).unwrap();
        let error = npy::read(&path).unwrap().into_labels().unwrap_err();
        assert!(
            matches!(error, DataError::UnknownClass { index: 1, label: found, .. } if found == label)
        );
        assert_helpful(&error, &path);
    }
    write_npy(&path, &Array1::from(vec![u64::MAX])).unwrap();
    assert!(npy::read(&path).unwrap().into_labels().is_err());

    let config = NpyConfig {
        labels: Some(path.clone()),
        ..npy(made_elsewhere("nchw.npy"))
    };
    write_npy(&path, &Array1::from(vec![1_u8, 2])).unwrap();
    let error = config.load().unwrap_err();
    let DataError::CountMismatch {
        image_count,
        label_count,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((image_count, label_count), (1, 2));
}

#[test]
fn numbers_that_are_no_pixels_are_refused_by_sample_and_value() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.npy");
    let write = |value: f32| {
        let mut pictures = ArrayD::<f32>::zeros(vec![3, 2, 5]);
        pictures[[2, 1, 4]] = value;
        write_npy(&path, &pictures).unwrap();
        npy(&path).load()
    };
    assert!(write(1.0).is_ok());
    let found = fault(write(255.0).unwrap_err());
    assert_eq!(
        found,
        ArrayFault::OutOfRange {
            index: 2,
            value: 255.0
        }
    );
    let found = fault(write(f32::NAN).unwrap_err());
    assert!(matches!(found, ArrayFault::NotFinite { index: 2, .. }));
}

#[test]
fn shapes_that_leave_a_doubt_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.npy");
    for shape in [
        vec![2],
        vec![2, 3],
        vec![2, 3, 5, 3],
        vec![2, 8, 8, 8],
        vec![1, 1, 1, 1, 1],
    ] {
        write_npy(&path, &ArrayD::<u8>::zeros(shape.clone())).unwrap();
        let error = npy(&path).load().unwrap_err();
        assert_helpful(&error, &path);
        assert!(
            matches!(fault(error), ArrayFault::Shape { .. }),
            "{shape:?}"
        );
    }
    write_npy(&path, &ArrayD::<u8>::zeros(vec![0, 8, 8])).unwrap();
    assert!(matches!(
        npy(&path).load().unwrap_err(),
        DataError::NoSamples { .. }
    ));
}

#[test]
fn a_file_cut_or_lengthened_anywhere_is_an_error() {
    let path = Path::new("x.npy");
    let whole = fs::read(made_elsewhere("nchw.npy")).unwrap();
    for length in 0..whole.len() {
        assert!(npy::decode(path, &whole[..length]).is_err(), "{length}");
    }
    let longer = [&whole[..], b"!"].concat();
    let error = npy::decode(path, &longer).unwrap_err();
    assert!(matches!(error, DataError::TrailingBytes { .. }), "{error}");
    let archive = fs::read(made_elsewhere("arrays.npz")).unwrap();
    for length in (0..archive.len()).step_by(3) {
        let outcome = npy::decode_npz(path, &archive[..length], Some("arr_0"));
        assert!(outcome.is_err(), "{length}");
    }
}

#[test]
fn a_header_may_not_promise_what_the_file_does_not_have() {
    let header = |shape: &str| {
        let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n");
        let length = (text.len() as u16).to_le_bytes();
        [
            b"\x93NUMPY\x01\x00".as_slice(),
            &length,
            text.as_bytes(),
            &[0; 64],
        ]
        .concat()
    };
    let path = Path::new("x.npy");
    for shape in [
        "(1099511627776, 8)",
        "(18446744073709551615, 18446744073709551615, 18446744073709551615)",
    ] {
        let error = npy::decode(path, &header(shape)).unwrap_err();
        assert!(matches!(error, DataError::Truncated { .. }), "{error}");
    }
    for shape in ["(18446744073709551616, 8)", "(-1, 8)", "(8", "((8, 1))"] {
        let error = npy::decode(path, &header(shape)).unwrap_err();
        assert!(matches!(fault(error), ArrayFault::Header { .. }), "{shape}");
    }
    assert_eq!(
        npy::decode(path, &header("(4, 2)")).unwrap().shape(),
        [4, 2]
    );
    // Version 2 has four bytes for the length of the header.
    let long = [b"\x93NUMPY\x02\x00".as_slice(), &[0xff; 4], &[b'('; 5000]].concat();
    let found = fault(npy::decode(path, &long).unwrap_err());
    assert!(matches!(found, ArrayFault::Header { .. }), "{found}");
}

#[test]
fn nesting_is_no_way_to_exhaust_the_stack() {
    let header = ["{'shape': ".as_bytes(), &[b'('; 60_000]].concat();
    let length = (header.len() as u16).to_le_bytes();
    let bytes = [b"\x93NUMPY\x01\x00".as_slice(), &length, &header].concat();
    let error = npy::decode(Path::new("x.npy"), &bytes).unwrap_err();
    assert!(matches!(fault(error), ArrayFault::Header { .. }));
}
