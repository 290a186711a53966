//! MRT files of a made-up Internet, written by the parser's own encoder, for the demonstration and
//! for tests.

use bgpkit_parser::{
    encoder::{MrtRibEncoder, MrtUpdatesEncoder},
    models::{
        AsPath, Asn, AttributeValue, Attributes, BgpElem, CommonHeader, ElemType, EntryType, TableDumpMessage,
    },
};

/// One route: address and AS of the peer, prefix, path. `None` as path: a withdrawal.
pub type Told<'a> = (&'a str, u32, &'a str, Option<&'a [u32]>);

fn elem(time: u32, (address, asn, prefix, path): Told<'_>) -> BgpElem {
    BgpElem {
        timestamp: time.into(),
        elem_type: if path.is_some() { ElemType::ANNOUNCE } else { ElemType::WITHDRAW },
        peer_ip: address.parse().expect("an address"),
        peer_asn: Asn::new_32bit(asn),
        prefix: prefix.parse().expect("a prefix"),
        as_path: path.map(AsPath::from_sequence),
        ..BgpElem::default()
    }
}

/// A `TABLE_DUMP_V2` file. `time` is in seconds since 1970.
///
/// # Panics
/// If a text is not an address or prefix. The texts are constants of the program, not input.
pub fn table(time: u32, routes: &[Told<'_>]) -> Vec<u8> {
    let mut encoder = MrtRibEncoder::new();
    for &route in routes {
        encoder.process_elem(&elem(time, route)).expect("few peers");
    }
    encoder.export_bytes().expect("short paths").to_vec()
}

/// A `BGP4MP` file with one message for each route.
///
/// # Panics
/// As [`table`].
pub fn updates(time: u32, routes: &[Told<'_>]) -> Vec<u8> {
    let mut encoder = MrtUpdatesEncoder::new();
    routes.iter().for_each(|&route| encoder.process_elem(&elem(time, route)));
    encoder.export_bytes().expect("short paths").to_vec()
}

/// A `TABLE_DUMP` file, as in use before 2008, with AS numbers of 16 bits.
///
/// # Panics
/// As [`table`], and if a route has no path.
pub fn old_table(time: u32, routes: &[Told<'_>]) -> Vec<u8> {
    let record = |&route: &Told<'_>| {
        let elem = elem(time, route);
        let mut attributes = Attributes::default();
        attributes.add_attr(AttributeValue::AsPath(elem.as_path.expect("a table has paths")).into());
        let message = TableDumpMessage {
            view_number: 0,
            sequence_number: 0,
            prefix: elem.prefix,
            status: 1,
            originated_time: time.into(),
            peer_ip: elem.peer_ip,
            peer_asn: Asn::new_16bit(u16::try_from(route.1).expect("16 bits")),
            attributes,
        };
        let body = message.encode().expect("short paths");
        let header = CommonHeader {
            timestamp: time,
            microsecond_timestamp: None,
            entry_type: EntryType::TABLE_DUMP,
            entry_subtype: if elem.peer_ip.is_ipv4() { 1 } else { 2 },
            length: body.len().try_into().expect("a short record"),
        };
        [header.encode(), body].concat()
    };
    routes.iter().flat_map(record).collect()
}
