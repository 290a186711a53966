//! Byzantine neighbours: one to five that say and send whatever a story makes them, beside honest
//! sources of every run.
//!
//! A story is bytes, so a fuzzer (`tests/fuzz`) writes stories as well as the tests here. Whatever
//! a story says, one thing must hold: *if an honest source of every run is linked, the download
//! ends within three times the undisturbed time*. Besides, nothing panics, hardly anything is
//! wasted, memory stays bounded, honest peers are not banned, no third party is dialled more than
//! it may be, what the user typed is not forgotten, and the shell's own checks hold. If no honest
//! peer stays, the download gives up.

mod agenda;
mod script;
mod whereabouts;
mod world;

use std::{sync::OnceLock, time::Duration};

pub(crate) use script::Scene;
use script::Story;
use world::{Outcome, RUNS, World};

use crate::shell::RUN_BYTES;

/// How many times longer a download may take with byzantine neighbours than without.
const SLOWER_MAX: u32 = 3;
/// An undisturbed download ends within this, in every scene.
const UNDISTURBED_MAX: Duration = Duration::from_secs(40);
/// One hundredth of the content may be wasted.
const WASTE_SHARE: u64 = 100;
/// In addition, this many runs may be wasted for each link of a byzantine neighbour, before it is
/// found out. The number is that high because honest origins that steer repeat themselves, too; a
/// neighbour that does not say it is an origin may waste two or three.
const WASTE_RUNS_PER_NAME: u64 = 16;
/// Bytes of heap that our part in a content may take.
const HEAP_BYTES_MAX: usize = 64 << 10;

/// How long each scene takes without byzantine neighbours.
fn undisturbed(byte: u8) -> Duration {
    static TIMES: [OnceLock<Duration>; Scene::COUNT] = [const { OnceLock::new() }; Scene::COUNT];
    *TIMES[usize::from(byte) % Scene::COUNT].get_or_init(|| {
        let story = Story::undisturbed(Scene { forsaken: false, ..Scene::of(byte) });
        let outcome = World::new(&story).run(UNDISTURBED_MAX);
        assert!(outcome.breach.is_none(), "{outcome:?}");
        outcome.took.unwrap_or_else(|| panic!("{:?} does not even end undisturbed: {outcome:?}", story.scene))
    })
}

/// Lets a story happen, and checks how it went.
pub(crate) fn run(bytes: &[u8]) {
    let Some((story, outcome)) = happen(bytes) else { return };
    let Outcome { took, gave_up, wasted, names, .. } = outcome;
    let time = undisturbed(bytes[0]);
    assert!(
        took.is_some() || story.scene.forsaken,
        "not done after {SLOWER_MAX} x {time:?}, gave up: {gave_up:?}; {story:?}"
    );
    let waste_max = RUNS * RUN_BYTES / WASTE_SHARE + u64::from(names) * WASTE_RUNS_PER_NAME * RUN_BYTES;
    assert!(wasted <= waste_max, "{} runs wasted by {names} names; {story:?}", wasted / RUN_BYTES);
}

/// Lets a story happen: nothing panics, no honest peer is banned, and memory stays bounded, however
/// long it takes. `None`: the bytes are too few for a story.
pub(crate) fn happen(bytes: &[u8]) -> Option<(Story, Outcome)> {
    let story = Story::read(bytes)?;
    let outcome = World::new(&story).run(undisturbed(bytes[0]) * SLOWER_MAX);
    assert!(outcome.breach.is_none(), "{:?}: {story:?}", outcome.breach);
    assert!(!outcome.banned_honest, "somebody honest was banned: {story:?}");
    assert!(outcome.heap_bytes <= HEAP_BYTES_MAX, "{} bytes; {story:?}", outcome.heap_bytes);
    Some((story, outcome))
}

/// What was found, with the shortest story of each finding.
pub(crate) const FOUND: [(&str, &str); 15] = [
    ("one gives the manifest unsigned before another gives it signed", "080000040000000000b6000e00"),
    ("somebody who is no origin says that a run is elsewhere", "000000000004000000"),
    ("somebody who says that it is an origin says so", "000000010004000000"),
    ("a run that is held answers every request", "000000000008000000"),
    ("another run answers every request", "000000000007000000"),
    ("every answer comes twice", "000000000006000000"),
    ("runs come that nobody asked for", "0000000000000000004e000000"),
    ("a member of our group has everything and serves nobody", "040000800000000000"),
    ("a member of our group has everything, and refuses it", "040000000002000000"),
    ("somebody holds a part, and is silent", "000000000800000000"),
    ("two hold everything, and are silent", "000001000000000000020000000000"),
    ("the first to be asked for the manifest does not answer", "08005f040000000000"),
    ("bytes drip now and then", "000000000000000070000000"),
    ("somebody silent comes again whenever it is given up", "000841400000000000"),
    ("a directory counts more members than there can be", "040000020000000000c5004000"),
];

/// Neighbours that do nothing much, one story for each scene: where a fuzzer begins.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let honest = [0x00, 0, 0x55, 0, 0x60, 0];
    let idle = [0x88, 0xff, 0x22, 0, 0x20, 3];
    let deeds = [[4, 0, 0, 0x71], [0, 1, 3, 0x71], [6, 1, 0, 0x71], [17, 0, 5, 0x71], [22, 0, 0, 0xa0]];
    (0..Scene::COUNT as u8)
        .map(|scene| [&[scene, 7, 1][..], &honest, &idle, &deeds.concat()].concat())
        .collect()
}
