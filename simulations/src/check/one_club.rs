//! The missing piece (Hajek and Zhu 2010), begun inside the one-club: all peers lack the same run, and
//! leave once they have it. The club then grows at arrivals less the seed's rate.

use std::time::Duration;

use nearcast_core::id::PeerKey;

use crate::{
    run::{self, Fidelity, RunOptions},
    scenario::shipped,
};

/// What the growth may differ by, in parts of the seed's rate.
const DIFFERENCE_MAX: f64 = 0.05;
/// The club is counted from here on, in seconds: the first runs take until then.
const FROM: u64 = 100;
/// And up to here.
const UPTO: u64 = 500;

/// How many members the club gains in a second, and how many it would by the formula. `arrivals`: in a
/// second; the seed sends one run a second.
fn growth(arrivals: f64) -> Result<(f64, f64), String> {
    let mut scenario = shipped::find("e6-one-club").map_err(|error| error.to_string())?;
    let rate = format!("arrivals.rate={arrivals}");
    // A fifth is there from the start; the others come until after the count.
    for setting in ["peers=1000", "arrivals.early=20%", "finding=acquainted", &rate] {
        scenario.set(setting).map_err(|error| error.to_string())?;
    }
    let options = RunOptions { fidelity: Fidelity::Pulled, checked: false, ..RunOptions::default() };
    let mut world = run::world(&scenario, 1, &options).map_err(|error| error.to_string())?;
    let mut at = |seconds: u64| {
        world.run(Duration::from_secs(seconds));
        let came = |&peer: &PeerKey| {
            world.role(peer).joins <= Duration::from_secs(seconds) && world.role(peer).is_served()
        };
        let all: Vec<PeerKey> = (0..world.len()).map(PeerKey).filter(came).collect();
        let done = all.iter().filter(|&&peer| world.completed(peer.0).is_some()).count();
        (all.len() as f64, done as f64)
    };
    let ((came_first, done_first), (came, done)) = (at(FROM), at(UPTO));
    let seconds = (UPTO - FROM) as f64;
    // What came by chance is known, so only the seed's part is compared.
    Ok((((came - done) - (came_first - done_first)) / seconds, (came - came_first) / seconds - 1.0))
}

pub(super) fn run() -> Result<String, String> {
    let (mut texts, mut is_right) = (Vec::new(), true);
    for arrivals in [0.9, 1.25] {
        let (found, formula) = growth(arrivals)?;
        is_right &= (found - formula).abs() <= DIFFERENCE_MAX;
        texts.push(format!(
            "at {arrivals} arrivals a second {found:+.3} members a second, by the formula {formula:+.3}"
        ));
    }
    let text = texts.join("; ");
    if is_right { Ok(text) } else { Err(text) }
}
