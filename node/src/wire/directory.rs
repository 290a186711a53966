//! `/nearcast/directory/1`: an announcement and a question in one, answered in order, on a kept stream.

use prost::Message;

use super::control::PeerRecord;

/// A question.
pub(crate) const QUESTION_BYTES_MAX: usize = 256;
/// An answer names at most this many peers, of 64 bytes or so each.
pub(crate) const PEERS_MAX: usize = 200;
/// An answer.
pub(crate) const REPLY_BYTES_MAX: usize = 32 * 1024;

/// "I take part in this swarm; who else does, near me?"
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Question {
    /// Info hash, 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) content: Vec<u8>,
    /// Peers wanted; 0 = only announce.
    #[prost(uint32, tag = "2")]
    pub(crate) wanted: u32,
    /// Port the asker listens on over TCP; 0 = none. The IP is the one seen on the connection.
    #[prost(uint32, tag = "3")]
    pub(crate) tcp_port: u32,
    /// Port the asker listens on over QUIC; 0 = none.
    #[prost(uint32, tag = "4")]
    pub(crate) udp_port: u32,
}

/// The answer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Reply {
    /// Members, nearest to the asker first.
    #[prost(message, repeated, tag = "1")]
    pub(crate) peers: Vec<PeerRecord>,
    /// The directory itself holds the content.
    #[prost(bool, tag = "2")]
    pub(crate) holds: bool,
    /// The directory knows nothing of this content and takes no announcements of it.
    #[prost(bool, tag = "3")]
    pub(crate) unknown: bool,
}
