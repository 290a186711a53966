//! A made-up Internet in 127.0.0.0/8, so that one machine has near and far networks.
//!
//! | AS | name | addresses | |
//! |---|---|---|---|
//! | 100 | Alpha | 127.1.0.0/16, 127.11.0.0/16 | |
//! | 200 | Beta | 127.2.0.0/16 | peer of Alpha |
//! | 300 | Gamma | 127.3.0.0/16 | customer of Alpha |
//! | 400 | Delta | 127.4.0.0/16 | far: only its provider Transit links it to Alpha |
//! | 500 | Transit | 127.5.0.0/16 | provider of Alpha, Beta and Delta |

use std::{
    fs,
    path::{Path, PathBuf},
};

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas, AtlasBuilder},
};

/// The atlas of it.
pub fn atlas(version: u64) -> Atlas {
    let mut builder = AtlasBuilder::new(version);
    let networks = [
        (100, "Alpha", ["127.1.0.0/16", "127.11.0.0/16"].as_slice()),
        (200, "Beta", &["127.2.0.0/16"]),
        (300, "Gamma", &["127.3.0.0/16"]),
        (400, "Delta", &["127.4.0.0/16"]),
        (500, "Transit", &["127.5.0.0/16"]),
    ];
    for (asn, name, prefixes) in networks {
        builder.name(Asn(asn), name);
        for prefix in prefixes {
            builder.prefix(prefix.parse().expect("a prefix written above"), &[Asn(asn)]);
        }
    }
    builder.link(Asn(100), Asn(200), Relation::Peer);
    builder.link(Asn(100), Asn(300), Relation::Customer);
    [100, 200, 400].iter().for_each(|&below| builder.link(Asn(500), Asn(below), Relation::Customer));
    builder.build()
}

/// Writes it to a file in `folder`.
pub fn write_atlas(folder: &Path) -> PathBuf {
    let path = folder.join("made-up.atlas");
    fs::write(&path, atlas(1).encode()).expect("a file can be made in a temporary folder");
    path
}
