//! The same history, told in two ways: each run by a message of its own, or what many neighbours got
//! in one input. Told alone, what one neighbour got leads to the very outputs of its message. Told
//! together, it leads to the same counts, the same interest and the same links.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use nearcast_core::{
    Location, View,
    asn::Asn,
    config::Config,
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey, RequestId},
    input::{Event, Goal, Input, Join, Material, Neighbour},
    layout::{Layout, RunIndex},
    locality::Locality,
    message::Message,
    output::{Action, Output},
    run_set::RunSet,
    tier::{Near, Proximity, Tier},
    time::Timestamp,
};
use proptest::prelude::*;

const CONTENT: ContentKey = ContentKey(0);
const PEERS: u32 = 6;
const RUNS: u32 = 70;
/// Runs come from this peer, which is no neighbour any more.
const GONE: PeerKey = PeerKey(99);

/// How the engine learns what neighbours got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A message for each run, at once.
    Messages,
    /// An input for each run, at once.
    OneByOne,
    /// What all of them got since the last look, in one input.
    Batches,
}

/// What the engine takes part as.
#[derive(Clone, Copy, Debug)]
enum Part {
    Leecher,
    Seed,
    Origin,
}

/// One thing that happens, whichever way it is told.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Got(PeerKey, u32),
    Lost(PeerKey, u32),
    Links(PeerKey),
    Unlinks(PeerKey),
    Says(PeerKey, bool),
    /// A run comes to the engine itself.
    Comes(u32),
    Pass(Duration),
    /// The shell looks at what neighbours got.
    Look,
}

/// What peers hold, and for each neighbour what the engine was not told of.
struct Shared {
    sets: BTreeMap<PeerKey, RunSet>,
    untold: BTreeMap<PeerKey, Vec<RunIndex>>,
}

impl View for Shared {
    fn held(&self, _: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        self.untold.get(&peer).map(|untold| Held::new(&self.sets[&peer], untold))
    }

    fn location(&self, peer: PeerKey) -> Location {
        Location { near: Some(near(peer)), ..Location::unknown(peer) }
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        false
    }

    fn is_web_seed(&self, _: PeerKey) -> bool {
        false
    }
}

/// Every other peer is in our AS.
fn near(peer: PeerKey) -> Near {
    match peer.0.is_multiple_of(2) {
        true => Near { proximity: Tier::SameAs.into(), asn: Some(Asn(1)) },
        false => Near { proximity: Proximity::remote(Some(2)), asn: Some(Asn(2)) },
    }
}

struct Shell {
    way: Way,
    engine: Engine,
    view: Shared,
    runs: Vec<RunIndex>,
    now: Timestamp,
    have: RunSet,
    /// The neighbours that we told that they interest us.
    interesting: BTreeSet<PeerKey>,
    outputs: Vec<Output>,
}

impl Shell {
    fn new(way: Way, part: Part, seed: u64) -> Shell {
        let layout = Arc::new(Layout::new(256 << 10, [u64::from(RUNS) * (256 << 10)]).expect("valid"));
        let (config, have) = match part {
            Part::Leecher => (Config::default(), RunSet::empty(RUNS)),
            Part::Seed => (Config::default(), RunSet::full(RUNS)),
            Part::Origin => (Config::origin(), RunSet::full(RUNS)),
        };
        let sets = (0..PEERS).map(|peer| (PeerKey(peer), RunSet::empty(RUNS))).collect();
        let mut shell = Shell {
            way,
            engine: Engine::new(Arc::new(config), seed),
            view: Shared { sets, untold: BTreeMap::new() },
            runs: RunSet::full(RUNS).iter().collect(),
            now: Timestamp::from_millis(1),
            have: have.clone(),
            interesting: BTreeSet::new(),
            outputs: Vec::new(),
        };
        shell.handle(Input::Located(Locality { asn: Some(Asn(1)), tag: 7 }));
        shell.event(Event::Join(Join {
            material: Some(Material { layout, have, wanted: None }),
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
        let mut outputs = Vec::new();
        self.engine.handle(self.now, input, &self.view, &mut outputs);
        self.engine.check(&self.view);
        for output in &outputs {
            let Output::Action { action, .. } = output else { panic!("{output:?}") };
            match action {
                Action::Unlink { peer, .. } => self.end_link(*peer),
                Action::Send { peer, message: Message::Interested(true) } => {
                    assert!(self.interesting.insert(*peer));
                }
                Action::Send { peer, message: Message::Interested(false) } => {
                    assert!(self.interesting.remove(peer));
                }
                _ => {}
            }
        }
        self.outputs.extend(outputs);
    }

    fn end_link(&mut self, peer: PeerKey) {
        self.view.untold.remove(&peer);
        self.interesting.remove(&peer);
    }

    /// Takes what is untold of these neighbours, as news.
    fn take_untold(&mut self, of: impl Fn(PeerKey) -> bool) -> Vec<(PeerKey, RunIndex)> {
        let untold = self.view.untold.iter_mut().filter(|(peer, _)| of(**peer));
        let news = untold.map(|(&peer, runs)| (peer, std::mem::take(runs)));
        news.flat_map(|(peer, runs)| runs.into_iter().map(move |run| (peer, run))).collect()
    }

    /// The engine hears what is untold of these neighbours.
    fn look(&mut self, of: impl Fn(PeerKey) -> bool) {
        let news = self.take_untold(of);
        if self.way == Way::Messages {
            for (peer, run) in news {
                self.event(Event::Message { peer, message: Message::Have(vec![run]) });
            }
        } else if !news.is_empty() {
            self.event(Event::Heard(news));
        }
    }

    fn does(&mut self, deed: Deed) {
        let is_linked = |peer: &PeerKey| self.view.untold.contains_key(peer);
        match deed {
            Deed::Got(peer, run) => {
                let run = self.runs[run as usize];
                if self.view.sets.get_mut(&peer).expect("a peer").insert(run)
                    && let Some(untold) = self.view.untold.get_mut(&peer)
                {
                    untold.push(run);
                    if self.way != Way::Batches {
                        self.look(|_| true);
                    }
                }
            }
            Deed::Lost(peer, run) => {
                let run = self.runs[run as usize];
                // What it got before is heard before.
                self.look(|other| other == peer);
                if self.view.sets.get_mut(&peer).expect("a peer").remove(run)
                    && self.view.untold.contains_key(&peer)
                {
                    self.event(Event::Message { peer, message: Message::Lost(vec![run]) });
                }
            }
            Deed::Links(peer) if !is_linked(&peer) => {
                self.view.untold.insert(peer, Vec::new());
                let about = Neighbour {
                    near: near(peer),
                    origin: peer.0 == 0,
                    directory: false,
                    manifest: false,
                    web_seed: false,
                };
                self.event(Event::Linked { peer, about });
            }
            Deed::Unlinks(peer) => {
                self.look(|other| other == peer);
                if self.view.untold.contains_key(&peer) {
                    self.event(Event::Unlinked { peer });
                    self.end_link(peer);
                }
            }
            Deed::Says(peer, unchoked) if is_linked(&peer) => {
                let message = if unchoked { Message::Unchoke } else { Message::Choke };
                self.event(Event::Message { peer, message });
            }
            Deed::Comes(run) => {
                let run = self.runs[run as usize];
                if self.have.insert(run) {
                    self.event(Event::RunStored { peer: GONE, request: RequestId(u32::MAX), run });
                }
            }
            Deed::Pass(time) => {
                self.now = self.now + time;
                self.handle(Input::Woken);
            }
            Deed::Look => self.look(|_| true),
            Deed::Links(_) | Deed::Says(..) => {}
        }
    }

    /// Everything is heard, and a tick decides on interest.
    fn settle(&mut self) {
        self.look(|_| true);
        self.does(Deed::Pass(Duration::from_millis(250)));
    }

    fn links(&self) -> Vec<PeerKey> {
        self.view.untold.keys().copied().collect()
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    let peer = || (0..PEERS).prop_map(PeerKey);
    prop_oneof![
        12 => (peer(), 0..RUNS).prop_map(|(peer, run)| Deed::Got(peer, run)),
        1 => (peer(), 0..RUNS).prop_map(|(peer, run)| Deed::Lost(peer, run)),
        3 => peer().prop_map(Deed::Links),
        1 => peer().prop_map(Deed::Unlinks),
        2 => (peer(), any::<bool>()).prop_map(|(peer, unchoked)| Deed::Says(peer, unchoked)),
        2 => (0..RUNS).prop_map(Deed::Comes),
        2 => (0..3_000_u64).prop_map(|millis| Deed::Pass(Duration::from_millis(millis))),
        3 => Just(Deed::Look),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![3 => Just(Part::Leecher), 1 => Just(Part::Seed), 1 => Just(Part::Origin)]
}

/// A history in which a peer comes to hold everything, so that complete neighbours occur.
fn history() -> impl Strategy<Value = Vec<Deed>> {
    let all = |peer: u32| (0..RUNS).map(move |run| Deed::Got(PeerKey(peer), run));
    let ours = || (0..RUNS).map(Deed::Comes);
    let deeds = || prop::collection::vec(deed(), 1..150);
    (deeds(), 0..PEERS + 1, any::<bool>(), deeds()).prop_map(move |(first, full, done, last)| {
        let full = (full < PEERS).then(|| all(full)).into_iter().flatten();
        let done = done.then(ours).into_iter().flatten();
        first.into_iter().chain(full).chain(done).chain(last).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_heard_of_one_neighbour_does_what_its_message_does(
        seed in any::<u64>(),
        part in part(),
        history in history(),
    ) {
        let mut told = [Way::Messages, Way::OneByOne].map(|way| Shell::new(way, part, seed));
        for deed in history {
            told.iter_mut().for_each(|shell| shell.does(deed));
            let [one, other] = told.each_mut().map(|shell| std::mem::take(&mut shell.outputs));
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn a_history_told_in_batches_ends_as_if_it_was_told_one_by_one(
        seed in any::<u64>(),
        part in part(),
        history in history(),
    ) {
        let mut told = [Way::Messages, Way::Batches].map(|way| Shell::new(way, part, seed));
        for shell in &mut told {
            history.iter().for_each(|&deed| shell.does(deed));
            shell.settle();
        }
        let [one, other] = &told;
        prop_assert_eq!(one.links(), other.links());
        prop_assert_eq!(&one.interesting, &other.interesting);
        let [one, other] = [one, other].map(|shell| shell.engine.swarm(CONTENT).expect("it joined"));
        prop_assert_eq!(one.have(), other.have());
        prop_assert_eq!(one.is_complete(), other.is_complete());
        prop_assert_eq!(one.neighbours(), other.neighbours());
    }
}
