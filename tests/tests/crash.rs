//! SIGKILL at any moment loses no durable byte, and never leaves a wrong one.

use std::{path::Path, time::Duration};

use e2e::{
    cluster::{Client, Get, PATIENCE, Seeder, SeederOptions, publish},
    content::{MIB, Random, assert_same, fresh_seed, write_random},
    place::Place,
    probe::Event,
};

/// Number of kills, unless `NEARCAST_CRASH_KILLS` asks for more; then several downloads are killed
/// side by side.
const KILLS: u32 = 20;
/// Kills of one download. More: fewer downloads at a time, and slower ones.
const KILLS_PER_DOWNLOAD_MAX: u32 = 125;
/// Slow enough that all kills hit a transfer.
const DOWN_BYTES_PER_S: u64 = 2 * MIB;
const SIZE_BYTES: u64 = 96 * MIB;
/// Life of a client before each kill, 0.2 to 3 s: shorter and longer than the 2 s between two
/// checkpoints.
const LIFE_MS: (u64, u64) = (200, 3000);
/// The most bytes that a kill may lose: 2 s between checkpoints, half a second between events, and
/// the limiter's burst.
const TAIL_BYTES_MAX: u64 = 4 * DOWN_BYTES_PER_S;
/// The promised time for Ctrl-C.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(2);

/// The counts in the last event before a kill.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    have: u64,
    durable: u64,
}

impl Last {
    fn of(events: &[Event], before: Last) -> Last {
        let progress = events.iter().rev().find(|event| event.name() == "progress");
        progress.map_or(before, |event| Last {
            have: event.number("bytes"),
            durable: event.number("durable_bytes"),
        })
    }
}

fn resumed(events: &[Event]) -> Option<u64> {
    let started = events.iter().find(|event| event.name() == "started")?;
    Some(started.number("bytes_resumed"))
}

struct Served {
    place: Place,
    published: e2e::cluster::Published,
    options: SeederOptions,
    seeder: Seeder,
}

impl Served {
    fn new(seed: u64) -> Served {
        let place = Place::new();
        let root = place.folder("root");
        write_random(&root.join("film.bin"), SIZE_BYTES, seed);
        let published = publish(&place, &root.join("film.bin"), &[]);
        let mut options = SeederOptions {
            root,
            state: place.folder("seeder-state"),
            ip: "127.1.0.1".to_owned(),
            port: 0,
            arguments: Vec::new(),
        };
        let seeder = Seeder::start_with(&place, &options);
        options.port = seeder.port();
        Served { place, published, options, seeder }
    }

    fn source(&self) -> std::path::PathBuf {
        self.options.root.join("film.bin")
    }

    fn get(&self, out: &Path, down_bytes_per_s: u64) -> Client {
        self.get_at("127.1.0.2", out, down_bytes_per_s)
    }

    fn get_at(&self, ip: &str, out: &Path, down_bytes_per_s: u64) -> Client {
        let get = Get::new(&self.place, &self.published.torrent, out, ip);
        let down = down_bytes_per_s.to_string();
        get.peer(self.seeder.address()).with(&["--down", &down]).start()
    }
}

fn kills() -> u32 {
    let asked = std::env::var("NEARCAST_CRASH_KILLS");
    asked.map_or(KILLS, |text| text.parse().expect("NEARCAST_CRASH_KILLS is a number"))
}

#[test]
fn kills_of_a_client_cost_no_durable_byte() {
    let seed = fresh_seed();
    println!("NEARCAST_TEST_SEED={seed}");
    let served = Served::new(seed);
    let downloads = kills().div_ceil(KILLS_PER_DOWNLOAD_MAX);
    let each = kills().div_ceil(downloads);
    let kept: u64 = std::thread::scope(|scope| {
        let served = &served;
        let killed = (0..downloads).map(|number| scope.spawn(move || kill_often(served, number, each, seed)));
        let killed: Vec<_> = killed.collect();
        killed.into_iter().map(|thread| thread.join().expect("each download keeps what was durable")).sum()
    });
    println!("{} kills: {kept} durable bytes found again, none of them fetched again", downloads * each);
}

/// Kills one download `kills` times, then lets it complete. Returns the sum of the durable bytes
/// that the restarts found.
fn kill_often(served: &Served, number: u32, kills: u32, seed: u64) -> u64 {
    let mut random = Random::new(seed + u64::from(number));
    let (out, ip) = (served.place.folder(&format!("out{number}")), format!("127.1.1.{}", number + 1));
    // A rate at which the download is far from complete at the last kill.
    let down = DOWN_BYTES_PER_S.min(SIZE_BYTES * 1_000 / (u64::from(kills) * LIFE_MS.1) * 7 / 8);
    let (mut last, mut kept) = (Last::default(), 0);
    for kill in 0..kills {
        let client = served.get_at(&ip, &out, down);
        let life = Duration::from_millis(random.between(LIFE_MS.0, LIFE_MS.1));
        assert!(client.finished_within(life).is_none(), "finished before kill {kill}: nothing was tested");
        client.process.kill();
        let events = client.events();
        if let Some(resumed) = resumed(&events) {
            assert_kept(last, resumed, &format!("after kill {kill}"));
            kept += resumed;
            last = Last::of(&events, Last { have: resumed, durable: resumed });
        }
    }
    assert!(kept > 0, "no restart found durable data: nothing was tested");
    let client = served.get_at(&ip, &out, 1 << 40);
    let summary = client.wait_finished(PATIENCE);
    assert_eq!(client.process.wait_exit(PATIENCE), 0);
    let resumed = resumed(&client.events()).expect("a finished download had started");
    assert_kept(last, resumed, "at the end");
    assert_eq!(
        summary.received(),
        SIZE_BYTES - resumed + summary.wasted,
        "what was durable was received again ({resumed} resumed)"
    );
    assert_same(&served.source(), &out.join("film.bin"));
    kept
}

fn assert_kept(last: Last, resumed: u64, when: &str) {
    assert!(resumed >= last.durable, "{when}: {resumed} bytes resumed of {last:?}");
    assert!(
        resumed + TAIL_BYTES_MAX >= last.have,
        "{when}: more than the tail between checkpoints was lost: {resumed} bytes resumed of {last:?}"
    );
}

#[test]
fn a_seeder_killed_and_started_again_is_found_again() {
    let seed = fresh_seed();
    println!("NEARCAST_TEST_SEED={seed}");
    let mut random = Random::new(seed);
    let mut served = Served::new(seed);
    let out = served.place.folder("out");
    let client = served.get(&out, 4 * DOWN_BYTES_PER_S);
    for kill in 1..=4 {
        client.wait_bytes(kill * SIZE_BYTES / 8 + random.between(0, SIZE_BYTES / 16), PATIENCE);
        let address = served.seeder.address().to_owned();
        served.seeder.process.kill();
        served.seeder = Seeder::start_with(&served.place, &served.options);
        assert_eq!(served.seeder.address(), address, "same port, same identity");
    }
    let summary = client.wait_finished(PATIENCE);
    assert_eq!(client.process.wait_exit(PATIENCE), 0);
    assert_eq!(summary.received(), SIZE_BYTES + summary.wasted);
    assert!(
        summary.wasted <= 4 * MIB,
        "a lost connection costs at most what was under way: {}",
        summary.wasted
    );
    assert_same(&served.source(), &out.join("film.bin"));
}

#[test]
fn ctrl_c_saves_everything_received_and_is_quick() {
    let served = Served::new(31);
    let out = served.place.folder("out");
    let client = served.get(&out, DOWN_BYTES_PER_S);
    client.wait_bytes(MIB, PATIENCE);
    assert_eq!(client.interrupt(INTERRUPT_TIMEOUT), 130);
    let last = Last::of(&client.events(), Last::default());
    let client = served.get(&out, 1 << 40);
    let summary = client.wait_finished(PATIENCE);
    let resumed = resumed(&client.events()).expect("a finished download had started");
    assert!(resumed >= last.have, "{resumed} bytes resumed of {last:?}");
    assert_eq!(summary.received(), SIZE_BYTES - resumed + summary.wasted);
    assert_same(&served.source(), &out.join("film.bin"));
}
