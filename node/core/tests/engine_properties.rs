//! What an engine does whatever happens to it: steps in any order, checked by a shell that knows what
//! it may be asked.

mod byzantine;
mod shell;

use nearcast_core::{
    id::{ContentKey, PeerKey},
    random::Random,
};
use proptest::prelude::*;
use shell::{
    Shell,
    step::{CONTENTS, KINDS, PEERS, RUNS, Step, config, happen, is_quiet, join, recover},
};

/// Stories told in a run of the tests; a fuzzer tells as many in a second. They are the same in every run.
const STORIES: u64 = 1_000;
/// So many of them take longer than three times the undisturbed time.
const LATE_STORIES_MAX: usize = 0;

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

/// Which stories are told: those of every run, or `FROM..TO` of `NEARCAST_STORIES`, for long runs on fresh ones. Of many,
/// one in ten thousand may be late.
fn stories() -> (std::ops::Range<u64>, usize) {
    let Ok(asked) = std::env::var("NEARCAST_STORIES") else { return (0..STORIES, LATE_STORIES_MAX) };
    let (from, to) = asked.split_once("..").expect("NEARCAST_STORIES is FROM..TO");
    let number = |text: &str| text.parse().expect("NEARCAST_STORIES is FROM..TO, two numbers");
    let range = number(from)..number(to);
    let most = (range.end - range.start) / 10_000;
    (range, most as usize)
}

/// Bytes that follow from a seed, as many as a story of some deeds has.
fn story(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let length = 9 + random.below(120);
    (0..length).map(|_| random.below(256) as u8).collect()
}

#[test]
fn whatever_neighbours_do_a_download_ends_in_time_but_for_a_few_stories_in_a_thousand() {
    byzantine::seeds().iter().for_each(|story| byzantine::run(story));
    let is_late =
        |seed: &u64| byzantine::happen(&story(*seed)).is_some_and(|(_, outcome)| outcome.took.is_none());
    let (seeds, most) = stories();
    let told = seeds.end - seeds.start;
    let late: Vec<u64> = seeds.filter(is_late).collect();
    println!("{} of {told} stories took longer than they may: {late:?}", late.len());
    assert!(late.len() <= most, "{late:?}");
}

/// Stories that held a download up for good, or made it waste what it had, when what a neighbour says was believed about
/// others. Shortened as far as they still did.
#[test]
fn the_stories_that_once_held_a_download_up_do_so_no_more() {
    for (what, hex) in byzantine::FOUND {
        let bytes: Vec<u8> = hex.as_bytes().chunks(2).map(byte).collect();
        println!("{what}");
        byzantine::run(&bytes);
    }
}

fn byte(digits: &[u8]) -> u8 {
    let text = std::str::from_utf8(digits).expect("hexadecimal digits");
    u8::from_str_radix(text, 16).expect("hexadecimal digits")
}
