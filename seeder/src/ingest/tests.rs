//! Tests with a root whose entries come, change and go; time is an argument.

use std::{fs, os::unix::fs::PermissionsExt, time::SystemTime};

use super::*;

struct World {
    root: tempfile::TempDir,
    ingest: Ingest,
    now: Instant,
}

impl World {
    fn new() -> World {
        let root = tempfile::tempdir().unwrap();
        let ingest = Ingest::new(Include::default());
        World { root, ingest, now: Instant::now() }
    }

    fn write(&self, name: &str, data: &str) {
        fs::write(self.root.path().join(name), data).unwrap();
    }

    /// Looks again after `later`; returns the due entries.
    fn look(&mut self, later: Duration) -> Vec<Due> {
        self.now += later;
        let root = Folder::open(self.root.path()).unwrap();
        self.ingest.look(&root, self.now, &BTreeMap::new()).unwrap()
    }

    fn names(&mut self, later: Duration) -> Vec<String> {
        names_of(&self.look(later))
    }

    /// Looks after `later` only at what is not finished; returns the names of the due entries.
    fn settled(&mut self, later: Duration) -> Vec<String> {
        self.now += later;
        let root = Folder::open(self.root.path()).unwrap();
        names_of(&self.ingest.look_at_settling(&root, self.now, &BTreeMap::new()))
    }
}

fn names_of(due: &[Due]) -> Vec<String> {
    due.iter().map(|due| due.name.to_str().unwrap().to_owned()).collect()
}

#[test]
fn what_settles_is_due_without_a_look_at_anything_else() {
    let mut world = World::new();
    for name in ["quiet", "growing"] {
        world.write(name, "x");
    }
    assert!(!world.ingest.has_settling());
    assert!(world.names(Duration::ZERO).is_empty());
    assert!(world.ingest.has_settling());
    world.write("growing", "xx");
    world.write("new", "x");
    assert_eq!(world.settled(QUIET), ["quiet"], "growing has grown, and a look has to find the new one");
    assert_eq!(world.settled(QUIET), ["growing"]);
    assert!(!world.ingest.has_settling());
    fs::remove_file(world.root.path().join("quiet")).unwrap();
    assert!(world.settled(QUIET).is_empty());
    assert!(world.names(Duration::ZERO).is_empty(), "the new one has just been seen");
    assert_eq!(world.settled(QUIET), ["new"]);
}

#[test]
fn a_new_file_is_due_once_it_was_quiet_at_two_looks() {
    let mut world = World::new();
    world.write("film", "begun");
    assert_eq!(world.names(QUIET), [] as [&str; 0]);
    assert!(world.ingest.is_settling(world.now));
    assert_eq!(world.names(QUIET / 2), [] as [&str; 0], "not yet long enough");
    world.write("film", "begun and continued");
    assert_eq!(world.names(QUIET), [] as [&str; 0], "it has changed since");
    assert_eq!(world.names(QUIET), ["film"]);
    assert_eq!(world.names(QUIET), [] as [&str; 0], "it is due once");
    assert!(!world.ingest.is_settling(world.now));
}

#[test]
fn what_is_open_for_writing_or_called_unfinished_is_left_alone() {
    let mut world = World::new();
    let open = fs::File::create(world.root.path().join("copying")).unwrap();
    for name in [".hidden", "film.part", "film.PART", "doc~", "x.crdownload", "some.torrent"] {
        world.write(name, "x");
    }
    fs::create_dir(world.root.path().join("season")).unwrap();
    world.write("season/1.mkv.part", "x");
    std::os::unix::fs::symlink("/etc/passwd", world.root.path().join("link")).unwrap();
    for _ in 0..3 {
        assert_eq!(world.names(QUIET), [] as [&str; 0]);
    }
    drop(open);
    fs::rename(world.root.path().join("season/1.mkv.part"), world.root.path().join("season/1.mkv")).unwrap();
    assert_eq!(world.names(QUIET), ["copying"]);
    assert_eq!(world.names(QUIET), ["season"]);
}

#[test]
fn what_has_a_torrent_is_due_again_only_when_it_changes() {
    let mut world = World::new();
    world.write("film", "one");
    world.write("film.torrent", "of film");
    assert_eq!(world.names(QUIET), [] as [&str; 0]);
    assert_eq!(world.names(QUIET), [] as [&str; 0]);
    world.write("film", "two");
    assert_eq!(world.names(QUIET), [] as [&str; 0]);
    let due = world.look(QUIET);
    assert!(due[0].again && due[0].torrent == "film.torrent", "{due:?}");
    world.ingest.on_published(&due[0]);
    assert_eq!(world.names(QUIET), [] as [&str; 0]);
    fs::remove_file(world.root.path().join("film.torrent")).unwrap();
    world.look(QUIET);
    assert_eq!(world.names(QUIET), ["film"], "without its .torrent it is new again");
}

#[test]
fn data_newer_than_its_torrent_was_changed_while_nobody_looked() {
    let mut world = World::new();
    world.write("film.torrent", "of film");
    world.write("film", "changed since");
    let later = SystemTime::now() + Duration::from_secs(5);
    fs::File::options()
        .write(true)
        .open(world.root.path().join("film"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    world.look(QUIET);
    assert_eq!(world.names(QUIET), ["film"]);
}

#[test]
fn a_torrent_of_another_name_covers_what_it_is_about() {
    let mut world = World::new();
    world.write("v1.torrent", "of film");
    world.write("film", "one");
    let old = SystemTime::now() - Duration::from_secs(50);
    fs::File::options().write(true).open(world.root.path().join("film")).unwrap().set_modified(old).unwrap();
    let covered = BTreeMap::from([("film".to_owned(), "v1.torrent".into())]);
    let root = Folder::open(world.root.path()).unwrap();
    for _ in 0..2 {
        world.now += QUIET;
        assert_eq!(world.ingest.look(&root, world.now, &covered).unwrap(), []);
    }
}

#[test]
fn what_failed_is_tried_again_when_it_changes_or_hours_later() {
    let mut world = World::new();
    world.write("film", "one");
    world.look(QUIET);
    let due = world.look(QUIET);
    assert!(world.ingest.on_failed(&due[0], world.now, "bad disk"));
    for _ in 0..50 {
        assert_eq!(
            world.names(Duration::from_secs(60)).len(),
            0,
            "the same is not hashed again every minute"
        );
    }
    assert_eq!(world.ingest.failures(), 1);
    world.look(RETRY_MIN);
    let due = world.look(QUIET);
    assert_eq!(due.len(), 1, "after hours");
    assert!(!world.ingest.on_failed(&due[0], world.now, "bad disk"), "said once");
    world.look(RETRY_MIN);
    assert_eq!(world.look(QUIET).len(), 0, "longer and longer");
    world.write("film", "another");
    world.look(QUIET);
    let due = world.look(QUIET);
    assert_eq!(due.len(), 1, "at once when it changes");
    assert!(world.ingest.on_failed(&due[0], world.now, "worse disk"), "another reason is news");
    let mode = fs::Permissions::from_mode(0o666);
    fs::set_permissions(world.root.path().join("film"), mode).unwrap();
    world.look(QUIET);
    assert_eq!(world.names(QUIET), ["film"], "a mode that changes may be what was missing");
    fs::remove_file(world.root.path().join("film")).unwrap();
    world.look(QUIET);
    assert_eq!(world.ingest.failures(), 0, "what is gone is forgotten");
}

#[test]
fn what_changes_whenever_it_is_read_is_waited_for_longer_and_longer() {
    let mut world = World::new();
    world.write("log", "0");
    world.look(QUIET);
    let (mut looks, mut hashed) = (0, 0);
    while looks < 1_000 {
        looks += 1;
        if let [due] = &world.look(QUIET)[..] {
            hashed += 1;
            world.write("log", &"x".repeat(hashed));
            world.ingest.on_changed(due, world.now);
        }
    }
    assert!((5..15).contains(&hashed), "in 2,000 s it was read {hashed} times");
    assert!(
        !world.ingest.is_settling(world.now + SETTLING_TIME_MAX),
        "and not looked at more often than the rest"
    );
}

#[test]
fn what_is_called_unfinished_in_a_folder_is_waited_for_and_then_left_out() {
    let mut world = World::new();
    fs::create_dir(world.root.path().join("season")).unwrap();
    world.write("season/1.mkv", "x");
    world.write("season/2.mkv.part", "x");
    for _ in 0..20 {
        assert_eq!(world.names(QUIET), [] as [&str; 0]);
    }
    // The download continues.
    world.write("season/2.mkv.part", "more");
    world.look(QUIET);
    assert_eq!(world.names(SETTLING_TIME_MAX - QUIET), [] as [&str; 0], "it went on");
    assert_eq!(world.names(QUIET), ["season"], "nobody goes on with it");
}

#[test]
fn what_a_download_of_ours_writes_to_waits_until_its_state_is_gone() {
    let mut world = World::new();
    for folder in ["season", ".season.0123abcd.nearcast", "other", "other/.x.0123abcd.nearcast"] {
        fs::create_dir(world.root.path().join(folder)).unwrap();
    }
    // Between two files there is no .part file.
    world.write("season/1.mkv", "x");
    world.write("other/1.mkv", "x");
    for _ in 0..3 {
        assert_eq!(world.names(SETTLING_TIME_MAX), [] as [&str; 0]);
    }
    fs::remove_dir(world.root.path().join(".season.0123abcd.nearcast")).unwrap();
    assert_eq!(world.names(QUIET), ["season"]);
    fs::remove_dir(world.root.path().join("other/.x.0123abcd.nearcast")).unwrap();
    world.look(QUIET);
    assert_eq!(world.names(QUIET), ["other"]);
}

#[test]
fn what_others_may_not_read_is_left_out_and_counted() {
    let mut world = World::new();
    fs::create_dir(world.root.path().join("project")).unwrap();
    for (name, mode) in
        [("key", 0o600), ("film", 0o644), ("project/readme", 0o644), ("project/key", 0o600), (".x", 0o644)]
    {
        world.write(name, "x");
        fs::set_permissions(world.root.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    world.look(QUIET);
    let mut names = world.names(QUIET);
    names.sort();
    assert_eq!(names, ["film", "project"]);
    assert_eq!(world.ingest.left_out(), 3);
    let told = world.ingest.left_out_in_root().to_string();
    assert_eq!(told, "1 hidden name, 1 that others may not read");
    // The same files under another rule.
    world.ingest = Ingest::new(Include { hidden: true, unfinished: false });
    world.look(QUIET);
    assert_eq!((world.look(QUIET).len(), world.ingest.left_out()), (4, 0));
}
