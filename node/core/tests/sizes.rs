//! How much memory an engine takes: a simulated world holds a million engines.
//!
//! The allocator itself counts per thread, so nothing is missed and tests may run side by side.

#![allow(unsafe_code, reason = "a global allocator is an unsafe trait; this one only counts")]

use std::{
    alloc::{GlobalAlloc, Layout as Memory, System},
    cell::Cell,
    collections::BTreeMap,
    sync::Arc,
    time::Duration,
};

use nearcast_core::{
    Location, View,
    asn::Asn,
    config::{Config, RequestConfig},
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey},
    input::{Candidate, Event, Goal, Input, Join, Material, Neighbour, Via},
    layout::Layout,
    locality::Locality,
    message::Message,
    output::{Action, Output},
    overlay::{
        config::OverlayConfig,
        contact::{Caller, Contact, Standing},
        door::Input as Happened,
        host::Host,
        membership::Membership,
        sketch::{Mark, Sketch},
        ticket::Ticket,
    },
    prefix::Network,
    run_set::RunSet,
    tier::{Near, Tier},
    time::Timestamp,
};

const CONTENT: ContentKey = ContentKey(0);
const RUNS: u32 = 400;
const NEIGHBOURS: u32 = 40;
const IN_FLIGHT: usize = 16;

struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // The counter is gone only while its thread ends, when no test reads it any more.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory it hands out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        count(memory.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, at: *mut u8, memory: Memory) {
        count(-(memory.size() as isize));
        // SAFETY: `at` came from `alloc` above with this layout, as the caller promises.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The value that `make` returns, and the bytes of heap that it holds.
fn measure<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    let made = make();
    let held = LIVE.get() - before;
    (made, usize::try_from(held).expect("it freed more than it took"))
}

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

    fn is_web_seed(&self, _: PeerKey) -> bool {
        false
    }
}

fn tell(engine: &mut Engine, maps: &Maps, outputs: &mut Vec<Output>, event: Event) {
    let now = Timestamp::from_millis(1);
    engine.handle(now, Input::Event { content: CONTENT, event }, maps, outputs);
}

fn join(layout: &Arc<Layout>, have: RunSet) -> Join {
    Join {
        material: Some(Material { layout: layout.clone(), have, wanted: None }),
        candidates: Vec::new(),
        directories: Vec::new(),
        may_be_found: true,
        exchange_peers: true,
        patience: Duration::from_secs(60),
        goal: Goal::Forever,
        paused: false,
    }
}

/// Bytes of a set with one bit per run.
fn map_bytes() -> usize {
    RUNS.div_ceil(64) as usize * 8
}

#[test]
fn an_idle_engine_takes_at_most_256_bytes() {
    let (config, maps) = (Arc::new(Config::default()), Maps(BTreeMap::new()));
    let layout = Arc::new(Layout::new(256 << 10, [u64::from(RUNS) * (256 << 10)]).unwrap());
    let mut outputs = Vec::with_capacity(8);
    let (mut engine, fresh) = measure(|| Engine::new(config.clone(), 1));
    let ((), joined) = measure(|| {
        tell(&mut engine, &maps, &mut outputs, Event::Join(join(&layout, RunSet::full(RUNS))));
    });
    let joined = joined - map_bytes();
    println!("heap: {fresh} bytes fresh, {joined} with a complete content; inline: {}", size_of::<Engine>());
    assert_eq!(engine.poll_timeout(), None, "an idle engine sleeps for good");
    assert_eq!(fresh, 0);
    // With its feature, counts of reasons are one pointer more.
    let counts = if cfg!(feature = "reasons") { size_of::<usize>() } else { 0 };
    assert!(size_of::<Engine>() <= 256 + counts);
    assert!(joined <= 256, "{joined} bytes");
}

/// Heap bytes of a leecher with forty neighbours, all in our own AS if `asn` is known, and the part
/// of them that grows with the number of runs.
fn active_leecher(asn: Option<Asn>) -> (usize, usize) {
    let config = Arc::new(Config {
        requests: RequestConfig { start: 4, ..Config::default().requests },
        ..Config::default()
    });
    let layout = Arc::new(Layout::new(256 << 10, [u64::from(RUNS) * (256 << 10)]).expect("whole pieces"));
    let peers = || (0..NEIGHBOURS).map(PeerKey);
    let maps = Maps(peers().map(|peer| (peer, RunSet::full(RUNS))).collect());
    let mut outputs = Vec::with_capacity(1_000);
    let candidate = |peer| Candidate { peer, near: Tier::Remote.into(), via: Via::Directory };
    let about = Neighbour {
        near: Near { asn, ..Tier::Remote.into() },
        origin: false,
        directory: false,
        manifest: true,
        web_seed: false,
    };
    let (engine, held) = measure(|| {
        let mut engine = Engine::new(config.clone(), 1);
        let here = Input::Located(Locality { asn, tag: 7 });
        engine.handle(Timestamp::ZERO, here, &maps, &mut outputs);
        let candidates: Vec<Candidate> = peers().map(candidate).collect();
        let wish = Join { candidates, ..join(&layout, RunSet::empty(RUNS)) };
        tell(&mut engine, &maps, &mut outputs, Event::Join(wish));
        for peer in peers() {
            tell(&mut engine, &maps, &mut outputs, Event::Linked { peer, about });
        }
        for peer in peers().take(IN_FLIGHT) {
            tell(&mut engine, &maps, &mut outputs, Event::Message { peer, message: Message::Unchoke });
        }
        engine
    });
    let is_request =
        |output: &&Output| matches!(output, Output::Action { action: Action::Request { .. }, .. });
    assert_eq!(outputs.iter().filter(is_request).count(), IN_FLIGHT);
    assert_eq!(engine.swarm(CONTENT).expect("it joined").neighbours(), NEIGHBOURS as usize);
    // The runs we hold and the runs in flight take a bit per run each; the count of holders takes a
    // byte per run.
    let per_run = 2 * map_bytes() + RUNS as usize;
    (held, per_run)
}

#[test]
fn an_active_leecher_takes_at_most_2_kb_beside_its_have_maps() {
    let (held, per_run) = active_leecher(None);
    let rest = held - per_run;
    println!("heap: {held} bytes, {per_run} of them by run, {rest} beside; inline: {}", size_of::<Engine>());
    assert!(rest <= 2_048, "{rest} bytes");
}

#[test]
fn a_leecher_in_a_group_takes_little_more() {
    let (held, per_run) = active_leecher(Some(Asn(1)));
    // Runs we may import, runs that members hold, runs announced and runs that no member serves
    // take a bit per run each; how long a run waits and after how long it is our turn take twelve.
    let per_run = per_run + (4 + 12) * map_bytes();
    let rest = held - per_run;
    println!("heap: {held} bytes, {per_run} of them by run, {rest} beside");
    assert!(rest <= 2_216, "{rest} bytes");
}

#[test]
fn a_finished_leecher_keeps_little() {
    let config = Arc::new(Config::default());
    let layout = Arc::new(Layout::new(256 << 10, [u64::from(RUNS) * (256 << 10)]).unwrap());
    let peer = PeerKey(0);
    let maps = Maps([(peer, RunSet::full(RUNS))].into());
    let about = Neighbour {
        near: Tier::Remote.into(),
        origin: false,
        directory: false,
        manifest: true,
        web_seed: false,
    };
    let mut outputs = Vec::with_capacity(10_000);
    let (engine, held) = measure(|| {
        let mut engine = Engine::new(config.clone(), 1);
        tell(&mut engine, &maps, &mut outputs, Event::Join(join(&layout, RunSet::empty(RUNS))));
        tell(&mut engine, &maps, &mut outputs, Event::Linked { peer, about });
        tell(&mut engine, &maps, &mut outputs, Event::Message { peer, message: Message::Unchoke });
        let mut answered = 0;
        while let Some(output) = outputs.get(answered).cloned() {
            answered += 1;
            if let Output::Action { action: Action::Request { peer, request, run, .. }, .. } = output {
                tell(&mut engine, &maps, &mut outputs, Event::RunStored { peer, request, run });
            }
        }
        tell(&mut engine, &maps, &mut outputs, Event::Unlinked { peer });
        let completed = Output::Action { content: CONTENT, action: Action::Completed };
        assert!(outputs.contains(&completed));
        // The runs that were announced are the shell's now.
        outputs.clear();
        engine
    });
    assert!(engine.swarm(CONTENT).unwrap().is_complete());
    let rest = held - map_bytes();
    println!("heap: {rest} bytes beside the have-map once all is here and everybody is gone");
    assert!(rest <= 640, "{rest} bytes");
}

/// A node of the overlay, by its number.
fn overlay_contact(number: u32) -> Contact {
    let ip = std::net::Ipv4Addr::from_bits(0x1400_0000 + (number << 14));
    Contact::new(PeerKey(number), ip.into(), Some(Asn(number)))
}

fn overlay_host(config: &OverlayConfig) -> Host<'_> {
    Host { config, me: PeerKey(0), identity: 1, version: 1 }
}

#[test]
fn the_overlay_takes_nothing_off_and_256_bytes_in_a_leaf() {
    let config = OverlayConfig::default();
    let host = overlay_host(&config);
    let known: Vec<Contact> = (1..30).map(overlay_contact).collect();
    let (off, nothing) = measure(Membership::off);
    let (leaf, held) = measure(|| Membership::leaf(Timestamp::ZERO, &host, 1, &known));
    println!("a leaf of the overlay: {held} bytes; inline: {}", size_of::<Membership>());
    assert_eq!((nothing, off.heap_bytes(), leaf.heap_bytes()), (0, 0, held));
    assert_eq!(leaf.remembered().len(), 23);
    assert!(held + size_of::<Membership>() <= 256, "{held} bytes");
}

#[test]
fn a_full_supernode_takes_at_most_16_kb() {
    let config = OverlayConfig::default();
    let host = overlay_host(&config);
    let mut outputs = Vec::with_capacity(20_000);
    let mut now = Timestamp::ZERO;
    let (supernode, held) = measure(|| {
        let mut supernode = Membership::supernode(now, &host, 1, false, &[]);
        for number in 1..20_000 {
            now = now + Duration::from_millis(20);
            let network = Network::of(std::net::Ipv4Addr::from_bits(number << 8).into());
            let (peer, asn) = (PeerKey(number), Some(Asn(number)));
            let caller = Caller { peer, asn, network, version: 1 };
            let standing = if number.is_multiple_of(2) { Standing::Primary } else { Standing::Warm };
            let mut hear = |input| supernode.handle(now, &host, input, &mut outputs);
            hear(Happened::Asked { caller, standing });
            // Some come and go, so that it knows who is away.
            if number.is_multiple_of(9) {
                hear(Happened::Lost { peer });
            }
            // At first they agree, then there are islands.
            let first = if number < 9_000 { 7 } else { number * 31 };
            let marks = (0..24).map(|mark| Mark { mark: first + mark, age_seconds: 0 });
            let ticket = Box::new(Ticket { sketch: Sketch::new(marks), ..Ticket::default() });
            let leads = (0..4).map(|more| overlay_contact(number + more)).collect();
            hear(Happened::Told { from: overlay_contact(number + 50_000), ticket, leads, answer: false });
            hear(Happened::Handed { from: PeerKey(number), children: (0..400).map(PeerKey).collect() });
            outputs.clear();
        }
        supernode
    });
    let (children, warm) = (supernode.children().len(), supernode.warm_children().len());
    println!("a supernode with {children} children and {warm} warm ones: {held} bytes");
    assert_eq!((children, warm), (680, 850), "it is full");
    assert_eq!(supernode.siblings().len(), 32);
    assert_eq!(held, supernode.heap_bytes(), "it knows how much it holds");
    assert!(held <= 16 << 10, "{held} bytes");
}
