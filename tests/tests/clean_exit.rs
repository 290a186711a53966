//! However a command ends: it leaves no process, and no files except data and what a resume needs.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use e2e::{
    cluster::{Client, DEAD_PEER, Get, PATIENCE, Seeder, publish},
    content::{MIB, assert_same, write_folder, write_random},
    place::{Place, listing},
};
use rustix::process::Signal;

const SIGNAL_TIMEOUT: Duration = Duration::from_secs(2);

fn slow_download(place: &Place) -> (Seeder, PathBuf, PathBuf) {
    let root = place.folder("root");
    write_random(&root.join("film.bin"), 24 * MIB, 101);
    let torrent = publish(place, &root.join("film.bin"), &[]).torrent;
    (Seeder::start(place, &root, "127.1.0.1"), torrent, place.folder("out"))
}

fn get_slowly(place: &Place, seeder: &Seeder, torrent: &Path, out: &Path) -> Client {
    let get = Get::new(place, torrent, out, "127.1.0.2").peer(seeder.address());
    let client = get.with(&["--down", "4MiB"]).start();
    client.wait_bytes(MIB, PATIENCE);
    client
}

#[test]
fn success_leaves_the_data_and_nothing_else() {
    let place = Place::new();
    let root = place.folder("root");
    let source = write_folder(&root, "holiday", 102);
    let torrent = publish(&place, &source, &[]).torrent;
    let before = listing(&root);
    let seeder = Seeder::start(&place, &root, "127.1.0.1");
    let out = place.folder("out");
    let client = Get::new(&place, &torrent, &out, "127.1.0.2").peer(seeder.address()).start();
    assert_eq!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
    client.process.assert_group_gone();
    let expected = Path::new("holiday");
    let others: Vec<PathBuf> = listing(&out).into_iter().filter(|path| !path.starts_with(expected)).collect();
    assert_eq!(others, Vec::<PathBuf>::new());
    assert_same(&source, &out.join("holiday"));
    seeder.process.signal(Signal::TERM);
    assert_eq!(seeder.process.wait_exit(PATIENCE), 0, "{}", seeder.process.tail());
    seeder.process.assert_group_gone();
    assert_eq!(listing(&root), before, "a seeder never writes where it serves");
}

#[test]
fn failure_leaves_no_file() {
    let place = Place::new();
    let source = place.folder("root").join("film.bin");
    write_random(&source, MIB, 103);
    let torrent = publish(&place, &source, &[]).torrent;
    let out = place.folder("out");
    let get = Get::new(&place, &torrent, &out, "127.1.0.2").peer(DEAD_PEER);
    let client = get.with(&["--timeout", "3s"]).start();
    assert_eq!(client.process.wait_exit(PATIENCE), 6, "{}", client.process.tail());
    client.process.assert_group_gone();
    assert_eq!(listing(&out), BTreeSet::new(), "where nothing came there is nothing to continue");
}

#[test]
fn each_signal_has_its_exit_code_and_leaves_a_download_that_resumes() {
    let all = [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)];
    for (signal, code) in all.into_iter().filter(|(signal, _)| *signal != Signal::HUP || !hears_no_hangup()) {
        let place = Place::new();
        let (seeder, torrent, out) = slow_download(&place);
        let client = get_slowly(&place, &seeder, &torrent, &out);
        client.process.signal(signal);
        assert_eq!(client.process.wait_exit(SIGNAL_TIMEOUT), code, "{}", client.process.tail());
        client.process.assert_group_gone();
        assert!(!out.join("film.bin").exists(), "an unfinished file must not look finished");
        Get::new(&place, &torrent, &out, "127.1.0.2").peer(seeder.address()).finish();
        assert_eq!(listing(&out), BTreeSet::from(["film.bin".into()]), "after {code}");
    }
}

/// Whether this test runs under nohup. Programs that it starts then ignore SIGHUP, as nohup's user
/// wants.
fn hears_no_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process has a status");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("with a mask of signals");
    let ignored = u64::from_str_radix(mask.trim(), 16).expect("in hexadecimal") & 1 != 0;
    if ignored {
        println!("SIGHUP is ignored here (nohup), so it was not tried");
    }
    ignored
}

#[test]
fn what_a_kill_leaves_is_cleaned_up_by_the_next_run() {
    let place = Place::new();
    let (seeder, torrent, out) = slow_download(&place);
    let client = get_slowly(&place, &seeder, &torrent, &out);
    client.process.kill();
    client.process.assert_group_gone();
    Get::new(&place, &torrent, &out, "127.1.0.2").peer(seeder.address()).finish();
    assert_eq!(listing(&out), BTreeSet::from(["film.bin".into()]));
}

#[test]
fn a_seeder_ends_well_by_each_signal_also_in_mid_transfer() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 0)] {
        let place = Place::new();
        let (seeder, torrent, out) = slow_download(&place);
        let _client = get_slowly(&place, &seeder, &torrent, &out);
        seeder.process.signal(signal);
        assert_eq!(seeder.process.wait_exit(PATIENCE), code, "{}", seeder.process.tail());
        seeder.process.assert_group_gone();
    }
}
