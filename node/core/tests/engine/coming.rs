//! A run that has begun to arrive stays with the neighbour that sends it, for a while.

use std::time::Duration;

use nearcast_core::{
    config::Config,
    id::{ContentKey, PeerKey},
    input::{Event, Neighbour},
    message::Message,
    output::Action,
    tier::Tier,
};

use crate::shell::{Shell, bare_join};

const CONTENT: ContentKey = ContentKey(0);
const SLOW: PeerKey = PeerKey(1);
const IDLE: PeerKey = PeerKey(2);
const STEP: Duration = Duration::from_millis(250);

/// After how long a run that one neighbour was asked for is asked of another one that has nothing
/// else to do. `begins`: it begins to arrive after a second. `None`: not within 20 s.
fn taken_over(seed: u64, runs: u64, begins: bool) -> Option<Duration> {
    let mut shell = Shell::new(Config::default(), seed, runs);
    shell.journal = Some(Vec::new());
    shell.join(CONTENT, bare_join(Duration::from_secs(60)), Some((shell.set(0), None)));
    let about = Neighbour {
        near: Tier::Lan.into(),
        origin: false,
        directory: false,
        manifest: true,
        web_seed: false,
    };
    // Both hold the same run, and nothing else.
    let mut one = shell.set(0);
    one.insert(shell.run(0));
    for peer in [SLOW, IDLE] {
        shell.link(CONTENT, peer, one.clone(), about);
        shell.message(CONTENT, peer, Message::Unchoke);
    }
    let request = *shell.links[&(CONTENT, SLOW)].open.keys().next().expect("the first to serve is asked");
    for step in 0..80 {
        if step == 4 && begins {
            shell.event(CONTENT, Event::Coming { peer: SLOW, request });
        }
        shell.pass(STEP);
        let journal = shell.journal.as_mut().map(std::mem::take).unwrap_or_default();
        if journal.contains(&Action::Cancel { peer: SLOW, request }) {
            return Some(STEP * (step + 1));
        }
    }
    None
}

/// The soonest and the latest that it happens with some dice.
fn span(runs: u64, begins: bool) -> (Duration, Duration) {
    let mut times: Vec<Duration> =
        (0..20).map(|seed| taken_over(seed, runs, begins).expect("it is taken over some time")).collect();
    times.sort();
    (times[0], times[times.len() - 1])
}

#[test]
fn what_has_begun_to_arrive_is_not_taken_over_for_ten_seconds() {
    let (soonest, latest) = span(200, false);
    println!("without a byte: after {soonest:?} to {latest:?}");
    assert!(latest < Duration::from_secs(8), "{latest:?}");
    let (soonest, latest) = span(200, true);
    println!("begun after a second: after {soonest:?} to {latest:?}");
    assert!(soonest >= Duration::from_secs(11), "{soonest:?}");
    assert!(latest < Duration::from_secs(17), "{latest:?}");
}

#[test]
fn the_last_run_is_taken_over_whether_or_not_it_has_begun() {
    assert_eq!(span(1, true), span(1, false));
}
