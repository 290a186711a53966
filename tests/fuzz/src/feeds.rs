//! What routers and collectors stream to a tracker: BMP and RIS Live. Whatever arrives, memory
//! stays bounded, nothing panics, and the table can hold what comes out.

use nearcast_bgp::{
    bmp::{
        crafted::{Of, announce, announce_v6, end_of_rib, initiation, message, peer_down, peer_up, withdraw},
        frame,
        session::{BmpSession, Heard},
    },
    feed::Told,
    rib::{Rib, RibLimits, SessionId, Source},
    ris_live::RisSession,
};

/// Small, so that its bounds are met.
const LIMITS: RibLimits = RibLimits {
    routes_max: 64,
    routes_per_session_max: 48,
    sources_max: 6,
    path_words_per_session_max: 256,
    links_per_session_max: 32,
};

fn apply(rib: &mut Rib, told: &Told) {
    let source = |number| Source { session: SessionId(1), number };
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

fn is_bounded(rib: &Rib) {
    let counts = rib.counts();
    assert!(counts.routes <= LIMITS.routes_per_session_max, "{counts:?}");
    assert!(
        counts.routes + counts.forgotten <= LIMITS.routes_max && counts.sources <= LIMITS.sources_max,
        "{counts:?}"
    );
    assert!(counts.links <= LIMITS.links_per_session_max, "{counts:?}");
}

fn is_empty_when_over(rib: &mut Rib) {
    rib.forget_session(SessionId(1));
    rib.sweep();
    let counts = rib.counts();
    let left =
        (counts.routes, counts.forgotten, counts.prefixes_v4, counts.prefixes_v6, counts.paths, counts.links);
    assert_eq!(left, (0, 0, 0, 0, 0, 0));
}

pub(crate) fn bmp(bytes: &[u8]) {
    let (mut session, mut rib, mut arrived) = (BmpSession::default(), Rib::new(LIMITS), bytes.into());
    while let Ok(Some(frame)) = frame::take(&mut arrived) {
        let mut told = Vec::new();
        let heard = session.handle(&frame, &mut told);
        assert!(told.len() <= frame.whole.len() + 4, "a prefix takes a byte");
        told.iter().for_each(|told| apply(&mut rib, told));
        is_bounded(&rib);
        if heard.is_err() || heard == Ok(Heard::Termination) {
            break;
        }
    }
    is_empty_when_over(&mut rib);
}

pub(crate) fn bmp_seeds() -> Vec<Vec<u8>> {
    let (a, b, local) = (Of::peer(1, 65), Of::peer(2, 75), Of::local(64_000));
    let networks = ["198.51.100.0/24", "203.0.113.0/25"];
    let begin = [initiation("edge-1"), peer_up(a, 64_000)].concat();
    [
        vec![announce(a, &[65, 66], &networks), withdraw(a, &networks[..1]), end_of_rib(a), peer_down(a)],
        vec![announce(local, &[64_000, 65, 66], &networks), announce(a.post_policy(), &[65, 67], &networks)],
        vec![peer_up(b, 64_000), announce_v6(b, &[75, 68], "2001:db8::/32"), message(5, &[0, 1, 0, 2, 0, 0])],
    ]
    .map(|rest| [&begin[..], &rest.concat()].concat())
    .into()
}

/// Reads lines, as from a file.
pub(crate) fn ris_live(bytes: &[u8]) {
    let (mut session, mut rib) = (RisSession::default(), Rib::new(LIMITS));
    for line in String::from_utf8_lossy(bytes).lines() {
        let mut told = Vec::new();
        session.handle(line, &mut told);
        assert!(told.len() <= line.len());
        told.iter().for_each(|told| apply(&mut rib, told));
        is_bounded(&rib);
    }
    is_empty_when_over(&mut rib);
}

pub(crate) fn ris_live_seeds() -> Vec<Vec<u8>> {
    let of = |rest: &str| {
        format!(
            r#"{{"type":"ris_message","data":{{"timestamp":1.5,"peer":"192.0.2.1","peer_asn":"65","id":"1","host":"rrc00",{rest}}}}}"#
        )
    };
    let update = of(
        r#""type":"UPDATE","path":[65,[66,67]],"community":[[65,1]],"origin":"IGP","med":1,"aggregator":"67:192.0.2.7","announcements":[{"next_hop":"192.0.2.1","prefixes":["198.51.100.0/24","2001:db8::/32"]}],"withdrawals":["203.0.113.0/24"]"#,
    );
    [
        update.clone(),
        format!("{update}\n{}", of(r#""type":"STATE","state":"down""#)),
        of(r#""type":"KEEPALIVE","raw":"FF""#),
        r#"{"type":"ris_error","data":{"message":"no"}}"#.into(),
    ]
    .map(String::into_bytes)
    .into()
}
