//! Whether the bytes of an ONNX file are whole, before the runtime reads them.
//!
//! The runtime believes the lengths in a file: one that leads back to where it stands is read for ever,
//! one of terabytes is allocated, and graphs within graphs, ten thousand deep, overflow the stack. So
//! every message that it reads is walked first: lengths must end within the message around them.

/// The most messages within one another. A graph within a graph is three; exporters write one or two.
const DEEPEST: usize = 64;

/// The messages of ONNX's schema (onnx.proto) that are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    SequenceType,
    Shape,
    /// One of plain fields.
    Plain,
}

impl Message {
    /// The message in a field; none if it holds none, or one that the runtime skips.
    fn within(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) => Self::Graph,
            // Operator sets; metadata.
            (Self::Model, 8 | 14) => Self::Plain,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::ValueInfo,
            (Self::Node, 5) => Self::Attribute,
            (Self::Attribute, 5 | 10) => Self::Tensor,
            (Self::Attribute, 6 | 11) => Self::Graph,
            // Where external data lie.
            (Self::Tensor, 13) => Self::Plain,
            (Self::ValueInfo, 2) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::Type, 4) => Self::SequenceType,
            (Self::TensorType, 2) => Self::Shape,
            (Self::SequenceType, 1) => Self::Type,
            // A dimension.
            (Self::Shape, 1) => Self::Plain,
            _ => return None,
        })
    }
}

/// Walks a file; tells what is wrong with it.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    // The messages around the place, each with its end.
    let mut around = vec![(Message::Model, bytes.len())];
    let mut place = 0;
    while let Some(&(message, end)) = around.last() {
        if place == end {
            around.pop();
            continue;
        }
        let start = place;
        let fault = |what: &str| format!("{what} at byte {start}: the file is damaged");
        let message_bytes = &bytes[..end];
        let tag = varint(message_bytes, &mut place).ok_or_else(|| fault("there is no field"))?;
        let length = match tag & 7 {
            0 => {
                varint(message_bytes, &mut place).ok_or_else(|| fault("a number is cut short"))?;
                0
            }
            1 => 8,
            5 => 4,
            2 => varint(message_bytes, &mut place).ok_or_else(|| fault("a length is cut short"))?,
            _ => return Err(fault("a field is of no known kind")),
        };
        let length = usize::try_from(length)
            .ok()
            .filter(|&length| length <= end - place)
            .ok_or_else(|| fault("a field is longer than what holds it"))?;
        match message.within(tag >> 3) {
            Some(_) if tag & 7 != 2 => return Err(fault("a number stands for a message")),
            Some(_) if around.len() == DEEPEST => {
                return Err(format!("its graphs lie more than {DEEPEST} messages deep"));
            }
            Some(inner) => around.push((inner, place + length)),
            None => place += length,
        }
    }
    Ok(())
}

/// A number of up to ten bytes, seven bits each, the lowest first.
fn varint(bytes: &[u8], place: &mut usize) -> Option<u64> {
    let mut value = 0;
    for index in 0..10 {
        let byte = *bytes.get(*place)?;
        *place += 1;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = body.len();
        while length > 0x7f {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(body);
        bytes
    }

    /// A model whose graph lies `depth` graphs deep, as branches of conditions do.
    fn nested(depth: usize) -> Vec<u8> {
        let mut graph = Vec::new();
        for _ in 0..depth {
            graph = field(1, &field(5, &field(6, &graph)));
        }
        field(7, &graph)
    }

    #[test]
    fn networks_of_pytorch_are_whole() {
        for name in ["grey", "colour", "spatial"] {
            let path = format!("{}/tests/onnx/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
            assert_eq!(check(&std::fs::read(path).unwrap()), Ok(()));
        }
        assert_eq!(check(&nested(10)), Ok(()));
    }

    #[test]
    fn a_length_that_leads_out_of_its_message_is_found() {
        // A graph of two bytes, whose node says that it has five.
        let model = [7 << 3 | 2, 2, 1 << 3 | 2, 5, 0, 0, 0, 0, 0];
        assert!(
            check(&model)
                .unwrap_err()
                .contains("longer than what holds it")
        );
        // One that is −11 to whoever takes it for a signed number.
        let mut back = vec![1 << 3 | 2, 0xf5];
        back.extend([0xff; 8]);
        back.push(1);
        assert!(
            check(&back)
                .unwrap_err()
                .contains("longer than what holds it")
        );
    }

    #[test]
    fn what_is_cut_short_and_what_is_no_field_are_found() {
        for (bytes, fault) in [
            (&[0x80][..], "no field"),
            (&[1 << 3], "number is cut short"),
            (&[1 << 3 | 2, 0x80], "length is cut short"),
            (&[1 << 3 | 1, 0, 0], "longer than"),
            (&[1 << 3 | 3], "no known kind"),
            (&[7 << 3, 1], "stands for a message"),
            (&[0xff; 11], "no field"),
        ] {
            let found = check(bytes).unwrap_err();
            assert!(found.contains(fault), "{found}");
        }
    }

    #[test]
    fn graphs_that_lie_too_deep_are_refused_without_recursion() {
        assert!(check(&nested(100_000)).unwrap_err().contains("deep"));
    }
}
