//! A seeder's configuration: checked before use, read again on request, and applied as a whole or
//! not at all.

use std::{fs, time::Duration};

use e2e::{
    cluster::{Get, PATIENCE, publish, run},
    content::{MIB, write_random},
    operated::{Manager, Operated},
    place::Place,
    process::Stream,
};
use rustix::process::Signal;

#[test]
fn a_check_names_every_problem_with_its_line_and_starts_nothing() {
    let place = Place::new();
    let file = place.path().join("seeder.toml");
    fs::write(&file, "rot = \"/srv\"\n\nup = \"fast\"\n").unwrap();
    let mut command = place.seeder();
    command.args(["serve", "--check-config", "--config"]).arg(&file);
    command.env("NEARCAST_SEEDER_GRACE", "later");
    let (code, process) = run("check", &mut command);
    assert_eq!(code, 28, "{}", process.tail());
    assert!(process.lines(Stream::Stdout).is_empty(), "{}", process.tail());
    let said = process.lines(Stream::Stderr).join("\n");
    for words in [
        "seeder.toml:1: there is no setting rot; did you mean root?",
        "seeder.toml:3: up: ",
        "NEARCAST_SEEDER_GRACE: ",
    ] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    let mut command = place.seeder();
    command.args(["serve", "--config"]).arg(&file);
    assert_eq!(run("serve", &mut command).0, 28, "what a check refuses does not start");
}

#[test]
fn a_check_prints_what_it_comes_to_and_where_each_value_is_from() {
    let place = Place::new();
    let root = place.folder("root");
    let home = place.folder("home/xdg_config_home/nearcast");
    fs::write(home.join("seeder.toml"), format!("root = \"{}\"\nup = \"1M\"\n", root.display())).unwrap();
    let check = |arguments: &[&str]| {
        let mut command = place.seeder();
        command.args(["serve", "--check-config"]).args(arguments).env("NEARCAST_SEEDER_RESCAN", "3s");
        run("check", &mut command)
    };
    let (code, process) = check(&["--up", "2M"]);
    assert_eq!(code, 0, "{}", process.tail());
    let lines = process.lines(Stream::Stdout);
    let line = |name: &str| lines.iter().find(|line| line.starts_with(name)).cloned().unwrap_or_default();
    assert!(line("root = ").ends_with("nearcast/seeder.toml:1"), "{lines:?}");
    assert!(line("up = \"2M\"").ends_with("# command line"), "{lines:?}");
    assert!(line("rescan = \"3s\"").ends_with("# NEARCAST_SEEDER_RESCAN"), "{lines:?}");
    assert!(line("connections = \"4096\"").ends_with("# default"), "{lines:?}");
    let (_, json) = check(&["--json"]);
    let object: serde_json::Value = serde_json::from_str(&json.lines(Stream::Stdout)[0]).unwrap();
    assert_eq!(object["settings"]["up"]["value"], "1M");
    fs::remove_dir(&root).unwrap();
    let (code, process) = check(&[]);
    assert_eq!(code, 28, "a root that is not there is a problem\n{}", process.tail());
}

#[test]
fn the_sample_is_a_configuration() {
    let place = Place::new();
    let (code, process) = run("sample", place.seeder().arg("sample-config"));
    assert_eq!(code, 0);
    let file = place.path().join("sample.toml");
    fs::write(&file, process.bytes(Stream::Stdout)).unwrap();
    let mut command = place.seeder();
    command.args(["serve", "--check-config", "--config"]).arg(&file).arg("--root").arg(place.path());
    let (code, process) = run("check", &mut command);
    assert_eq!(code, 0, "{}", process.tail());
    assert!(process.lines(Stream::Stdout).len() > 10, "{}", process.tail());
    let (code, process) = run("check", command.arg("--quiet"));
    let said = [Stream::Stdout, Stream::Stderr].map(|stream| process.lines(stream).len());
    assert_eq!((code, said), (0, [0, 0]), "{}", process.tail());
    let (code, process) =
        run("check", command.args(["--atlas-age-max", "1h", "--sign", "/nowhere/at/all.key"]));
    assert!(
        code == 28 && !process.lines(Stream::Stderr).is_empty(),
        "what is wrong is said\n{}",
        process.tail()
    );
    assert_eq!(process.lines(Stream::Stdout), Vec::<String>::new());
}

#[test]
fn a_reload_changes_what_can_change_and_refuses_a_bad_file_as_a_whole() {
    let place = Place::new();
    let (root, ip) = (place.folder("root"), "127.41.1.1");
    write_random(&root.join("film.bin"), 24 * MIB, 411);
    let torrent = publish(&place, &root.join("film.bin"), &[]).torrent;
    let manager = Manager::new(place.path());
    let variables = [("NOTIFY_SOCKET", manager.path())];
    let seeder = Operated::start_with(&place, &root, ip, "up = \"256k\"", &variables);
    manager.wait_for("READY=1", PATIENCE);

    seeder.rewrite(&place, &root, ip, "up = \"none\"\nlog = \"debug\"\ncolour = 1");
    seeder.process.signal(Signal::HUP);
    let told = manager.wait_for("RELOADING=1", PATIENCE);
    assert!(told.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{told:?}");
    manager.wait_for("READY=1", PATIENCE);
    seeder.wait_log("there is no setting colour", PATIENCE);
    assert_eq!(seeder.ask("/metrics").metric("nearcast_config_last_reload_successful") as u64, 0);
    let client =
        Get::new(&place, &torrent, &place.folder("out"), "127.41.2.1").peer(seeder.address()).start();
    client.wait_bytes(1, PATIENCE);
    assert!(
        client.finished_within(Duration::from_secs(3)).is_none(),
        "at 256 kB/s it takes a minute and a half"
    );

    seeder.rewrite(&place, &root, ip, "up = \"none\"\nlog-format = \"json\"");
    seeder.process.signal(Signal::HUP);
    seeder.wait_log("changed: up", PATIENCE);
    seeder.wait_log("need a restart to change: log-format", PATIENCE);
    client.wait_finished(Duration::from_secs(40));
    assert_eq!(seeder.ask("/metrics").metric("nearcast_config_last_reload_successful") as u64, 1);
    seeder.process.signal(Signal::TERM);
    manager.wait_for("STOPPING=1", PATIENCE);
    assert_eq!(seeder.process.wait_exit(PATIENCE), 0);
    seeder.process.assert_group_gone();
}
