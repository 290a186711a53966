//! Messages of RIS Live: what RIPE's collectors hear, as JSON.

use std::panic::catch_unwind;

use bgpkit_parser::{
    models::{BgpElem, ElemType},
    parse_ris_live_message,
    rislive::messages::{RisLiveMessage, RisMessageEnum},
};
use nearcast_core::asn::Asn;

use crate::{
    feed::{PeerNumbers, Tally, Told},
    paths::Path,
    route::{BgpPeer, Change, Route, network},
};

/// Longer messages are refused. BGP's longest message has 64 KiB. As JSON, with its bytes in
/// hexadecimal beside it, that takes a good half of this limit.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Turns messages into route changes, whatever their source.
#[derive(Debug, Default)]
pub struct RisSession {
    numbers: PeerNumbers,
    tally: Tally,
}

impl RisSession {
    /// Counts of what was heard so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Notes a message that is too long to be read.
    pub fn on_too_long(&mut self) {
        self.tally.messages = self.tally.messages.saturating_add(1);
        self.tally.damaged = self.tally.damaged.saturating_add(1);
    }

    /// Handles one message, which is one line of JSON. Appends route changes to `told`.
    pub fn handle(&mut self, message: &str, told: &mut Vec<Told>) {
        self.tally.messages = self.tally.messages.saturating_add(1);
        // Neither the parser nor the message is ours: a panic costs only this message.
        match catch_unwind(|| read(message)) {
            Ok(Some(Read::Routes(elements))) => {
                elements.iter().for_each(|element| self.element(element, told))
            }
            Ok(Some(Read::Down(peer))) => {
                told.extend(self.numbers.remove(&peer).map(|source| Told::Forgotten { source }));
            }
            Ok(None) | Err(_) => self.tally.damaged = self.tally.damaged.saturating_add(1),
        }
    }

    fn element(&mut self, element: &BgpElem, told: &mut Vec<Told>) {
        let peer = BgpPeer { address: element.peer_ip, asn: Asn(element.peer_asn.into()) };
        let route = match element.elem_type {
            ElemType::WITHDRAW => Route::Withdrawn,
            ElemType::ANNOUNCE => {
                let path = element.as_path.as_ref().map(|path| Path::clean(path, peer.asn));
                match path {
                    Some(Ok(path)) => Route::Announced(path.into()),
                    // Without a usable path it counts as withdrawn (RFC 7606).
                    None | Some(Err(_)) => {
                        self.tally.skipped = self.tally.skipped.saturating_add(1);
                        Route::Withdrawn
                    }
                }
            }
        };
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a cast from a float takes the nearest number there is"
        )]
        let time = element.timestamp as u64;
        let change = network(&element.prefix)
            .map(|prefix| Change { time, peer, prefix, route })
            .and_then(|change| self.numbers.told(change));
        match change {
            Some(change) => {
                match change {
                    Told::Announced { .. } => self.tally.announced = self.tally.announced.saturating_add(1),
                    Told::Withdrawn { .. } | Told::Forgotten { .. } => {
                        self.tally.withdrawn = self.tally.withdrawn.saturating_add(1)
                    }
                }
                told.push(change);
            }
            None => self.tally.skipped = self.tally.skipped.saturating_add(1),
        }
    }
}

/// The meaning of a message.
enum Read {
    /// Route elements. Often none: most kinds of messages are not about routes.
    Routes(Vec<BgpElem>),
    /// The collector lost this peer, and with it all its routes.
    Down(BgpPeer),
}

fn read(message: &str) -> Option<Read> {
    if message.contains("\"STATE\"") || message.contains("\"RIS_PEER_STATE\"") {
        let parsed: RisLiveMessage = serde_json::from_str(message).ok()?;
        let RisLiveMessage::RisMessage(about) = parsed else { return Some(Read::Routes(Vec::new())) };
        return Some(match about.msg {
            Some(RisMessageEnum::RIS_PEER_STATE { state }) if state == "down" => {
                Read::Down(BgpPeer { address: about.peer, asn: Asn(about.peer_asn.into()) })
            }
            _ => Read::Routes(Vec::new()),
        });
    }
    parse_ris_live_message(message).ok().map(Read::Routes)
}
