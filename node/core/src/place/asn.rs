//! Autonomous systems: the networks that the Internet is made of, each under one administration,
//! and what two of them are to each other.

use serde::{Deserialize, Serialize};

use std::{fmt, str::FromStr};

/// Number of an autonomous system (RFC 6793: 32 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Asn(pub u32);

impl Asn {
    /// What speakers of 16-bit numbers see in place of a longer one (RFC 6793).
    pub const TRANS: Asn = Asn(23_456);

    /// Whether this number may stand in a path of the public Internet. It may not if it is zero
    /// (RFC 7607), `AS_TRANS`, for documentation (RFC 5398), private (RFC 6996), or the last of 16
    /// or 32 bits (RFC 7300).
    pub fn is_public(self) -> bool {
        !matches!(self.0, 0 | 23_456 | 64_496..=65_551 | 4_200_000_000..=u32::MAX)
    }

    /// Whether the number is free for everybody's own use, so that nobody in the Internet has it:
    /// private (RFC 6996), or for documentation (RFC 5398).
    pub fn is_local(self) -> bool {
        matches!(self.0, 64_496..=65_534 | 65_536..=65_551 | 4_200_000_000..=4_294_967_294)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

/// A text that is no AS number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an AS number is 0 to 4294967295, with or without AS in front")]
pub struct AsnError;

impl FromStr for Asn {
    type Err = AsnError;

    fn from_str(text: &str) -> Result<Asn, AsnError> {
        let digits = match text.get(..2) {
            Some(start) if start.eq_ignore_ascii_case("as") => &text[2..],
            _ => text,
        };
        // `parse` alone would let a sign pass.
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            digits.parse().map(Asn).map_err(|_| AsnError)
        } else {
            Err(AsnError)
        }
    }
}

/// What a neighbouring AS is to ours (Gao, 2001).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Relation {
    /// It pays us to reach the rest of the Internet.
    Customer,
    /// Each carries traffic for the other's customers, and nobody pays.
    Peer,
    /// We pay it.
    Provider,
    /// They are linked; who pays is not known.
    Unknown,
}

impl Relation {
    /// What we are to the neighbouring AS.
    pub fn reversed(self) -> Relation {
        match self {
            Relation::Customer => Relation::Provider,
            Relation::Provider => Relation::Customer,
            Relation::Peer | Relation::Unknown => self,
        }
    }

    /// The name in JSON and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Relation::Customer => "customer",
            Relation::Peer => "peer",
            Relation::Provider => "provider",
            Relation::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_with_or_without_its_letters() {
        assert_eq!("AS64500".parse(), Ok(Asn(64_500)));
        assert_eq!("as1".parse(), Ok(Asn(1)));
        assert_eq!("4294967295".parse(), Ok(Asn(u32::MAX)));
        for text in ["", "AS", "+1", "AS-1", "4294967296", "ä1"] {
            assert_eq!(text.parse::<Asn>(), Err(AsnError), "{text}");
        }
    }

    #[test]
    fn reserved_numbers_are_not_public() {
        for reserved in [0, 23_456, 64_496, 64_512, 65_535, 65_551, 4_200_000_000, u32::MAX] {
            assert!(!Asn(reserved).is_public(), "{reserved}");
        }
        for local in [64_496, 64_512, 65_534, 65_536, 4_200_000_000, 4_294_967_294] {
            assert!(Asn(local).is_local(), "{local}");
        }
        for none in [0, 23_456, 64_495, 65_535, 65_552, 4_199_999_999, u32::MAX] {
            assert!(!Asn(none).is_local(), "{none}");
        }
        for public in [1, 3_356, 64_495, 65_552, 131_072, 4_199_999_999] {
            assert!(Asn(public).is_public(), "{public}");
        }
    }
}
