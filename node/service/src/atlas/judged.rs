//! Which offered atlases to try next, and the results of earlier attempts.
//!
//! Invariant: a peer that offers an unobtainable atlas costs others no more than one place among
//! several, for seconds.

use std::{collections::VecDeque, time::Duration};

use nearcast_core::{id::ContentId, magnet::Magnet};
use nearcast_node::directory::AtlasOffer;
use tokio::time::Instant;

use super::age::{Age, Today};

/// Pause between two attempts for the same offer: the first pause, and the longest.
const RETRY_FIRST: Duration = Duration::from_secs(15);
const RETRY_MAX: Duration = Duration::from_secs(1800);
/// How long an attempt may run while others wait, before it has shown something that the pinned key
/// signed. This is the first value; it doubles.
const SHOW_FIRST: Duration = Duration::from_secs(5);
/// Refused contents that we remember, so that offering one again costs nothing.
const REFUSED_MAX: usize = 64;
/// Contents that we remember as currently not obtainable.
const PAUSED_MAX: usize = 64;

/// An offer to try now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) content: ContentId,
    /// The version that the offer claims.
    pub(super) version: u64,
    /// How long the attempt may keep others waiting.
    pub(super) show_within: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    content: ContentId,
    until: Instant,
    wait: Duration,
}

/// What we remember of judged offers.
#[derive(Debug, Default)]
pub(super) struct Judged {
    refused: VecDeque<ContentId>,
    paused: VecDeque<Pause>,
}

impl Judged {
    /// The offers to try at `now`, the best first. `offers` are in the order in which to judge
    /// them.
    pub(super) fn due(&self, offers: &[AtlasOffer], in_use: u64, today: Today, now: Instant) -> Vec<Due> {
        let mut due: Vec<Due> = Vec::new();
        for (content, version) in self.wanted(offers, in_use, today) {
            let pause = self.pause(content);
            if due.iter().all(|due| due.content != content) && pause.is_none_or(|pause| pause.until <= now) {
                let show_within = pause.map_or(SHOW_FIRST, |pause| SHOW_FIRST * doublings(pause.wait));
                due.push(Due { content, version, show_within });
            }
        }
        due
    }

    /// When to try a paused offer again.
    pub(super) fn next(&self, offers: &[AtlasOffer], in_use: u64, today: Today) -> Option<Instant> {
        let pauses = self.wanted(offers, in_use, today).filter_map(|(content, _)| self.pause(content));
        pauses.map(|pause| pause.until).min()
    }

    fn wanted(
        &self,
        offers: &[AtlasOffer],
        in_use: u64,
        today: Today,
    ) -> impl Iterator<Item = (ContentId, u64)> {
        offers.iter().filter_map(move |AtlasOffer { version, link }| {
            let newer = *version > in_use && !matches!(today.age(*version), Age::Ahead(_));
            let link: Magnet = link.parse().ok().filter(|_| newer)?;
            (!self.refused.contains(&link.content)).then_some((link.content, *version))
        })
    }

    fn pause(&self, content: ContentId) -> Option<&Pause> {
        self.paused.iter().find(|pause| pause.content == content)
    }

    /// Never tries this content again.
    pub(super) fn refuse(&mut self, content: ContentId) {
        self.paused.retain(|pause| pause.content != content);
        self.refused.truncate(REFUSED_MAX - 1);
        self.refused.push_front(content);
    }

    /// Tries this content again later; the pause grows each time.
    pub(super) fn put_off(&mut self, content: ContentId, now: Instant) {
        let wait = self.pause(content).map_or(RETRY_FIRST, |pause| (pause.wait * 2).min(RETRY_MAX));
        self.paused.retain(|pause| pause.content != content);
        self.paused.truncate(PAUSED_MAX - 1);
        self.paused.push_front(Pause { content, until: now + wait, wait });
    }
}

/// The factor for `SHOW_FIRST` after a pause of this length: twice as much as the pause has grown.
fn doublings(wait: Duration) -> u32 {
    let times = wait.as_secs() / RETRY_FIRST.as_secs();
    u32::try_from(times * 2).unwrap_or(u32::MAX).min(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    fn offer(version: u64, content: u8) -> AtlasOffer {
        AtlasOffer { version, link: Magnet::new(ContentId([content; 32])).to_string() }
    }

    fn due(judged: &Judged, offers: &[AtlasOffer], in_use: u64, now: Instant) -> Vec<u8> {
        let due = judged.due(offers, in_use, Today::at(NOW), now);
        due.into_iter().map(|due| due.content.0[0]).collect()
    }

    #[test]
    fn only_what_is_newer_and_not_from_the_future_is_due_and_each_content_once() {
        let offers = [
            offer(u64::MAX, 1),
            offer(NOW + 3 * DAY, 2),
            offer(NOW, 3),
            offer(NOW - 5, 3),
            offer(NOW - 9, 4),
            offer(NOW - 10, 5),
            AtlasOffer { version: NOW, link: "no link".to_owned() },
        ];
        assert_eq!(due(&Judged::default(), &offers, NOW - 10, Instant::now()), [3, 4]);
        assert_eq!(due(&Judged::default(), &offers, NOW, Instant::now()), [0u8; 0]);
    }

    #[test]
    fn a_lie_about_a_version_hides_no_honest_word_about_the_same_content() {
        let offers = [offer(u64::MAX, 3), offer(NOW, 3)];
        assert_eq!(due(&Judged::default(), &offers, 0, Instant::now()), [3]);
    }

    #[test]
    fn what_is_refused_stays_refused_and_what_is_put_off_comes_again_later_and_later() {
        let offers = [offer(9, 1), offer(8, 2)];
        let (mut judged, start) = (Judged::default(), Instant::now());
        judged.refuse(ContentId([1; 32]));
        assert_eq!(due(&judged, &offers, 0, start), [2]);
        let (mut now, mut wait, mut within) = (start, RETRY_FIRST, SHOW_FIRST);
        for _ in 0..12 {
            judged.put_off(ContentId([2; 32]), now);
            assert_eq!(due(&judged, &offers, 0, now), [0u8; 0]);
            assert_eq!(judged.next(&offers, 0, Today::at(NOW)), Some(now + wait));
            now += wait;
            assert_eq!(due(&judged, &offers, 0, now), [2]);
            let longer = judged.due(&offers, 0, Today::at(NOW), now)[0].show_within;
            assert!(longer > within || longer == SHOW_FIRST * 64, "a slow network gets its time: {longer:?}");
            (wait, within) = ((wait * 2).min(RETRY_MAX), longer);
        }
        assert_eq!(judged.next(&offers, 8, Today::at(NOW)), None, "nothing is newer than ours");
    }

    #[test]
    fn memory_is_bounded_whatever_is_offered() {
        let mut judged = Judged::default();
        for content in 0..=255 {
            judged.refuse(ContentId([content; 32]));
            judged.put_off(ContentId([content; 32]), Instant::now());
        }
        assert_eq!((judged.refused.len(), judged.paused.len()), (REFUSED_MAX, PAUSED_MAX));
    }
}
