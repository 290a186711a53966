//! A directory that goes away and comes back meets a crowd that lost it at the same moment. The
//! crowd's questions must not all come at the same moment, and there must be no more of them than a
//! directory can answer. If there are more, the directory says so.

use std::{
    collections::{BTreeSet, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use nearcast_core::{
    NoPeers,
    config::Config,
    engine::Engine,
    id::{ContentKey, PeerKey, QueryId},
    input::{Event, Goal, Input, Join, Material},
    layout::Layout,
    output::{Action, Output},
    registry::{Pace, Throttle},
    run_set::RunSet,
    time::Timestamp,
};

const CONTENT: ContentKey = ContentKey(0);
const DIRECTORY: PeerKey = PeerKey(1);
const CROWD: usize = 200;

/// What a directory answers.
#[derive(Clone, Copy)]
enum Answer {
    /// Nothing: it is away, a machine that refuses connections.
    None,
    /// It knows no other peer.
    Nobody,
    /// The peer asks too often; it may ask again after this time.
    TooOften(Duration),
}

/// A leecher that knows only one directory.
struct Leecher {
    engine: Engine,
    now: Timestamp,
    /// When it asked, in order of time.
    asked: Vec<Timestamp>,
}

impl Leecher {
    fn new(seed: u64, layout: &Arc<Layout>, directory: &mut impl FnMut(Timestamp) -> Answer) -> Leecher {
        let engine = Engine::new(Arc::new(Config::default()), seed);
        let mut leecher = Leecher { engine, now: Timestamp::from_millis(1), asked: Vec::new() };
        let have = RunSet::empty(layout.runs());
        let join = Join {
            material: Some(Material { layout: layout.clone(), have, wanted: None }),
            candidates: Vec::new(),
            directories: vec![DIRECTORY],
            may_be_found: true,
            exchange_peers: true,
            patience: Duration::from_secs(3_600),
            goal: Goal::Ratio(0.0),
            paused: false,
        };
        leecher.handle(Input::Event { content: CONTENT, event: Event::Join(join) }, directory);
        leecher
    }

    /// Handles one input, and then the directory's answers to the questions that follow, in order.
    fn handle(&mut self, input: Input, directory: &mut impl FnMut(Timestamp) -> Answer) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut outputs = Vec::new();
            self.engine.handle(self.now, input, &NoPeers, &mut outputs);
            for output in &outputs {
                if let Output::Action { action: Action::Ask { query, .. }, .. } = output {
                    self.asked.push(self.now);
                    let events = answered(*query, directory(self.now));
                    inputs.extend(events.into_iter().map(|event| Input::Event { content: CONTENT, event }));
                }
            }
        }
    }

    fn next(&self) -> Option<Timestamp> {
        self.engine.poll_timeout().map(|(at, _)| at.max(self.now))
    }

    fn wake(&mut self, at: Timestamp, directory: &mut impl FnMut(Timestamp) -> Answer) {
        self.now = at;
        self.handle(Input::Woken, directory);
    }
}

/// The events that a shell gives its engine for an answer.
fn answered(query: QueryId, answer: Answer) -> Vec<Event> {
    let found = Event::Discovered { teller: None, query: Some(query), candidates: Vec::new() };
    match answer {
        Answer::None => vec![Event::QueryFailed { query }],
        Answer::Nobody => vec![found],
        // A node reports the pause in whole seconds, at least one.
        Answer::TooOften(wait) => {
            let pause = Duration::from_secs(wait.as_secs().max(1)).into();
            vec![Event::DirectoryPause { query, pause }, found]
        }
    }
}

/// Runs a crowd that begins at the same moment until `end`, in order of time.
fn crowd(end: Timestamp, mut directory: impl FnMut(Timestamp) -> Answer) -> Vec<Leecher> {
    let layout = Arc::new(Layout::new(256 << 10, [8 << 20]).expect("valid"));
    let mut crowd: Vec<Leecher> =
        (0..CROWD as u64).map(|seed| Leecher::new(seed, &layout, &mut directory)).collect();
    let mut agenda: BTreeSet<(Timestamp, usize)> =
        crowd.iter().enumerate().filter_map(|(number, leecher)| Some((leecher.next()?, number))).collect();
    while let Some((at, number)) = agenda.pop_first().filter(|(at, _)| *at <= end) {
        crowd[number].wake(at, &mut directory);
        agenda.extend(crowd[number].next().map(|at| (at, number)));
    }
    crowd
}

/// Questions of the whole crowd within the second `from`.
fn asked_in(crowd: &[Leecher], from: u64) -> usize {
    let [from, to] = [from, from + 1].map(|second| Timestamp::ZERO + Duration::from_secs(second));
    crowd.iter().flat_map(|leecher| &leecher.asked).filter(|&&at| from <= at && at < to).count()
}

#[test]
fn a_crowd_that_lost_its_directory_at_the_same_moment_comes_back_spread_out() {
    let crowd = crowd(Timestamp::ZERO + Duration::from_secs(300), |_| Answer::None);
    // After an outage of this many seconds, at most 1/`share` of the crowd asks within any second
    // of the next minute.
    for (outage, share) in [(10, 3), (30, 6), (60, 8)] {
        let busiest = (outage..outage + 60).map(|from| asked_in(&crowd, from)).max().unwrap_or(0);
        println!("{busiest} of {CROWD} ask within the busiest second after an outage of {outage} s");
        assert!(busiest <= CROWD / share, "{busiest} of {CROWD} within a second after {outage} s");
    }
    for leecher in &crowd {
        // 1 + 2 + 4 + … + 32 seconds and then a minute each, stretched by half on average.
        assert!((6..=14).contains(&leecher.asked.len()), "{} questions in 300 s", leecher.asked.len());
        let soon = leecher.asked.windows(2).all(|pair| pair[1].since(pair[0]) <= Duration::from_secs(121));
        assert!(soon, "whoever comes back is found again within two minutes: {:?}", leecher.asked);
    }
}

const PACE: Pace = Pace { per_second: 10.0, burst: 20.0 };

/// A crowd behind one address asks a directory that accepts questions at [`PACE`]. Returns when
/// questions were answered, and the number of questions in each second of two minutes.
fn storm() -> (Vec<Timestamp>, Vec<usize>) {
    let mut throttle = Throttle::new(PACE, 1);
    let (mut answered, mut refused) = (Vec::new(), 0);
    let ip = Ipv4Addr::new(20, 1, 1, 1);
    let crowd = crowd(Timestamp::ZERO + Duration::from_secs(120), |now| match throttle.ask(now, ip.into()) {
        Ok(()) => {
            answered.push(now);
            Answer::Nobody
        }
        Err(wait) => {
            refused += 1;
            Answer::TooOften(wait)
        }
    });
    let by_second: Vec<usize> = (0..120).map(|second| asked_in(&crowd, second)).collect();
    println!("{} answered, {refused} refused; by second {:?}", answered.len(), &by_second[..40]);
    (answered, by_second)
}

#[test]
fn a_directory_that_a_network_asks_at_ten_times_its_pace_answers_at_its_pace() {
    let (answered, by_second) = storm();
    assert!(by_second[0] >= 10 * PACE.per_second as usize, "{} at first is no storm", by_second[0]);
    let at_pace = |from: &Timestamp| {
        let later = answered.iter().filter(|at| (from..).contains(at));
        let within = later.take_while(|at| at.since(*from).as_secs() < 10).count();
        within as f32 <= 10.0 * PACE.per_second + PACE.burst + 1.0
    };
    assert!(answered.iter().all(at_pace), "more is answered than the pace allows");
    assert!(answered.len() >= CROWD, "{} answers for {CROWD} peers in two minutes", answered.len());
}

#[test]
fn whoever_is_refused_at_the_same_moment_comes_back_spread_out() {
    let (_, by_second) = storm();
    let late = by_second[30..].iter().max().copied().unwrap_or(0);
    assert!(late <= 2 * PACE.per_second as usize, "{late} questions in a second after half a minute");
}
