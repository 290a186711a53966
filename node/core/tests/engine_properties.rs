//! Steps in any order, checked by a shell that knows what an engine may ask of it.

mod byzantine;
mod shell;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use byzantine::Scene;
use nearcast_core::{
    id::{ContentKey, PeerKey},
    message::Message,
    random::Random,
};
use proptest::prelude::*;
use shell::{
    Shell, bare_join,
    step::{CONTENTS, KINDS, PEERS, RUNS, Step, about, config, happen, is_quiet, join, recover},
};

/// Stories in one test run; a fuzzer tells as many in a second. Every run tells the same ones.
/// `NEARCAST_STORIES` and `NEARCAST_STORIES_FROM` ask for more and for others; `NEARCAST_STORY`
/// gives a single story in hex.
const STORIES: u64 = 1_000;
/// A story shows a hole if it takes too long with at least `LATE_DICE_MIN` of these dice. With some
/// dice, one story in thousands takes too long by chance.
const DICE: u8 = 8;
const LATE_DICE_MIN: usize = 6;
/// A long run ends after this time.
const TIME_MAX: Duration = Duration::from_secs(180);

fn step() -> impl Strategy<Value = Step> {
    (0..KINDS, 0..CONTENTS, 0..PEERS, any::<u16>()).prop_map(|(kind, content, peer, number)| Step {
        kind,
        content: ContentKey(content),
        peer: PeerKey(peer),
        number,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_engine_keeps_its_word_whatever_happens(
        seed in any::<u64>(),
        origin in prop::bool::weighted(0.2),
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let mut shell = Shell::new(config(origin), seed, RUNS);
        for content in 0..CONTENTS {
            join(&mut shell, ContentKey(content), seed as u16);
        }
        steps.into_iter().for_each(|step| happen(&mut shell, step));
        is_quiet(&mut shell);
        if !origin {
            recover(&mut shell);
        }
    }
}

/// Another origin that asks an origin for runs passes none on, and soon is not trusted. What it holds
/// was never in the book, so nothing is taken out. The shell recounts after each input.
#[test]
fn what_another_origin_holds_is_never_in_the_book() {
    let mut shell = Shell::new(config(true), 1, RUNS);
    let content = ContentKey(0);
    shell.join(content, bare_join(Duration::ZERO), Some((shell.set(u16::MAX), None)));
    let [origin, others @ ..] = [4, 1, 2].map(PeerKey);
    for peer in [origin, others[0], others[1]] {
        shell.link(content, peer, shell.set(if peer == others[0] { 0x0fff } else { 0x00ff }), about(peer));
        shell.message(content, peer, Message::Interested(true));
    }
    shell.want(content, others[0], shell.run(14), false);
    shell.want(content, origin, shell.run(15), false);
    assert!(!shell.links[&(content, origin)].uploads.is_empty(), "the other origin is served");
    shell.upload_ended(content, origin, true);
    shell.pass(Duration::from_secs(30));
}

/// Bytes of a story, made from a seed. In every other story all neighbours are alike and do next to
/// nothing by themselves, as attackers are. Of those, half hold everything, half always answer
/// alike, and half serve us.
fn story(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = |count: u32| -> Vec<u8> { (0..count).map(|_| random.below(256) as u8).collect() };
    if seed.is_multiple_of(2) {
        let length = 9 + u32::from(bytes(1)[0]) / 2;
        return bytes(length);
    }
    let (mut story, mut habit, plain) = (bytes(3), bytes(6), bytes(1)[0]);
    let is_plain = |bit: u8| plain >> bit & 1 == 1;
    habit[0] &= if is_plain(0) { 0x7f } else { 0xff };
    habit[1] &= if is_plain(1) { 0x00 } else { 0xff };
    habit[2] = if is_plain(2) { (habit[2] & 0x0f) * 0x11 } else { habit[2] };
    (0..story[2] % 5 + 1).for_each(|_| story.extend(&habit));
    let (deeds, first_deed) = (bytes(1)[0] % 4, story.len());
    story.extend(bytes(4 * u32::from(deeds)));
    if let Some(deed) = story.get_mut(first_deed).filter(|_| is_plain(3)) {
        *deed = *deed % 26 + 230;
    }
    story
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// The hole that a story shows: a panic, a promise broken with any dice, or a download that takes
/// too long with most dice. `None`: no hole.
fn hole(bytes: &[u8]) -> Option<String> {
    let excess_or_late = |dice: u8| {
        let mut bytes = bytes.to_vec();
        bytes[1] = bytes[1].wrapping_add(dice);
        let (story, outcome) = byzantine::happen(&bytes)?;
        let is_late = has_to_end(story.scene) && outcome.took.is_none();
        outcome.excess.map(Some).or(is_late.then_some(None))
    };
    let is_late = |dice: &u8| excess_or_late(*dice).is_some();
    let shows = || match excess_or_late(0)? {
        None if (1..DICE).filter(is_late).count() + 1 < LATE_DICE_MIN => None,
        excess => Some(excess.unwrap_or_else(|| "it takes too long".to_owned())),
    };
    catch_unwind(AssertUnwindSafe(shows)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map_or("a panic", |text| text);
        Some(text.chars().take(200).collect())
    })
}

/// Whether a download that takes too long is a finding.
fn has_to_end(scene: Scene) -> bool {
    !scene.forsaken
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn whatever_neighbours_do_a_download_ends_in_time() {
    byzantine::seeds().iter().for_each(|story| byzantine::run(story));
    let is_late = |seed: &u64| {
        let told = byzantine::happen(&story(*seed));
        told.is_some_and(|(story, outcome)| has_to_end(story.scene) && outcome.took.is_none())
    };
    let late: Vec<u64> = (0..STORIES).filter(is_late).collect();
    assert_eq!(late, Vec::<u64>::new(), "stories that took longer than they may");
}

#[test]
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a long run ends after a while")]
fn no_story_shows_a_hole() {
    let from = from_environment("NEARCAST_STORIES_FROM").unwrap_or(0);
    let stories = from_environment("NEARCAST_STORIES").unwrap_or(STORIES);
    let start = std::time::Instant::now();
    let (mut told, mut holes) = (0, Vec::new());
    if let Ok(hex) = std::env::var("NEARCAST_STORY") {
        let bytes: Vec<u8> = hex.as_bytes().chunks(2).map(byte).collect();
        return assert_eq!(hole(&bytes), None);
    }
    for seed in from..from + stories {
        if start.elapsed() > TIME_MAX {
            break;
        }
        told += 1;
        if let Some(hole) = hole(&story(seed)) {
            println!("after {told} stories, {seed} ({}): {hole}", hex(&story(seed)));
            holes.push(seed);
            if from_environment("NEARCAST_STORIES_ALL").is_none() {
                break;
            }
        }
    }
    println!("{told} stories in {:.0?}", start.elapsed());
    assert!(holes.is_empty(), "{holes:?}");
}

/// Stories that once held a download up for good, or made it waste data, because the engine
/// believed what a neighbour said about other peers. Each is shortened as far as it still did.
#[test]
fn the_stories_that_once_held_a_download_up_do_so_no_more() {
    let mut failed = Vec::new();
    for (what, hex) in byzantine::FOUND {
        let bytes: Vec<u8> = hex.as_bytes().chunks(2).map(byte).collect();
        println!("{what}");
        if catch_unwind(|| byzantine::run(&bytes)).is_err() {
            println!("FAILED: {what}");
            failed.push(what);
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

fn byte(digits: &[u8]) -> u8 {
    let text = std::str::from_utf8(digits).expect("hexadecimal digits");
    u8::from_str_radix(text, 16).expect("hexadecimal digits")
}
