//! `nearcast serve` and `nearcast tracker` run the services themselves, from any place where these
//! are found.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use e2e::{
    binaries::binaries,
    cluster::{PATIENCE, READY_TIMEOUT, run},
    place::Place,
    process::{Process, Stream},
};
use rustix::process::Signal;

const BAD_OPTION: i32 = 28;

/// The client alone in a folder, with no service beside it.
fn alone(place: &Place) -> PathBuf {
    let path = place.folder("alone").join("nearcast");
    // A hard link costs nothing; on another file system this is a copy.
    if fs::hard_link(&binaries().nearcast, &path).is_err() {
        fs::copy(&binaries().nearcast, &path).expect("a temporary folder can be written to");
    }
    path
}

/// Runs a program with nothing but `folder` in PATH.
fn with_path(program: &Path, folder: &Path, arguments: &[&str]) -> (i32, Process) {
    run("nearcast", Command::new(program).args(arguments).env("PATH", folder).current_dir("/"))
}

#[test]
fn the_door_becomes_the_seeder_which_gets_the_signal() {
    let place = Place::new();
    let mut serve = place.nearcast();
    serve.arg("serve").arg("--root").arg(place.folder("root"));
    serve.args(["--listen", "/ip4/127.47.1.1/tcp/0", "--admin", "127.0.0.1:0", "--log-format", "json"]);
    let process = Process::start("serve", &mut serve);
    process.wait_for("ready", Stream::Stdout, READY_TIMEOUT, |lines| {
        lines.iter().any(|line| line == "ready").then_some(())
    });
    process.signal(Signal::TERM);
    assert_eq!(process.wait_exit(PATIENCE), 0, "{}", process.tail());
    // The client has this option too; here it reached the service.
    let log = process.lines(Stream::Stderr);
    assert!(!log.is_empty() && log.iter().all(|line| line.starts_with('{')), "{log:?}");
}

#[test]
fn options_and_exit_codes_are_the_services() {
    let place = Place::new();
    let (code, process) = run("help", place.nearcast().args(["serve", "--help"]));
    assert_eq!(code, 0);
    assert!(process.lines(Stream::Stdout).iter().any(|line| line.contains("NEARCAST_SEEDER_ROOT")));
    let (code, process) = run("version", place.nearcast().args(["tracker", "--version"]));
    assert_eq!(code, 0);
    assert!(process.lines(Stream::Stdout)[0].starts_with("nearcast-tracker "), "{}", process.tail());
    let (code, process) = run("wrong", place.nearcast().args(["serve", "--up", "fast"]));
    assert_eq!(code, BAD_OPTION);
    assert!(process.tail().contains("--up"), "{}", process.tail());
}

#[test]
fn a_service_is_found_in_path_when_none_lies_beside_the_client() {
    let place = Place::new();
    let (client, path) = (alone(&place), place.folder("path"));
    let (code, process) = with_path(&client, &path, &["tracker", "--version"]);
    assert_eq!(code, BAD_OPTION, "{}", process.tail());
    symlink(&binaries().tracker, path.join("nearcast-tracker"))
        .expect("a temporary folder can be written to");
    let (code, process) = with_path(&client, &path, &["tracker", "--version"]);
    assert_eq!(code, 0, "{}", process.tail());
}

#[test]
fn a_service_that_is_not_installed_is_named_with_its_package() {
    let place = Place::new();
    let client = alone(&place);
    for (door, package) in [("serve", "nearcast-seeder"), ("tracker", "nearcast-tracker")] {
        let (code, process) = with_path(&client, &place.folder("empty"), &[door, "--help"]);
        assert_eq!(code, BAD_OPTION, "{}", process.tail());
        let said = process.lines(Stream::Stderr);
        assert!(said.len() == 1 && said[0].contains(&format!("the package {package} brings it")), "{said:?}");
    }
}

#[test]
fn options_in_front_of_a_door_are_refused() {
    let place = Place::new();
    let (code, process) = run("front", place.nearcast().args(["-v", "serve", "--root", "media"]));
    assert_eq!(code, BAD_OPTION);
    assert!(process.tail().contains("behind \"nearcast serve\""), "{}", process.tail());
}

#[test]
fn help_lists_both_doors() {
    let place = Place::new();
    let (code, process) = run("help", place.nearcast().arg("--help"));
    assert_eq!(code, 0);
    let help = process.lines(Stream::Stdout);
    for door in ["  serve ", "  tracker "] {
        assert!(help.iter().any(|line| line.starts_with(door)), "{help:?}");
    }
}
