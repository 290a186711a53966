//! Turns a few numbers into inputs for an engine: likely, stale, duplicate and contradictory ones.
//! A property test and a fuzz target (`tests/fuzz`) both make sequences of these steps.

use std::time::Duration;

use nearcast_core::{
    asn::Asn,
    config::{Config, FindingConfig, LinkConfig, UploadConfig},
    id::{ContentKey, PeerKey, QueryId, ReaderId, RequestId},
    input::{Candidate, Event, Input, Join, ManifestFailure, Neighbour, Reading, RunFailure, Via},
    layout::RunIndex,
    locality::Locality,
    message::{Message, Refusal},
    tier::{Near, Tier},
};

use super::{Shell, bare_join};

/// Kinds of [`Step`].
pub(crate) const KINDS: u8 = 31;
pub(crate) const RUNS: u64 = 24;
pub(crate) const PEERS: u32 = 14;
pub(crate) const CONTENTS: u32 = 3;
/// A peer that holds everything and never fails.
const HONEST: PeerKey = PeerKey(1_000);

/// Small limits, so that tests reach them often.
pub(crate) fn config(origin: bool) -> Config {
    Config {
        is_origin: origin,
        links: LinkConfig { wanted: 5, most: 7, ..Config::default().links },
        finding: FindingConfig { dials_in_flight_max: 3, candidates_max: 10, ..Config::default().finding },
        upload: UploadConfig {
            slots: 3,
            optimistic_slots: 1,
            slots_total: 4,
            queued_max: 3,
            ..Config::default().upload
        },
        ..Config::default()
    }
}

/// One thing that happens: its kind, and its subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) kind: u8,
    pub(crate) content: ContentKey,
    pub(crate) peer: PeerKey,
    pub(crate) number: u16,
}

pub(crate) fn about(peer: PeerKey) -> Neighbour {
    Neighbour {
        near: Near { asn: Some(Asn(peer.0 % 3)), ..tier(peer).into() },
        origin: peer.0 % 5 == 4,
        directory: peer.0 % 4 == 3,
        manifest: peer.0 % 3 != 2,
        web_seed: false,
    }
}

fn tier(peer: PeerKey) -> Tier {
    Tier::ALL[peer.0 as usize % Tier::COUNT]
}

fn cause(number: u16) -> RunFailure {
    match number % 8 {
        0 => RunFailure::Refused(Refusal::Choked),
        1 => RunFailure::Refused(Refusal::Missing),
        2 => RunFailure::Refused(Refusal::Busy),
        3 => RunFailure::Refused(Refusal::Elsewhere),
        4 => RunFailure::Silent,
        5 => RunFailure::NotStored { bytes: any_u32(number / 8) },
        6 => RunFailure::Corrupt { bytes: any_u32(number / 8) },
        _ => RunFailure::BrokenOff { bytes: any_u32(number / 8) },
    }
}

/// Joins a whole content, or parts of one with a selection, or a content without its manifest.
pub(crate) fn join(shell: &mut Shell, content: ContentKey, number: u16) {
    let patience = Duration::from_secs(u64::from(number % 40));
    let have = match content.0 {
        0 => Some((shell.set(number & number >> 4), None)),
        1 => Some((shell.set(number & 0x0f0f), Some(shell.set(number | 1)))),
        _ => None,
    };
    let named = |peer| Candidate { peer: PeerKey(peer), near: tier(PeerKey(peer)).into(), via: Via::Named };
    let candidates = (0..u32::from(number % 4)).map(named).collect();
    let directories = (0..u32::from(number % 3)).map(|peer| PeerKey(peer + 3)).collect();
    shell.join(content, Join { candidates, directories, ..bare_join(patience) }, have);
}

pub(crate) fn happen(shell: &mut Shell, step: Step) {
    let Step { kind, content, peer, number } = step;
    let run = shell.run(u32::from(number));
    match kind {
        0 | 1 => join(shell, content, number),
        2..=5 if !shell.is_banned(peer) => {
            let map = if number % 4 == 0 { shell.set(u16::MAX) } else { shell.set(number) };
            shell.link(content, peer, map, about(peer));
        }
        6 => shell.unlink(content, peer),
        7 => shell.message(content, peer, Message::Have(runs(shell, number, 7))),
        8 => shell.message(content, peer, Message::Lost(runs(shell, number, 0))),
        9 | 10 => shell.message(content, peer, Message::Interested(number % 4 != 0)),
        11 => shell.message(content, peer, Message::Choke),
        14 if number % 4 == 0 => shell.message(content, peer, Message::Idle(number % 8 == 0)),
        12..=14 => shell.message(content, peer, Message::Unchoke),
        15 => shell.want(content, peer, run, number % 16 >= 8),
        16 => shell.upload_ended(content, peer, number % 2 == 0),
        17..=19 => answer(shell, step),
        20 => stale(shell, step),
        21 if number % 8 == 0 => shell.lose(content, vec![run, shell.run(u32::from(number) / 3), run]),
        21 => shell.disk_full(content, number % 2 == 0),
        22 => discover(shell, step),
        23 if number % 16 == 0 => shell.leave(content),
        23 if shell.dialing.contains(&(content, peer)) => shell.dial_failed(content, peer),
        24 if number % 3 == 0 => shell.manifest(content, shell.set(number & number >> 3)),
        24 => manifest_failed(shell, number),
        25 if number % 16 == 0 => shell.event(content, Event::Pause),
        25 if number % 4 == 0 => shell.event(content, Event::Resume),
        26 => shell.message(content, peer, Message::Importing(runs(shell, number, 3))),
        27 if number % 3 == 0 => claim(shell, step),
        27 => {
            let asn = if number % 8 < 4 { 1 } else { any_u32(number) };
            let locality = Locality { asn: (number % 3 == 1).then_some(Asn(asn)), tag: any_u32(number) };
            shell.handle(Input::Located(locality));
        }
        28 => {
            let got = |ahead: u32| runs(shell, number, ahead + 5).into_iter().map(move |run| (ahead, run));
            let news = (0..u32::from(number % 5)).flat_map(got);
            shell.heard(content, news.map(|(ahead, run)| (PeerKey(peer.0 + ahead), run)).collect());
        }
        29 => coming(shell, step),
        30 => read(shell, step),
        _ => shell.pass(Duration::from_millis(u64::from(number) % 3_000)),
    }
}

/// Answers one of the open requests to a peer, well or badly.
fn answer(shell: &mut Shell, step: Step) {
    let Step { content, peer, number, .. } = step;
    let Some(link) = shell.links.get(&(content, peer)) else { return };
    let Some((&request, &run)) = link.open.iter().nth(usize::from(number) % link.open.len().max(1)) else {
        return;
    };
    match number % 4 {
        0 => shell.failed(content, peer, request, cause(number / 4)),
        // A run other than the one asked for, as an origin may send.
        1 => shell.stored(content, peer, request, shell.run(u32::from(number) / 4)),
        _ => shell.stored(content, peer, request, run),
    }
}

/// One of the open requests to a peer is being answered, or one that was never made.
fn coming(shell: &mut Shell, step: Step) {
    let Step { content, peer, number, .. } = step;
    let open = shell.links.get(&(content, peer)).and_then(|link| link.open.keys().next());
    let request = open.copied().unwrap_or(RequestId(any_u32(number)));
    shell.event(content, Event::Coming { peer, request });
}

/// Somebody reads, goes elsewhere or no longer reads; or a round trip was measured.
fn read(shell: &mut Shell, step: Step) {
    let Step { content, peer, number, .. } = step;
    if number % 8 == 7 {
        let rtt = Duration::from_millis(u64::from(number));
        return shell.event(content, Event::Rtt { peer, rtt });
    }
    let (at, end) = (shell.run(u32::from(number) / 8), shell.runs());
    let rate = if number % 32 == 5 { 0 } else { u32::from(number) * 16 };
    let taken = shell.run(u32::from(number) / 5).get();
    let reading = Reading { at, offset: u32::from(number), end, rate, running: number % 3 > 0, taken };
    let reader = ReaderId(u32::from(number % 6));
    shell.event(content, Event::Reader { reader, reading: (number % 8 > 0).then_some(reading) });
}

/// Answers a request that was cancelled, or one that was never made.
fn stale(shell: &mut Shell, step: Step) {
    let Step { content, peer, number, .. } = step;
    let (key, peer, request, run) = match shell.stale.is_empty() {
        true => (content, peer, RequestId(any_u32(number)), shell.run(u32::from(number))),
        false => {
            let at = usize::from(number) % shell.stale.len();
            let ((content, peer), request, run) = shell.stale.remove(at);
            (content, peer, request, run)
        }
    };
    match number % 3 {
        0 => shell.stored(key, peer, request, run),
        _ if shell.has_joined(key) => shell.failed(key, peer, request, cause(number / 3)),
        _ => {}
    }
}

fn discover(shell: &mut Shell, step: Step) {
    let Step { content, peer, number, .. } = step;
    if number % 5 == 0 {
        return shell.event(content, Event::QueryFailed { query: QueryId(any_u32(number)) });
    }
    let query = match shell.queries.iter().position(|(key, _)| *key == content) {
        Some(at) if number % 2 == 0 => Some(shell.queries.remove(at).1),
        _ => None,
    };
    let via = [Via::Directory, Via::Exchange, Via::Named, Via::Lan][usize::from(number) % 4];
    let asn = (number % 7 == 0).then(|| Asn(any_u32(number)));
    let candidate = |peer: u32| {
        let near = Near { asn, ..tier(PeerKey(peer)).into() };
        Candidate { peer: PeerKey(peer), near, via }
    };
    // A few as a rule; now and then as many as a directory's answer may name.
    let count = if number % 64 == 63 { 200 } else { u32::from(number % 6) };
    let candidates = (peer.0..peer.0 + count).map(candidate).collect();
    let teller = (number % 3 > 0).then_some(PeerKey(u32::from(number % 3)));
    shell.event(content, Event::Discovered { query, teller, candidates });
}

/// Runs as a message names them: some twice, and now and then as many as a message may name.
fn runs(shell: &Shell, number: u16, further: u32) -> Vec<RunIndex> {
    const RUNS_MAX: u32 = 8 * 1_024;
    let run = |ahead: u32| shell.run(u32::from(number) + ahead);
    match number % 64 {
        63 => (0..RUNS_MAX).map(run).collect(),
        _ => vec![run(0), run(further), run(0)],
    }
}

/// A directory claims any number of members, or asks for a pause of any length. Or a dial is put
/// off for any time.
fn claim(shell: &mut Shell, step: Step) {
    let Step { content, peer, number, .. } = step;
    let claimed = any_number(number);
    if number % 16 == 15 && shell.dialing.remove(&(content, peer)) {
        return shell.event(content, Event::DialLater { peer, wait: Duration::from_secs(claimed) });
    }
    let members = u32::try_from(claimed).unwrap_or(u32::MAX).into();
    let pause = Duration::from_secs(claimed).into();
    match shell.queries.iter().find(|(key, _)| *key == content) {
        Some(&(_, query)) if number % 2 == 0 => shell.event(content, Event::DirectoryPause { query, pause }),
        _ => shell.event(content, Event::Counted { members }),
    }
}

/// A number of any size: small numbers, the largest, and the neighbourhood of powers of two.
pub(crate) fn any_number(number: u16) -> u64 {
    let near = u64::from(number >> 9);
    match number / 3 % 4 {
        0 => near,
        1 => u64::MAX - near,
        2 => (1 << (number >> 3 & 63)) + near,
        _ => (1_u64 << (number >> 3 & 63)).wrapping_sub(near),
    }
}

/// The same in 32 bits: the lower half of a number that does not fit.
pub(crate) fn any_u32(number: u16) -> u32 {
    let any = any_number(number);
    u32::try_from(any).unwrap_or(any as u32)
}

fn manifest_failed(shell: &mut Shell, number: u16) {
    if shell.manifest_asked.is_empty() {
        return;
    }
    let (content, peer) = shell.manifest_asked.remove(usize::from(number) % shell.manifest_asked.len());
    let why = [ManifestFailure::Unavailable, ManifestFailure::False, ManifestFailure::Unsigned];
    shell.event(content, Event::ManifestFailed { peer, why: why[usize::from(number) % 3] });
}

/// Every joined content completes once an honest peer is there, whatever came before and whichever
/// peers stay. This shows that no request, slot or timer was forgotten, and that no peer holds up
/// what another peer has. Earlier neighbours still claim what they claimed, and give nothing.
pub(crate) fn recover(shell: &mut Shell) {
    for content in (0..CONTENTS).map(ContentKey) {
        if !shell.has_joined(content) {
            continue;
        }
        shell.event(content, Event::Resume);
        shell.manifest(content, shell.set(0));
        shell.disk_full(content, false);
        make_room(shell, content);
        for step in 0..RECOVERY_STEPS_MAX {
            if shell.is_complete(content) {
                break;
            }
            meet_honest(shell, content);
            let open = shell.links.get(&(content, HONEST)).map(|link| link.open.clone());
            for (request, run) in open.unwrap_or_default() {
                shell.stored(content, HONEST, request, run);
            }
            if step % STALL_STEPS == STALL_STEPS - 1 {
                (0..PEERS).for_each(|peer| give_up_silent(shell, content, PeerKey(peer)));
            }
            shell.pass(STEP);
        }
        assert!(shell.is_complete(content), "{content:?} does not complete");
    }
}

/// Time passes in such steps during a recovery.
const STEP: Duration = Duration::from_millis(50);
/// A recovery takes three minutes at most. The honest peer always links by itself and is never a
/// candidate: in a full table it gets a place when a neighbour goes that gave and took nothing for
/// a minute. A request without an answer is given up after 20 s, and again if another neighbour
/// does not answer it either.
const RECOVERY_STEPS_MAX: u32 = 3_600;
/// After this many steps the network gives up a link on which nothing came.
const STALL_STEPS: u32 = 400;

/// A full table would let no peer in, so one of the others goes.
fn make_room(shell: &mut Shell, content: ContentKey) {
    let most = usize::from(config(false).links.most) - 1;
    while shell.links.range((content, PeerKey(0))..(content, HONEST)).count() > most {
        let last = shell.links.range((content, PeerKey(0))..(content, HONEST)).next_back();
        if let Some((&(_, peer), _)) = last {
            shell.unlink(content, peer);
        }
    }
}

/// The honest peer links, if it is not a neighbour yet, and serves.
fn meet_honest(shell: &mut Shell, content: ContentKey) {
    if shell.links.contains_key(&(content, HONEST)) {
        return;
    }
    let near = Tier::Remote.into();
    let about = Neighbour { near, origin: false, directory: false, manifest: true, web_seed: false };
    shell.link(content, HONEST, shell.set(u16::MAX), about);
    if shell.links.contains_key(&(content, HONEST)) {
        shell.message(content, HONEST, Message::Unchoke);
    }
}

fn give_up_silent(shell: &mut Shell, content: ContentKey, peer: PeerKey) {
    let open = shell.links.get(&(content, peer)).and_then(|link| link.open.keys().next().copied());
    if let Some(request) = open {
        shell.failed(content, peer, request, RunFailure::Silent);
    }
}

/// An engine sleeps most of the time when nothing else happens.
pub(crate) fn is_quiet(shell: &mut Shell) {
    shell.pass(Duration::from_secs(10));
    shell.woken = 0;
    shell.pass(Duration::from_secs(1));
    // Four ticks a second for each content, and a few wake-ups in between.
    assert!(shell.woken <= 10 * CONTENTS, "woken {} times in a quiet second", shell.woken);
}
