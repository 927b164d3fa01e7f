//! The header of an npy file: a Python dictionary of three keys, in text.
//!
//! ```text
//! {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }
//! ```
//!
//! Parsed here, and without recursion: readers that take the whole array at once (ndarray-npy 0.10)
//! allocate what the header promises before they read it, and have to be told the type beforehand.

use super::element::Element;
use super::fault::ArrayFault;

/// The highest rank that NumPy itself knows.
const MAX_RANK: usize = 64;

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) element: Element,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// Parses the dictionary.
pub(super) fn parse(text: &[u8]) -> Result<Header, ArrayFault> {
    let mut cursor = Cursor { text, place: 0 };
    let (mut element, mut fortran_order, mut shape) = (None, None, None);
    cursor.expect(b'{', "`{`")?;
    while !cursor.accept(b'}') {
        let key = cursor.string()?;
        cursor.expect(b':', "`:`")?;
        let fresh = match key {
            b"descr" => element.replace(cursor.element()?).is_none(),
            b"fortran_order" => fortran_order.replace(cursor.boolean()?).is_none(),
            b"shape" => shape.replace(cursor.shape()?).is_none(),
            _ => false,
        };
        if !fresh {
            return Err(cursor.fault("one of the keys descr, fortran_order and shape, once"));
        }
        if !cursor.accept(b',') {
            cursor.expect(b'}', "`,` or `}`")?;
            break;
        }
    }
    cursor.skip_space();
    if cursor.place != text.len() {
        return Err(cursor.fault("the end"));
    }
    match (element, fortran_order, shape) {
        (Some(element), Some(fortran_order), Some(shape)) => Ok(Header {
            element,
            fortran_order,
            shape,
        }),
        _ => Err(cursor.fault("all of the keys descr, fortran_order and shape")),
    }
}

struct Cursor<'a> {
    text: &'a [u8],
    place: usize,
}

impl<'a> Cursor<'a> {
    fn fault(&self, expected: &str) -> ArrayFault {
        ArrayFault::Header {
            at: format!(
                "at byte {} of its dictionary, where {expected} is expected",
                self.place
            ),
        }
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.place) {
            self.place += 1;
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.text.get(self.place) == Some(&byte);
        self.place += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, expected: &str) -> Result<(), ArrayFault> {
        if self.accept(byte) {
            Ok(())
        } else {
            Err(self.fault(expected))
        }
    }

    /// A string without escapes, which NumPy does not write here.
    fn string(&mut self) -> Result<&'a [u8], ArrayFault> {
        let quote = if self.accept(b'\'') {
            b'\''
        } else if self.accept(b'"') {
            b'"'
        } else {
            return Err(self.fault("a string"));
        };
        let rest = &self.text[self.place..];
        match rest.iter().position(|&byte| byte == quote) {
            Some(length) => {
                self.place += length + 1;
                Ok(&rest[..length])
            }
            None => Err(self.fault("a closing quote")),
        }
    }

    fn element(&mut self) -> Result<Element, ArrayFault> {
        self.skip_space();
        if self.text.get(self.place) == Some(&b'[') {
            return Err(ArrayFault::Element {
                descr: "a structure".to_owned(),
                expected: "plain numbers",
            });
        }
        Element::parse(self.string()?)
    }

    fn boolean(&mut self) -> Result<bool, ArrayFault> {
        self.skip_space();
        let rest = &self.text[self.place..];
        for (word, value) in [(&b"True"[..], true), (&b"False"[..], false)] {
            if rest.starts_with(word) {
                self.place += word.len();
                return Ok(value);
            }
        }
        Err(self.fault("True or False"))
    }

    fn shape(&mut self) -> Result<Vec<usize>, ArrayFault> {
        let mut shape = Vec::new();
        self.expect(b'(', "`(`")?;
        while !self.accept(b')') {
            if shape.len() == MAX_RANK {
                return Err(self.fault("`)` after 64 dimensions"));
            }
            shape.push(self.number()?);
            if !self.accept(b',') {
                self.expect(b')', "`,` or `)`")?;
                break;
            }
        }
        Ok(shape)
    }

    fn number(&mut self) -> Result<usize, ArrayFault> {
        self.skip_space();
        let start = self.place;
        let mut number = 0_usize;
        while let Some(digit @ b'0'..=b'9') = self.text.get(self.place) {
            number = (number.checked_mul(10))
                .and_then(|tens| tens.checked_add(usize::from(digit - b'0')))
                .ok_or_else(|| self.fault("a number below 2^64"))?;
            self.place += 1;
        }
        if self.place == start {
            return Err(self.fault("a number"));
        }
        // Python 2 wrote long integers so.
        self.place += usize::from(self.text.get(self.place) == Some(&b'L'));
        Ok(number)
    }
}
