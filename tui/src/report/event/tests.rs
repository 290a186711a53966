use nearcast_core::{asn::Asn, stats::Streaming};
use nearcast_node::{
    error::{Attempt, Attempts, DownloadError, Reasons},
    progress::Stall,
};
use serde_json::{Value, json};

use super::*;
use crate::report::text::tests::halfway;

const CONTENT: ContentId = ContentId([0xab; 32]);

fn kinds(lines: &[String]) -> Vec<String> {
    let kind = |line: &String| parse(line)["event"].as_str().unwrap().to_owned();
    lines.iter().map(kind).collect()
}

fn parse(line: &str) -> Value {
    assert!(!line.contains('\n'), "one object a line");
    serde_json::from_str(line).unwrap()
}

/// The line without its time, which must be there.
fn timeless(line: &str) -> String {
    let (rest, time) = line.rsplit_once(",\"time\":").unwrap();
    assert!(time.trim_end_matches('}').parse::<f64>().unwrap() > 1.7e9, "{time}");
    format!("{rest}}}")
}

/// Events for a snapshot in which no peer has received anything.
fn tell(events: &mut Events, now: Instant, progress: &Progress, fresh: bool) -> Vec<String> {
    events.on_progress(now, progress, &Giving::default(), fresh)
}

fn after(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

fn summary() -> Summary {
    Summary {
        content: CONTENT,
        name: "film".into(),
        path: "/data/film".into(),
        bytes: 100_000_000,
        bytes_resumed: 50_000_000,
        elapsed: Duration::from_millis(2500),
        received: halfway().received,
        imports: None,
        uploaded: 7,
        wasted: 8,
        banned: 9,
        signed_by: Vec::new(),
    }
}

#[test]
fn finished_has_every_key_of_the_contract_in_order() {
    let mut events = Events::new(CONTENT);
    let lines = events.on_finished(&summary());
    assert_eq!(kinds(&lines), ["started", "finished"]);
    let expected = format!(
        concat!(
            r#"{{"event":"finished","content":"{}","name":"film","path":"/data/film","bytes":100000000,"#,
            r#""bytes_resumed":50000000,"seconds":2.5,"bytes_by_tier":{{"lan":0,"prefix24":30000000,"#,
            r#""prefix16":0,"same_as":0,"adjacent_as":0,"remote":10000000,"unknown":0,"origin":10000000,"#,
            r#""web_seed":0}},"imported_bytes":null,"imported_by_as":null,"uploaded_bytes":7,"wasted_bytes":8,"banned":9,"#,
            r#""signed_by":[]}}"#
        ),
        "ab".repeat(32)
    );
    assert_eq!(timeless(&lines[1]), expected);
}

#[test]
fn imports_are_told_by_as_when_an_atlas_says_where_we_are() {
    let mut summary = summary();
    summary.received.imported = 20_000_000;
    let by_as = [(Asn(64_501), 20_000_000)].into();
    summary.imports = Some(Imports { by_as });
    let lines = Events::new(CONTENT).on_finished(&summary);
    let told = r#""imported_bytes":20000000,"imported_by_as":{"AS64501":20000000},"uploaded_bytes":7"#;
    assert!(lines[1].contains(told), "{}", lines[1]);
}

#[test]
fn started_comes_once_and_only_after_checking() {
    let (mut events, start) = (Events::new(CONTENT), Instant::now());
    let checking = Progress::default();
    assert_eq!(kinds(&tell(&mut events, start, &checking, true)), ["preparing"]);
    let looking = Progress { phase: Phase::Stalled(Stall::Searching), ..Progress::default() };
    assert_eq!(kinds(&tell(&mut events, start, &looking, true)), ["stalled", "preparing"]);
    let running = Progress { bytes_resumed: 4, ..halfway() };
    let lines = tell(&mut events, start, &running, true);
    assert_eq!(kinds(&lines), ["started", "progress"]);
    let started = parse(&lines[0]);
    assert_eq!(started["bytes_total"], 100_000_000);
    assert_eq!(started["bytes_resumed"], 4);
    assert_eq!(kinds(&events.on_finished(&summary())), ["finished"]);
}

#[test]
fn progress_is_told_twice_a_second_at_most_and_nothing_is_forgotten() {
    let (mut events, start) = (Events::new(CONTENT), Instant::now());
    tell(&mut events, start, &halfway(), true);
    assert!(tell(&mut events, after(start, 100), &halfway(), true).is_empty());
    assert!(tell(&mut events, after(start, 499), &halfway(), false).is_empty());
    let late = tell(&mut events, after(start, 500), &halfway(), false);
    assert_eq!(kinds(&late), ["progress"], "the snapshot that came too soon");
    assert!(tell(&mut events, after(start, 5000), &halfway(), false).is_empty(), "nothing new");
}

#[test]
fn progress_has_every_key_of_the_contract() {
    let mut events = Events::new(CONTENT);
    let streaming = Some(Streaming { buffer_ms: Some(1_500), ..Streaming::default() });
    let slow = Some(Slow::OwnLimit);
    let progress = Progress { durable_bytes: 40_000_000, rate_up: Some(1.9), streaming, slow, ..halfway() };
    let lines = tell(&mut events, Instant::now(), &progress, true);
    let expected = json!({
        "event": "progress", "content": CONTENT.to_string(), "name": "film\\x1b[31m.mkv", "phase": "downloading",
        "bytes": 50_000_000, "bytes_total": 100_000_000, "durable_bytes": 40_000_000, "down": 5_000_000, "up": 1,
        "eta_seconds": 10.0, "peers": 3,
        "peers_by_tier": {
            "lan": 0, "prefix24": 1, "prefix16": 0, "same_as": 0, "adjacent_as": 0, "remote": 1, "unknown": 0,
            "origin": 1, "web_seed": 0,
        },
        "why": "own_limit", "seconds_by_why": {}, "buffer_seconds": 1.5,
    });
    let mut told = parse(&timeless(&lines[1]));
    assert!(!told["name"].as_str().unwrap().contains('\u{1b}'));
    told["name"] = expected["name"].clone();
    assert_eq!(told, expected);
    let idle = Progress { rate_down: Some(0.0), ..halfway() };
    let lines = tell(&mut events, Instant::now() + PROGRESS_INTERVAL, &idle, true);
    assert_eq!(parse(&lines[0])["eta_seconds"], Value::Null);
}

#[test]
fn a_stall_is_told_once_and_again_when_its_reason_changes() {
    let (mut events, start) = (Events::new(CONTENT), Instant::now());
    let stalled = |why| Progress { phase: Phase::Stalled(why), ..halfway() };
    tell(&mut events, start, &halfway(), true);
    let lines = tell(&mut events, start, &stalled(Stall::Searching), true);
    assert_eq!(kinds(&lines), ["stalled", "progress"]);
    assert_eq!(parse(&lines[0])["why"], "looking for peers");
    assert!(tell(&mut events, start, &stalled(Stall::Searching), true).is_empty());
    assert_eq!(tell(&mut events, start, &stalled(Stall::Alone), true).len(), 2);
}

#[test]
fn failed_carries_the_exit_code_and_a_harmless_reason() {
    let events = Events::new(CONTENT);
    let text = "asked \u{1b}[2Jevil\u{202e}".to_owned();
    let attempts = Attempts { shown: vec![Attempt { at: String::new(), text, remedy: None }], more: 0 };
    let error = DownloadError::NotFound(Reasons::Asked(attempts));
    let line = parse(&events.on_failed(&error.into()));
    assert_eq!(line["code"], 3);
    assert_eq!(line["content"], CONTENT.to_string());
    let reason = line["reason"].as_str().unwrap();
    assert!(!reason.contains(['\u{1b}', '\u{202e}']), "{reason}");
    let early = parse(&failed(None, &CommandError::BadOption("x".into())));
    assert_eq!(early["content"], Value::Null);
    assert_eq!(early["code"], 28);
}

#[test]
fn leaving_says_what_was_given() {
    let line = parse(&timeless(&Events::new(CONTENT).on_left(42)));
    let expected = json!({"event": "left", "content": CONTENT.to_string(), "uploaded_bytes": 42});
    assert_eq!(line, expected);
}

#[test]
fn the_first_bytes_are_told_at_once() {
    let (mut events, start) = (Events::new(CONTENT), Instant::now());
    let waiting = Progress { received: Default::default(), ..halfway() };
    assert_eq!(kinds(&tell(&mut events, start, &waiting, true)), ["started", "progress"]);
    assert!(tell(&mut events, after(start, 1), &waiting, true).is_empty());
    assert_eq!(kinds(&tell(&mut events, after(start, 2), &halfway(), true)), ["progress"]);
    assert!(tell(&mut events, after(start, 3), &halfway(), true).is_empty(), "only the first");
}

#[test]
fn the_peers_are_listed_every_five_seconds_with_what_is_known_of_each() {
    let mut events = Events::new(ContentId([1; 32]));
    let start = Instant::now();
    tell(&mut events, start, &halfway(), true);
    let later = start + Duration::from_secs(5);
    let listed = |lines: Vec<String>| lines.into_iter().find(|line| line.contains("\"event\":\"peers\""));
    assert_eq!(listed(tell(&mut events, later - Duration::from_secs(1), &halfway(), true)), None);
    let line = listed(tell(&mut events, later, &halfway(), true)).expect("it is time");
    let line: Value = serde_json::from_str(&line).unwrap();
    let first = &line["peers"][0];
    assert_eq!((first["tier"].as_str(), first["asn"].as_u64()), (Some("prefix24"), Some(64_500)));
    assert_eq!((first["down"].as_u64(), first["has"].as_f64()), (Some(1_000_000), Some(0.5)));
    assert_eq!(first["up"].as_u64(), Some(0));
    assert_eq!(line["peers"][2]["tier"], "origin");
    assert_eq!(listed(tell(&mut events, later, &halfway(), true)), None, "not twice");
}
