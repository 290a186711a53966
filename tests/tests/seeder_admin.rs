//! What a seeder tells its operator: health, metrics, messages to a service manager, and its end.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use e2e::{
    binaries::{binaries, workspace},
    cluster::{Get, PATIENCE, Seeder, SeederOptions, publish},
    content::{MIB, write_random},
    http,
    operated::{Manager, Operated},
    place::Place,
    process::Stream,
};
use rustix::process::Signal;

#[test]
fn health_and_metrics_tell_what_was_served() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("film.bin"), 2 * MIB, 421);
    let torrent = publish(&place, &root.join("film.bin"), &[]).torrent;
    fs::write(root.join("junk.torrent"), "not a torrent").unwrap();
    let seeder = Operated::start(&place, &root, "127.42.1.1", "");
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(seeder.ask(path).status, 200, "{path}");
    }
    assert!(seeder.ask("/readyz?verbose").text.contains("[+]catalogue"));
    Get::new(&place, &torrent, &place.folder("out"), "127.42.2.1").peer(seeder.address()).finish();
    // The counters are updated several times a second.
    let deadline = Instant::now() + PATIENCE;
    let metrics = loop {
        let metrics = seeder.ask("/metrics");
        if metrics.metric("nearcast_requests_served_total") as u64 >= 8 {
            break metrics;
        }
        assert!(Instant::now() < deadline, "{}", metrics.text);
    };
    let sent =
        |tier: &str| metrics.metric(&format!("nearcast_uploaded_bytes_total{{tier=\"{tier}\"}}")) as u64;
    // A client that has everything may leave before its last run is counted.
    assert_eq!(sent("prefix16") + sent("unknown"), 2 * MIB, "{}", metrics.text);
    assert!(sent("prefix16") > 0, "{}", metrics.text);
    assert_eq!(metrics.metric("nearcast_contents") as u64, 1);
    assert_eq!(metrics.metric("nearcast_contents_refused") as u64, 1);
    assert_eq!(metrics.metric("nearcast_ready") as u64, 1);
    assert!(metrics.metric("process_resident_memory_bytes") > 1e6);
    assert!(!metrics.text.contains("12D3"), "no peer is named");
}

#[test]
fn a_seeder_that_ends_says_so_first_and_finishes_what_it_sends() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("film.bin"), 24 * MIB, 422);
    let torrent = publish(&place, &root.join("film.bin"), &[]).torrent;
    let seeder = Operated::start(&place, &root, "127.42.3.1", "up = \"40k\"\ngrace = \"60s\"");
    let client =
        Get::new(&place, &torrent, &place.folder("out"), "127.42.4.1").peer(seeder.address()).start();
    // At this rate a run takes six seconds more, which is time to look.
    client.wait_event("a neighbour", PATIENCE, |event| (event.name() == "progress").then_some(()));
    let moving = || seeder.ask("/metrics").metric("nearcast_unchoked") > 0.0;
    while !moving() {
        assert!(client.process.exit_within(Duration::from_millis(50)).is_none(), "{}", client.process.tail());
    }
    seeder.process.signal(Signal::TERM);
    seeder.wait_log("stopping", PATIENCE);
    if let Some(answer) = http::try_get(seeder.admin(), "/readyz") {
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.text.contains("[-]not-draining"), "{}", answer.text);
    }
    assert_eq!(seeder.process.wait_exit(PATIENCE), 0, "{}", seeder.process.tail());
    seeder.process.assert_group_gone();
}

#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("film.bin"), 24 * MIB, 423);
    let torrent = publish(&place, &root.join("film.bin"), &[]).torrent;
    let seeder = Operated::start(&place, &root, "127.42.5.1", "up = \"4k\"\ngrace = \"10m\"");
    let client =
        Get::new(&place, &torrent, &place.folder("out"), "127.42.6.1").peer(seeder.address()).start();
    let moving = || seeder.ask("/metrics").metric("nearcast_unchoked") > 0.0;
    while !moving() {
        assert!(client.process.exit_within(Duration::from_millis(50)).is_none(), "{}", client.process.tail());
    }
    seeder.process.signal(Signal::TERM);
    seeder.wait_log("stopping", PATIENCE);
    seeder.process.signal(Signal::TERM);
    assert_eq!(seeder.process.wait_exit(Duration::from_secs(20)), 0, "{}", seeder.process.tail());
    seeder.process.assert_group_gone();
}

#[test]
fn a_watchdog_is_fed_and_logs_are_json_if_asked() {
    let place = Place::new();
    let root = place.folder("root");
    let manager = Manager::new(place.path());
    let micros = Path::new("400000");
    let variables = [("NOTIFY_SOCKET", manager.path()), ("WATCHDOG_USEC", micros)];
    let lines = "log-format = \"json\"";
    let seeder = Operated::start_with(&place, &root, "127.42.7.1", lines, &variables);
    manager.wait_for("READY=1", PATIENCE);
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1", PATIENCE);
    }
    for line in seeder.process.lines(Stream::Stderr) {
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
    }
}

#[test]
fn lines_for_the_journal_have_a_priority_and_no_time() {
    let place = Place::new();
    let options = SeederOptions {
        root: place.folder("root"),
        state: place.folder("state"),
        ip: "127.42.9.1".to_owned(),
        port: 0,
        arguments: Vec::new(),
    };
    // Set as systemd does for the stream that it reads.
    let journal = "export JOURNAL_STREAM=\"$(stat -L -c %d:%i /dev/stderr)\"; exec \"$@\"";
    let seeder = Seeder::start_under(journal, &place, &options);
    // It says so before it is ready, but another stream may be read sooner.
    let lines = seeder.process.wait_for("a warning", Stream::Stderr, PATIENCE, |lines| {
        let is_there = lines.iter().any(|line| line.starts_with("<4>warning: there is no .torrent"));
        is_there.then(|| lines.to_vec())
    });
    assert!(lines.iter().any(|line| line.starts_with("<6>contents served: 0")), "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with('<')), "{lines:?}");
    // Lines for any other stream have times, whatever the environment says.
    let options = SeederOptions { state: place.folder("other"), ip: "127.42.9.2".to_owned(), ..options };
    let seeder = Seeder::start_under("export JOURNAL_STREAM=1:1; exec \"$@\"", &place, &options);
    let lines = seeder.process.lines(Stream::Stderr);
    assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("20")), "{lines:?}");
}

#[test]
fn without_an_admin_there_is_none() {
    let place = Place::new();
    let root = place.folder("root");
    let seeder = Seeder::start(&place, &root, "127.42.8.1");
    assert!(seeder.process.lines(Stream::Stdout).iter().all(|line| !line.starts_with("admin")));
    let mut options = SeederOptions {
        root,
        state: place.folder("other"),
        ip: "127.42.8.2".to_owned(),
        port: 0,
        arguments: Vec::new(),
    };
    options.arguments.push("--grace=1s".to_owned());
    Seeder::start_with(&place, &options);
}

#[test]
fn the_unit_asks_for_what_the_program_does() {
    let unit = fs::read_to_string(workspace().join("seeder/systemd/nearcast-seeder.service")).unwrap();
    let values = |key: &str| -> Vec<&str> {
        unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    };
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
        assert!(line.contains('='), "{line}");
    }
    assert_eq!(values("Type").last(), Some(&"notify-reload"));
    assert!(values("NoNewPrivileges") == ["yes"] && values("ProtectSystem") == ["strict"]);
    let place = Place::new();
    for command in values("ExecStart") {
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        let (code, process) = e2e::cluster::run("help", place.seeder().args(arguments).arg("--help"));
        assert_eq!(code, 0, "{}", process.tail());
    }
    let real = unit.replace("/usr/bin/nearcast-seeder", &binaries().seeder.to_string_lossy());
    let file = place.path().join("nearcast-seeder.service");
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
