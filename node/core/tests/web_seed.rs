//! An HTTP origin is a neighbour like any other, except that the engine asks it for whole pieces
//! and sends it no messages.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use nearcast_core::{
    Location, View,
    addresses::ATTEMPT_DELAY,
    config::Config,
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey, RequestId},
    input::{Candidate, Event, Goal, Input, Join, Material, Neighbour, RunFailure, Via},
    layout::Layout,
    message::{Message, Refusal},
    output::{Action, Output},
    run_set::RunSet,
    tier::Near,
    time::Timestamp,
};

const CONTENT: ContentKey = ContentKey(0);
const WEB: PeerKey = PeerKey(1);
const PEER: PeerKey = PeerKey(2);
/// Runs in a piece.
const PIECE_RUNS: u32 = 4;
const PIECES: u32 = 8;

struct Maps(BTreeMap<PeerKey, RunSet>);

impl View for Maps {
    fn held(&self, _: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        self.0.get(&peer).map(Held::from)
    }

    fn location(&self, peer: PeerKey) -> Location {
        Location::unknown(peer)
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        false
    }

    fn is_web_seed(&self, peer: PeerKey) -> bool {
        peer == WEB
    }
}

struct Shell {
    engine: Engine,
    maps: Maps,
    layout: Arc<Layout>,
    now: Timestamp,
}

impl Shell {
    /// Joined with no runs; a web seed and a peer are candidates.
    fn new(seed: u64) -> (Shell, Vec<Action>) {
        let bytes = u64::from(PIECES * PIECE_RUNS) * (256 << 10);
        let layout = Arc::new(Layout::new(u64::from(PIECE_RUNS) * (256 << 10), [bytes]).expect("valid"));
        let engine = Engine::new(Arc::new(Config::default()), seed);
        let mut shell = Shell { engine, maps: Maps(BTreeMap::new()), layout, now: Timestamp::from_millis(5) };
        let have = RunSet::empty(shell.layout.runs());
        let material = Material { layout: shell.layout.clone(), have, wanted: None };
        let candidate = |peer| Candidate { peer, near: Near::UNKNOWN, via: Via::Named };
        let actions = shell.event(Event::Join(Join {
            material: Some(material),
            candidates: vec![candidate(WEB), candidate(PEER)],
            directories: Vec::new(),
            may_be_found: true,
            exchange_peers: true,
            patience: Duration::from_secs(60),
            goal: Goal::Ratio(0.0),
            paused: false,
        }));
        (shell, actions)
    }

    fn handle(&mut self, input: Input) -> Vec<Action> {
        let mut outputs = Vec::new();
        self.engine.handle(self.now, input, &self.maps, &mut outputs);
        let action = |output| match output {
            Output::Action { action, .. } => Some(action),
            Output::Ban { .. } => None,
        };
        outputs.into_iter().filter_map(action).collect()
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        self.handle(Input::Event { content: CONTENT, event })
    }

    fn link(&mut self, peer: PeerKey, web_seed: bool, map: RunSet) -> Vec<Action> {
        self.maps.0.insert(peer, map);
        let about = Neighbour {
            near: Near::UNKNOWN,
            origin: web_seed,
            directory: false,
            manifest: !web_seed,
            web_seed,
        };
        self.event(Event::Linked { peer, about })
    }

    fn full(&self) -> RunSet {
        RunSet::full(self.layout.runs())
    }

    /// Lets `time` pass, and returns the actions of that time.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        let (end, mut actions) = (self.now + time, Vec::new());
        while let Some((at, _)) = self.engine.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            actions.extend(self.handle(Input::Woken));
        }
        self.now = end;
        actions
    }

    fn stored(&mut self, (request, run): (RequestId, u32)) -> Vec<Action> {
        let run = self.layout.run_index(run).expect("it was asked for");
        self.event(Event::RunStored { peer: WEB, request, run })
    }
}

fn requests(actions: &[Action], of: PeerKey) -> Vec<(RequestId, u32)> {
    let request = |action: &Action| match action {
        Action::Request { peer, request, run, .. } if *peer == of => Some((*request, run.get())),
        _ => None,
    };
    actions.iter().filter_map(request).collect()
}

/// The pieces of these requests, which must be whole pieces.
fn pieces(requests: &[(RequestId, u32)]) -> Vec<u32> {
    let whole = |chunk: &[(RequestId, u32)]| {
        let first = chunk[0].1;
        let runs: Vec<u32> = chunk.iter().map(|request| request.1).collect();
        assert_eq!(runs, (first..first + PIECE_RUNS).collect::<Vec<_>>(), "whole pieces only");
        assert_eq!(first % PIECE_RUNS, 0);
        first / PIECE_RUNS
    };
    requests.chunks(PIECE_RUNS as usize).map(whole).collect()
}

fn hears_nothing(actions: &[Action]) {
    let told = actions.iter().any(|action| matches!(action, Action::Send { peer: WEB, .. }));
    assert!(!told, "{actions:?}");
    let named = actions.iter().any(|action| {
        matches!(action, Action::Send { message: Message::Peers(peers), .. } if peers.contains(&WEB))
    });
    assert!(!named, "no peer is told of it: {actions:?}");
}

/// How long after the start the engine asks a web seed, if a directory names this many peers a
/// moment later and none of them answers.
fn asked_beside(silent: u32) -> Duration {
    let (mut shell, _) = Shell::new(1);
    let start = shell.now;
    shell.event(Event::DialFailed { peer: PEER });
    shell.pass(Duration::from_millis(20));
    let candidate = |peer| Candidate { peer: PeerKey(peer), near: Near::UNKNOWN, via: Via::Directory };
    let candidates = (10..).take(silent as usize).map(candidate).collect();
    shell.event(Event::Discovered { query: None, teller: None, candidates });
    let full = shell.full();
    let mut asked = shell.link(WEB, true, full);
    while requests(&asked, WEB).is_empty() {
        asked = shell.pass(Duration::from_millis(1));
    }
    shell.now.since(start)
}

#[test]
fn peers_that_do_not_answer_are_waited_for_no_longer_than_an_attempt_may_take() {
    let told = Duration::from_millis(20);
    let late = Duration::from_millis(2);
    for silent in [1, 3, 6] {
        let asked = asked_beside(silent);
        assert!((ATTEMPT_DELAY..=told + ATTEMPT_DELAY + late).contains(&asked), "{silent}: {asked:?}");
    }
    for silent in [8, 40, 190] {
        let asked = asked_beside(silent);
        assert!(
            (ATTEMPT_DELAY..=Config::default().origin.peers_first + late).contains(&asked),
            "{silent}: {asked:?}"
        );
    }
}

#[test]
fn alone_it_is_asked_for_everything_in_whole_pieces_and_in_order() {
    for seed in 0..20 {
        let (mut shell, begun) = Shell::new(seed);
        assert!(begun.contains(&Action::Dial { peer: WEB }), "{begun:?}");
        shell.event(Event::DialFailed { peer: PEER });
        let mut open = requests(&shell.link(WEB, true, shell.full()), WEB);
        let mut order = pieces(&open);
        assert!(order.len() >= 2, "at once, without being told that we may: {order:?}");
        let mut actions = Vec::new();
        while !open.is_empty() {
            for request in std::mem::take(&mut open) {
                actions.extend(shell.stored(request));
            }
            actions.extend(shell.pass(Duration::from_millis(300)));
            hears_nothing(&actions);
            open = requests(&actions, WEB);
            order.extend(pieces(&open));
            if actions.contains(&Action::Completed) {
                break;
            }
            actions.clear();
        }
        assert!(actions.contains(&Action::Completed), "seed {seed}");
        let expected: Vec<u32> = (0..PIECES).map(|at| (order[0] + at) % PIECES).collect();
        assert_eq!(order, expected, "seed {seed}");
        let traffic = shell.engine.swarm(CONTENT).expect("joined").traffic();
        assert_eq!((traffic.web_seed, traffic.origin, traffic.from_peers()), (shell.layout.bytes(), 0, 0));
    }
}

#[test]
fn a_server_that_wants_fewer_requests_is_asked_for_as_much_each_time() {
    let (mut shell, _) = Shell::new(7);
    shell.event(Event::DialFailed { peer: PEER });
    let mut open = requests(&shell.link(WEB, true, shell.full()), WEB);
    for round in 0..3 {
        // It is busy; what was asked of it is given back, and it is left alone for a while.
        let mut actions = Vec::new();
        for (request, _) in std::mem::take(&mut open) {
            let cause = RunFailure::Refused(Refusal::Busy);
            actions.extend(shell.event(Event::RunFailed { peer: WEB, request, cause }));
        }
        actions.extend(shell.pass(Duration::from_secs(8)));
        open = requests(&actions, WEB);
        for request in open.drain(..PIECE_RUNS as usize).collect::<Vec<_>>() {
            actions = shell.stored(request);
            actions.extend(shell.pass(Duration::from_secs(2)));
            open.extend(requests(&actions, WEB));
        }
        let bytes = open.len() as u64 * (256 << 10);
        assert!(bytes >= 2 << 20, "round {round}: {bytes} bytes are asked for at a time");
    }
}

#[test]
fn what_a_peer_holds_is_not_asked_of_it_until_peers_are_silent() {
    let (mut shell, _) = Shell::new(3);
    shell.link(PEER, false, shell.full());
    let actions = shell.link(WEB, true, shell.full());
    hears_nothing(&actions);
    assert_eq!(requests(&actions, WEB), [], "the peer has everything");
    shell.event(Event::Message { peer: PEER, message: Message::Choke });
    let actions = shell.pass(Duration::from_secs(3));
    hears_nothing(&actions);
    assert!(!pieces(&requests(&actions, WEB)).is_empty(), "the peer gives nothing");
}

#[test]
fn a_hopeless_one_is_never_dialled_again_and_frees_what_it_was_asked_for() {
    let (mut shell, _) = Shell::new(4);
    shell.event(Event::DialFailed { peer: PEER });
    let asked = requests(&shell.link(WEB, true, shell.full()), WEB);
    shell.event(Event::Hopeless { peer: WEB });
    shell.maps.0.remove(&WEB);
    let actions = shell.pass(Duration::from_secs(30));
    assert!(!actions.contains(&Action::Dial { peer: WEB }), "{actions:?}");
    shell.link(PEER, false, shell.full());
    let mut actions = shell.event(Event::Message { peer: PEER, message: Message::Unchoke });
    let mut from_peer = requests(&actions, PEER);
    while let Some((request, run)) = from_peer.pop() {
        let run = shell.layout.run_index(run).expect("it was asked for");
        actions = shell.event(Event::RunStored { peer: PEER, request, run });
        from_peer.extend(requests(&actions, PEER));
        if from_peer.is_empty() {
            from_peer = requests(&shell.pass(Duration::from_millis(300)), PEER);
        }
    }
    assert!(!asked.is_empty() && actions.contains(&Action::Completed), "{actions:?}");
}

#[test]
fn a_busy_one_is_asked_again_and_a_false_byte_bans_it() {
    let (mut shell, _) = Shell::new(5);
    shell.event(Event::DialFailed { peer: PEER });
    let asked = requests(&shell.link(WEB, true, shell.full()), WEB);
    for &(request, _) in &asked {
        let cause = RunFailure::Refused(Refusal::Busy);
        shell.event(Event::RunFailed { peer: WEB, request, cause });
    }
    let again = requests(&shell.pass(Duration::from_millis(300)), WEB);
    assert!(!again.is_empty() && again.len() <= asked.len(), "{} of {}", again.len(), asked.len());
    let cause = RunFailure::Corrupt { bytes: 1 << 18 };
    let actions = shell.event(Event::RunFailed { peer: WEB, request: again[0].0, cause });
    assert_eq!(shell.engine.banned(), 1);
    assert!(actions.iter().any(|action| matches!(action, Action::Unlink { peer: WEB, .. })), "{actions:?}");
    assert!(!shell.pass(Duration::from_secs(30)).contains(&Action::Dial { peer: WEB }));
}
