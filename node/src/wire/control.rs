//! `/nearcast/exchange/1`: first a hello each way, then messages between neighbours.

use libp2p::PeerId;
use nearcast_core::{
    id::ContentId,
    layout::{Layout, RunIndex},
    run_set::RunSet,
    untrusted::Untrusted,
};
use prost::{Message, Oneof};

use super::FrameError;

/// Length of a hello at most, in bytes. A hello carries a have-map of up to 2^23 bits.
pub(crate) const HELLO_BYTES_MAX: usize = 1024 * 1024 + 1024;
/// Length of any other frame at most, in bytes.
pub(crate) const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Runs in one `Have` or `Lost`, at most.
pub(crate) const RUNS_MAX: usize = 8 * 1024;
/// Peers in one `Peers`, at most.
pub(crate) const PEERS_MAX: usize = 64;

/// The first frame each way.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Hello {
    /// Info hash, 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) content: Vec<u8>,
    /// The sender is the operator's own server.
    #[prost(bool, tag = "2")]
    pub(crate) origin: bool,
    /// The sender answers directory questions about this content.
    #[prost(bool, tag = "3")]
    pub(crate) directory: bool,
    /// The sender holds everything; `have` is empty then.
    #[prost(bool, tag = "4")]
    pub(crate) have_all: bool,
    /// The runs that the sender holds. Run 0 is the lowest bit of the first byte. Empty: none.
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) have: Vec<u8>,
    /// Port the sender listens on over TCP. `0`: none.
    #[prost(uint32, tag = "6")]
    pub(crate) tcp_port: u32,
    /// Port the sender listens on over QUIC. `0`: none.
    #[prost(uint32, tag = "7")]
    pub(crate) udp_port: u32,
}

impl Hello {
    /// The content that the hello is about.
    pub(crate) fn content(&self) -> Result<ContentId, FrameError> {
        content_id(&self.content)
    }

    /// The runs that the sender holds.
    pub(crate) fn have_map(&self, runs: u32) -> Result<RunSet, FrameError> {
        match (self.have_all, self.have.is_empty()) {
            (true, _) => Ok(RunSet::full(runs)),
            (false, true) => Ok(RunSet::empty(runs)),
            (false, false) => RunSet::from_bytes(runs, &self.have)
                .map_err(|_| FrameError::Nonsense("a have-map of another size")),
        }
    }

    /// Sets the runs that we hold.
    pub(crate) fn with_have(mut self, have: &RunSet) -> Hello {
        self.have_all = have.is_full();
        self.have = if have.is_full() || have.is_empty() { Vec::new() } else { have.to_bytes() };
        self
    }
}

/// Parses an info hash.
pub(crate) fn content_id(bytes: &[u8]) -> Result<ContentId, FrameError> {
    bytes.try_into().map(ContentId).map_err(|_| FrameError::Nonsense("an info hash that is not 32 bytes"))
}

/// A port that a peer listens on. `None`: `number` is 0, which means no port, or is no valid port.
pub(crate) fn port(number: u32) -> Option<u16> {
    Untrusted::new(number).said()?.fits()
}

/// Every later frame.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Frame {
    #[prost(oneof = "Said", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub(crate) said: Option<Said>,
}

/// The message in a frame. Choke and similar messages carry a value so that they are encoded on the
/// wire.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Said {
    /// Runs the sender now holds.
    #[prost(message, tag = "1")]
    Have(Runs),
    /// Runs the sender no longer holds.
    #[prost(message, tag = "2")]
    Lost(Runs),
    /// The sender wants something from us, or no longer does.
    #[prost(bool, tag = "3")]
    Interested(bool),
    /// The sender serves no new requests.
    #[prost(bool, tag = "4")]
    Choke(bool),
    /// The sender serves requests.
    #[prost(bool, tag = "5")]
    Unchoke(bool),
    /// Other peers in the swarm.
    #[prost(message, tag = "6")]
    Peers(Peers),
    /// The link ends. The reason: 1 full, 2 useless, 3 leaving, 4 banned, 5 unknown content, 6
    /// linked already.
    #[prost(uint32, tag = "7")]
    Goodbye(u32),
    /// Runs the sender has requested from outside the group that both peers are in.
    #[prost(message, tag = "8")]
    Importing(Runs),
    /// Whether the sender's uplink is idle: the receiver may ask it for any run, turn or not.
    #[prost(bool, tag = "9")]
    Idle(bool),
}

/// Numbers of runs.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Runs {
    #[prost(uint32, repeated, packed = "true", tag = "1")]
    pub(crate) runs: Vec<u32>,
}

impl Runs {
    pub(crate) fn new(runs: &[RunIndex]) -> Runs {
        Runs { runs: runs.iter().map(|run| run.get()).collect() }
    }

    /// Checks every number against the layout.
    pub(crate) fn checked(self, layout: &Layout) -> Result<Vec<RunIndex>, FrameError> {
        if self.runs.len() > RUNS_MAX {
            return Err(FrameError::Nonsense("more runs than one frame may name"));
        }
        let index =
            |run| layout.run_index(run).ok_or(FrameError::Nonsense("a run the content does not have"));
        self.runs.into_iter().map(index).collect()
    }
}

/// Other peers in a swarm.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Peers {
    #[prost(message, repeated, tag = "1")]
    pub(crate) peers: Vec<PeerRecord>,
}

/// The addresses of a peer.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct PeerRecord {
    /// Peer id, as a multihash.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) peer: Vec<u8>,
    /// IP address as the sender of this record saw it: 4 or 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) ip: Vec<u8>,
    /// Port the peer claims over TCP. `0`: none.
    #[prost(uint32, tag = "3")]
    pub(crate) tcp_port: u32,
    /// Port the peer claims over QUIC. `0`: none.
    #[prost(uint32, tag = "4")]
    pub(crate) udp_port: u32,
}

impl PeerRecord {
    /// The peer id. `None`: it is malformed.
    pub(crate) fn peer_id(&self) -> Option<PeerId> {
        PeerId::from_bytes(&self.peer).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_have_map_survives_the_hello_whatever_it_holds() {
        for runs in [1, 8, 100] {
            let mut some = RunSet::empty(runs);
            some.insert(Layout::new(16 << 10, [u64::from(runs) * (16 << 10)]).unwrap().run_index(0).unwrap());
            for set in [RunSet::empty(runs), some, RunSet::full(runs)] {
                let hello = Hello::default().with_have(&set);
                let decoded = Hello::decode(&hello.encode_to_vec()[..]).unwrap();
                assert_eq!(decoded.have_map(runs).unwrap(), set);
            }
        }
    }

    #[test]
    fn the_largest_have_map_fits_a_hello() {
        let runs = nearcast_core::layout::RUNS_MAX as u32;
        let hello = Hello { have: vec![0xff; runs as usize / 8], content: vec![0; 32], ..Hello::default() };
        assert!(hello.encoded_len() <= HELLO_BYTES_MAX);
    }

    #[test]
    fn a_port_is_one_that_there_can_be() {
        assert_eq!([0, 1, 65_535, 65_536, u32::MAX].map(port), [None, Some(1), Some(65_535), None, None]);
    }

    #[test]
    fn runs_that_do_not_exist_are_refused() {
        let layout = Layout::new(16 << 10, [32 << 10]).unwrap();
        assert_eq!(Runs { runs: vec![0, 1] }.checked(&layout).unwrap().len(), 2);
        assert!(Runs { runs: vec![2] }.checked(&layout).is_err());
        assert!(Runs { runs: vec![0; RUNS_MAX + 1] }.checked(&layout).is_err());
    }
}
