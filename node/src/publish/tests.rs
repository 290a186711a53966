use std::{
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use nearcast_core::merkle::subtree_root;
use tempfile::TempDir;

use super::*;

const KIB: usize = 1024;
static NEVER: AtomicBool = AtomicBool::new(false);

/// Bytes that do not repeat within a short distance.
fn bytes(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(&mut next).take(length).collect()
}

/// A nested folder with files of all kinds of lengths.
fn folder() -> (TempDir, PathBuf) {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("content");
    let lengths = [0, 1, 16 * KIB, 16 * KIB + 1, 300 * KIB + 7, 3 * 1024 * KIB + 5];
    for (seed, length) in (1..).zip(lengths) {
        let below = folder.join(["", "b", "b/c"][seed as usize % 3]);
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join(format!("file-{length}")), bytes(seed, length)).unwrap();
    }
    (outer, folder)
}

fn publish_with(path: &Path, piece_bytes: u64) -> Result<Published, PublishError> {
    let options = PublishOptions { piece_bytes: Some(piece_bytes), ..PublishOptions::default() };
    publish(path, &options, &|_, _| {}, &NEVER)
}

fn verify(published: &Published) -> VerifyReport {
    verify_data(&published.manifest, &published.root, &|_, _| {}, &NEVER).unwrap()
}

#[test]
fn every_file_gets_the_root_of_its_whole_tree() {
    let (_outer, folder) = folder();
    for piece_bytes in [16 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB, 4096 * KIB] {
        let published = publish_with(&folder, piece_bytes as u64).unwrap();
        assert_eq!(published.manifest.files().len(), 6);
        for file in published.manifest.files() {
            let data = fs::read(folder.join(file.path.to_path_buf())).unwrap();
            assert_eq!(data.len() as u64, file.length);
            // The tree over all blocks of the file does not depend on the piece length.
            let leaves = data.len().div_ceil(16 * KIB).next_power_of_two();
            let root = (!data.is_empty()).then(|| subtree_root(&data, leaves as u32));
            assert_eq!(file.pieces_root, root, "{} in pieces of {piece_bytes}", file.path);
        }
        assert!(verify(&published).bad_files.is_empty());
        assert!(verify(&published).have.is_full());
    }
}

#[test]
fn a_single_file_is_published_under_its_own_name_or_a_given_one() {
    let (_outer, folder) = folder();
    let path = folder.join("b/file-1");
    let path = if path.exists() { path } else { folder.join("b/c/file-1") };
    let published = publish_with(&path, 16384).unwrap();
    assert!(published.manifest.is_single_file());
    assert_eq!(published.manifest.name(), "file-1");
    assert_eq!(published.root, path.parent().unwrap().canonicalize().unwrap());
    assert!(verify(&published).have.is_full());

    let named = |name: &str| PublishOptions { name: Some(name.to_owned()), ..PublishOptions::default() };
    let renamed = publish(&path, &named("other"), &|_, _| {}, &NEVER).unwrap();
    assert!(renamed.manifest.is_single_file());
    assert_eq!(renamed.manifest.name(), "other");
    let hostile = publish(&path, &named("../up"), &|_, _| {}, &NEVER);
    assert!(matches!(hostile, Err(PublishError::Name(_))));
}

#[test]
fn links_and_special_files_are_left_out_and_reported() {
    let (outer, folder) = folder();
    let before = publish_with(&folder, 16384).unwrap().manifest;
    fs::write(outer.path().join("secret"), "not yours").unwrap();
    symlink(outer.path().join("secret"), folder.join("link")).unwrap();
    symlink("/", folder.join("b/everything")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    let after = publish_with(&folder, 16384).unwrap();
    assert_eq!(after.manifest.content(), before.content());
    let mut skipped: Vec<_> = after.left_out.paths().iter().map(|path| path.file_name().unwrap()).collect();
    skipped.sort();
    assert_eq!(skipped, ["everything", "link", "socket"]);
    assert_eq!(after.left_out.of(Reason::Special), 3);
}

/// A folder with two files for everybody. Around them, at every depth, are files that are not for
/// everybody.
fn folder_with_secrets() -> (TempDir, PathBuf) {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("project");
    for (path, mode) in [
        ("readme", 0o644),
        ("a/b/c/readme", 0o644),
        (".env", 0o644),
        ("a/b/c/.env", 0o644),
        ("a/.git/config", 0o644),
        ("a/.ssh/id_ed25519", 0o600),
        ("a/b/key", 0o600),
        ("a/b/team", 0o640),
        ("a/b/readme~", 0o644),
        ("a/#readme#", 0o644),
        ("a/b/dump.bak", 0o644),
        ("a/film.mkv.part", 0o644),
        (".x.0123abcd.nearcast/state", 0o644),
        ("closed/inside", 0o644),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(folder.join("closed"), fs::Permissions::from_mode(0o750)).unwrap();
    (outer, folder)
}

fn paths(published: &Published) -> Vec<&str> {
    published.manifest.files().iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn what_is_not_meant_for_everybody_is_left_out_at_every_depth_and_counted() {
    let (_outer, folder) = folder_with_secrets();
    let published = publish(&folder, &PublishOptions::default(), &|_, _| {}, &NEVER).unwrap();
    assert_eq!(paths(&published), ["a/b/c/readme", "readme"]);
    let counts = Reason::ALL.map(|reason| published.left_out.of(reason));
    assert_eq!(counts, [0, 4, 3, 2, 3, 0], "{}", published.left_out);
    assert!(!published.is_private);
    let text = String::from_utf8_lossy(&published.manifest.to_torrent()).into_owned();
    assert!(!text.contains("env") && !text.contains("id_ed25519"), "not even the names are told");
}

#[test]
fn hidden_things_are_published_when_that_is_asked_for() {
    let (_outer, folder) = folder_with_secrets();
    let options = |unfinished| PublishOptions {
        include: Include { hidden: true, unfinished },
        ..PublishOptions::default()
    };
    let published = publish(&folder, &options(false), &|_, _| {}, &NEVER).unwrap();
    assert_eq!(published.manifest.files().len(), 12);
    assert_eq!(published.left_out.to_string(), "2 unfinished files");
    let published = publish(&folder, &options(true), &|_, _| {}, &NEVER).unwrap();
    assert_eq!(published.left_out.to_string(), "1 unfinished file", "never a download's state");
}

#[test]
fn what_is_named_itself_is_published_and_said_to_be_private() {
    let (_outer, folder) = folder_with_secrets();
    let published = publish(&folder.join("a/b/key"), &PublishOptions::default(), &|_, _| {}, &NEVER).unwrap();
    assert!(published.is_private);
    let published = publish(&folder.join("a/.git"), &PublishOptions::default(), &|_, _| {}, &NEVER).unwrap();
    assert_eq!((paths(&published), published.is_private), (vec!["config"], false));
    let error = publish(&folder.join("a/.ssh"), &PublishOptions::default(), &|_, _| {}, &NEVER).unwrap_err();
    assert!(matches!(error, PublishError::AllLeftOut { .. }), "{error}");
    assert!(
        error.to_string().ends_with("nothing to publish: left out 1 that others may not read"),
        "{error}"
    );
}

#[test]
fn a_file_written_to_with_its_old_time_set_again_is_noticed() {
    let (_outer, folder) = folder();
    let path = fs::canonicalize(&folder).unwrap().join("file-16384");
    let change = || {
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"other", 0).unwrap();
        file.set_modified(modified).unwrap();
    };
    // The change shows only if the file is older than the clock's last tick, so try repeatedly.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let once = std::sync::Once::new();
        let progress = |_, _| once.call_once(change);
        match publish(&folder, &PublishOptions::default(), &progress, &NEVER) {
            Err(error) => {
                return assert!(
                    matches!(&error, PublishError::Changed(changed) if *changed == path),
                    "{error}"
                );
            }
            Ok(_) => assert!(std::time::Instant::now() < deadline, "a change was never noticed"),
        }
    }
}

#[test]
fn a_folder_swapped_for_a_link_while_it_is_hashed_is_neither_named_nor_hashed() {
    let (outer, folder) = folder();
    let secret = outer.path().join("secret");
    fs::rename(folder.join("b"), &secret).unwrap();
    for swapped in ["b", ""] {
        fs::remove_dir_all(folder.join("b")).ok();
        fs::create_dir_all(folder.join("b/c")).unwrap();
        fs::write(folder.join("b/c/file-1"), "same name, other bytes").unwrap();
        let once = std::sync::Once::new();
        let progress = |_, _| {
            once.call_once(|| {
                let place = folder.join(swapped);
                fs::rename(&place, outer.path().join(format!("moved-{swapped}"))).unwrap();
                symlink(&secret, place.components().as_path()).unwrap();
            });
        };
        let error = publish(&folder, &PublishOptions::default(), &progress, &NEVER).unwrap_err();
        assert!(matches!(error, PublishError::Changed(_)), "{error}");
        if !swapped.is_empty() {
            fs::remove_file(folder.join(swapped)).unwrap();
        }
    }
    let opened = Folder::open(outer.path()).unwrap();
    let name = folder.file_name().unwrap();
    let error = publish_in(&opened, name, &PublishOptions::default(), &|_, _| {}, &NEVER).unwrap_err();
    assert!(
        matches!(error, PublishError::Special(_)),
        "in a root that others write to, a link is no folder: {error}"
    );
}

#[test]
fn what_a_link_leads_to_is_called_as_the_link_is() {
    let (outer, folder) = folder();
    let link = outer.path().join("latest");
    symlink(&folder, &link).unwrap();
    let published = publish_with(&link, 16384).unwrap();
    assert_eq!(published.manifest.name(), "latest");
    let same = publish_with(&link.join("."), 16384).unwrap();
    assert_eq!(same.manifest.content(), published.manifest.content());
    let own = publish_with(&link.join("../content"), 16384).unwrap();
    assert_eq!(own.manifest.name(), "content");
    let file = outer.path().join("My Holiday.mkv");
    symlink(folder.join("b/c/file-1"), &file).unwrap();
    let by_link = publish_with(&file, 16384).map(|published| published.manifest);
    assert_eq!(by_link.unwrap().name(), "My Holiday.mkv");
}

#[test]
fn a_folder_without_files_is_an_error() {
    let outer = TempDir::new().unwrap();
    fs::create_dir_all(outer.path().join("a/b")).unwrap();
    let error = publish_with(&outer.path().join("a"), 16384).unwrap_err();
    assert!(matches!(error, PublishError::NoFiles(_)), "{error}");
    let error = publish_with(&outer.path().join("nothing"), 16384).unwrap_err();
    assert!(matches!(error, PublishError::Io { .. }), "{error}");
}

#[test]
fn all_names_that_others_could_not_create_are_told_before_anything_is_hashed() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("two\nlines");
    fs::create_dir_all(folder.join("in\x1bside")).unwrap();
    for name in [&b"bell\x07"[..], b"a\xff", b"in\x1bside/x", b"good"] {
        fs::write(folder.join(OsStr::from_bytes(name)), "x").unwrap();
    }
    let never = |_, _| panic!("nothing is hashed");
    let error = publish(&folder, &PublishOptions::default(), &never, &NEVER).unwrap_err();
    let PublishError::Names(names) = &error else { panic!("{error}") };
    assert_eq!(names.count(), 4);
    let text = error.to_string();
    assert!(
        text.contains("bell\\u{7}") && text.contains("control character") && text.contains("UTF-8"),
        "{text}"
    );
    assert!(!text.chars().any(char::is_control), "{text}");
}

#[test]
fn names_that_only_others_lack_are_published_and_told_once() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("music");
    fs::create_dir_all(folder.join("R.E.M.")).unwrap();
    let names = ["R.E.M./01", "R.E.M./02", "Con.Air.mkv", "aux.c", "a\\b", "Name", "name", "What?"];
    names.iter().for_each(|name| fs::write(folder.join(name), "x").unwrap());
    let published = publish_with(&folder, 16384).unwrap();
    assert_eq!(published.manifest.files().len(), names.len());
    assert_eq!((published.elsewhere.lacked(), published.elsewhere.alike()), (5, 1));
    assert!(verify(&published).have.is_full());
}

#[test]
fn a_folder_named_like_its_only_file_is_refused() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("film.mkv");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("film.mkv"), "x").unwrap();
    let error = publish_with(&folder, 16384).unwrap_err();
    assert!(matches!(error, PublishError::NamedLikeItsFile(_)), "{error}");
    fs::write(folder.join("film.srt"), "x").unwrap();
    publish_with(&folder, 16384).unwrap();
    publish_with(&folder.join("film.mkv"), 16384).unwrap();
}

#[test]
fn secret_keys_are_left_out_whatever_they_are_called_unless_they_are_asked_for() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("site");
    fs::create_dir(&folder).unwrap();
    let key = folder.join("publisher.key");
    crate::key::SecretKey::create(&key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(folder.join("page.html"), "x").unwrap();
    let published = publish_with(&folder, 16384).unwrap();
    assert_eq!(paths(&published), ["page.html"]);
    assert_eq!(published.left_out.to_string(), "1 secret key");
    let error = publish_with(&key, 16384).unwrap_err();
    assert!(matches!(error, PublishError::SecretKey(_)), "{error}");
    let include = Include { hidden: true, unfinished: false };
    let options = PublishOptions { include, ..PublishOptions::default() };
    let published = publish(&folder, &options, &|_, _| {}, &NEVER).unwrap();
    assert_eq!((paths(&published).len(), published.secrets.total()), (2, 1));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_published() {
    type Change = fn(&Path);
    let changes: [Change; 3] = [
        |path| fs::write(path, "short").unwrap(),
        |path| {
            let file = fs::OpenOptions::new().append(true).open(path).unwrap();
            file.set_len(9_000_000).unwrap();
        },
        |path| {
            use std::os::unix::fs::FileExt;
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(b"other", 0).unwrap();
            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
            file.set_modified(later).unwrap();
        },
    ];
    for change in changes {
        let (_outer, folder) = folder();
        let path = fs::canonicalize(&folder).unwrap().join("file-16384");
        assert!(path.exists());
        let once = std::sync::Once::new();
        let progress = |_, _| once.call_once(|| change(&path));
        let error = publish(&folder, &PublishOptions::default(), &progress, &NEVER).unwrap_err();
        assert!(matches!(&error, PublishError::Changed(changed) if *changed == path), "{error}");
    }
}

#[test]
fn progress_reaches_the_end_and_never_passes_it() {
    let (_outer, folder) = folder();
    let seen = Mutex::new(Vec::new());
    let progress = |done, total| seen.lock().unwrap().push((done, total));
    let published = publish(&folder, &PublishOptions::default(), &progress, &NEVER).unwrap();
    let bytes = published.manifest.layout().bytes();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!((seen[0], *seen.last().unwrap()), ((0, bytes), (bytes, bytes)));
}

#[test]
fn a_cancelled_sweep_stops_between_runs() {
    let (_outer, folder) = folder();
    let (cancelled, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let progress = |_, _| {
        calls.fetch_add(1, Ordering::Relaxed);
        cancelled.store(true, Ordering::Relaxed);
    };
    let error = publish(&folder, &PublishOptions::default(), &progress, &cancelled).unwrap_err();
    assert!(matches!(error, PublishError::Cancelled), "{error}");
    assert_eq!(calls.load(Ordering::Relaxed), 1, "nothing was read after the first call");

    let published = publish_with(&folder, 16384).unwrap();
    let result = verify_data(&published.manifest, &published.root, &|_, _| {}, &cancelled);
    assert!(matches!(result, Err(VerifyError::Cancelled)));
}

#[test]
fn damage_is_found_and_told_by_file() {
    let (outer, folder) = folder();
    let piece = 64 * KIB;
    let published = publish_with(&folder, piece as u64).unwrap();
    let find = |name: &str| {
        let files = published.manifest.files().iter();
        let file = files.map(|file| &file.path).find(|path| path.file_name() == name);
        folder.join(file.unwrap().to_path_buf())
    };
    let mut data = fs::read(find("file-3145733")).unwrap();
    data[piece + 5] ^= 1;
    data[2 * piece] ^= 0x80;
    fs::write(find("file-3145733"), &data).unwrap();
    fs::remove_file(find("file-1")).unwrap();
    fs::remove_file(find("file-0")).unwrap();
    fs::OpenOptions::new().write(true).open(find("file-307207")).unwrap().set_len(2 * piece as u64).unwrap();
    // The same bytes behind a link do not count as the file.
    fs::rename(find("file-16385"), outer.path().join("moved")).unwrap();
    symlink(outer.path().join("moved"), find("file-16385")).unwrap();

    let report = verify(&published);
    let faults: std::collections::BTreeMap<_, _> =
        report.bad_files.iter().map(|bad| (bad.path.file_name(), bad.fault.clone())).collect();
    let mut damage = Damage::default();
    damage.add(piece as u64..3 * piece as u64);
    assert_eq!(damage.to_string(), "bytes 65536-196607");
    let expected = [
        ("file-0", FileFault::Missing),
        ("file-1", FileFault::Missing),
        ("file-16385", FileFault::Missing),
        ("file-3145733", FileFault::Corrupt { damage }),
        ("file-307207", FileFault::WrongSize { expected: 307_207, found: 2 * piece as u64 }),
    ];
    assert_eq!(faults, expected.into());
    let missing = 1 + 1 + 2 + 3;
    assert_eq!(report.have.count(), published.manifest.layout().runs() - missing);
}

#[test]
fn damage_in_many_places_is_counted_and_the_first_of_them_are_told() {
    let mut damage = Damage::default();
    (0..100).for_each(|place| damage.add(place * 20..place * 20 + 10));
    assert_eq!((damage.ranges().len(), damage.bytes()), (8, 1000));
    assert_eq!(damage.ranges()[1], 20..30);
    assert!(damage.to_string().ends_with("140-149 and further on, 1000 bytes in all"), "{damage}");
}

#[test]
fn the_default_piece_grows_with_the_content() {
    const MIB: u64 = 1 << 20;
    let cases = [
        (0, 256 * 1024),
        (16 * 1024 * MIB, 256 * 1024),
        (16 * 1024 * MIB + 1, 512 * 1024),
        (64 * 1024 * MIB, MIB),
        (1 << 40, 16 * MIB),
        (u64::MAX, 16 * MIB),
    ];
    for (bytes, piece_bytes) in cases {
        assert_eq!(piece_bytes_for(bytes), piece_bytes, "{bytes}");
    }
}
