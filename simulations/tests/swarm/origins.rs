//! Several origins that do not know each other: each steers by itself.

use std::time::Duration;

use super::{MIB, last_completion};
use nearcast_sim::world::{CONTENT, Role, World, WorldConfig, leecher, origin};

/// A crowd beside several origins. Returns the most that one leecher threw away, as a share of the
/// content, and the copies that all origins sent together. No leecher may have banned an origin.
fn crowd(seed: u64, origins: u32, leechers: u32) -> (f64, f64) {
    // An origin's tag decides where it begins. The world gives a tag to peers whose AS is known.
    let mut roles: Vec<Role> = (0..origins).map(|at| Role { asn: 100 + at, ..origin(4 * MIB) }).collect();
    roles.extend((0..leechers).map(|_| leecher(2 * MIB)));
    let bytes = 64 * MIB;
    let mut world = World::new(WorldConfig { seed, ..super::world(bytes, roles) });
    world.run(Duration::from_secs(300));
    let peers = origins..origins + leechers;
    last_completion(&world, peers.clone());
    for peer in peers.clone() {
        assert!((0..origins).all(|origin| !world.has_banned(peer, origin)), "{peer} banned an honest origin");
    }
    let wasted = |peer: u32| world.engine(peer).swarm(CONTENT).expect("it joined").wasted();
    let wasted = peers.map(wasted).max().unwrap_or(0) as f64 / bytes as f64;
    (wasted, (0..origins).map(|origin| world.copies(origin)).sum())
}

#[test]
fn origins_that_steer_apart_are_never_banned() {
    for (origins, leechers) in [(2, 1), (2, 8), (3, 3)] {
        for seed in 1..=3 {
            let (wasted, copies) = crowd(seed, origins, leechers);
            println!(
                "{origins} origins, {leechers} leechers, seed {seed}: {wasted:.3} thrown away at most, {copies:.2} copies"
            );
        }
    }
}
