//! Disks that fill up, fail, and rot.

use super::*;

#[test]
fn a_full_disk_loses_nothing_and_the_same_run_can_be_put_again() {
    let (manifest, data) = content(MIB, &[2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let (store, disk) = Faulty::under(open(&manifest, temp.path()).store);
    let all = runs(&manifest);
    locked(&disk.plan).room_bytes = Some(300 * KIB);
    store.put(&data.verified(&manifest, all[0])).unwrap();
    let refused = store.put(&data.verified(&manifest, all[1]));
    assert!(matches!(refused, Err(StoreError::Full { .. })));
    assert_eq!(store.have().count(), 1);
    assert!(matches!(store.get(all[1], &mut Vec::new()), Err(StoreError::Missing)));
    assert_eq!(store.checkpoint().unwrap().runs, 1);
    locked(&disk.plan).room_bytes = None;
    put_all(&store, &manifest, &data);
    store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn after_a_failed_sync_its_runs_are_missing_and_no_later_sync_brings_them_back() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let (store, disk) = Faulty::under(open(&manifest, temp.path()).store);
    let all = runs(&manifest);
    store.put(&data.verified(&manifest, all[0])).unwrap();
    store.checkpoint().unwrap();
    for &run in &all[1..4] {
        store.put(&data.verified(&manifest, run)).unwrap();
    }
    locked(&disk.plan).fail_next_sync = true;
    let outcome = store.checkpoint().unwrap();
    assert_eq!(outcome.lost, all[1..4]);
    assert!(outcome.failure.is_some());
    assert_eq!(store.checkpoint().unwrap().runs, 0);
    assert_eq!(store.have().iter().collect::<Vec<_>>(), all[..1]);
    assert!(store.finish().is_err());
    drop((store, disk));
    let opened = open(&manifest, temp.path());
    assert_eq!(opened.have.iter().collect::<Vec<_>>(), all[..1]);
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

fn flip_byte(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Damages a file without a change of its modification time.
fn rot(path: &Path, at: usize) {
    let before = fs::metadata(path).unwrap().modified().unwrap();
    flip_byte(path, at);
    fs::OpenOptions::new().write(true).open(path).unwrap().set_modified(before).unwrap();
}

#[test]
fn a_rotten_run_is_never_served_and_can_be_repaired() {
    let (manifest, data) = content(MIB, &[2 * MIB + 9]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    put_all(&store, &manifest, &data);
    store.finish().unwrap();
    let all = runs(&manifest);
    get_and_verify(&store, &manifest, all[5]);
    rot(&temp.path().join("film"), 5 * 256 * 1024 + 77);
    store.forget_verified();
    match store.get(all[5], &mut Vec::new()) {
        Err(StoreError::Rotten { lost, .. }) => assert_eq!(lost, [all[5]]),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.rotten_runs(), 1);
    assert!(!store.have().contains(all[5]) && !store.durable().contains(all[5]));
    // Its neighbours in the piece are still proven, by the known tree.
    for run in [all[4], all[6], all[7]] {
        get_and_verify(&store, &manifest, run);
    }
    store.put(&data.verified(&manifest, all[5])).unwrap();
    assert_eq!(store.checkpoint().unwrap().runs, 1);
    assert!(store.durable().is_full());
    store.forget_verified();
    get_and_verify(&store, &manifest, all[5]);
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn a_finished_file_that_its_user_edits_is_his_and_what_differs_is_given_to_nobody() {
    let (manifest, data) = content(MIB, &[2 * MIB + 9]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    put_all(&store, &manifest, &data);
    store.finish().unwrap();
    let (all, film) = (runs(&manifest), temp.path().join("film"));
    all.iter().for_each(|&run| get_and_verify(&store, &manifest, run));
    // The edit comes moments after the whole file was verified, and keeps its size and inode.
    flip_byte(&film, 5 * 256 * 1024 + 77);
    let edited = fs::read(&film).unwrap();
    for &run in &all {
        match store.get(run, &mut Vec::new()) {
            Ok(_) => assert_ne!(run, all[5]),
            Err(StoreError::Edited { lost, .. }) => assert_eq!((run, lost), (all[5], vec![all[5]])),
            Err(error) => panic!("{error}"),
        }
    }
    let put = store.put(&data.verified(&manifest, all[5]));
    assert!(matches!(put, Err(StoreError::Edited { .. })), "{put:?}");
    assert_eq!(fs::read(&film).unwrap(), edited, "his edit is not undone");
    assert!(!store.have().contains(all[5]));
    assert!(all.iter().filter(|&&run| run != all[5]).all(|&run| store.get(run, &mut Vec::new()).is_ok()));
}

#[test]
fn an_edited_file_does_not_keep_the_others_from_being_finished() {
    let (manifest, data) = content(MIB, &[MIB, MIB]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    let all = runs(&manifest);
    all[..4].iter().for_each(|&run| _ = store.put(&data.verified(&manifest, run)).unwrap());
    assert_eq!(store.checkpoint().unwrap().files, 1);
    let file = temp.path().join("things/part000/file00000");
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    flip_byte(&file, 7);
    let edited = fs::read(&file).unwrap();
    store.forget_verified();
    assert!(matches!(store.get(all[0], &mut Vec::new()), Err(StoreError::Edited { .. })));
    // The file belongs to the user again, whatever time the user gives it.
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    match store.put(&data.verified(&manifest, all[0])) {
        Err(StoreError::Edited { lost, .. }) => assert_eq!(lost, [all[0]], "or it would be fetched for ever"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(store.finish(), Err(StoreError::Missing)), "another file is missing");
    all[4..].iter().for_each(|&run| _ = store.put(&data.verified(&manifest, run)).unwrap());
    match store.finish() {
        Err(StoreError::Edited { path, .. }) => assert_eq!(path, file),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&file).unwrap(), edited);
    assert_eq!(fs::read(temp.path().join("things/part000/file00001")).unwrap(), data.files[1]);
    drop(store);
    let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
    assert_eq!(opened.have.count(), 7, "the rest of it is not fetched again");
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn an_edited_file_that_is_complete_no_longer_gets_no_receipt() {
    let (manifest, data) = content(MIB, &[MIB, 10]);
    let (temp, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let with_receipts = || Target { state_dir: Some(state.path().to_owned()), ..target(temp.path()) };
    let store = try_open(&manifest, with_receipts()).unwrap().store;
    let all = runs(&manifest);
    for &run in &all[..4] {
        store.put(&data.verified(&manifest, run)).unwrap();
    }
    assert_eq!(store.checkpoint().unwrap().files, 1);
    flip_byte(&temp.path().join("things/part000/file00000"), 7);
    store.put(&data.verified(&manifest, all[4])).unwrap();
    store.finish().unwrap();
    drop(store);
    assert!(matches!(try_open(&manifest, with_receipts()), Err(DownloadError::Exists(_))));
}

#[test]
fn a_rotten_run_of_an_unfinished_download_stays_missing_after_a_restart() {
    let (manifest, data) = content(MIB, &[4 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    let all = runs(&manifest);
    for &run in &all[..8] {
        store.put(&data.verified(&manifest, run)).unwrap();
    }
    store.checkpoint().unwrap();
    flip_byte(&temp.path().join("film.part"), 2 * 256 * 1024);
    store.forget_verified();
    assert!(matches!(store.get(all[2], &mut Vec::new()), Err(StoreError::Rotten { .. })));
    store.checkpoint().unwrap();
    drop(store);
    let opened = open(&manifest, temp.path());
    assert_eq!(opened.have.count(), 7);
    for run in opened.have.iter() {
        get_and_verify(&opened.store, &manifest, run);
    }
}

#[test]
fn a_seed_withdraws_what_rotted_and_goes_on_with_the_rest() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    data.write_to(&manifest, temp.path());
    let store = DiskStore::open_seed(manifest.clone(), temp.path().to_owned()).unwrap();
    let all = runs(&manifest);
    flip_byte(&temp.path().join("film"), 0);
    // Only the hash of the whole piece is known here, so the whole piece is given up.
    match store.get(all[1], &mut Vec::new()) {
        Err(StoreError::Rotten { lost, .. }) => assert_eq!(lost, all[..4]),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.have().count(), 8);
    for &run in &all[4..] {
        get_and_verify(&store, &manifest, run);
    }
    assert!(matches!(store.get(all[0], &mut Vec::new()), Err(StoreError::Missing)));
}

#[test]
fn a_seed_that_somebody_writes_to_is_believed_no_longer() {
    let (manifest, data) = content(MIB, &[2 * MIB + 9]);
    let temp = tempfile::tempdir().unwrap();
    data.write_to(&manifest, temp.path());
    let store = DiskStore::open_seed(manifest.clone(), temp.path().to_owned()).unwrap();
    let all = runs(&manifest);
    all.iter().for_each(|&run| get_and_verify(&store, &manifest, run));
    flip_byte(&temp.path().join("film"), 5 * 256 * 1024 + 77);
    // The file has the same size and inode, and all of it was verified moments ago.
    for &run in &all {
        match store.get(run, &mut Vec::new()) {
            Ok(_) => assert_ne!(run, all[5]),
            Err(StoreError::Rotten { lost, .. }) => assert_eq!((run, lost), (all[5], vec![all[5]])),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(store.rotten_runs(), 1);
}

#[test]
fn a_bit_that_flips_on_the_way_from_the_disk_is_caught() {
    let (manifest, data) = content(256 * KIB, &[MIB]);
    let temp = tempfile::tempdir().unwrap();
    let (store, disk) = Faulty::under(open(&manifest, temp.path()).store);
    put_all(&store, &manifest, &data);
    store.forget_verified();
    locked(&disk.plan).flip_reads = true;
    for run in runs(&manifest) {
        assert!(matches!(store.get(run, &mut Vec::new()), Err(StoreError::Rotten { .. })));
    }
    assert!(store.have().is_empty());
}

#[test]
fn a_truncated_or_vanished_file_is_rotten_not_an_error_of_the_system() {
    let (manifest, data) = content(256 * KIB, &[MIB]);
    let temp = tempfile::tempdir().unwrap();
    data.write_to(&manifest, temp.path());
    let store = DiskStore::open_seed(manifest.clone(), temp.path().to_owned()).unwrap();
    let all = runs(&manifest);
    get_and_verify(&store, &manifest, all[0]);
    let file = fs::OpenOptions::new().write(true).open(temp.path().join("film")).unwrap();
    file.set_len(300 * KIB).unwrap();
    assert!(matches!(store.get(all[3], &mut Vec::new()), Err(StoreError::Rotten { .. })));
    get_and_verify(&store, &manifest, all[0]);
}

fn resume_folder(folder: &Path) -> std::path::PathBuf {
    let name = names_in(folder).into_iter().find(|name| name.ends_with(".nearcast"));
    folder.join(name.unwrap())
}

#[test]
fn whatever_byte_of_the_resume_state_is_damaged_no_false_run_is_claimed() {
    let (manifest, data) = content(64 * KIB, &[200 * KIB, 30 * KIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    let all = runs(&manifest);
    for &run in &all[..3] {
        opened.store.put(&data.verified(&manifest, run)).unwrap();
    }
    opened.store.checkpoint().unwrap();
    drop(opened);
    let folder = resume_folder(temp.path());
    for name in ["state", "journal"] {
        let path = folder.join(name);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            fs::write(&path, &damaged).unwrap();
            let opened = open(&manifest, temp.path());
            // Hashing finds what the state cannot vouch for: here, whole pieces of one run.
            assert_eq!(opened.have.iter().collect::<Vec<_>>(), all[..3], "{name}, byte {at}");
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn with_a_damaged_state_the_journal_still_proves_parts_of_pieces() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    let all = runs(&manifest);
    let held = [all[0], all[2], all[4], all[5], all[6], all[7]];
    for run in held {
        opened.store.put(&data.verified(&manifest, run)).unwrap();
    }
    opened.store.checkpoint().unwrap();
    drop(opened);
    fs::write(resume_folder(temp.path()).join("state"), "damaged").unwrap();
    let opened = open(&manifest, temp.path());
    assert_eq!(opened.have.iter().collect::<Vec<_>>(), held);
    for run in held {
        get_and_verify(&opened.store, &manifest, run);
    }
    drop(opened);
    // Without the journal, a part of a piece cannot be proven to anybody. It is fetched again.
    fs::write(resume_folder(temp.path()).join("journal"), "damaged").unwrap();
    let opened = open(&manifest, temp.path());
    assert_eq!(opened.have.iter().collect::<Vec<_>>(), all[4..8]);
}

#[test]
fn a_disk_that_cannot_be_read_or_written_for_a_while_is_an_error_and_no_rot() {
    let (manifest, data) = content(MIB, &[2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let (store, disk) = Faulty::under(open(&manifest, temp.path()).store);
    let all = runs(&manifest);
    store.put(&data.verified(&manifest, all[0])).unwrap();
    store.checkpoint().unwrap();
    store.forget_verified();
    locked(&disk.plan).fail_reads = true;
    assert!(matches!(store.get(all[0], &mut Vec::new()), Err(StoreError::Io { .. })));
    assert_eq!(store.rotten_runs(), 0);
    locked(&disk.plan).fail_writes = true;
    assert!(matches!(store.put(&data.verified(&manifest, all[1])), Err(StoreError::Io { .. })));
    assert_eq!(store.have().iter().collect::<Vec<_>>(), all[..1]);
    *locked(&disk.plan) = Default::default();
    get_and_verify(&store, &manifest, all[0]);
    put_all(&store, &manifest, &data);
    store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}
