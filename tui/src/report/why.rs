//! Why a download is not faster, in words, and what the user can do about it.

use nearcast_core::slowness::Slow;

/// A part of a sentence, with the next action. `None`: nothing holds it up that is worth a word, or it
/// is said anyway, as the phase.
pub(crate) fn sentence(why: Slow) -> Option<&'static str> {
    match why {
        Slow::OwnLimit => Some("--down is reached: raise it to go faster"),
        Slow::Spoilt => Some("false data came and is fetched again; who sent it is banned"),
        Slow::NobodyHasIt => Some(
            "no peer that is connected has what is missing: wait, or name others with --peer or --tracker",
        ),
        Slow::Choked => Some(
            "the peers that have it serve others: wait, or raise --up, as who gives more is served first",
        ),
        Slow::Turn => Some("waits for its turn to bring something into this network: nothing to do"),
        Slow::OriginSpared => Some("only the origin has it, and gives to others first: wait"),
        Slow::SlowPeers => Some("those who were asked take long: other peers may be faster, see --tracker"),
        Slow::Far => Some("those who give are far away: nearer peers would be faster, see --tracker"),
        // The phase says it, or nothing is wrong.
        Slow::Preparing | Slow::Paused | Slow::DiskFull | Slow::Alone | Slow::Searching | Slow::PeersGive => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_changed_is_said_with_how() {
        assert!(sentence(Slow::OwnLimit).is_some_and(|said| said.contains("--down")));
        assert!(sentence(Slow::Choked).is_some_and(|said| said.contains("--up")));
        assert_eq!(sentence(Slow::PeersGive), None);
    }
}
