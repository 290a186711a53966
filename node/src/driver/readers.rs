//! Files that are read while they come: the engine hears where readers are, and readers of runs that
//! came.

use nearcast_core::{
    id::{ContentKey, ReaderId},
    input::{Event, Reading},
};

use super::Driver;

impl Driver {
    /// A reader is there now, or gone.
    pub(super) fn on_reader(&mut self, content: ContentKey, reader: ReaderId, reading: Option<Reading>) {
        let Some(state) = self.fetch_state(content) else { return };
        match reading {
            Some(_) => _ = state.readers.insert(reader),
            None => _ = state.readers.remove(&reader),
        }
        self.input(content, Event::Reader { reader, reading });
    }

    /// A run came.
    pub(super) fn wake_readers(&mut self, content: ContentKey) {
        if let Some(state) = self.fetch_state(content).filter(|state| !state.readers.is_empty()) {
            state.news.send_replace(());
        }
    }
}
