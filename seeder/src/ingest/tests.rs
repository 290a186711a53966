//! Looks at a root whose things come, change and go; time is an argument.

use super::*;

struct World {
    root: tempfile::TempDir,
    ingest: Ingest,
    now: Instant,
}

impl World {
    fn new() -> World {
        let root = tempfile::tempdir().unwrap();
        let ingest = Ingest::new(root.path().to_owned());
        World { root, ingest, now: Instant::now() }
    }

    fn write(&self, name: &str, data: &str) {
        fs::write(self.root.path().join(name), data).unwrap();
    }

    /// Looks again after a while; the names of what is due.
    fn look(&mut self, later: Duration) -> Vec<Due> {
        self.now += later;
        self.ingest.look(self.now, &BTreeMap::new()).unwrap()
    }

    fn names(&mut self, later: Duration) -> Vec<String> {
        let due = self.look(later);
        due.iter().map(|due| due.path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }
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
    assert!(due[0].again && due[0].torrent == world.root.path().join("film.torrent"), "{due:?}");
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
    let covered = BTreeMap::from([("film".to_owned(), world.root.path().join("v1.torrent"))]);
    for _ in 0..2 {
        world.now += QUIET;
        assert_eq!(world.ingest.look(world.now, &covered).unwrap(), []);
    }
}

#[test]
fn what_failed_is_tried_again_when_it_changes_or_after_a_while() {
    let mut world = World::new();
    world.write("film", "one");
    world.look(QUIET);
    let due = world.look(QUIET);
    world.ingest.on_failed(&due[0], world.now);
    assert_eq!((world.ingest.failures(), world.names(QUIET).len()), (1, 0));
    world.look(RETRY);
    let due = world.look(QUIET);
    assert_eq!(due.len(), 1, "after a while");
    world.ingest.on_changed(&due[0], world.now);
    assert_eq!(world.names(QUIET), ["film"], "it was quiet again");
    fs::remove_file(world.root.path().join("film")).unwrap();
    world.look(QUIET);
    assert_eq!(world.ingest.failures(), 0, "what is gone is forgotten");
}
