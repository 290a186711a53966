use std::{collections::BTreeMap, fs, path::Path};

use super::*;
use crate::{
    outcome::{AsLink, Behaviour, Group, PeerRow, Reasons, Slice, Spread, Summary, Viewed, Viewing},
    workload::Kind,
};

/// What came in half a second.
fn slice(index: u32) -> Slice {
    let at = f64::from(index + 1) / 2.0;
    let bytes = |peak: f64, scale: f64| (scale * 1e6 * (-(at - peak).abs() / 9.0).exp()) as u64;
    let by_tier =
        [bytes(40.0, 2.0), bytes(25.0, 9.0), 0, bytes(30.0, 40.0), bytes(20.0, 22.0), bytes(12.0, 18.0), 0];
    Slice { at, by_tier, origin: bytes(0.0, 30.0) }
}

fn reasons() -> Reasons {
    Reasons {
        imported_bytes: BTreeMap::from([
            ("first_copy".to_owned(), 900_000_000),
            ("nobody, near \"has\" it".to_owned(), 120_000_000),
            ("rescue".to_owned(), 5_000_000),
        ]),
        taken_over_requests: [("owner is slow".to_owned(), 12)].into(),
        wasted_bytes: [("everything was here".to_owned(), 5_000)].into(),
        stalled_seconds: [("all choke us".to_owned(), 7)].into(),
        idle_uplink_bytes: [("nobody asks: a member has it".to_owned(), 9 << 20)].into(),
    }
}

/// A made-up run: so many peers that finish one after the other, a tenth of a second apart, and one
/// that never does.
pub(super) fn outcome(peers: u32, seed: u64) -> Outcome {
    let times: Vec<f64> = (1..peers).map(|peer| 20.0 + f64::from(peer) / 10.0).collect();
    let at = |part: f64| times[(((times.len() - 1) as f64) * part) as usize];
    let group = |asn: u32| Group {
        asn,
        members: peers / 4,
        imports: 1.0 + f64::from(asn % 7) / 4.0,
        last_seconds: (!asn.is_multiple_of(5)).then(|| f64::from(asn % 100)),
        frontier_imports: (!asn.is_multiple_of(3)).then_some(1.1),
    };
    Outcome {
        summary: Summary {
            scenario: "flash_crowd".to_owned(),
            seed,
            options: BTreeMap::from([
                ("peers".to_owned(), peers.to_string()),
                ("up".to_owned(), "5M".to_owned()),
            ]),
            peers,
            runs: 1024,
            bytes: 268_435_456,
            trace_hash: format!("{:016x}", seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            inputs: 12_345_678,
            wall_seconds: 12.5,
            simulated_seconds: 130.0,
            peak_rss_bytes: 345_000_000,
            bound_seconds: Some(18.5),
            completion_seconds: Spread { p50: at(0.5), p95: at(0.95), last: at(1.0), mean: at(0.5) },
            completed: peers - 1,
            origin_copies: 1.37,
            wasted_copies: 0.021,
            wasted_share: 0.001,
            began: peers,
            began_seconds: Spread::default(),
            riders_p50_seconds: None,
            groups: (64_500..64_540).map(group).collect(),
            kinds: kinds(peers),
            links: vec![AsLink {
                from: 64_500,
                to: 64_501,
                rate: 1_000_000,
                bytes: 65_000_000,
                used_share: 0.5,
            }],
            viewing: Some(viewing(peers)),
            checks: BTreeMap::from([
                ("every_byte_is_verified".to_owned(), true),
                ("no_clog".to_owned(), false),
            ]),
            reasons: reasons(),
            again: format!("nearcast-sim run flash_crowd --seed {seed} --set up=5M --out again"),
        },
        peers: (0..peers).map(peer_row).collect(),
        timeline: (0..130).map(slice).collect(),
    }
}

/// A quarter has a large view, and is done a second earlier.
fn kinds(peers: u32) -> Vec<Behaviour> {
    let of = |kind, peers, seconds| Behaviour {
        kind,
        peers,
        completed: peers - 1,
        completion_seconds: Spread { p50: seconds, p95: seconds, last: seconds, mean: seconds },
        sent_copies: 0.5,
    };
    vec![of(Kind::Leecher, peers - peers / 4, 30.0), of(Kind::LargeView, peers / 4, 29.0)]
}

fn viewing(peers: u32) -> Viewing {
    let delay = Spread { p50: 3.25, p95: 7.5, last: 9.0, mean: 4.0 };
    Viewing {
        viewers: peers / 2,
        started: peers / 2,
        bitrate: 500_000,
        rate_bound: 750_000.0,
        start_delay_seconds: delay,
        smooth_delay_seconds: delay,
        stalls_mean: 1.25,
        smooth_share: 0.5,
        stalled_share: 0.0625,
    }
}

fn peer_row(peer: u32) -> PeerRow {
    PeerRow {
        peer,
        asn: 64_500 + peer % 40,
        up: 5_000_000,
        down: peer.is_multiple_of(2).then_some(20_000_000),
        joined: 1.0 / 3.0,
        began: Some(1.0),
        completed: (peer > 0).then(|| 1.0 / 3.0 + 20.0 + f64::from(peer) / 10.0),
        received: 268_435_456 + u64::from(peer) * 100_000,
        sent: 250_000_000,
        wasted: u64::from(peer) * 100_000,
        imported: 7,
        kind: if peer % 4 == 3 { Kind::LargeView } else { Kind::Leecher },
        viewed: (peer % 2 == 1).then(|| Viewed {
            start_delay: (peer > 1).then_some(3.25),
            stalls: peer % 3,
            stalled: 1.5,
            played: 60.0,
            smooth_delay: (peer > 1).then_some(4.5),
        }),
    }
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect("the file was written")
}

/// The cells of each line, as RFC 4180 has them.
fn cells(text: &str) -> Vec<Vec<String>> {
    let line = |line: &str| {
        let mut cells = vec![String::new()];
        let mut quoted = false;
        for character in line.chars() {
            match character {
                '"' => {
                    // The second of two quotes inside of quotes opens them again, and stands for one.
                    let last = cells.last_mut().unwrap();
                    if !quoted && !last.is_empty() {
                        last.push('"');
                    }
                    quoted = !quoted;
                }
                ',' if !quoted => cells.push(String::new()),
                other => cells.last_mut().unwrap().push(other),
            }
        }
        cells
    };
    text.lines().map(line).collect()
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, run) = (outcome(50, 3), folder.path().join("new/run"));
    write(&outcome, &run).unwrap();
    assert_eq!(read(&run).unwrap(), [outcome.summary]);
    let mut names: Vec<_> = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "groups.csv",
            "imports.csv",
            "peers.csv",
            "reasons.csv",
            "report.html",
            "summary.json",
            "timeline.csv"
        ]
    );
}

#[test]
fn a_figure_that_is_no_number_costs_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut outcome = outcome(50, 3);
    outcome.summary.completion_seconds.p95 = f64::NAN;
    outcome.summary.wall_seconds = f64::INFINITY;
    outcome.timeline[7].at = f64::NAN;
    outcome.peers[3].completed = Some(f64::INFINITY);
    write(&outcome, folder.path()).unwrap();
    let again = &read(folder.path()).unwrap()[0];
    assert!(again.completion_seconds.p95.is_nan() && again.wall_seconds.is_nan());
    assert_eq!(again.completion_seconds.p50, outcome.summary.completion_seconds.p50);
    for name in [REPORT_FILE, "peers.csv", "timeline.csv"] {
        let text = text(folder.path(), name);
        assert!(!text.contains("NaN") && !text.contains(">inf"), "{name}");
    }
}

#[test]
fn the_same_outcome_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    write(&outcome(50, 3), &a).unwrap();
    write(&outcome(40, 4), &b).unwrap();
    write(&outcome(50, 3), &b).unwrap();
    for entry in fs::read_dir(&a).unwrap() {
        let name = entry.unwrap().file_name();
        assert_eq!(fs::read(a.join(&name)).unwrap(), fs::read(b.join(&name)).unwrap(), "{name:?}");
    }
}

#[test]
fn a_folder_of_something_else_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("holiday.jpg"), "x").unwrap();
    let error = write(&outcome(10, 1), folder.path()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("holiday.jpg"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn tables_parse_back() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = outcome(50, 3);
    write(&outcome, folder.path()).unwrap();

    let peers = cells(&text(folder.path(), "peers.csv"));
    assert_eq!(peers.len(), 51);
    for (row, peer) in peers[1..].iter().zip(&outcome.peers) {
        assert_eq!(row.len(), peers[0].len());
        assert_eq!(row[3].parse().ok(), peer.down);
        assert_eq!(row[4].parse(), Ok(peer.joined));
        assert_eq!(row[5].parse().ok(), peer.completed);
        assert_eq!(row[8].parse(), Ok(peer.wasted));
        assert_eq!(row[10], peer.kind.name());
        assert_eq!(row[11].parse().ok(), peer.viewed.and_then(|seen| seen.start_delay));
        assert_eq!(row[12].parse().ok(), peer.viewed.map(|seen| seen.stalls));
        assert_eq!(row[13].parse().ok(), peer.viewed.map(|seen| seen.stalled));
        assert_eq!(row[14].parse().ok(), peer.viewed.and_then(|seen| seen.smooth_delay));
        assert_eq!(row[15].parse().ok(), peer.began);
    }
    let timeline = cells(&text(folder.path(), "timeline.csv"));
    assert_eq!(timeline[0].join(" "), "at lan prefix24 prefix16 same_as adjacent_as remote unknown origin");
    assert_eq!(timeline[130][8].parse(), Ok(outcome.timeline[129].origin));

    let groups = cells(&text(folder.path(), "groups.csv"));
    assert_eq!(groups[1][2].parse(), Ok(outcome.summary.groups[0].imports));
    assert_eq!(groups[1][4].parse().ok(), outcome.summary.groups[0].frontier_imports);

    let imports = cells(&text(folder.path(), "imports.csv"));
    let reasons: Vec<&str> = imports[1..].iter().map(|row| row[0].as_str()).collect();
    assert_eq!(reasons, outcome.summary.reasons.imported_bytes.keys().collect::<Vec<_>>());
    assert_eq!(imports[2][1], "120000000");

    let reasons = cells(&text(folder.path(), "reasons.csv"));
    assert!(reasons.contains(&["take-over", "owner is slow", "12", "requests"].map(str::to_owned).to_vec()));
    assert_eq!(reasons.len(), 1 + 3 + 1 + 1 + 1 + 1);
}

#[test]
fn hostile_names_are_text() {
    let mut outcome = outcome(10, 1);
    let name = "</title><script>alert(1)</script>\u{202e}";
    outcome.summary.scenario = name.to_owned();
    outcome.summary.options.insert(name.to_owned(), "\"><img src=x>".to_owned());
    outcome.summary.checks.insert(name.to_owned(), false);
    outcome.summary.trace_hash = name.to_owned();
    outcome.summary.reasons.imported_bytes.insert(name.to_owned(), 5);
    let page = run::page(&outcome);
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn a_page_says_what_matters() {
    let page = run::page(&outcome(50, 3));
    for part in [
        "flash_crowd",
        "seed 3",
        "1 check failed",
        ">held<",
        ">failed<",
        "bound: 18.5 s",
        "49 of 50 peers hold everything, the last after 24.9 s",
        "1.35 \u{d7} the bound",
        "10 others, summed",
        "nearcast-sim run flash_crowd --seed 3 --set up=5M --out again",
        "name=\"viewport\"",
        "25 of 25 started",
        "6.25 %",
        "0.667 of the bound",
        "0.967",
        "large view",
        "AS64500 to AS64501",
        "50.0 %",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("role=\"img\"").count(), 11);
    assert!(!page.contains("NaN"));
}

#[test]
fn a_run_of_nothing_has_a_page() {
    let page = run::page(&Outcome::default());
    assert_eq!(page.matches("No data").count(), 10);
    assert!(!page.contains("NaN") && !page.contains("inf "));
}

#[test]
fn folders_that_hold_no_run_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let words = read(folder.path()).unwrap_err().to_string();
    assert!(words.contains("summary.json"), "{words}");
    for seed in [2, 1] {
        write(&outcome(10, seed), &folder.path().join(format!("seed-{seed}"))).unwrap();
    }
    fs::create_dir(folder.path().join("notes")).unwrap();
    let seeds: Vec<u64> = read(folder.path()).unwrap().iter().map(|run| run.seed).collect();
    assert_eq!(seeds, [1, 2]);

    fs::write(folder.path().join("seed-1/summary.json"), "{\"scenario\": 7}").unwrap();
    let error = read(folder.path()).unwrap_err();
    assert!(matches!(error, ReadError::Malformed { .. }) && error.to_string().contains("seed-1"), "{error}");
}
