use std::{collections::BTreeSet, io::Write, time::Duration};

use futures::{SinkExt, StreamExt};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_tungstenite::tungstenite::Message;

use super::*;
use nearcast_bgp::{
    data,
    feed::{News, Tally, Told},
    ris_live::{MESSAGE_BYTES_MAX, RisSession},
};
use nearcast_core::asn::Asn;

const PATIENCE: Duration = Duration::from_secs(30);

fn update(peer: &str, path: &[u32], announced: &[&str], withdrawn: &[&str]) -> String {
    let announcements = if announced.is_empty() {
        serde_json::json!([])
    } else {
        serde_json::json!([{ "next_hop": peer, "prefixes": announced }])
    };
    serde_json::json!({ "type": "ris_message", "data": {
        "timestamp": 1_789_019_601.67, "peer": peer, "peer_asn": path.first().copied().unwrap_or(7).to_string(),
        "id": "1", "host": "rrc01", "type": "UPDATE", "path": path, "community": [], "origin": "IGP",
        "announcements": announcements, "withdrawals": withdrawn,
    }})
    .to_string()
}

fn handle(session: &mut RisSession, message: &str) -> Vec<Told> {
    let mut told = Vec::new();
    session.handle(message, &mut told);
    told
}

#[test]
fn sources_are_told_apart_by_how_they_begin() {
    let read = |text: &str| text.parse::<RisSource>();
    assert_eq!(read("-"), Ok(RisSource::Stdin));
    assert_eq!(read("ws://127.0.0.1:8080/x"), Ok(RisSource::Url("ws://127.0.0.1:8080/x".into())));
    assert_eq!(read("wss://a.example/"), Ok(RisSource::Url("wss://a.example/".into())));
    assert_eq!(read("some/file.jsonl"), Ok(RisSource::File("some/file.jsonl".into())));
    for bad in ["", "https://a.example/", "wss://", "ws:// a"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn announcements_and_withdrawals_become_changes_of_their_peer() {
    let mut session = RisSession::default();
    let told =
        handle(&mut session, &update("192.0.2.1", &[7, 8, 9], &["198.51.100.0/24"], &["203.0.113.0/24"]));
    let [Told::Announced { source: 0, network, path, .. }, Told::Withdrawn { source: 0, .. }] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((network.to_string().as_str(), path.origins()), ("198.51.100.0/24", &[Asn(9)][..]));
    let told = handle(&mut session, &update("192.0.2.2", &[7, 9], &["198.51.100.0/24"], &[]));
    assert!(matches!(told[..], [Told::Announced { source: 1, .. }]), "another peer is another source");
    let of_nobody = handle(&mut session, &update("192.0.2.2", &[7, 9, 23_456], &["198.51.100.0/24"], &[]));
    assert!(matches!(of_nobody[..], [Told::Withdrawn { source: 1, .. }]), "a path of no use withdraws");
}

#[test]
fn a_peer_that_the_collector_lost_is_forgotten() {
    let mut session = RisSession::default();
    handle(&mut session, &update("192.0.2.1", &[7, 9], &["198.51.100.0/24"], &[]));
    let state = |state: &str| {
        format!(
            r#"{{"type":"ris_message","data":{{"timestamp":1.0,"peer":"192.0.2.1","peer_asn":"7","id":"1","host":"rrc01","type":"STATE","state":"{state}"}}}}"#
        )
    };
    assert_eq!(handle(&mut session, &state("connected")), []);
    assert_eq!(handle(&mut session, &state("down")), [Told::Forgotten { source: 0 }]);
    assert_eq!(handle(&mut session, &state("down")), []);
    let told = handle(&mut session, &update("192.0.2.1", &[7, 9], &["198.51.100.0/24"], &[]));
    assert!(matches!(told[..], [Told::Announced { source: 1, .. }]), "it comes back as somebody new");
}

#[test]
fn the_captured_frames_have_the_counts_they_are_known_for() {
    let Some(path) = data("ris-live-frames-20260910.jsonl") else { return };
    let mut session = RisSession::default();
    let text = std::fs::read_to_string(path).expect("the capture can be read");
    let elements: usize = text.lines().map(|line| handle(&mut session, line).len()).sum();
    let tally = session.tally();
    assert_eq!((tally.messages, elements), (7, 12));
    assert_eq!((tally.announced, tally.withdrawn, tally.damaged, tally.skipped), (3, 9, 0, 0));
}

#[test]
fn thousands_of_damaged_messages_are_skipped_and_counted() {
    let good = update("192.0.2.1", &[7, 8, 9], &["198.51.100.0/24", "2001:db8::/32"], &["203.0.113.0/24"]);
    let mut dice = nearcast_bgp::bmp::crafted::Dice(7);
    let mut session = RisSession::default();
    for case in 0..6_000 {
        let mut bytes = good.clone().into_bytes();
        match case % 4 {
            0 => bytes.truncate(dice.below(bytes.len())),
            1 => bytes[dice.below(good.len())] = dice.byte(),
            2 => {
                let at = dice.below(bytes.len());
                let digits = "9".repeat(1 + dice.below(400));
                bytes.splice(at..at, digits.bytes());
            }
            _ => {
                let (from, to) = (dice.below(bytes.len()), dice.below(bytes.len()));
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                let at = dice.below(bytes.len());
                bytes.splice(at..at, piece);
            }
        }
        let told = handle(&mut session, &String::from_utf8_lossy(&bytes));
        assert!(told.len() <= 64, "{told:?}");
    }
    let tally = session.tally();
    assert_eq!(tally.messages, 6_000);
    assert!(tally.damaged > 3_000, "{tally:?}");
    // Deep nesting, huge numbers, and an answer that is an error.
    for hostile in [
        "[".repeat(MESSAGE_BYTES_MAX),
        r#"{"a":"#.repeat(100_000),
        good.replace("1789019601.67", &"1".repeat(10_000)),
        good.replace("[7,8,9]", &format!("[{}7]", "[1,2],".repeat(20_000))),
        r#"{"type":"ris_error","data":{"message":"no such collector"}}"#.into(),
    ] {
        handle(&mut session, &hostile);
    }
    assert!(matches!(handle(&mut session, &good)[..], [_, _, _]), "the session goes on");
}

/// The route changes of a feed until `until` holds, which also sees whether it was synced and lost.
async fn collect(news: &mut mpsc::Receiver<News>, until: impl Fn(&[Told], bool, bool) -> bool) -> Vec<Told> {
    let (mut all, mut synced, mut lost) = (Vec::new(), false, false);
    let collecting = async {
        while !until(&all, synced, lost) {
            match news.recv().await.expect("the feed goes on") {
                News::Begun(..) => lost = false,
                News::Told(_, told, _) => all.extend(told),
                News::Synced(_) => synced = true,
                News::Lost(_) => lost = true,
            }
        }
    };
    timeout(PATIENCE, collecting).await.expect("it was told in time");
    all
}

#[tokio::test]
async fn lines_of_a_file_are_read_and_long_ones_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.jsonl");
    let good = update("192.0.2.1", &[7, 9], &["198.51.100.0/24"], &[]);
    let long = "x".repeat(3 * MESSAGE_BYTES_MAX);
    // There is no newline at the end.
    std::fs::write(&path, format!("\n{good}\r\n{long}\nnot json\n\n{good}")).unwrap();
    let (desk, mut news) = FeedSender::new();
    let config = RisConfig { source: RisSource::File(path), collectors: Vec::new() };
    let feed = tokio::spawn(run(config, desk, CancellationToken::new()));
    let (mut told, mut tally) = (Vec::new(), Tally::default());
    let mut synced = false;
    while let Some(next) = timeout(PATIENCE, news.recv()).await.expect("in time") {
        match next {
            News::Told(_, more, so_far) => {
                told.extend(more);
                tally = so_far;
            }
            News::Synced(_) => synced = true,
            News::Lost(_) => panic!("what a file told counts for good"),
            News::Begun(..) => {}
        }
    }
    timeout(PATIENCE, feed).await.expect("it ends").unwrap();
    assert!(synced);
    assert_eq!((told.len(), tally.messages, tally.damaged), (2, 4, 2));
}

#[tokio::test]
async fn a_pipe_is_read_while_it_is_written_and_stopping_does_not_wait_for_a_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
    assert!(made.success());
    let (desk, mut news) = FeedSender::new();
    let stop = CancellationToken::new();
    let config = RisConfig { source: RisSource::File(path.clone()), collectors: Vec::new() };
    let feed = tokio::spawn(run(config, desk, stop.clone()));
    for turn in 0..2u8 {
        // A writer that comes and goes.
        let (path, line) =
            (path.clone(), update("192.0.2.1", &[7, 9 + u32::from(turn)], &["198.51.100.0/24"], &[]));
        let writer = tokio::task::spawn_blocking(move || {
            let mut pipe = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            writeln!(pipe, "{line}").unwrap();
        });
        timeout(PATIENCE, writer).await.expect("it can write").unwrap();
        collect(&mut news, |told, _, _| told.len() == 1).await;
    }
    stop.cancel();
    timeout(PATIENCE, feed).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn what_is_no_file_nor_pipe_is_said_and_lost() {
    let (desk, mut news) = FeedSender::new();
    let config = RisConfig { source: RisSource::File("/dev/null".into()), collectors: Vec::new() };
    run(config, desk, CancellationToken::new()).await;
    assert_eq!(collect(&mut news, |_, _, lost| lost).await, []);
}

/// A server that takes `subscriptions`, sends `message`, and disconnects, again and again.
async fn server(listener: TcpListener, subscriptions: usize, message: String, heard: mpsc::Sender<String>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { continue };
        for _ in 0..subscriptions {
            while let Some(Ok(wish)) = socket.next().await {
                if let Message::Text(wish) = wish {
                    heard.send(wish.to_string()).await.expect("the test listens");
                    break;
                }
            }
        }
        socket.send(Message::text("nonsense")).await.expect("it is connected");
        socket.send(Message::text(message.clone())).await.expect("it is connected");
        socket.close(None).await.expect("it is connected");
        while socket.next().await.is_some_and(|rest| rest.is_ok()) {}
    }
}

#[tokio::test]
async fn a_socket_subscribes_and_is_connected_again_when_the_server_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/v1/ws/", listener.local_addr().unwrap());
    let (heard, mut wishes) = mpsc::channel(64);
    let good = update("192.0.2.1", &[7, 9], &["198.51.100.0/24"], &[]);
    let server = tokio::spawn(server(listener, 2, good, heard));
    let (desk, mut news) = FeedSender::new();
    let stop = CancellationToken::new();
    let collectors = vec!["rrc00".into(), "rrc15".into()];
    let feed = tokio::spawn(run(RisConfig { source: url.parse().unwrap(), collectors }, desk, stop.clone()));
    collect(&mut news, |told, synced, lost| told.len() == 1 && synced && lost).await;
    collect(&mut news, |told, synced, lost| told.len() == 1 && synced && lost).await;
    let mut hosts = BTreeSet::new();
    for _ in 0..4 {
        let wish: serde_json::Value = serde_json::from_str(&wishes.recv().await.unwrap()).unwrap();
        assert_eq!(wish["type"], "ris_subscribe");
        hosts.insert(wish["data"]["host"].as_str().unwrap().to_owned());
    }
    assert_eq!(hosts, BTreeSet::from(["rrc00".into(), "rrc15".into()]));
    stop.cancel();
    timeout(PATIENCE, feed).await.expect("it ends").unwrap();
    server.abort();
}

#[tokio::test]
async fn a_giant_frame_costs_the_connection_and_no_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (heard, _wishes) = mpsc::channel(64);
    let server = tokio::spawn(server(listener, 1, "x".repeat(2 * MESSAGE_BYTES_MAX), heard));
    let (desk, mut news) = FeedSender::new();
    let stop = CancellationToken::new();
    let feed =
        tokio::spawn(run(RisConfig { source: url.parse().unwrap(), collectors: vec![] }, desk, stop.clone()));
    assert_eq!(collect(&mut news, |_, synced, lost| synced && lost).await, []);
    stop.cancel();
    timeout(PATIENCE, feed).await.expect("it ends").unwrap();
    server.abort();
}
