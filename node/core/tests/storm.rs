//! A directory that goes away and comes back meets a crowd that lost it at the same moment. Its questions must not come back
//! at the same moment, too, and there must be no more of them than somebody can answer.

use std::{sync::Arc, time::Duration};

use nearcast_core::{
    HaveMaps,
    config::Config,
    engine::Engine,
    id::{ContentKey, PeerKey},
    input::{Event, Goal, Input, Join, Material},
    layout::Layout,
    output::{Action, Output},
    run_set::RunSet,
    time::Timestamp,
};

const CONTENT: ContentKey = ContentKey(0);
const DIRECTORY: PeerKey = PeerKey(1);
const CROWD: usize = 200;

struct NoMaps;

impl HaveMaps for NoMaps {
    fn have_map(&self, _: ContentKey, _: PeerKey) -> Option<&RunSet> {
        None
    }
}

/// A leecher that knows nobody but one directory, which is away.
struct Leecher {
    engine: Engine,
    now: Timestamp,
    /// When it asked.
    asked: Vec<Timestamp>,
}

impl Leecher {
    fn new(seed: u64, layout: &Arc<Layout>) -> Leecher {
        let engine = Engine::new(Arc::new(Config::default()), seed);
        let mut leecher = Leecher { engine, now: Timestamp::from_millis(1), asked: Vec::new() };
        let have = RunSet::empty(layout.runs());
        leecher.handle(Event::Join(Join {
            material: Some(Material { layout: layout.clone(), have, wanted: None }),
            candidates: Vec::new(),
            directories: vec![DIRECTORY],
            exchange_peers: true,
            patience: Duration::from_secs(3_600),
            goal: Goal::Ratio(0.0),
        }));
        leecher
    }

    fn handle(&mut self, event: Event) {
        let mut events = vec![Input::Event { content: CONTENT, event }];
        while let Some(input) = events.pop() {
            let mut outputs = Vec::new();
            self.engine.handle(self.now, input, &NoMaps, &mut outputs);
            events.extend(outputs.into_iter().filter_map(|output| self.on_output(&output)));
        }
    }

    /// Every question fails at once, as at a machine that refuses connections.
    fn on_output(&mut self, output: &Output) -> Option<Input> {
        let Output::Action { action: Action::Ask { query, .. }, .. } = output else { return None };
        self.asked.push(self.now);
        Some(Input::Event { content: CONTENT, event: Event::QueryFailed { query: *query } })
    }

    fn pass_until(&mut self, end: Timestamp) {
        while let Some((at, _)) = self.engine.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            let mut outputs = Vec::new();
            self.engine.handle(self.now, Input::Woken, &NoMaps, &mut outputs);
            for output in &outputs {
                if let Some(Input::Event { event, .. }) = self.on_output(output) {
                    self.handle(event);
                }
            }
        }
        self.now = end;
    }
}

#[test]
fn a_crowd_that_lost_its_directory_at_the_same_moment_comes_back_spread_out() {
    let layout = Arc::new(Layout::new(256 << 10, [8 << 20]).expect("valid"));
    let mut crowd: Vec<Leecher> = (0..CROWD as u64).map(|seed| Leecher::new(seed, &layout)).collect();
    let end = Timestamp::ZERO + Duration::from_secs(300);
    crowd.iter_mut().for_each(|leecher| leecher.pass_until(end));
    let second = |leecher: &Leecher, from: u64| {
        let [from, to] = [from, from + 1].map(|second| Timestamp::ZERO + Duration::from_secs(second));
        leecher.asked.iter().filter(|&&at| from <= at && at < to).count()
    };
    // After an outage of so many seconds: at most such a part of the crowd asks within any second of the minute that follows.
    for (outage, share) in [(10, 3), (30, 6), (60, 8)] {
        let busiest = (outage..outage + 60)
            .map(|from| crowd.iter().map(|leecher| second(leecher, from)).sum::<usize>());
        let busiest = busiest.max().unwrap_or(0);
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
