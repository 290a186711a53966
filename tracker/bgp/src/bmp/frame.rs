//! BMP's framing (RFC 7854, section 4.1): version, length, kind, then the body.

use bytes::{Buf, Bytes, BytesMut};

/// The header of every message: version, length, kind. In bytes.
pub const HEADER_BYTES: usize = 6;

/// Longer messages are refused. BGP's longest message has 64 KiB (RFC 8654). A route monitoring
/// message contains one, a peer up message two, and names besides. Twice that leaves room for
/// future additions.
pub const MESSAGE_BYTES_MAX: usize = 256 << 10;

const VERSION: u8 = 3;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The kind of message (RFC 7854, section 10.1).
    pub kind: u8,
    /// The whole message, with its header.
    pub whole: Bytes,
}

/// The stream is not BMP, and cannot be resynchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another protocol, or a message does not start where it should.
    #[error("what it sent is not BMP version 3 (a message begins with {0})")]
    Version(u8),
    /// Shorter than the header.
    #[error("a message of {0} bytes is shorter than its own header")]
    Short(u32),
    /// Longer than [`MESSAGE_BYTES_MAX`].
    #[error("a message of {0} bytes is longer than {MESSAGE_BYTES_MAX}")]
    Long(u32),
}

/// Takes the first message off the received bytes. `None`: it is not complete. The claimed length
/// is checked as soon as it is there, and nothing is allocated for it.
///
/// # Errors
/// If no message can begin like this.
pub fn take(arrived: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    if let Some(&version) = arrived.first()
        && version != VERSION
    {
        return Err(FrameError::Version(version));
    }
    let Some(&[_, a, b, c, d, kind]) = arrived.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let claimed = u32::from_be_bytes([a, b, c, d]);
    let length = claimed as usize;
    if length < HEADER_BYTES {
        return Err(FrameError::Short(claimed));
    }
    if length > MESSAGE_BYTES_MAX {
        return Err(FrameError::Long(claimed));
    }
    if arrived.remaining() < length {
        return Ok(None);
    }
    Ok(Some(Frame { kind, whole: arrived.split_to(length).freeze() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = (HEADER_BYTES + body.len()) as u32;
        [&[3][..], &length.to_be_bytes(), &[kind], body].concat()
    }

    #[test]
    fn messages_are_found_however_they_arrive() {
        let stream = [message(4, b"hello"), message(0, b""), message(2, &[7; 1_000])].concat();
        for step in [1, 2, 5, 6, 7, 100, stream.len()] {
            let (mut arrived, mut found) = (BytesMut::new(), Vec::new());
            for chunk in stream.chunks(step) {
                arrived.extend_from_slice(chunk);
                while let Some(frame) = take(&mut arrived).unwrap() {
                    found.push((frame.kind, frame.whole.len() - HEADER_BYTES));
                }
            }
            assert_eq!(found, [(4, 5), (0, 0), (2, 1_000)], "{step} bytes at a time");
            assert!(arrived.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_a_message_is_refused_before_it_arrives() {
        let refused = |bytes: &[u8]| take(&mut BytesMut::from(bytes)).unwrap_err();
        assert_eq!(refused(b"G"), FrameError::Version(b'G'));
        assert_eq!(refused(&[3, 0, 0, 0, 5, 0]), FrameError::Short(5));
        assert_eq!(refused(&[3, 0xff, 0xff, 0xff, 0xff, 0]), FrameError::Long(u32::MAX));
        assert_eq!(refused(&[3, 0, 4, 0, 1, 0]), FrameError::Long(256 * 1_024 + 1));
        assert_eq!(take(&mut BytesMut::from(&[3, 0, 4, 0, 0, 0][..])), Ok(None));
    }
}
