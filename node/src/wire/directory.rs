//! `/nearcast/directory/1`: each message is an announcement and a question in one. They are
//! answered in order, on a stream that stays open.

use std::{net::IpAddr, time::Duration};

use nearcast_core::{
    directory::{self, MEMBERS_MAX},
    id::ContentId,
    registry::{Member, PeerName},
    untrusted::Untrusted,
};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint},
};

use super::control::{PeerRecord, port};

/// Length of a question at most, in bytes.
pub(crate) const QUESTION_BYTES_MAX: usize = 256;
/// Peers in an answer, at most. Each takes about 64 bytes.
pub(crate) const PEERS_MAX: usize = MEMBERS_MAX;
/// Length of an answer at most, in bytes.
pub(crate) const REPLY_BYTES_MAX: usize = 32 * 1024;
/// Length of the magnet link of an atlas at most, in bytes.
pub(crate) const LINK_BYTES_MAX: usize = 2 * 1024;

/// "I take part in this swarm. Which other peers do, near me?"
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Question {
    /// Info hash, 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) content: Vec<u8>,
    /// Peers wanted. `0`: only announce.
    #[prost(uint32, tag = "2")]
    pub(crate) wanted: u32,
    /// Port the asker listens on over TCP. `0`: none. The IP address is the one seen on the
    /// connection.
    #[prost(uint32, tag = "3")]
    pub(crate) tcp_port: u32,
    /// Port the asker listens on over QUIC. `0`: none.
    #[prost(uint32, tag = "4")]
    pub(crate) udp_port: u32,
    /// The asker holds the whole content.
    #[prost(bool, tag = "5")]
    pub(crate) complete: bool,
    /// The asker leaves the swarm. The directory forgets it and returns no peers.
    #[prost(bool, tag = "6")]
    pub(crate) leaving: bool,
    /// Version of the asker's atlas. `0`: it has none. Absent: it does not want one.
    #[prost(uint64, optional, tag = "7")]
    pub(crate) atlas: Option<u64>,
    /// The asker is another directory, which asks on behalf of its own askers and takes no part in
    /// the swarm. It is not listed, and nobody else is asked for it.
    #[prost(bool, tag = "8")]
    pub(crate) only_asks: bool,
}

impl Question {
    /// The question as the directory understands it, about this content.
    pub(crate) fn of(&self, content: ContentId) -> directory::Question {
        directory::Question {
            content,
            tcp: port(self.tcp_port),
            udp: port(self.udp_port),
            complete: self.complete,
            leaving: self.leaving,
            wanted: self.wanted.into(),
            atlas: self.atlas,
            only_asks: self.only_asks,
        }
    }
}

/// The answer of a directory.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Reply {
    /// Peers of the swarm, nearest to the asker first.
    #[prost(message, repeated, tag = "1")]
    pub(crate) peers: Vec<PeerRecord>,
    /// The directory itself holds the content.
    #[prost(bool, tag = "2")]
    pub(crate) holds: bool,
    /// The directory knows nothing of this content and takes no announcements of it.
    #[prost(bool, tag = "3")]
    pub(crate) unknown: bool,
    /// Number of members in the asker's AS, the asker included; an estimate in a large swarm. `0`:
    /// the directory does not know the asker's AS.
    #[prost(uint32, tag = "4")]
    pub(crate) members_in_as: u32,
    /// Number of members in the swarm.
    #[prost(uint32, tag = "5")]
    pub(crate) members: u32,
    /// The IP address at which the directory sees the asker: 4 or 16 bytes.
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) observed: Vec<u8>,
    /// Seconds until the asker should ask about this content again. `0`: when it likes.
    #[prost(uint32, tag = "7")]
    pub(crate) pause: u32,
    /// The announcement does not count: the asker has sent too many questions, or has too many
    /// peers or contents.
    #[prost(bool, tag = "8")]
    pub(crate) refused: bool,
    /// Where to get a newer atlas than the asker's.
    #[prost(message, optional, tag = "9")]
    pub(crate) atlas: Option<Offer>,
    /// How many of the peers other directories named, which this directory asked.
    #[prost(uint32, tag = "10")]
    pub(crate) referred: u32,
    /// The port from which the asker's connection comes, as the directory sees it.
    #[prost(uint32, tag = "11")]
    pub(crate) observed_port: u32,
}

impl Reply {
    /// Number of members in the asker's AS. `None`: the directory does not say.
    pub(crate) fn members_in_as(&self) -> Option<Untrusted<u32>> {
        Untrusted::new(self.members_in_as).said()
    }

    /// How long the asker should not ask again. `None`: the directory does not say.
    pub(crate) fn pause(&self) -> Option<Untrusted<Duration>> {
        Untrusted::new(Duration::from_secs(self.pause.into())).said()
    }
}

/// Where to get an atlas.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Offer {
    /// The version of the atlas.
    #[prost(uint64, tag = "1")]
    pub(crate) version: u64,
    /// A magnet link of at most 2 KiB.
    #[prost(string, tag = "2")]
    pub(crate) link: String,
}

/// Appends a reply as a frame: `reply`, which has no peers, with `members` as its peers. Building
/// fifty [`PeerRecord`]s would take a hundred allocations, most of the cost of an answer.
pub(crate) fn write_reply(reply: &Reply, members: &[Member], frame: &mut Vec<u8>) {
    debug_assert!(reply.peers.is_empty());
    let peers: usize = members.iter().map(|member| record_len(member).saturating_add(2)).sum();
    encode_varint(peers.saturating_add(reply.encoded_len()) as u64, frame);
    for member in members {
        encode_key(1, WireType::LengthDelimited, frame);
        encode_varint(record_len(member) as u64, frame);
        encode_key(1, WireType::LengthDelimited, frame);
        encode_varint(PeerName::ID_BYTES as u64, frame);
        frame.extend_from_slice(&member.name.to_id());
        encode_key(2, WireType::LengthDelimited, frame);
        match member.endpoint.ip {
            IpAddr::V4(ip) => {
                encode_varint(4, frame);
                frame.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                encode_varint(16, frame);
                frame.extend_from_slice(&ip.octets());
            }
        }
        for (tag, port) in [(3, member.endpoint.tcp), (4, member.endpoint.udp)] {
            if let Some(port) = port {
                encode_key(tag, WireType::Varint, frame);
                encode_varint(port.into(), frame);
            }
        }
    }
    // Encoding fails only if a buffer cannot grow.
    let _ = reply.encode(frame);
}

/// Length of a peer record, in bytes. It is under 128, so that the length takes one byte.
fn record_len(member: &Member) -> usize {
    let ip = if member.endpoint.ip.is_ipv4() { 4 } else { 16 };
    let port = |port: Option<u16>| port.map_or(0, |port| encoded_len_varint(port.into()).saturating_add(1));
    let ports = [port(member.endpoint.tcp), port(member.endpoint.udp)];
    [2 + PeerName::ID_BYTES, 2, ip].into_iter().chain(ports).sum()
}

#[cfg(test)]
mod tests {
    use nearcast_core::{registry::Endpoint, tier::Proximity};

    use super::*;
    use crate::{peer_book, wire::read_frame};

    #[tokio::test]
    async fn a_reply_written_by_hand_is_what_protobuf_would_write() {
        let member = |ip: &str, tcp, udp| Member {
            name: PeerName([7; 32]),
            endpoint: Endpoint { ip: ip.parse().unwrap(), tcp, udp },
            proximity: Proximity::UNKNOWN,
            complete: true,
        };
        let members = [
            member("8.8.8.8", Some(4001), None),
            member("2600::1", Some(443), Some(65_535)),
            member("1.2.3.4", None, Some(100)),
        ];
        let rest = Reply {
            holds: true,
            members: 3_000,
            members_in_as: 70,
            observed: vec![9, 9, 9, 9],
            pause: 60,
            atlas: Some(Offer { version: 7, link: "magnet:".to_owned() }),
            ..Reply::default()
        };
        for count in 0..=members.len() {
            let mut frame = vec![1];
            write_reply(&rest, &members[..count], &mut frame);
            let records = members[..count].iter();
            let peers =
                records.map(|member| peer_book::record(&member.name.to_id(), &member.endpoint)).collect();
            let wanted = Reply { peers, ..rest.clone() };
            let read = read_frame::<Reply>(&mut &frame[1..], REPLY_BYTES_MAX).await.unwrap();
            assert_eq!(read, Some(wanted.clone()));
            assert_eq!(frame[1..], wanted.encode_length_delimited_to_vec());
        }
    }
}
