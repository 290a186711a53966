use super::*;
use crate::merkle::subtree_root;

#[test]
fn what_is_built_is_parsed_again() {
    let data = vec![7; 40_000];
    let file = NewFile {
        path: RelativePath::parse("a/b").unwrap(),
        length: 40_000,
        piece_hashes: vec![subtree_root(&data[..32768], 2), subtree_root(&data[32768..], 2)],
    };
    let name = SafeName::parse(b"folder").unwrap();
    let manifest = Manifest::build(&name, 32768, vec![file], vec!["https://a.example/".into()]).unwrap();
    assert_eq!(Manifest::parse(&manifest.to_torrent()).unwrap(), manifest);
}
