//! The history of a neighbour: how it became one, what it gave lately, and for how long it has been
//! of no use.
//!
//! All of that fits into three bytes of a link, because a simulated world holds tens of millions of
//! links.

use crate::{input::Via, links::peers::Link, time::Timestamp};

/// What we sent is counted in units of this many bytes, rounded up, so that a round's worth fits
/// into 16 bits.
const SENT_UNIT_BYTES: u32 = 4 << 10;
/// What a neighbour gave is counted in units of this many bytes, for the same reason.
const GIVEN_UNIT_BYTES: u32 = 16 << 10;
/// Length of a window. In each window every neighbour becomes one step more idle, and what it gave
/// counts a fifth less.
const WINDOW_SECONDS: u64 = 4;
/// What a neighbour gave counts for five windows on average: twenty seconds.
const GIVEN_WINDOWS: u16 = 5;
/// Bytes given or taken that make up for one window. Over a window that is 4 KiB/s: a neighbour
/// that moves less is of no more use than a new one may be, however often it moves a byte.
const USE_BYTES: u32 = 16 << 10;
/// Windows without use after which a neighbour is idle: a minute.
const IDLE_WINDOWS_MAX: u8 = 15;
/// A neighbour that waits for one of our slots is not to blame for being idle, but its interest may
/// be a mere claim. So it becomes idle this many times slower.
const WAITING_RATIO: u32 = 4;

const VIA_MASK: u8 = 0b0111;
const CHOSEN: u8 = 0b1000;
const IDLE_SHIFT: u32 = 4;

/// The number of the window that a moment is in.
pub(crate) fn window(now: Timestamp) -> u16 {
    // Only used to tell one window from the next; it starts anew after three days.
    ((now.since(Timestamp::ZERO).as_secs() / WINDOW_SECONDS) & 0xffff) as u16
}

impl Link {
    /// How we learned of it.
    pub(crate) fn via(&self) -> Via {
        const ALL: [Via; 5] = [Via::Named, Via::Directory, Via::Exchange, Via::Lan, Via::Inbound];
        let via = ALL.into_iter().find(|&via| via as u8 == self.standing & VIA_MASK);
        via.unwrap_or(Via::Inbound)
    }

    /// Another source named it too: the most trusted source counts.
    pub(crate) fn note_via(&mut self, via: Via) {
        self.standing = self.standing & !VIA_MASK | self.via().min(via) as u8;
    }

    /// Whether it was our choice: we dialled it, rather than it us.
    pub(crate) fn is_chosen(&self) -> bool {
        self.standing & CHOSEN != 0
    }

    pub(crate) fn set_chosen(&mut self) {
        self.standing |= CHOSEN;
    }

    /// Windows for which it has been of no use, at most [`IDLE_WINDOWS_MAX`].
    pub(crate) fn idle_windows(&self) -> u8 {
        self.standing >> IDLE_SHIFT
    }

    fn set_idle_windows(&mut self, windows: u8) {
        self.standing = self.standing & (VIA_MASK | CHOSEN) | windows.min(IDLE_WINDOWS_MAX) << IDLE_SHIFT;
    }

    /// It gave and took next to nothing for a minute.
    pub(crate) fn is_idle(&self) -> bool {
        self.idle_windows() >= IDLE_WINDOWS_MAX
    }

    fn note_use(&mut self, bytes: u32) {
        let windows = u8::try_from(bytes / USE_BYTES).unwrap_or(u8::MAX);
        self.set_idle_windows(self.idle_windows().saturating_sub(windows));
    }

    /// It gave us something new.
    pub(crate) fn note_given(&mut self, bytes: u32) {
        let units = u16::try_from(bytes.div_ceil(GIVEN_UNIT_BYTES)).unwrap_or(u16::MAX);
        self.given = self.given.saturating_add(units);
        self.note_use(bytes);
    }

    /// It took something from us.
    pub(crate) fn note_taken(&mut self, bytes: u32) {
        let units = u16::try_from(bytes.div_ceil(SENT_UNIT_BYTES)).unwrap_or(u16::MAX);
        self.sent = self.sent.saturating_add(units);
        self.note_use(bytes);
    }

    /// A window has passed. `seeding`: we lack nothing.
    pub(crate) fn pass_window(&mut self, window: u16, seeding: bool) {
        self.given = self.given.saturating_sub(self.given.div_ceil(GIVEN_WINDOWS));
        // While we lack something, whoever gives nothing is not excused for waiting.
        let waits = self.is_interested() && self.is_choked() && (seeding || self.given > 0);
        if !waits || u32::from(window) % WAITING_RATIO == 0 {
            self.set_idle_windows(self.idle_windows().saturating_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::PeerKey, input::Neighbour, place::tier::Tier};

    fn link() -> Link {
        let about = Neighbour {
            near: Tier::Remote.into(),
            origin: false,
            directory: false,
            manifest: true,
            web_seed: false,
        };
        Link::new(PeerKey(1), about, 4)
    }

    #[test]
    fn its_parts_do_not_touch_each_other() {
        let mut link = link();
        assert_eq!((link.via(), link.is_chosen(), link.idle_windows()), (Via::Inbound, false, 0));
        link.set_chosen();
        (1..=20).for_each(|window| link.pass_window(window, true));
        link.note_via(Via::Directory);
        link.note_via(Via::Exchange);
        assert_eq!((link.via(), link.is_chosen(), link.is_idle()), (Via::Directory, true, true));
        link.note_taken(USE_BYTES);
        assert_eq!((link.via(), link.is_chosen(), link.is_idle()), (Via::Directory, true, false));
    }

    #[test]
    fn a_byte_now_and_then_is_no_use() {
        for (bytes, is_of_use) in [(1, false), (USE_BYTES - 1, false), (256 << 10, true)] {
            let mut link = link();
            for window in 1..=60 {
                if window % 14 == 0 {
                    link.note_given(bytes);
                    link.note_taken(bytes);
                }
                link.pass_window(window, true);
            }
            assert_eq!(!link.is_idle(), is_of_use, "{bytes} bytes");
        }
    }

    #[test]
    fn who_waits_for_a_slot_grows_idle_slowly_and_what_was_given_is_forgotten_in_a_minute() {
        let mut link = link();
        link.set_interested(true);
        link.note_given(1 << 20);
        assert_eq!(link.given, 64);
        (1..=15).for_each(|window| link.pass_window(window, true));
        assert!(!link.is_idle() && link.given < 4, "{}", link.given);
        (16..=60).for_each(|window| link.pass_window(window, true));
        assert!(link.is_idle() && link.given == 0);
    }
}
