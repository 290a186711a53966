//! How long a tick takes a peer of a group of forty when the content is huge.
//!
//! It is timed on this machine, while nothing else of the clinic runs: milliseconds are not those of
//! another one, and the median of many ticks says more than their mean.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use nearcast_core::{
    Location, View,
    asn::Asn,
    config::Config,
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey},
    input::{Event, Goal, Input, Join, Material, Neighbour},
    layout::Layout,
    locality::Locality,
    message::Message,
    run_set::RunSet,
    tier::{Near, Tier},
    time::Timestamp,
    timers::Wake,
};

use crate::run::{RunError, RunOptions};

const GROUP: u32 = 40;
const CONTENT: ContentKey = ContentKey(0);
/// Sixteen runs of 256 KiB: two tebibytes have too many pieces of one.
const PIECE_BYTES: u64 = 4 << 20;
const AS: Asn = Asn(7);
/// Ticks that are timed. The first ones, which grow into their memory, do not count.
const TICKS: usize = 40;
const TICKS_BEFORE: usize = 8;

/// All neighbours hold a part of the content, each another one.
struct Members {
    maps: Vec<RunSet>,
}

impl View for Members {
    fn held(&self, _: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        self.maps.get(peer.0 as usize).map(Held::from)
    }

    fn location(&self, peer: PeerKey) -> Location {
        Location { near: Some(near()), ..Location::unknown(peer) }
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        true
    }

    fn is_web_seed(&self, _: PeerKey) -> bool {
        false
    }
}

fn near() -> Near {
    Near { asn: Some(AS), ..Tier::SameAs.into() }
}

/// Milliseconds that a tick takes for 100 GiB, and for 2 TiB.
pub(super) fn probe(seed: u64, _: &RunOptions) -> Result<Vec<f64>, RunError> {
    Ok([100_u64 << 30, 2 << 40].map(|bytes| milliseconds(bytes, seed)).to_vec())
}

fn milliseconds(bytes: u64, seed: u64) -> f64 {
    let layout = Layout::new(PIECE_BYTES, [bytes]).map(Arc::new);
    let Ok(layout) = layout else { return f64::NAN };
    let runs = layout.runs();
    // Each lacks its own seventh: nobody is complete, so nothing can be passed over.
    let map = |peer: u32| {
        let lacks = (0..runs).filter(|run| run % 7 == peer % 7).filter_map(|run| layout.run_index(run));
        let mut map = RunSet::full(runs);
        lacks.for_each(|run| _ = map.remove(run));
        map
    };
    let members = Members { maps: (0..GROUP).map(map).collect() };
    let mut engine = Engine::new(Arc::new(Config::default()), seed);
    let (mut now, mut outputs) = (Timestamp::ZERO, Vec::new());
    let mut tell = |engine: &mut Engine, now, input| {
        outputs.clear();
        engine.handle(now, input, &members, &mut outputs);
    };
    let me = PeerKey(GROUP);
    tell(&mut engine, now, Input::Located(Locality { asn: Some(AS), tag: Location::unknown(me).tag }));
    let join = Join {
        material: Some(Material { layout, have: RunSet::empty(runs), wanted: None }),
        candidates: Vec::new(),
        directories: Vec::new(),
        may_be_found: true,
        exchange_peers: false,
        patience: Duration::from_secs(3_600),
        goal: Goal::Forever,
        paused: false,
    };
    tell(&mut engine, now, Input::Event { content: CONTENT, event: Event::Join(join) });
    for peer in (0..GROUP).map(PeerKey) {
        let about =
            Neighbour { near: near(), origin: false, directory: false, manifest: false, web_seed: false };
        tell(&mut engine, now, Input::Event { content: CONTENT, event: Event::Linked { peer, about } });
        let unchoke = Event::Message { peer, message: Message::Unchoke };
        tell(&mut engine, now, Input::Event { content: CONTENT, event: unchoke });
    }
    let mut took = Vec::new();
    while took.len() < TICKS + TICKS_BEFORE
        && let Some((at, why)) = engine.poll_timeout()
    {
        now = now.max(at);
        let begun = Instant::now();
        tell(&mut engine, now, Input::Woken);
        if why == Wake::Tick {
            took.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    let mut took = took.split_off(TICKS_BEFORE.min(took.len()));
    took.sort_by(f64::total_cmp);
    took.get(took.len() / 2).copied().unwrap_or(f64::NAN)
}
