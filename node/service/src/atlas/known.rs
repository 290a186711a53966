//! The peers to ask for an atlas.
//!
//! An atlas is accepted only if a pinned key has signed it and it is newer than ours, so its sender
//! need not be trusted. The question is only whom a node connects to: everybody whom the user
//! named, and a few of the peers that links name. Links come from strangers, so all links together
//! count as one link, under the node's rules for links.

use nearcast_core::{id::ContentId, magnet::Magnet};
use nearcast_node::address::Address;

/// Hints taken from all links together: as many as a node uses of one link.
const HINTS_MAX: usize = 8;

/// Everybody to ask for an atlas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Directories that the user named.
    pub directories: Vec<Address>,
    /// Peers that the user named. A directory among them is asked, but counts as any other peer.
    pub peers: Vec<Address>,
    /// Links that the user follows. The peers they name are asked, and treated as peers from a
    /// link.
    pub links: Vec<Magnet>,
}

impl Known {
    /// Everybody whom the user named. Directories are included: a tracker that publishes an atlas
    /// has it.
    pub(super) fn peers(&self) -> Vec<Address> {
        [self.directories.clone(), self.peers.clone()].concat()
    }

    /// A link to an atlas that names peers from all links. It takes one from each link in turn, so
    /// that no link crowds out the others.
    pub(super) fn link(&self, content: ContentId) -> Magnet {
        let mut link = Magnet::new(content);
        let longest = self.links.iter().map(|link| link.addresses.len() + link.peers.len()).max();
        for turn in 0..longest.unwrap_or(0) {
            for named in &self.links {
                if link.addresses.len() + link.peers.len() >= HINTS_MAX {
                    return link;
                }
                if let Some(address) = named.addresses.get(turn) {
                    add(&mut link.addresses, address);
                } else if let Some(peer) = named.peers.get(turn - named.addresses.len()) {
                    add(&mut link.peers, peer);
                }
            }
        }
        link
    }
}

fn add<T: Clone + PartialEq>(named: &mut Vec<T>, one: &T) {
    if !named.contains(one) {
        named.push(one.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(text: &str) -> Magnet {
        format!("magnet:?xt=urn:btmh:1220{}{text}", "ab".repeat(32)).parse().unwrap()
    }

    #[test]
    fn a_link_with_a_hundred_names_leaves_room_for_what_the_others_name() {
        let many: String =
            (1..=60).map(|port| format!("&x.ma=/ip4/203.0.113.7/tcp/{}", 4_000 + port)).collect();
        let links = vec![link(&many), link("&x.pe=tracker.example:4001"), link("")];
        let known = Known { links, ..Known::default() };
        let made = known.link(ContentId([7; 32]));
        assert_eq!(made.content, ContentId([7; 32]));
        assert_eq!((made.addresses.len(), made.peers.len()), (HINTS_MAX - 1, 1));
        assert_eq!(made.peers[0].to_string(), "tracker.example:4001");
        let twice = Known { links: vec![link("&x.pe=a.example:1"), link("&x.pe=a.example:1")], ..known };
        assert_eq!(twice.link(ContentId([7; 32])).peers.len(), 1);
    }

    #[test]
    fn whom_the_user_typed_as_a_peer_is_no_directory_and_trackers_are_asked_for_the_bytes_too() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let (tracker, peer) = (address("/ip4/192.0.2.1/tcp/1"), address("/ip4/192.0.2.2/tcp/2"));
        let known =
            Known { directories: vec![tracker.clone()], peers: vec![peer.clone()], ..Known::default() };
        assert_eq!(known.peers(), [tracker.clone(), peer]);
        assert_eq!(known.directories, [tracker]);
    }
}
