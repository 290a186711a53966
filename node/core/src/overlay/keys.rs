//! The keys under which directories are found.
//!
//! Only directories stand under a key, never peers: the hash table says who knows, and a directory
//! says who takes part. A key hides its content from everybody who does not know the content.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{
    id::{ContentId, Hash},
    place::asn::Asn,
};

/// From so many members on, the members of one AS have a key of their own. Fewer are found by the
/// content's key as fast.
pub const AS_MEMBERS_MIN: usize = 3;

/// A key of the hash table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Hash);

impl Key {
    /// The key of the directories that know a content: `SHA-256("c" | info hash)`.
    pub fn of_content(content: &ContentId) -> Key {
        Key(Sha256::new().chain_update(b"c").chain_update(content.0).finalize().into())
    }

    /// The key of the directories that know members of a content in one AS:
    /// `SHA-256("a" | info hash | AS number, four bytes, big endian)`.
    pub fn of_as(content: &ContentId, asn: Asn) -> Key {
        let number = asn.0.to_be_bytes();
        let digest = Sha256::new().chain_update(b"a").chain_update(content.0).chain_update(number);
        Key(digest.finalize().into())
    }

    /// The key in bytes that a stranger sent. `None`: no key has this length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Key> {
        bytes.try_into().ok().map(Key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `printf`, `xxd -r -p` and `sha256sum`.
    #[test]
    fn keys_are_those_that_the_page_about_the_wire_names() {
        let content = ContentId([7; 32]);
        let shown = |key: Key| format!("{key:?}");
        assert_eq!(
            shown(Key::of_content(&content)),
            "Key(cc91a5881b418322185f542dc31dc5cb33e5f63b6226b8e3677ec37eaf8e18e7)"
        );
        assert_eq!(
            shown(Key::of_as(&content, Asn(64_500))),
            "Key(1859c82976af44ccd8e7354f9c41fc6a9d97ac9316de3d697be9965b1cb5767a)"
        );
    }

    #[test]
    fn what_has_another_length_is_no_key() {
        assert_eq!(Key::from_bytes(&[1; 32]), Some(Key([1; 32])));
        assert_eq!([0, 31, 33, 4096].map(|len| Key::from_bytes(&vec![1; len])), [None; 4]);
    }
}
