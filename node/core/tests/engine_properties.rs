//! What an engine does whatever happens to it: steps in any order, checked by a shell that knows what
//! it may be asked.

mod shell;

use nearcast_core::id::{ContentKey, PeerKey};
use proptest::prelude::*;
use shell::{
    Shell,
    step::{CONTENTS, KINDS, PEERS, RUNS, Step, config, happen, is_quiet, join, recover},
};

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
