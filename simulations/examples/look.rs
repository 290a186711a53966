use nearcast_core::id::PeerKey;
use nearcast_sim::{run::*, scenario::shipped};
use std::time::Duration;
fn main() {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap();
    let mut scenario = shipped::find(&name).unwrap();
    let step: u64 = args.next().unwrap().parse().unwrap();
    for a in args {
        scenario.set(&a).unwrap()
    }
    let mut world = world(&scenario, 1, &RunOptions::default()).unwrap();
    let mut sent = 0;
    for at in 1..=14 {
        world.run(Duration::from_secs(at * step));
        let n = world.len();
        let there: Vec<u32> =
            (2..n).filter(|&p| world.completed(p).is_none() && world.gave_up(p).is_none()).collect();
        let links: Vec<usize> = there.iter().map(|&p| world.neighbours_of(p)).collect();
        let mut have: Vec<u32> = there.iter().map(|&p| world.have(p).count()).collect();
        have.sort();
        let now: u64 = (0..n).map(|p| world.sent(PeerKey(p))).sum();
        let gave = (2..n).filter(|&p| world.gave_up(p).is_some()).count();
        let olinks = world.neighbours_of(1);
        println!(
            "{} s: {} there, {gave} gave up, links {:.1} (min {:?}), have {:?}..{:?}..{:?}, {:.0} kB/s sent, origin links {olinks}",
            at * step,
            there.len(),
            links.iter().sum::<usize>() as f64 / links.len() as f64,
            links.iter().min(),
            have.first(),
            have.get(have.len() / 2),
            have.last(),
            (now - sent) as f64 / step as f64 / 1e3
        );
        sent = now;
    }
}
