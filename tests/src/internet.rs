//! A made-up Internet in 127.0.0.0/8, so that one machine has near and far networks. Its AS numbers
//! are private, as no AS of the real Internet has such addresses.
//!
//! | AS | name | addresses | |
//! |---|---|---|---|
//! | 64601 | Alpha | 127.1.0.0/16, 127.11.0.0/16 | |
//! | 64602 | Beta | 127.2.0.0/16 | peer of Alpha |
//! | 64603 | Gamma | 127.3.0.0/16 | customer of Alpha |
//! | 64604 | Delta | 127.4.0.0/16 | far: only its provider Transit links it to Alpha |
//! | 64605 | Transit | 127.5.0.0/16 | provider of Alpha, Beta and Delta |

use std::{
    fs,
    path::{Path, PathBuf},
};

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas, AtlasBuilder},
};

/// The atlas of the made-up Internet.
pub fn atlas(version: u64) -> Atlas {
    let mut builder = AtlasBuilder::new(version);
    let networks = [
        (64_601, "Alpha", ["127.1.0.0/16", "127.11.0.0/16"].as_slice()),
        (64_602, "Beta", &["127.2.0.0/16"]),
        (64_603, "Gamma", &["127.3.0.0/16"]),
        (64_604, "Delta", &["127.4.0.0/16"]),
        (64_605, "Transit", &["127.5.0.0/16"]),
    ];
    for (asn, name, prefixes) in networks {
        builder.name(Asn(asn), name);
        for prefix in prefixes {
            builder.prefix(prefix.parse().expect("a prefix written above"), &[Asn(asn)]);
        }
    }
    builder.link(Asn(64_601), Asn(64_602), Relation::Peer);
    builder.link(Asn(64_601), Asn(64_603), Relation::Customer);
    [64_601, 64_602, 64_604]
        .iter()
        .for_each(|&below| builder.link(Asn(64_605), Asn(below), Relation::Customer));
    builder.build()
}

/// Writes the atlas to a file in `folder`; returns its path.
pub fn write_atlas(folder: &Path) -> PathBuf {
    let path = folder.join("made-up.atlas");
    fs::write(&path, atlas(1).encode()).expect("a file can be made in a temporary folder");
    path
}
