//! What every decision may use: the moment, the dice, the settings, others' have-maps, and the way out.

use crate::{
    config::Config,
    content::held::Held,
    id::{ContentKey, PeerKey},
    message::Message,
    output::{Action, Output},
    place::locality::Locality,
    random::Random,
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

    pub(crate) fn map(&self, peer: PeerKey) -> Option<Held<'a>> {
        let maps: &'a dyn View = self.maps;
        maps.held(self.content, peer)
    }
}
