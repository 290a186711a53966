//! The fuzzer: libFuzzer, with the target that `NEARCAST_FUZZ_TARGET` names. It is one program for
//! all targets, because linking takes longest. `tests/fuzz/run` builds and runs it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use targets::{Target, by_name};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Memory that decoding may take, in bytes: what fixed tables need, and this much more for each
/// byte of input.
const BYTES_MAX: usize = 8 << 20;
const BYTES_PER_INPUT_BYTE_MAX: usize = 64;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("NEARCAST_FUZZ_TARGET").unwrap_or_default();
    by_name(&name).unwrap_or_else(|| panic!("NEARCAST_FUZZ_TARGET names no target: {name:?}"))
});

fuzz_target!(|input: &[u8]| {
    let target = *TARGET;
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    (target.run)(input);
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    let allowed = BYTES_MAX + BYTES_PER_INPUT_BYTE_MAX * input.len();
    assert!(taken <= allowed, "{taken} bytes of memory for {} bytes of input", input.len());
});
