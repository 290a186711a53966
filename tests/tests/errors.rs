//! Each error is one clear sentence with the right exit code, and touches nothing else.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use e2e::{
    cluster::{DEAD_PEER, publish, run},
    content::{MIB, write_random},
    place::{Place, listing},
    process::{Process, Stream},
    torrent::{version_1, with_names},
};

const NETWORK: i32 = 6;
const IO: i32 = 17;
const BAD_OPTION: i32 = 28;

/// Asserts that the errors are for people: no panic, no backtrace, nothing that moves a terminal's
/// cursor.
fn assert_clear(what: &str, process: &Process) {
    let stderr = process.lines(Stream::Stderr);
    let tail = process.tail();
    assert!(stderr.iter().any(|line| line.len() > 10), "{what}: nothing is said\n{tail}");
    for line in &stderr {
        let lower = line.to_lowercase();
        for ugly in ["panicked", "backtrace", "unwrap", "rust_backtrace", "src/"] {
            assert!(!lower.contains(ugly), "{what}: \"{ugly}\"\n{tail}");
        }
    }
    assert_printable(what, process);
}

fn assert_printable(what: &str, process: &Process) {
    for stream in [Stream::Stdout, Stream::Stderr] {
        let bytes = process.bytes(stream);
        let text = std::str::from_utf8(&bytes).unwrap_or_else(|_| panic!("{what}: {stream:?} is not UTF-8"));
        let bad = text.chars().find(|&c| (c.is_control() && c != '\n') || is_bidi(c));
        assert_eq!(bad, None, "{what}: {stream:?}: {text:?}");
    }
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn get(place: &Place, source: &Path, out: &Path, arguments: &[&str]) -> (i32, Process) {
    let mut command = place.nearcast();
    command.arg("get").arg(source).arg("-o").arg(out);
    command
        .args(["--listen", "/ip4/127.1.0.2/tcp/0", "--peer", DEAD_PEER, "--timeout", "3s"])
        .args(arguments);
    run("get", &mut command)
}

#[test]
fn wrong_arguments_are_refused_before_anything_happens() {
    let place = Place::new();
    let wrong: [&[&str]; 14] = [
        &[],
        &["fetch"],
        &["get"],
        &["get", "--no-such-option", "x.torrent"],
        &["get", "magnet:?xt=urn:btmh:1220abc"],
        &["get", "magnet:?dn=nothing"],
        &["get", "x.torrent", "--peer", "http://127.0.0.1"],
        &["get", "x.torrent", "--listen", "everywhere"],
        &["get", "x.torrent", "--down", "fast"],
        &["get", "x.torrent", "--up", "-1"],
        &["get", "x.torrent", "--seed", "sometimes"],
        &["get", "x.torrent", "--timeout", "soon"],
        &["publish", "--piece-size", "20000", "/dev/null"],
        &["verify", "x.torrent"],
    ];
    let before = listing(&place.folder("home"));
    for arguments in wrong {
        // The bare command prints its help or an error, as its exit code says; it does not panic.
        let (code, process) = run("nearcast", place.nearcast().args(arguments));
        assert_clear(&format!("{arguments:?}"), &process);
        if !arguments.is_empty() {
            assert_eq!(code, BAD_OPTION, "{arguments:?}\n{}", process.tail());
        }
    }
    assert_eq!(listing(&place.folder("home")), before, "an error leaves no file");
}

#[test]
fn a_seeder_refuses_wrong_arguments_too() {
    let place = Place::new();
    for arguments in
        [&["serve"][..], &["serve", "--root", "/", "--listen", "x"], &["serve", "--root", "/", "--up", "x"]]
    {
        let (code, process) = run("seeder", place.seeder().args(arguments));
        assert_clear(&format!("{arguments:?}"), &process);
        assert_eq!(code, BAD_OPTION, "{arguments:?}\n{}", process.tail());
    }
    let missing = place.path().join("missing");
    let state = place.folder("state");
    let mut command = place.seeder();
    command.args([
        OsStr::new("serve"),
        "--root".as_ref(),
        missing.as_ref(),
        "--state-dir".as_ref(),
        state.as_ref(),
    ]);
    let (code, process) = run("seeder", command.args(["--listen", "/ip4/127.1.0.1/tcp/0"]));
    assert_clear("a root that is not there", &process);
    assert_eq!(code, IO, "{}", process.tail());
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    let place = Place::new();
    let out = place.folder("out");
    let missing = place.path().join("missing.torrent");
    let (code, process) = get(&place, &missing, &out, &[]);
    assert_clear("a missing torrent", &process);
    assert_eq!(code, IO, "{}", process.tail());
    assert!(process.tail().contains("missing.torrent"), "{}", process.tail());

    let (code, process) = run("publish", place.nearcast().arg("publish").arg(place.path().join("nothing")));
    assert_clear("nothing to publish", &process);
    assert_eq!(code, IO, "{}", process.tail());

    // Nobody can make a folder below a file, not even root.
    let source = place.folder("root").join("film.bin");
    write_random(&source, MIB, 111);
    let torrent = publish(&place, &source, &[]).torrent;
    let (code, process) = get(&place, &torrent, &source.join("below"), &[]);
    assert_clear("a folder that cannot be made", &process);
    assert_eq!(code, IO, "{}", process.tail());
}

#[test]
fn a_dead_peer_is_a_network_error_in_bounded_time() {
    let place = Place::new();
    let source = place.folder("root").join("film.bin");
    write_random(&source, MIB, 112);
    let published = publish(&place, &source, &[]);
    for source in [published.torrent.as_path(), Path::new(&published.magnet)] {
        let started = Instant::now();
        let (code, process) = get(&place, source, &place.folder("out"), &[]);
        assert_clear("a dead peer", &process);
        assert_eq!(code, NETWORK, "{}", process.tail());
        assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
    }
}

#[test]
fn damaged_torrents_are_refused_wherever_the_damage_is() {
    let place = Place::new();
    let source = place.folder("root").join("film.bin");
    write_random(&source, MIB, 113);
    let good = fs::read(publish(&place, &source, &[]).torrent).expect("publish made it");
    let path = place.path().join("damaged.torrent");
    let out = place.folder("out");
    let with_tail = [&good[..], b"garbage"].concat();
    let mut flipped = good.clone();
    *flipped.last_mut().expect("it is not empty") ^= 0x20;
    let cases: [(&str, Vec<u8>); 7] = [
        ("empty", Vec::new()),
        ("no bencoding", b"hello, world".to_vec()),
        ("endless nesting", vec![b'l'; 100_000]),
        ("a length beyond the end", b"d4:info99999999999999999999:x".to_vec()),
        ("cut in the middle", good[..good.len() / 2].to_vec()),
        ("garbage after the end", with_tail),
        ("a changed last byte", flipped),
    ];
    for (what, bytes) in cases {
        fs::write(&path, bytes).expect("there is room");
        for arguments in [vec!["get", "-o"], vec!["info"]] {
            let mut command = place.nearcast();
            command.args(&arguments);
            if arguments.contains(&"-o") {
                command.arg(&out).args(["--peer", DEAD_PEER, "--timeout", "3s"]);
            }
            let (code, process) = run(what, command.arg(&path));
            assert_clear(what, &process);
            assert_eq!(code, BAD_OPTION, "{what}\n{}", process.tail());
        }
    }
    assert_eq!(listing(&out), BTreeSet::new());
}

#[test]
fn a_torrent_of_the_first_version_is_refused_in_one_clear_sentence() {
    let place = Place::new();
    let path = place.path().join("old.torrent");
    fs::write(&path, version_1()).expect("there is room");
    let (code, process) = get(&place, &path, &place.folder("out"), &[]);
    assert_clear("a v1 torrent", &process);
    assert_eq!(code, BAD_OPTION, "{}", process.tail());
    let said = process.lines(Stream::Stderr);
    assert_eq!(said.len(), 1, "one sentence\n{}", process.tail());
    assert!(said[0].contains("v1"), "{said:?}");
}

/// Names that do not mean a file in this folder, or that command a terminal.
const HOSTILE: &[&[u8]] = &[
    b"",
    b".",
    b"..",
    b"../../etc/passwd",
    b"/etc/passwd",
    b"a/b",
    b"a\0b",
    b"\0",
    b"a\nb",
    b"a\rb",
    b"\x1b[2J",
    b"\x1b]0;title\x07",
    b"\x7f",
    b"\x08x",
    b"\t",
    b"\xff\xfe",
    b"\xc0\xae\xc0\xae",
    b"\xed\xa0\x80",
    "\u{202e}fdp.exe".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{2028}".as_bytes(),
    b"~/../..",
];

#[test]
fn over_a_hundred_hostile_names_write_nothing_anywhere() {
    let place = Place::new();
    let out = place.folder("out");
    let path = place.path().join("hostile.torrent");
    let long = vec![b'x'; 256];
    let controls: Vec<[u8; 3]> = (0..0x20).map(|control| [b'a', control, b'b']).collect();
    let names = HOSTILE.iter().copied().chain([long.as_slice()]);
    let names = names.chain(controls.iter().map(<[u8; 3]>::as_slice));
    let mut torrents: Vec<(String, Vec<u8>)> = Vec::new();
    for name in names {
        let what = name.escape_ascii().to_string();
        torrents.push((format!("name {what}"), with_names(name, &[name])));
        torrents.push((format!("file {what}"), with_names(b"good", &[b"folder", name])));
        torrents.push((format!("folder {what}"), with_names(b"good", &[name, b"file"])));
    }
    let deep = vec![b"d".as_slice(); 2000];
    torrents.push(("too deep".to_owned(), with_names(b"good", &deep)));
    assert!(torrents.len() > 100);
    fs::write(&path, []).expect("there is room");
    place.folder("home");
    let before = listing(place.path());
    for (what, torrent) in torrents {
        fs::write(&path, torrent).expect("there is room");
        let (code, process) = get(&place, &path, &out, &[]);
        assert_clear(&what, &process);
        assert_eq!(code, BAD_OPTION, "{what}\n{}", process.tail());
        let (_, process) = run("info", place.nearcast().arg("info").arg(&path));
        assert_clear(&what, &process);
        assert_eq!(listing(place.path()), before, "{what}: something was written");
    }
}

#[test]
fn an_honest_torrent_of_the_same_make_gets_as_far_as_its_dead_peer() {
    let place = Place::new();
    let path = place.path().join("honest.torrent");
    let torrents = [with_names(b"good", &[b"good"]), with_names(b"good", &[b"folder", b"file"])];
    for (out, torrent) in ["one", "two"].into_iter().zip(torrents) {
        fs::write(&path, torrent).expect("there is room");
        let (code, process) = get(&place, &path, &place.folder(out), &[]);
        assert_eq!(code, NETWORK, "{}", process.tail());
    }
}

#[test]
fn unusual_but_honest_names_are_accepted() {
    let place = Place::new();
    let path = place.path().join("unusual.torrent");
    for name in [
        "日本.mkv",
        "a b c",
        ".hidden",
        "naïve – “quotes”",
        "-o",
        "100%",
        "комедия",
        "12:30",
        "#!&|;$()",
        "R.E.M.",
        "aux.c",
        "a\\b",
        "C:x",
        " ",
    ] {
        fs::write(&path, with_names(b"good", &[b"folder", name.as_bytes()])).expect("there is room");
        let (code, process) = run("info", place.nearcast().arg("info").arg(&path));
        assert_eq!(code, 0, "{name}\n{}", process.tail());
        assert_printable(name, &process);
        assert!(
            process.lines(Stream::Stdout).iter().any(|line| line.contains(name)),
            "{name}\n{}",
            process.tail()
        );
    }
}

#[test]
fn a_hostile_link_name_reaches_neither_terminal_nor_disk() {
    let place = Place::new();
    let out = place.folder("out");
    let id = "ab".repeat(32);
    for name in ["%1b%5b2J", "%e2%80%aefdp.exe", "..%2f..%2fx", "a%00b", "%0d%0a"] {
        let link = format!("magnet:?xt=urn:btmh:1220{id}&dn={name}");
        let (code, process) = get(&place, Path::new(&link), &out, &[]);
        assert_printable(name, &process);
        assert_eq!(code, NETWORK, "a name is a hint\n{}", process.tail());
        assert_eq!(listing(&out), BTreeSet::new());
    }
}
