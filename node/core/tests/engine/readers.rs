//! What somebody reads while it comes is asked for in time, and first; what they do not read soon is
//! not forgotten.

use std::time::Duration;

use nearcast_core::{
    asn::Asn,
    config::Config,
    id::{ContentKey, PeerKey, ReaderId, RequestId},
    input::{Event, Input, Neighbour, Reading},
    layout::RunIndex,
    locality::Locality,
    message::Message,
    output::{Action, Why},
    tier::{Near, Tier},
};

use crate::shell::{RUN_BYTES, Shell, bare_join};

const CONTENT: ContentKey = ContentKey(0);
const RUNS: u64 = 400;
const STEP: Duration = Duration::from_millis(250);
/// Two runs a second.
const RATE: u32 = 2 * RUN_BYTES as u32;

fn about(near: Near, origin: bool) -> Neighbour {
    Neighbour { near, origin, directory: false, manifest: true, web_seed: false }
}

fn shell(seed: u64) -> Shell {
    let mut shell = Shell::new(Config::default(), seed, RUNS);
    shell.journal = Some(Vec::new());
    shell.join(CONTENT, bare_join(Duration::from_secs(600)), Some((shell.set(0), None)));
    shell
}

/// A neighbour that has everything, and serves us.
fn seed(shell: &mut Shell, peer: u32, near: Near, origin: bool) {
    let all = shell.set(u16::MAX);
    shell.link(CONTENT, PeerKey(peer), all, about(near, origin));
    shell.message(CONTENT, PeerKey(peer), Message::Unchoke);
}

fn read(shell: &mut Shell, run: u32) {
    let reading = Reading {
        at: shell.run(run),
        offset: 0,
        end: RUNS as u32,
        rate: RATE,
        running: true,
        taken: RUNS as u32,
    };
    shell.event(CONTENT, Event::Reader { reader: ReaderId(1), reading: Some(reading) });
}

/// What was asked for since the last look.
fn asked(shell: &mut Shell) -> Vec<(PeerKey, u32, Why)> {
    let journal = shell.journal.as_mut().map(std::mem::take).unwrap_or_default();
    let request = |action: &Action| match action {
        Action::Request { peer, run, why, .. } => Some((*peer, run.get(), *why)),
        _ => None,
    };
    journal.iter().filter_map(request).collect()
}

/// The neighbour answers its oldest request. Returns the run.
fn answer(shell: &mut Shell, peer: u32) -> Option<u32> {
    let at = (CONTENT, PeerKey(peer));
    let open = shell.links.get(&at).map(|link| link.open.clone()).unwrap_or_default();
    let (&request, &run): (&RequestId, &RunIndex) = open.iter().next()?;
    shell.stored(CONTENT, PeerKey(peer), request, run);
    Some(run.get())
}

#[test]
fn a_reader_gets_what_comes_next_in_order_and_then_its_window_before_the_rest() {
    for dice in 0..10 {
        let mut shell = shell(dice);
        read(&mut shell, 100);
        seed(&mut shell, 1, Tier::Remote.into(), false);
        let mut came = Vec::new();
        for _ in 0..40 {
            came.extend(answer(&mut shell, 1));
            shell.pass(STEP);
        }
        // The first runs were due at once: they came in order.
        assert_eq!(came[..6], [100, 101, 102, 103, 104, 105], "dice {dice}");
        // Half a minute is 60 runs. At least one request in five is for anything, once twelve seconds are here; not yet.
        let outside = came.iter().filter(|run| !(100..180).contains(*run)).count();
        assert_eq!(outside, 0, "dice {dice}: {came:?}");
        assert!(came.len() > 30, "{came:?}");
    }
}

#[test]
fn whoever_goes_elsewhere_is_served_there_and_what_only_waits_is_taken_back() {
    for dice in 0..10 {
        let mut shell = shell(dice);
        seed(&mut shell, 1, Tier::Remote.into(), false);
        read(&mut shell, 10);
        for _ in 0..12 {
            answer(&mut shell, 1);
            shell.pass(STEP);
        }
        asked(&mut shell);
        read(&mut shell, 300);
        let now = asked(&mut shell);
        assert!(!now.is_empty(), "dice {dice}: asked at once");
        assert!(now.iter().all(|(_, run, why)| *why == Why::Due && (300..310).contains(run)), "{now:?}");
        let open = &shell.links[&(CONTENT, PeerKey(1))].open;
        assert!(open.values().all(|run| run.get() >= 300), "dice {dice}: {open:?}");
    }
}

#[test]
fn what_would_come_too_late_is_taken_over() {
    let mut rescued = 0;
    for dice in 0..10 {
        let mut shell = shell(dice);
        // The first says that it has everything, and brings nothing.
        read(&mut shell, 50);
        seed(&mut shell, 1, Tier::Remote.into(), false);
        assert_eq!(asked(&mut shell).first().map(|&(_, run, _)| run), Some(50));
        seed(&mut shell, 2, Tier::Remote.into(), false);
        let mut seen = Vec::new();
        for _ in 0..40 {
            answer(&mut shell, 2);
            shell.pass(STEP);
            seen.extend(asked(&mut shell));
        }
        let of_first = seen.iter().filter(|(peer, run, _)| *peer == PeerKey(2) && *run == 50).count();
        assert!(of_first >= 1, "dice {dice}: the run that the reader waits for comes from the second");
        let swarm = shell.swarm(CONTENT).expect("it takes part");
        rescued += swarm.streaming(shell.now).expect("somebody reads").rescued;
    }
    assert!(rescued >= 10, "{rescued} in ten worlds");
}

#[test]
fn only_what_is_due_soon_passes_a_border_out_of_turn() {
    let mut late = 0;
    for dice in 0..10 {
        let mut shell = shell(dice);
        shell.handle(Input::Located(Locality { asn: Some(Asn(1)), tag: 7 }));
        // A member of our group who has nothing, and a seed beyond the border.
        let none = shell.set(0);
        let near = |tier: Tier, asn| Near { asn: Some(Asn(asn)), ..tier.into() };
        shell.link(CONTENT, PeerKey(1), none, about(near(Tier::SameAs, 1), false));
        shell.pass(STEP);
        seed(&mut shell, 2, near(Tier::Remote, 2), false);
        shell.pass(STEP);
        asked(&mut shell);
        read(&mut shell, 200);
        let mut seen = asked(&mut shell);
        for _ in 0..8 {
            answer(&mut shell, 2);
            shell.pass(STEP);
            seen.extend(asked(&mut shell));
        }
        let due = seen.iter().filter(|(_, _, why)| *why == Why::Due).count();
        assert!(due > 0, "dice {dice}: {seen:?}");
        let far = |(_, run, why): &(PeerKey, u32, Why)| *why == Why::Due && !(200..230).contains(run);
        assert!(!seen.iter().any(far), "dice {dice}: {seen:?}");
        let traffic = shell.swarm(CONTENT).expect("it takes part").traffic();
        assert!(traffic.imported_late <= traffic.imported);
        late += traffic.imported_late;
    }
    assert!(late >= RUN_BYTES, "some of it came out of turn");
}

#[test]
fn an_origin_tops_up_no_more_than_peers_leave_to_it() {
    let mut shell = shell(3);
    let about_peer = Tier::Remote.into();
    for peer in 1..=4 {
        seed(&mut shell, peer, about_peer, false);
    }
    seed(&mut shell, 9, about_peer, true);
    read(&mut shell, 20);
    let mut from_origin = 0;
    for step in 0..80 {
        // The peers together bring twice what is read; the origin as much as it is asked for.
        for peer in 1..=4 {
            if step % 4 == peer % 4 {
                answer(&mut shell, peer);
                answer(&mut shell, peer);
                answer(&mut shell, peer);
                answer(&mut shell, peer);
            }
        }
        from_origin += u32::from(answer(&mut shell, 9).is_some());
        shell.pass(STEP);
        // The reader goes on.
        read(&mut shell, 20 + step / 2);
    }
    // Forty runs were read in these twenty seconds.
    assert!(from_origin <= 6, "{from_origin} runs of the origin's, while peers bring twice what is read");
    let streaming = shell.swarm(CONTENT).and_then(|swarm| swarm.streaming(shell.now));
    let buffer = streaming.and_then(|streaming| streaming.buffer_ms);
    assert!(buffer.is_none_or(|buffer| buffer > 8_000), "{buffer:?}");
}

#[test]
fn an_origin_leaves_to_slow_peers_what_they_bring_in_time() {
    let mut shell = shell(4);
    for peer in 1..=4 {
        seed(&mut shell, peer, Tier::Remote.into(), false);
    }
    seed(&mut shell, 9, Tier::Remote.into(), true);
    read(&mut shell, 20);
    let mut from_origin = 0;
    for step in 0..120 {
        // Each peer takes two seconds for a run, so all of them count as late. Together they bring what is read.
        for peer in (1..=4).filter(|peer| step % 8 == 2 * peer % 8) {
            answer(&mut shell, peer);
        }
        while answer(&mut shell, 9).is_some() {
            from_origin += 1;
        }
        shell.pass(STEP);
        read(&mut shell, 20 + step / 2);
    }
    // Sixty runs were read in half a minute. The buffer takes 24.
    assert!(from_origin < 45, "{from_origin} runs of the origin's");
    let left = shell.swarm(CONTENT).and_then(|swarm| swarm.have()).map(nearcast_core::run_set::RunSet::count);
    assert!(left.is_some_and(|have| have < 200), "the rest is not fetched from the origin: {left:?}");
}

#[test]
fn nothing_changes_when_readers_are_gone() {
    let mut shell = shell(5);
    seed(&mut shell, 1, Tier::Remote.into(), false);
    read(&mut shell, 10);
    shell.event(CONTENT, Event::Reader { reader: ReaderId(1), reading: None });
    asked(&mut shell);
    for _ in 0..20 {
        answer(&mut shell, 1);
        shell.pass(STEP);
    }
    let seen = asked(&mut shell);
    assert!(seen.iter().all(|(_, _, why)| *why == Why::Rarest), "{seen:?}");
}
