//! What a stream can reach: its rate, how soon a chunk is with all, and how soon play can start.
//!
//! The rate is of R. Kumar, Y. Liu and K. Ross, *Stochastic Fluid Theory for P2P Streaming Systems*,
//! INFOCOM 2007: a fluid with limits at uplinks only.

/// The highest rate at which all viewers can be served, in bytes a second:
/// min { u_s, (u_s + Σ u_i) / N }. Infinite if there are no viewers.
pub fn streaming_rate(source: u64, uplinks: &[u64]) -> f64 {
    if uplinks.is_empty() {
        return f64::INFINITY;
    }
    let all = u128::from(source) + uplinks.iter().copied().map(u128::from).sum::<u128>();
    (source as f64).min(all as f64 / uplinks.len() as f64)
}

/// Chunk times until a chunk is with all `viewers`, at the least, if uplinks are about as fast as the
/// stream: 1 + floor(log2 N). Zero if there are none.
pub fn diffusion_chunks(viewers: u32) -> u32 {
    viewers.checked_ilog2().map_or(0, |doublings| doublings + 1)
}

/// How long after the first moment play must wait so that it never stalls, in seconds.
///
/// `arrivals` are moments, in seconds, and how many bytes came then in the order of play; the
/// earliest is first. Play takes `rate` bytes a second. The byte that comes at t must not be played
/// before: the wait is max { t - (bytes before) / rate }.
pub fn start_up_seconds(arrivals: &[(f64, u64)], rate: f64) -> f64 {
    let mut before = 0_u64;
    let mut wait = 0.0_f64;
    for &(at, bytes) in arrivals {
        if bytes > 0 {
            wait = wait.max(at - before as f64 / rate);
        }
        before += bytes;
    }
    wait
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_or_all_uplinks_together_limit_the_rate() {
        assert_eq!(streaming_rate(100, &[50, 50, 50, 50]), 75.0);
        assert_eq!(streaming_rate(60, &[50, 50, 50, 50]), 60.0);
        assert_eq!(streaming_rate(100, &[]), f64::INFINITY);
    }

    #[test]
    fn a_chunk_needs_a_doubling_more_than_the_first_viewer() {
        assert_eq!([0, 1, 2, 1_000].map(diffusion_chunks), [0, 1, 2, 10]);
    }

    #[test]
    fn play_waits_for_the_latest_byte_and_no_longer() {
        // Bytes come at 100 a second in chunks, the third one two seconds late.
        let arrivals = [(1.0, 100), (2.0, 100), (5.0, 100), (5.0, 0), (6.0, 200)];
        assert_eq!(start_up_seconds(&arrivals, 100.0), 3.0);
        assert_eq!(start_up_seconds(&arrivals, 50.0), 1.0);
        assert_eq!(start_up_seconds(&[], 50.0), 0.0);
    }
}
