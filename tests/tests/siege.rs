//! Strangers attack a seeder, a tracker and a client for some time. Honest peers are served all the
//! while, within the memory plan. Each run measures and prints the times undisturbed and under
//! attack. Busy machines make these times jump, so they are judged only with
//! `NEARCAST_FAULTS_LARGE=1`, which also uses ten times the attackers and a minute for each attack.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use e2e::{
    cluster::{Get, PATIENCE, Published, Seeder, SeederOptions, publish},
    content::{MIB, assert_same, write_random},
    place::Place,
    process::{Process, Stream},
    siege::{Attack, Siege, ask_once},
    tracker::{Tracker, TrackerOptions},
    vitals::{Vitals, wait_vitals},
};
use rustix::process::setpriority_process;
use tokio::runtime::Runtime;

/// The most memory that strangers may cost beyond that of a process at rest. The plan
/// (`node/src/budget/plan.rs`) for a service has 128 MiB of bytes, 32 MiB of handshakes and 32 MiB
/// of newly opened streams; for a client, 256 MiB of bytes.
const PLAN_SERVICE_BYTES: u64 = 192 * MIB;
const PLAN_CLIENT_BYTES: u64 = 320 * MIB;
/// The same for each connection.
const PLAN_CONNECTION_BYTES: u64 = 100 * 1024;
/// The fewest honest jobs in a row of measurements.
const JOBS_MIN: usize = 3;
/// The priority of threads that run only when no other wants to.
const PRIORITY_LEAST: i32 = 19;
/// How much longer honest jobs may take under attack, where that is judged.
const SLOWER_MAX: f64 = 1.5;

fn is_large() -> bool {
    std::env::var_os("NEARCAST_FAULTS_LARGE").is_some()
}

/// All attacks, or those named in `NEARCAST_SIEGE`, separated by commas.
fn attacks() -> Vec<Attack> {
    let Ok(named) = std::env::var("NEARCAST_SIEGE") else { return Attack::ALL.to_vec() };
    let of = |name| Attack::ALL.into_iter().find(|attack| format!("{attack:?}") == name);
    named.split(',').map(|name| of(name).unwrap_or_else(|| panic!("there is no attack {name}"))).collect()
}

fn siege_time() -> Duration {
    Duration::from_secs(if is_large() { 60 } else { 2 })
}

/// The number of attackers. Half-open connections need the most; in the large run there are more of
/// them than a seeder has places.
fn strangers(attack: Attack) -> usize {
    let few = match attack {
        Attack::HalfOpen => 150,
        Attack::Idle => 40,
        Attack::SlowReaders => 20,
        Attack::TinyFrames => 2,
        Attack::Hellos | Attack::Churn | Attack::Directory => 6,
    };
    if is_large() { few * 10 } else { few }
}

/// The 95th percentile, in seconds.
fn p95(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(times.len() * 95).div_ceil(100) - 1]
}

/// Runs a job repeatedly for this time, at least [`JOBS_MIN`] times; returns the times of the jobs.
fn times(during: Duration, mut job: impl FnMut() -> f64) -> Vec<f64> {
    let (started, mut times) = (Instant::now(), Vec::new());
    while times.len() < JOBS_MIN || started.elapsed() < during {
        times.push(job());
    }
    times
}

/// The effect of one attack on honest jobs and on the process.
struct Row {
    attack: Attack,
    strangers: usize,
    landed: u64,
    jobs: usize,
    calm: f64,
    besieged: f64,
    /// The peak memory of the process during the attack, and the part of it beyond the memory
    /// before all attacks.
    peak: Vitals,
    more: u64,
    plan: u64,
}

impl Row {
    /// The time under attack divided by the time undisturbed.
    fn slower(&self) -> f64 {
        self.besieged / self.calm
    }

    fn judge(&self, role: &str) {
        let Row { attack, more, plan, .. } = self;
        assert!(more <= plan, "{role}, {attack:?}: {more} bytes more, and the plan has {plan}");
        if is_large() {
            let times = self.slower();
            assert!(times <= SLOWER_MAX, "{role}, {attack:?}: an honest job takes {times:.2} times as long");
        }
    }
}

fn print_table(role: &str, rows: &[Row]) {
    println!();
    println!(
        "| {role} under | strangers | attacks that landed | honest jobs | p95 undisturbed s | p95 attacked s | ratio \
         | memory MiB | new MiB | plan MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let Row { attack, strangers, landed, jobs, calm, besieged, peak, more, plan } = row;
        println!(
            "| {attack:?} | {strangers} | {landed} | {jobs} | {calm:.2} | {besieged:.2} | {:.2} | {} | {} | {} |",
            row.slower(),
            peak.memory_bytes / MIB,
            more / MIB,
            plan / MIB
        );
    }
}

/// Threads for the strangers, with the lowest priority. A real attacker uses its own machine, so
/// the test must measure the cost of the bytes, not of the strangers' computing.
fn attackers() -> Runtime {
    let give_way = || setpriority_process(None, PRIORITY_LEAST).expect("a thread may give way");
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_start(give_way).build();
    threads.expect("threads can be started")
}

/// Attacks a process while an honest job runs again and again. All attacks are measured before any
/// is judged.
fn besiege(
    role: &str,
    process: &Process,
    (to, content): (SocketAddr, [u8; 32]),
    plan_bytes: u64,
    mut job: impl FnMut() -> f64,
) {
    let runtime = attackers();
    job();
    let before = Vitals::of(process);
    let mut rows = Vec::new();
    for attack in attacks() {
        // Wait until the remains of the last attack are gone and the machine is as quiet as it
        // gets.
        wait_vitals(process, "the end of an attack", PATIENCE, |now| {
            now.open_files <= before.open_files + 16
        });
        let calm = p95(times(siege_time() / 4, &mut job));
        let strangers = strangers(attack);
        let siege = Siege::begin(&runtime, attack, strangers, to, content);
        wait_vitals(process, &format!("{attack:?}: every stranger at work"), PATIENCE, |_| {
            siege.landed() >= strangers as u64
        });
        let mut peak = Vitals::of(process);
        let besieged = times(siege_time(), || {
            let seconds = job();
            let now = Vitals::of(process);
            if now.memory_bytes > peak.memory_bytes {
                peak = now;
            }
            seconds
        });
        rows.push(Row {
            attack,
            strangers,
            landed: siege.landed(),
            jobs: besieged.len(),
            calm,
            besieged: p95(besieged),
            peak,
            more: peak.memory_since(&before),
            plan: plan_bytes + strangers as u64 * PLAN_CONNECTION_BYTES,
        });
    }
    wait_vitals(process, "the end of every attack", PATIENCE, |now| now.open_files <= before.open_files + 16);
    print_table(role, &rows);
    let panic = process.lines(Stream::Stderr).into_iter().find(|line| line.contains("panicked"));
    assert_eq!(panic, None);
    rows.iter().for_each(|row| row.judge(role));
}

/// A seeder with one content.
struct Origin {
    place: Place,
    seeder: Seeder,
    content: Published,
}

impl Origin {
    fn start(ip: &str, bytes: u64) -> Origin {
        let place = Place::new();
        let root = place.folder("root");
        let path = root.join("film.bin");
        write_random(&path, bytes, 1);
        let content = publish(&place, &path, &[]);
        let (state, ip) = (place.folder("state"), ip.to_owned());
        let options = SeederOptions { root, state, ip, port: 0, arguments: Vec::new() };
        let seeder = Seeder::start_with(&place, &options);
        Origin { place, seeder, content }
    }

    fn file(&self) -> PathBuf {
        self.place.path().join("root/film.bin")
    }

    fn id(&self) -> [u8; 32] {
        let digits = self.content.content();
        std::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits"))
    }

    /// Asserts that a copy is right, and removes it, as hundreds of copies would fill a small disk.
    fn received(&self, out: &Path) {
        assert_same(&self.file(), &out.join("film.bin"));
        std::fs::remove_dir_all(out).expect("a folder of this test can be removed");
    }

    /// An honest client gets the whole content. Returns the time. In seconds.
    fn get(&self, ip: &str, number: usize, arguments: &[&str]) -> f64 {
        let out = self.place.folder(&format!("out-{ip}-{number}"));
        let get = Get::new(&self.place, &self.content.torrent, &out, ip).peer(self.seeder.address());
        let started = Instant::now();
        get.with(arguments).finish();
        let seconds = started.elapsed().as_secs_f64();
        self.received(&out);
        seconds
    }
}

#[test]
fn a_seeder_under_siege_serves_who_is_honest() {
    let origin = Origin::start("127.51.0.1", MIB);
    let to = (Ipv4Addr::new(127, 51, 0, 1), origin.seeder.port()).into();
    let mut number = 0;
    besiege("seeder", &origin.seeder.process, (to, origin.id()), PLAN_SERVICE_BYTES, || {
        number += 1;
        origin.get("127.51.1.9", number, &["--timeout", "110s"])
    });
}

#[test]
fn a_tracker_under_siege_answers_who_is_honest() {
    let place = Place::new();
    let tracker = Tracker::start(&place, &TrackerOptions::new(&place, "127.52.0.1", &[]));
    let to: SocketAddr = (Ipv4Addr::new(127, 52, 0, 1), tracker.port()).into();
    let runtime = Runtime::new().expect("threads can be started");
    let content = [9; 32];
    besiege("tracker", &tracker.process, (to, content), PLAN_SERVICE_BYTES, || {
        let started = Instant::now();
        let asked = runtime.block_on(async {
            let ask = ask_once(Ipv4Addr::new(127, 52, 1, 9), to, &content);
            tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        });
        asked.expect("an honest question is answered");
        started.elapsed().as_secs_f64()
    });
}

#[test]
fn a_client_under_siege_gives_on_what_it_has() {
    // The client has everything and seeds. Another client gets it and knows only the first one.
    let origin = Origin::start("127.53.0.1", MIB);
    let out = origin.place.folder("out-client");
    let port = free_port(Ipv4Addr::new(127, 53, 0, 2));
    let listen = format!("/ip4/127.53.0.2/tcp/{port}");
    let client = Get::new(&origin.place, &origin.content.torrent, &out, "127.53.0.2")
        .peer(origin.seeder.address())
        .with(&["--listen", &listen, "--seed", "forever"])
        .start();
    client.wait_finished(PATIENCE);
    let mut number = 0;
    let to = (Ipv4Addr::new(127, 53, 0, 2), port).into();
    besiege("client", &client.process, (to, origin.id()), PLAN_CLIENT_BYTES, || {
        number += 1;
        let out = origin.place.folder(&format!("out-{number}"));
        let started = Instant::now();
        let get = Get::new(&origin.place, &origin.content.torrent, &out, "127.53.1.9").peer(&listen);
        get.with(&["--timeout", "110s"]).finish();
        let seconds = started.elapsed().as_secs_f64();
        origin.received(&out);
        seconds
    });
}

/// A port of this address without a listener.
fn free_port(ip: Ipv4Addr) -> u16 {
    let socket = std::net::TcpListener::bind((ip, 0)).expect("there is a free port");
    socket.local_addr().expect("it is bound").port()
}
