use std::fs;

use nearcast_core::{
    engine::Engine,
    flight::Recorder,
    id::{ContentKey, PeerKey},
    input::{Candidate, Event, Goal, Input, Join, Material, Via},
    layout::Layout,
    run_set::RunSet,
    tier::Near,
    time::Timestamp,
    {NoPeers, output::Action},
};

use super::*;

/// The flight of an engine that joins, and is told of thirty peers.
fn flight(folder: &std::path::Path) -> PathBuf {
    let config = Config::default();
    let mut engine = Engine::new(config.clone().into(), 5);
    let mut entries = vec![Entry::Start { config, seed: 5 }];
    let layout = Layout::new(1 << 18, [1 << 20]).unwrap();
    let have = RunSet::empty(layout.runs());
    let candidate = |peer| Candidate { peer: PeerKey(peer), near: Near::UNKNOWN, via: Via::Named };
    let join = Join {
        material: Some(Material { layout: layout.into(), have, wanted: None }),
        candidates: (1..31).map(candidate).collect(),
        directories: Vec::new(),
        may_be_found: true,
        exchange_peers: true,
        patience: std::time::Duration::from_secs(60),
        goal: Goal::Forever,
        paused: false,
    };
    let mut recorder = Recorder::default();
    let mut outputs = Vec::new();
    let input = Input::Event { content: ContentKey(0), event: Event::Join(join) };
    entries.push(recorder.turn(&mut engine, (Timestamp::ZERO, input), &NoPeers, &mut outputs));
    assert!(
        outputs.iter().any(|output| matches!(output, Output::Action { action: Action::Dial { .. }, .. }))
    );
    let path = folder.join("flight.jsonl");
    let lines: Vec<String> = entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

fn replayed(flight: PathBuf, policy: &[&str]) -> Replayed {
    Replayed { flight, policy: policy.iter().map(|text| (*text).to_owned()).collect(), json: false }
}

#[test]
fn the_same_policy_decides_the_same_and_another_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::new(true, false);
    let flight = flight(folder.path());
    let seen = replayed(flight.clone(), &[]).replay(&screen).unwrap();
    assert_eq!((seen.entries, seen.turns, seen.differing), (2, 1, 0));
    let seen = replayed(flight, &["links.wanted=3"]).replay(&screen).unwrap();
    assert_eq!((seen.turns, seen.differing), (1, 1));
    assert!(seen.found.kinds["dial"] < seen.recorded.kinds["dial"], "{:?}", seen.found);
    let text = text(&seen);
    assert!(text.contains("something else decided in 1 of them") && text.contains("\ndial "), "{text}");
}

#[test]
fn half_a_line_at_the_end_is_no_error_and_nonsense_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::new(true, false);
    let path = flight(folder.path());
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{whole}{{\"Turn\":")).unwrap();
    assert_eq!(replayed(path.clone(), &[]).replay(&screen).unwrap().turns, 1);
    fs::write(&path, format!("{whole}nonsense\n")).unwrap();
    let error = replayed(path.clone(), &[]).replay(&screen).unwrap_err().to_string();
    assert!(error.contains("line 3"), "{error}");
    fs::write(&path, "").unwrap();
    assert!(replayed(path, &[]).replay(&screen).unwrap_err().to_string().contains("holds no turn"));
}

#[test]
fn a_policy_that_there_is_not_is_refused() {
    for policy in ["links.wnated=3", "links.wanted", "links.wanted=many", "links.wanted=900"] {
        let error = replayed(PathBuf::new(), &[policy]).changed(Config::default()).unwrap_err();
        assert_eq!(error.exit() as u8, 28, "{error}");
    }
}
