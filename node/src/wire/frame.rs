//! Length-prefixed protobuf: an unsigned varint, then that many bytes. Nothing is allocated before
//! the length is checked.

use std::io;

use nearcast_core::untrusted::Untrusted;
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Room reserved for a body at first, in bytes.
const PIECE_BYTES: usize = 4 * 1024;

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The stream broke or ended.
    #[error("the stream ended: {0}")]
    Io(#[from] io::Error),
    /// The frame is longer than its kind may be.
    #[error("a frame that is too long ({bytes:?} bytes; at most {max} are allowed)")]
    TooLong {
        /// The length that the frame claims, in bytes.
        bytes: Untrusted<u64>,
        /// The length that is allowed, in bytes.
        max: usize,
    },
    /// The frame is not valid protobuf.
    #[error("a malformed frame: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// The frame is well-formed but makes no sense.
    #[error("a frame that makes no sense: {0}")]
    Nonsense(&'static str),
}

/// Reads one frame of at most `max` bytes. `None`: the stream ended cleanly.
pub(crate) async fn read_frame<M: Message + Default>(
    stream: &mut (impl AsyncRead + Unpin),
    max: usize,
) -> Result<Option<M>, FrameError> {
    read_frame_held(stream, max, |_| {}).await
}

/// Like [`read_frame`]. Calls `growing` with the number of bytes held for the frame, as it grows.
pub(crate) async fn read_frame_held<M: Message + Default>(
    stream: &mut (impl AsyncRead + Unpin),
    max: usize,
    growing: impl FnMut(usize),
) -> Result<Option<M>, FrameError> {
    let Some(bytes) = read_length(stream).await? else { return Ok(None) };
    let body = read_body(stream, Vec::new(), admit(bytes, max)?, growing).await?;
    Ok(Some(M::decode(&body[..])?))
}

/// Checks a length against `max`.
pub(super) fn admit(bytes: Untrusted<u64>, max: usize) -> Result<usize, FrameError> {
    let length = bytes.fits().filter(|&length: &usize| length <= max);
    length.ok_or(FrameError::TooLong { bytes, max })
}

/// Reads until `body` has `length` bytes. Allocates as bytes arrive, not as they are promised.
/// Calls `growing` with the number of bytes held.
pub(super) async fn read_body(
    stream: &mut (impl AsyncRead + Unpin),
    mut body: Vec<u8>,
    length: usize,
    mut growing: impl FnMut(usize),
) -> io::Result<Vec<u8>> {
    while body.len() < length {
        let at = body.len();
        // Doubles what came already, so that a long body is not copied for each of its pieces.
        let more = at.max(PIECE_BYTES).min(length.saturating_sub(at));
        body.reserve_exact(more);
        body.resize(at.saturating_add(more), 0);
        growing(body.capacity());
        stream.read_exact(&mut body[at..]).await?;
    }
    Ok(body)
}

/// Reads the length that a frame claims. `None`: the stream ended cleanly.
pub(super) async fn read_length(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<Untrusted<u64>>, FrameError> {
    let mut length = 0;
    // Five bytes hold any length that may be allowed.
    for shift in [0, 7, 14, 21, 28] {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return if shift == 0 {
                Ok(None)
            } else {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
            };
        }
        length |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(Some(Untrusted::new(length)));
        }
    }
    Err(FrameError::Nonsense("a length of more than five bytes"))
}

/// Writes one frame. Does not flush.
pub(crate) async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    frame: &impl Message,
) -> io::Result<()> {
    stream.write_all(&frame.encode_length_delimited_to_vec()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::directory::Question;

    #[tokio::test]
    async fn a_frame_comes_out_as_it_went_in() {
        let question = Question { content: vec![7; 32], wanted: 300, tcp_port: 4001, ..Question::default() };
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &question).await.unwrap();
        let mut input = &bytes[..];
        assert_eq!(read_frame::<Question>(&mut input, 64).await.unwrap(), Some(question));
        assert_eq!(read_frame::<Question>(&mut input, 64).await.unwrap(), None, "a clean end");
    }

    #[tokio::test]
    async fn a_long_frame_is_refused_before_it_is_read() {
        let mut input = &[0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3][..];
        let error = read_frame::<Question>(&mut input, 1_000).await.unwrap_err();
        assert!(matches!(error, FrameError::TooLong { max: 1_000, .. }), "{error}");
    }

    #[tokio::test]
    async fn every_cut_of_a_frame_is_an_error_and_no_panic() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &Question { content: vec![1; 200], ..Question::default() }).await.unwrap();
        for cut in 1..bytes.len() {
            assert!(read_frame::<Question>(&mut &bytes[..cut], 1_000).await.is_err(), "cut at {cut}");
        }
    }
}
