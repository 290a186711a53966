//! The view shares one set per peer, which runs ahead of what the peer has told. Whatever the
//! delay, the engine's counts equal a recount of what it was told.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use nearcast_core::{
    Location, View,
    config::Config,
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey},
    input::{Event, Goal, Input, Join, Material, Neighbour},
    layout::{Layout, RunIndex},
    message::Message,
    run_set::RunSet,
    tier::Tier,
    time::Timestamp,
};
use proptest::prelude::*;

const CONTENT: ContentKey = ContentKey(0);
const PEERS: u32 = 5;
const RUNS: u32 = 130;

/// One set per peer, and for each linked peer the changes that its neighbour, the engine, has not
/// heard of.
struct Shared {
    sets: BTreeMap<PeerKey, RunSet>,
    untold: BTreeMap<PeerKey, Vec<RunIndex>>,
}

impl View for Shared {
    fn held(&self, _: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        // Without a list there is no link.
        self.untold.get(&peer).map(|untold| Held::new(&self.sets[&peer], untold))
    }

    fn location(&self, peer: PeerKey) -> Location {
        Location::unknown(peer)
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        false
    }

    fn is_web_seed(&self, _: PeerKey) -> bool {
        false
    }
}

impl Shared {
    /// A run comes to a peer or goes from it; the engine hears of it later.
    fn change(&mut self, peer: PeerKey, run: RunIndex) {
        let set = self.sets.get_mut(&peer).expect("every peer has a set");
        if !set.remove(run) {
            set.insert(run);
        }
        let Some(untold) = self.untold.get_mut(&peer) else { return };
        match untold.iter().position(|&other| other == run) {
            // The run is again as the engine was told.
            Some(at) => _ = untold.swap_remove(at),
            None => untold.push(run),
        }
    }

    /// The message that tells the engine one untold run of a peer, which `at` selects. `None`:
    /// nothing is untold.
    fn tell(&mut self, peer: PeerKey, at: usize) -> Option<Message> {
        let untold = self.untold.get_mut(&peer).filter(|untold| !untold.is_empty())?;
        let run = untold.swap_remove(at % untold.len());
        let held = self.sets[&peer].contains(run);
        Some(if held { Message::Have(vec![run]) } else { Message::Lost(vec![run]) })
    }
}

struct Shell {
    engine: Engine,
    view: Shared,
    runs: Vec<RunIndex>,
    now: Timestamp,
}

impl Shell {
    fn new(seed: u64, origin: bool) -> Shell {
        let layout = Arc::new(Layout::new(256 << 10, [u64::from(RUNS) * (256 << 10)]).expect("valid"));
        let config = if origin { Config::origin() } else { Config::default() };
        let have = if origin { RunSet::full(RUNS) } else { RunSet::empty(RUNS) };
        let material = Material { layout, have, wanted: None };
        let sets = (0..PEERS).map(|peer| (PeerKey(peer), RunSet::empty(RUNS))).collect();
        let mut shell = Shell {
            engine: Engine::new(Arc::new(config), seed),
            view: Shared { sets, untold: BTreeMap::new() },
            runs: RunSet::full(RUNS).iter().collect(),
            now: Timestamp::from_millis(1),
        };
        shell.event(Event::Join(Join {
            material: Some(material),
            candidates: Vec::new(),
            directories: Vec::new(),
            may_be_found: true,
            exchange_peers: false,
            patience: Duration::from_secs(3_600),
            goal: Goal::Forever,
            paused: false,
        }));
        shell
    }

    fn event(&mut self, event: Event) {
        self.handle(Input::Event { content: CONTENT, event });
    }

    fn handle(&mut self, input: Input) {
        // Requests are never answered: this test is only about what neighbours hold.
        self.engine.handle(self.now, input, &self.view, &mut Vec::new());
        self.engine.check(&self.view);
    }

    fn step(&mut self, (kind, peer, number): (u8, u32, u16)) {
        let (peer, number) = (PeerKey(peer), usize::from(number));
        match kind {
            0..4 => self.view.change(peer, self.runs[number % self.runs.len()]),
            4..7 => {
                if let Some(message) = self.view.tell(peer, number) {
                    self.event(Event::Message { peer, message });
                }
            }
            7 if self.view.untold.contains_key(&peer) => {
                self.event(Event::Unlinked { peer });
                self.view.untold.remove(&peer);
            }
            7 => {
                self.view.untold.insert(peer, Vec::new());
                let near = Tier::SameAs.into();
                let about =
                    Neighbour { near, origin: false, directory: false, manifest: false, web_seed: false };
                self.event(Event::Linked { peer, about });
            }
            8 if self.view.untold.contains_key(&peer) => {
                let message = if number.is_multiple_of(2) { Message::Unchoke } else { Message::Choke };
                self.event(Event::Message { peer, message });
            }
            _ => {
                self.now = self.now + Duration::from_millis(number as u64 % 3_000);
                self.handle(Input::Woken);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_counted_equals_a_recount_whatever_the_delay(
        seed in any::<u64>(),
        origin in any::<bool>(),
        steps in prop::collection::vec((0..10_u8, 0..PEERS, any::<u16>()), 1..200),
    ) {
        let mut shell = Shell::new(seed, origin);
        steps.into_iter().for_each(|step| shell.step(step));
    }
}
