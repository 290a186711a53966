//! `nearcast-tracker atlas` as a process: input files, the atlas it writes, answers on standard
//! output, and its end.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use nearcast_bgp::made_up::{Told, old_table, table, updates};
use serde_json::Value;

/// Noon of a day in 2026. In seconds since 1970.
const TIME: u32 = 1_781_697_600;

const ROUTES: [Told<'_>; 4] = [
    ("192.0.2.1", 10, "45.1.0.0/16", Some(&[10, 1, 100])),
    ("192.0.2.2", 11, "45.1.0.0/16", Some(&[11, 2, 1, 100])),
    ("192.0.2.1", 10, "45.2.0.0/16", Some(&[10, 1, 2, 200])),
    ("192.0.2.1", 10, "45.3.0.0/16", Some(&[10, 1, 100, 300])),
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

/// A folder with a table, its updates, relations and names. The atlas goes there too.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        let stage = Stage { folder: tempfile::tempdir().expect("a temporary folder") };
        stage.write("rib", &table(TIME, &ROUTES));
        let later: [Told<'_>; 2] = [
            ("192.0.2.1", 10, "45.4.0.0/16", Some(&[10, 1, 2, 400])),
            ("192.0.2.1", 10, "45.3.0.0/16", None),
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

    let found = run(&["lookup", &atlas, "45.1.2.3", "45.2.0.1"]);
    assert_eq!(
        out(&found),
        "45.1.2.3 45.1.0.0-45.1.255.255 AS100 Hundred [31m\n45.2.0.1 45.2.0.0-45.2.255.255 AS200 Two hundred\n"
    );
    let near =
        |a: &str, b: &str| out(&run(&["path", &atlas, a, b])).lines().next().unwrap_or_default().to_owned();
    assert_eq!(near("45.1.0.1", "45.1.0.2"), "prefix24: both are in one /24");
    assert_eq!(near("45.2.0.1", "45.4.0.1"), "adjacent_as: AS400 is a peer of AS200");
    assert_eq!(near("45.1.0.1", "45.2.0.1"), "remote: 3 links from AS100 to AS200");

    let stats = run(&["stats", &atlas]);
    assert!(out(&stats).contains("prefixes_v4 3\n"), "{}", out(&stats));
    // The updates are later than the table.
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
    let found = object(&run(&["lookup", "--json", &atlas, "45.2.0.1"]));
    assert_eq!((found["origins"][0]["asn"].as_u64(), found["first"].as_str()), (Some(200), Some("45.2.0.0")));
    let path = object(&run(&["path", "--json", &atlas, "45.2.0.1", "45.4.0.1"]));
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
    let found = ask("45.2.0.1\n\n45.4.0.1\n");
    assert_eq!((found.status.code(), out(&found).lines().count()), (Some(0), 2));
    let wrong = ask("45.2.0.1\nnonsense\n45.4.0.1\n");
    assert_eq!((wrong.status.code(), out(&wrong).lines().count()), (Some(28), 2), "the rest is looked up");
    assert!(err(&wrong).contains("line 2 of standard input"), "{}", err(&wrong));
    let long = ask(&format!("{}\n\u{feff}45.2.0.1\r\n# remark\n{}", "x".repeat(5_000), "1".repeat(99)));
    assert_eq!((long.status.code(), out(&long).lines().count()), (Some(28), 1), "{}", err(&long));
    assert!(err(&long).contains("line 1 of") && err(&long).contains("line 4 of"), "{}", err(&long));
    let listed = run(&["lookup", &stage.path("atlas"), "nonsense", "45.2.0.1", "45.4.0.1", "--json"]);
    assert_eq!((listed.status.code(), out(&listed).lines().count()), (Some(28), 3));
    assert!(err(&listed).contains("\"nonsense\" is no address"), "{}", err(&listed));
}

#[test]
fn a_table_may_come_by_a_pipe_or_standard_input() {
    let stage = Stage::new();
    let (rib, atlas, pipe_path) = (stage.path("rib"), stage.path("atlas"), stage.path("pipe"));
    // Larger than one read of the pipe.
    let many: Vec<String> = (0..20_000u32).map(|at| format!("45.{}.{}.0/24", at / 250, at % 250)).collect();
    let routes: Vec<Told<'_>> =
        many.iter().map(|prefix| ("192.0.2.1", 10, prefix.as_str(), Some(&[10, 1, 100][..]))).collect();
    stage.write("rib", &table(TIME, &routes));
    assert!(run(&["build", "--rib", &rib, "-o", &atlas]).status.success());
    let whole = fs::read(&atlas).unwrap();
    for name in ["-", "/dev/stdin"] {
        let mut child = tracker(&["build", "--rib", name, "-o", &atlas]);
        let mut child = child.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let bytes = fs::read(&rib).unwrap();
        child.stdin.take().expect("piped").write_all(&bytes).expect("it is read");
        let ended = child.wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{}", err(&ended));
        assert_eq!(fs::read(&atlas).unwrap(), whole, "{name}");
    }
    let held = pipe(Path::new(&pipe_path));
    let child = tracker(&["build", "--rib", &pipe_path, "-o", &atlas])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe_path).expect("a pipe opens");
    writer.write_all(&fs::read(&rib).unwrap()).expect("it is read");
    drop((writer, held));
    let ended = child.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", err(&ended));
    assert_eq!(fs::read(&atlas).unwrap(), whole);
}

#[test]
fn what_knows_nothing_or_far_less_replaces_no_atlas() {
    let stage = Stage::new();
    let (atlas, bad, rib) = (stage.path("atlas"), stage.path("bad"), stage.path("rib"));
    let many: Vec<String> = (0..400u32).map(|at| format!("45.{}.{}.0/24", at / 200, at % 200)).collect();
    let lines =
        |count: usize| many.iter().take(count).map(|prefix| format!("{prefix}\t100\n")).collect::<String>();
    stage.write("table", lines(400).as_bytes());
    let built = run(&["build", "--prefix2as", &stage.path("table"), "-o", &atlas]);
    assert!(built.status.success(), "{}", err(&built));
    let before = fs::read(&atlas).unwrap();
    let whole = fs::read(&rib).unwrap();
    let first = u32::from_be_bytes([whole[8], whole[9], whole[10], whole[11]]) as usize + 12;
    for (kind, bytes, words) in [
        // The list of a collector's peers, without routes after it.
        ("--rib", whole[..first].to_vec(), "hold no route"),
        // Routes without the list of peers in front of them.
        ("--rib", whole[first..].to_vec(), "hold no route"),
        ("--prefix2as", b"45.0.0.0/16 0\n".to_vec(), "nobody has any address"),
        ("--prefix2as", b"192.168.0.0/16 100\n".to_vec(), "--sites"),
        ("--prefix2as", lines(199).into_bytes(), "--allow-loss"),
    ] {
        stage.write("bad", &bytes);
        let ended = run(&["build", kind, &bad, "-o", &atlas]);
        assert_eq!(ended.status.code(), Some(28), "{words}: {}", err(&ended));
        assert!(err(&ended).contains(words), "{words}: {}", err(&ended));
        assert_eq!(fs::read(&atlas).unwrap(), before, "{words}");
    }
    let told = run(&["build", "--prefix2as", &bad, "-o", &atlas, "--allow-loss"]);
    assert!(told.status.success(), "{}", err(&told));
    assert!(err(&told).contains(" kB in ") || err(&told).contains(" B in "), "{}", err(&told));
}

#[test]
fn an_empty_file_among_others_is_left_out_and_empty_ones_alone_are_refused() {
    let stage = Stage::new();
    let (atlas, empty, rib) = (stage.path("atlas"), stage.path("empty"), stage.path("rib"));
    let packed = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[7; 4_000]).expect("memory");
        encoder.finish().expect("memory")
    };
    let table = stage.path("table");
    stage.write("table", b"45.9.0.0/16 900\n");
    // No bytes, an empty archive, and an archive cut off at its beginning.
    for bytes in [&b""[..], &bzip2_of_nothing(), &packed[..12]] {
        stage.write("empty", bytes);
        for kind in ["--rib", "--updates"] {
            let built = run(&["build", kind, &empty, &rib, "-o", &atlas]);
            assert!(built.status.success(), "{}", err(&built));
            assert!(
                err(&built).contains("warning: ") && err(&built).contains("it is left out"),
                "{}",
                err(&built)
            );
            assert_eq!(run(&["build", kind, &empty, "-o", &atlas]).status.code(), Some(28));
        }
        for kind in ["--prefix2as", "--names", "--as-rel"] {
            let built = run(&["build", "--prefix2as", &table, kind, &empty, "-o", &atlas]);
            assert!(built.status.success(), "{kind}: {}", err(&built));
        }
        assert!(run(&["build", "--rib", &empty, "--prefix2as", &table, "-o", &atlas]).status.success());
    }
    let nothing = run(&["build", "--rib", &empty, "--names", &stage.path("names"), "-o", &atlas]);
    assert_eq!(nothing.status.code(), Some(28));
}

fn bzip2_of_nothing() -> Vec<u8> {
    bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast()).finish().expect("memory")
}

#[test]
fn two_sites_are_built_and_told_by_their_names() {
    let stage = Stage::new();
    let (sites, atlas, rib) = (stage.path("sites"), stage.path("atlas"), stage.path("rib"));
    let text = "[[site]]\nname = \"Berlin\"\nasn = 64512\nprefixes = [\"10.1.0.0/16\"]\n\
                links = [{ to = \"Munich\", cost = \"theirs\" }]\n\
                [[site]]\nname = \"Munich\"\nasn = 64513\nprefixes = [\"10.2.0.0/16\", \"45.1.1.0/24\"]\n";
    stage.write("sites", text.as_bytes());
    for more in [&[][..], &["--rib", &rib]] {
        let built = run(&[&["build", "--sites", &sites, "-o", &atlas][..], more].concat());
        assert!(built.status.success(), "{}", err(&built));
        let found = run(&["lookup", &atlas, "10.1.2.3", "10.2.0.1"]);
        assert_eq!(
            out(&found),
            "10.1.2.3 10.1.0.0-10.1.255.255 AS64512 Berlin\n10.2.0.1 10.2.0.0-10.2.255.255 AS64513 Munich\n"
        );
        let path = run(&["path", &atlas, "10.1.0.1", "10.2.0.1"]);
        let words = "adjacent_as: AS64513 Munich is a customer of AS64512 Berlin\n    AS64512 Berlin\n    AS64513 Munich\n";
        assert_eq!(out(&path), words);
        assert!(out(&run(&["lookup", &atlas, "45.1.1.9"])).contains("Munich"));
    }
    assert!(out(&run(&["lookup", &atlas, "45.1.2.9"])).contains("AS100"));
    stage.write(
        "sites",
        text.replace("to = \"Munich\"", "to = \"Minsk\"").replace("10.2.0.0/16", "10.1.2.0/23").as_bytes(),
    );
    let before = fs::read(&atlas).unwrap();
    let wrong = run(&["build", "--sites", &sites, "-o", &atlas]);
    assert_eq!(wrong.status.code(), Some(28));
    let told = err(&wrong);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| line.starts_with("error: ")), "{told}");
    assert!(
        lines[0].contains(":5: Berlin is linked to Minsk") && lines[1].contains(":9: 10.1.2.0/23"),
        "{told}"
    );
    assert_eq!(fs::read(&atlas).unwrap(), before);
}

#[test]
fn private_addresses_have_no_as_but_for_sites() {
    let stage = Stage::new();
    let atlas = stage.path("atlas");
    let leaks = [
        "10.0.0.0/8",
        "192.168.1.0/24",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "224.0.0.0/8",
        "fc00::/16",
        "fe80::/16",
    ];
    let routes: Vec<Told<'_>> = leaks
        .iter()
        .chain(&["45.1.0.0/16"])
        .map(|prefix| ("192.0.2.1", 10, *prefix, Some(&[10, 300][..])))
        .collect();
    stage.write("rib", &table(TIME, &routes));
    stage.write(
        "table",
        b"10.0.0.0/8 300\n172.16.0.0/12 64512\n45.2.0.0/16 300\n10.7.0.0\t10.7.0.255\t4200000000\n",
    );
    let built =
        run(&["build", "--rib", &stage.path("rib"), "--prefix2as", &stage.path("table"), "-o", &atlas]);
    assert!(built.status.success(), "{}", err(&built));
    assert!(
        err(&built).contains("1 prefixes of private") && err(&built).contains("8 routes to"),
        "{}",
        err(&built)
    );
    let asked = ["10.1.2.3", "192.168.1.1", "100.64.0.1", "127.0.0.1", "224.0.0.1", "fc00::1", "fe80::1"];
    let found = run(&[&["lookup", &atlas][..], &asked].concat());
    assert_eq!(
        out(&found).lines().filter(|line| line.ends_with(" not found")).count(),
        asked.len(),
        "{}",
        out(&found)
    );
    let found = run(&["lookup", &atlas, "45.1.0.1", "45.2.0.1", "172.16.3.4", "10.7.0.9"]);
    let origins: Vec<String> =
        out(&found).lines().map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(origins, ["AS300", "AS300", "AS64512", "AS4200000000"]);
}

#[test]
fn an_address_that_is_nowhere_ends_with_3() {
    let stage = Stage::new();
    stage.build(&[]);
    let atlas = stage.path("atlas");
    let found = run(&["lookup", &atlas, "45.1.0.1", "46.51.100.1"]);
    assert_eq!(found.status.code(), Some(3));
    assert!(out(&found).ends_with("46.51.100.1 not found\n"), "{}", out(&found));
    let path = run(&["path", &atlas, "45.1.0.1", "46.51.100.1"]);
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
        (vec!["lookup", &atlas, "nonsense"], 28, "\"nonsense\" is no address"),
        (vec!["build", "--sites", &noise, "-o", &atlas], 28, ":1: "),
        (vec!["build", "--sites", &missing, "-o", &atlas], 17, "cannot read"),
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

/// A pipe that stays open for writing, so that the build waits for more.
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
    // A whole table, after which more might come.
    writer.write_all(&table(TIME, &ROUTES)).expect("a pipe holds that much");
    let mut child =
        tracker(&["build", "--rib", &slow, "-o", &atlas]).stderr(Stdio::piped()).spawn().expect("it starts");
    let process = rustix::process::Pid::from_child(&child);
    let deadline = Instant::now() + Duration::from_secs(60);
    // The build installs its handlers before it reads, so either signal finds them. A second signal
    // ends the build at once.
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

/// Whether a process has the pipe open; its handlers are installed by then.
fn is_reading(process: u32) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.ends_with("slow")))
}
