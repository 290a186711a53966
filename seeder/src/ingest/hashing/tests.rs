//! Tests of hashing batches in a root, as the thread does it.

use std::{
    collections::BTreeMap, fs, os::unix::fs::symlink, path::PathBuf, sync::atomic::AtomicU32, time::Instant,
};

use super::*;
use crate::ingest::{Ingest, QUIET};

struct World {
    place: tempfile::TempDir,
    root: Root,
}

impl World {
    fn new() -> World {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("root")).unwrap();
        let mut root = Root::new(place.path().join("root"));
        root.open_or_accept(|_| false).unwrap();
        World { place, root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Sets an old modification time on a file.
    fn make_old(&self, name: &str) {
        let old = std::time::SystemTime::now() - Duration::from_secs(50);
        fs::File::options().write(true).open(self.path(name)).unwrap().set_modified(old).unwrap();
    }

    /// All due entries in the root.
    fn due(&self) -> VecDeque<Due> {
        let mut ingest = Ingest::new(Include::default());
        let (now, folder) = (Instant::now(), self.root.open().unwrap());
        ingest.look(&folder, now, &BTreeMap::new()).unwrap();
        ingest.look(&folder, now + QUIET, &BTreeMap::new()).unwrap().into()
    }

    fn batch(&self) -> Batch {
        Batch::next(&mut self.due(), &self.root, Terms::default()).unwrap()
    }

    fn hash(&self, batch: Batch) -> Hashed {
        hash(batch, &Health::default(), &AtomicBool::new(false))
    }

    /// The outcome for the only due entry.
    fn only(&self, batch: Batch) -> Outcome {
        match self.hash(batch) {
            Hashed::Done(mut done) if done.len() == 1 => done.remove(0).1,
            other => panic!("one thing was due: {other:?}"),
        }
    }
}

#[test]
fn small_things_are_hashed_together_and_large_ones_alone() {
    let world = World::new();
    for number in 0..20 {
        fs::write(world.path(&format!("small-{number:02}")), [number; 100]).unwrap();
    }
    fs::File::create(world.path("large")).unwrap().set_len(3 * SMALL_BYTES_MAX).unwrap();
    let mut queue = world.due();
    queue.make_contiguous().sort_by(|a, b| a.name.cmp(&b.name));
    let mut sizes = Vec::new();
    while let Some(batch) = Batch::next(&mut queue, &world.root, Terms::default()) {
        sizes.push(batch.due.len());
        match world.hash(batch) {
            Hashed::Done(done) => {
                assert!(done.iter().all(|(_, outcome)| matches!(outcome, Outcome::Published(_))), "{done:?}");
            }
            blocked => panic!("{blocked:?}"),
        }
    }
    assert_eq!(sizes, [1, 20]);
    assert_eq!(
        fs::read_dir(world.root.path()).unwrap().count(),
        42,
        "each has its .torrent, and no more is there"
    );
    let folder = world.root.open().unwrap();
    assert_eq!(read_torrent(&folder, Path::new("small-07.torrent")).unwrap().name(), "small-07");
}

#[test]
fn a_name_without_room_for_its_torrent_gets_one_of_another_name_and_a_bad_one_is_not_hashed() {
    let world = World::new();
    for (name, fits) in
        [("x".repeat(247), true), ("x".repeat(248), true), ("x".repeat(255), true), ("a\nb".into(), false)]
    {
        let path = world.path(&name);
        fs::write(&path, "x").unwrap();
        let health = Health::default();
        let Hashed::Done(done) = hash(world.batch(), &health, &AtomicBool::new(false)) else { panic!() };
        match &done[0].1 {
            Outcome::Published(new) => assert!(fits && new.manifest.name() == name),
            Outcome::Failed(reason) => assert!(!fits && reason.contains("control character"), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(health.hashed_bytes.load(Relaxed), u64::from(fits), "{name}");
        fs::remove_file(path).unwrap();
    }
    let torrents = fs::read_dir(world.root.path()).unwrap();
    assert_eq!(torrents.count(), 3, "each has its own");
}

#[test]
fn what_lies_at_the_torrents_place_is_never_followed() {
    let world = World::new();
    let victim = world.place.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    fs::write(world.path("film"), "x").unwrap();
    symlink(&victim, world.path("film.torrent")).unwrap();
    assert!(matches!(world.only(world.batch()), Outcome::Published(new) if !new.again));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert!(fs::symlink_metadata(world.path("film.torrent")).unwrap().is_file());

    fs::remove_file(world.path("film.torrent")).unwrap();
    fs::create_dir(world.path("film.torrent")).unwrap();
    match world.only(world.batch()) {
        Outcome::Failed(reason) => assert!(reason.contains("is a folder"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_swapped_since_it_was_found_is_neither_named_nor_hashed() {
    let world = World::new();
    let secret = world.place.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("id_ed25519"), "key").unwrap();
    fs::create_dir(world.path("upload")).unwrap();
    fs::write(world.path("upload/cat.jpg"), "cat").unwrap();
    let batch = world.batch();
    fs::rename(world.path("upload"), world.path("moved")).unwrap();
    symlink(&secret, world.path("upload")).unwrap();
    assert!(matches!(world.only(batch), Outcome::Changed));
    assert!(!world.path("upload.torrent").exists());
}

/// Swaps a published entry for a link to a secret and back, as fast as possible, while it is
/// published.
#[test]
fn a_swap_at_any_moment_publishes_what_was_there_or_nothing() {
    /// Attempts to publish, each during hundreds of swaps.
    const TRIES: u32 = 300;
    let world = World::new();
    let secret = world.place.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("id_ed25519"), "key").unwrap();
    fs::create_dir(world.path("upload")).unwrap();
    fs::write(world.path("upload/cat.jpg"), "cat").unwrap();
    let batch = world.batch();
    let again = || Batch { root: batch.root.clone(), terms: batch.terms.clone(), due: batch.due.clone() };
    let link = world.place.path().join("link");
    symlink(&secret, &link).unwrap();
    let (ended, swaps, mut published) = (AtomicBool::new(false), AtomicU32::new(0), 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (flags, cwd) = (rustix::fs::RenameFlags::EXCHANGE, rustix::fs::CWD);
            while !ended.load(Relaxed) {
                rustix::fs::renameat_with(cwd, &link, cwd, world.path("upload"), flags).unwrap();
                swaps.fetch_add(1, Relaxed);
                thread::yield_now();
            }
        });
        let mut tries = 0;
        while tries < TRIES || swaps.load(Relaxed) < 2_000 {
            tries += 1;
            match world.only(again()) {
                Outcome::Published(new) => {
                    published += 1;
                    assert_eq!(new.manifest.files()[0].path.as_str(), "cat.jpg");
                }
                Outcome::Changed => {}
                Outcome::Failed(reason) => assert!(!reason.contains("id_ed25519"), "{reason}"),
                Outcome::Cancelled => panic!("nobody did"),
            }
        }
        ended.store(true, Relaxed);
    });
    if published > 0 {
        let torrent = fs::read(world.path("upload.torrent")).unwrap();
        assert!(!String::from_utf8_lossy(&torrent).contains("id_ed25519"));
    }
}

#[test]
fn on_a_disk_that_is_nearly_full_as_many_are_published_as_there_is_room_for() {
    let world = World::new();
    for number in 0..100 {
        fs::write(world.path(&format!("small-{number:02}")), [number; 100]).unwrap();
    }
    let due = world.batch().due;
    assert_eq!(due.len(), 100);
    let with = |room: u64| {
        let check = |bytes| if bytes <= room { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) };
        fitting(&due, check).map_err(|error| error.kind())
    };
    assert_eq!(with(1 << 20), Ok(100), "a small .torrent takes a block, no more");
    assert_eq!(with(100 << 10), Ok(25));
    assert_eq!(with(4 << 10), Ok(1));
    assert_eq!(with(100), Err(io::ErrorKind::StorageFull));
    let refused = fitting(&due, |_| Err(io::ErrorKind::PermissionDenied.into()));
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn where_no_torrent_can_be_written_nothing_is_hashed() {
    let mut world = World::new();
    fs::write(world.path("film"), "x").unwrap();
    let batch = world.batch();
    // As after unmounting a disk: an empty folder with another inode is at the path.
    fs::rename(world.root.path(), world.place.path().join("moved")).unwrap();
    fs::create_dir(world.root.path()).unwrap();
    let health = Health::default();
    let hashed = hash(batch, &health, &AtomicBool::new(false));
    let Hashed::Blocked(reason, due) = hashed else { panic!("{hashed:?}") };
    assert!(reason.contains("not the folder it was") && due.len() == 1, "{reason}");
    assert_eq!(fs::read_dir(world.root.path()).unwrap().count(), 0, "nothing was written beside the mount");

    world.root = Root::new(PathBuf::from("/proc"));
    let hashed = hash(
        Batch { root: world.root.clone(), terms: Terms::default(), due },
        &health,
        &AtomicBool::new(false),
    );
    let Hashed::Blocked(reason, due) = hashed else { panic!("{hashed:?}") };
    assert!(reason.contains("no .torrent can be written to /proc") && due.len() == 1, "{reason}");
    assert_eq!(health.hashed_bytes.load(Relaxed), 0);
}

#[test]
fn signatures_of_the_very_same_content_are_kept() {
    let world = World::new();
    fs::write(world.path("film"), "x").unwrap();
    let Outcome::Published(new) = world.only(world.batch()) else { panic!() };
    let manifest = &new.manifest;
    let key = SecretKey::create(&world.place.path().join("key")).unwrap();
    let signed = Manifest::clone(manifest).with_signatures([key.sign(manifest.content())]);
    fs::write(world.path("film.torrent"), signed.to_torrent()).unwrap();
    world.make_old("film.torrent");
    let Outcome::Published(new) = world.only(world.batch()) else { panic!() };
    assert!(new.same && !new.again && new.manifest.signatures().is_by(&[key.public()]));
    assert!(new.signers_lost.is_empty());
    fs::write(world.path("film"), "y").unwrap();
    world.make_old("film.torrent");
    let Outcome::Published(new) = world.only(world.batch()) else { panic!() };
    assert_eq!(
        (new.again, new.signers_lost),
        (true, vec![key.public()]),
        "another content is not signed, and that is said"
    );
}

#[test]
fn a_seeder_with_a_key_signs_what_it_publishes_and_what_becomes_of_it() {
    let world = World::new();
    let key = Arc::new(SecretKey::create(&world.place.path().join("key")).unwrap());
    let terms = Terms { key: Some(key.clone()), ..Terms::default() };
    for text in ["one", "another"] {
        fs::write(world.path("film"), text).unwrap();
        if world.path("film.torrent").exists() {
            world.make_old("film.torrent");
        }
        let batch = Batch::next(&mut world.due(), &world.root, terms.clone()).unwrap();
        let Outcome::Published(new) = world.only(batch) else { panic!() };
        assert!(new.signers_lost.is_empty());
        let written = read_torrent(&world.root.open().unwrap(), Path::new("film.torrent")).unwrap();
        assert!(written.signatures().is_by(&[key.public()]));
    }
}

#[test]
fn a_torrent_that_somebody_made_of_the_same_data_stays_as_it_is() {
    let world = World::new();
    fs::write(world.path("film"), vec![7; 100_000]).unwrap();
    let options = PublishOptions { piece_bytes: Some(16_384), ..PublishOptions::default() };
    let folder = world.root.open().unwrap();
    let never = AtomicBool::new(false);
    let prepared = Prepared::of(&folder, "film".as_ref(), &options).unwrap();
    let theirs = prepared.hash(&|_, _| (), &never).unwrap().manifest;
    // Other programs write more fields than we do.
    let mut torrent = theirs.to_torrent();
    torrent.splice(1..1, *b"7:comment5:hello");
    fs::write(world.path("film.torrent"), &torrent).unwrap();
    world.make_old("film.torrent");
    let Outcome::Published(new) = world.only(world.batch()) else { panic!() };
    assert!(new.same && new.manifest.content() == theirs.content());
    assert_eq!(fs::read(world.path("film.torrent")).unwrap(), torrent);
}

#[test]
fn what_makes_hashing_panic_fails_alone_and_the_others_are_published() {
    let world = World::new();
    for name in ["before", PANICS, "then"] {
        fs::write(world.path(name), name).unwrap();
    }
    let Hashed::Done(done) = world.hash(world.batch()) else { panic!("nothing blocks it") };
    assert_eq!(done.len(), 3);
    for (due, outcome) in done {
        match outcome {
            Outcome::Published(_) => assert_ne!(due.name, PANICS),
            Outcome::Failed(sentence) => {
                assert_eq!(due.name, PANICS);
                assert!(sentence.contains("an error in the program"), "{sentence}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(world.path("then.torrent").exists());
}

#[tokio::test]
#[should_panic(expected = "outside of any one thing")]
async fn a_thread_that_panics_is_no_disk_that_is_full() {
    let (told, hashed) = oneshot::channel::<Hashed>();
    let thread = thread::spawn(move || {
        let _told = told;
        panic!("outside of any one thing");
    });
    let thread = Some(thread);
    let mut hashing = Hashing { cancelled: Arc::default(), hashed, thread, due: Vec::new() };
    hashing.hashed().await;
}

#[test]
fn a_thread_that_a_disk_has_is_not_waited_for_for_ever() {
    let (answer, disk) = std::sync::mpsc::sync_channel::<()>(1);
    let thread = thread::spawn(move || disk.recv());
    let began = Instant::now();
    assert!(!ends_within(&thread, Duration::from_millis(50)));
    assert!(began.elapsed() >= Duration::from_millis(50));
    answer.send(()).unwrap();
    assert!(ends_within(&thread, Duration::from_secs(30)));
}
