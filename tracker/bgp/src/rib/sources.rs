//! Sources of routes, by session. Each has a slot that its routes refer to.

use std::collections::HashMap;

use super::{SessionId, Source};

/// The place of a source. It is reused only once no route refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not in use.
    Free,
    /// Its routes count.
    Live,
    /// Its session is over; its routes count where there are no others.
    Aged,
    /// Its routes do not count, and wait for the sweep.
    Forgotten,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    state: State,
    routes: usize,
}

#[derive(Debug, Default)]
struct Session {
    /// Slots by the session's own numbers.
    slots: HashMap<u32, Slot>,
    routes: usize,
}

/// All sources.
#[derive(Debug, Default)]
pub(super) struct Sources {
    kept: Vec<Kept>,
    free: Vec<Slot>,
    forgotten: usize,
    sessions: HashMap<SessionId, Session>,
}

impl Sources {
    /// Slots in use.
    pub(super) fn len(&self) -> usize {
        self.kept.len().saturating_sub(self.free.len())
    }

    /// Slots of forgotten sources.
    pub(super) fn forgotten(&self) -> usize {
        self.forgotten
    }

    pub(super) fn find(&self, source: Source) -> Option<Slot> {
        self.sessions.get(&source.session)?.slots.get(&source.number).copied()
    }

    /// The slot of a source, made if needed. `None`: there are `sources_max` already.
    pub(super) fn slot(&mut self, source: Source, sources_max: usize) -> Option<Slot> {
        if let Some(slot) = self.find(source) {
            return Some(slot);
        }
        let fresh = Kept { state: State::Live, routes: 0 };
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.at_mut(slot) = fresh;
                slot
            }
            None if self.kept.len() < sources_max => {
                let slot = Slot(u32::try_from(self.kept.len()).ok()?);
                self.kept.push(fresh);
                slot
            }
            None => return None,
        };
        self.sessions.entry(source.session).or_default().slots.insert(source.number, slot);
        Some(slot)
    }

    /// Changes the number of routes of a source. Returns the number of routes of its session.
    pub(super) fn count(&mut self, source: Source, change: isize) -> usize {
        let Some(slot) = self.find(source) else { return 0 };
        let kept = self.at_mut(slot);
        kept.routes = kept.routes.saturating_add_signed(change);
        let Some(session) = self.sessions.get_mut(&source.session) else { return 0 };
        session.routes = session.routes.saturating_add_signed(change);
        session.routes
    }

    pub(super) fn routes_of(&self, session: SessionId) -> usize {
        self.sessions.get(&session).map_or(0, |session| session.routes)
    }

    /// Forgets a source. Returns the number of its routes to sweep out.
    pub(super) fn forget(&mut self, source: Source) -> usize {
        let Some(session) = self.sessions.get_mut(&source.session) else { return 0 };
        let Some(slot) = session.slots.remove(&source.number) else { return 0 };
        let routes = self.kept[slot.0 as usize].routes;
        session.routes = session.routes.saturating_sub(routes);
        self.forget_slot(slot);
        routes
    }

    /// As [`Sources::forget`], for all sources of a session.
    pub(super) fn forget_session(&mut self, session: SessionId) -> usize {
        let Some(gone) = self.sessions.remove(&session) else { return 0 };
        gone.slots.into_values().for_each(|slot| self.forget_slot(slot));
        gone.routes
    }

    /// Frees the slot at once if no route refers to it.
    fn forget_slot(&mut self, slot: Slot) {
        let kept = self.at_mut(slot);
        if kept.routes == 0 {
            kept.state = State::Free;
            self.free.push(slot);
        } else {
            kept.state = State::Forgotten;
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    pub(super) fn age(&mut self, session: SessionId) {
        self.set(session, State::Aged);
    }

    pub(super) fn revive(&mut self, session: SessionId) {
        self.set(session, State::Live);
    }

    fn set(&mut self, session: SessionId, state: State) {
        let Some(session) = self.sessions.get(&session) else { return };
        for slot in session.slots.values() {
            self.kept[slot.0 as usize].state = state;
        }
    }

    /// Frees the slots of forgotten sources. All their routes must be gone.
    pub(super) fn free_forgotten(&mut self) {
        if self.forgotten == 0 {
            return;
        }
        for (number, kept) in self.kept.iter_mut().enumerate() {
            if kept.state == State::Forgotten {
                *kept = Kept { state: State::Free, routes: 0 };
                self.free.push(Slot(nearcast_core::saturate::to_u32(number)));
            }
        }
        self.forgotten = 0;
    }

    pub(super) fn is_forgotten(&self, slot: Slot) -> bool {
        self.kept[slot.0 as usize].state == State::Forgotten
    }

    pub(super) fn is_live(&self, slot: Slot) -> bool {
        self.kept[slot.0 as usize].state == State::Live
    }

    fn at_mut(&mut self, slot: Slot) -> &mut Kept {
        &mut self.kept[slot.0 as usize]
    }
}
