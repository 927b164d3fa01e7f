//! What a WebP file promises, chunk by chunk (RFC 9649, section 2), before a decoder allocates it.
//!
//! The decoder takes the sizes of chunks and of the frames in them at their word, whatever the size of the
//! file and of the canvas: a fifth of a kilobyte may claim EXIF data of 4 GiB.

use super::PictureFault;

/// Bytes of pixels a picture element is decoded to at most.
const BYTES_PER_PIXEL: u64 = 4;

/// Refuses chunks that go beyond the end of the file, and frames that take more than `limit` bytes.
pub(super) fn check(bytes: &[u8], limit: u64) -> Result<(), PictureFault> {
    // After `RIFF`, the size and `WEBP`.
    check_chunks(bytes.get(12..).unwrap_or_default(), limit)
}

fn check_chunks(mut rest: &[u8], limit: u64) -> Result<(), PictureFault> {
    while let Some((header, after)) = rest.split_at_checked(8) {
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let Some(chunk) = after.get(..size) else {
            return Err(PictureFault::Truncated);
        };
        match &header[..4] {
            b"VP8 " => check_frame(lossy_size(chunk), limit)?,
            b"VP8L" => check_frame(lossless_size(chunk), limit)?,
            // A frame of an animation: 16 bytes about it, then its chunks.
            b"ANMF" => check_chunks(chunk.get(16..).unwrap_or_default(), limit)?,
            _ => (),
        }
        // Chunks begin at even places; the last may lack its filling.
        rest = after.get(size + size % 2..).unwrap_or_default();
    }
    Ok(())
}

fn check_frame(size: Option<[u32; 2]>, limit: u64) -> Result<(), PictureFault> {
    // Without a header of its own the frame is refused by the decoder.
    let Some([width, height]) = size else {
        return Ok(());
    };
    let needed = u64::from(width) * u64::from(height) * BYTES_PER_PIXEL;
    if needed > limit {
        return Err(PictureFault::TooLarge {
            width,
            height,
            needed,
            limit,
        });
    }
    Ok(())
}

/// Width and height in a key frame's header (RFC 6386, section 9.1): 14 bits each.
fn lossy_size(chunk: &[u8]) -> Option<[u32; 2]> {
    let [_, _, _, 0x9d, 0x01, 0x2a, a, b, c, d, ..] = *chunk else {
        return None;
    };
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some([side(a, b), side(c, d)])
}

/// Width and height, less one each, in 14 bits after the signature (RFC 9649, section 3.4).
fn lossless_size(chunk: &[u8]) -> Option<[u32; 2]> {
    let [0x2f, a, b, c, d, ..] = *chunk else {
        return None;
    };
    let bits = u32::from_le_bytes([a, b, c, d]);
    Some([(bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1])
}
