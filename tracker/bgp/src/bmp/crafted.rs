//! BMP messages as routers send them, crafted for tests.

use std::net::{IpAddr, Ipv4Addr};

use bgpkit_parser::models::{
    AsPath, AsnLength, AttributeValue, Attributes, BgpMessage, BgpOpenMessage, BgpUpdateMessage, Capability,
    CapabilityValue, NetworkPrefix, Nlri, OptParam, Origin, ParamValue,
    capabilities::{BgpCapabilityType, FourOctetAsCapability},
};

use super::frame::HEADER_BYTES;

/// A kind of message that makes the session panic, in tests only.
pub const PANIC: u8 = 250;

/// The peer flag for post-policy.
pub const POST_POLICY: u8 = 0x40;

/// The BGP id of peers that differ by address.
const ID: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A peer as per-peer headers describe it.
#[derive(Clone, Copy, Debug)]
pub struct Of {
    pub kind: u8,
    pub flags: u8,
    pub address: Ipv4Addr,
    pub asn: u32,
    pub id: Ipv4Addr,
}

impl Of {
    /// A neighbour of the router, with its routes as they came in.
    pub fn peer(last: u8, asn: u32) -> Of {
        Of { kind: 0, flags: 0, address: Ipv4Addr::new(192, 0, 2, last), asn, id: ID }
    }

    /// The router's best routes (Loc-RIB).
    pub fn local(asn: u32) -> Of {
        Of { kind: 3, flags: 0, address: Ipv4Addr::UNSPECIFIED, asn, id: ID }
    }

    pub fn post_policy(self) -> Of {
        Of { flags: self.flags | POST_POLICY, ..self }
    }

    fn header(self) -> Vec<u8> {
        let mut header = vec![self.kind, self.flags];
        header.extend([0; 8 + 12]);
        header.extend(self.address.octets());
        header.extend(self.asn.to_be_bytes());
        header.extend(self.id.octets());
        header.extend([0; 8]);
        header
    }
}

/// A message of any kind.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (HEADER_BYTES + body.len()) as u32;
    [&[3][..], &length.to_be_bytes(), &[kind], body].concat()
}

pub fn initiation(name: &str) -> Vec<u8> {
    let tlv = |kind: u8, text: &str| [&[0, kind, 0, text.len() as u8], text.as_bytes()].concat();
    message(4, &[tlv(2, name), tlv(1, "a router of a test")].concat())
}

fn open(asn: u32) -> Vec<u8> {
    let capability = Capability {
        ty: BgpCapabilityType::SUPPORT_FOR_4_OCTET_AS_NUMBER_CAPABILITY,
        value: CapabilityValue::FourOctetAs(FourOctetAsCapability { asn }),
    };
    let open = BgpOpenMessage {
        version: 4,
        asn: 23_456u32.into(),
        hold_time: 90,
        bgp_identifier: ID,
        extended_length: false,
        opt_params: vec![OptParam { param_type: 2, param_value: ParamValue::Capacities(vec![capability]) }],
    };
    BgpMessage::Open(open).encode(AsnLength::Bits32).expect("an open message can be written").to_vec()
}

pub fn peer_up(of: Of, own: u32) -> Vec<u8> {
    let mut body = of.header();
    body.extend([0; 12]);
    body.extend([192, 0, 2, 254, 0, 179, 0, 179]);
    body.extend(open(own));
    body.extend(open(of.asn));
    message(3, &body)
}

pub fn peer_down(of: Of) -> Vec<u8> {
    message(2, &[&of.header()[..], &[4]].concat())
}

fn monitoring(of: Of, update: BgpUpdateMessage) -> Vec<u8> {
    let update = BgpMessage::Update(update).encode(AsnLength::Bits32).expect("an update can be written");
    message(0, &[&of.header()[..], &update].concat())
}

fn prefixes(texts: &[&str]) -> Vec<NetworkPrefix> {
    texts.iter().map(|text| text.parse().expect("a prefix")).collect()
}

/// An announcement of IPv4 prefixes.
pub fn announce(of: Of, path: &[u32], networks: &[&str]) -> Vec<u8> {
    let mut attributes = Attributes::default();
    attributes.add_attr(AttributeValue::Origin(Origin::IGP).into());
    attributes.add_attr(AttributeValue::AsPath(AsPath::from_sequence(path)).into());
    attributes.add_attr(AttributeValue::NextHop(IpAddr::V4(of.address)).into());
    let announced_prefixes = prefixes(networks);
    monitoring(of, BgpUpdateMessage { withdrawn_prefixes: Vec::new(), attributes, announced_prefixes })
}

/// An announcement of one IPv6 prefix.
pub fn announce_v6(of: Of, path: &[u32], network: &str) -> Vec<u8> {
    let mut attributes = Attributes::default();
    attributes.add_attr(AttributeValue::Origin(Origin::IGP).into());
    attributes.add_attr(AttributeValue::AsPath(AsPath::from_sequence(path)).into());
    let next_hop = Some("2001:db8::1".parse().expect("an address"));
    let nlri = Nlri::new_reachable(network.parse().expect("a prefix"), next_hop);
    attributes.add_attr(AttributeValue::MpReachNlri(nlri).into());
    monitoring(
        of,
        BgpUpdateMessage { withdrawn_prefixes: Vec::new(), attributes, announced_prefixes: Vec::new() },
    )
}

/// An announcement of IPv4 prefixes with a path id in front of each.
pub fn with_ids(of: Of, path: &[u32], networks: &[(u32, &str)]) -> Vec<u8> {
    let plain: Vec<&str> = networks.iter().map(|(_, network)| *network).collect();
    let mut message = announce(of, path, &plain);
    let lengths: Vec<usize> = prefixes(&plain)
        .iter()
        .map(|prefix| 1 + usize::from(prefix.prefix.prefix_len()).div_ceil(8))
        .collect();
    let mut at = message.len() - lengths.iter().sum::<usize>();
    for ((id, _), length) in networks.iter().zip(lengths) {
        message.splice(at..at, id.to_be_bytes());
        at += 4 + length;
    }
    // Both the BMP message and the BGP message inside contain their lengths.
    let (whole, more) = (message.len() as u32, 4 * networks.len() as u16);
    message[1..5].copy_from_slice(&whole.to_be_bytes());
    let inner = HEADER_BYTES + 42 + 16;
    let length = u16::from_be_bytes([message[inner], message[inner + 1]]) + more;
    message[inner..inner + 2].copy_from_slice(&length.to_be_bytes());
    message
}

/// A withdrawal of IPv4 prefixes.
pub fn withdraw(of: Of, networks: &[&str]) -> Vec<u8> {
    let update = BgpUpdateMessage {
        withdrawn_prefixes: prefixes(networks),
        attributes: Attributes::default(),
        announced_prefixes: Vec::new(),
    };
    monitoring(of, update)
}

/// End-of-RIB for IPv4.
pub fn end_of_rib(of: Of) -> Vec<u8> {
    withdraw(of, &[])
}

/// Pseudo-random numbers, the same in every run, so that a failure can be repeated.
pub struct Dice(pub u64);

impl Dice {
    /// SplitMix64 (Steele, Lea and Flood, 2014).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}
