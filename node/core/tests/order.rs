//! Orders that are an accident of the shell must not change what the engine does.

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
    output::Output,
    run_set::RunSet,
    tier::Tier,
    time::Timestamp,
};

/// The contents that a shell joins, and the peers that link for each content.
const CONTENTS: u32 = 5;
const PEERS: u32 = 6;

struct Maps(BTreeMap<(ContentKey, PeerKey), RunSet>);

impl View for Maps {
    fn held(&self, content: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        self.0.get(&(content, peer)).map(Held::from)
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

struct Shell {
    engine: Engine,
    maps: Maps,
    layout: Arc<Layout>,
    now: Timestamp,
}

impl Shell {
    fn new(seed: u64) -> Shell {
        let layout = Arc::new(Layout::new(16 << 10, [100 * (16 << 10)]).expect("a valid layout"));
        let engine = Engine::new(Arc::new(Config::default()), seed);
        Shell { engine, maps: Maps(BTreeMap::new()), layout, now: Timestamp::from_millis(5) }
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.engine.handle(self.now, input, &self.maps, &mut outputs);
        outputs
    }

    fn event(&mut self, content: ContentKey, event: Event) -> Vec<Output> {
        self.handle(Input::Event { content, event })
    }

    /// Joins a complete content. An incomplete one would draw dice, which differ with the order of
    /// joins.
    fn join(&mut self, content: ContentKey) {
        let runs = self.layout.runs();
        self.event(
            content,
            Event::Join(Join {
                material: Some(Material {
                    layout: self.layout.clone(),
                    have: RunSet::full(runs),
                    wanted: None,
                }),
                candidates: Vec::new(),
                directories: Vec::new(),
                may_be_found: true,
                exchange_peers: true,
                patience: Duration::from_secs(60),
                goal: Goal::Forever,
                paused: false,
            }),
        );
    }

    fn link(&mut self, content: ContentKey, peer: PeerKey) {
        self.maps.0.insert((content, peer), RunSet::empty(self.layout.runs()));
        let about = Neighbour {
            near: Tier::SameAs.into(),
            origin: false,
            directory: false,
            manifest: true,
            web_seed: false,
        };
        self.event(content, Event::Linked { peer, about });
    }

    /// Everything the engine does from now on, with the moment of each output.
    fn go_on(&mut self) -> Vec<(Timestamp, Vec<Output>)> {
        let mut done = Vec::new();
        for content in (0..CONTENTS).map(ContentKey) {
            for peer in (0..PEERS).map(PeerKey) {
                let message = Message::Interested(true);
                done.push((self.now, self.event(content, Event::Message { peer, message })));
            }
        }
        let run: RunIndex = self.layout.run_index(7).expect("there are a hundred");
        done.push((self.now, self.event(ContentKey(2), Event::RunsLost(vec![run]))));
        while let Some((at, _)) =
            self.engine.poll_timeout().filter(|(at, _)| *at < Timestamp::from_millis(9_000))
        {
            self.now = at;
            done.push((at, self.handle(Input::Woken)));
        }
        done
    }
}

fn world(seed: u64, order: impl Fn(u32, u32) -> u32) -> Vec<(Timestamp, Vec<Output>)> {
    let mut shell = Shell::new(seed);
    (0..CONTENTS).for_each(|at| shell.join(ContentKey(order(at, CONTENTS))));
    for content in (0..CONTENTS).map(ContentKey) {
        (0..PEERS).for_each(|at| shell.link(content, PeerKey(order(at, PEERS))));
    }
    shell.go_on()
}

#[test]
fn the_order_in_which_contents_and_links_came_does_not_show() {
    let seed = 0x5eed;
    println!("seed {seed:#x}");
    let forward = world(seed, |at, _| at);
    let (outputs, moments) = (forward.iter().flat_map(|(_, outputs)| outputs).count(), forward.len());
    assert!(outputs > 30 && moments > 30, "{outputs} outputs at {moments} moments show nothing");
    assert!(forward == world(seed, |at, count| count - 1 - at), "backward");
    assert!(forward == world(seed, |at, count| (at + count / 2) % count), "from the middle on");
}
