//! Opening a content over existing files, of ours and of others.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

#[test]
fn a_second_opener_is_told_that_it_is_busy() {
    let (manifest, data) = content(MIB, &[MIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    assert!(matches!(try_open(&manifest, target(temp.path())), Err(DownloadError::Busy(_))));
    put_all(&opened.store, &manifest, &data);
    drop(opened);
    assert!(try_open(&manifest, target(temp.path())).is_ok());
}

#[test]
fn what_was_written_and_not_noted_is_found_again_after_a_kill() {
    let (manifest, data) = content(256 * KIB, &[4 * MIB, MIB]);
    let temp = tempfile::tempdir().unwrap();
    let all = runs(&manifest);
    let mut held = 0;
    // The program is killed again and again, each time before anything but the first run is noted.
    for some in all.chunks(3) {
        let store = open(&manifest, temp.path()).store;
        assert_eq!(store.have().count(), held);
        for (place, &run) in some.iter().enumerate() {
            store.put(&data.verified(&manifest, run)).unwrap();
            if place == 0 {
                store.checkpoint().unwrap();
            }
        }
        held += some.len() as u32;
    }
    let store = open(&manifest, temp.path()).store;
    assert_eq!(store.have().count(), held);
    store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn what_a_power_cut_tore_beyond_the_notes_is_not_believed() {
    let (manifest, data) = content(256 * KIB, &[2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    let all = runs(&manifest);
    store.put(&data.verified(&manifest, all[0])).unwrap();
    store.checkpoint().unwrap();
    for &run in &all[1..3] {
        store.put(&data.verified(&manifest, run)).unwrap();
    }
    drop(store);
    let part = temp.path().join("film.part");
    let mut bytes = fs::read(&part).unwrap();
    bytes[2 * 256 * 1024 + 9] ^= 1;
    // Write into the file in place: it is neither replaced nor made anew.
    std::os::unix::fs::FileExt::write_all_at(
        &fs::File::options().write(true).open(&part).unwrap(),
        &bytes[512 * 1024..768 * 1024],
        512 * 1024,
    )
    .unwrap();
    let store = open(&manifest, temp.path()).store;
    assert_eq!(store.have().iter().collect::<Vec<_>>(), all[..2]);
}

#[test]
fn equal_data_is_complete_and_other_data_is_not_replaced_unless_told() {
    let (manifest, data) = content(MIB, &[3 * MIB, 10]);
    let temp = tempfile::tempdir().unwrap();
    data.write_to(&manifest, temp.path());
    let opened = open(&manifest, temp.path());
    assert!(opened.complete && opened.have.is_full());
    assert_eq!(names_in(temp.path()), ["things"]);
    drop(opened);
    let first = temp.path().join("things/part000/file00000");
    let mut bytes = fs::read(&first).unwrap();
    bytes[2 * 1024 * 1024 + 3] ^= 1;
    fs::write(&first, &bytes).unwrap();
    match try_open(&manifest, target(temp.path())) {
        Err(DownloadError::Exists(path)) => assert_eq!(path, first),
        _ => panic!("it differs"),
    }
    assert_eq!(fs::read(&first).unwrap(), bytes, "nothing was touched");
    assert_eq!(names_in(temp.path()), ["things"]);
    let overwrite = Target { overwrite: true, ..target(temp.path()) };
    let opened = try_open(&manifest, overwrite).unwrap();
    assert_eq!((opened.complete, opened.have.count()), (false, 9), "right pieces are kept");
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
    assert_eq!(names_in(temp.path()), ["things"]);
}

#[test]
fn a_receipt_spares_the_hashing_and_any_change_brings_it_back() {
    let (manifest, data) = content(MIB, &[MIB, 10]);
    let (temp, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let with_receipts = || Target { state_dir: Some(state.path().to_owned()), ..target(temp.path()) };
    let opened = try_open(&manifest, with_receipts()).unwrap();
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    drop(opened);
    let hashed = |target| {
        let bytes = std::cell::Cell::new(0);
        let progress = |done, _| bytes.set(done);
        let opened = DiskStore::open(manifest.clone(), target, &progress, &AtomicBool::new(false));
        opened.map(|opened| (opened.complete, bytes.get()))
    };
    assert_eq!(hashed(with_receipts()).unwrap(), (true, 0));
    assert_eq!(hashed(target(temp.path())).unwrap(), (true, MIB + 10));
    let file = temp.path().join("things/part000/file00001");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes).unwrap();
    assert_eq!(hashed(with_receipts()).unwrap(), (true, MIB + 10), "a changed file is hashed");
    assert_eq!(hashed(with_receipts()).unwrap(), (true, 0), "and vouched for again");
    fs::write(&file, "other").unwrap();
    assert!(matches!(hashed(with_receipts()), Err(DownloadError::Exists(_))));
}

#[test]
fn a_cancelled_check_stops_and_leaves_everything() {
    let (manifest, data) = content(MIB, &[8 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    data.write_to(&manifest, temp.path());
    let cancelled = AtomicBool::new(false);
    let cancel = |_, _| cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    let result = DiskStore::open(manifest.clone(), target(temp.path()), &cancel, &cancelled);
    assert!(matches!(result, Err(DownloadError::Stopped)));
    assert!(data.is_in(&manifest, temp.path()));
    assert_eq!(names_in(temp.path()), ["film"]);
}

#[test]
fn a_finished_file_that_was_changed_meanwhile_is_replaced_only_if_told() {
    let (manifest, data) = content(MIB, &[MIB, 2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    let all = runs(&manifest);
    for &run in &all[..5] {
        opened.store.put(&data.verified(&manifest, run)).unwrap();
    }
    assert_eq!(opened.store.checkpoint().unwrap().files, 1);
    drop(opened);
    let first = temp.path().join("things/part000/file00000");
    let mut bytes = fs::read(&first).unwrap();
    bytes[9] ^= 1;
    fs::write(&first, &bytes).unwrap();
    assert!(matches!(try_open(&manifest, target(temp.path())), Err(DownloadError::Exists(_))));
    assert_eq!(fs::read(&first).unwrap(), bytes, "an edit is not undone");
    let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
    assert_eq!(opened.have.iter().collect::<Vec<_>>(), all[4..5]);
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn parts_that_vanished_are_fetched_again() {
    let (manifest, data) = content(MIB, &[MIB, 2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    let all = runs(&manifest);
    for &run in &all[3..6] {
        opened.store.put(&data.verified(&manifest, run)).unwrap();
    }
    opened.store.checkpoint().unwrap();
    drop(opened);
    fs::remove_file(temp.path().join("things/part000/file00000.part")).unwrap();
    let opened = open(&manifest, temp.path());
    assert_eq!(opened.have.iter().collect::<Vec<_>>(), all[4..6]);
}

#[test]
fn parts_without_a_state_are_hashed_and_kept() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("film.part"), &data.files[0][..2 * 1024 * 1024 + 7]).unwrap();
    let opened = open(&manifest, temp.path());
    assert_eq!(opened.have.count(), 8);
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn what_is_no_file_in_place_of_one_is_called_so_whether_to_overwrite_or_not() {
    let (manifest, _) = content(MIB, &[10]);
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path().join(manifest.name());
    let makers: [&dyn Fn(); 2] =
        [&|| fs::create_dir_all(at.join("below")).unwrap(), &|| symlink("nowhere", &at).unwrap()];
    for make in makers {
        make();
        for target in [target(temp.path()), overwriting(temp.path())] {
            match try_open(&manifest, target) {
                Err(DownloadError::Blocked(path)) => assert_eq!(path, at),
                other => panic!("{:?}", other.err()),
            }
        }
        assert!(fs::symlink_metadata(&at).is_ok(), "it stays");
        fs::remove_dir_all(&at).or_else(|_| fs::remove_file(&at)).unwrap();
    }
}

#[test]
fn a_folder_to_download_to_that_is_a_file_or_leads_nowhere_is_said_to_be_none() {
    let (manifest, _) = content(MIB, &[10]);
    let temp = tempfile::tempdir().unwrap();
    let (file, link) = (temp.path().join("file"), temp.path().join("link"));
    fs::write(&file, b"x").unwrap();
    symlink("nowhere", &link).unwrap();
    for at in [file, link] {
        let refused = try_open(&manifest, target(&at)).err().unwrap().to_string();
        assert!(refused.contains("no folder"), "{refused}");
    }
}

#[test]
fn a_planted_link_leads_nowhere() {
    let (manifest, data) = content(MIB, &[MIB, 10]);
    let outside = tempfile::tempdir().unwrap();
    for at in ["things", "things/part000", "things/part000/file00000", "things/part000/file00000.part"] {
        let temp = tempfile::tempdir().unwrap();
        let link = temp.path().join(at);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(outside.path(), &link).unwrap();
        let refused = |error| {
            matches!(
                error,
                DownloadError::Io { .. }
                    | DownloadError::Blocked(_)
                    | DownloadError::InTheWay(_)
                    | DownloadError::ReadOnly(_)
            )
        };
        assert!(try_open(&manifest, target(temp.path())).is_err_and(refused), "{at}");
        match try_open(&manifest, overwriting(temp.path())) {
            // A link under a partial name does not prevent a download beside it.
            Ok(opened) => {
                put_all(&opened.store, &manifest, &data);
                opened.store.finish().unwrap();
                assert!(at.ends_with(".part") && data.is_in(&manifest, temp.path()), "{at}");
            }
            Err(error) => assert!(refused(error), "{at}"),
        }
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "{at}");
        assert_eq!(names_in(outside.path()), Vec::<String>::new(), "{at}");
    }
}

#[test]
fn a_folder_that_is_swapped_for_a_link_during_the_download_leads_nowhere() {
    let (manifest, data) = content(MIB, &[MIB, 10]);
    let (temp, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let opened = open(&manifest, temp.path());
    let all = runs(&manifest);
    opened.store.put(&data.verified(&manifest, all[0])).unwrap();
    fs::rename(temp.path().join("things"), temp.path().join("moved")).unwrap();
    symlink(outside.path(), temp.path().join("things")).unwrap();
    // The write still goes to the open folder, wherever that is now, but it does not count.
    opened.store.put(&data.verified(&manifest, all[4])).unwrap();
    let durable = opened.store.checkpoint().unwrap();
    assert!(durable.failure.is_some() && durable.lost.contains(&all[4]), "{durable:?}");
    let put = opened.store.put(&data.verified(&manifest, all[4]));
    assert!(matches!(put, Err(StoreError::Io { .. })), "it is not taken twice");
    assert_eq!(names_in(outside.path()), Vec::<String>::new());
}

#[test]
fn a_folder_that_refuses_writing_is_named_in_the_error() {
    let (manifest, _) = content(MIB, &[MIB]);
    let temp = tempfile::tempdir().unwrap();
    // A file in place of the folder refuses every user, even root.
    let blocked = temp.path().join("blocked");
    fs::write(&blocked, "").unwrap();
    match try_open(&manifest, target(&blocked)) {
        Err(DownloadError::Io { path, .. }) => assert_eq!(path, blocked),
        _ => panic!("it cannot be opened"),
    }
    if rustix::process::geteuid().is_root() {
        return;
    }
    let shut = temp.path().join("shut");
    fs::create_dir(&shut).unwrap();
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o555)).unwrap();
    match try_open(&manifest, target(&shut)) {
        Err(DownloadError::Io { path, .. }) => assert_eq!(path, shut),
        _ => panic!("it cannot be written to"),
    }
}

#[test]
fn a_content_with_files_named_part_confuses_nobody() {
    use nearcast_core::{
        manifest::NewFile,
        merkle::sha256,
        paths::{RelativePath, SafeName},
    };
    let file = |path: &str, bytes: &[u8]| NewFile {
        path: RelativePath::parse(path).unwrap(),
        length: bytes.len() as u64,
        piece_hashes: vec![sha256(bytes)],
    };
    let files = vec![file("a", b"first"), file("a.part", b"second")];
    let name = SafeName::parse(b"both").unwrap();
    let manifest = Arc::new(Manifest::build(&name, 16 * KIB, files, Vec::new()).unwrap());
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    for (run, bytes) in runs(&manifest).into_iter().zip([&b"first"[..], b"second"]) {
        opened.store.put(&verify(&manifest, run, bytes, Vec::new()).unwrap()).unwrap();
    }
    opened.store.finish().unwrap();
    assert_eq!(names_in(&temp.path().join("both")), ["a", "a.part"]);
    assert_eq!(fs::read(temp.path().join("both/a.part")).unwrap(), b"second");
}

#[test]
fn a_content_of_nothing_but_empty_files_is_complete_when_opened() {
    let (manifest, data) = content(MIB, &[0, 0]);
    let temp = tempfile::tempdir().unwrap();
    assert!(open(&manifest, temp.path()).complete);
    assert!(data.is_in(&manifest, temp.path()));
    assert_eq!(names_in(temp.path()), ["things"]);
}

#[test]
fn two_contents_of_one_name_never_write_to_the_same_files() {
    let (first, data) = content(MIB, &[2 * MIB]);
    let (second, other) = content(MIB, &[2 * MIB + 5]);
    assert_eq!(first.name(), second.name());
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&first, temp.path());
    for run in runs(&first).into_iter().take(4) {
        opened.store.put(&data.verified(&first, run)).unwrap();
    }
    let overwrite = Target { overwrite: true, ..target(temp.path()) };
    for attempt in [target(temp.path()), overwrite.clone()] {
        assert!(matches!(try_open(&second, attempt), Err(DownloadError::Busy(_))));
    }
    opened.store.checkpoint().unwrap();
    drop(opened);
    assert!(matches!(try_open(&second, target(temp.path())), Err(DownloadError::Unfinished(_))));
    assert_eq!(open(&first, temp.path()).have.count(), 4, "it was left alone");
    let opened = try_open(&second, overwrite).unwrap();
    assert!(opened.have.is_empty(), "even what is right of it is not taken away from the other download");
    put_all(&opened.store, &second, &other);
    opened.store.finish().unwrap();
    drop(opened);
    assert!(other.is_in(&second, temp.path()));
    fs::remove_file(temp.path().join("film")).unwrap();
    assert_eq!(open(&first, temp.path()).have.count(), 4, "the other one goes on where it was");
}

#[test]
fn what_somebody_else_calls_part_is_left_alone_when_the_file_itself_is_overwritten() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("film.part"), vec![1; 3 * 1024 * 1024]).unwrap();
    let mut bytes = data.files[0].clone();
    bytes[7] ^= 1;
    fs::write(temp.path().join("film"), &bytes).unwrap();
    let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
    assert_eq!(opened.have.count(), 8);
    for run in opened.have.iter() {
        get_and_verify(&opened.store, &manifest, run);
    }
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
    assert_eq!(names_in(temp.path()), ["film", "film.part"]);
    assert_eq!(fs::read(temp.path().join("film.part")).unwrap(), vec![1; 3 * 1024 * 1024]);
}

/// Opens a content, and calls `does` while its files are hashed for the first time.
fn meanwhile(manifest: &Arc<Manifest>, target: Target, does: impl FnOnce()) -> Result<Opened, DownloadError> {
    let does = std::cell::Cell::new(Some(does));
    let progress = |_, _| does.take().into_iter().for_each(|does| does());
    DiskStore::open(manifest.clone(), target, &progress, &AtomicBool::new(false))
}

#[test]
fn a_rival_that_ends_while_we_hash_is_none_and_leaves_nothing() {
    let (first, data) = content(MIB, &[2 * MIB]);
    let (second, _) = content(MIB, &[2 * MIB + 5]);
    let temp = tempfile::tempdir().unwrap();
    let rival = open(&first, temp.path());
    // A file for our download to hash.
    fs::write(temp.path().join("film"), vec![0; 2 * 1024 * 1024 + 5]).unwrap();
    let opened = meanwhile(&second, overwriting(temp.path()), || drop(rival)).unwrap();
    assert!(opened.have.is_empty());
    let states = || names_in(temp.path()).into_iter().filter(|name| name.ends_with(".nearcast")).count();
    assert_eq!(states(), 1, "ours");
    drop(opened);
    assert_eq!(states(), 0);
    fs::remove_file(temp.path().join("film")).unwrap();
    put_all(&open(&first, temp.path()).store, &first, &data);
}

#[test]
fn an_empty_folder_of_a_rivals_state_blocks_nobody() {
    let (first, _) = content(MIB, &[2 * MIB]);
    let (second, _) = content(MIB, &[2 * MIB + 5]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&first, temp.path());
    let state = names_in(temp.path()).remove(0);
    drop(opened);
    fs::create_dir(temp.path().join(&state)).unwrap();
    let opened = open(&second, temp.path());
    assert!(!temp.path().join(state).exists());
    drop(opened);
}

#[test]
fn of_two_that_begin_at_the_same_moment_the_later_sees_the_earlier() {
    let (first, _) = content(MIB, &[2 * MIB]);
    let (second, _) = content(MIB, &[2 * MIB + 5]);
    let temp = tempfile::tempdir().unwrap();
    // A file for the second download to hash, before it has a state.
    fs::write(temp.path().join("film"), vec![0; 2 * 1024 * 1024 + 5]).unwrap();
    let mut begun = None;
    let begins = || begun = Some(try_open(&first, overwriting(temp.path())).unwrap());
    let both = meanwhile(&second, overwriting(temp.path()), begins);
    assert!(matches!(both, Err(DownloadError::Busy(_))));
    drop(both);
    drop(begun);
    assert_eq!(names_in(temp.path()), ["film"], "nothing stays of either");
}
