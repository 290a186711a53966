use super::*;

#[test]
fn paths_are_ordered_by_component() {
    let path = |text| RelativePath::parse(text).unwrap();
    assert!(path("a/z") < path("a.b"), "folder a sorts before the file a.b");
    assert!(path("a") < path("a/b"));
}
