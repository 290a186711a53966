//! No version of the program may have more than its share of supernodes: a fault in one version must not take them all.
//!
//! In December 2010 a version that half of the users of Skype ran failed, and took a quarter to a third of all
//! supernodes with it.

/// Whether one more supernode of `version` is within the share, as far as supernodes are known.
///
/// `serving` are the versions of the supernodes that are known, our own included. `seen` are those of other nodes: where
/// all run one version there is no choice, and no bound. The share is in per cent, rounded up to whole supernodes.
pub(super) fn may_serve(
    version: u32,
    serving: impl Iterator<Item = u32>,
    mut seen: impl Iterator<Item = u32>,
    share_max: u8,
) -> bool {
    let (mut all, mut same) = (1_u32, 1_u32);
    for other in serving {
        all = all.saturating_add(1);
        same = same.saturating_add(u32::from(other == version));
    }
    let allowed = all.saturating_mul(share_max.into()).div_ceil(100);
    same <= allowed || (same == all && !seen.any(|other| other != version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(version: u32, serving: &[u32], seen: &[u32]) -> bool {
        may_serve(version, serving.iter().copied(), seen.iter().copied(), 60)
    }

    #[test]
    fn no_version_gets_more_than_its_share_where_there_are_others() {
        let mut serving = vec![1];
        for _ in 0..999 {
            let next = if may(1, &serving, &[1, 2]) { 1 } else { 2 };
            assert!(may(next, &serving, &[1, 2]), "somebody may serve");
            serving.push(next);
            let of_one = serving.iter().filter(|&&version| version == 1).count();
            assert!(of_one <= (serving.len() * 6).div_ceil(10), "{of_one} of {}", serving.len());
        }
    }

    #[test]
    fn where_all_run_one_version_there_is_no_bound() {
        assert!(may(1, &[1; 50], &[1; 9]));
        assert!(!may(1, &[1; 50], &[1, 2]));
        assert!(!may(1, &[1, 1, 1, 1, 1, 1, 2], &[1, 1]));
    }
}
