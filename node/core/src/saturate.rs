//! Conversions to types that may be too small: a number that does not fit becomes the largest of
//! its type.
//!
//! For counts and lengths of our own, where a wrong number would be worse than a limit. For numbers
//! of other parties see [`crate::untrusted`].

/// As `usize`; [`usize::MAX`] if it does not fit.
#[inline]
pub fn to_usize(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}

/// As `u32`; [`u32::MAX`] if it does not fit.
#[inline]
pub fn to_u32(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

/// As `u16`; [`u16::MAX`] if it does not fit.
#[inline]
pub fn to_u16(number: impl TryInto<u16>) -> u16 {
    number.try_into().unwrap_or(u16::MAX)
}

/// As `u8`; [`u8::MAX`] if it does not fit.
#[inline]
pub fn to_u8(number: impl TryInto<u8>) -> u8 {
    number.try_into().unwrap_or(u8::MAX)
}

/// The integer part of a number; 0 if it is negative or NaN.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "a cast from a float takes the nearest number there is")]
pub fn whole(number: f32) -> usize {
    number as usize
}

/// The lower half of bits that are no amount, such as a hash.
#[inline]
pub fn low_half(bits: u64) -> u32 {
    (bits & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_the_largest_there_is() {
        assert_eq!((to_u32(7_usize), to_u32(1_u64 << 32)), (7, u32::MAX));
        assert_eq!((to_u16(65_535_u32), to_u16(65_536_u32)), (u16::MAX, u16::MAX));
        assert_eq!((to_u8(255_u64), to_u8(256_u64)), (u8::MAX, u8::MAX));
        assert_eq!((whole(7.9), whole(-7.9), whole(f32::INFINITY), whole(f32::NAN)), (7, 0, usize::MAX, 0));
        assert_eq!(low_half(0x0123_4567_89ab_cdef), 0x89ab_cdef);
    }
}
