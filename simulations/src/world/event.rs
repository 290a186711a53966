//! What can happen to a peer of the world, and how it is written to the trace.

use std::fmt::Debug;

use nearcast_core::{
    id::{ContentKey, PeerKey, RequestId, UploadId},
    input::Event,
    layout::RunIndex,
    message::Message,
};

/// Something that happens to one peer at one moment.
///
/// What happens often is small; the rest is in a box. A world of a hundred thousand peers has some
/// hundred thousand of these pending.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// The engine's timeout.
    Wake,
    /// Time to join.
    Join,
    /// A link is up.
    Linked { peer: PeerKey, number: u32 },
    /// The other end of a link ended it, or both ends lost it.
    Unlinked { peer: PeerKey, number: u32 },
    /// A neighbour announced its runs up to this place in its log.
    Have { from: PeerKey, upto: u32 },
    /// A neighbour asks for a run.
    Wanted { from: PeerKey, upload: UploadId, run: RunIndex, exact: bool },
    /// A requested run began to come a moment ago.
    Coming { from: PeerKey, upload: UploadId, request: RequestId },
    /// A requested run came.
    Stored { from: PeerKey, request: RequestId, run: RunIndex },
    /// An upload ended: the run was sent whole, or not at all.
    Ended { to: PeerKey, run: RunIndex, whole: bool },
    /// Anything else that the engine is told. The content is `None` where the peer that the event is
    /// about says which it is.
    Told(Box<(Option<ContentKey>, Event)>),
    /// Time to look what neighbours announced.
    Pull,
    /// A run is out, unless sending was planned anew since this plan.
    Sent { plan: u32 },
    /// The link to this peer has been clogged for too long, if the clog still has this number.
    Dead { peer: PeerKey, clog: u32 },
    /// Time to leave.
    Leave,
    /// Time to boast.
    Boast,
    /// Time to link to every peer.
    Intrude,
    /// Time to ask for a little.
    Sip,
    /// Time for a client with a large view to link to those to whom it has no link.
    Widen,
    /// Runs may have been sent at max-min fair rates, unless that was planned anew since this plan.
    /// Happens to the network.
    Flows { plan: u32 },
    /// An outage begins, or ends. Happens to the network.
    Outage { number: u32, ends: bool },
    /// A machine that lost power comes back. Happens to the network, as the peer is not there.
    Returns { host: PeerKey },
    /// Time for a BitTyrant to decide what each neighbour is worth.
    Bargain,
}

impl From<Event> for Happening {
    fn from(event: Event) -> Happening {
        Happening::Told(Box::new((None, event)))
    }
}

impl From<(ContentKey, Event)> for Happening {
    fn from((content, event): (ContentKey, Event)) -> Happening {
        Happening::Told(Box::new((Some(content), event)))
    }
}

/// The peer that an event is about, if it is about one.
pub(super) fn peer_of(event: &Event) -> Option<PeerKey> {
    match event {
        &(Event::ManifestFailed { peer, .. }
        | Event::Linked { peer, .. }
        | Event::Unlinked { peer }
        | Event::DialFailed { peer }
        | Event::DialLater { peer, .. }
        | Event::Hopeless { peer }
        | Event::Message { peer, .. }
        | Event::Coming { peer, .. }
        | Event::RunWanted { peer, .. }
        | Event::UploadEnded { peer, .. }
        | Event::RunStored { peer, .. }
        | Event::RunFailed { peer, .. }) => Some(peer),
        Event::Discovered { teller, .. } => *teller,
        _ => None,
    }
}

/// A hash of everything that happened, in order: FNV-1a over words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace(pub(super) u64);

impl Trace {
    pub(super) const fn new() -> Trace {
        Trace(0xcbf2_9ce4_8422_2325)
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(23);
    }

    /// For what is rare: what it looks like in a log.
    fn text(&mut self, of: &impl Debug) {
        for byte in format!("{of:?}").bytes() {
            self.word(byte.into());
        }
    }

    /// Notes what happened to `to`. `nanos` is the time since the world began.
    pub(super) fn note(&mut self, nanos: u64, to: PeerKey, what: &Happening) {
        self.word(nanos);
        self.word(to.0.into());
        let pair = |a: u32, b: u32| u64::from(a) << 32 | u64::from(b);
        let (kind, first, second) = match what {
            Happening::Wake => (1, 0, 0),
            &Happening::Have { from, upto } => (2, pair(from.0, upto), 0),
            &Happening::Wanted { from, upload, run, exact } => {
                (3 + u64::from(exact), pair(from.0, upload.0), run.get().into())
            }
            &Happening::Stored { from, request, run } => (5, pair(from.0, request.0), run.get().into()),
            &Happening::Ended { to, run, whole } => (6 + u64::from(whole), pair(to.0, run.get()), 0),
            Happening::Told(told) => match &told.1 {
                Event::Message { peer, message: Message::Choke } => (8, peer.0.into(), 0),
                Event::Message { peer, message: Message::Unchoke } => (9, peer.0.into(), 0),
                &Event::Message { peer, message: Message::Interested(is) } => {
                    (10 + u64::from(is), peer.0.into(), 0)
                }
                &Event::Message { peer, message: Message::Idle(is) } => {
                    (30 + u64::from(is), peer.0.into(), 0)
                }
                other => return self.text(other),
            },
            &Happening::Sent { plan } => (12, plan.into(), 0),
            &Happening::Dead { peer, clog } => (13, pair(peer.0, clog), 0),
            Happening::Leave => (14, 0, 0),
            Happening::Boast => (15, 0, 0),
            Happening::Intrude => (16, 0, 0),
            Happening::Sip => (17, 0, 0),
            Happening::Join => (18, 0, 0),
            Happening::Pull => (22, 0, 0),
            Happening::Widen => (23, 0, 0),
            Happening::Bargain => (24, 0, 0),
            &Happening::Flows { plan } => (25, plan.into(), 0),
            &Happening::Outage { number, ends } => (26 + u64::from(ends), number.into(), 0),
            &Happening::Returns { host } => (28, host.0.into(), 0),
            &Happening::Linked { peer, number } => (19, pair(peer.0, number), 0),
            &Happening::Unlinked { peer, number } => (20, pair(peer.0, number), 0),
            &Happening::Coming { from, upload, request } => (21, pair(from.0, upload.0), request.0.into()),
        };
        [kind, first, second].into_iter().for_each(|word| self.word(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_is_small() {
        assert!(size_of::<(PeerKey, Happening)>() <= 24, "{}", size_of::<(PeerKey, Happening)>());
    }

    #[test]
    fn the_trace_tells_times_peers_and_happenings_apart() {
        let all = [
            (1, PeerKey(1), Happening::Wake),
            (2, PeerKey(1), Happening::Wake),
            (1, PeerKey(2), Happening::Wake),
            (1, PeerKey(1), Happening::Leave),
            (1, PeerKey(1), Happening::Have { from: PeerKey(2), upto: 3 }),
            (1, PeerKey(1), Happening::Have { from: PeerKey(3), upto: 2 }),
            (1, PeerKey(1), Event::Leave.into()),
        ];
        let trace = |&(nanos, to, ref what): &(u64, PeerKey, Happening)| {
            let mut trace = Trace::new();
            trace.note(nanos, to, what);
            trace.0
        };
        let mut traces: Vec<u64> = all.iter().map(trace).collect();
        traces.sort_unstable();
        traces.dedup();
        assert_eq!(traces.len(), all.len());
    }
}
