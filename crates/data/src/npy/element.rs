//! The type of an array's elements, as NumPy describes it: `<f4`, `|u1`, ….

use super::fault::ArrayFault;

/// A type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unsigned,
    Signed,
    Float,
}

/// A type of numbers with its width and byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) kind: Kind,
    /// Its size in bytes: 1, 2, 4 or 8.
    pub(super) width: usize,
    big_endian: bool,
}

impl Element {
    /// The type that NumPy calls `descr`.
    pub(super) fn parse(descr: &[u8]) -> Result<Self, ArrayFault> {
        let element = match descr {
            [order @ (b'<' | b'>' | b'|' | b'='), kind, width] => {
                let kind = match kind {
                    b'u' => Some(Kind::Unsigned),
                    b'i' => Some(Kind::Signed),
                    b'f' => Some(Kind::Float),
                    _ => None,
                };
                let width = match (kind, width) {
                    (Some(Kind::Unsigned | Kind::Signed), b'1') => Some(1),
                    (Some(Kind::Unsigned | Kind::Signed), b'2') => Some(2),
                    (Some(_), b'4') => Some(4),
                    (Some(_), b'8') => Some(8),
                    _ => None,
                };
                let known = kind.zip(width);
                // Only single bytes have no order.
                let known = known.filter(|&(_, width)| width == 1 || *order != b'|');
                known.map(|(kind, width)| Self {
                    kind,
                    width,
                    big_endian: *order == b'>',
                })
            }
            _ => None,
        };
        element.ok_or_else(|| ArrayFault::Element {
            descr: descr.iter().take(32).copied().map(char::from).collect(),
            expected: "8 to 64-bit integers or 32 or 64-bit floats",
        })
    }

    /// Its description without the byte order.
    pub(super) fn descr(self) -> String {
        let kind = match self.kind {
            Kind::Unsigned => 'u',
            Kind::Signed => 'i',
            Kind::Float => 'f',
        };
        format!("{kind}{}", self.width)
    }

    /// A number of eight bytes at most, its bytes in little-endian order.
    fn little_endian(self, bytes: &[u8]) -> [u8; 8] {
        let mut number = [0; 8];
        number[..bytes.len()].copy_from_slice(bytes);
        if self.big_endian {
            number[..bytes.len()].reverse();
        }
        number
    }

    /// The number in `bytes`, which are as many as its width, in single precision.
    pub(super) fn float(self, bytes: &[u8]) -> f32 {
        let number = self.little_endian(bytes);
        if self.width == 4 {
            let [a, b, c, d, ..] = number;
            f32::from_le_bytes([a, b, c, d])
        } else {
            f64::from_le_bytes(number) as f32
        }
    }

    /// The integer in `bytes`, which are as many as its width; what is beyond 2⁶³ − 1 becomes that.
    pub(super) fn integer(self, bytes: &[u8]) -> i64 {
        let number = u64::from_le_bytes(self.little_endian(bytes));
        if self.kind == Kind::Unsigned {
            return i64::try_from(number).unwrap_or(i64::MAX);
        }
        let unused = 64 - 8 * self.width as u32;
        (number << unused) as i64 >> unused
    }
}
