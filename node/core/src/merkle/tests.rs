use super::*;

#[test]
fn an_empty_subtree_is_made_of_zero_leaves() {
    assert_eq!(zero_root(1), [0; 32]);
    assert_eq!(zero_root(2), parent(&[0; 32], &[0; 32]));
    assert_eq!(subtree_root(&[], 8), zero_root(8));
}
