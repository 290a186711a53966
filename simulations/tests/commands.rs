//! The program as people run it: folders that it writes, read by its other commands.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// Runs `nearcast-sim` in a folder, with these words.
fn sim(folder: &Path, line: &str) -> Output {
    let words = line.split_whitespace();
    let output = Command::new(env!("CARGO_BIN_EXE_nearcast-sim")).args(words).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// What a command that must do well prints.
#[track_caller]
fn prints(folder: &TempDir, line: &str) -> String {
    let output = sim(folder.path(), line);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

/// The last object that a command prints.
#[track_caller]
fn object(folder: &TempDir, line: &str) -> Value {
    let text = prints(folder, line);
    serde_json::from_str(&text)
        .or_else(|_| serde_json::from_str(text.lines().last().unwrap_or_default()))
        .unwrap_or_else(|error| panic!("{line}: {error}\n{text}"))
}

const SMALL: &str = "--set peers=8 runs=10 expect.everybody_finishes=true expect.last_over_bound_max=none \
                     expect.wasted_share_max=none expect.origin_copies_max=none";

#[test]
fn settings_in_a_row_do_not_swallow_the_scenario_wherever_it_stands() {
    let folder = tempdir().expect("a folder");
    for (number, line) in
        [format!("run {SMALL} origin-loss --json"), format!("run origin-loss --json {SMALL}")]
            .iter()
            .enumerate()
    {
        let summary = object(&folder, &format!("{line} --out {number}"));
        assert_eq!((&summary["scenario"], &summary["runs"]), (&"origin-loss".into(), &10.into()), "{line}");
    }
}

#[test]
fn a_run_of_a_file_says_how_to_repeat_it_and_that_repeats_it() {
    let folder = tempdir().expect("a folder");
    let text = "name = \"ours\"\npeers = 6\nruns = 8\nuplinks = \"2MiB\"\n";
    std::fs::write(folder.path().join("my own.toml"), text).expect("it is written");
    let output = Command::new(env!("CARGO_BIN_EXE_nearcast-sim"))
        .args(["run", "my own.toml", "--set", "runs=9", "--fidelity", "pulled", "--json", "--out", "first"])
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let first: Value = serde_json::from_slice(&output.stdout).expect("a summary");
    let again = first["again"].as_str().expect("a command").to_owned();
    let page = std::fs::read_to_string(folder.path().join("first/report.html")).expect("a page");
    assert!(page.contains("my own.toml") && page.contains("--set runs=9 --fidelity pulled"), "{again}");
    let program = env!("CARGO_BIN_EXE_nearcast-sim");
    let line = again.replacen("nearcast-sim", program, 1) + " --json";
    let output = Command::new("sh").args(["-c", &line]).current_dir(folder.path()).output().expect("a shell");
    let second: Value = serde_json::from_slice(&output.stdout).expect("a summary");
    assert_eq!(first["trace_hash"], second["trace_hash"], "{line}");
}

#[test]
fn two_shards_are_compared_as_the_whole_sweep_that_they_are() {
    let folder = tempdir().expect("a folder");
    let sweep = format!("run origin-loss --quiet --seeds 1..3 {SMALL}");
    prints(&folder, &format!("{sweep} --out whole"));
    prints(&folder, &format!("{sweep} --out all/1 --shard 1/2"));
    prints(&folder, &format!("{sweep} --out all/2 --shard 2/2"));
    for line in ["compare whole all --json", "compare whole all/1 --with-b all/2 --json"] {
        let comparison = object(&folder, line);
        assert_eq!((&comparison["traces"], &comparison["b"]["runs"]), (&"same".into(), &3.into()), "{line}");
    }
    let half = sim(folder.path(), "compare whole all/1");
    assert!(half.status.success());
    let said = String::from_utf8_lossy(&half.stderr);
    assert!(said.contains("1 runs of the sweep are missing (numbers 1)"), "{said}");
}

#[test]
fn the_clinic_keeps_its_table_and_shows_it_beside_a_later_one() {
    let folder = tempdir().expect("a folder");
    let output = sim(folder.path(), "clinic --only far-origin --seeds 1..1 --quiet --out before");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().count(), 4, "a head and three figures: {text}");
    let output = sim(folder.path(), "clinic --only far-origin --seeds 1..1 --quiet --against before --json");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let finding: Value = serde_json::from_str(line).expect("an object");
        if let Some(now) = finding.get("now") {
            assert_eq!(now, &finding["before"], "the same seeds give the same figures: {line}");
            assert!(finding["goal"]["at_least"].is_number(), "{line}");
        }
    }
    let wrong = sim(folder.path(), "clinic --only nothing");
    assert_eq!(wrong.status.code(), Some(28));
}

#[test]
fn the_fluid_model_is_fitted_to_a_sweep_and_set_beside_it() {
    let folder = tempdir().expect("a folder");
    let expect = "expect.imports_max=none expect.last_over_bound_max=none expect.wasted_share_max=none \
                  expect.origin_copies_max=none";
    prints(&folder, &format!("run flash-crowd --quiet --set peers=24,48 runs=20 {expect} --out sweep"));
    let fit = prints(&folder, "fluid --fit sweep --print-fit");
    assert!(fit.contains("2 exact runs of flash-crowd, 24 to 48 peers, seeds 1 to 1"), "{fit}");
    std::fs::write(folder.path().join("fit.toml"), &fit).expect("it is written");
    let beside = prints(&folder, "fluid --beside sweep --fit-file fit.toml --json");
    assert_eq!(beside.lines().count(), 2, "{beside}");
    let figures = object(&folder, "fluid flash-crowd --peers 20M --fit-file fit.toml --out fluid --json");
    assert_eq!(figures["mode"], "fluid");
    assert!(figures["peers"].as_f64().is_some_and(|peers| (peers - 2e7).abs() < 1.0), "{figures}");
    let page = std::fs::read_to_string(folder.path().join("fluid/report.html")).expect("a page");
    assert!(page.contains(">fluid<"));
}
