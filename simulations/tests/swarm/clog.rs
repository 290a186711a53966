//! Swizzle-clogging, as FoundationDB does it: the links of some peers are clogged one after
//! another, and freed in another order. Whatever the order, the invariants hold and every peer
//! finishes.
//!
//! `NEARCAST_CLOG_SEEDS` sets the number of seeds (for a night: 10,000 and more);
//! `NEARCAST_TEST_SEED` runs a single seed.

use std::time::Duration;

use nearcast_core::{layout::Layout, random::Random};

use super::{
    MIB,
    world::{self, DEAD_AFTER, Role, World, WorldConfig, leecher, origin},
};

/// Seeds of an ordinary run.
const SEEDS: u64 = 40;
/// One seed in this many runs twice, and both runs must be equal to the last event.
const TWICE_EVERY: u64 = 20;
/// How often some peers are clogged and freed again.
const ROUNDS: u32 = 3;
/// Every peer is done this long after the last link is free.
const DONE_WITHIN: Duration = Duration::from_secs(180);

/// One run, and the source of all its randomness.
struct Story {
    world: World,
    random: Random,
    peers: u32,
    now: Duration,
    clogged: usize,
    linked_while_clogged: usize,
}

/// What must be equal if a seed runs twice.
#[derive(Debug, PartialEq)]
struct Outcome {
    trace: u64,
    events: u64,
    wasted: u64,
    received: u64,
    clogged: usize,
    last: Duration,
}

impl Story {
    fn new(seed: u64) -> Story {
        let mut random = Random::new(seed ^ 0xc106);
        let peers = 6 + random.below(14);
        let mut roles = vec![origin(MIB + u64::from(random.below(4)) * MIB)];
        roles.extend((1..peers).map(|_| Role {
            joins: Duration::from_millis(random.below(3_000).into()),
            patience: Duration::from_secs(600),
            ..leecher(200_000 + u64::from(random.below(2_000_000)))
        }));
        let layout = Layout::new(64 << 10, [MIB + u64::from(random.below(6)) * MIB, 7]);
        let world = World::new(WorldConfig {
            seed,
            layout: layout.expect("a valid layout"),
            latency: Duration::from_millis(1 + u64::from(random.below(60))),
            loss: if random.below(2) == 0 { 0.0 } else { 0.03 },
            acquainted: random.below(2) == 0,
            ..super::world(MIB, roles)
        });
        Story { world, random, peers, now: Duration::ZERO, clogged: 0, linked_while_clogged: 0 }
    }

    /// Lets at most this much time pass, and then checks the invariants. In milliseconds.
    fn pass(&mut self, millis_max: u32) {
        self.now += Duration::from_millis(1 + u64::from(self.random.below(millis_max)));
        self.world.run(self.now);
        self.check();
    }

    fn check(&self) {
        self.world.check();
        for peer in 0..self.peers {
            assert_eq!(self.world.gave_up(peer), None, "peer {peer} gave up");
            let banned = (0..self.peers).find(|&other| self.world.has_banned(peer, other));
            assert_eq!(banned, None, "peer {peer} banned somebody honest");
        }
    }

    fn shuffled(&mut self, mut all: Vec<u32>) -> Vec<u32> {
        for at in (1..all.len()).rev() {
            all.swap(at, self.random.below(at as u32 + 1) as usize);
        }
        all
    }

    /// Clogs some peers one by one, and frees them in another order.
    fn swizzle(&mut self) {
        let all = self.shuffled((0..self.peers).collect());
        let some = 1 + self.random.below(self.peers) as usize;
        // A moment, or so long that both ends take their links for dead.
        let pause = [200, 2_000, DEAD_AFTER.as_millis() as u32][self.random.below(3) as usize];
        for &peer in &all[..some] {
            for other in 0..self.peers {
                self.linked_while_clogged += usize::from(self.world.linked(peer, other));
                self.world.clog(peer, other);
            }
            self.clogged += 1;
            self.pass(pause / some as u32 + 1);
        }
        self.pass(pause);
        let mut left = self.shuffled(all[..some].to_vec());
        while let Some(peer) = left.pop() {
            // A link between two clogged peers is freed with the second of them.
            let others = (0..self.peers).filter(|other| !left.contains(other));
            others.for_each(|other| self.world.unclog(peer, other));
            self.pass(pause / some as u32 + 1);
        }
    }

    fn tell(mut self) -> Outcome {
        self.pass(2_000);
        for _ in 0..ROUNDS {
            self.swizzle();
            self.pass(3_000);
        }
        assert!(self.linked_while_clogged > 0, "no link was ever clogged");
        let end = self.now + DONE_WITHIN;
        while (1..self.peers).any(|peer| self.world.completed(peer).is_none()) {
            assert!(self.now < end, "not everybody is done {DONE_WITHIN:?} after the last link is free");
            self.pass(2_000);
        }
        let of = |peer| {
            let swarm = self.world.engine(peer).swarm(world::CONTENT).expect("it joined");
            (swarm.wasted(), swarm.traffic().total())
        };
        let (wasted, received) =
            (1..self.peers).map(of).fold((0, 0), |(all, of), (wasted, got)| (all + wasted, of + got));
        let last = super::last_completion(&self.world, 1..self.peers);
        let (trace, events) = (self.world.trace(), self.world.inputs);
        Outcome { trace, events, wasted, received, clogged: self.clogged, last }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn whoever_is_clogged_and_freed_in_whatever_order_everybody_finishes() {
    let seeds = match number("NEARCAST_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NEARCAST_CLOG_SEEDS").unwrap_or(SEEDS),
    };
    let (mut clogged, mut events, mut twice, mut wasted, mut received) = (0, 0, 0, 0, 0);
    let mut last = Duration::ZERO;
    for seed in seeds.clone() {
        // A failing run is a seed, so the seed is printed before anything can fail.
        println!("seed {seed}");
        let outcome = Story::new(seed).tell();
        if seed % TWICE_EVERY == 0 {
            assert_eq!(outcome, Story::new(seed).tell(), "seed {seed} is not the same the second time");
            twice += 1;
        }
        clogged += outcome.clogged;
        events += outcome.events;
        wasted += outcome.wasted;
        received += outcome.received;
        last = last.max(outcome.last);
    }
    println!(
        "{} seeds, {twice} of them twice: {clogged} peers clogged, {events} events, last done after {last:?}, {:.2} % wasted",
        seeds.end - seeds.start,
        wasted as f64 * 100.0 / received as f64
    );
}
