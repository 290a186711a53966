//! The engine as a state machine. Five bytes are one thing that happens, and a shell that knows
//! what an engine may ask for checks every answer. The core's property test uses the same shell and
//! steps.

use nearcast_core::id::{ContentKey, PeerKey};

use crate::shell::{
    Shell,
    step::{CONTENTS, KINDS, PEERS, RUNS, Step, config, happen, is_quiet, join, recover},
};

/// The most steps of one run; more steps find nothing that fewer do not.
const STEPS_MAX: usize = 250;

/// Set in the first byte: we are the origin.
const ORIGIN: u8 = 1;
/// Set in the first byte: at the end an honest peer comes, and everything must complete. Slow, so
/// not always.
const RECOVER: u8 = 2;

pub(crate) fn run(bytes: &[u8]) {
    let Some(([flags, seed], steps)) = bytes.split_first_chunk() else { return };
    let is_origin = flags & ORIGIN != 0;
    let mut shell = Shell::new(config(is_origin), u64::from(*seed), RUNS);
    for content in 0..CONTENTS {
        join(&mut shell, ContentKey(content), u16::from(*seed) * 0x101);
    }
    steps.as_chunks().0.iter().take(STEPS_MAX).map(step).for_each(|step| happen(&mut shell, step));
    if flags & RECOVER != 0 {
        is_quiet(&mut shell);
        if !is_origin {
            recover(&mut shell);
        }
    }
}

fn step(&[kind, content, peer, high, low]: &[u8; 5]) -> Step {
    Step {
        kind: kind % KINDS,
        content: ContentKey(u32::from(content) % CONTENTS),
        peer: PeerKey(u32::from(peer) % PEERS),
        number: u16::from_be_bytes([high, low]),
    }
}

/// Links, unchokes, answered requests and passing time; as a leecher and as an origin.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let story: Vec<u8> = (0..4u8)
        .flat_map(|peer| {
            let of = |kind, number: u16| {
                let [high, low] = number.to_be_bytes();
                [kind, 0, peer, high, low]
            };
            [
                of(2, 4),
                of(12, 0),
                of(25, 300),
                of(17, 2),
                of(17, 3),
                of(9, 1),
                of(15, 7),
                of(16, 0),
                of(25, 2_000),
            ]
        })
        .flatten()
        .collect();
    (0..4).map(|flags| [&[flags, 7], &story[..]].concat()).collect()
}
