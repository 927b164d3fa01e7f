//! Whether a JPEG file is whole. Decoders fill what is missing with grey and say nothing; the end marker
//! tells (ITU-T T.81, annex B).

/// Whether the end of the image is reached, segment by segment. What follows it is of no interest: cameras
/// append more.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    const RESTARTS: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;
    let mut rest = bytes.get(2..).unwrap_or_default();
    let mut in_scan = false;
    loop {
        // To the next marker: anything between them is entropy-coded data, or filling.
        let Some(start) = rest.iter().position(|&byte| byte == 0xff) else {
            return false;
        };
        rest = &rest[start..];
        let Some(&marker) = rest.get(1) else {
            return false;
        };
        match marker {
            // A fill byte, which may stand before any marker.
            0xff => rest = &rest[1..],
            // A byte of the scan that equals 0xff, or a restart within it.
            0x00 => rest = &rest[2..],
            _ if in_scan && RESTARTS.contains(&marker) => rest = &rest[2..],
            0xd9 => return true,
            // Markers without a length.
            0x01 | 0xd0..=0xd8 => rest = &rest[2..],
            _ => {
                let Some(&[high, low]) = rest.get(2..4) else {
                    return false;
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                let Some(after) = rest.get(2 + length..) else {
                    return false;
                };
                in_scan = marker == 0xda;
                rest = after;
            }
        }
    }
}
