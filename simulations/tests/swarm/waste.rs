//! What arrives for nothing: a run that was taken over from a slow neighbour arrives all the same,
//! since nothing can be called back.

use std::time::Duration;

use nearcast_core::time::Timestamp;
use nearcast_sim::world::{CONTENT, Role, World, WorldConfig, leecher, origin};

use super::MIB;

/// The share of what arrived that was held already, and seconds until half of the peers and until
/// the last were done.
fn measure(config: WorldConfig) -> [f64; 3] {
    let peers = 1..config.roles.len() as u32;
    let mut world = World::new(config);
    world.run(Duration::from_secs(600));
    world.check();
    let (mut wasted, mut received, mut done) = (0, 0, Vec::new());
    for peer in peers {
        let swarm = world.engine(peer).swarm(CONTENT).expect("it joined");
        wasted += swarm.wasted();
        received += swarm.traffic().total();
        let completed = world.completed(peer).unwrap_or_else(|| panic!("peer {peer} is not done"));
        done.push(completed.since(Timestamp::ZERO).as_secs_f64());
    }
    done.sort_by(f64::total_cmp);
    [wasted as f64 / received as f64, done[done.len() / 2], done[done.len() - 1]]
}

/// The share that arrives for nothing, over three seeds.
fn wasted(name: &str, world: impl Fn(u64) -> WorldConfig) -> f64 {
    let rows = [1, 2, 3].map(|seed| measure(WorldConfig { seed, checked: false, ..world(seed) }));
    let [wasted, half, last] = [0, 1, 2].map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / 3.0);
    println!("{name}: {:.2} % wasted, half done after {half:.2} s, all after {last:.2} s", wasted * 100.0);
    wasted
}

/// Forty leechers around an origin of 4 MiB/s.
fn crowd(up: impl Fn(u64) -> u64) -> WorldConfig {
    let roles = [origin(4 * MIB)].into_iter().chain((0..40).map(|peer| leecher(up(peer))));
    super::world(32 * MIB, roles.collect())
}

#[test]
fn in_a_crowd_little_arrives_for_nothing() {
    // Without a word of runs that are coming, it was 9.5, 12.3 and 8.2 %.
    let equal = wasted("forty equal", |_| crowd(|_| MIB));
    let unequal = wasted("forty unequal", |_| crowd(|peer| MIB / 2 * (1 + peer % 8)));
    let lossy =
        wasted("forty with losses", |_| WorldConfig { loss: 0.02, ..crowd(|peer| MIB + peer * 50_000) });
    assert!(equal < 0.04 && unequal < 0.08 && lossy < 0.05, "{equal:.3}, {unequal:.3}, {lossy:.3}");
}

#[test]
fn in_groups_hardly_anything_arrives_for_nothing() {
    let of = |peer: u64| Role { asn: 1 + (peer % 4) as u32, ..leecher(2 * MIB) };
    let roles = || [Role { asn: 100, ..origin(4 * MIB) }].into_iter().chain((0..40).map(of)).collect();
    let wasted = wasted("four groups of ten", |_| super::world(32 * MIB, roles()));
    assert!(wasted < 0.02, "{wasted:.3}");
}
