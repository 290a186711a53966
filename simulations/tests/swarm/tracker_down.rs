//! The tracker dies in the middle of a download and stays dead.

use std::time::Duration;

use super::{
    MIB, last_completion,
    world::{Role, World, WorldConfig, leecher, origin, tracker},
};

const TRACKER: u32 = 0;
const ORIGIN: u32 = 1;
const CROWD: std::ops::Range<u32> = 2..42;
const BYTES: u64 = 64 * MIB;

fn crowd() -> Vec<Role> {
    let mut roles = vec![tracker(), origin(8 * MIB)];
    let joins = |peer| Duration::from_millis(u64::from(peer) * 20);
    roles.extend(CROWD.map(|peer| Role { joins: joins(peer), ..leecher(2 * MIB) }));
    roles
}

fn world(seed: u64, roles: Vec<Role>) -> World {
    World::new(WorldConfig { seed, directory: true, ..super::world(BYTES, roles) })
}

#[test]
fn a_tracker_that_dies_costs_those_in_progress_at_most_a_tenth_of_their_time() {
    const SEEDS: u64 = 6;
    let (mut with, mut without) = (0.0, 0.0);
    for seed in 1..=SEEDS {
        let last = |dies: bool| {
            let mut world = world(seed, crowd());
            // Every peer has come and asked once or twice. A later peer that knows no other peer
            // finds none.
            world.run(Duration::from_millis(1_500));
            if dies {
                world.kill(TRACKER);
            }
            world.run(Duration::from_secs(300));
            last_completion(&world, CROWD).as_secs_f64()
        };
        let (stays, dies) = (last(false), last(true));
        println!("seed {seed}: last after {dies:.2} s, with the tracker {stays:.2} s");
        with += stays;
        without += dies;
    }
    println!("{:.3} of the time with the tracker", without / with);
    assert!(without <= with * 1.1, "{without:.1} s instead of {with:.1} s over all seeds");
}

#[test]
fn who_knows_one_peer_finds_the_others_within_five_seconds_without_a_tracker() {
    const NEWCOMERS: u32 = 10;
    /// Enough to be served, whatever happens to one or two of them.
    const FOUND: usize = 10;
    let mut took = Vec::new();
    for seed in 1..=4 {
        let mut roles = crowd();
        let joins = |number: u32| Duration::from_secs(5) + Duration::from_millis(u64::from(number) * 200);
        let newcomers = CROWD.end..CROWD.end + NEWCOMERS;
        roles.extend(newcomers.clone().map(|peer| Role {
            joins: joins(peer - CROWD.end),
            // Not the origin: it knows no peer that it would name.
            knows: Some((CROWD.start + peer % 7) as usize),
            ..leecher(2 * MIB)
        }));
        let mut world = world(seed, roles);
        world.run(Duration::from_secs(4));
        world.kill(TRACKER);
        let (mut now, mut left) = (joins(0), newcomers.clone().collect::<Vec<u32>>());
        while !left.is_empty() {
            now += Duration::from_millis(50);
            assert!(now < joins(NEWCOMERS) + Duration::from_secs(60), "{left:?} of seed {seed} find nobody");
            world.run(now);
            let found = |peer: u32| world.neighbours_of(peer) >= FOUND && !world.have(peer).is_empty();
            left.retain(|&peer| {
                took.extend(found(peer).then(|| (now - joins(peer - newcomers.start)).as_secs_f64()));
                !found(peer)
            });
        }
        world.run(Duration::from_secs(300));
        last_completion(&world, ORIGIN + 1..CROWD.end + NEWCOMERS);
    }
    took.sort_by(f64::total_cmp);
    let p95 = took[took.len() * 95 / 100];
    println!("{FOUND} neighbours and a first run after {:.2} s, p95 {p95:.2} s", took[took.len() / 2]);
    assert!(p95 <= 5.0, "p95 of {p95:.2} s: {took:?}");
}
