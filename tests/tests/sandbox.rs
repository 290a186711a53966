//! The sandbox that a service sets up around itself. Tests beside its code try what it forbids;
//! these tests show what must still work inside.

use std::{fs, path::Path, time::Duration};

use e2e::{
    cluster::{Get, PATIENCE, publish, run},
    content::{MIB, write_random},
    internet,
    operated::Operated,
    place::Place,
    process::{Process, Stream},
    tracker::{Tracker, TrackerOptions, only_file},
};
use rustix::process::Signal;

/// Whether this kernel supports the whole sandbox. If not, the reason is printed.
fn is_possible(place: &Place) -> bool {
    let mut command = place.tracker();
    command.args(["serve", "--sandbox", "require", "--admin", "off", "--listen", "/ip4/127.47.0.1/tcp/0"]);
    command.arg("--state-dir").arg(place.folder("probe"));
    let process = Process::start("probe", &mut command);
    let ready = process
        .wait_maybe(Stream::Stdout, PATIENCE, |lines| lines.contains(&"ready".to_owned()).then_some(()));
    if ready.is_none() {
        let said = process.tail();
        assert!(said.contains("a sandbox is required, and cannot be had"), "{said}");
        assert_eq!(process.wait_exit(PATIENCE), 28, "a service manager must not try again and again");
        println!("skipped: {said}");
    }
    ready.is_some()
}

/// A field of /proc/PID/status.
fn status(process: &Process, key: &str) -> String {
    let text =
        fs::read_to_string(format!("/proc/{}/status", process.pid())).expect("the kernel tells of processes");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn show(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

#[test]
fn a_seeder_serves_takes_new_contents_and_reloads_inside_its_sandbox() {
    let place = Place::new();
    if !is_possible(&place) {
        return;
    }
    let (root, atlases) = (place.folder("root"), place.folder("atlases"));
    write_random(&root.join("film.bin"), MIB, 471);
    let torrent = publish(&place, &root.join("film.bin"), &[]).torrent;
    let atlas = atlases.join("a.atlas");
    fs::write(&atlas, internet::atlas(7).encode()).unwrap();
    let lines = format!("sandbox = \"require\"\natlas = \"{}\"", show(&atlas));
    let seeder = Operated::start(&place, &root, "127.47.1.1", &lines);
    let said = seeder.wait_log("sandbox: ", PATIENCE);
    assert!(said.contains("by Landlock") && said.contains("by seccomp"), "{said}");
    assert_eq!(
        (status(&seeder.process, "Seccomp"), status(&seeder.process, "NoNewPrivs")),
        ("2".into(), "1".into())
    );
    Get::new(&place, &torrent, &place.folder("out-a"), "127.47.2.1").peer(seeder.address()).finish();

    // A content added while the seeder runs, and an atlas file that is replaced.
    write_random(&root.join("later.bin"), MIB, 472);
    let later = publish(&place, &root.join("later.bin"), &[]).torrent;
    fs::write(atlases.join("new"), internet::atlas(8).encode()).unwrap();
    fs::rename(atlases.join("new"), &atlas).unwrap();
    seeder.rewrite(&place, &root, "127.47.1.1", &format!("{lines}\nup = \"50M\""));
    seeder.process.signal(Signal::HUP);
    seeder.wait_log("changed: up", PATIENCE);
    Get::new(&place, &later, &place.folder("out-b"), "127.47.2.2").peer(seeder.address()).finish();

    // An atlas in a folder that was not named at the start is refused with a message, and nothing
    // else changes.
    let other = Place::new();
    let elsewhere = other.path().join("b.atlas");
    fs::copy(&atlas, &elsewhere).unwrap();
    let moved = format!("sandbox = \"require\"\natlas = \"{}\"", show(&elsewhere));
    seeder.rewrite(&place, &root, "127.47.1.1", &moved);
    seeder.process.signal(Signal::HUP);
    seeder.wait_log("others take a restart", PATIENCE);
    Get::new(&place, &later, &place.folder("out-c"), "127.47.2.3").peer(seeder.address()).finish();
    seeder.process.signal(Signal::TERM);
    assert_eq!(seeder.process.wait_exit(PATIENCE), 0, "{}", seeder.process.tail());
}

#[test]
fn a_seeder_publishes_inside_its_sandbox() {
    let place = Place::new();
    if !is_possible(&place) {
        return;
    }
    let root = place.folder("root");
    let lines = "sandbox = \"require\"\npublish = true\nrescan = \"500ms\"";
    let seeder = Operated::start(&place, &root, "127.47.3.1", lines);
    write_random(&root.join("film.bin"), MIB, 473);
    let link = seeder.wait_published("film.bin", &[], PATIENCE);
    Get::new(&place, &link, &place.folder("out"), "127.47.4.1").finish();
    let free = Operated::start(&place, &root, "127.47.3.2", "publish = true");
    let said = free.wait_log("sandbox: ", PATIENCE);
    assert!(
        said.contains("files not held") && said.contains("by seccomp"),
        "who writes must be seen: {said}"
    );
}

#[test]
fn a_tracker_keeps_its_state_and_reads_its_list_again_inside_its_sandbox() {
    let place = Place::new();
    if !is_possible(&place) {
        return;
    }
    let list = place.folder("lists").join("contents.txt");
    fs::write(&list, format!("{}\n", "ab".repeat(32))).unwrap();
    let options =
        TrackerOptions::new(&place, "127.47.5.1", &["--sandbox", "require", "--allow", show(&list)]);
    let tracker = Tracker::start(&place, &options);
    assert!(tracker.wait_log("sandbox: ", PATIENCE).contains("by Landlock"));
    let new = list.with_extension("new");
    fs::write(&new, format!("{}\n", "cd".repeat(32))).unwrap();
    fs::rename(&new, &list).unwrap();
    tracker.process.signal(Signal::HUP);
    tracker.wait_log("configuration read again", PATIENCE);
    tracker.process.signal(Signal::TERM);
    assert_eq!(tracker.process.wait_exit(PATIENCE), 0, "{}", tracker.process.tail());
    assert!(only_file(&options.state, "redb").is_some(), "who is known was written down");
    Tracker::start(&place, &options);
}

#[test]
fn off_is_off_and_said() {
    let place = Place::new();
    let options = TrackerOptions::new(&place, "127.47.6.1", &["--sandbox", "off"]);
    let tracker = Tracker::start(&place, &options);
    tracker.wait_log("sandbox: off", Duration::from_secs(20));
    assert_eq!(status(&tracker.process, "NoNewPrivs"), status_of_ours());
}

fn status_of_ours() -> String {
    let text = fs::read_to_string("/proc/self/status").expect("the kernel tells of processes");
    let line = text.lines().find_map(|line| line.strip_prefix("NoNewPrivs:"));
    line.unwrap_or_default().trim().to_owned()
}

#[test]
fn a_word_that_is_none_is_refused() {
    let place = Place::new();
    let (code, process) = run("wrong", place.tracker().args(["serve", "--sandbox", "perhaps"]));
    assert_eq!(code, 28, "{}", process.tail());
    assert!(process.tail().contains("auto or off or require"), "{}", process.tail());
}
