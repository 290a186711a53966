//! A seed whose table is full of peers that hold slots and ask for nothing turns no peer away that
//! comes to download.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use nearcast_core::{
    Location, View,
    config::{Config, LinkConfig, UploadConfig},
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey},
    input::{Event, Goal, Input, Join, Material, Neighbour},
    layout::Layout,
    message::Message,
    output::{Action, Output, UnlinkReason},
    run_set::RunSet,
    tier::Tier,
    time::Timestamp,
};

const CONTENT: ContentKey = ContentKey(0);
const PLACES: u32 = 12;

/// No peer has anything, and each has an address of its own.
#[derive(Default)]
struct Seen(BTreeMap<PeerKey, RunSet>);

impl View for Seen {
    fn held(&self, _: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        self.0.get(&peer).map(Held::from)
    }

    fn location(&self, peer: PeerKey) -> Location {
        Location { host: Some(peer.0.into()), ..Location::unknown(peer) }
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        false
    }

    fn is_web_seed(&self, _: PeerKey) -> bool {
        false
    }
}

struct Seed {
    engine: Engine,
    layout: Arc<Layout>,
    view: Seen,
    now: Timestamp,
    unlinked: Vec<(PeerKey, UnlinkReason)>,
}

impl Seed {
    fn new() -> Seed {
        let layout = Arc::new(Layout::new(256 << 10, [16 << 20]).expect("a valid layout"));
        let config = Config {
            links: LinkConfig { wanted: 4, most: PLACES as u16, ..Config::default().links },
            upload: UploadConfig { slots: 3, ..Config::default().upload },
            ..Config::default()
        };
        let engine = Engine::new(Arc::new(config), 1);
        let mut seed = Seed {
            engine,
            layout,
            view: Seen::default(),
            now: Timestamp::from_millis(1),
            unlinked: Vec::new(),
        };
        let have = RunSet::full(seed.layout.runs());
        seed.event(Event::Join(Join {
            material: Some(Material { layout: seed.layout.clone(), have, wanted: None }),
            candidates: Vec::new(),
            directories: Vec::new(),
            may_be_found: true,
            exchange_peers: false,
            patience: Duration::from_secs(3_600),
            goal: Goal::Forever,
            paused: false,
        }));
        seed
    }

    fn event(&mut self, event: Event) {
        self.handle(Input::Event { content: CONTENT, event });
    }

    fn handle(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.engine.handle(self.now, input, &self.view, &mut outputs);
        for output in outputs {
            if let Output::Action { action: Action::Unlink { peer, why }, .. } = output {
                self.view.0.remove(&peer);
                self.unlinked.push((peer, why));
            }
        }
    }

    /// A new peer links and says that it is interested.
    fn come(&mut self, number: u32) {
        let peer = PeerKey(number);
        self.view.0.insert(peer, RunSet::empty(self.layout.runs()));
        let about = Neighbour {
            near: Tier::Remote.into(),
            origin: false,
            directory: false,
            manifest: true,
            web_seed: false,
        };
        self.event(Event::Linked { peer, about });
        if self.view.0.contains_key(&peer) {
            self.event(Event::Message { peer, message: Message::Interested(true) });
        }
    }

    /// Lets time pass, and handles every timeout that falls due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((due, _)) = self.engine.poll_timeout().filter(|(due, _)| *due <= end) {
            self.now = due.max(self.now);
            self.handle(Input::Woken);
        }
        self.now = end;
    }
}

#[test]
fn a_full_seed_gives_up_who_made_nothing_of_its_slots_also_when_they_were_taken_back() {
    let mut seed = Seed::new();
    (1..=PLACES).for_each(|number| seed.come(number));
    // Each of the peers has held one of the three slots in turn, and asked for nothing.
    seed.pass(Duration::from_secs(3));
    assert_eq!(seed.unlinked, [], "there was room for all of them");
    let newcomers: Vec<PeerKey> = (100..106).map(PeerKey).collect();
    for newcomer in &newcomers {
        seed.come(newcomer.0);
        seed.pass(Duration::from_millis(5));
    }
    let refused: Vec<_> = seed.unlinked.iter().filter(|(peer, _)| newcomers.contains(peer)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(seed.unlinked.len(), newcomers.len(), "one for one");
}
