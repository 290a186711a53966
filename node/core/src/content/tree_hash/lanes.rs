//! Sixteen blocks hashed side by side.
//!
//! One SHA-256 is a chain in which every step waits for the one before, even where the processor
//! has instructions for it. The leaves of a tree do not depend on each other, and a whole run has
//! sixteen of them. A vector of sixteen words holds the same word of each leaf, so sixteen chains
//! advance at once. That is more than twice the bytes a second of the SHA instructions, and hashing
//! is the largest single cost of a transfer. Without AVX-512, `sha2` hashes one leaf after the
//! other.
//!
//! SHA-256 is FIPS 180-4; sections are named where constants or functions come from it.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "places among sixteen lanes: all are constants, and none is from outside"
)]

use crate::{content::layout::BLOCK_BYTES, id::Hash};

/// Leaves that are hashed at once.
pub(super) const LANES: usize = 16;

/// Bytes of sixteen whole leaves.
pub(super) const LANES_BYTES: usize = LANES * BLOCK_BYTES as usize;

/// The hashes of sixteen whole leaves that lie one after the other. `None`: the processor lacks the
/// instructions.
pub(super) fn hash_leaves(data: &[u8; LANES_BYTES]) -> Option<[Hash; LANES]> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
        #[expect(unsafe_code, reason = "only the caller can know what the processor has")]
        // SAFETY: the features that `hash_lanes` is compiled for were found a line ago.
        return Some(unsafe { avx512::hash_lanes(data) });
    }
    // Uses `data` on processors for which the branch above is not compiled.
    let _ = data;
    None
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512i, _mm_set_epi64x, _mm512_add_epi32, _mm512_broadcast_i32x4, _mm512_maskz_mov_epi32,
        _mm512_reduce_add_epi32, _mm512_ror_epi32, _mm512_set_epi64, _mm512_set1_epi32, _mm512_setzero_si512,
        _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_ternarylogic_epi32,
        _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

    use super::{LANES, LANES_BYTES};
    use crate::{content::layout::BLOCK_BYTES, id::Hash};

    /// Bytes that the compression function takes at a time, in each lane: sixteen words.
    const STEP_BYTES: usize = 64;

    /// Sixteen words, or a word of each lane.
    type Row = [__m512i; 16];

    /// Section 5.3.3: the first 32 bits of the fractional parts of the square roots of the first 8
    /// primes.
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    /// Section 4.2.2: the same of the cube roots of the first 64 primes.
    #[rustfmt::skip]
    const K: [u32; 64] = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ];

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn hash_lanes(data: &[u8; LANES_BYTES]) -> [Hash; LANES] {
        let mut state = INITIAL.map(|word| every_lane(word));
        let (steps, _) = data.as_chunks::<STEP_BYTES>();
        let steps_each = BLOCK_BYTES as usize / STEP_BYTES;
        for step in 0..steps_each {
            let rows: Row = std::array::from_fn(|lane| load(&steps[lane * steps_each + step]));
            compress(&mut state, transpose(&rows));
        }
        compress(&mut state, padding());
        std::array::from_fn(|lane| hash_of(&state, lane))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn every_lane(word: u32) -> __m512i {
        _mm512_set1_epi32(word.cast_signed())
    }

    /// The step after the last of a whole leaf, section 5.1.1: a one, zeros, and the length in
    /// bits.
    #[target_feature(enable = "avx512f,avx512bw")]
    fn padding() -> Row {
        let mut words = [_mm512_setzero_si512(); 16];
        words[0] = every_lane(1 << 31);
        words[15] = every_lane(8 * BLOCK_BYTES);
        words
    }

    /// Sixteen words of one lane, big-endian in memory.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load(step: &[u8; STEP_BYTES]) -> __m512i {
        let (eights, _) = step.as_chunks::<8>();
        // Becomes a single load.
        let e = |at: usize| i64::from_le_bytes(eights[at]);
        let raw = _mm512_set_epi64(e(7), e(6), e(5), e(4), e(3), e(2), e(1), e(0));
        let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        _mm512_shuffle_epi8(raw, _mm512_broadcast_i32x4(swap))
    }

    /// From one row for each lane to one row for each word.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn transpose(lanes: &Row) -> Row {
        // Words of two lanes alternate, then of four; the index tells, modulo four, which words a
        // row holds.
        let mut twos = *lanes;
        for at in (0..16).step_by(2) {
            twos[at] = _mm512_unpacklo_epi32(lanes[at], lanes[at + 1]);
            twos[at + 1] = _mm512_unpackhi_epi32(lanes[at], lanes[at + 1]);
        }
        let mut fours = twos;
        for at in (0..16).step_by(4) {
            for half in 0..2 {
                let (left, right) = (twos[at + half], twos[at + half + 2]);
                fours[at + 2 * half] = _mm512_unpacklo_epi64(left, right);
                fours[at + 2 * half + 1] = _mm512_unpackhi_epi64(left, right);
            }
        }
        let mut words = fours;
        for at in 0..4 {
            let low = |left, right| _mm512_shuffle_i32x4(left, right, 0b01_00_01_00);
            let high = |left, right| _mm512_shuffle_i32x4(left, right, 0b11_10_11_10);
            let even = |left, right| _mm512_shuffle_i32x4(left, right, 0b10_00_10_00);
            let odd = |left, right| _mm512_shuffle_i32x4(left, right, 0b11_01_11_01);
            let (first, second) = (low(fours[at], fours[4 + at]), low(fours[8 + at], fours[12 + at]));
            words[at] = even(first, second);
            words[4 + at] = odd(first, second);
            let (first, second) = (high(fours[at], fours[4 + at]), high(fours[8 + at], fours[12 + at]));
            words[8 + at] = even(first, second);
            words[12 + at] = odd(first, second);
        }
        words
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn add(left: __m512i, right: __m512i) -> __m512i {
        _mm512_add_epi32(left, right)
    }

    /// Exclusive or of three.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32(a, b, c, 0x96)
    }

    /// Section 6.2.2, with the functions of 4.1.2. `words` is the last sixteen words of the
    /// schedule.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn compress(state: &mut [__m512i; 8], mut words: Row) {
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
        for (round, k) in K.into_iter().enumerate() {
            if round >= 16 {
                let w = |ahead: usize| words[(round + ahead) % 16];
                let sigma0 = xor(ror::<7>(w(1)), ror::<18>(w(1)), _mm512_srli_epi32(w(1), 3));
                let sigma1 = xor(ror::<17>(w(14)), ror::<19>(w(14)), _mm512_srli_epi32(w(14), 10));
                words[round % 16] = add(add(w(0), sigma0), add(w(9), sigma1));
            }
            let word = add(words[round % 16], every_lane(k));
            let sum1 = xor(ror::<6>(e), ror::<11>(e), ror::<25>(e));
            let choice = _mm512_ternarylogic_epi32(e, f, g, 0xca);
            let first = add(add(h, word), add(sum1, choice));
            let sum0 = xor(ror::<2>(a), ror::<13>(a), ror::<22>(a));
            let majority = _mm512_ternarylogic_epi32(a, b, c, 0xe8);
            let second = add(sum0, majority);
            (h, g, f, e, d, c, b, a) = (g, f, e, add(d, first), c, b, a, add(first, second));
        }
        for (sum, word) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *sum = add(*sum, word);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn ror<const BITS: i32>(words: __m512i) -> __m512i {
        _mm512_ror_epi32::<BITS>(words)
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn hash_of(state: &[__m512i; 8], lane: usize) -> Hash {
        let mut hash = [0; 32];
        let (places, _) = hash.as_chunks_mut::<4>();
        for (place, word) in places.iter_mut().zip(state) {
            let alone = _mm512_maskz_mov_epi32(1 << lane, *word);
            *place = _mm512_reduce_add_epi32(alone).to_be_bytes();
        }
        hash
    }
}
