//! An atlas that its publisher made to do harm: its checksum fits, whatever the atlas holds.

use std::net::IpAddr;

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas, AtlasBuilder, Place},
};
use sha2::{Digest, Sha256};

/// Bytes in front of the deflated body: magic, hash, version, length.
const HEADER_BYTES: usize = 52;

pub(crate) fn run(bytes: &[u8]) {
    // The bytes as they are, and then as a body that is deflated and hashed.
    let _ = Atlas::decode(bytes);
    let Ok(atlas) = Atlas::decode(&file_of(bytes)) else { return };
    assert_eq!(Atlas::decode(&atlas.encode()).as_ref(), Ok(&atlas));
    for address in ["0.0.0.0", "10.7.0.1", "255.255.255.255", "::", "2001:7::1", "ffff::"] {
        let ip: IpAddr = address.parse().expect("an address written above");
        let found = atlas.lookup(ip);
        assert_eq!(found.as_ref().map(|found| found.origins[0]), atlas.origin(ip));
        assert!(found.is_none_or(|found| found.first <= ip && ip <= found.last));
    }
    let Some(from) = atlas.ases().next() else { return };
    let view = atlas.view_from(from);
    for to in atlas.ases().take(20) {
        let path = atlas.path(from, to);
        assert_eq!(path.map(|path| path.len() - 1), view.hops(&atlas, to).map(usize::from));
        let place = |asn| Place { ip: IpAddr::from([10, 0, 0, 1]), asn: Some(asn) };
        atlas.proximity(place(from), place(to), Some(&view));
    }
}

fn file_of(body: &[u8]) -> Vec<u8> {
    let mut rest = 1_u64.to_le_bytes().to_vec();
    rest.extend((body.len() as u32).to_le_bytes());
    rest.extend(miniz_oxide::deflate::compress_to_vec_zlib(body, 0));
    [b"NCATLAS1".as_slice(), &Sha256::digest(&rest), &rest].concat()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut builder = AtlasBuilder::new(1);
    for asn in 1..12_u32 {
        let origins = [Asn(asn), Asn(asn / 2)];
        builder.prefix(
            format!("10.{asn}.0.0/{}", 12 + asn).parse().expect("a prefix"),
            &origins[..1 + asn as usize % 2],
        );
        builder.prefix(format!("2001:{asn}::/{}", 20 + 9 * asn).parse().expect("a prefix"), &origins[..1]);
        builder.link(
            Asn(asn),
            Asn(asn / 2),
            [Relation::Customer, Relation::Peer, Relation::Unknown][asn as usize % 3],
        );
        builder.name(Asn(asn), &format!("NET-{asn}"));
    }
    let bodies = [builder.build(), AtlasBuilder::new(1).build()].map(|atlas| {
        miniz_oxide::inflate::decompress_to_vec_zlib(&atlas.encode()[HEADER_BYTES..])
            .expect("what was deflated")
    });
    bodies.into()
}
