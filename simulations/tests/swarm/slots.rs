//! Upload slots over many contents: no peer waits for ever because other contents are in demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use nearcast_core::{
    Location, View,
    config::{Config, UploadConfig},
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey},
    input::{Event, Goal, Input, Join, Material, Neighbour},
    layout::Layout,
    message::Message,
    output::{Action, Output},
    run_set::RunSet,
    tier::Tier,
    time::Timestamp,
};

const RUN_BYTES: u32 = 256 << 10;

/// Every peer lacks everything.
struct Empty(RunSet);

impl View for Empty {
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

/// A seeder of many contents, and the peers it serves.
struct Seeder {
    engine: Engine,
    maps: Empty,
    layout: Arc<Layout>,
    now: Timestamp,
    served: BTreeSet<(ContentKey, PeerKey)>,
    ever: BTreeMap<(ContentKey, PeerKey), Timestamp>,
    most: usize,
}

impl Seeder {
    fn new(slots: u32) -> Seeder {
        let config = Config {
            upload: UploadConfig { slots_total: slots, ..Config::origin().upload },
            ..Config::origin()
        };
        Seeder {
            engine: Engine::new(Arc::new(config), 5),
            maps: Empty(RunSet::empty(4)),
            layout: Arc::new(Layout::new(RUN_BYTES.into(), [u64::from(4 * RUN_BYTES)]).expect("four runs")),
            now: Timestamp::ZERO,
            served: BTreeSet::new(),
            ever: BTreeMap::new(),
            most: 0,
        }
    }

    fn tell(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.engine.handle(self.now, input, &self.maps, &mut outputs);
        for output in outputs {
            let Output::Action { content, action: Action::Send { peer, message } } = output else { continue };
            match message {
                Message::Unchoke => {
                    self.served.insert((content, peer));
                    self.ever.entry((content, peer)).or_insert(self.now);
                    self.most = self.most.max(self.engine.unchoked() as usize);
                }
                Message::Choke => _ = self.served.remove(&(content, peer)),
                _ => {}
            }
        }
    }

    fn event(&mut self, content: ContentKey, event: Event) {
        self.tell(Input::Event { content, event });
    }

    /// Adds a content for which this many peers wait.
    fn add(&mut self, content: u32, waiting: u32) {
        let content = ContentKey(content);
        let have = RunSet::full(4);
        let material = Material { layout: self.layout.clone(), have, wanted: None };
        self.event(
            content,
            Event::Join(Join {
                material: Some(material),
                candidates: Vec::new(),
                directories: Vec::new(),
                may_be_found: true,
                exchange_peers: false,
                patience: Duration::from_secs(60),
                goal: Goal::Forever,
                paused: false,
            }),
        );
        for peer in (0..waiting).map(|at| PeerKey(content.0 * 1_000 + at)) {
            let about = Neighbour {
                near: Tier::Remote.into(),
                origin: false,
                directory: false,
                manifest: false,
                web_seed: false,
            };
            self.event(content, Event::Linked { peer, about });
            self.event(content, Event::Message { peer, message: Message::Interested(true) });
        }
    }

    /// Lets time pass; each served peer takes a run every half second.
    fn run(&mut self, until: Duration) {
        let until = Timestamp::ZERO + until;
        while self.now < until {
            let next = self.now + Duration::from_millis(500);
            while let Some((at, _)) = self.engine.poll_timeout().filter(|&(at, _)| at <= next) {
                self.now = self.now.max(at);
                self.tell(Input::Woken);
            }
            self.now = next;
            let run = self.layout.run_index(0).expect("it has four");
            for (content, peer) in self.served.clone() {
                self.event(content, Event::UploadEnded { peer, run, bytes: RUN_BYTES });
            }
        }
    }

    fn contents_served(&self) -> usize {
        self.ever.keys().map(|&(content, _)| content).collect::<BTreeSet<_>>().len()
    }
}

#[test]
fn two_hot_contents_beside_a_hundred_do_not_keep_anybody_waiting_for_a_minute() {
    let mut seeder = Seeder::new(128);
    (0..2).for_each(|content| seeder.add(content, 70));
    (2..102).for_each(|content| seeder.add(content, 1));
    seeder.run(Duration::from_secs(60));
    let served = seeder.ever.len();
    assert_eq!(served, 240, "of 240 who wait");
    assert!(seeder.most <= 128, "{} slots were in use", seeder.most);
    let last = seeder.ever.values().max().expect("somebody");
    println!("all 240 were served within {last:?}");
}

#[test]
fn fewer_slots_than_contents_go_round() {
    let mut seeder = Seeder::new(32);
    (0..2).for_each(|content| seeder.add(content, 70));
    (2..102).for_each(|content| seeder.add(content, 2));
    seeder.run(Duration::from_secs(20));
    assert_eq!(seeder.contents_served(), 102);
    assert!(seeder.most <= 32, "{} slots were in use", seeder.most);
}

#[test]
fn three_contents_in_equal_demand_share_the_slots() {
    let mut seeder = Seeder::new(128);
    (0..3).for_each(|content| seeder.add(content, 70));
    seeder.run(Duration::from_secs(60));
    assert_eq!(seeder.ever.len(), 210, "of 210 who wait");
}

#[test]
fn ten_thousand_contents_all_have_their_turn() {
    let mut seeder = Seeder::new(4_096);
    (0..10_000).for_each(|content| seeder.add(content, 2));
    seeder.run(Duration::from_secs(12));
    assert_eq!(seeder.contents_served(), 10_000);
    assert!(seeder.most <= 4_096, "{} slots were in use", seeder.most);
}

#[test]
fn slots_that_nobody_else_wants_are_used_again_at_once() {
    let mut seeder = Seeder::new(20);
    (0..2).for_each(|content| seeder.add(content, 15));
    seeder.run(Duration::from_secs(5));
    let of_first = |seeder: &Seeder| seeder.served.iter().filter(|(content, _)| content.0 == 0).count();
    assert_eq!(of_first(&seeder), 10);
    for peer in (0..15).map(|at| PeerKey(1_000 + at)) {
        seeder.event(ContentKey(1), Event::Message { peer, message: Message::Interested(false) });
    }
    seeder.run(Duration::from_secs(10));
    assert_eq!(of_first(&seeder), 15);
}
