//! `nearcast-tracker atlas` as a process: files in, an atlas out, answers on standard output, and how it ends.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use nearcast_tracker::bgp::made_up::{Told, old_table, table, updates};
use serde_json::Value;

/// Noon of a day in 2026.
const TIME: u32 = 1_781_697_600;

const ROUTES: [Told<'_>; 4] = [
    ("192.0.2.1", 10, "127.1.0.0/16", Some(&[10, 1, 100])),
    ("192.0.2.2", 11, "127.1.0.0/16", Some(&[11, 2, 1, 100])),
    ("192.0.2.1", 10, "127.2.0.0/16", Some(&[10, 1, 2, 200])),
    ("192.0.2.1", 10, "127.3.0.0/16", Some(&[10, 1, 100, 300])),
];

fn tracker(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nearcast-tracker"));
    command.arg("atlas").args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    tracker(arguments).output().expect("the tracker was built")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// A folder with a table, its updates, relations and names; the atlas is to lie there, too.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        let stage = Stage { folder: tempfile::tempdir().expect("a temporary folder") };
        stage.write("rib", &table(TIME, &ROUTES));
        let later: [Told<'_>; 2] = [
            ("192.0.2.1", 10, "127.4.0.0/16", Some(&[10, 1, 2, 400])),
            ("192.0.2.1", 10, "127.3.0.0/16", None),
        ];
        stage.write("updates", &updates(TIME + 60, &later));
        stage.write("as-rel", b"# made up\n200|400|0\n");
        stage.write("names", "100\tHundred \u{1b}[31m\n200\tTwo hundred\n".as_bytes());
        stage
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).expect("room for a small file");
        path
    }

    fn build(&self, more: &[&str]) -> Output {
        let (rib, updates, atlas) = (self.path("rib"), self.path("updates"), self.path("atlas"));
        let (as_rel, names) = (self.path("as-rel"), self.path("names"));
        let mut arguments =
            vec!["build", "--rib", &rib, "--updates", &updates, "-o", &atlas, "--tier1", "1,AS2"];
        arguments.extend(["--as-rel", &as_rel, "--names", &names]);
        arguments.extend(more);
        run(&arguments)
    }
}

#[test]
fn an_atlas_is_built_and_answers() {
    let stage = Stage::new();
    let built = stage.build(&[]);
    assert_eq!((built.status.code(), out(&built).as_str()), (Some(0), ""), "{}", err(&built));
    assert!(err(&built).contains("3 IPv4 and 0 IPv6 prefixes"), "{}", err(&built));
    let atlas = stage.path("atlas");

    let found = run(&["lookup", &atlas, "127.1.2.3", "127.2.0.1"]);
    assert_eq!(
        out(&found),
        "127.1.2.3 127.1.0.0-127.1.255.255 AS100 Hundred [31m\n127.2.0.1 127.2.0.0-127.2.255.255 AS200 Two hundred\n"
    );
    let near =
        |a: &str, b: &str| out(&run(&["path", &atlas, a, b])).lines().next().unwrap_or_default().to_owned();
    assert_eq!(near("127.1.0.1", "127.1.0.2"), "prefix24: both are in one /24");
    assert_eq!(near("127.2.0.1", "127.4.0.1"), "adjacent_as: AS400 is a peer of AS200");
    assert_eq!(near("127.1.0.1", "127.2.0.1"), "remote: 3 links from AS100 to AS200");

    let stats = run(&["stats", &atlas]);
    assert!(out(&stats).contains("prefixes_v4 3\n"), "{}", out(&stats));
    // The updates came after the table.
    assert!(out(&stats).contains(&format!("version {}\n", TIME + 60)), "{}", out(&stats));
}

#[test]
fn every_command_speaks_json() {
    let stage = Stage::new();
    let object =
        |output: &Output| -> Value { serde_json::from_slice(&output.stdout).expect("one JSON object") };
    let built = object(&stage.build(&["--json"]));
    assert_eq!((built["event"].as_str(), built["routers"].as_u64()), (Some("built"), Some(2)));
    assert_eq!((built["announced"].as_u64(), built["withdrawn"].as_u64()), (Some(5), Some(1)));
    assert_eq!(built["skipped"]["damaged"], 0);
    let atlas = stage.path("atlas");
    let stats = object(&run(&["stats", &atlas, "--json"]));
    assert_eq!(stats, built["counts"]);
    assert_eq!((stats["names"].as_u64(), stats["prefixes_v4"].as_u64()), (Some(2), Some(3)));
    let found = object(&run(&["lookup", "--json", &atlas, "127.2.0.1"]));
    assert_eq!(
        (found["origins"][0]["asn"].as_u64(), found["first"].as_str()),
        (Some(200), Some("127.2.0.0"))
    );
    let path = object(&run(&["path", "--json", &atlas, "127.2.0.1", "127.4.0.1"]));
    assert_eq!((path["tier"].as_str(), path["relation"].as_str()), (Some("adjacent_as"), Some("peer")));
    assert_eq!((path["hops"].as_u64(), path["a"]["as"]["name"].as_str()), (Some(1), Some("Two hundred")));
}

#[test]
fn many_addresses_come_by_standard_input() {
    let stage = Stage::new();
    stage.build(&[]);
    let ask = |lines: &str| {
        let atlas = stage.path("atlas");
        let mut child = tracker(&["lookup", &atlas, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("few lines");
        child.wait_with_output().expect("it ends")
    };
    let found = ask("127.2.0.1\n\n127.4.0.1\n");
    assert_eq!((found.status.code(), out(&found).lines().count()), (Some(0), 2));
    let wrong = ask("127.2.0.1\nnonsense\n127.4.0.1\n");
    assert_eq!((wrong.status.code(), out(&wrong).lines().count()), (Some(28), 1));
    assert!(err(&wrong).contains("line 2 of standard input"), "{}", err(&wrong));
}

#[test]
fn an_address_that_is_nowhere_ends_with_3() {
    let stage = Stage::new();
    stage.build(&[]);
    let atlas = stage.path("atlas");
    let found = run(&["lookup", &atlas, "127.1.0.1", "198.51.100.1"]);
    assert_eq!(found.status.code(), Some(3));
    assert!(out(&found).ends_with("198.51.100.1 not found\n"), "{}", out(&found));
    let path = run(&["path", &atlas, "127.1.0.1", "198.51.100.1"]);
    assert_eq!(
        (path.status.code(), out(&path).as_str()),
        (Some(3), "remote: the AS of an end is not known\n")
    );
}

#[test]
fn errors_say_what_is_wrong_and_leave_the_old_atlas() {
    let stage = Stage::new();
    stage.build(&[]);
    let before = fs::read(stage.path("atlas")).unwrap();
    let (atlas, rib, missing) = (stage.path("atlas"), stage.path("rib"), stage.path("missing"));
    stage.write("noise", &[7; 100]);
    let (noise, elsewhere) = (stage.path("noise"), stage.path("missing/atlas"));
    for (arguments, code, words) in [
        (vec!["build", "--rib", &missing, "-o", &atlas], 17, "cannot read"),
        (vec!["build", "--rib", &noise, "-o", &atlas], 28, "no record of an MRT file"),
        (vec!["build", "--prefix2as", &noise, "-o", &atlas], 28, "line 1: it must be START, END and AS"),
        (vec!["build", "--as-rel", &noise, "-o", &atlas], 28, "--prefix2as"),
        (vec!["build", "--rib", &rib, "-o", &elsewhere], 17, "cannot write"),
        (vec!["build", "--rib", &rib], 28, "--output"),
        (vec!["stats", &noise], 28, "atlas build"),
        (vec!["stats", &missing], 17, "cannot read"),
        (vec!["lookup", &atlas, "nonsense"], 28, "nonsense"),
    ] {
        let ended = run(&arguments);
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {}", err(&ended));
        assert!(err(&ended).contains(words), "{arguments:?}: {}", err(&ended));
        assert_eq!(out(&ended), "", "{arguments:?}");
    }
    assert_eq!(fs::read(&atlas).unwrap(), before);
    let mut damaged = before;
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    stage.write("atlas", &damaged);
    assert_eq!(run(&["stats", &atlas]).status.code(), Some(32));
}

#[test]
fn old_tables_and_damaged_ones_are_built_from_and_the_damage_is_said() {
    let stage = Stage::new();
    let mut rib = old_table(TIME, &ROUTES);
    rib.extend([0xff; 50]);
    stage.write("rib", &rib);
    let built = stage.build(&["--json"]);
    assert!(err(&built).contains("warning: ") && err(&built).contains("50 bytes skipped"), "{}", err(&built));
    let object: Value = serde_json::from_slice(&built.stdout).expect("one JSON object");
    assert_eq!(
        (object["skipped"]["damaged"].as_u64(), object["counts"]["prefixes_v4"].as_u64()),
        (Some(1), Some(3))
    );
}

/// A pipe that nobody writes to any more: the build waits for it.
fn pipe(path: &Path) -> fs::File {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
        .expect("pipes can be made here");
    fs::OpenOptions::new().read(true).write(true).open(path).expect("a pipe opens both ways")
}

#[test]
fn a_signal_ends_a_build_and_leaves_the_old_atlas_alone() {
    let stage = Stage::new();
    stage.build(&[]);
    let before = fs::read(stage.path("atlas")).unwrap();
    let (slow, atlas) = (stage.path("slow"), stage.path("atlas"));
    let mut writer = pipe(Path::new(&slow));
    // The head of a table, as two reads of it: once to learn its time, once from there on.
    writer.write_all(&table(TIME, &ROUTES)).expect("a pipe holds that much");
    let mut child =
        tracker(&["build", "--rib", &slow, "-o", &atlas]).stderr(Stdio::piped()).spawn().expect("it starts");
    let process = rustix::process::Pid::from_child(&child);
    let deadline = Instant::now() + Duration::from_secs(60);
    // Whichever arrives first, handlers are there before anything is read, and the second says: now.
    let mut signalled = false;
    while child.try_wait().expect("it is our child").is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        if is_reading(child.id()) {
            signalled |= rustix::process::kill_process(process, rustix::process::Signal::INT).is_ok();
        }
        std::thread::yield_now();
    }
    let ended = child.wait_with_output().expect("it ended");
    assert!(signalled);
    assert_eq!(ended.status.code(), Some(130), "{}", err(&ended));
    assert!(err(&ended).contains("is as it was"), "{}", err(&ended));
    assert_eq!(fs::read(&atlas).unwrap(), before);
    let left: Vec<_> =
        fs::read_dir(stage.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
}

/// Whether a process has the pipe open: then its handlers are installed.
fn is_reading(process: u32) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.ends_with("slow")))
}
