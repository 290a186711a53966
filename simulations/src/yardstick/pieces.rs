//! The least time in which a file of pieces can be given to all, and how fast one piece spreads.
//!
//! J. Mundinger, R. Weber and G. Weiss, *Optimal scheduling of peer-to-peer file dissemination*,
//! Journal of Scheduling 11, 2008. The source and all peers have one uplink rate, downlinks are
//! unlimited, and a piece is of use only in whole. A round is the time in which an uplink sends one
//! piece.
//!
//! Why it is a bound: the source sends the last of M pieces in round M at the soonest. After that
//! round one peer has that piece, and who has it can at most double in each further round, so N
//! peers have it no sooner than floor(log2 N) rounds later. [`super::Schedule`] attains it.

/// Rounds until `peers` have all of `parts` pieces, at the least: M + floor(log2 N). Zero if there
/// is nobody or nothing.
pub fn mundinger_rounds(peers: u32, parts: u32) -> u64 {
    match peers.checked_ilog2() {
        Some(doublings) if parts > 0 => u64::from(parts) + u64::from(doublings),
        _ => 0,
    }
}

/// The same in seconds, for a content of `bytes` and uplinks of `up` bytes a second:
/// (1 + floor(log2 N) / M) F / u.
pub fn mundinger_seconds(peers: u32, parts: u32, bytes: u64, up: u64) -> f64 {
    mundinger_rounds(peers, parts) as f64 / f64::from(parts.max(1)) * bytes as f64 / up as f64
}

/// Rounds until one piece reaches `peers` from one source, at the least: ceil(log2 (N + 1)). All
/// have one uplink rate.
pub fn single_piece_rounds(peers: u32) -> u32 {
    (u64::from(peers) + 1).next_power_of_two().trailing_zeros()
}

/// Copies of a piece that there can be after `seconds`, if there was one at the start and all
/// uplinks are `up` bytes a second: 2^(t u / F).
pub fn copies_max(seconds: f64, piece_bytes: u64, up: u64) -> f64 {
    (seconds * up as f64 / piece_bytes as f64).exp2()
}

/// By which factor copies grow in the time in which an uplink sends one piece, if each holder sends
/// to `together` others at once and begins anew when those are done: (1 + K)^(1 / K). It is 2 with
/// one at a time and falls from there, so few upload slots are good at the start.
pub fn growth_by_slots(together: u32) -> f64 {
    let together = f64::from(together.max(1));
    (1.0 + together).powf(1.0 / together)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_peers_need_nine_rounds_more_than_there_are_pieces() {
        assert_eq!(mundinger_rounds(1_000, 400), 409);
        assert_eq!(mundinger_seconds(1_000, 400, 400_000, 1_000), 409.0);
        assert!((mundinger_rounds(1_000, 400) as f64 / 400.0 - 1.0225).abs() < 1e-12);
        assert!((mundinger_rounds(200, 100) as f64 / 100.0 - 1.07).abs() < 1e-12);
        assert_eq!((mundinger_rounds(0, 400), mundinger_rounds(5, 0)), (0, 0));
    }

    #[test]
    fn one_piece_doubles_in_each_round() {
        let rounds: Vec<u32> = [0, 1, 2, 3, 4, 7, 8, 1_000].map(single_piece_rounds).into();
        assert_eq!(rounds, [0, 1, 2, 2, 3, 3, 4, 10]);
        assert_eq!(copies_max(3.0, 100, 100), 8.0);
        for peers in 1..5_000 {
            assert_eq!(u64::from(single_piece_rounds(peers)), mundinger_rounds(peers, 1));
        }
    }

    #[test]
    fn more_uploads_at_once_spread_a_piece_more_slowly() {
        assert_eq!(growth_by_slots(1), 2.0);
        assert!((growth_by_slots(4) - 1.495).abs() < 1e-3);
        assert!((1..50).all(|slots| growth_by_slots(slots) > growth_by_slots(slots + 1)));
    }
}
