//! Runs the fuzz targets for archive files over changed seeds, as a fuzzer would begin.

#[path = "../../../tests/fuzz/src/archives.rs"]
mod archives;

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// Runs a target over its seeds, first unchanged, then each changed in some thousand ways.
fn batter(run: fn(&[u8]), seeds: &[Vec<u8>]) {
    let mut dice = Pcg64::seed_from_u64(11);
    let mut below = move |end: usize| (dice.next_u64() % end as u64) as usize;
    for seed in seeds {
        run(seed);
        for _ in 0..1_500 {
            let mut bytes = seed.clone();
            for _ in 0..=below(4) {
                let at = below(bytes.len());
                match below(3) {
                    0 => bytes[at] ^= 1 << below(8),
                    1 => bytes[at] = [0, 1, 0x7f, 0xff][below(4)],
                    _ => bytes.truncate(at + 1),
                }
            }
            run(&bytes);
        }
    }
}

#[test]
fn mrt_files_are_read_whatever_became_of_them() {
    batter(archives::mrt, &archives::mrt_seeds());
}

#[test]
fn files_of_lines_are_read_whatever_became_of_them() {
    batter(archives::lines, &archives::lines_seeds());
}
