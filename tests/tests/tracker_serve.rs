//! What an operator and clients see of a tracker: first answers, restarts, the end, and refusals.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use e2e::{
    binaries::{binaries, workspace},
    cluster::{Client, Get, PATIENCE, Published, Seeder, publish, run},
    content::{MIB, write_random},
    operated::Manager,
    place::Place,
    process::{Process, Stream},
    tracker::{Tracker, TrackerOptions},
};
use rustix::process::Signal;

/// A content, and a client at `ip` that has the content and has announced it to `tracker`. The
/// seeder it came from is gone.
fn holder(place: &Place, tracker: &Tracker, ip: &str) -> (Published, Client) {
    let root = place.folder("root");
    write_random(&root.join("film.bin"), MIB, 431);
    let published = publish(place, &root.join("film.bin"), &[]);
    let seeder = Seeder::start(place, &root, "127.43.9.9");
    let out = place.folder(&format!("out-{ip}"));
    let get = Get::new(place, &published.torrent, &out, ip).peer(seeder.address());
    let client =
        get.with(&["--tracker", tracker.address(), "--seed", "forever", "--timeout", "600s"]).start();
    client.wait_finished(PATIENCE);
    tracker.wait_metric("nearcast_entries", |entries| entries >= 1.0);
    seeder.process.kill();
    (published, client)
}

/// A client that knows only the tracker.
fn seeker(place: &Place, published: &Published, tracker: &str, ip: &str) -> Get {
    let out = place.folder(&format!("out-{ip}"));
    Get::new(place, &published.magnet, &out, ip).with(&["--tracker", tracker, "--discover", "tracker"])
}

#[test]
fn those_who_know_the_tracker_only_find_each_other() {
    let place = Place::new();
    let tracker = Tracker::start(&place, &TrackerOptions::new(&place, "127.43.1.1", &[]));
    let (published, holder) = holder(&place, &tracker, "127.43.1.2");
    let summary = seeker(&place, &published, tracker.address(), "127.43.1.3").finish();
    assert_eq!(summary.bytes, MIB);
    let metrics = tracker.ask("/metrics");
    for counter in ["questions", "answers", "announcements"] {
        assert!(metrics.metric(&format!("nearcast_{counter}_total")) >= 1.0, "{}", metrics.text);
    }
    assert!(metrics.metric("nearcast_peers_told_total{tier=\"prefix24\"}") >= 1.0, "{}", metrics.text);
    assert_eq!(metrics.metric("nearcast_contents") as u64, 1);
    assert!(!metrics.text.contains("12D3"), "no peer is named");
    holder.interrupt(PATIENCE);
}

#[test]
fn a_tracker_that_was_restarted_knows_whom_it_knew() {
    let place = Place::new();
    let mut options = TrackerOptions::new(&place, "127.43.2.1", &[]);
    let mut tracker = Tracker::start(&place, &options);
    options.port = tracker.port();
    let address = tracker.address().to_owned();
    let (published, holder) = holder(&place, &tracker, "127.43.2.2");
    // From now on the holder announces nothing: the tracker must remember it.
    holder.process.signal(Signal::STOP);
    for end in [Signal::KILL, Signal::TERM] {
        tracker.wait_metric("nearcast_saved_peers", |peers| peers >= 1.0);
        tracker.process.signal(end);
        let code = tracker.process.wait_exit(PATIENCE);
        assert_eq!(code == 0, end == Signal::TERM, "{}", tracker.process.tail());
        tracker.process.assert_group_gone();
        tracker = Tracker::start(&place, &options);
        assert_eq!(tracker.address(), address, "it is the same tracker");
        let metrics = tracker.ask("/metrics");
        assert!(metrics.metric("nearcast_restored_peers") >= 1.0, "{}", metrics.text);
        assert!(metrics.metric("nearcast_entries") >= 1.0, "{}", metrics.text);
        // The tracker saves again only when something changes.
        let seeker = seeker(&place, &published, &address, "127.43.2.3").start();
        tracker.wait_metric("nearcast_saves_total", |saves| saves >= 1.0);
        seeker.interrupt(PATIENCE);
    }
    let seeker = seeker(&place, &published, &address, "127.43.2.4").start();
    tracker.wait_metric("nearcast_answers_total", |answers| answers >= 1.0);
    holder.process.signal(Signal::CONT);
    seeker.wait_finished(PATIENCE);
    holder.interrupt(PATIENCE);
}

#[test]
fn a_damaged_database_is_moved_aside_and_said() {
    let place = Place::new();
    let options = TrackerOptions::new(&place, "127.43.3.1", &[]);
    let database = options.state.join("directory.redb");
    fs::write(&database, "no database").unwrap();
    let tracker = Tracker::start(&place, &options);
    let said = tracker.wait_log("cannot be used", PATIENCE);
    assert!(said.contains("directory.redb.unusable"), "{said}");
    assert_eq!(fs::read(options.state.join("directory.redb.unusable")).unwrap(), b"no database");
    assert_eq!(tracker.ask("/readyz").status, 200);

    let (code, second) = run("second", &mut options.command(&place));
    assert_eq!(code, 17, "{}", second.tail());
    assert!(second.tail().contains("in use by another tracker"), "{}", second.tail());
}

#[test]
fn it_says_that_it_ends_and_ends_in_time() {
    let place = Place::new();
    let manager = Manager::new(place.path());
    let options = TrackerOptions::new(&place, "127.43.4.1", &[]);
    let mut command = options.command(&place);
    let tracker = Tracker::run("operated", command.env("NOTIFY_SOCKET", manager.path()));
    manager.wait_for("READY=1", PATIENCE);
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(tracker.ask(path).status, 200, "{path}");
    }
    assert!(tracker.ask("/readyz?verbose").text.contains("[+]restored"));
    let (_, holder) = holder(&place, &tracker, "127.43.4.2");
    tracker.process.signal(Signal::TERM);
    manager.wait_for("STOPPING=1", PATIENCE);
    assert_eq!(tracker.process.wait_exit(PATIENCE), 0, "{}", tracker.process.tail());
    tracker.process.assert_group_gone();
    assert!(holder.process.exit_within(std::time::Duration::from_millis(100)).is_none(), "clients go on");
    holder.interrupt(PATIENCE);
}

#[test]
fn only_what_is_listed_is_answered_and_the_list_is_read_again() {
    let place = Place::new();
    let list = place.path().join("allowed.txt");
    fs::write(&list, "# nothing yet\n").unwrap();
    let options = TrackerOptions::new(&place, "127.43.5.1", &["--allow", list.to_str().unwrap()]);
    let tracker = Tracker::start(&place, &options);
    let root = place.folder("root");
    write_random(&root.join("film.bin"), MIB, 431);
    let published = publish(&place, &root.join("film.bin"), &[]);
    let refused = |count: f64| count >= 1.0;
    let client = seeker(&place, &published, tracker.address(), "127.43.5.2").start();
    tracker.wait_metric("nearcast_questions_refused_total{reason=\"not_admitted\"}", refused);
    assert_eq!(tracker.metric("nearcast_entries") as u64, 0);
    client.interrupt(PATIENCE);

    fs::write(&list, "no content\n").unwrap();
    tracker.process.signal(Signal::HUP);
    tracker.wait_log("allowed.txt:1: this is no content", PATIENCE);
    fs::write(&list, format!("{}\n", published.content())).unwrap();
    tracker.process.signal(Signal::HUP);
    tracker.wait_log("configuration read again", PATIENCE);
    let (published, holder) = holder(&place, &tracker, "127.43.5.3");
    assert_eq!(published.content().len(), 64);
    holder.interrupt(PATIENCE);
}

/// A start that must fail. Returns the exit code and the process.
fn failed(name: &str, place: &Place, options: &TrackerOptions) -> (i32, Process) {
    let (code, process) = run(name, &mut options.command(place));
    assert!(process.lines(Stream::Stdout).iter().all(|line| line != "ready"), "{}", process.tail());
    (code, process)
}

#[test]
fn what_cannot_be_used_ends_it_with_a_sentence_and_a_code() {
    let place = Place::new();
    let file = place.path().join("file");
    fs::write(&file, "x").unwrap();
    let taken = TcpListener::bind("127.43.6.9:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let bmp = format!("127.43.6.9:{port}");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let odd_key = text(&file);
    let cases: [(&str, TrackerOptions, i32, &str); 7] = [
        (
            "port",
            TrackerOptions { port, ..TrackerOptions::new(&place, "127.43.6.9", &[]) },
            6,
            "cannot listen",
        ),
        ("bmp", TrackerOptions::new(&place, "127.43.6.1", &["--bmp", &bmp]), 6, "--bmp"),
        (
            "state",
            TrackerOptions { state: file.clone(), ..TrackerOptions::new(&place, "127.43.6.1", &[]) },
            17,
            "cannot use",
        ),
        ("atlas", TrackerOptions::new(&place, "127.43.6.1", &["--atlas", &text(&file)]), 28, "not an atlas"),
        (
            "no atlas",
            TrackerOptions::new(&place, "127.43.6.1", &["--atlas", "/no/such.atlas"]),
            17,
            "such.atlas",
        ),
        ("key", TrackerOptions::new(&place, "127.43.6.1", &["--atlas-signing-key", &odd_key]), 24, "key"),
        (
            "both",
            TrackerOptions::new(&place, "127.43.6.1", &["--open", "--allow", &text(&file)]),
            28,
            "together",
        ),
    ];
    for (name, options, code, words) in cases {
        let (ended, process) = failed(name, &place, &options);
        assert_eq!(ended, code, "{name}: {}", process.tail());
        assert!(process.lines(Stream::Stderr).join("\n").contains(words), "{name}: {}", process.tail());
    }
}

#[test]
fn a_configuration_is_checked_and_its_sample_is_one() {
    let place = Place::new();
    let file = place.path().join("tracker.toml");
    fs::write(&file, "peers = 3\nalow = \"list\"\n").unwrap();
    let check = |path: &PathBuf| {
        let mut command = place.tracker();
        command.args(["serve", "--check-config", "--config"]).arg(path);
        run("check", &mut command)
    };
    let (code, process) = check(&file);
    assert_eq!(code, 28, "{}", process.tail());
    let said = process.lines(Stream::Stderr).join("\n");
    for words in ["tracker.toml:1: peers: ", "tracker.toml:2: there is no setting alow; did you mean allow?"]
    {
        assert!(said.contains(words), "{said}");
    }
    let (code, sample) = run("sample", place.tracker().arg("sample-config"));
    assert_eq!(code, 0);
    fs::write(&file, sample.bytes(Stream::Stdout)).unwrap();
    let (code, process) = check(&file);
    assert_eq!(code, 0, "{}", process.tail());
    assert!(process.lines(Stream::Stdout).iter().any(|line| line.starts_with("admin = \"127.0.0.1:4811\"")));
    for wrong in [&["serve", "--listen", "here"][..], &["serve", "--colour"], &["trak"], &[]] {
        let (code, process) = run("wrong", place.tracker().args(wrong));
        assert_eq!(code, 28, "{wrong:?} {}", process.tail());
    }
}

#[test]
fn the_unit_asks_for_what_the_program_does() {
    let unit = fs::read_to_string(workspace().join("tracker/systemd/nearcast-tracker.service")).unwrap();
    let values = |key: &str| -> Vec<&str> {
        unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    };
    assert_eq!(values("Type").last(), Some(&"notify-reload"));
    assert!(values("NoNewPrivileges") == ["yes"] && values("ProtectSystem") == ["strict"]);
    assert_eq!(values("StateDirectory"), ["nearcast-tracker"]);
    let place = Place::new();
    for command in values("ExecStart") {
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        let (code, process) = run("help", place.tracker().args(arguments).arg("--help"));
        assert_eq!(code, 0, "{}", process.tail());
    }
    let real = unit.replace("/usr/bin/nearcast-tracker", &binaries().tracker.to_string_lossy());
    let file = place.path().join("nearcast-tracker.service");
    fs::write(&file, real).unwrap();
    let mut verify = std::process::Command::new("systemd-analyze");
    match verify.args(["verify", "--man=no"]).arg(&file).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            // An older systemd ignores what it does not know, and warns.
            let odd: Vec<&str> = said.lines().filter(|line| !line.contains("notify-reload")).collect();
            assert!(output.status.success() && odd.is_empty(), "{said}");
        }
        Err(_) => println!("skipped: there is no systemd-analyze here"),
    }
}

#[test]
fn a_second_signal_ends_at_once_and_damage_of_the_state_is_none() {
    let place = Place::new();
    let options = TrackerOptions::new(&place, "127.43.8.1", &["--grace", "10m"]);
    let tracker = Tracker::start(&place, &options);
    let (_, holder) = holder(&place, &tracker, "127.43.8.2");
    tracker.process.signal(Signal::TERM);
    tracker.wait_log("stopping", PATIENCE);
    tracker.process.signal(Signal::TERM);
    assert_eq!(tracker.process.wait_exit(PATIENCE), 0, "{}", tracker.process.tail());
    let again = Tracker::start(&place, &options);
    assert!(!again.process.tail().contains("cannot be used"), "{}", again.process.tail());
    holder.interrupt(PATIENCE);
}
