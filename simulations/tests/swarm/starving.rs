//! Peers of which no neighbour has anything that they lack, and that know a directory only.

use std::time::Duration;

use nearcast_core::config::{Config, LinkConfig, UploadConfig};
use nearcast_sim::world::{Leaves, Role, World, WorldConfig, leecher, origin, tracker};

const RUN: u64 = 256 << 10;
const ORIGIN: u32 = 1;
const FIRST: u32 = 2;

/// A directory, an origin that sends `up`, and peers that know nobody else.
fn world(seed: u64, runs: u64, up: u64, peers: impl Iterator<Item = Role>, config: Config) -> World {
    let roles = [tracker(), origin(up)].into_iter().chain(peers).collect();
    let origin_config = Some(Config { is_origin: true, upload: config.upload.clone(), ..Config::origin() });
    let base = super::world(runs * RUN, roles);
    World::new(WorldConfig { seed, directory: true, acquainted: false, config, origin_config, ..base })
}

fn done(world: &World) -> usize {
    (FIRST..world.len()).filter(|&peer| world.completed(peer).is_some()).count()
}

/// All lack the same run, and leave with it: the "one-club" of Hajek and Zhu, 2010. As many come as the origin sends runs.
#[test]
fn a_club_that_lacks_one_run_keeps_its_origin_busy() {
    const CLUB: u64 = 120;
    const SECONDS: u64 = 300;
    for seed in 1..=2 {
        let lacks = super::world(RUN, Vec::new()).layout.run_index(0);
        let member = |at: u64| Role {
            lacks,
            leaves: Leaves::After(Duration::ZERO),
            joins: Duration::from_secs(at.saturating_sub(CLUB)),
            patience: Duration::from_secs(3_600),
            ..leecher(RUN)
        };
        let mut world = world(seed, 20, RUN, (0..CLUB + SECONDS).map(member), Config::default());
        world.run(Duration::from_secs(SECONDS));
        // The origin sends one run a second.
        let busy = world.copies(ORIGIN) * 20.0 / SECONDS as f64;
        println!("seed {seed}: {} are done after {SECONDS} s, the origin was busy {busy:.3}", done(&world));
        assert!(busy >= 0.9, "{busy:.3} of its time");
    }
}

#[test]
fn a_swarm_of_few_neighbours_whose_peers_leave_when_they_are_done_finishes() {
    const PEERS: u64 = 100;
    const RUNS: u64 = 60;
    const UP: u64 = 50_000;
    let config = Config {
        links: LinkConfig { wanted: 7, most: 14, ..Config::default().links },
        upload: UploadConfig { slots: 5, ..Config::default().upload },
        ..Config::default()
    };
    let bound = PEERS as f64 * (RUNS * RUN) as f64 / (PEERS as f64 + 15.0) / UP as f64;
    for seed in 1..=3 {
        let member = |at| Role {
            leaves: Leaves::After(Duration::ZERO),
            joins: Duration::from_millis(at * 100),
            patience: Duration::from_secs(3_600),
            ..leecher(UP)
        };
        let mut world = world(seed, RUNS, 15 * UP, (0..PEERS).map(member), config.clone());
        world.run(Duration::from_secs_f64(bound * 12.0));
        let at = |peer| world.completed(peer).map_or(f64::INFINITY, |at| at.as_nanos() as f64 / 1e9);
        let last = (FIRST..world.len()).map(at).fold(0.0, f64::max);
        println!(
            "seed {seed}: {} of {PEERS} are done, the last after {last:.0} s, bound {bound:.0} s",
            done(&world)
        );
        assert!(last < bound * 4.0, "{last} s where {bound} s would be the least");
    }
}
