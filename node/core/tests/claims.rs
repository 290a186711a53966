//! Nothing that a neighbour says of itself is counted. Only bytes that came and were verified, and
//! bytes that went out, are counted.

use std::{sync::Arc, time::Duration};

use nearcast_core::{
    Location, View,
    config::Config,
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey, RequestId, UploadId},
    input::{Event, Goal, Input, Join, Material, Neighbour, RunFailure},
    layout::{Layout, RunIndex},
    message::{Message, Refusal},
    output::{Action, Output},
    run_set::RunSet,
    swarm::Swarm,
    tier::Tier,
    time::Timestamp,
};

const CONTENT: ContentKey = ContentKey(0);
const BOASTER: PeerKey = PeerKey(1);
const RUN_BYTES: u64 = 256 << 10;

/// Every peer says that it has everything.
struct All(RunSet);

impl View for All {
    fn held(&self, _: ContentKey, _: PeerKey) -> Option<Held<'_>> {
        Some(Held::from(&self.0))
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

struct Victim {
    engine: Engine,
    layout: Arc<Layout>,
    maps: All,
    now: Timestamp,
    asked: Vec<(RequestId, RunIndex)>,
}

impl Victim {
    /// A peer that lacks everything and has one neighbour, which says that it is an origin.
    fn new() -> Victim {
        let layout = Arc::new(Layout::new(256 << 10, [64 * RUN_BYTES]).expect("a valid layout"));
        let maps = All(RunSet::full(layout.runs()));
        let engine = Engine::new(Arc::new(Config::default()), 1);
        let mut victim = Victim { engine, layout, maps, now: Timestamp::from_millis(1), asked: Vec::new() };
        let have = RunSet::empty(victim.layout.runs());
        let material = Some(Material { layout: victim.layout.clone(), have, wanted: None });
        victim.hear(Event::Join(Join {
            material,
            candidates: Vec::new(),
            directories: Vec::new(),
            may_be_found: true,
            exchange_peers: true,
            patience: Duration::from_secs(3_600),
            goal: Goal::Ratio(1.0),
            paused: false,
        }));
        victim.hear(Event::Linked {
            peer: BOASTER,
            about: Neighbour {
                near: Tier::Lan.into(),
                origin: true,
                directory: true,
                manifest: true,
                web_seed: false,
            },
        });
        victim
    }

    fn hear(&mut self, event: Event) {
        self.handle(Input::Event { content: CONTENT, event });
    }

    fn handle(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.engine.handle(self.now, input, &self.maps, &mut outputs);
        self.asked.extend(outputs.iter().filter_map(|output| match output {
            Output::Action { action: Action::Request { request, run, .. }, .. } => Some((*request, *run)),
            _ => None,
        }));
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.engine.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            self.handle(Input::Woken);
        }
        self.now = end;
    }

    fn swarm(&self) -> &Swarm {
        self.engine.swarm(CONTENT).expect("it joined")
    }

    /// Bytes received, uploaded and wasted.
    fn counted(&self) -> (u64, u64, u64) {
        let swarm = self.swarm();
        (swarm.traffic().total(), swarm.uploaded(), swarm.wasted())
    }
}

#[test]
fn nothing_that_a_neighbour_says_of_itself_is_counted_as_given_or_taken() {
    let mut victim = Victim::new();
    let all: Vec<RunIndex> = RunSet::full(victim.layout.runs()).iter().collect();
    let message = |message| Event::Message { peer: BOASTER, message };
    for round in 0..50 {
        for said in [
            Message::Have(all.clone()),
            Message::Importing(all.clone()),
            Message::Interested(true),
            Message::Unchoke,
            Message::Idle(true),
            Message::Lost(all.clone()),
            Message::Have(all.clone()),
            Message::Peers((10..60).map(PeerKey).collect()),
        ] {
            victim.hear(message(said));
        }
        // The boaster asks for a run we lack, takes nothing, and answers every request with
        // "elsewhere".
        victim.hear(Event::RunWanted { peer: BOASTER, upload: UploadId(round), run: all[0], exact: false });
        victim.hear(Event::Counted { members: u32::MAX.into() });
        for (request, _) in std::mem::take(&mut victim.asked) {
            let cause = RunFailure::Refused(Refusal::Elsewhere);
            victim.hear(Event::RunFailed { peer: BOASTER, request, cause });
        }
        victim.pass(Duration::from_millis(700));
    }
    assert_eq!(victim.counted(), (0, 0, 0), "words were counted");
    let traffic = victim.swarm().traffic();
    assert_eq!((traffic.origin, traffic.imported, traffic.from_peers()), (0, 0, 0));
}

#[test]
fn a_run_counts_once_as_new_and_its_repeats_are_waste_that_is_told_apart() {
    let mut victim = Victim::new();
    victim.hear(Event::Message { peer: BOASTER, message: Message::Unchoke });
    victim.pass(Duration::from_secs(3));
    let (request, run) = *victim.asked.first().expect("somebody who lets us have it is asked");
    victim.hear(Event::RunStored { peer: BOASTER, request, run });
    assert_eq!(victim.counted(), (RUN_BYTES, 0, 0));
    victim.hear(Event::RunStored { peer: BOASTER, request, run });
    let (received, given, wasted) = victim.counted();
    assert_eq!((received - wasted, given), (RUN_BYTES, 0), "a repeat is progress");
    assert_eq!(wasted, RUN_BYTES);
    assert_eq!(victim.swarm().have().expect("a content").count(), 1);
}
