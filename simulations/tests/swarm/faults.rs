//! Bad and slow peers among many: what they cost the other peers.

use std::time::Duration;

use super::{
    MIB, last_completion,
    world::{self, IN_TURN, Role, World, WorldConfig, leecher, origin},
};

#[test]
fn three_in_ten_who_send_false_data_are_banned_for_one_run_each() {
    const BAD: u32 = 12;
    const PEERS: u32 = 40;
    let bytes = 512 * MIB;
    let mut roles = vec![origin(16 * MIB)];
    roles.extend((0..BAD).map(|_| Role { corrupt: true, seed: true, ..leecher(2 * MIB) }));
    roles.extend((1 + BAD..=PEERS).map(|_| leecher(8 * MIB)));
    let mut world = World::new(WorldConfig { together: IN_TURN, ..super::world(bytes, roles) });
    world.run(Duration::from_secs(600));
    last_completion(&world, 1 + BAD..PEERS + 1);
    let (mut wasted, mut banned) = (0, 0);
    for peer in 1 + BAD..=PEERS {
        wasted += world.engine(peer).swarm(world::CONTENT).expect("it joined").wasted();
        banned += (1..=BAD).filter(|&bad| world.has_banned(peer, bad)).count();
        assert!((1 + BAD..=PEERS).all(|good| !world.has_banned(peer, good)), "somebody good is banned");
    }
    let sent: f64 = (1..=BAD).map(|bad| world.copies(bad)).sum();
    let false_runs = (sent * bytes as f64 / f64::from(256 << 10)).round() as usize;
    // When its last victim cut the link, a liar was still sending a run, which went out but did not
    // arrive.
    assert!(false_runs <= banned + BAD as usize, "{false_runs} false runs for {banned} bans");
    let all = bytes * u64::from(PEERS - BAD);
    println!("{banned} bans, {wasted} bytes wasted of {all}: {:.2} %", wasted as f64 * 100.0 / all as f64);
    assert!(banned > 0 && wasted * 100 <= all, "more than 1 % was wasted");
}

#[test]
fn one_slow_peer_among_forty_holds_up_nobody() {
    let last = |slow: Option<Role>| {
        let mut roles = vec![origin(8 * MIB)];
        roles.extend((0..40).map(|_| leecher(2 * MIB)));
        roles.extend(slow);
        let mut world = World::new(WorldConfig { seed: 3, ..super::world(64 * MIB, roles) });
        world.run(Duration::from_secs(600));
        last_completion(&world, 1..41).as_secs_f64()
    };
    let without = last(None);
    let with = last(Some(Role { seed: true, ..leecher(1_000) }));
    println!("last after {with:.2} s with a peer of 1 KB/s, {without:.2} s without: {:.3}", with / without);
    assert!(with <= without * 1.05, "{with:.2} s instead of {without:.2} s");
}
