//! The fuzz targets of `tests/fuzz`: functions of bytes, for all that strangers and crashes hand a
//! node, and the invariants that hold for any bytes. Not part of the node; built for tests and
//! fuzzing only.

mod left;
mod wire;

use std::sync::Arc;

use nearcast_core::manifest::Manifest;

use crate::store::testing;

/// One decoder, or a few that read the same thing.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on command lines, and the name of its corpus folder.
    pub name: &'static str,
    /// Decodes the bytes and asserts the invariants. A panic is a find.
    pub run: fn(&[u8]),
    /// The first inputs: what an honest peer or an earlier run would have written.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every decoder of the node.
pub const TARGETS: [Target; 8] = [
    Target { name: "control", run: wire::control, seeds: wire::control_seeds },
    Target { name: "data", run: wire::data, seeds: wire::data_seeds },
    Target { name: "directory", run: wire::directory, seeds: wire::directory_seeds },
    Target { name: "exchange", run: wire::manifest_exchange, seeds: wire::manifest_exchange_seeds },
    Target { name: "address", run: wire::address, seeds: wire::address_seeds },
    Target { name: "state", run: left::state, seeds: left::state_seeds },
    Target { name: "journal", run: left::journal, seeds: left::journal_seeds },
    Target { name: "receipt", run: left::receipt, seeds: left::receipt_seeds },
];

/// A content of two files: one of three pieces of four runs each, one of a part of a piece.
fn content() -> (Arc<Manifest>, testing::Data) {
    testing::content(1 << 20, &[3 << 20, 300 << 10])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a fuzzer: every seed, every cut of it, and every byte of it changed.
    #[test]
    fn no_cut_or_changed_byte_of_an_honest_input_breaks_a_decoder() {
        for target in TARGETS {
            let seeds = (target.seeds)();
            assert!(!seeds.is_empty(), "{} has nothing to begin with", target.name);
            for seed in seeds {
                (target.run)(&seed);
                for at in 0..seed.len().min(400) {
                    (target.run)(&seed[..at]);
                    for change in [0x01, 0x80, 0xff] {
                        let mut changed = seed.clone();
                        changed[at] ^= change;
                        (target.run)(&changed);
                    }
                }
            }
        }
    }
}
