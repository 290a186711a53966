//! `nearcast-sim` as a person and a script use it: what it prints where, what it writes, and how it
//! ends.

use std::{collections::BTreeSet, fs, path::Path};

use e2e::{
    cluster::{PATIENCE, READY_TIMEOUT, run},
    place::Place,
    process::{Process, Stream},
};
use rustix::process::Signal;
use serde_json::Value;

/// A run that takes a moment.
const SMALL: [&str; 6] = ["run", "flash-crowd", "--set", "peers=12", "--set", "runs=8"];

/// Runs `nearcast-sim` with these arguments in a place.
fn sim(place: &Place, arguments: &[&str]) -> (i32, Process) {
    run("nearcast-sim", place.simulator().current_dir(place.path()).args(arguments))
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    entries.map(|entry| name(entry.expect("a folder can be listed"))).collect()
}

fn summary(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("summary.json")).expect("a run writes its summary");
    serde_json::from_str(&text).expect("a summary is JSON")
}

#[test]
fn a_run_says_its_settings_first_and_writes_every_file() {
    let place = Place::new();
    // What the small crowd yields is not what the shipped one expects.
    let lenient = ["last_over_bound_max", "imports_max", "origin_copies_max", "wasted_share_max"];
    let lenient: Vec<String> = lenient.iter().map(|name| format!("expect.{name}=none")).collect();
    let mut arguments = SMALL.to_vec();
    lenient.iter().for_each(|set| arguments.extend(["--set", set.as_str()]));
    arguments.extend(["--seed", "7", "--out", "out"]);
    let (code, process) = sim(&place, &arguments);
    assert_eq!(code, 0, "{}", process.tail());
    let said = process.lines(Stream::Stderr);
    assert!(said[0].starts_with("flash-crowd: "), "{said:?}");
    assert!(said[1].starts_with("seed 7, "), "{said:?}");
    assert!(said.iter().any(|line| line.contains(" peers=12 ")), "{said:?}");
    assert!(
        process.lines(Stream::Stdout).iter().any(|line| line.starts_with("check ")),
        "{}",
        process.tail()
    );
    let tables = ["groups.csv", "imports.csv", "peers.csv", "reasons.csv", "timeline.csv"];
    let files = tables.into_iter().chain(["report.html", "summary.json"]);
    assert_eq!(names(&place.path().join("out")), files.map(str::to_owned).collect());
    let summary = summary(&place.path().join("out"));
    assert_eq!((&summary["seed"], &summary["peers"]), (&Value::from(7), &Value::from(12)));

    // The same again takes the same course.
    *arguments.last_mut().expect("there are arguments") = "again";
    assert_eq!(sim(&place, &arguments).0, 0);
    let (code, process) = sim(&place, &["compare", "out", "again", "--html", "c.html"]);
    assert_eq!(code, 0, "{}", process.tail());
    assert!(process.lines(Stream::Stdout).contains(&"The traces are the same.".to_owned()));
    assert!(place.path().join("c.html").is_file());
}

#[test]
fn a_sweep_has_a_folder_for_each_run_and_an_index() {
    let place = Place::new();
    let mut arguments = vec!["run", "flash-crowd", "--set", "runs=8", "--set", "peers=6,12"];
    arguments.extend(["--seeds", "1..2", "--jobs", "2", "--quiet", "--json", "--out", "sweep"]);
    let (code, process) = sim(&place, &arguments);
    // So small a crowd may not keep all bounds; that is not what this is about.
    assert!([0, 1].contains(&code), "{}", process.tail());
    let lines = process.lines(Stream::Stdout);
    let read = |line: &String| serde_json::from_str::<Value>(line).expect("a line is JSON");
    let runs: Vec<Value> = lines.iter().map(read).filter(|value| value["scenario"].is_string()).collect();
    let told: Vec<String> = runs.iter().map(|run| format!("{} {}", run["peers"], run["seed"])).collect();
    assert_eq!(told, ["6 1", "6 2", "12 1", "12 2"]);
    let sweep = place.path().join("sweep");
    assert!(names(&sweep).contains("index.html"));
    assert!(names(&sweep).contains("0003_runs=8_peers=12_seed=2"), "{:?}", names(&sweep));
    assert_eq!(names(&sweep).len(), 5);
    let (code, process) = sim(&place, &["cost", "--demand", "25PB", "--summary", "sweep"]);
    assert_eq!(code, 0, "{}", process.tail());
}

#[test]
fn a_failing_check_ends_with_1_and_says_how_to_repeat_its_run() {
    let place = Place::new();
    let mut arguments = SMALL.to_vec();
    arguments.extend(["--set", "expect.origin_copies_max=0", "--quiet", "--out", "out"]);
    let (code, process) = sim(&place, &arguments);
    assert_eq!(code, 1, "{}", process.tail());
    let wanted = "nearcast-sim run flash-crowd --seed 1 --set peers=12 --set runs=8";
    assert!(process.lines(Stream::Stderr).iter().any(|line| line.contains(wanted)), "{}", process.tail());
    // What a failing run yielded is there all the same.
    assert!(place.path().join("out/report.html").is_file());
}

#[test]
fn what_cannot_be_done_is_said_with_its_exit_code() {
    let place = Place::new();
    let foreign = place.folder("thesis");
    fs::write(foreign.join("thesis.tex"), "x").expect("a temporary folder can be written to");
    fs::write(place.path().join("bad.toml"), "peers = 'many'").expect("a temporary folder can be written to");
    for (code, words, arguments) in [
        (28, "did you mean `flash-crowd`", vec!["run", "flashcrowd", "--out", "a"]),
        (28, "did you mean `peers`", vec!["run", "churn", "--set", "pers=3", "--out", "a"]),
        (28, "line 1", vec!["run", "bad.toml", "--out", "a"]),
        (28, "seeds", vec!["run", "churn", "--seeds", "8..1", "--out", "a"]),
        (28, "exact and pulled", vec!["run", "churn", "--fidelity", "rough", "--out", "a"]),
        (17, "missing.toml", vec!["run", "missing.toml", "--out", "a"]),
        (17, "missing.atlas", vec!["run", "churn", "--atlas", "missing.atlas", "--out", "a"]),
        (13, "thesis.tex", vec!["run", "churn", "--out", "thesis"]),
        (13, "thesis.tex", vec!["run", "churn", "--seeds", "1..2", "--out", "thesis"]),
        (17, "nowhere", vec!["compare", "nowhere", "thesis"]),
        (28, "summary.json", vec!["compare", "thesis", "thesis"]),
        (28, "line 1", vec!["replay", "bad.toml"]),
    ] {
        let (found, process) = sim(&place, &arguments);
        assert_eq!(found, code, "{arguments:?}\n{}", process.tail());
        let said = process.lines(Stream::Stderr).join("\n");
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(!place.path().join("a").exists(), "{arguments:?}: nothing is written");
    }
    assert_eq!(names(&foreign).len(), 1);
}

#[test]
fn ctrl_c_ends_a_run_at_once_and_leaves_no_file() {
    let place = Place::new();
    let mut command = place.simulator();
    // Large enough to be running for minutes.
    let arguments = ["run", "flash-crowd", "--set", "peers=4000", "--set", "runs=4000", "--out", "out"];
    let process = Process::start("nearcast-sim", command.current_dir(place.path()).args(arguments));
    process.wait_for("settings", Stream::Stderr, READY_TIMEOUT, |lines| {
        lines.iter().any(|line| line.starts_with("seed 1, ")).then_some(())
    });
    process.signal(Signal::INT);
    assert_eq!(process.wait_exit(PATIENCE), 130, "{}", process.tail());
    assert!(names(&place.path().join("out")).is_empty());
}

#[test]
fn every_shipped_scenario_is_listed_and_shown() {
    let place = Place::new();
    let (code, process) = sim(&place, &["list", "--json"]);
    assert_eq!(code, 0, "{}", process.tail());
    let lines = process.lines(Stream::Stdout);
    assert!(lines.len() > 15, "{lines:?}");
    for line in lines {
        let listed: Value = serde_json::from_str(&line).expect("a line is JSON");
        let name = listed["name"].as_str().expect("a scenario has a name");
        let (code, process) = sim(&place, &["show", name, "--settings"]);
        assert_eq!(code, 0, "{}", process.tail());
        let settings = process.lines(Stream::Stdout);
        assert!(settings.contains(&format!("name={name}")), "{settings:?}");
        assert!(settings.iter().any(|line| line.starts_with("policy.links.wanted=")), "{settings:?}");
    }
}
