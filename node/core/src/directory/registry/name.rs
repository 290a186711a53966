//! Who a peer is, in as few bytes as prove it.

/// What a libp2p peer id of an ed25519 key begins with: an identity multihash of 36 bytes, which are the key's type,
/// its length and the key.
const ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
const KEY_BYTES: usize = 32;

/// A peer, by its public key: the last 32 bytes of its peer id. The key type is always ed25519, as no other can connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(pub [u8; KEY_BYTES]);

impl PeerName {
    /// Bytes of a peer id.
    pub const ID_BYTES: usize = ID_PREFIX.len() + KEY_BYTES;

    /// The name in a peer id; none if it is of another kind of key.
    pub fn from_id(id: &[u8]) -> Option<PeerName> {
        let key = id.strip_prefix(&ID_PREFIX)?;
        key.try_into().ok().map(PeerName)
    }

    /// The peer id, as a multihash.
    pub fn to_id(self) -> [u8; PeerName::ID_BYTES] {
        let mut id = [0; PeerName::ID_BYTES];
        id[..ID_PREFIX.len()].copy_from_slice(&ID_PREFIX);
        id[ID_PREFIX.len()..].copy_from_slice(&self.0);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_id_and_other_ids_have_none() {
        let name = PeerName([7; 32]);
        assert_eq!(PeerName::from_id(&name.to_id()), Some(name));
        assert_eq!(PeerName::from_id(&name.to_id()[..37]), None);
        assert_eq!(PeerName::from_id(&[0x12; 38]), None);
        assert_eq!(PeerName::from_id(&[]), None);
    }
}
