//! What every decision may use: the moment, the dice, the settings, others' have-maps, and the way out.

use crate::{
    config::Config,
    id::{ContentKey, PeerKey},
    locality::Locality,
    message::Message,
    output::{Action, Output},
    prefix::Network,
    random::{Random, mix},
    run_set::RunSet,
    saturate::low_half,
    strikes::Strikes,
    tier::Near,
    time::Timestamp,
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

/// The surroundings of one decision about one content.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) content: ContentKey,
    pub(crate) config: &'a Config,
    pub(crate) random: &'a mut Random,
    pub(crate) maps: &'a dyn HaveMaps,
    pub(crate) outputs: &'a mut Vec<Output>,
    /// Where those who lied came from.
    pub(crate) strikes: &'a mut Strikes,
    /// Where we are.
    pub(crate) locality: Locality,
    /// Upload slots still free over all contents.
    pub(crate) slots_free: u32,
}

impl<'a> Context<'a> {
    /// Has something done for this content.
    pub(crate) fn put(&mut self, action: Action) {
        self.outputs.push(Output::Action { content: self.content, action });
    }

    /// Has a peer banned, from every content.
    pub(crate) fn ban(&mut self, peer: PeerKey) {
        self.outputs.push(Output::Ban { peer });
    }

    pub(crate) fn send(&mut self, peer: PeerKey, message: Message) {
        self.put(Action::Send { peer, message });
    }

    pub(crate) fn map(&self, peer: PeerKey) -> Option<&'a RunSet> {
        let maps: &'a dyn HaveMaps = self.maps;
        maps.have_map(self.content, peer)
    }
}
