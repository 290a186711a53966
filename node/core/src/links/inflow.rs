//! What came from a neighbour lately: bytes since the last tick, and ticks in which nothing came.
//!
//! Both share one word, because a simulated world holds tens of millions of links.

/// Bytes are counted in units of this many, rounded up, so that a gigabyte fits.
const UNIT_BYTES: u32 = 64;
const QUIET_SHIFT: u32 = 24;
const UNITS_MAX: u32 = (1 << QUIET_SHIFT) - 1;
/// Longer silence is not told apart: at four ticks a second, a minute.
const QUIET_MAX: u32 = 0xff;

/// What came from a neighbour since the last tick, and how many ticks in a row passed before in
/// which nothing came, although something had been asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inflow(u32);

impl Inflow {
    /// Payload came.
    pub(crate) fn note(&mut self, bytes: u32) {
        let units = self.units().saturating_add(bytes.div_ceil(UNIT_BYTES)).min(UNITS_MAX);
        self.0 = self.0 & !UNITS_MAX | units;
    }

    /// Whether nothing came since the last tick.
    pub(crate) fn is_empty(self) -> bool {
        self.units() == 0
    }

    /// In bytes: what came since the last tick.
    pub(crate) fn bytes(self) -> f32 {
        self.units() as f32 * UNIT_BYTES as f32
    }

    /// Ticks in a row in which nothing came.
    pub(crate) fn quiet(self) -> u8 {
        crate::saturate::to_u8(self.0 >> QUIET_SHIFT)
    }

    /// A tick has passed in which something was due. If nothing came, it was quiet.
    pub(crate) fn end_tick(&mut self) {
        let quiet = (self.0 >> QUIET_SHIFT).saturating_add(1).min(QUIET_MAX);
        self.0 = if self.is_empty() { quiet << QUIET_SHIFT } else { 0 };
    }

    fn units(self) -> u32 {
        self.0 & UNITS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_ticks_are_counted_until_something_comes() {
        let mut inflow = Inflow::default();
        assert!(inflow.is_empty() && inflow.quiet() == 0);
        (0..300).for_each(|_| inflow.end_tick());
        assert_eq!(inflow.quiet(), 255);
        inflow.note(100);
        assert_eq!((inflow.bytes(), inflow.quiet()), (128.0, 255), "the tick is not over yet");
        inflow.note(u32::MAX);
        assert_eq!((inflow.bytes(), inflow.quiet()), (UNITS_MAX as f32 * 64.0, 255));
        inflow.end_tick();
        assert_eq!(inflow, Inflow::default());
    }
}
