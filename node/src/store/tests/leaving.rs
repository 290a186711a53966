//! What a download leaves behind when it ends, and when it never began.

use std::mem::MaybeUninit;

use rustix::fs::inotify;

use super::*;

fn state_folder(folder: &Path) -> std::path::PathBuf {
    let name = names_in(folder).into_iter().find(|name| name.ends_with(".nearcast"));
    folder.join(name.unwrap())
}

/// NFS and FUSE keep a file that is removed while it is open, under a hidden name beside it.
#[test]
fn the_journal_is_closed_before_it_is_removed() {
    let (manifest, data) = content(MIB, &[2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    put_all(&store, &manifest, &data);
    store.checkpoint().unwrap();
    let events = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).unwrap();
    let watched = inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::DELETE;
    inotify::add_watch(&events, state_folder(temp.path()), watched).unwrap();
    store.finish().unwrap();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(&events, &mut buffer);
    let mut seen = Vec::new();
    while let Ok(event) = reader.next() {
        if event.file_name().is_some_and(|name| name.to_bytes() == b"journal") {
            seen.push(event.events());
        }
    }
    assert_eq!(seen, [inotify::ReadFlags::CLOSE_WRITE, inotify::ReadFlags::DELETE]);
}

/// Files in a removed folder that this process holds open.
fn open_and_removed(folder: &Path) -> Vec<std::path::PathBuf> {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let open = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    open.filter(|path| path.starts_with(folder) && path.to_string_lossy().ends_with(" (deleted)")).collect()
}

#[test]
fn nothing_stays_open_that_was_removed() {
    let (manifest, data) = content(MIB, &[2 * MIB, MIB]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    put_all(&store, &manifest, &data);
    store.finish().unwrap();
    assert_eq!(open_and_removed(temp.path()), [] as [std::path::PathBuf; 0]);
    drop(store);
    let other = tempfile::tempdir().unwrap();
    let store = open(&manifest, other.path()).store;
    store.clean_up_if_empty().unwrap();
    assert_eq!(open_and_removed(other.path()), [] as [std::path::PathBuf; 0]);
}

#[test]
fn a_state_folder_that_cannot_be_removed_is_no_failure() {
    let (manifest, data) = content(MIB, &[2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    put_all(&store, &manifest, &data);
    let left = state_folder(temp.path()).join(".nfs000000000001");
    fs::write(&left, "").unwrap();
    assert_eq!(store.finish().unwrap(), temp.path().join("film"));
    assert!(data.is_in(&manifest, temp.path()) && left.exists());
    drop(store);
    let opened = open(&manifest, temp.path());
    assert!(opened.complete && opened.have.is_full(), "the next get finds it complete");
}

#[test]
fn a_download_that_nobody_took_leaves_nothing() {
    let (manifest, _) = content(MIB, &[2 * MIB, 5]);
    let temp = tempfile::tempdir().unwrap();
    drop(open(&manifest, temp.path()));
    assert_eq!(names_in(temp.path()), Vec::<String>::new());
}

#[test]
fn files_that_were_made_and_hold_nothing_go_with_their_state() {
    let (manifest, data) = content(MIB, &[2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let (store, disk) = Faulty::under(open(&manifest, temp.path()).store);
    store.put(&data.verified(&manifest, runs(&manifest)[0])).unwrap();
    locked(&disk.plan).fail_next_sync = true;
    assert_eq!(store.checkpoint().unwrap().lost.len(), 1);
    assert_eq!(names_in(temp.path()).len(), 2);
    drop((store, disk));
    assert_eq!(
        names_in(temp.path()),
        Vec::<String>::new(),
        "else the part would be taken for somebody else's"
    );
}

#[test]
fn a_state_stays_as_long_as_a_part_of_an_earlier_run_does() {
    let (manifest, data) = content(MIB, &[2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    store.put(&data.verified(&manifest, runs(&manifest)[0])).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    for name in ["state", "journal"] {
        fs::remove_file(state_folder(temp.path()).join(name)).unwrap();
    }
    let opened = open(&manifest, temp.path());
    assert!(opened.have.is_empty(), "no whole piece was there");
    drop(opened);
    assert_eq!(names_in(temp.path()).len(), 2, "part and state");
    assert!(try_open(&manifest, target(temp.path())).is_ok(), "and so it goes on");
}
