//! The flight recorder: what an engine was told and what it answered, so that a fresh engine can be
//! told the same.
//!
//! A recorder stands between a shell and its engine. Each turn it notes the moment, the input, the
//! outputs, and what the engine looked up in its [`View`] that is new or has changed. [`Replay`] does
//! the turns again, with an engine made of the same settings and seed, and compares the outputs. If
//! they are equal, the policy of the shell is the policy of this crate, whatever else the shell does.
//!
//! A flight is for people and tests on the machine of its user. Reading one back makes numbers of runs
//! that no layout has checked, so a flight is never taken from the network.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    content::{held::Held, layout::RunIndex, run_set::RunSet},
    engine::Engine,
    id::{ContentKey, PeerKey},
    input::Input,
    output::Output,
    time::Timestamp,
    view::{Location, View},
};

/// One line of a flight.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Entry {
    /// An engine is made. The first entry.
    Start {
        /// Its settings.
        config: Config,
        /// Its seed.
        seed: u64,
    },
    /// Other settings from now on.
    Config(Config),
    /// One input and what followed.
    Turn(Turn),
}

/// One input and what followed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Turn {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub input: Input,
    /// What the engine looked up and nobody has noted yet.
    pub seen: Vec<Seen>,
    /// What the engine wants done.
    pub outputs: Vec<Output>,
}

/// An answer of the view.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Seen {
    /// What a peer holds. `None`: no link is up.
    Held {
        /// Of which content.
        content: ContentKey,
        /// Who.
        peer: PeerKey,
        /// What.
        held: Option<RunSet>,
    },
    /// What a peer holds has changed: these runs came or went.
    Changed {
        /// Of which content.
        content: ContentKey,
        /// Who.
        peer: PeerKey,
        /// Which.
        runs: Vec<RunIndex>,
    },
    /// Where a peer is.
    Location(PeerKey, Location),
    /// Whether a connection leads to a peer.
    Connected(PeerKey, bool),
    /// Whether a peer is an HTTP server.
    WebSeed(PeerKey, bool),
}

/// The answers of a view, as far as they were asked for.
#[derive(Clone, Debug, Default)]
struct Answers {
    held: BTreeMap<(ContentKey, PeerKey), Option<RunSet>>,
    locations: BTreeMap<PeerKey, Location>,
    connected: BTreeMap<PeerKey, bool>,
    web_seeds: BTreeMap<PeerKey, bool>,
}

impl Answers {
    fn learn(&mut self, seen: &Seen) {
        match seen {
            Seen::Held { content, peer, held } => _ = self.held.insert((*content, *peer), held.clone()),
            Seen::Changed { content, peer, runs } => {
                if let Some(Some(set)) = self.held.get_mut(&(*content, *peer)) {
                    runs.iter().for_each(|&run| set.toggle(run));
                }
            }
            Seen::Location(peer, location) => _ = self.locations.insert(*peer, *location),
            Seen::Connected(peer, is) => _ = self.connected.insert(*peer, *is),
            Seen::WebSeed(peer, is) => _ = self.web_seeds.insert(*peer, *is),
        }
    }

    /// What is to be noted of a have-map; nothing if it is known.
    fn news_of(&self, content: ContentKey, peer: PeerKey, held: Option<Held<'_>>) -> Option<Seen> {
        match (self.held.get(&(content, peer)), held) {
            (Some(None), None) => None,
            (Some(Some(known)), Some(held)) if known.runs() == held.runs() => {
                let runs: Vec<RunIndex> = held.differing(known).collect();
                (!runs.is_empty()).then_some(Seen::Changed { content, peer, runs })
            }
            _ => Some(Seen::Held { content, peer, held: held.map(|held| held.to_set()) }),
        }
    }
}

/// A view that notes what is asked of it.
struct Witness<'a> {
    view: &'a dyn View,
    noted: RefCell<(&'a mut Answers, Vec<Seen>)>,
}

impl Witness<'_> {
    fn note(&self, seen: Seen) {
        let (known, news) = &mut *self.noted.borrow_mut();
        known.learn(&seen);
        news.push(seen);
    }

    fn note_new<T: PartialEq + Copy>(
        &self,
        answer: T,
        known: impl FnOnce(&Answers) -> Option<T>,
        seen: impl FnOnce(T) -> Seen,
    ) -> T {
        let is_known = known(self.noted.borrow().0) == Some(answer);
        if !is_known {
            self.note(seen(answer));
        }
        answer
    }
}

impl View for Witness<'_> {
    fn held(&self, content: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        let held = self.view.held(content, peer);
        let news = self.noted.borrow().0.news_of(content, peer, held);
        news.into_iter().for_each(|seen| self.note(seen));
        held
    }

    fn location(&self, peer: PeerKey) -> Location {
        let known = |known: &Answers| known.locations.get(&peer).copied();
        self.note_new(self.view.location(peer), known, |location| Seen::Location(peer, location))
    }

    fn is_connected(&self, peer: PeerKey) -> bool {
        let known = |known: &Answers| known.connected.get(&peer).copied();
        self.note_new(self.view.is_connected(peer), known, |is| Seen::Connected(peer, is))
    }

    fn is_web_seed(&self, peer: PeerKey) -> bool {
        let known = |known: &Answers| known.web_seeds.get(&peer).copied();
        self.note_new(self.view.is_web_seed(peer), known, |is| Seen::WebSeed(peer, is))
    }
}

/// Notes the turns of one engine.
#[derive(Debug, Default)]
pub struct Recorder {
    known: Answers,
}

impl Recorder {
    /// Has the engine take one turn, appends its outputs, and gives what to write down.
    pub fn turn(
        &mut self,
        engine: &mut Engine,
        (at, input): (Timestamp, Input),
        view: &dyn View,
        outputs: &mut Vec<Output>,
    ) -> Entry {
        let first = outputs.len();
        let witness = Witness { view, noted: RefCell::new((&mut self.known, Vec::new())) };
        engine.handle(at, input.clone(), &witness, outputs);
        let (_, seen) = witness.noted.into_inner();
        Entry::Turn(Turn { at, input, seen, outputs: outputs[first..].to_vec() })
    }
}

/// A flight that a fresh engine cannot repeat.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The flight does not begin with the settings of its engine.
    #[error("entry {0} comes before the engine was made")]
    NoStart(usize),
    /// The engine wants something else done than was recorded.
    #[error("entry {entry}: the engine wants {found:?}, and wanted {recorded:?}")]
    Other {
        /// Which entry, from 0.
        entry: usize,
        /// What was recorded.
        recorded: Vec<Output>,
        /// What the fresh engine wants.
        found: Vec<Output>,
    },
}

/// A fresh engine that takes recorded turns.
#[derive(Debug, Default)]
pub struct Replay {
    engine: Option<Engine>,
    known: Answers,
    entries: usize,
    turns: u64,
    trace: Trace,
}

impl Replay {
    /// Does the next entry of a flight again.
    ///
    /// # Errors
    /// If the engine wants something else done than was recorded, or if there is no engine yet.
    pub fn take(&mut self, entry: Entry) -> Result<(), ReplayError> {
        let at = self.entries;
        self.entries = at.saturating_add(1);
        match (entry, &mut self.engine) {
            (Entry::Start { config, seed }, engine) => *engine = Some(Engine::new(Arc::new(config), seed)),
            (_, None) => return Err(ReplayError::NoStart(at)),
            (Entry::Config(config), Some(engine)) => engine.set_config(Arc::new(config)),
            (Entry::Turn(turn), Some(engine)) => {
                turn.seen.iter().for_each(|seen| self.known.learn(seen));
                let mut found = Vec::new();
                engine.handle(turn.at, turn.input, &self.known, &mut found);
                self.turns = self.turns.saturating_add(1);
                self.trace.note(&found);
                if found != turn.outputs {
                    return Err(ReplayError::Other { entry: at, recorded: turn.outputs, found });
                }
            }
        }
        Ok(())
    }

    /// Turns done again.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// A hash over everything that the engine wanted done.
    pub fn trace(&self) -> u64 {
        self.trace.0
    }
}

/// What was noted last is the answer. What was never asked for when the flight was recorded is answered
/// as if nothing were known: a replay that asks for more differs anyway.
impl View for Answers {
    fn held(&self, content: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        self.held.get(&(content, peer))?.as_ref().map(Held::from)
    }

    fn location(&self, peer: PeerKey) -> Location {
        self.locations.get(&peer).copied().unwrap_or(Location::unknown(peer))
    }

    fn is_connected(&self, peer: PeerKey) -> bool {
        self.connected.get(&peer).copied().unwrap_or(false)
    }

    fn is_web_seed(&self, peer: PeerKey) -> bool {
        self.web_seeds.get(&peer).copied().unwrap_or(false)
    }
}

/// FNV-1a over outputs as they are written for people, the same on every machine.
#[derive(Clone, Copy, Debug)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Trace {
        Trace(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// Goes on with outputs.
    pub fn note(&mut self, outputs: &[Output]) {
        for byte in outputs.iter().flat_map(|output| format!("{output:?}").into_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The hash so far.
    pub fn get(self) -> u64 {
        self.0
    }
}
