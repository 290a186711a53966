//! Who published a content: ed25519 signatures over its id.
//!
//! The content id pins every byte, so a signature over it covers everything. A context string and
//! the id are signed, so that a signature made for anything else never counts here, and none of
//! these counts anywhere else. Verification is strict: one encoding of key and signature only, no
//! weak keys.
//!
//! Invariant: [`Signatures::good`] holds only signatures that verify, at most one for each key.

use std::{fmt, str::FromStr};

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::id::ContentId;

/// Signatures read of one content; more are ignored.
pub const SIGNATURES_MAX: usize = 16;
/// Bytes of a signature as it travels: a public key, then the signature.
pub const SIGNATURE_BYTES: usize = 32 + 64;

/// Stands before the content id in the signed message. It ends with a zero byte, which no text has.
const CONTEXT: &[u8; 32] = b"nearcast publisher signature v1\0";
/// The beginning of the text of a public key.
const KEY_SCHEME: &str = "ed25519:";

/// The public half of a publisher's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublisherKey(pub [u8; 32]);

impl fmt::Display for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KEY_SCHEME)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublisherKey({self})")
    }
}

/// A text that is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublisherKeyError {
    /// It has another form.
    #[error("a publisher's key is \"{KEY_SCHEME}\" and 64 hexadecimal digits")]
    Form,
    /// The digits name no point of the curve, or a weak key, which signs for everybody.
    #[error("these digits are nobody's key; is one of them mistyped?")]
    NoKey,
}

impl FromStr for PublisherKey {
    type Err = PublisherKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(KEY_SCHEME).ok_or(PublisherKeyError::Form)?;
        // 64 digits, like a content id.
        let ContentId(bytes) = digits.parse().map_err(|_| PublisherKeyError::Form)?;
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(PublisherKey(bytes)),
            _ => Err(PublisherKeyError::NoKey),
        }
    }
}

/// A key and its claimed signature. [`Signatures::check`] tells whether it is genuine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The key that is said to have signed.
    pub key: PublisherKey,
    /// R and S, as in RFC 8032.
    pub bytes: [u8; 64],
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature(by {})", self.key)
    }
}

impl Signature {
    /// Signs a content. The same seed and content always give the same signature.
    pub fn sign(seed: &[u8; 32], content: ContentId) -> Signature {
        let key = SigningKey::from_bytes(seed);
        let bytes = key.sign(&message(content)).to_bytes();
        Signature { key: PublisherKey(key.verifying_key().to_bytes()), bytes }
    }

    fn is_good(&self, content: ContentId) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&self.bytes);
        VerifyingKey::from_bytes(&self.key.0)
            .is_ok_and(|key| key.verify_strict(&message(content), &signature).is_ok())
    }

    /// Key, then signature.
    pub fn to_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        let mut bytes = [0; SIGNATURE_BYTES];
        bytes[..32].copy_from_slice(&self.key.0);
        bytes[32..].copy_from_slice(&self.bytes);
        bytes
    }

    /// Reads what [`Signature::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8; SIGNATURE_BYTES]) -> Signature {
        let (mut key, mut signature) = ([0; 32], [0; 64]);
        key.copy_from_slice(&bytes[..32]);
        signature.copy_from_slice(&bytes[32..]);
        Signature { key: PublisherKey(key), bytes: signature }
    }
}

fn message(content: ContentId) -> [u8; 64] {
    let mut message = [0; 64];
    message[..32].copy_from_slice(CONTEXT);
    message[32..].copy_from_slice(&content.0);
    message
}

/// The signatures of one content, verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    good: Vec<Signature>,
    bad: Vec<PublisherKey>,
}

impl Signatures {
    /// Verifies the first [`SIGNATURES_MAX`] of the claimed signatures. A signature that does not
    /// verify is discarded, and only its key is remembered.
    pub fn check(content: ContentId, claimed: impl IntoIterator<Item = Signature>) -> Signatures {
        let mut checked = Signatures::default();
        for signature in claimed.into_iter().take(SIGNATURES_MAX) {
            if !signature.is_good(content) {
                if !checked.bad.contains(&signature.key) {
                    checked.bad.push(signature.key);
                }
            } else if !checked.is_by(&[signature.key]) {
                checked.good.push(signature);
            }
        }
        checked.good.sort_by_key(|signature| signature.key);
        checked
    }

    /// The signatures that verify, in the order of their keys.
    pub fn good(&self) -> &[Signature] {
        &self.good
    }

    /// The keys that signed.
    pub fn keys(&self) -> impl Iterator<Item = PublisherKey> + '_ {
        self.good.iter().map(|signature| signature.key)
    }

    /// The keys whose signatures were discarded, as they do not verify.
    pub fn bad(&self) -> &[PublisherKey] {
        &self.bad
    }

    /// Whether one of the keys in `wanted` signed.
    pub fn is_by(&self, wanted: &[PublisherKey]) -> bool {
        self.keys().any(|key| wanted.contains(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: ContentId = ContentId([7; 32]);

    fn signed(seed: u8) -> Signature {
        Signature::sign(&[seed; 32], CONTENT)
    }

    #[test]
    fn a_signature_verifies_for_its_content_only() {
        let checked = Signatures::check(CONTENT, [signed(1)]);
        assert!(checked.is_by(&[signed(2).key, signed(1).key]));
        assert!(!checked.is_by(&[signed(2).key]) && checked.bad().is_empty());
        let other = Signatures::check(ContentId([8; 32]), [signed(1)]);
        assert_eq!((other.good(), other.bad()), (&[][..], &[signed(1).key][..]));
    }

    #[test]
    fn no_flipped_bit_passes() {
        let good = signed(1).to_bytes();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good;
                bytes[at] ^= 1 << bit;
                let checked = Signatures::check(CONTENT, [Signature::from_bytes(&bytes)]);
                assert!(checked.good().is_empty() && checked.bad().len() == 1, "byte {at}, bit {bit}");
            }
        }
        assert_eq!(Signature::from_bytes(&good), signed(1));
    }

    #[test]
    fn the_bare_hash_signed_for_another_purpose_is_no_signature_here() {
        let key = SigningKey::from_bytes(&[1; 32]);
        for message in [&CONTENT.0[..], b"", &[&CONTEXT[..31], &CONTENT.0].concat()] {
            let bytes = key.sign(message).to_bytes();
            let claimed = Signature { key: signed(1).key, bytes };
            assert!(Signatures::check(CONTENT, [claimed]).good().is_empty());
        }
    }

    #[test]
    fn weak_keys_and_signatures_in_another_encoding_are_refused() {
        // The neutral point: with R = A and S = 0 plain verification would accept any message.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let forged = Signature { key: PublisherKey(neutral), bytes };
        assert!(Signatures::check(CONTENT, [forged]).good().is_empty());
        // S + L says the same as S to a careless verifier. L as in RFC 8032, little-endian.
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut shifted = signed(1);
        let mut carry = 0;
        for (byte, order) in shifted.bytes[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert_eq!(Signatures::check(CONTENT, [shifted]).bad(), [signed(1).key]);
    }

    #[test]
    fn keys_and_signatures_are_bounded_and_each_counts_once() {
        let many = (0..100).map(signed);
        assert_eq!(Signatures::check(CONTENT, many).good().len(), SIGNATURES_MAX);
        let twice = Signatures::check(CONTENT, [signed(1), signed(2), signed(1)]);
        assert_eq!(twice.good().len(), 2);
        assert!(twice.good().is_sorted_by_key(|signature| signature.key));
    }

    #[test]
    fn a_key_round_trips_through_its_text_and_nothing_else_is_one() {
        let key = signed(1).key;
        assert_eq!(key.to_string().parse(), Ok(key));
        let digits = key.to_string().split_off(KEY_SCHEME.len());
        for wrong in ["", "ed25519:", &digits, &format!("rsa:{digits}"), &format!("ed25519:{digits}0")] {
            assert_eq!(wrong.parse::<PublisherKey>(), Err(PublisherKeyError::Form), "{wrong}");
        }
        for nobody in ["00".repeat(32), format!("01{}", "00".repeat(31)), format!("02{}", "00".repeat(31))] {
            let text = format!("{KEY_SCHEME}{nobody}");
            assert_eq!(text.parse::<PublisherKey>(), Err(PublisherKeyError::NoKey), "{text}");
        }
    }
}
