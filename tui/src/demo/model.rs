//! The state of every peer in the demonstration: pure data, made from snapshots, read by views.

use std::{net::Ipv4Addr, time::Duration};

use nearcast_core::{stats::Traffic, tier::Tier};
use nearcast_node::progress::{Progress, Summary};

use super::internet::{NETWORKS, Network};
use crate::units::{Bytes, Span, percent};

/// The state of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The peer does not have everything yet.
    Getting,
    /// The peer has everything; the time it took.
    Complete(Duration),
    /// The peer's copy was hashed again and is right; the time the download took.
    Checked(Duration),
    /// The peer's copy was hashed again and is wrong.
    Bad,
}

/// One peer.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Its IP address.
    pub(super) address: Ipv4Addr,
    /// The network of that address.
    pub(super) network: &'static Network,
    /// Its state.
    pub(super) state: State,
    /// Bytes held and verified.
    pub(super) have: u64,
    /// Payload received, by source.
    pub(super) received: Traffic,
    /// Payload sent to others.
    pub(super) uploaded: u64,
    /// Recent rate received. In bytes a second.
    pub(super) rate: f64,
}

/// All peers.
#[derive(Clone, Debug)]
pub(super) struct Model {
    bytes: u64,
    peers: Vec<Peer>,
    elapsed: Duration,
}

impl Model {
    /// Peers that have nothing yet, of a content of `bytes` bytes.
    pub(super) fn new(bytes: u64, places: Vec<(Ipv4Addr, &'static Network)>) -> Model {
        let peer = |(address, network)| Peer {
            address,
            network,
            state: State::Getting,
            have: 0,
            received: Traffic::default(),
            uploaded: 0,
            rate: 0.0,
        };
        Model { bytes, peers: places.into_iter().map(peer).collect(), elapsed: Duration::ZERO }
    }

    /// Takes over a peer's newest snapshot.
    pub(super) fn on_progress(&mut self, peer: usize, progress: &Progress) {
        let peer = &mut self.peers[peer];
        peer.have = peer.have.max(progress.bytes_have);
        peer.uploaded = progress.uploaded;
        peer.rate = progress.rate_down.unwrap_or_default();
        if peer.state == State::Getting {
            peer.received = progress.received;
        }
    }

    /// The peer is complete; its account of the sources is final.
    pub(super) fn on_finished(&mut self, peer: usize, summary: &Summary) {
        let peer = &mut self.peers[peer];
        peer.have = summary.bytes;
        peer.received = summary.received;
        peer.state = State::Complete(summary.elapsed);
    }

    /// The peer's copy was hashed again.
    pub(super) fn on_checked(&mut self, peer: usize, right: bool) {
        let peer = &mut self.peers[peer];
        peer.state = match peer.state {
            State::Complete(elapsed) if right => State::Checked(elapsed),
            _ => State::Bad,
        };
    }

    /// Sets the time since the first download began.
    pub(super) fn on_time(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// Bytes of one copy.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All peers, in the order given.
    pub(super) fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The IP addresses of all peers.
    pub(super) fn addresses(&self) -> Vec<Ipv4Addr> {
        self.peers.iter().map(|peer| peer.address).collect()
    }

    /// Time since the first download began.
    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Payload that all peers together received.
    pub(super) fn received(&self) -> Traffic {
        let mut sum = Traffic::default();
        self.peers.iter().for_each(|peer| sum += peer.received);
        sum
    }

    /// For each network that has peers: the number of peers, and how many times the content crossed
    /// the network's border. Once is the least possible.
    pub(super) fn imports(&self) -> Vec<(&'static Network, usize, f64)> {
        let of = |network: &'static Network| {
            let inside = self.peers.iter().filter(move |peer| peer.network == network);
            let imported: u64 = inside.clone().map(|peer| peer.received.imported).sum();
            (network, inside.count(), imported as f64 / self.bytes.max(1) as f64)
        };
        NETWORKS.iter().map(of).filter(|&(_, peers, _)| peers > 0).collect()
    }

    /// How many times the origin sent the content. Once is the least possible.
    pub(super) fn origin_copies(&self) -> f64 {
        self.received().origin as f64 / self.bytes.max(1) as f64
    }

    /// Tiers that get a column. `same_as` and `remote` always do; others only if bytes came from
    /// there. `unknown` never does: it has the few bytes of senders that left before their bytes
    /// were counted, and its column would take the place of another.
    pub(super) fn tiers(&self) -> Vec<Tier> {
        let received = self.received();
        let worth = |tier: &Tier| {
            let has_bytes = received.by_tier[*tier as usize] > 0 && *tier != Tier::Unknown;
            matches!(tier, Tier::SameAs | Tier::Remote) || has_bytes
        };
        Tier::ALL.into_iter().filter(worth).collect()
    }

    /// Number of peers that have everything.
    pub(super) fn complete(&self) -> usize {
        let done = |peer: &&Peer| peer.state != State::Getting;
        self.peers.iter().filter(done).count()
    }

    /// Number of copies that were wrong or incomplete when they were hashed again.
    pub(super) fn bad_copies(&self) -> usize {
        let right = |peer: &&Peer| !matches!(peer.state, State::Checked(_));
        self.peers.iter().filter(right).count()
    }

    /// One line about all peers together.
    pub(super) fn headline(&self) -> String {
        let received = self.received();
        format!(
            "{}, {} of {} complete, {:.2} copies from the origin, {}% from peers",
            Span(self.elapsed),
            self.complete(),
            self.peers.len(),
            self.origin_copies(),
            match received.total() {
                0 => 0,
                total => percent(received.from_peers(), total),
            },
        )
    }

    /// The results, one fact a line.
    pub(super) fn summary(&self) -> Vec<String> {
        let received = self.received();
        let right = self.peers.len() - self.bad_copies();
        let (last, mean) = self.times();
        let mut lines = vec![
            format!(
                "{right} of {} copies of {} checked against their hashes and right",
                self.peers.len(),
                Bytes(self.bytes)
            ),
            format!("last complete after {}, mean {}", Span(last), Span(mean)),
        ];
        let tiers = Tier::ALL.map(|tier| (tier.name(), received.by_tier[tier as usize]));
        let sources = tiers.into_iter().chain([("origin", received.origin), ("web_seed", received.web_seed)]);
        for (name, bytes) in sources.filter(|(_, bytes)| *bytes > 0) {
            let share = bytes as f64 * 100.0 / received.total() as f64;
            lines.push(format!("from {name:<11} {:>8} {share:>5.1}%", Bytes(bytes)));
        }
        for (network, peers, copies) in self.imports() {
            let Network { asn, name, .. } = network;
            let crowd = if peers == 1 { "peer" } else { "peers" };
            lines.push(format!("{name:<8} ({asn}, {peers} {crowd}) imported {copies:.2} copies"));
        }
        lines.push(format!("the origin sent {:.2} copies", self.origin_copies()));
        lines
    }

    /// Time until the last peer was complete, and the mean over peers.
    fn times(&self) -> (Duration, Duration) {
        let times = self.peers.iter().filter_map(|peer| match peer.state {
            State::Complete(elapsed) | State::Checked(elapsed) => Some(elapsed),
            State::Getting | State::Bad => None,
        });
        let times: Vec<Duration> = times.collect();
        let mean = times.iter().sum::<Duration>() / times.len().max(1) as u32;
        (times.into_iter().max().unwrap_or_default(), mean)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use nearcast_core::{id::ContentId, stats::Giver};

    use super::*;
    use crate::demo::internet::places;

    pub(in crate::demo) const BYTES: u64 = 100_000_000;

    pub(in crate::demo) fn finished(received: Traffic) -> Summary {
        Summary {
            content: ContentId([1; 32]),
            name: "x".into(),
            path: "x".into(),
            bytes: BYTES,
            bytes_resumed: 0,
            elapsed: Duration::from_secs(4),
            received,
            imports: None,
            uploaded: 0,
            wasted: 0,
            banned: 0,
            signed_by: Vec::new(),
        }
    }

    pub(in crate::demo) fn traffic(near: u64, far: u64, origin: u64) -> Traffic {
        let mut received = Traffic::default();
        received.add(Giver::Peer(Tier::SameAs), near);
        received.add(Giver::Peer(Tier::Remote), far);
        received.add(Giver::Origin, origin);
        received.imported = far + origin;
        received
    }

    /// Six peers: the first is complete, the second is halfway, the others have nothing.
    pub(in crate::demo) fn six() -> Model {
        let mut model = Model::new(BYTES, places(6));
        model.on_finished(0, &finished(traffic(50_000_000, 30_000_000, 20_000_000)));
        let halfway = Progress {
            bytes_have: 50_000_000,
            received: traffic(10_000_000, 10_000_000, 30_000_000),
            rate_down: Some(12_300_000.0),
            uploaded: 7_000_000,
            ..Progress::default()
        };
        model.on_progress(1, &halfway);
        model.on_time(Duration::from_millis(3200));
        model
    }

    #[test]
    fn the_headline_counts_copies_and_shares() {
        assert_eq!(six().headline(), "3.2 s, 1 of 6 complete, 0.50 copies from the origin, 66% from peers");
    }

    #[test]
    fn a_copy_counts_only_when_it_was_complete_and_hashes_right() {
        let mut model = six();
        assert_eq!(model.bad_copies(), 6, "nothing was checked yet");
        model.on_checked(0, true);
        model.on_checked(1, true);
        assert_eq!(model.bad_copies(), 5, "the second was not complete");
        assert_eq!(model.peers()[1].state, State::Bad);
    }

    #[test]
    fn a_late_snapshot_does_not_change_a_final_account() {
        let mut model = six();
        model.on_progress(0, &Progress::default());
        assert_eq!(model.peers()[0].have, BYTES);
        assert_eq!(model.peers()[0].received.origin, 20_000_000);
    }

    #[test]
    fn the_summary_accounts_for_every_byte() {
        let mut model = Model::new(BYTES, places(6));
        for peer in 0..6 {
            model.on_finished(peer, &finished(traffic(50_000_000, 30_000_000, 20_000_000)));
            model.on_checked(peer, true);
        }
        let text = model.summary().join("\n");
        for part in [
            "6 of 6 copies of 100 MB",
            "4.0 s",
            "50.0%",
            "30.0%",
            "20.0%",
            "sent 1.20 copies",
            ", 3 peers) imported 1.50 copies",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn columns_are_the_tiers_that_matter() {
        assert_eq!(six().tiers(), [Tier::SameAs, Tier::Remote]);
        let mut model = six();
        let mut received = Traffic::default();
        received.add(Giver::Peer(Tier::Lan), 1);
        received.add(Giver::Peer(Tier::Unknown), 1);
        model.on_finished(2, &finished(received));
        assert_eq!(model.tiers(), [Tier::Lan, Tier::SameAs, Tier::Remote]);
    }
}
