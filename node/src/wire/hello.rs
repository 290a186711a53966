//! Reads a hello in two parts: first the content it is about, then the rest, as far as that content
//! needs it.
//!
//! A have-map may take a mebibyte. It is read only once we know the content, and only up to the
//! length that this content's have-map can have. So strangers cannot make us take memory for
//! contents that do not exist.

use nearcast_core::id::ContentId;
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{
    FrameError,
    control::{HELLO_BYTES_MAX, Hello},
    frame::{admit, read_body, read_length},
};

/// Field 1 with its 32 bytes. Every hello begins with it.
const CONTENT_BYTES: usize = 2 + 32;
/// Bytes of a hello beside its have-map, at most: the content, flags, ports, and what later
/// versions add.
const REST_BYTES_MAX: usize = 1_024;

/// The first part of a hello.
pub(crate) struct Begun {
    /// The content that the hello is about.
    pub(crate) content: ContentId,
    first: [u8; CONTENT_BYTES],
    length: usize,
}

/// Reads the first part. `None`: the stream ended cleanly.
pub(crate) async fn begin_hello(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Begun>, FrameError> {
    let Some(bytes) = read_length(stream).await? else { return Ok(None) };
    let length = admit(bytes, HELLO_BYTES_MAX)?;
    let mut first = [0; CONTENT_BYTES];
    if length < CONTENT_BYTES {
        return Err(FrameError::Nonsense("a hello without a content"));
    }
    stream.read_exact(&mut first).await?;
    let [0x0a, 32, hash @ ..] = first else {
        return Err(FrameError::Nonsense("a hello that does not begin with a content"));
    };
    Ok(Some(Begun { content: ContentId(hash), first, length }))
}

impl Begun {
    /// Bytes that are still to come.
    pub(crate) fn bytes_left(&self) -> usize {
        self.length.saturating_sub(CONTENT_BYTES)
    }

    /// Reads the rest. The content has `runs` runs. Calls `growing` with the number of bytes held.
    pub(crate) async fn finish(
        self,
        stream: &mut (impl AsyncRead + Unpin),
        runs: u32,
        growing: impl FnMut(usize),
    ) -> Result<Hello, FrameError> {
        let max = (CONTENT_BYTES + REST_BYTES_MAX).saturating_add((runs as usize).div_ceil(8));
        admit((self.length as u64).into(), max)?;
        let bytes = read_body(stream, self.first.to_vec(), self.length, growing).await?;
        Ok(Hello::decode(&bytes[..])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello with a have-map of this many bytes.
    fn hello(map_bytes: usize) -> Vec<u8> {
        let hello = Hello { content: vec![7; 32], have: vec![0xff; map_bytes], ..Hello::default() };
        hello.encode_length_delimited_to_vec()
    }

    #[tokio::test]
    async fn a_hello_in_two_parts_is_the_hello_that_was_sent() {
        for runs in [8, 8 * 100_000] {
            let bytes = hello(runs as usize / 8);
            let mut input = &bytes[..];
            let begun = begin_hello(&mut input).await.unwrap().unwrap();
            assert_eq!(begun.content, ContentId([7; 32]));
            let mut held = 0;
            let read = begun.finish(&mut input, runs, |bytes| held = held.max(bytes)).await.unwrap();
            assert_eq!(read, Hello::decode_length_delimited(&bytes[..]).unwrap());
            assert!(input.is_empty() && held >= runs as usize / 8);
        }
    }

    #[tokio::test]
    async fn a_have_map_longer_than_the_contents_is_refused_unread() {
        let bytes = hello(100_000);
        let mut input = &bytes[..];
        let begun = begin_hello(&mut input).await.unwrap().unwrap();
        let left = input.len();
        let error = begun.finish(&mut input, 800, |_| panic!("nothing of it is held")).await.unwrap_err();
        assert!(matches!(error, FrameError::TooLong { .. }), "{error}");
        assert_eq!(input.len(), left);
    }

    #[tokio::test]
    async fn what_does_not_begin_with_a_content_is_refused() {
        let no_content = Hello { content: Vec::new(), have: vec![1; 60], ..Hello::default() };
        for bytes in [no_content.encode_length_delimited_to_vec(), vec![0], vec![5, 0x0a, 3, 1, 2, 3]] {
            assert!(begin_hello(&mut &bytes[..]).await.is_err(), "{bytes:?}");
        }
        assert!(begin_hello(&mut &[][..]).await.unwrap().is_none());
    }
}
