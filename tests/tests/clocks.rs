//! The wall clock jumps, as when a machine wakes up or learns the time after its start. No timer
//! may depend on that.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use e2e::{
    cluster::{Get, PATIENCE, publish},
    content::{MIB, write_random},
    operated::Operated,
    place::Place,
    tracker::{Tracker, TrackerOptions},
};

/// The library that fakes the time: libfaketime from Debian's package faketime, built for threads.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found =
        folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    if found.is_none() {
        println!("skipped: libfaketime is not here");
    }
    found
}

/// A fake clock that is set by writing to a file.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    fn new(place: &Place) -> Option<Clock> {
        let clock = Clock { library: library()?, file: place.path().join("clock") };
        clock.jump("+0");
        let says = |offset: &str| {
            clock.jump(offset);
            let output = clock.on(Command::new("date").arg("+%Y")).output().ok()?;
            String::from_utf8(output.stdout).ok()
        };
        if says("+0") == says("+2y") {
            println!("skipped: libfaketime does not work here");
            return None;
        }
        clock.jump("+0");
        Some(clock)
    }

    /// Replaces the file as a whole, because programs read it all the time.
    fn jump(&self, offset: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{offset}\n")).expect("a temporary folder can be written to");
        fs::rename(&new, &self.file).expect("a temporary folder can be written to");
    }

    fn variables(&self) -> [(&'static str, &Path); 5] {
        [
            ("LD_PRELOAD", &self.library),
            ("FAKETIME_TIMESTAMP_FILE", &self.file),
            ("FAKETIME_NO_CACHE", Path::new("1")),
            // A jump moves only the wall clock, not the monotonic clock and not the times of files.
            ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
            ("NO_FAKE_STAT", Path::new("1")),
        ]
    }

    fn on<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.variables())
    }
}

#[test]
fn a_clock_that_jumps_by_an_hour_or_a_year_changes_no_download_and_no_service() {
    let place = Place::new();
    let Some(clock) = Clock::new(&place) else { return };
    let root = place.folder("root");
    write_random(&root.join("film.bin"), 3 * MIB, 481);
    let torrent = publish(&place, &root.join("film.bin"), &[]).torrent;
    // A sandbox may not read the file with the time, so the sandbox is off.
    let lines = "up = \"400k\"\nsandbox = \"off\"";
    let seeder = Operated::start_with(&place, &root, "127.48.1.1", lines, &clock.variables());
    let options = TrackerOptions::new(&place, "127.48.2.1", &["--sandbox", "off"]);
    let tracker = Tracker::run("tracker", clock.on(&mut options.command(&place)));
    let get = Get::new(&place, &torrent, &place.folder("out"), "127.48.3.1").peer(seeder.address());
    let get = get.with(&["--tracker", tracker.address(), "--timeout", "20s"]);
    let client = get
        .run_by(|command| {
            let mut wrapped = Command::new("env");
            for (name, value) in clock.variables() {
                wrapped.arg(format!("{name}={}", value.display()));
            }
            wrapped.arg(command.get_program()).args(command.get_args());
            if let Some(folder) = command.get_current_dir() {
                wrapped.current_dir(folder);
            }
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => wrapped.env(name, value),
                    None => wrapped.env_remove(name),
                };
            }
            wrapped
        })
        .start();
    for (part, offset) in [(1, "-1h"), (2, "+1y"), (3, "-2y"), (4, "+0")] {
        client.wait_bytes(part * MIB / 2, PATIENCE);
        clock.jump(offset);
        for (admin, name) in [(seeder.ask("/readyz"), "seeder"), (tracker.ask("/readyz"), "tracker")] {
            assert_eq!(admin.status, 200, "{name} after {offset}: {}", admin.text);
        }
    }
    let summary = client.wait_finished(PATIENCE);
    assert_eq!(summary.bytes, 3 * MIB);
    assert_eq!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
    assert_eq!(
        fs::read(place.path().join("out/film.bin")).unwrap(),
        fs::read(root.join("film.bin")).unwrap()
    );
    for process in [&seeder.process, &tracker.process, &client.process] {
        assert!(!process.tail().contains("panicked"), "{}", process.tail());
    }
    // A service that was told to end does so within its grace period, whatever the clock does.
    clock.jump("-1h");
    seeder.process.signal(rustix::process::Signal::TERM);
    clock.jump("+1y");
    assert_eq!(seeder.process.wait_exit(Duration::from_secs(60)), 0, "{}", seeder.process.tail());
}
