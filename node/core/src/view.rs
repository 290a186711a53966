//! What decisions look up and the shell knows: have-maps of neighbours, and where peers are.

use crate::{
    content::run_set::RunSet,
    id::{ContentKey, PeerKey},
    place::{prefix::Network, tier::Near},
    random::mix,
    saturate::low_half,
};

/// Where neighbours' have-maps are looked up, and what is known of peers that nobody needs a second copy of. The node
/// owns the bits; a simulator points at each peer's own. Kept current by the shell: a map includes what a `Have` says
/// before the engine hears of it.
pub trait HaveMaps {
    /// What `peer` holds of `content`; none if no link is up.
    fn have_map(&self, content: ContentKey, peer: PeerKey) -> Option<&RunSet>;

    /// A number that is the same for everybody who sees `peer`, made of its name. As it stands here it suits shells
    /// whose peers have the same key everywhere.
    fn tag(&self, peer: PeerKey) -> u32 {
        low_half(mix(peer.0.into()))
    }

    /// Where `peer` is, by its address and the atlas there is now; none = as its candidate or link said.
    fn near(&self, _peer: PeerKey) -> Option<Near> {
        None
    }

    /// A number for the address `peer` is at, the same for all who are there; none = it is not known, or shared by nobody.
    fn host(&self, _peer: PeerKey) -> Option<u64> {
        None
    }

    /// Whether a connection leads to `peer`: a link to it costs nothing but a stream.
    fn is_connected(&self, _peer: PeerKey) -> bool {
        false
    }

    /// Whether `peer` is an HTTP server: what it gave counts as such, also when its last bytes come to be stored after it was
    /// let go.
    fn is_web_seed(&self, _peer: PeerKey) -> bool {
        false
    }

    /// The network `peer` is in, as caps are kept for it.
    fn network(&self, _peer: PeerKey) -> Network {
        Network::UNKNOWN
    }
}
