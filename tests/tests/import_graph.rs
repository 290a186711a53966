//! Rooms use rooms below them, and no two files use each other.
//!
//! Counted as [`e2e::imports`] says: paths from the crate's root, tests left out, a noun with the
//! files below it counted as one.

use std::collections::BTreeSet;

use e2e::{
    binaries::workspace,
    imports::{Imports, circle},
};

/// The rooms of the core, the lowest first. Each uses only those before it.
const ROOMS_OF_CORE: [&str; 30] = [
    "saturate",
    "exact",
    "time",
    "random",
    "id",
    "untrusted",
    "tally",
    "timers",
    "content",
    "place",
    "rates",
    "stats",
    "config",
    "message",
    "input",
    "output",
    "reasons",
    "view",
    "announce",
    "strangers",
    "context",
    "links",
    "origin",
    "download",
    "upload",
    "directory",
    "overlay",
    "swarm",
    "engine",
    "flight",
];

#[test]
fn rooms_of_the_core_use_only_rooms_below_them() {
    let imports = Imports::of(&workspace().join("node/core/src"));
    let height = |room: &str| {
        let at = ROOMS_OF_CORE.iter().position(|&known| known == room);
        at.unwrap_or_else(|| panic!("the room {room} has no place in this test's list yet"))
    };
    let mut rooms = BTreeSet::new();
    for (from, used) in &imports.rooms {
        for to in used {
            assert!(height(to) < height(from), "{from} uses {to}, which stands above it");
            rooms.extend([from, to]);
        }
    }
    assert!(rooms.len() > 20, "the rooms were found");
    println!("core: {} rooms, {} arrows, none back up", rooms.len(), imports.room_arrows());
}

#[test]
fn no_two_files_of_core_or_node_use_each_other() {
    for crate_of in [
        "node/core/src",
        "node/src",
        "node/service/src",
        "seeder/src",
        "tracker/src",
        "tracker/bgp/src",
        "tui/src",
    ] {
        let imports = Imports::of(&workspace().join(crate_of));
        assert!(imports.nouns.len() > 3, "the files of {crate_of} were found");
        assert_eq!(circle(&imports.nouns), None, "files of {crate_of} use each other in a circle");
    }
}

#[test]
fn no_two_rooms_of_the_node_use_each_other() {
    let imports = Imports::of(&workspace().join("node/src"));
    assert_eq!(circle(&imports.rooms), None, "rooms of the node use each other in a circle");
    println!(
        "node: {} rooms use others, {} arrows, none in a circle",
        imports.rooms.len(),
        imports.room_arrows()
    );
}
