//! For the same files, we and libtorrent, an implementation that we did not write, must make the
//! same content. Each must accept the torrents and data of the other.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::AtomicBool,
};

use nearcast_core::{id::Hash, manifest::Manifest};
use nearcast_node::publish::{PublishOptions, Published, publish, verify_data};
use serde_json::Value;
use tempfile::TempDir;

/// Debian's Python, which finds Debian's python3-libtorrent even if another Python comes first in
/// PATH.
const PYTHON: &str = "/usr/bin/python3";
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
static NEVER: AtomicBool = AtomicBool::new(false);

fn libtorrent_is_here() -> bool {
    let import = Command::new(PYTHON).args(["-c", "import libtorrent"]).output();
    let here = import.is_ok_and(|output| output.status.success());
    if !here {
        eprintln!("skipped: {PYTHON} cannot import libtorrent (Debian: apt-get install python3-libtorrent)");
    }
    here
}

fn script(name: &str, arguments: &[&Path]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(name);
    let mut command = Command::new(PYTHON);
    command.arg(script).args(arguments).output().unwrap()
}

/// Writes a file of bytes without near repetitions.
fn write_bytes(path: &Path, seed: u64, length: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::io::BufWriter::new(fs::File::create(path).unwrap());
    let mut state = seed | 1;
    for start in (0..length).step_by(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes()[..(length - start).min(8)]).unwrap();
    }
    file.flush().unwrap();
}

/// A folder with nested files near every boundary, with names that are easily sorted wrong.
fn folder(outer: &Path) -> PathBuf {
    let large = match std::env::var_os("NEARCAST_INTEROP_LARGE") {
        Some(_) => 100 * MIB,
        None => 8 * MIB,
    };
    let files = [
        ("empty", 0),
        ("a.b/one", 1),
        ("a/block", 16 * KIB),
        ("a/block and one", 16 * KIB + 1),
        ("a/b/c/odd", 300 * KIB + 7),
        ("a/b/c/empty too", 0),
        ("a/b/whole pieces", 2 * MIB),
        ("a/b/whole pieces again", 2 * MIB),
        ("Z/three blocks", 48 * KIB),
        ("ä/größe", 5 * MIB + 12_345),
        ("video", large),
    ];
    let folder = outer.join("content");
    for (seed, (path, length)) in (0x9e37_79b9..).zip(files) {
        let seed = if path.ends_with("again") { seed - 1 } else { seed };
        write_bytes(&folder.join(path), seed, length);
    }
    folder
}

fn publish_as(path: &Path, piece_bytes: usize) -> Published {
    let options = PublishOptions { piece_bytes: Some(piece_bytes as u64), ..PublishOptions::default() };
    publish(path, &options, &|_, _| {}, &NEVER).unwrap()
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Maps each path, with the content's name, to its length and root. libtorrent has another order.
fn our_files(manifest: &Manifest) -> BTreeMap<String, (u64, Option<String>)> {
    let layout = manifest.layout();
    let entry = |(index, file): (u32, &nearcast_core::manifest::FileEntry)| {
        let target = manifest.target(layout.file_index(index).unwrap());
        (target.to_string(), (file.length, file.pieces_root.as_ref().map(hex)))
    };
    (0..).zip(manifest.files()).map(entry).collect()
}

fn their_files(answer: &Value) -> BTreeMap<String, (u64, Option<String>)> {
    let entry = |file: &Value| {
        let text = |key: &str| file[key].as_str().map(str::to_owned);
        (text("path").unwrap(), (file["length"].as_u64().unwrap(), text("root")))
    };
    answer["files"].as_array().unwrap().iter().map(entry).collect()
}

/// Makes torrents of `path` with libtorrent, and compares them with ours in every respect.
fn compare(path: &Path, piece_bytes: usize) {
    let out = TempDir::new().unwrap();
    let made = script("libtorrent_make.py", &[path, out.path(), Path::new(&piece_bytes.to_string())]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let ours = publish_as(path, piece_bytes);
    for kind in ["v2", "hybrid"] {
        let torrent = fs::read(out.path().join(format!("{kind}.torrent"))).unwrap();
        let theirs = Manifest::parse(&torrent).unwrap();
        let context = format!("{kind}, pieces of {piece_bytes}");
        assert_eq!(theirs.content().to_string(), made[kind]["info_hash"].as_str().unwrap(), "{context}");
        assert_eq!(our_files(&theirs), their_files(&made[kind]), "{context}");
        assert_eq!(theirs.files(), ours.manifest.files(), "{context}");
        assert_eq!(theirs.is_single_file(), ours.manifest.is_single_file(), "{context}");
        assert!(theirs.layers().eq(ours.manifest.layers()), "{context}");
        let report = verify_data(&theirs, &ours.root, &|_, _| {}, &NEVER).unwrap();
        assert!(report.have.is_full() && report.bad_files.is_empty(), "{context}");
    }
    // Without v1 keys there is one canonical info dictionary.
    assert_eq!(made["v2"]["info_hash"].as_str().unwrap(), ours.manifest.content().to_string());
}

#[test]
fn libtorrent_and_we_make_the_same_content_of_the_same_files() {
    if !libtorrent_is_here() {
        return;
    }
    let outer = TempDir::new().unwrap();
    let folder = folder(outer.path());
    for piece_bytes in [16 * KIB, 256 * KIB, MIB] {
        compare(&folder, piece_bytes);
    }
    for single in ["video", "a/block and one"] {
        compare(&folder.join(single), 64 * KIB);
    }
}

#[test]
fn libtorrent_accepts_our_torrent_and_data_and_finds_a_flipped_bit() {
    if !libtorrent_is_here() {
        return;
    }
    let outer = TempDir::new().unwrap();
    let folder = folder(outer.path());
    let published = publish_as(&folder, 256 * KIB);
    let torrent = outer.path().join("ours.torrent");
    fs::write(&torrent, published.manifest.to_torrent()).unwrap();
    let check = || script("libtorrent_check.py", &[&torrent, outer.path()]);

    let good = check();
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    let info_hash = String::from_utf8(good.stdout).unwrap();
    assert_eq!(info_hash.trim(), published.manifest.content().to_string());

    let path = folder.join("a/b/c/odd");
    let mut data = fs::read(&path).unwrap();
    data[200 * KIB] ^= 4;
    fs::write(&path, data).unwrap();
    let bad = check();
    assert_eq!(bad.status.code(), Some(1), "{}", String::from_utf8_lossy(&bad.stderr));
}
