//! Names of things: contents by hash on the wire, everything by small integers inside.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::saturate::to_u8;

/// A SHA-256 digest: leaf, tree node, pieces root or info hash.
pub type Hash = [u8; 32];

/// The name of a content everywhere: its BitTorrent v2 info hash (BEP 52), the SHA-256 of the
/// bencoded `info` dictionary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub Hash);

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentId({self})")
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a content id is 64 hexadecimal digits")]
pub struct ContentIdError;

impl FromStr for ContentId {
    type Err = ContentIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(ContentIdError);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let nibble = |digit: u8| (digit as char).to_digit(16).ok_or(ContentIdError);
            *byte = to_u8(nibble(pair[0])? << 4 | nibble(pair[1])?);
        }
        Ok(ContentId(hash))
    }
}

macro_rules! small_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u32);
    };
}

small_key! {
    /// A peer, as the shell numbers it. Only the shell knows the peer id and the addresses of a
    /// key.
    PeerKey
}
small_key! {
    /// A content, as the shell numbers it.
    ContentKey
}
small_key! {
    /// One request of ours for a run. Its answer repeats the id, and a stale answer is ignored.
    RequestId
}
small_key! {
    /// One request of a neighbour for a run of ours, as the shell numbers it.
    UploadId
}
small_key! {
    /// One query to a directory. Its answer repeats the id.
    QueryId
}
small_key! {
    /// Somebody who reads a content while it comes, as the shell numbers them.
    ReaderId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_id_round_trips_through_hex() {
        let id = ContentId([0xa5; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn content_id_refuses_what_is_not_64_hex_digits() {
        for text in ["", "a5", &"g".repeat(64), &"é".repeat(32), &"+".repeat(64)] {
            assert_eq!(text.parse::<ContentId>(), Err(ContentIdError), "{text}");
        }
    }
}
