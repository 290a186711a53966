//! Hashes of the trees of BEP 52, over bytes and rows of hashes alone.

mod lanes;

use sha2::{Digest, Sha256};

use crate::{content::layout::BLOCK_BYTES, id::Hash};

/// SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The node above two others.
pub fn parent(left: &Hash, right: &Hash) -> Hash {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    sha256(&both)
}

/// The root over `leaves` leaves that all lie past the end of the file.
///
/// # Panics
/// If `leaves` is no power of two.
pub fn zero_root(leaves: u32) -> Hash {
    assert!(leaves.is_power_of_two(), "trees have 2^k leaves");
    (0..leaves.ilog2()).fold([0; 32], |node, _| parent(&node, &node))
}

/// The root over `leaves` leaves, the first of which hold `data`.
///
/// # Panics
/// If `leaves` is no power of two, or `data` is longer than `leaves` blocks.
pub fn subtree_root(data: &[u8], leaves: u32) -> Hash {
    assert!(leaves.is_power_of_two(), "trees have 2^k leaves");
    assert!(data.len() <= bytes_of(leaves));
    if data.is_empty() {
        return zero_root(leaves);
    }
    if leaves == 1 {
        return sha256(data);
    }
    if leaves as usize == lanes::LANES
        && let Some(row) = data.try_into().ok().and_then(lanes::hash_leaves)
    {
        return layer_root(&row, 1);
    }
    let half = leaves / 2;
    let (left, right) = data.split_at(data.len().min(bytes_of(half)));
    parent(&subtree_root(left, half), &subtree_root(right, half))
}

/// Number of bytes that `leaves` leaves stand for.
fn bytes_of(leaves: u32) -> usize {
    (leaves as usize).saturating_mul(BLOCK_BYTES as usize)
}

/// The root over a row of equal subtrees of `leaves_each` leaves, padded to the next power of two
/// with empty ones: the `pieces root` of a file from its piece layer, or a piece's hash from the
/// roots of its runs when those are a layer of its tree. No hashes at all give the empty subtree.
///
/// # Panics
/// If `leaves_each` is no power of two.
pub fn layer_root(layer: &[Hash], leaves_each: u32) -> Hash {
    let mut empty = zero_root(leaves_each);
    let above = |row: &[Hash], empty: &Hash| -> Vec<Hash> {
        let pair = |pair: &[Hash]| parent(&pair[0], pair.get(1).unwrap_or(empty));
        row.chunks(2).map(pair).collect()
    };
    let mut row = match layer {
        [] => return empty,
        [root] => return *root,
        _ => above(layer, &empty),
    };
    while row.len() > 1 {
        empty = parent(&empty, &empty);
        row = above(&row, &empty);
    }
    row[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_subtree_is_made_of_zero_leaves() {
        assert_eq!(zero_root(1), [0; 32]);
        assert_eq!(zero_root(2), parent(&[0; 32], &[0; 32]));
        assert_eq!(subtree_root(&[], 8), zero_root(8));
    }

    #[test]
    fn sixteen_leaves_at_once_hash_to_what_each_hashes_to_alone() {
        let data: Vec<u8> = (0..lanes::LANES_BYTES as u32).map(|i| ((i / 5) ^ (i >> 9)) as u8).collect();
        let alone: Vec<Hash> = data.chunks(BLOCK_BYTES as usize).map(sha256).collect();
        // If the processor cannot do it, the leaves are hashed alone anyway.
        if let Some(row) = lanes::hash_leaves(data[..].try_into().unwrap()) {
            assert_eq!(row.as_slice(), alone);
        }
        assert_eq!(subtree_root(&data, 16), layer_root(&alone, 1));
    }

    #[test]
    fn a_layer_of_any_length_gives_the_root_over_its_blocks() {
        let data: Vec<u8> = (0..9 * 65_536u32 - 20_000).map(|i| (i / 7) as u8).collect();
        for pieces in 1..=9 {
            let data = &data[..data.len().min(pieces * 65_536)];
            let layer: Vec<Hash> = data.chunks(65_536).map(|piece| subtree_root(piece, 4)).collect();
            let leaves = 4 * pieces.next_power_of_two() as u32;
            assert_eq!(layer_root(&layer, 4), subtree_root(data, leaves), "{pieces}");
        }
    }
}
