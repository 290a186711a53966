//! Strangers attack a seeder, and it still serves honest peers. Every figure is printed.
//! `NEARCAST_FAULTS_LARGE=1` uses the numbers that an operator would meet.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use e2e::{
    cluster::{Get, Published, Seeder, SeederOptions, publish},
    content::{MIB, assert_same, write_random},
    hostile::{Malformed, SlowReader, flood_of_requests, flood_of_streams, greedy},
    place::Place,
    process::Stream,
    siege::{Attack, Siege},
    stranger::{Stranger, address},
    vitals::{Vitals, wait_vitals},
};
use futures::{StreamExt, stream};
use tokio::runtime::Runtime;

const KIB: u64 = 1024;
/// Handshakes at a time. Fewer than a seeder's places for connections being made.
const AT_ONCE: usize = 48;
/// A seeder's places for connections being made.
const HALF_OPEN_MAX: usize = 512;
/// Connections that may wait for such a place; each holds only a socket
/// (`node/src/budget/plan.rs`).
const LOBBY_MAX: usize = 2_048;
/// Time for a seeder to clean up after an attack.
const CLEAN_TIMEOUT: Duration = Duration::from_secs(120);

fn is_large() -> bool {
    std::env::var_os("NEARCAST_FAULTS_LARGE").is_some()
}

/// The number for CI, or the large one.
fn count(usual: usize, large: usize) -> usize {
    if is_large() { large } else { usual }
}

/// A seeder under attack.
struct Stage {
    place: Place,
    seeder: Seeder,
    contents: Vec<Published>,
    runtime: Runtime,
}

impl Stage {
    /// Serves `contents` contents of `bytes` bytes each.
    fn new(contents: usize, bytes: u64) -> Stage {
        let place = Place::new();
        let root = place.folder("root");
        let publish = |number| {
            let path = root.join(format!("film{number}.bin"));
            write_random(&path, bytes, number as u64);
            publish(&place, &path, &[])
        };
        let contents = (0..contents).map(publish).collect();
        let seeder = Seeder::start_with(
            &place,
            &SeederOptions {
                root,
                state: place.folder("state"),
                ip: "127.1.0.1".to_owned(),
                port: 0,
                // The default of 4,096 connections is enough except for the large numbers.
                arguments: if is_large() { vec!["--connections=12000".to_owned()] } else { Vec::new() },
            },
        );
        let runtime = Runtime::new().expect("threads can be started");
        Stage { place, seeder, contents, runtime }
    }

    fn to(&self) -> SocketAddr {
        (Ipv4Addr::new(127, 1, 0, 1), self.seeder.port()).into()
    }

    fn content(&self, number: usize) -> [u8; 32] {
        let digits = self.contents[number % self.contents.len()].content();
        std::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits"))
    }

    /// Runs `number` attacks, [`AT_ONCE`] at a time; returns the result of each.
    fn all<T, F: Future<Output = io::Result<T>>>(
        &self,
        number: usize,
        attack: impl Fn(usize) -> F,
    ) -> Vec<io::Result<T>> {
        self.runtime.block_on(stream::iter((0..number).map(attack)).buffer_unordered(AT_ONCE).collect())
    }

    fn vitals(&self) -> Vitals {
        Vitals::of(&self.seeder.process)
    }

    /// An honest client gets the whole first content.
    fn honest_get(&self, ip: &str) {
        let out = self.place.folder(&format!("out-{ip}"));
        let get = Get::new(&self.place, &self.contents[0].torrent, &out, ip).peer(self.seeder.address());
        let summary = get.with(&["--timeout", "110s"]).finish();
        println!("an honest get took {:.1} s", summary.seconds);
        assert_same(&self.source(), &out.join("film0.bin"));
    }

    fn source(&self) -> PathBuf {
        self.place.path().join("root/film0.bin")
    }

    /// Asserts that the seeder did not panic, and that it holds no more files than before. One file
    /// of each content after the first may stay open for a while.
    fn assert_sound(&self, before: &Vitals) {
        let stderr = self.seeder.process.lines(Stream::Stderr);
        let panic = stderr.iter().find(|line| line.contains("panicked"));
        assert_eq!(panic, None);
        wait_vitals(&self.seeder.process, "the end of every attack", CLEAN_TIMEOUT, |now| {
            now.open_files < before.open_files + 8 + self.contents.len()
        });
    }
}

#[test]
fn malformed_bytes_at_any_layer_end_what_they_came_over_and_nothing_else() {
    let stage = Stage::new(1, 4 * MIB);
    stage.honest_get("127.1.0.9");
    let (content, to, before) = (stage.content(0), stage.to(), stage.vitals());
    let each = count(24, 200);
    for kind in Malformed::ALL {
        let ended = stage.all(each, |number| kind.attack(address(number), to, &content, number as u64));
        let failed: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
        let patient = failed.iter().find(|error| error.kind() == io::ErrorKind::TimedOut);
        assert!(patient.is_none(), "{kind:?}: not all of {each} were ended: {patient:?}");
        // In the large run the seeder may send a stranger away early, because others from its
        // network failed before.
        assert!(
            failed.len() <= count(0, each / 2),
            "{kind:?}: {} of {each} came to nothing: {:?}",
            failed.len(),
            failed[0]
        );
    }
    stage.honest_get("127.1.0.10");
    stage.assert_sound(&before);
    let attacks = each * Malformed::ALL.len();
    let memory = stage.vitals().memory_since(&before);
    println!("{attacks} malformed: {} KiB more memory", memory / KIB);
    assert!(memory < 48 * MIB, "{memory} bytes more after {attacks} attacks");
}

#[test]
fn connections_that_never_speak_hold_no_place_and_keep_nobody_out() {
    let stage = Stage::new(1, 4 * MIB);
    stage.honest_get("127.1.0.9");
    let (to, before) = (stage.to(), stage.vitals());
    // The siege renews ended connections, with more strangers than there are places.
    let siege = Siege::begin(&stage.runtime, Attack::HalfOpen, count(700, 5_120), to, stage.content(0));
    let during = wait_vitals(&stage.seeder.process, "the attack", CLEAN_TIMEOUT, |now| {
        now.open_files > before.open_files + HALF_OPEN_MAX / 8
    });
    stage.honest_get("127.1.0.10");
    let held = stage.vitals().open_files - before.open_files;
    println!("{} half-open: {held} held, {} KiB more", siege.landed(), during.memory_since(&before) / KIB);
    // At most: all places, all that may wait for a place, and some between accept and end.
    assert!(held < HALF_OPEN_MAX + LOBBY_MAX + 128, "{held} connections that say nothing are held");
    drop(siege);
    stage.assert_sound(&before);
    let memory = stage.vitals().memory_since(&before);
    assert!(memory < 32 * MIB, "{memory} bytes more");
}

#[test]
fn slow_readers_hold_little_memory_and_no_slots() {
    // The seeder serves 64 peers of each content at a time. So more than a third of the readers
    // must wait until others are found to be stuck.
    const READERS_PER_CONTENT: usize = 96;
    let number = count(96, 1_000);
    let stage = Stage::new(number.div_ceil(READERS_PER_CONTENT), 8 * MIB);
    stage.honest_get("127.1.0.9");
    let (to, before) = (stage.to(), stage.vitals());
    let start = |at| {
        let content = stage.content(at / READERS_PER_CONTENT);
        async move { SlowReader::start(address(at), to, &content, 30).await }
    };
    let readers: Vec<SlowReader> =
        stage.all(number, start).into_iter().map(|reader| reader.expect("its turn")).collect();
    let during = stage.vitals();
    let each = during.memory_since(&before) / number as u64;
    println!("{number} slow readers: {} KiB each", each / KIB);
    assert!(each <= 256 * KIB, "{each} bytes for each slow reader");
    stage.honest_get("127.1.0.10");
    drop(readers);
    stage.assert_sound(&before);
}

#[test]
fn who_allows_everything_and_reads_nothing_holds_little_memory() {
    let number = count(60, 600);
    let stage = Stage::new(number.div_ceil(60), 8 * MIB);
    stage.honest_get("127.1.0.9");
    let (to, before) = (stage.to(), stage.vitals());
    let start = |at| {
        let content = stage.content(at / 60);
        async move { greedy(address(at), to, &content, 30).await }
    };
    let held: Vec<_> = stage.all(number, start).into_iter().map(|muxer| muxer.expect("its turn")).collect();
    let during = stage.vitals();
    let each = during.memory_since(&before) / number as u64;
    println!("{number} who read nothing: {} KiB each", each / KIB);
    assert!(each <= 512 * KIB, "{each} bytes for each");
    stage.honest_get("127.1.0.10");
    drop(held);
    stage.assert_sound(&before);
}

#[test]
fn floods_of_streams_and_of_requests_are_ended() {
    let stage = Stage::new(1, 4 * MIB);
    stage.honest_get("127.1.0.9");
    let (content, to, before) = (stage.content(0), stage.to(), stage.vitals());
    let number = count(48, 500);
    for ended in stage.all(number, |at| flood_of_streams(address(at), to)) {
        ended.expect("a connection of too many streams is ended");
    }
    for ended in stage.all(number, |at| flood_of_requests(address(at), to, &content)) {
        ended.expect("somebody who asks and does not read is let go");
    }
    let memory = stage.vitals().memory_since(&before);
    println!("{number} floods of each kind: {} KiB more memory", memory / KIB);
    assert!(memory < 64 * MIB, "{memory} bytes more");
    stage.honest_get("127.1.0.10");
    stage.assert_sound(&before);
}

#[test]
fn idle_links_are_cheap() {
    const LINKS_PER_CONTENT: usize = 900;
    let number = count(400, 10_000);
    let stage = Stage::new(number.div_ceil(LINKS_PER_CONTENT), 64 * KIB);
    stage.honest_get("127.1.0.9");
    let (to, before) = (stage.to(), stage.vitals());
    let start = |at| {
        let content = stage.content(at / LINKS_PER_CONTENT);
        async move {
            let stranger = Stranger::meet(address(at), to).await?;
            let link = stranger.link(&content).await?;
            io::Result::Ok((stranger, link))
        }
    };
    let all = stage.all(number, start);
    let held = all.iter().filter(|link| link.is_ok()).count();
    let during = stage.vitals();
    std::thread::sleep(Duration::from_secs(5));
    let cpu = stage.vitals().cpu - during.cpu;
    let each = during.memory_since(&before) / held.max(1) as u64;
    println!(
        "{held} of {number} idle links: {} KiB each, {:.1} % of a core",
        each / KIB,
        cpu.as_secs_f64() * 20.0
    );
    assert!(held == number, "{:?}", all.iter().find_map(|link| link.as_ref().err()));
    assert!(each <= 100 * KIB, "{each} bytes for each connection");
    stage.honest_get("127.1.0.10");
    drop(all);
    stage.assert_sound(&before);
}
