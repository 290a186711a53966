//! Bytes that stay in their AS: what crosses the borders of ASes, and what that costs in time.

use std::time::Duration;

use nearcast_core::{
    config::{Config, NearnessConfig},
    layout::Layout,
    random::Random,
    tier::Tier,
};

use super::MIB;
use nearcast_sim::world::{CONTENT, IN_TURN, Role, World, WorldConfig, leecher, origin};

/// The AS of the origin, which has no other member.
const ELSEWHERE: u32 = 100;

/// An origin in an AS of its own, and leechers in ASes 1, 2, … with `sizes` members each. The
/// leechers' uplinks are between one and four times `up`.
fn ases(seed: u64, bytes: u64, sizes: &[u32], origin_up: u64, up: u64) -> WorldConfig {
    let mut random = Random::new(seed);
    let mut roles = vec![Role { asn: ELSEWHERE, ..origin(origin_up) }];
    for (at, &size) in sizes.iter().enumerate() {
        let mut member = || leecher(up + u64::from(random.below(3 * up as u32)));
        roles.extend((0..size).map(|_| Role { asn: 1 + at as u32, ..member() }));
    }
    WorldConfig {
        seed,
        layout: Layout::new(256 << 10, [bytes]).expect("a valid layout"),
        ..super::world(bytes, roles)
    }
}

/// Copies imported by each AS, seconds until its last member was done, and copies the origin sent.
fn measure(config: WorldConfig, ases: u32) -> (Vec<f64>, Vec<f64>, f64) {
    let mut world = World::new(config);
    world.run(Duration::from_secs(900));
    world.check();
    let imports = (1..=ases).map(|asn| world.imports(asn)).collect();
    let seconds = (1..=ases).map(|asn| world.finished(asn)).collect();
    (imports, seconds, world.copies(0))
}

fn by_random_choice(config: WorldConfig) -> WorldConfig {
    let nearness = NearnessConfig { tiers: false, one_copy_in: false, ..config.config.nearness.clone() };
    WorldConfig { config: Config { nearness, ..config.config }, ..config }
}

fn means(rows: &[Vec<f64>]) -> Vec<f64> {
    let mean = |at: usize| rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64;
    (0..rows[0].len()).map(mean).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Over this many seeds: mean imports of each AS with nearness and without, and how many times
/// slower each AS is with it.
fn compare(origin_up: u64, up: u64, seeds: u64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    const SIZES: [u32; 4] = [12, 6, 4, 2];
    let (mut on, mut off, mut slower, mut copies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for seed in 1..=seeds {
        let config = || ases(seed, 128 * MIB, &SIZES, origin_up, up);
        let (imports, seconds, sent) = measure(config(), 4);
        let (imports_off, seconds_off, sent_off) = measure(by_random_choice(config()), 4);
        slower.push(seconds.iter().zip(&seconds_off).map(|(on, off)| on / off).collect());
        copies.push(vec![sent, sent_off]);
        on.push(imports);
        off.push(imports_off);
    }
    let (on, off, slower, copies) = (means(&on), means(&off), means(&slower), means(&copies));
    println!(
        "copies imported by ASes of {SIZES:?}: {on:.2?}, mean {:.2}; by random choice {off:.2?}, mean {:.2}; \
         time over that by random choice {slower:.3?}; origin {:.2} against {:.2} copies",
        mean(&on),
        mean(&off),
        copies[0],
        copies[1]
    );
    (on, off, slower)
}

#[test]
fn four_ases_import_little_more_than_one_copy_each_and_lose_no_time() {
    let (on, off, slower) = compare(4 * MIB, 4 * MIB, 8);
    assert!(mean(&on) <= 1.3 && mean(&off) > 3.0);
    assert!(slower.iter().all(|&ratio| ratio <= 1.05), "slower by more than 5 %");
}

#[test]
fn where_uplinks_are_what_is_scarce_imports_stay_few_and_the_small_groups_are_not_starved() {
    let (on, off, slower) = compare(16 * MIB, 4 * MIB, 3);
    assert!(mean(&on) <= 1.4 && mean(&off) > 3.0);
    // With random choice the origin sends half a copy more, and every uplink is in use to the end.
    assert!(slower.iter().all(|&ratio| ratio <= 1.15), "slower by more than 15 %");
    assert!(slower[3] <= 1.05, "the group of two");
}

/// Three ASes whose members want a fifth as many neighbours as their AS has members. Each AS
/// imports at most two copies.
fn large(members: u32, neighbours: u16) {
    let mut config = ases(5, 24 * MIB, &[members; 3], 2 * MIB, MIB);
    config.directory = true;
    config.together = IN_TURN;
    config.config.links.wanted = neighbours;
    config.config.links.most = neighbours / 2 * 3;
    let (on, seconds, copies) = measure(config, 3);
    println!("{members} members each: {on:.2?} copies in {seconds:.1?} s, origin {copies:.2}");
    assert!(on.iter().all(|&copies| copies <= 2.0));
}

#[test]
fn ases_of_sixty_members_with_twelve_neighbours_each_import_at_most_two_copies() {
    large(60, 12);
}

#[test]
fn ases_of_two_hundred_members_with_forty_neighbours_each_import_at_most_two_copies() {
    if std::env::var_os("NEARCAST_SWARM_LARGE").is_none() {
        return;
    }
    large(200, 40);
}

#[test]
fn who_is_alone_in_its_as_imports_everything_once_and_two_share() {
    let (on, _, copies) = measure(ases(2, 64 * MIB, &[1, 2, 1], 4 * MIB, 4 * MIB), 3);
    println!("groups of one, two, one: {on:.2?} copies, origin {copies:.2}");
    assert!(on.iter().all(|copies| (1.0..1.3).contains(copies)));
}

#[test]
fn without_an_atlas_nobody_announces_imports_and_none_are_counted() {
    let mut config = ases(1, 32 * MIB, &[6, 4], 4 * MIB, 4 * MIB);
    config.roles.iter_mut().for_each(|role| role.asn = 0);
    let mut world = World::new(config);
    world.run(Duration::from_secs(120));
    assert_eq!(world.announcements, 0);
    assert_eq!(world.imports(0), 0.0);
    assert!(world.finished(0) > 0.0);

    let mut world = World::new(ases(1, 32 * MIB, &[6, 4], 4 * MIB, 4 * MIB));
    world.run(Duration::from_secs(120));
    assert!(world.announcements > 100, "{}", world.announcements);
}

#[test]
fn members_who_die_in_the_middle_of_importing_are_replaced() {
    let config = || ases(3, 64 * MIB, &[8, 8], 4 * MIB, 4 * MIB);
    let (_, seconds, _) = measure(config(), 2);
    let mut world = World::new(config());
    for (at, peer) in [(2, 1), (4, 2), (6, 9), (8, 10)] {
        world.run(Duration::from_secs(at));
        world.kill(peer);
    }
    world.run(Duration::from_secs(900));
    let alive = |peers: std::ops::Range<u32>| super::last_completion(&world, peers).as_secs_f64();
    let (first, second) = (alive(3..9), alive(11..17));
    println!("with four deaths: {first:.1} and {second:.1} s; without {seconds:.1?} s");
    assert!(first <= seconds[0] * 1.3 && second <= seconds[1] * 1.3);
}

#[test]
fn liars_who_announce_imports_and_never_bring_them_cost_little() {
    let sizes = [12, 6];
    let in_turn = || WorldConfig { together: IN_TURN, ..ases(4, 64 * MIB, &sizes, 4 * MIB, 4 * MIB) };
    let (imports, seconds, _) = measure(in_turn(), 2);
    let mut config = in_turn();
    let liars = [1, 2];
    liars.iter().for_each(|&liar: &usize| config.roles[liar].boasts = true);
    let mut world = World::new(config);
    world.run(Duration::from_secs(900));
    let honest = super::last_completion(&world, 3..13).as_secs_f64();
    println!(
        "two liars of twelve: {honest:.1} s, {:.2} copies; without {:.1} s, {:.2} copies",
        world.imports(1),
        seconds[0],
        imports[0]
    );
    assert!(honest <= seconds[0] * 1.2, "the honest wait for the liars");
    assert!(world.imports(1) <= 1.6);
    assert!(liars.iter().all(|&liar| world.completed(liar as u32).is_none()));
}

#[test]
fn who_poses_as_an_origin_is_used_less_and_gets_nothing_for_it() {
    let sizes = [6, 6];
    let mut config = ases(6, 64 * MIB, &sizes, 4 * MIB, 4 * MIB);
    config.roles[1].poses = true;
    let mut world = World::new(config);
    world.run(Duration::from_secs(900));
    let own = super::last_completion(&world, 1..2);
    let others = super::last_completion(&world, 2..13);
    println!(
        "the impostor is done after {own:?}, the others after {others:?}; imports {:.2}",
        world.imports(1)
    );
    assert!(others.as_secs_f64() < 25.0, "the origin needs 16 s");
    assert!(own.as_secs_f64() > others.as_secs_f64() * 0.9);
}

#[test]
fn a_local_network_inside_an_as_takes_one_copy_of_the_one_that_came_into_it() {
    let mut config = ases(7, 64 * MIB, &[12, 6], 4 * MIB, 4 * MIB);
    config.roles[1..7].iter_mut().for_each(|role| role.lan = 1);
    let mut world = World::new(config);
    world.run(Duration::from_secs(900));
    let traffic = |peer| world.engine(peer).swarm(CONTENT).expect("it joined").traffic();
    let past_border = |peer| traffic(peer).total() - traffic(peer).by_tier[Tier::Lan as usize];
    let copies = (1..7).map(past_border).sum::<u64>() as f64 / (64 * MIB) as f64;
    println!("into the local network {copies:.2} copies, into the AS {:.2}", world.imports(1));
    assert!(copies <= 1.5 && world.imports(1) <= 1.3);
    super::last_completion(&world, 1..19);
}
