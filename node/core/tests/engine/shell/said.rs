//! What the engine may tell neighbours: the truth, and only what is news.

use nearcast_core::{
    id::{ContentKey, PeerKey},
    message::Message,
};

use super::Shell;

impl Shell {
    pub(super) fn sent(&mut self, key: ContentKey, peer: PeerKey, message: Message) {
        let have = self.contents[&key].have.clone();
        let link = self.linked(key, peer);
        match message {
            Message::Have(runs) => assert!(runs.iter().all(|&run| have.contains(run)), "told of, not held"),
            Message::Lost(runs) => assert!(runs.iter().all(|&run| !have.contains(run)), "lost, and held"),
            Message::Importing(runs) => assert!(!runs.is_empty(), "says nothing"),
            Message::Interested(interested) => {
                assert_ne!(std::mem::replace(&mut link.interests_us, interested), interested, "no news");
            }
            Message::Choke => assert!(std::mem::take(&mut link.unchoked), "choked twice"),
            Message::Unchoke => assert!(!std::mem::replace(&mut link.unchoked, true), "unchoked twice"),
            Message::Idle(is_idle) => {
                assert_ne!(std::mem::replace(&mut link.is_offered, is_idle), is_idle, "no news");
                let offered = self.links.iter().filter(|(at, link)| at.0 == key && link.is_offered);
                assert!(offered.count() <= 2, "an idle uplink is offered to few");
            }
            Message::Peers(peers) => assert!(!peers.contains(&peer), "told of itself"),
        }
    }
}
