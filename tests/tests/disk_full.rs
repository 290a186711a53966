//! When the disk is full a download waits as long as the user allows. Then it goes on, by itself or
//! at the next run.

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use e2e::{
    cluster::{Client, Get, PATIENCE, Seeder, publish},
    content::{MIB, assert_same, write_random},
    namespace::SmallDisk,
    place::Place,
    process::Stream,
};

const DISK_FULL: i32 = 9;
const DISK: u64 = 8 * MIB;
const FILM: u64 = 16 * MIB;

struct Stage {
    place: Place,
    disk: SmallDisk,
    seeder: Seeder,
    torrent: String,
}

impl Stage {
    /// A stage with a film twice as large as the disk. `None`: no small disk can be made.
    fn new(ip: &str) -> Option<Stage> {
        let place = Place::new();
        let disk = SmallDisk::new(&place.folder("disk"), DISK)?;
        let root = place.folder("root");
        write_random(&root.join("film.bin"), FILM, 221);
        let torrent = publish(&place, &root.join("film.bin"), &[]).torrent.to_string_lossy().into_owned();
        let seeder = Seeder::start(&place, &root, ip);
        Some(Stage { place, disk, seeder, torrent })
    }

    fn get(&self, arguments: &[&str]) -> Client {
        let folder = self.place.path().join("disk");
        let get = Get::new(&self.place, &self.torrent, &folder, "127.1.0.2").peer(self.seeder.address());
        get.with(arguments).run_by(|command| self.disk.inside(command)).start()
    }

    fn assert_complete(&self) {
        let film: &Path = &self.disk.seen_from_outside("film.bin");
        assert_same(&self.place.path().join("root/film.bin"), film);
    }
}

fn wait_until_full(client: &Client) {
    client.wait_event("the disk is full", PATIENCE, |event| {
        (event.name() == "progress" && event.text("phase") == "disk_full").then_some(())
    });
}

#[test]
fn a_full_disk_is_waited_for_as_long_as_asked_and_the_next_run_continues() {
    let Some(stage) = Stage::new("127.1.0.1") else { return };
    // The rate is so low that some data is durable, after two seconds, before the disk is too full
    // to record it.
    let client = stage.get(&["--disk-wait", "3s", "--down", "2MiB"]);
    wait_until_full(&client);
    let full = Instant::now();
    assert_eq!(client.process.wait_exit(PATIENCE), DISK_FULL, "{}", client.process.tail());
    assert!(full.elapsed() > Duration::from_millis(2_000), "gave up after {:?}", full.elapsed());
    assert!(full.elapsed() < Duration::from_secs(15), "took {:?}", full.elapsed());
    let said = client.process.lines(Stream::Stderr).join("\n");
    assert!(said.contains("no space left"), "{said}");
    client.process.assert_group_gone();

    stage.disk.grow(4 * FILM);
    let client = stage.get(&[]);
    let resumed = client.wait_event("it has started", PATIENCE, |event| {
        (event.name() == "started").then(|| event.number("bytes_resumed"))
    });
    assert!(resumed > MIB, "what was there is kept: {resumed} bytes");
    client.wait_finished(PATIENCE);
    assert_eq!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
    stage.assert_complete();
}

#[test]
fn a_download_goes_on_by_itself_when_there_is_room() {
    let Some(stage) = Stage::new("127.1.0.3") else { return };
    let client = stage.get(&[]);
    wait_until_full(&client);
    stage.disk.grow(4 * FILM);
    client.wait_finished(PATIENCE);
    assert_eq!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
    stage.assert_complete();
}

#[test]
fn whoever_waits_for_nothing_ends_at_once() {
    let Some(stage) = Stage::new("127.1.0.4") else { return };
    let client = stage.get(&["--disk-wait", "none"]);
    assert_eq!(client.process.wait_exit(PATIENCE), DISK_FULL, "{}", client.process.tail());
}

#[test]
fn a_disk_without_room_for_anything_is_waited_for_too() {
    let Some(stage) = Stage::new("127.1.0.5") else { return };
    let filler = stage.disk.seen_from_outside("filler");
    let mut file = File::create(&filler).expect("an empty file needs no room");
    while file.write_all(&[7; 4096]).is_ok() {}
    drop(file);
    let client = stage.get(&[]);
    wait_until_full(&client);
    std::fs::remove_file(&filler).expect("it is ours");
    stage.disk.grow(4 * FILM);
    client.wait_finished(PATIENCE);
    assert_eq!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
    stage.assert_complete();
}

/// The bytes that `df` calls available.
fn free_bytes(disk: &SmallDisk) -> u64 {
    let stat = rustix::fs::statvfs(disk.seen_from_outside("")).expect("it is mounted");
    stat.f_bavail * stat.f_frsize
}

#[test]
fn a_part_of_the_disk_is_left_to_others() {
    let Some(stage) = Stage::new("127.1.0.6") else { return };
    let client = stage.get(&["--disk-wait", "5s"]);
    wait_until_full(&client);
    let free = free_bytes(&stage.disk);
    // The download's own state may use the reserve, so that a resume is possible.
    assert!(free > 0, "the disk was filled to the last byte");
    assert_eq!(client.process.wait_exit(PATIENCE), DISK_FULL, "{}", client.process.tail());
    let said = client.process.lines(Stream::Stderr).join("\n");
    assert!(said.contains(&format!("needed_bytes={FILM}")), "it said so before it began: {said}");
}

#[test]
fn old_and_new_must_fit_side_by_side_or_nothing_is_begun() {
    let Some(stage) = Stage::new("127.1.0.7") else { return };
    let old = stage.disk.seen_from_outside("film.bin");
    let film = std::fs::read(stage.place.path().join("root/film.bin")).expect("it is there");
    let beginning = &film[..(5 * MIB) as usize];
    std::fs::write(&old, beginning).expect("there is room");
    let client = stage.get(&["--overwrite"]);
    assert_eq!(client.process.wait_exit(PATIENCE), DISK_FULL, "{}", client.process.tail());
    let said = client.process.lines(Stream::Stderr).join("\n");
    assert!(said.contains("bytes are needed"), "{said}");
    assert!(std::fs::read(&old).expect("it is there") == beginning, "the old file is as it was");
    assert_eq!(std::fs::read_dir(stage.disk.seen_from_outside("")).expect("it is there").count(), 1);
}
