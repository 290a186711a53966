//! A seeder that publishes what is put into its root.

use std::{fs, io::Write};

use e2e::{
    cluster::{Get, PATIENCE},
    content::{MIB, assert_same, write_folder, write_random},
    operated::Operated,
    place::{Place, listing},
};
use rustix::process::Signal;

#[test]
fn what_is_put_into_the_root_is_published_and_can_be_got_by_its_link() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("before.bin"), MIB, 431);
    let seeder = Operated::start(&place, &root, "127.43.1.1", "publish = true\nrescan = \"1h\"");
    let first = seeder.wait_published("before.bin", &[], PATIENCE);
    write_folder(&root, "holiday", 432);
    let second = seeder.wait_published("holiday", &[], PATIENCE);
    for (name, link) in [("before.bin", first), ("holiday", second)] {
        assert!(root.join(format!("{name}.torrent")).is_file());
        let out = place.folder(&format!("out-{name}"));
        Get::new(&place, &link, &out, "127.43.2.1").finish();
        assert_same(&root.join(name), &out.join(name));
    }
    assert_eq!(seeder.ask("/metrics").metric("nearcast_contents_published_total") as u64, 2);
    seeder.process.signal(Signal::TERM);
    assert_eq!(seeder.process.wait_exit(PATIENCE), 0, "{}", seeder.process.tail());
    seeder.process.assert_group_gone();
    let hidden = listing(&root).into_iter().find(|path| path.to_string_lossy().contains(".tmp"));
    assert_eq!(hidden, None, "no temporary file stays");
}

#[test]
fn a_file_is_published_only_when_it_is_finished_and_anew_when_it_changes() {
    let place = Place::new();
    let root = place.folder("root");
    let seeder = Operated::start(&place, &root, "127.43.3.1", "publish = true\nrescan = \"1s\"");
    let mut open = fs::File::create(root.join("film.bin")).unwrap();
    open.write_all(&[1; 300_000]).unwrap();
    write_random(&root.join("later.part"), MIB, 433);
    write_random(&root.join("whole.bin"), MIB, 434);
    seeder.wait_published("whole.bin", &[], PATIENCE);
    // Both have been quiet for as long as the one that was published.
    assert!(!root.join("film.bin.torrent").exists(), "it is open for writing");
    assert!(!root.join("later.part.torrent").exists(), "its name says that it is not finished");
    open.write_all(&[2; 300_000]).unwrap();
    drop(open);
    let first = seeder.wait_published("film.bin", &[], PATIENCE);
    fs::write(root.join("film.bin"), vec![3; 700_000]).unwrap();
    let second = seeder.wait_published("film.bin", std::slice::from_ref(&first), PATIENCE);
    seeder.wait_log("no longer serving", PATIENCE);
    let out = place.folder("out");
    Get::new(&place, &second, &out, "127.43.4.1").finish();
    assert_same(&root.join("film.bin"), &out.join("film.bin"));
    let old = Get::new(&place, &first, &place.folder("old"), "127.43.4.2").with(&["--timeout", "3s"]).start();
    assert_eq!(old.process.wait_exit(PATIENCE), 3, "the old content is gone\n{}", old.process.tail());
}

#[test]
fn changed_data_of_a_torrent_somebody_made_is_said_and_never_sent() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("film.bin"), 2 * MIB, 435);
    let published = e2e::cluster::publish(&place, &root.join("film.bin"), &[]);
    let seeder = Operated::start(&place, &root, "127.43.5.1", "rescan = \"500ms\"");
    // Once read, the right bytes are trusted for a while: what comes after must not be.
    Get::new(&place, &published.torrent, &place.folder("a"), "127.43.6.1").peer(seeder.address()).finish();
    write_random(&root.join("film.bin"), 2 * MIB, 436);
    seeder.wait_log("has changed since its .torrent was made", PATIENCE);
    let get = Get::new(&place, &published.torrent, &place.folder("b"), "127.43.6.2").peer(seeder.address());
    let client = get.with(&["--timeout", "5s"]).start();
    let code = client.process.wait_exit(PATIENCE);
    assert!([2, 3].contains(&code), "nobody has it any more: {code}\n{}", client.process.tail());
    assert!(!client.process.tail().contains("corrupt"), "{}", client.process.tail());
    let rotten = seeder.ask("/metrics").metric("nearcast_rotten_runs_total");
    assert!(rotten > 0.0, "{rotten}");
}
