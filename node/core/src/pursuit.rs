//! What only matters while something is missing: patience, and who was asked for the manifest.

use std::time::Duration;

use crate::{id::PeerKey, output::GiveUp, time::Timestamp};

/// How long others are asked for a signature after somebody gave the manifest without. Long enough to hear
/// of them from directories and neighbours.
const SIGNATURE_PATIENCE: Duration = Duration::from_secs(10);

/// A content that is not whole yet.
#[derive(Debug)]
pub(crate) struct Pursuit {
    /// The last sign that somebody has what we want.
    pub(crate) alive: Timestamp,
    patience: Duration,
    /// Who was asked for the manifest.
    pub(crate) manifest_from: Option<PeerKey>,
    pub(crate) ever_linked: bool,
    /// When the manifest last came without the signature that is demanded.
    unsigned: Option<Timestamp>,
}

impl Pursuit {
    pub(crate) fn new(now: Timestamp, patience: Duration) -> Pursuit {
        Pursuit { alive: now, patience, manifest_from: None, ever_linked: false, unsigned: None }
    }

    /// What was whole and rotted is pursued for ever: its owner has been told that it is there.
    pub(crate) fn of_repair(now: Timestamp) -> Pursuit {
        Pursuit { ever_linked: true, ..Pursuit::new(now, Duration::MAX) }
    }

    /// The manifest came without the signature that is demanded.
    pub(crate) fn on_unsigned(&mut self, now: Timestamp) {
        self.unsigned = Some(now);
        self.manifest_from = None;
    }

    /// When patience ends, if nothing happens before. Whoever is being asked for the manifest is waited for:
    /// that ends by itself.
    pub(crate) fn end(&self) -> Timestamp {
        let end = self.alive + self.patience;
        match self.unsigned {
            Some(since) if self.manifest_from.is_none() => end.min(since + SIGNATURE_PATIENCE),
            _ => end,
        }
    }

    /// What to say when it has ended; `received` bytes came.
    pub(crate) fn verdict(&self, received: u64) -> GiveUp {
        if self.unsigned.is_some() {
            return GiveUp::Unsigned;
        }
        match (self.ever_linked, received) {
            (false, 0) => GiveUp::Unreachable,
            (true, 0) => GiveUp::NotFound,
            _ => GiveUp::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_signature_is_asked_for_elsewhere_for_a_while_and_then_is_the_reason() {
        let start = Timestamp::from_millis(5_000);
        let mut pursuit = Pursuit::new(start, Duration::from_secs(60));
        pursuit.ever_linked = true;
        assert_eq!(pursuit.verdict(0), GiveUp::NotFound);
        pursuit.manifest_from = Some(PeerKey(1));
        let later = start + Duration::from_secs(20);
        pursuit.on_unsigned(later);
        assert_eq!(pursuit.manifest_from, None, "somebody else can be asked");
        assert_eq!(pursuit.end(), later + SIGNATURE_PATIENCE);
        pursuit.manifest_from = Some(PeerKey(2));
        assert_eq!(pursuit.end(), start + Duration::from_secs(60), "who is being asked is waited for");
        assert_eq!(pursuit.verdict(0), GiveUp::Unsigned);
    }

    #[test]
    fn a_signature_is_not_waited_for_longer_than_anything_else() {
        let mut pursuit = Pursuit::new(Timestamp::ZERO, Duration::from_secs(3));
        pursuit.on_unsigned(Timestamp::from_millis(1_000));
        assert_eq!(pursuit.end(), Timestamp::from_millis(3_000));
    }
}
