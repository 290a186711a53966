//! Errors in the program itself: whichever of its long tasks fails, the program ends at once and
//! names the task.
//!
//! Debug builds can fail on demand (`node/src/vital.rs`). With other builds these tests say
//! `skipped` and pass.

use std::{process::Command, time::Duration};

use e2e::{
    cluster::{Get, Seeder, SeederOptions, publish},
    content::{MIB, write_random},
    place::Place,
    process::{Process, Stream},
    tracker::TrackerOptions,
};

/// Time from the fault, which comes soon after the start, to the end. The program does not wait for
/// work under way.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs a command with a failing task; it must end with an error and one line that names the task.
fn ends(what: &str, command: &mut Command, task: &str) {
    let process = Process::start(what, command.env("NEARCAST_FAULT", task));
    let code = process.wait_exit(END_TIMEOUT);
    assert_eq!(code, 1, "{what} without {task}\n{}", process.tail());
    let told = process.lines(Stream::Stderr);
    let lines =
        told.iter().filter(|line| line.contains(&format!("{task} stopped because of an error"))).count();
    assert_eq!(lines, 1, "{what} without {task} says it once\n{}", process.tail());
    process.assert_group_gone();
}

fn are_made_to_fail() -> bool {
    let are = cfg!(debug_assertions)
        && std::env::var_os("NEARCAST_BIN_DIR")
            .is_none_or(|folder| folder.to_string_lossy().trim_end_matches('/').ends_with("debug"));
    if !are {
        println!("skipped: only debug builds fail on demand");
    }
    are
}

#[test]
fn a_seeder_ends_when_a_task_it_cannot_do_without_fails() {
    if !are_made_to_fail() {
        return;
    }
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("film.bin"), MIB, 107);
    publish(&place, &root.join("film.bin"), &[]);
    let options = |ip: &str| SeederOptions {
        root: root.clone(),
        state: place.folder(ip),
        ip: ip.to_owned(),
        port: 0,
        arguments: Vec::new(),
    };
    for task in ["The node's loop", "The network", "What looks at the root"] {
        ends("seeder", &mut Seeder::command(&place, &options("127.1.0.1")), task);
    }
    let mut with_admin = place.seeder();
    with_admin.args(["serve", "--admin", "127.0.0.1:0", "--listen", "/ip4/127.1.0.1/tcp/0", "--root"]);
    with_admin.arg(&root).arg("--state-dir").arg(place.folder("admin"));
    ends("seeder", &mut with_admin, "The admin listener");
}

#[test]
fn a_tracker_ends_when_a_task_it_cannot_do_without_fails() {
    if !are_made_to_fail() {
        return;
    }
    let place = Place::new();
    for task in [
        "The node's loop",
        "What writes down who is known",
        "What writes to the database",
        "What puts atlases to use",
    ] {
        ends("tracker", &mut TrackerOptions::new(&place, "127.1.0.3", &[]).command(&place), task);
    }
    let routes = TrackerOptions::new(&place, "127.1.0.3", &["--bmp", "127.0.0.1:0"]);
    ends("tracker", &mut routes.command(&place), "The owner of the table of routes");
}

#[test]
fn a_download_ends_when_a_task_it_cannot_do_without_fails() {
    if !are_made_to_fail() {
        return;
    }
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("film.bin"), 24 * MIB, 108);
    let torrent = publish(&place, &root.join("film.bin"), &[]).torrent;
    let seeder = Seeder::start(&place, &root, "127.1.0.1");
    for task in ["The node's loop", "The network"] {
        let out = place.folder("out");
        let get =
            Get::new(&place, &torrent, &out, "127.1.0.2").peer(seeder.address()).with(&["--down", "4MiB"]);
        let client = get.variable("NEARCAST_FAULT", task).start();
        assert_eq!(client.process.wait_exit(END_TIMEOUT), 1, "without {task}\n{}", client.process.tail());
        let words = format!("{task} stopped because of an error");
        let told = client.process.tail();
        assert!(told.contains(&words), "without {task}\n{told}");
        client.process.assert_group_gone();
    }
    for task in ["What looks at the files that are there", "A disk thread"] {
        let out = place.folder("on-threads");
        let get = Get::new(&place, &torrent, &out, "127.1.0.2").peer(seeder.address());
        let client = get.variable("NEARCAST_FAULT", task).start();
        assert_eq!(client.process.wait_exit(END_TIMEOUT), 1, "without {task}\n{}", client.process.tail());
        let words = format!("{task} stopped because of an error");
        let told = client.process.tail();
        assert!(told.contains(&words), "without {task}\n{told}");
        client.process.assert_group_gone();
    }
    // The data is kept, and the same command continues.
    Get::new(&place, &torrent, &place.folder("out"), "127.1.0.2").peer(seeder.address()).finish();
}
