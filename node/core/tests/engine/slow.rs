//! Why a download is not faster is named, for each reason that can be made here.

use std::time::Duration;

use nearcast_core::{
    config::Config,
    id::{ContentKey, PeerKey, RequestId},
    input::{Event, Neighbour, RunFailure},
    message::{Message, Refusal},
    slowness::{Seen, Slow},
    tier::Tier,
};

use crate::shell::{Shell, bare_join};

const CONTENT: ContentKey = ContentKey(0);
const PEER: PeerKey = PeerKey(1);
const SECOND: Duration = Duration::from_secs(1);

fn shell() -> Shell {
    let mut shell = Shell::new(Config::default(), 9, 400);
    shell.join(CONTENT, bare_join(Duration::from_secs(600)), Some((shell.set(0), None)));
    shell
}

fn link(shell: &mut Shell, peer: PeerKey, pattern: u16, origin: bool) {
    let near = Tier::Remote.into();
    let about = Neighbour { near, origin, directory: false, manifest: true, web_seed: false };
    let map = shell.set(pattern);
    shell.link(CONTENT, peer, map, about);
}

fn why_with(shell: &Shell, limited: bool, spoilt: bool, trip: Duration) -> Option<Slow> {
    let swarm = shell.swarm(CONTENT).expect("it takes part");
    swarm.slowness(shell.now, &Config::default(), Seen { limited, spoilt, trip: &|_| trip })
}

fn why(shell: &Shell) -> Option<Slow> {
    why_with(shell, false, false, Duration::ZERO)
}

/// The neighbour answers all its requests, or as many as `most`.
fn answer(shell: &mut Shell, most: usize) {
    let open: Vec<_> =
        shell.links[&(CONTENT, PEER)].open.iter().take(most).map(|(&id, &run)| (id, run)).collect();
    open.into_iter().for_each(|(request, run)| shell.stored(CONTENT, PEER, request, run));
}

#[test]
fn what_holds_up_a_download_is_named() {
    let mut bare = Shell::new(Config::default(), 1, 400);
    bare.join(CONTENT, bare_join(SECOND * 600), None);
    assert_eq!(why(&bare), Some(Slow::Preparing));
    let mut shell = shell();
    assert_eq!(why(&shell), Some(Slow::Alone));
    link(&mut shell, PEER, 0, false);
    assert_eq!(why(&shell), Some(Slow::NobodyHasIt));
    link(&mut shell, PeerKey(2), u16::MAX, false);
    shell.pass(SECOND);
    assert_eq!(why(&shell), Some(Slow::Choked));
    shell.event(CONTENT, Event::Pause);
    assert_eq!(why(&shell), Some(Slow::Paused));
}

#[test]
fn a_full_disk_comes_before_limits_and_limits_before_peers() {
    let mut shell = shell();
    link(&mut shell, PEER, u16::MAX, false);
    shell.message(CONTENT, PEER, Message::Unchoke);
    assert_eq!(why_with(&shell, true, true, Duration::ZERO), Some(Slow::OwnLimit));
    assert_eq!(why_with(&shell, false, true, Duration::ZERO), Some(Slow::Spoilt));
    shell.disk_full(CONTENT, true);
    assert_eq!(why_with(&shell, true, true, Duration::ZERO), Some(Slow::DiskFull));
}

#[test]
fn peers_that_take_long_and_peers_that_are_far_are_told_from_those_that_give_what_they_can() {
    let mut shell = shell();
    link(&mut shell, PEER, u16::MAX, false);
    shell.message(CONTENT, PEER, Message::Unchoke);
    for _ in 0..12 {
        answer(&mut shell, 4);
        shell.pass(SECOND / 4);
    }
    assert_eq!(why(&shell), Some(Slow::PeersGive));
    assert_eq!(why_with(&shell, false, false, SECOND), Some(Slow::Far), "a second there and back");
    for _ in 0..10 {
        shell.pass(SECOND / 4);
    }
    assert_eq!(why(&shell), Some(Slow::SlowPeers));
}

#[test]
fn an_origin_that_gives_to_others_first_is_named() {
    let mut shell = shell();
    link(&mut shell, PEER, u16::MAX, true);
    shell.message(CONTENT, PEER, Message::Unchoke);
    shell.pass(SECOND);
    let requests: Vec<RequestId> = shell.links[&(CONTENT, PEER)].open.keys().copied().collect();
    assert!(!requests.is_empty());
    for request in requests {
        shell.failed(CONTENT, PEER, request, RunFailure::Refused(Refusal::Elsewhere));
    }
    assert_eq!(why(&shell), Some(Slow::OriginSpared));
}

#[test]
fn a_complete_download_has_no_reason_and_names_differ() {
    let mut shell = Shell::new(Config::default(), 1, 4);
    shell.join(CONTENT, bare_join(SECOND * 600), Some((shell.set(u16::MAX), None)));
    assert_eq!(why(&shell), None);
    let mut names: Vec<&str> = Slow::ALL.iter().map(|reason| reason.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Slow::ALL.len());
}
