//! Streams from routers and collectors, cut and changed: runs the fuzz targets over a few thousand
//! changed seeds.

#[path = "../../../tests/fuzz/src/feeds.rs"]
mod feeds;

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

fn over_changed_seeds(seeds: Vec<Vec<u8>>, target: fn(&[u8])) {
    let mut dice = Dice(5);
    for seed in seeds {
        target(&seed);
        (0..seed.len()).for_each(|end| target(&seed[..end]));
        for _ in 0..3_000 {
            let mut bytes = seed.clone();
            for _ in 0..1 + dice.below(6) {
                let at = dice.below(bytes.len());
                match dice.below(3) {
                    0 => bytes[at] ^= 1 << dice.below(8),
                    1 => bytes[at] = [0, 0xff, 0x7f, 0x80][dice.below(4)],
                    _ => {
                        let piece = bytes[at..(at + dice.below(40)).min(bytes.len())].to_vec();
                        let to = dice.below(bytes.len());
                        bytes.splice(to..to, piece);
                    }
                }
            }
            target(&bytes);
        }
    }
}

#[test]
fn changed_sessions_of_routers_keep_every_bound_and_leave_nothing() {
    over_changed_seeds(feeds::bmp_seeds(), feeds::bmp);
}

#[test]
fn changed_messages_of_collectors_keep_every_bound_and_leave_nothing() {
    over_changed_seeds(feeds::ris_live_seeds(), feeds::ris_live);
}
