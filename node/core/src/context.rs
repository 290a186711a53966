//! What every decision may use: the time, the random generator, the config, the have-maps of
//! neighbours, and the way out.

use crate::{
    config::Config,
    content::held::Held,
    id::{ContentKey, PeerKey},
    message::Message,
    output::{Action, Output},
    place::locality::Locality,
    random::Random,
    reasons::Reasons,
    strangers::strikes::Strikes,
    time::Timestamp,
    view::View,
};

/// The surroundings of one decision about one content.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) content: ContentKey,
    pub(crate) config: &'a Config,
    pub(crate) random: &'a mut Random,
    pub(crate) maps: &'a dyn View,
    pub(crate) outputs: &'a mut Vec<Output>,
    /// Why requests are taken back and payload is wasted. Nothing here reads it.
    pub(crate) reasons: &'a mut Reasons,
    /// Addresses and networks of peers that lied.
    pub(crate) strikes: &'a mut Strikes,
    /// Where we are.
    pub(crate) locality: Locality,
    /// Upload slots still free over all contents.
    pub(crate) slots_free: u32,
}

impl<'a> Context<'a> {
    /// Requests an action for this content.
    pub(crate) fn put(&mut self, action: Action) {
        self.outputs.push(Output::Action { content: self.content, action });
    }

    /// Bans a peer from every content.
    pub(crate) fn ban(&mut self, peer: PeerKey) {
        self.outputs.push(Output::Ban { peer });
    }

    pub(crate) fn send(&mut self, peer: PeerKey, message: Message) {
        self.put(Action::Send { peer, message });
    }

    pub(crate) fn map(&self, peer: PeerKey) -> Option<Held<'a>> {
        let maps: &'a dyn View = self.maps;
        maps.held(self.content, peer)
    }
}
