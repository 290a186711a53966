use std::{collections::BTreeMap, net::Ipv4Addr};

use bytes::BytesMut;

use super::*;
use crate::{
    bmp::{
        crafted::{
            Dice, Of, announce, announce_v6, end_of_rib, initiation, message, peer_down, peer_up, with_ids,
            withdraw,
        },
        frame,
    },
    data,
    rib::{Rib, RibLimits, SessionId, Source},
};

/// The AS of the router in these tests.
const OWN: u32 = 64_496 - 100;

/// A session, and the table that it fills.
struct Told2Rib {
    session: BmpSession,
    rib: Rib,
}

impl Told2Rib {
    fn new() -> Told2Rib {
        let mut new = Told2Rib { session: BmpSession::default(), rib: Rib::new(RibLimits::default()) };
        assert_eq!(new.hear(&initiation("edge-1")), Ok(Heard::Initiation("edge-1".into())));
        new
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Heard, Broken> {
        let mut arrived = BytesMut::from(bytes);
        let frame = frame::take(&mut arrived).expect("it is BMP").expect("it is whole");
        let mut told = Vec::new();
        let heard = self.session.handle(&frame, &mut told);
        told.iter().for_each(|told| apply(&mut self.rib, told));
        heard
    }

    fn hear_all(&mut self, messages: &[Vec<u8>]) {
        for message in messages {
            self.hear(message).expect("the session goes on");
        }
    }

    fn origins(&self, network: &str) -> Vec<u32> {
        let origins = self.rib.origins(network.parse().expect("a network"));
        origins.into_iter().map(|origin| origin.0).collect()
    }
}

fn apply(rib: &mut Rib, told: &Told) {
    let source = |number| Source { session: SessionId(0), number };
    match told {
        Told::Announced { source: number, network, path_id, path } => {
            rib.announce(source(*number), *network, *path_id, path);
        }
        Told::Withdrawn { source: number, network, path_id } => {
            rib.withdraw(source(*number), *network, *path_id);
        }
        Told::Forgotten { source: number } => {
            rib.forget(source(*number));
        }
    }
}

#[test]
fn routes_come_and_go_and_go_with_their_peer() {
    let (mut heard, peer) = (Told2Rib::new(), Of::peer(1, 65));
    heard.hear_all(&[
        peer_up(peer, OWN),
        announce(peer, &[65, 66, 67], &["198.51.100.0/24", "203.0.113.0/24"]),
        announce_v6(peer, &[65, 68], "2001:db8::/32"),
    ]);
    assert_eq!(heard.origins("198.51.100.0/24"), [67]);
    assert_eq!(heard.origins("2001:db8::/32"), [68]);
    heard.hear_all(&[withdraw(peer, &["198.51.100.0/24"])]);
    assert_eq!(heard.origins("198.51.100.0/24"), [0u32; 0]);
    heard.hear_all(&[peer_down(peer)]);
    assert_eq!(heard.rib.counts().routes, 0);
    let tally = heard.session.tally();
    assert_eq!((tally.announced, tally.withdrawn, tally.damaged, tally.skipped), (3, 1, 0, 0));
}

#[test]
fn one_view_is_taken_and_a_better_one_replaces_it() {
    let (mut heard, peer) = (Told2Rib::new(), Of::peer(1, 65));
    let networks = ["198.51.100.0/24"];
    heard.hear_all(&[peer_up(peer, OWN), announce(Of::local(OWN), &[OWN, 65, 66], &networks)]);
    assert_eq!(heard.origins(networks[0]), [66]);
    // Pre-policy is better than Loc-RIB, and post-policy is better still.
    heard.hear_all(&[announce(peer, &[65, 67], &networks)]);
    assert_eq!(heard.origins(networks[0]), [67]);
    heard.hear_all(&[announce(peer.post_policy(), &[65, 68], &networks)]);
    assert_eq!(heard.origins(networks[0]), [68]);
    heard.hear_all(&[
        announce(peer, &[65, 67], &networks),
        withdraw(peer, &networks),
        announce(Of::local(OWN), &[OWN, 65, 66], &networks),
        withdraw(Of::local(OWN), &networks),
    ]);
    assert_eq!(heard.origins(networks[0]), [68], "lesser views neither add nor take away");
    assert_eq!((heard.rib.counts().routes, heard.session.tally().other_views), (1, 4));
    // The other family has only this view.
    heard.hear_all(&[announce_v6(peer, &[65, 69], "2001:db8::/32")]);
    assert_eq!(heard.origins("2001:db8::/32"), [69]);
    heard.hear_all(&[peer_down(peer)]);
    assert_eq!(heard.rib.counts().routes, 0);
}

#[test]
fn two_peers_are_two_voices() {
    let (mut heard, a, b, c) = (Told2Rib::new(), Of::peer(1, 65), Of::peer(2, 75), Of::peer(3, 85));
    let networks = ["198.51.100.0/24"];
    heard.hear_all(&[peer_up(a, OWN), peer_up(b, OWN), peer_up(c, OWN)]);
    heard.hear_all(&[
        announce(a, &[65, 3], &networks),
        announce(b, &[75, 4], &networks),
        announce(c, &[85, 4], &networks),
    ]);
    assert_eq!(heard.origins(networks[0]), [4, 3]);
    heard.hear_all(&[peer_down(b), peer_down(c)]);
    assert_eq!(heard.origins(networks[0]), [3]);
}

#[test]
fn a_peer_that_comes_up_again_begins_anew() {
    let (mut heard, peer) = (Told2Rib::new(), Of::peer(1, 65));
    heard.hear_all(&[peer_up(peer, OWN), announce(peer, &[65, 66], &["198.51.100.0/24"])]);
    heard.hear_all(&[peer_up(peer, OWN), announce(peer, &[65, 66], &["203.0.113.0/24"])]);
    assert_eq!(heard.origins("198.51.100.0/24"), [0u32; 0]);
    assert_eq!(heard.origins("203.0.113.0/24"), [66]);
}

#[test]
fn the_routers_own_as_in_front_and_private_ones_are_not_part_of_the_way() {
    let mut heard = Told2Rib::new();
    let local = Of::local(OWN);
    heard.hear_all(&[
        announce(local, &[OWN, OWN, 65_001, 65, 66], &["198.51.100.0/24"]),
        announce(local, &[], &["203.0.113.0/24"]),
    ]);
    assert_eq!(heard.origins("203.0.113.0/24"), [OWN], "its own prefix");
    assert_eq!(heard.rib.links(), BTreeMap::from([((Asn(65), Asn(66)), 1)]));
}

#[test]
fn a_path_of_no_use_withdraws_what_was_told() {
    let (mut heard, peer) = (Told2Rib::new(), Of::peer(1, 65));
    let networks = ["198.51.100.0/24"];
    heard.hear_all(&[
        peer_up(peer, OWN),
        announce(peer, &[65, 66], &networks),
        announce(peer, &[65, 66, 23_456], &networks),
    ]);
    assert_eq!((heard.origins(networks[0]), heard.session.tally().skipped), (vec![], 1));
}

#[test]
fn what_is_not_of_the_internet_as_a_whole_is_not_taken() {
    let (mut heard, peer) = (Told2Rib::new(), Of::peer(1, 65));
    let instance = Of { kind: 1, ..peer };
    let out = Of { flags: 0x10, ..peer };
    heard.hear_all(&[
        peer_up(instance, OWN),
        announce(instance, &[65, 66], &["198.51.100.0/24"]),
        announce(peer, &[65, 66], &["198.51.100.0/24"]),
        peer_up(peer, OWN),
        announce(out, &[65, 66], &["198.51.100.0/24"]),
        announce(peer, &[65, 66], &["0.0.0.0/0"]),
    ]);
    assert_eq!((heard.rib.counts().routes, heard.session.tally().skipped), (0, 5));
}

#[test]
fn everything_is_told_once_every_peer_has_said_so() {
    let (mut heard, a, b) = (Told2Rib::new(), Of::peer(1, 65), Of::peer(2, 75));
    heard.hear_all(&[
        peer_up(a, OWN),
        peer_up(b, OWN),
        announce(a, &[65, 66], &["198.51.100.0/24"]),
        announce(b, &[75, 66], &["198.51.100.0/24"]),
    ]);
    assert_eq!(heard.hear(&end_of_rib(a)), Ok(Heard::Nothing));
    assert_eq!(heard.hear(&end_of_rib(b)), Ok(Heard::EndOfRib));
}

#[test]
fn a_session_begins_with_an_initiation_and_ends_with_a_termination() {
    let mut session = BmpSession::default();
    let frame = |bytes: Vec<u8>| frame::take(&mut BytesMut::from(&bytes[..])).unwrap().unwrap();
    let peer = Of::peer(1, 65);
    let first = session.handle(&frame(peer_up(peer, OWN)), &mut Vec::new());
    assert_eq!(first, Err(Broken::NoInitiation(3)));
    let mut heard = Told2Rib::new();
    assert_eq!(heard.hear(&message(5, &[0, 1, 0, 2, 0, 0])), Ok(Heard::Termination));
    assert_eq!(heard.hear(&message(77, b"from a later RFC")), Ok(Heard::Nothing));
}

#[test]
fn a_damaged_message_costs_itself_and_a_hundred_cost_the_session() {
    let (mut heard, peer) = (Told2Rib::new(), Of::peer(1, 65));
    heard.hear_all(&[peer_up(peer, OWN)]);
    for _ in 0..DAMAGED_MAX {
        assert_eq!(heard.hear(&message(0, &[9; 50])), Ok(Heard::Nothing));
    }
    heard.hear_all(&[announce(peer, &[65, 66], &["198.51.100.0/24"])]);
    assert_eq!(heard.origins("198.51.100.0/24"), [66]);
    assert_eq!(heard.hear(&message(0, &[9; 50])), Err(Broken::Damaged));
}

#[test]
fn the_captured_session_of_gobgp_has_the_counts_it_is_known_for() {
    let Some(path) = data("bmp-gobgp.bin") else { return };
    let mut arrived = BytesMut::from(&std::fs::read(path).expect("the capture can be read")[..]);
    let (mut session, mut rib) = (BmpSession::default(), Rib::new(RibLimits::default()));
    let mut kinds: BTreeMap<(u8, u8, u8), u32> = BTreeMap::new();
    let (mut most, mut before_down) = (0, 0);
    while let Some(frame) = frame::take(&mut arrived).expect("all of it is BMP") {
        let [peer, flags] = if frame.kind == 0 { [frame.whole[6], frame.whole[7]] } else { [0, 0] };
        *kinds.entry((frame.kind, peer, flags)).or_default() += 1;
        before_down = rib.counts().routes;
        let mut told = Vec::new();
        session.handle(&frame, &mut told).expect("the session goes on");
        told.iter().for_each(|told| apply(&mut rib, told));
        most = most.max(rib.counts().routes);
    }
    let expected = [
        ((0, 0, 0), 1_730),
        ((0, 0, 0x40), 3_458),
        ((0, 3, 0), 3_458),
        ((1, 0, 0), 1),
        ((2, 0, 0), 1),
        ((3, 0, 0), 1),
        ((4, 0, 0), 1),
    ];
    assert_eq!(kinds, BTreeMap::from(expected));
    let tally = session.tally();
    println!("{tally:?}, {most} routes at most, {before_down} before the peer went down, {:?}", rib.counts());
    assert_eq!((tally.messages, tally.damaged), (8_650, 0));
    assert!(
        most > 1_000 && before_down == 0,
        "GoBGP withdraws what it told before it says that the peer is down"
    );
    assert_eq!(rib.counts().routes, 0);
}

/// A whole session: initiation, peers, both families, views, withdrawals, end.
fn story() -> Vec<u8> {
    let (a, b, local) = (Of::peer(1, 65), Of::peer(2, 75), Of::local(OWN));
    let networks = ["198.51.100.0/24", "203.0.113.0/25", "192.0.2.64/26"];
    [
        initiation("edge-1"),
        peer_up(a, OWN),
        peer_up(b, OWN),
        announce(a, &[65, 66, 67], &networks),
        announce(a.post_policy(), &[65, 66, 67], &networks),
        announce_v6(b, &[75, 66, 68], "2001:db8::/32"),
        announce(local, &[OWN, 65, 66], &networks),
        withdraw(a.post_policy(), &networks[..1]),
        end_of_rib(a),
        peer_down(b),
        message(5, &[0, 1, 0, 2, 0, 0]),
    ]
    .concat()
}

/// Handles a whole stream as a connection would.
fn hear_stream(bytes: &[u8]) -> (BmpSession, usize) {
    let (mut session, mut arrived, mut all) = (BmpSession::default(), BytesMut::from(bytes), 0);
    while let Ok(Some(frame)) = frame::take(&mut arrived) {
        let mut told = Vec::new();
        let heard = session.handle(&frame, &mut told);
        // A prefix takes at least one byte, and a message forgets at most two sources.
        assert!(told.len() <= frame.whole.len() + 4, "{} changes of {} bytes", told.len(), frame.whole.len());
        all += told.len();
        if heard.is_err() || heard == Ok(Heard::Termination) {
            break;
        }
    }
    (session, all)
}

#[test]
fn thousands_of_damaged_streams_are_skipped_or_ended() {
    let story = story();
    let (whole, changes) = hear_stream(&story);
    assert_eq!((whole.tally().damaged, whole.tally().messages, changes), (0, 11, 10), "{:?}", whole.tally());
    let mut dice = Dice(3);
    let (mut damaged, mut shorter) = (0, 0);
    for case in 0..20_000 {
        let mut bytes = story.clone();
        match case % 5 {
            0 => bytes.truncate(dice.below(bytes.len())),
            1 => {
                let at = dice.below(bytes.len());
                bytes[at] ^= 1 << dice.below(8);
            }
            2 => (0..1 + dice.below(20)).for_each(|_| {
                let at = dice.below(bytes.len());
                bytes[at] = dice.byte();
            }),
            // Huge and tiny lengths, wherever a length may be.
            3 => {
                let at = dice.below(bytes.len() - 4);
                let length: [u8; 4] =
                    [[0xff; 4], [0, 0, 0xff, 0xff], [0; 4], [0x7f, 0xff, 0xff, 0xff]][dice.below(4)];
                bytes[at..at + 4].copy_from_slice(&length);
            }
            _ => {
                let (from, to) = (dice.below(bytes.len()), dice.below(bytes.len()));
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                let at = dice.below(bytes.len());
                bytes.splice(at..at, piece);
            }
        }
        let (session, _) = hear_stream(&bytes);
        damaged += u32::from(session.tally().damaged > 0);
        shorter += u32::from(session.tally().messages < 11);
    }
    println!("of 20000 streams {damaged} had damaged messages, and {shorter} ended early");
    assert!(damaged > 1_000 && shorter > 4_000);
}

#[test]
fn peers_with_one_address_are_told_apart_by_their_ids() {
    let (mut heard, a) = (Told2Rib::new(), Of::peer(1, 65));
    let b = Of { id: Ipv4Addr::new(10, 0, 0, 2), asn: 75, ..a };
    heard.hear_all(&[peer_up(a, OWN), peer_up(b, OWN)]);
    heard.hear_all(&[announce(a, &[65, 66], &["45.72.0.0/16"]), announce(b, &[75, 76], &["45.73.0.0/16"])]);
    // A better view of one peer does not affect the other.
    heard.hear_all(&[announce(a.post_policy(), &[65, 67], &["45.72.0.0/16"])]);
    assert_eq!((heard.origins("45.72.0.0/16"), heard.origins("45.73.0.0/16")), (vec![67], vec![76]));
    heard.hear_all(&[peer_down(a)]);
    assert_eq!((heard.origins("45.72.0.0/16"), heard.origins("45.73.0.0/16")), (vec![], vec![76]));
    // A peer that comes up again starts over; the other stays.
    heard.hear_all(&[peer_up(a, OWN), announce(a, &[65, 68], &["45.72.0.0/16"]), peer_up(b, OWN)]);
    assert_eq!((heard.origins("45.72.0.0/16"), heard.origins("45.73.0.0/16")), (vec![68], vec![]));
    // A peer without an id could be either.
    let nobody = Of { id: Ipv4Addr::UNSPECIFIED, ..a };
    let skipped = heard.session.tally().skipped;
    heard.hear_all(&[announce(nobody, &[65, 69], &["45.74.0.0/16"]), peer_down(nobody)]);
    assert_eq!((heard.session.tally().skipped, heard.rib.counts().routes), (skipped + 1, 1));
    heard.hear_all(&[peer_down(b), announce(nobody, &[65, 69], &["45.74.0.0/16"])]);
    assert_eq!(heard.origins("45.74.0.0/16"), [69], "there is but one");
}

#[test]
fn twins_are_bounded() {
    let mut heard = Told2Rib::new();
    for number in 1..=300u32 {
        heard.hear_all(&[peer_up(Of { id: Ipv4Addr::from(number), ..Of::peer(1, 65) }, OWN)]);
    }
    assert_eq!(heard.session.tally().skipped, 300 - 256);
}

#[test]
fn path_ids_that_nobody_announced_are_read_and_said_once() {
    let (mut heard, local) = (Told2Rib::new(), Of::local(OWN));
    heard.hear_all(&[
        peer_up(local, OWN),
        with_ids(local, &[65, 66], &[(1, "45.70.0.0/16"), (2, "45.71.0.0/24")]),
        with_ids(local, &[65, 67], &[(3, "45.71.0.0/24")]),
        end_of_rib(local),
    ]);
    assert_eq!((heard.origins("45.70.0.0/16"), heard.origins("45.71.0.0/24")), (vec![66], vec![66, 67]));
    assert_eq!((heard.session.take_notes(), heard.session.tally().skipped), (vec![Note::UnannouncedIds], 0));
    // Large ids look like prefixes to a reader who does not know the router.
    heard.hear_all(&[with_ids(local, &[65, 68], &[(0x0100_0809, "10.0.0.0/8")])]);
    assert_eq!((heard.origins("10.0.0.0/8"), heard.session.take_notes()), (vec![68], vec![]));
    // Prefixes without ids are read as before.
    heard.hear_all(&[announce(local, &[65, 69], &["45.75.0.0/16"])]);
    assert_eq!(heard.origins("45.75.0.0/16"), [69]);
}

#[test]
fn prefixes_that_cannot_be_read_are_said() {
    let (mut heard, peer) = (Told2Rib::new(), Of::peer(1, 65));
    heard.hear_all(&[peer_up(peer, OWN)]);
    let mut message = announce(peer, &[65, 66], &["45.70.0.0/16"]);
    let bits = message.len() - 3;
    message[bits] = 77;
    heard.hear_all(&[message.clone(), message]);
    assert_eq!(heard.session.take_notes(), [Note::UnreadablePrefixes]);
    assert_eq!(heard.rib.counts().routes, 0);
}

#[test]
fn peers_of_one_router_are_bounded() {
    let mut heard = Told2Rib::new();
    for number in 0..5_000u32 {
        let address = Ipv4Addr::from(0x0a00_0000 + number);
        heard.hear_all(&[peer_up(Of { address, ..Of::peer(1, 65) }, OWN)]);
    }
    assert_eq!(heard.session.tally().skipped, 5_000 - 4_096);
}
