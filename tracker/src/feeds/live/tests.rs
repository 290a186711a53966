use std::{io::ErrorKind, net::IpAddr};

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::AtlasBuilder,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::*;
use crate::feeds::ris_live::RisSource;
use nearcast_bgp::{
    bmp::crafted::{
        Dice, Of, PANIC, announce, announce_v6, end_of_rib, initiation, message, peer_down, peer_up, withdraw,
    },
    feed::FeedKind,
    made_up,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any test.
const LONG: Duration = Duration::from_secs(3_600);
const OWN: u32 = 64_000;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// One prefix, and the relation of two ASes that routes will show to be linked.
fn base() -> Arc<Atlas> {
    let mut builder = AtlasBuilder::new(1_000);
    builder.prefix("45.51.100.0/24".parse().unwrap(), &[Asn(1)]);
    builder.prefix("45.88.99.0/24".parse().unwrap(), &[Asn(2)]);
    builder.link(Asn(65), Asn(66), Relation::Customer);
    builder.build().into()
}

fn quick() -> LiveConfig {
    LiveConfig {
        bmp: Some("127.0.0.1:0".parse().unwrap()),
        bmp_sessions: BmpConfig { quiet: Duration::from_millis(50), ..BmpConfig::default() },
        hold: LONG,
        rebuild_every: Duration::from_millis(10),
        ..LiveConfig::default()
    }
}

async fn start(config: LiveConfig) -> Live {
    Live::start(config, base(), &CancellationToken::new()).await.expect("it starts")
}

/// A router that speaks BMP.
struct Router(TcpStream);

impl Router {
    async fn connect(live: &Live, name: &str) -> Router {
        let mut router = Router::plain(live).await;
        router.send(&[initiation(name)]).await;
        router
    }

    /// A router that has sent nothing yet.
    async fn plain(live: &Live) -> Router {
        Router(TcpStream::connect(live.bmp_address().expect("it listens")).await.expect("it accepts"))
    }

    /// A router with an address of its own.
    async fn from(live: &Live, ip: &str) -> Router {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
        Router(socket.connect(live.bmp_address().expect("it listens")).await.expect("it accepts"))
    }

    async fn send(&mut self, messages: &[Vec<u8>]) {
        self.0.write_all(&messages.concat()).await.expect("it is connected");
    }

    /// Waits until the other side closes.
    async fn closed(mut self) {
        match timeout(PATIENCE, self.0.read(&mut [0; 16])).await.expect("it is closed") {
            Ok(read) => assert_eq!(read, 0, "a collector says nothing"),
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
                    "{error}"
                );
            }
        }
    }
}

async fn until_origin(live: &Live, address: &str, origin: Option<u32>) {
    let mut atlas = live.subscribe();
    let wait = atlas.wait_for(|atlas| atlas.origin(ip(address)) == origin.map(Asn));
    let waited = timeout(PATIENCE, wait).await.is_ok();
    assert!(
        waited,
        "{address} is not of {origin:?} but {:?}: {:?}",
        live.atlas().origin(ip(address)),
        live.stats()
    );
}

async fn until(live: &Live, what: &str, holds: impl Fn(&LiveStats) -> bool) {
    let wait = async {
        while !holds(&live.stats()) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "{what}: {:?}", live.stats());
}

fn peer() -> Of {
    Of::peer(1, 65)
}

/// Stops everything; all connections are closed, and nobody listens any more.
async fn stop(live: Live) {
    let address = live.bmp_address();
    timeout(PATIENCE, live.stop()).await.expect("everything ends");
    if let Some(address) = address {
        let refused = TcpStream::connect(address).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

/// The base's version is whatever its maker wrote, and a newer atlas is made of it.
#[tokio::test]
async fn a_base_of_the_last_version_there_is_stops_no_table() {
    let base = Arc::new(AtlasBuilder::new(u64::MAX).build());
    let live = Live::start(quick(), base, &CancellationToken::new()).await.expect("it starts");
    let mut router = Router::connect(&live, "edge-1").await;
    let told = [peer_up(peer(), OWN), announce(peer(), &[65, 67], &["45.0.113.0/25"]), end_of_rib(peer())];
    router.send(&told).await;
    until_origin(&live, "45.0.113.7", Some(67)).await;
    assert_eq!(live.atlas().version(), u64::MAX);
    stop(live).await;
}

#[tokio::test]
async fn what_a_router_tells_lies_over_the_base_until_it_is_withdrawn() {
    let live = start(quick()).await;
    assert_eq!(live.atlas().version(), 1_000, "the base, until something is heard");
    let mut router = Router::connect(&live, "edge-1").await;
    router
        .send(&[
            peer_up(peer(), OWN),
            announce(peer(), &[65, 66, 67], &["45.51.100.0/24", "45.0.113.0/25"]),
            announce_v6(peer(), &[65, 68], "2a01:db8::/32"),
            end_of_rib(peer()),
        ])
        .await;
    until_origin(&live, "45.51.100.7", Some(67)).await;
    until_origin(&live, "2a01:db8::7", Some(68)).await;
    let atlas = live.atlas();
    assert_eq!(atlas.origin(ip("45.0.113.200")), None);
    assert_eq!(atlas.origin(ip("45.88.99.1")), Some(Asn(2)), "the base stays where nobody tells otherwise");
    assert_eq!(atlas.relation(Asn(66), Asn(67)), Some(Relation::Unknown), "links are seen on paths");
    assert_eq!(
        atlas.relation(Asn(65), Asn(66)),
        Some(Relation::Customer),
        "what the base knows of them stays"
    );
    assert!(atlas.version() > 1_000);
    router.send(&[withdraw(peer(), &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(1)).await;
    let stats = live.stats();
    assert!(stats.ready && stats.rebuilds >= 2 && stats.last_rebuild_took.is_some(), "{stats:?}");
    assert_eq!((stats.routes(FeedKind::Bmp), stats.sessions(FeedKind::Bmp, Phase::Synced)), (2, 1));
    assert_eq!((stats.heard[&FeedKind::Bmp].announced, stats.heard[&FeedKind::Bmp].withdrawn), (3, 1));
    router.send(&[peer_down(peer())]).await;
    until_origin(&live, "45.0.113.7", None).await;
    stop(live).await;
}

#[tokio::test]
async fn a_router_that_does_not_say_when_it_has_told_all_is_taken_to_have_when_it_is_quiet() {
    let live = start(quick()).await;
    let mut router = Router::connect(&live, "edge-1").await;
    router.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 67], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(67)).await;
    stop(live).await;
}

#[tokio::test]
async fn routes_of_a_lost_router_are_held_and_then_go() {
    let live = start(LiveConfig { hold: Duration::from_millis(300), ..quick() }).await;
    let mut router = Router::connect(&live, "edge-1").await;
    router.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 67], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(67)).await;
    drop(router);
    until(&live, "it is held", |stats| stats.sessions(FeedKind::Bmp, Phase::Held) == 1).await;
    assert_eq!(live.atlas().origin(ip("45.51.100.7")), Some(Asn(67)));
    until_origin(&live, "45.51.100.7", Some(1)).await;
    until(&live, "it is gone", |stats| stats.feeds.is_empty() && stats.rib.routes == 0).await;
    assert_eq!(live.stats().heard[&FeedKind::Bmp].announced, 1, "what was heard stays counted");
    stop(live).await;
}

#[tokio::test]
async fn a_router_that_comes_back_replaces_what_it_told_and_no_other() {
    let live = start(quick()).await;
    let mut routers = Vec::new();
    for (name, network, origin) in [("edge-1", "45.0.113.0/24", 71), ("edge-2", "45.51.100.0/24", 72)] {
        let mut router = Router::connect(&live, name).await;
        router.send(&[peer_up(peer(), OWN), announce(peer(), &[65, origin], &[network])]).await;
        routers.push(router);
    }
    until_origin(&live, "45.0.113.7", Some(71)).await;
    until_origin(&live, "45.51.100.7", Some(72)).await;
    drop(routers);
    until(&live, "both are held", |stats| stats.sessions(FeedKind::Bmp, Phase::Held) == 2).await;
    let mut back = Router::connect(&live, "edge-1").await;
    back.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 73], &["45.88.99.0/24"]), end_of_rib(peer())])
        .await;
    until_origin(&live, "45.88.99.7", Some(73)).await;
    until_origin(&live, "45.0.113.7", None).await;
    assert_eq!(live.atlas().origin(ip("45.51.100.7")), Some(Asn(72)), "the other router's are still held");
    assert_eq!(live.stats().feeds.len(), 2);
    stop(live).await;
}

#[tokio::test]
async fn garbage_beside_a_good_session_ends_alone() {
    let live = start(quick()).await;
    let mut good = Router::connect(&live, "edge-1").await;
    good.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 66], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(66)).await;
    let mut dice = Dice(11);
    let noise: Vec<u8> = (0..200_000).map(|_| dice.byte()).collect();
    let garbage: [Vec<u8>; 6] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        noise,
        [3, 0xff, 0xff, 0xff, 0xff, 4].to_vec(),
        [initiation("x"), vec![3, 0, 0, 0, 0, 0]].concat(),
        peer_up(peer(), OWN),
        [initiation("x"), vec![message(0, &[9; 80]); 200].concat()].concat(),
    ];
    for (turn, garbage) in garbage.into_iter().enumerate() {
        let mut bad = Router::plain(&live).await;
        // The connection may be closed before everything is written.
        let _ = bad.0.write_all(&garbage).await;
        bad.closed().await;
        let origin = 100 + turn as u32;
        good.send(&[announce(peer(), &[65, origin], &["45.51.100.0/24"])]).await;
        until_origin(&live, "45.51.100.7", Some(origin)).await;
    }
    until(&live, "each was counted", |stats| stats.bmp_faults == 6).await;
    assert_eq!(live.stats().sessions(FeedKind::Bmp, Phase::Synced), 1);
    stop(live).await;
}

#[tokio::test]
async fn a_panic_of_the_parser_ends_one_session_and_holds_its_routes() {
    let live = start(quick()).await;
    let mut good = Router::connect(&live, "edge-1").await;
    good.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 66], &["45.51.100.0/24"])]).await;
    let mut bad = Router::connect(&live, "edge-2").await;
    bad.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 77], &["45.0.113.0/24"])]).await;
    until_origin(&live, "45.0.113.7", Some(77)).await;
    bad.send(&[message(PANIC, &[])]).await;
    bad.closed().await;
    until(&live, "it is held", |stats| {
        stats.bmp_faults == 1 && stats.sessions(FeedKind::Bmp, Phase::Held) == 1
    })
    .await;
    good.send(&[announce(peer(), &[65, 67], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(67)).await;
    assert_eq!(live.atlas().origin(ip("45.0.113.7")), Some(Asn(77)));
    stop(live).await;
}

#[tokio::test]
async fn a_flood_takes_its_own_share_and_no_more() {
    const SHARE: usize = 500;
    let rib = RibLimits { routes_per_session_max: SHARE, ..RibLimits::default() };
    let live = start(LiveConfig { rib, ..quick() }).await;
    let mut flood = Router::connect(&live, "flood").await;
    flood.send(&[peer_up(peer(), OWN)]).await;
    let flooding = tokio::spawn(async move {
        for round in 0..u32::MAX {
            let networks: Vec<String> = (0..500u32)
                .map(|low| format!("{}.{}.{}.0/24", 1 + round % 100, low >> 8, low & 255))
                .collect();
            let networks: Vec<&str> = networks.iter().map(String::as_str).collect();
            let told = announce(peer(), &[65, 70 + round], &networks);
            if flood.0.write_all(&told).await.is_err() {
                break;
            }
        }
    });
    until(&live, "the flood is at its bound", |stats| stats.feeds.iter().any(|feed| feed.refused > 10_000))
        .await;
    let mut good = Router::connect(&live, "edge-1").await;
    good.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 66], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(66)).await;
    good.send(&[announce(peer(), &[65, 67], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(67)).await;
    let stats = live.stats();
    assert!(stats.rib.routes <= SHARE + 1 && stats.rib.paths <= SHARE + 1, "{stats:?}");
    stop(live).await;
    timeout(PATIENCE, flooding).await.expect("its connection is closed").unwrap();
}

#[tokio::test]
async fn a_router_that_is_too_quick_waits_by_tcp() {
    let sessions = BmpConfig { bytes_per_second_max: 20_000, ..quick().bmp_sessions };
    let live = start(LiveConfig { bmp_sessions: sessions, ..quick() }).await;
    let mut quick = Router::connect(&live, "edge-1").await;
    let chunk = message(1, &[0; 60_000]);
    // The system buffers some megabytes; after that no more is accepted.
    let mut taken = 0usize;
    while let Ok(written) = timeout(Duration::from_millis(500), quick.0.write(&chunk)).await {
        taken += written.expect("it is connected");
        assert!(taken < 64 << 20, "64 MiB were taken at 20 kB a second");
    }
    stop(live).await;
}

#[tokio::test]
async fn only_those_allowed_are_listened_to_and_no_more_than_may_be() {
    let allow = vec!["192.0.2.0/24".parse().unwrap()];
    let live =
        start(LiveConfig { bmp_sessions: BmpConfig { allow, ..BmpConfig::default() }, ..quick() }).await;
    Router::plain(&live).await.closed().await;
    assert_eq!(live.stats().bmp_refused, 1);
    stop(live).await;

    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let sessions = BmpConfig { allow, sessions_per_address_max: 2, ..quick().bmp_sessions };
    let live = start(LiveConfig { bmp_sessions: sessions, ..quick() }).await;
    let mut both = [Router::connect(&live, "a").await, Router::connect(&live, "b").await];
    for router in &mut both {
        router.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 66], &["45.51.100.0/24"])]).await;
    }
    until(&live, "both tell of peers", |stats| stats.rib.routes == 2).await;
    Router::plain(&live).await.closed().await;
    drop(both);
    until(&live, "both are gone", |stats| stats.feeds.iter().all(|feed| feed.phase == Phase::Held)).await;
    let mut third = Router::connect(&live, "c").await;
    third.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 66], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(66)).await;
    stop(live).await;
}

#[tokio::test]
async fn a_router_gets_in_while_others_hold_every_place_and_tell_nothing() {
    let sessions = BmpConfig { sessions_max: 8, sessions_per_address_max: 8, ..quick().bmp_sessions };
    let live = start(LiveConfig { bmp_sessions: sessions, ..quick() }).await;
    let mut idle = Vec::new();
    for number in 0..40 {
        // Some send an initiation, the others nothing.
        idle.push(if number % 2 == 0 {
            Router::connect(&live, "idle").await
        } else {
            Router::plain(&live).await
        });
    }
    let mut honest = Router::connect(&live, "edge-1").await;
    honest.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 66], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(66)).await;
    for number in 0..40 {
        idle.push(Router::plain(&live).await);
        if number % 8 == 0 {
            idle.remove(0).closed().await;
        }
    }
    honest.send(&[announce(peer(), &[65, 67], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(67)).await;
    assert_eq!(live.stats().bmp_refused, 0);
    stop(live).await;
}

#[tokio::test]
async fn a_router_that_was_named_has_a_place_of_its_own_whatever_strangers_tell() {
    let allow =
        vec!["127.0.0.2".parse().unwrap(), "127.0.0.3".parse().unwrap(), "127.0.0.0/8".parse().unwrap()];
    let sessions = BmpConfig { allow, sessions_max: 8, sessions_per_address_max: 8, ..quick().bmp_sessions };
    let live = start(LiveConfig { bmp_sessions: sessions, ..quick() }).await;
    // It sends its name, and has no peers.
    let mut named = Router::from(&live, "127.0.0.2").await;
    named.send(&[initiation("edge-1")]).await;
    until(&live, "it is listened to", |stats| stats.feeds.len() == 1).await;
    // Strangers report peers, and keep their places.
    let mut strangers = Vec::new();
    for number in 0..6 {
        let mut stranger = Router::from(&live, &format!("127.0.1.{number}")).await;
        stranger.send(&[initiation("stranger"), peer_up(peer(), OWN)]).await;
        stranger.send(&[announce(peer(), &[65, 66], &["45.0.113.0/24"])]).await;
        until(&live, "it tells of routes", |stats| stats.rib.routes == number + 1).await;
        strangers.push(stranger);
    }
    for number in 0..8 {
        Router::from(&live, &format!("127.0.2.{number}")).await.closed().await;
    }
    assert_eq!(live.stats().bmp_refused, 8);
    // A second session of the same router counts as a stranger; the other router has its own place.
    Router::from(&live, "127.0.0.2").await.closed().await;
    let mut other = Router::from(&live, "127.0.0.3").await;
    other.send(&[initiation("edge-2"), peer_up(peer(), OWN)]).await;
    other.send(&[announce(peer(), &[65, 67], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(67)).await;
    named.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 68], &["45.88.99.0/24"])]).await;
    until_origin(&live, "45.88.99.7", Some(68)).await;
    stop(live).await;
}

#[tokio::test]
async fn the_end_waits_for_nothing_that_does_not_end() {
    let live = start(quick()).await;
    live.tasks.spawn(std::future::pending::<()>());
    timeout(PATIENCE, live.end_within(Duration::from_millis(50))).await.expect("it returns");
}

#[tokio::test]
async fn a_full_table_lets_those_go_who_are_gone_already() {
    let rib = RibLimits { routes_max: 3, ..RibLimits::default() };
    let live = start(LiveConfig { rib, ..quick() }).await;
    let mut first = Router::connect(&live, "edge-1").await;
    let networks = ["45.0.113.0/26", "45.0.113.64/26", "45.0.113.128/26"];
    first.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 66], &networks)]).await;
    until(&live, "it is full", |stats| stats.rib.routes == 3).await;
    let mut second = Router::connect(&live, "edge-2").await;
    second.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 67], &["45.51.100.0/24"])]).await;
    until(&live, "there is no room", |stats| stats.rib.refused == 1).await;
    drop(first);
    until(&live, "it is held", |stats| stats.sessions(FeedKind::Bmp, Phase::Held) == 1).await;
    second.send(&[announce(peer(), &[65, 68], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(68)).await;
    assert_eq!(live.stats().rib.routes, 1);
    stop(live).await;
}

#[tokio::test]
async fn update_files_and_ris_live_lines_count_beside_routers() {
    let folder = tempfile::tempdir().unwrap();
    let updates = folder.path().join("updates.mrt");
    let told = [
        ("192.0.2.1", 7, "45.0.113.0/24", Some(&[7u32, 71][..])),
        ("192.0.2.1", 7, "45.51.100.0/24", Some(&[7, 72][..])),
        ("192.0.2.1", 7, "45.51.100.0/24", None),
    ];
    std::fs::write(&updates, made_up::updates(1_000, &told)).unwrap();
    let lines = folder.path().join("lines.jsonl");
    let line = r#"{"type":"ris_message","data":{"timestamp":1.0,"peer":"192.0.2.9","peer_asn":"7","id":"1","host":"rrc01","type":"UPDATE","path":[7,73],"community":[],"origin":"IGP","announcements":[{"next_hop":"192.0.2.9","prefixes":["45.88.99.0/24"]}]}}"#;
    std::fs::write(&lines, line).unwrap();
    let ris_live = Some(RisConfig { source: RisSource::File(lines), collectors: Vec::new() });
    let live = start(LiveConfig { updates: vec![updates], ris_live, ..quick() }).await;
    until_origin(&live, "45.0.113.7", Some(71)).await;
    until_origin(&live, "45.88.99.7", Some(73)).await;
    let mut router = Router::connect(&live, "edge-1").await;
    router.send(&[peer_up(peer(), OWN), announce(peer(), &[65, 74], &["45.51.100.0/24"])]).await;
    until_origin(&live, "45.51.100.7", Some(74)).await;
    let stats = live.stats();
    let kinds = [FeedKind::Bmp, FeedKind::RisLive, FeedKind::Updates];
    assert_eq!(kinds.map(|kind| stats.routes(kind)), [1, 1, 1], "{stats:?}");
    stop(live).await;
}

#[tokio::test]
async fn a_taken_address_and_a_missing_file_are_said() {
    let live = start(quick()).await;
    let taken = LiveConfig { bmp: live.bmp_address(), ..quick() };
    let error = Live::start(taken, base(), &CancellationToken::new()).await.err().expect("it is taken");
    assert!(error.to_string().ends_with("choose another with --bmp IP:PORT"), "{error}");
    let missing = LiveConfig { updates: vec!["/nowhere".into()], ..quick() };
    let error = Live::start(missing, base(), &CancellationToken::new()).await.err().expect("it is missing");
    assert!(error.to_string().starts_with("cannot read updates from /nowhere"), "{error}");
    stop(live).await;
}

#[tokio::test]
async fn everything_ends_when_its_owner_does() {
    let shutdown = CancellationToken::new();
    let live = Live::start(quick(), base(), &shutdown).await.expect("it starts");
    let mut router = Router::connect(&live, "edge-1").await;
    router.send(&[peer_up(peer(), OWN)]).await;
    shutdown.cancel();
    router.closed().await;
    stop(live).await;
}
