//! Numbers that another party chose: counts, pauses, lengths, ports.
//!
//! Any value may come, even `u32::MAX` and `u64::MAX`, so nothing is computed with such a number
//! before it has a bound. That is why this type has no arithmetic, no `Deref` and no way to the
//! bare number: code that wants to use one has to say how large it may be.

use serde::{Deserialize, Serialize};

use std::{fmt, ops::RangeInclusive};

/// A number from outside. Only a bound turns it into an ordinary number.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untrusted<T>(T);

impl<T: Copy + Ord> Untrusted<T> {
    /// Marks a number that another party chose.
    pub const fn new(number: T) -> Untrusted<T> {
        Untrusted(number)
    }

    /// The number, or `most` if it is larger.
    pub fn at_most(self, most: T) -> T {
        self.0.min(most)
    }

    /// The number, or the end of `range` that is nearest to it. An empty range gives its end.
    pub fn clamp(self, range: RangeInclusive<T>) -> T {
        self.0.max(*range.start()).min(*range.end())
    }

    /// The number, if it lies in `range`.
    pub fn within(self, range: RangeInclusive<T>) -> Option<T> {
        range.contains(&self.0).then_some(self.0)
    }

    /// Passes the number to `door`, a look-up that knows what there is, and returns its answer.
    pub fn admit<U>(self, door: impl FnOnce(T) -> Option<U>) -> Option<U> {
        door(self.0)
    }

    /// The number in a type that may be too small for it, if it fits.
    pub fn fits<U: TryFrom<T>>(self) -> Option<U> {
        U::try_from(self.0).ok()
    }
}

impl<T: Copy + Ord + Default> Untrusted<T> {
    /// The number. `None`: it is zero, which on the wire means that nothing was said.
    pub fn said(self) -> Option<Untrusted<T>> {
        (self.0 != T::default()).then_some(self)
    }
}

impl Untrusted<u32> {
    /// Its bytes as they are sent: passing a number on is not using it.
    pub const fn to_be_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl<T> From<T> for Untrusted<T> {
    fn from(number: T) -> Untrusted<T> {
        Untrusted(number)
    }
}

/// Shows the bare number, which harms nobody. `Debug`, in logs and traces, marks it as a claim.
impl<T: fmt::Display> fmt::Display for Untrusted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for Untrusted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "claimed {:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_from_outside_comes_out_within_the_bound_that_was_named() {
        let huge = Untrusted::new(u32::MAX);
        assert_eq!(huge.at_most(10), 10);
        assert_eq!(huge.clamp(3..=7), 7);
        assert_eq!(Untrusted::new(0).clamp(3..=7), 3);
        assert_eq!((huge.within(0..=10), Untrusted::new(4).within(0..=10)), (None, Some(4)));
    }

    #[test]
    fn a_number_that_does_not_fit_is_none_and_zero_says_nothing() {
        assert_eq!(
            (Untrusted::new(70_000_u32).fits::<u16>(), Untrusted::new(443_u32).fits()),
            (None, Some(443_u16))
        );
        assert_eq!(Untrusted::new(0_u32).said(), None);
        assert_eq!(format!("{:?} {}", Untrusted::new(5), Untrusted::new(5)), "claimed 5 5");
    }

    #[test]
    fn a_number_comes_in_by_a_look_up_that_knows_it_and_goes_out_as_it_came() {
        let names = ["zero", "one"];
        let name = |number: u32| names.get(number as usize).copied();
        assert_eq!(
            (Untrusted::new(1).admit(name), Untrusted::new(u32::MAX).admit(name)),
            (Some("one"), None)
        );
        assert_eq!(Untrusted::new(0x0102_0304).to_be_bytes(), [1, 2, 3, 4]);
    }
}
