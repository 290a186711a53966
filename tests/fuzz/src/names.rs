//! Names from strangers. Every accepted name is one plain name everywhere, and no printed name
//! affects a terminal.

use std::path::Component;

use nearcast_core::paths::{
    NAME_BYTES_MAX, PATH_BYTES_MAX, PATH_DEPTH_MAX, RelativePath, SafeName, printable, stand_in,
};

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(name) = SafeName::parse(bytes) {
        let name = name.as_str();
        assert!(name.len() <= NAME_BYTES_MAX && name.as_bytes() == bytes);
        assert!(!name.contains('/') && !name.contains(char::is_control), "{name:?}");
        let stand_in = SafeName::parse(stand_in(name).as_bytes()).expect("a stand-in is a name");
        assert_eq!(stand_in.unportable(), None, "{name:?}");
        let path = RelativePath::parse(name);
        assert_eq!(path.expect("a name is a path").as_str(), name);
    }
    let text = String::from_utf8_lossy(bytes);
    let printed = printable(&text);
    assert!(!printed.contains(char::is_control), "{printed:?}");
    let Ok(path) = RelativePath::parse(&text) else { return };
    assert!(path.as_str().len() <= PATH_BYTES_MAX && path.components().count() <= PATH_DEPTH_MAX);
    let system = path.to_path_buf();
    assert!(system.components().all(|part| matches!(part, Component::Normal(_))), "{system:?}");
    assert_eq!(system.components().count(), path.components().count());
    for name in path.components() {
        assert!(SafeName::parse(name.as_bytes()).is_ok(), "{name:?}");
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    ["a/b c/películas/日本.mkv", "con.txt", "a\u{202e}b", "C:evil", "../x", "a\u{1b}]8;;b\u{7}", "x. "]
        .map(|text| text.as_bytes().to_vec())
        .into()
}
