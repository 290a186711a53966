use nearcast_core::magnet::Magnet;

use super::*;
use crate::app::testing::{id, manifest, wish};

fn claim(folder: &Path) -> StateFile {
    StateFile::claim(folder.to_owned()).unwrap().expect("nobody else has it")
}

fn saved() -> Saved {
    let one = |wish: Wish, paused| SavedDownload {
        manifest: wish.named.manifest().cloned(),
        wish,
        paused,
        limits: DownloadLimits { down: Some(5), up: None },
        seen: (3, 7),
    };
    let torrent = Wish {
        named: Named::Torrent(manifest("film", &[("a", 10), ("b", 20)])),
        files: Some("1".parse().unwrap()),
        ..wish(2, "x")
    };
    let mut linked = wish(1, "a film");
    linked.named =
        Named::Link(Magnet { addresses: vec!["/ip4/10.0.0.1/tcp/4800".to_owned()], ..Magnet::new(id(1)) });
    Saved {
        theme: Some("light".to_owned()),
        limits: Some(DownloadLimits { down: None, up: Some(9) }),
        sort: (Sort::Name, true),
        downloads: vec![one(linked, true), one(torrent, false)],
    }
}

#[test]
fn what_is_written_is_read_again_also_when_the_torrent_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let state = claim(folder.path());
    assert!(state.read().saved.downloads.is_empty(), "nothing was written yet");
    let saved = saved();
    state.write(&saved).unwrap();
    let Opened { saved: read, notices } = state.read();
    assert_eq!(notices, Vec::<String>::new());
    assert_eq!((read.theme.as_deref(), read.limits, read.sort), (Some("light"), saved.limits, saved.sort));
    for (one, other) in read.downloads.iter().zip(&saved.downloads) {
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
    assert_eq!(read.downloads.len(), 2);
}

#[test]
fn the_metainfo_of_a_link_is_kept_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let state = claim(folder.path());
    let manifest = manifest("film", &[("a", 10)]);
    let mut saved = saved();
    saved.downloads.truncate(1);
    saved.downloads[0].wish.named = Named::Link(Magnet::new(manifest.content()));
    saved.downloads[0].manifest = Some(manifest.clone());
    state.write(&saved).unwrap();
    let read = state.read().saved.downloads.remove(0);
    assert!(matches!(read.wish.named, Named::Link(_)));
    assert_eq!(read.manifest, Some(manifest));
}

#[test]
fn torrents_are_kept_as_long_as_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let state = claim(folder.path());
    let mut saved = saved();
    state.write(&saved).unwrap();
    let copy = state.torrent(saved.downloads[1].wish.content());
    assert!(copy.exists());
    saved.downloads.truncate(1);
    state.write(&saved).unwrap();
    assert!(copy.exists(), "the removal may be taken back");
    state.read();
    assert!(!copy.exists());
}

#[test]
fn a_damaged_file_is_kept_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = claim(folder.path());
    state.write(&saved()).unwrap();
    let path = folder.path().join(NAME);
    let good = fs::read_to_string(&path).unwrap();
    for (text, understood) in [
        (good[..good.len() / 2].to_owned(), 0),
        (String::new(), 0),
        ("[]".to_owned(), 0),
        (good.replace("\"version\": 1", "\"version\": 2"), 2),
        (good.replace("magnet:?", "gopher:?"), 1),
        (good.replace("\"/home/ann/films\"", "17"), 0),
    ] {
        fs::write(&path, &text).unwrap();
        let opened = state.read();
        assert_eq!((opened.saved.downloads.len(), opened.notices.len()), (understood, 1), "{text}");
        let kept = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let kept: Vec<PathBuf> = kept.filter(|path| path.to_string_lossy().ends_with(".kept")).collect();
        assert!(kept.iter().any(|path| fs::read_to_string(path).unwrap() == text));
        assert!(state.torrent(saved().downloads[1].wish.content()).exists(), "what may be needed stays");
    }
}

#[test]
fn folders_that_are_no_text_are_kept() {
    use std::os::unix::ffi::OsStringExt;
    let folder = tempfile::tempdir().unwrap();
    let state = claim(folder.path());
    let mut saved = saved();
    saved.downloads[0].wish.folder = std::ffi::OsString::from_vec(vec![b'/', 0xff, b'x']).into();
    state.write(&saved).unwrap();
    let read = state.read();
    assert_eq!(read.notices, Vec::<String>::new());
    assert_eq!(read.saved.downloads[0].wish.folder, saved.downloads[0].wish.folder);
}

#[test]
fn one_process_has_it_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let state = claim(folder.path());
    assert!(StateFile::claim(folder.path().to_owned()).unwrap().is_none());
    drop(state);
    assert!(StateFile::claim(folder.path().to_owned()).unwrap().is_some());
}
