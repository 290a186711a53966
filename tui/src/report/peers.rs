//! The list of a download's peers, for people: who, how near, in which AS, how fast, where.

use nearcast_core::paths::printable;
use nearcast_node::progress::{Neighbour, Progress};

use crate::units::{Bytes, Rate, counted};

/// A line for the download, and one for each peer, nearest first.
pub(crate) fn lines(label: &str, progress: &Progress) -> Vec<String> {
    let peers = &progress.neighbours;
    let heading = format!("{label}: {}", counted(peers.len() as u32, "peer"));
    std::iter::once(heading).chain(peers.iter().map(line)).collect()
}

fn line(peer: &Neighbour) -> String {
    let asn = peer.asn.map_or_else(|| "—".to_owned(), |asn| asn.to_string());
    let has = format!("{}%", (peer.has * 100.0) as u8);
    format!(
        "  {:<11} {asn:<10} {:>10}  has {has:>4}, gave {}, got {}  {}",
        kind(peer),
        Rate(peer.rate_down),
        Bytes(peer.received),
        Bytes(peer.sent),
        printable(&peer.address),
    )
}

/// How near it is, or what it is.
pub(super) fn kind(peer: &Neighbour) -> &'static str {
    match peer {
        Neighbour { web_seed: true, .. } => "web_seed",
        Neighbour { origin: true, .. } => "origin",
        Neighbour { tier, .. } => tier.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::tests::halfway;

    #[test]
    fn each_peer_has_a_line() {
        let lines = lines("film", &halfway());
        assert_eq!(lines[0], "film: 3 peers");
        assert_eq!(
            lines[1],
            "  prefix24    AS64500     1.00 MB/s  has  50%, gave 0 B, got 0 B  /ip4/127.1.0.2/tcp/1"
        );
        assert!(lines[3].starts_with("  origin "), "{}", lines[3]);
    }

    #[test]
    fn an_address_cannot_command_the_terminal() {
        let mut progress = halfway();
        progress.neighbours[0].address = "http://\u{1b}[2J".to_owned();
        assert!(!lines("film", &progress).concat().contains('\u{1b}'));
    }
}
