//! Files of the user's that lie where a download goes. None is renamed, cut or replaced before the
//! new file is whole, and then only if the user allowed it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

/// All entries of a folder, by name.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| (name.clone(), fs::read(folder.join(&name)).unwrap_or_default());
    names_in(folder).into_iter().map(read).collect()
}

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| b"my thesis "[at % 10]).collect()
}

#[test]
fn a_part_that_holds_nothing_of_the_content_is_neither_touched_nor_cut() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    for length in [100, 3 * 1024 * 1024, 5 * 1024 * 1024] {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("film.part"), text(length)).unwrap();
        let before = contents(temp.path());
        match try_open(&manifest, target(temp.path())) {
            Err(DownloadError::InTheWay(path)) => assert_eq!(path, temp.path().join("film.part")),
            _ => panic!("{length} bytes of somebody else's"),
        }
        assert_eq!(contents(temp.path()), before, "{length}");
        let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
        put_all(&opened.store, &manifest, &data);
        opened.store.finish().unwrap();
        assert!(data.is_in(&manifest, temp.path()));
        assert_eq!(fs::read(temp.path().join("film.part")).unwrap(), text(length), "made beside it");
        assert_eq!(names_in(temp.path()), ["film", "film.part"]);
    }
}

#[test]
fn a_part_of_the_right_content_is_adopted_and_keeps_what_is_too_long_until_it_is_whole() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let part = temp.path().join("film.part");
    let mut bytes = data.files[0].clone();
    bytes[5] ^= 1;
    bytes.extend(text(1000));
    fs::write(&part, &bytes).unwrap();
    let opened = open(&manifest, temp.path());
    assert_eq!(opened.have.count(), 8);
    let all = runs(&manifest);
    opened.store.put(&data.verified(&manifest, all[0])).unwrap();
    opened.store.checkpoint().unwrap();
    assert_eq!(fs::metadata(&part).unwrap().len(), bytes.len() as u64);
    drop(opened);
    let opened = open(&manifest, temp.path());
    assert_eq!(opened.have.count(), 12, "and the piece that it makes whole is right");
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
    assert_eq!(names_in(temp.path()), ["film"]);
}

#[test]
fn a_part_that_appears_beside_our_state_is_not_ours() {
    let (manifest, data) = content(MIB, &[MIB, 2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    opened.store.put(&data.verified(&manifest, runs(&manifest)[0])).unwrap();
    opened.store.checkpoint().unwrap();
    let other = temp.path().join("things/part000/file00001.part");
    fs::write(&other, text(77)).unwrap();
    // The store has not looked at this file yet, so it meets the file when it would make its own.
    let put = opened.store.put(&data.verified(&manifest, runs(&manifest)[4]));
    assert!(put.is_err());
    drop(opened);
    assert!(matches!(try_open(&manifest, target(temp.path())), Err(DownloadError::InTheWay(_))));
    assert_eq!(fs::read(&other).unwrap(), text(77));
}

/// The state's folder, and what is in it.
fn state_of(folder: &Path) -> (std::path::PathBuf, Vec<(String, Vec<u8>)>) {
    let name = names_in(folder).into_iter().find(|name| name.ends_with(".nearcast")).unwrap();
    let state = folder.join(name);
    (state.clone(), contents(&state))
}

/// Restores the state as if the program had been killed. A normal end removes the state if nothing
/// was received.
fn leave_as_killed(opened: Opened, folder: &Path) {
    let (state, files) = state_of(folder);
    drop(opened);
    fs::create_dir_all(&state).unwrap();
    files.into_iter().for_each(|(name, bytes)| fs::write(state.join(name), bytes).unwrap());
}

#[test]
fn a_part_of_our_length_beside_a_state_that_was_left_is_not_ours() {
    let (manifest, _) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    leave_as_killed(open(&manifest, temp.path()), temp.path());
    let part = temp.path().join("film.part");
    fs::write(&part, text(3 * 1024 * 1024)).unwrap();
    assert!(matches!(try_open(&manifest, target(temp.path())), Err(DownloadError::InTheWay(_))));
    assert_eq!(fs::read(&part).unwrap(), text(3 * 1024 * 1024));
}

#[test]
fn a_part_that_took_the_place_of_ours_is_not_believed() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    for &run in &runs(&manifest)[..8] {
        opened.store.put(&data.verified(&manifest, run)).unwrap();
    }
    opened.store.checkpoint().unwrap();
    drop(opened);
    let (part, aside) = (temp.path().join("film.part"), temp.path().join("aside"));
    fs::write(&aside, text(3 * 1024 * 1024)).unwrap();
    let ours = temp.path().join("ours");
    fs::rename(&part, &ours).unwrap();
    fs::rename(&aside, &part).unwrap();
    assert!(matches!(try_open(&manifest, target(temp.path())), Err(DownloadError::InTheWay(_))));
    assert_eq!(fs::read(&part).unwrap(), text(3 * 1024 * 1024));
    // A copy of our file, for example from another disk, is hashed and continued.
    fs::copy(&ours, &part).unwrap();
    assert_eq!(open(&manifest, temp.path()).have.count(), 8);
}

#[test]
fn a_state_of_a_version_that_noted_nothing_is_gone_on_with() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    opened.store.put(&data.verified(&manifest, runs(&manifest)[0])).unwrap();
    opened.store.checkpoint().unwrap();
    drop(opened);
    fs::remove_file(state_of(temp.path()).0.join("made")).unwrap();
    assert_eq!(open(&manifest, temp.path()).have.count(), 1);
    assert!(state_of(temp.path()).0.join("made").exists(), "from now on it is noted");
}

#[test]
fn what_a_run_that_was_killed_made_is_ours_though_nothing_in_it_is_right() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    let (store, disk) = Faulty::under(opened.store);
    locked(&disk.plan).caching = true;
    store.put(&data.verified(&manifest, runs(&manifest)[0])).unwrap();
    let (state, files) = state_of(temp.path());
    // The power cut loses what was written. The file is there, and empty.
    let part = temp.path().join("film.part");
    let kept = temp.path().join("kept");
    fs::hard_link(&part, &kept).unwrap();
    locked(&disk.plan).fail_next_sync = true;
    store.checkpoint().unwrap();
    drop((store, disk));
    fs::rename(&kept, &part).unwrap();
    fs::create_dir_all(&state).unwrap();
    files.into_iter().for_each(|(name, bytes)| fs::write(state.join(name), bytes).unwrap());
    let opened = open(&manifest, temp.path());
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn a_file_that_is_overwritten_stays_in_place_until_the_new_one_is_whole() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let all = runs(&manifest);
    let mut almost = data.files[0].clone();
    almost[1024 * 1024 + 1] ^= 1;
    for old in [text(5_000_000), text(3), almost, Vec::new()] {
        let temp = tempfile::tempdir().unwrap();
        let film = temp.path().join("film");
        fs::write(&film, &old).unwrap();
        fs::set_permissions(&film, fs::Permissions::from_mode(0o640)).unwrap();
        fs::hard_link(&film, temp.path().join("link")).unwrap();
        let inode = fs::metadata(&film).unwrap().ino();
        let still = || fs::metadata(&film).unwrap().ino() == inode && fs::read(&film).unwrap() == old;
        // The program is killed again and again, and each time the download continues.
        for step in 0..3 {
            let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
            assert!(still(), "step {step}");
            opened.store.put(&data.verified(&manifest, all[4 + step])).unwrap();
            opened.store.checkpoint().unwrap();
            assert!(still(), "step {step}");
            drop(opened);
            let opened = try_open(&manifest, target(temp.path()));
            assert!(
                matches!(opened, Err(DownloadError::Exists(_))),
                "without being told, it is not continued"
            );
            assert!(still(), "step {step}");
        }
        let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
        assert!(opened.have.count() >= 3);
        put_all(&opened.store, &manifest, &data);
        opened.store.finish().unwrap();
        assert!(data.is_in(&manifest, temp.path()));
        assert_eq!(names_in(temp.path()), ["film", "link"]);
        assert_eq!(fs::read(temp.path().join("link")).unwrap(), old, "its other name keeps it");
        assert_eq!(fs::metadata(&film).unwrap().mode() & 0o777, 0o640, "and so may the same people read it");
        drop(opened);
        assert!(try_open(&manifest, overwriting(temp.path())).unwrap().complete);
    }
}

#[test]
fn what_is_right_of_an_overwritten_file_is_not_received_again() {
    let (manifest, data) = content(MIB, &[2 * MIB, 3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    data.write_to(&manifest, temp.path());
    let second = temp.path().join("things/part000/file00001");
    let mut longer = data.files[1].clone();
    longer[9] ^= 1;
    longer.extend(text(50));
    fs::write(&second, &longer).unwrap();
    let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
    assert_eq!(opened.have.count(), 16);
    opened.have.iter().for_each(|run| get_and_verify(&opened.store, &manifest, run));
    assert_eq!(fs::read(&second).unwrap(), longer);
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn a_file_that_its_user_changes_during_the_download_is_kept_and_so_is_the_new_one() {
    let (manifest, data) = content(MIB, &[MIB, MIB]);
    let temp = tempfile::tempdir().unwrap();
    data.write_to(&manifest, temp.path());
    let first = temp.path().join("things/part000/file00000");
    let second = temp.path().join("things/part000/file00001");
    [&first, &second].into_iter().for_each(|path| fs::write(path, "old").unwrap());
    let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
    fs::write(&first, "new!").unwrap();
    put_all(&opened.store, &manifest, &data);
    match opened.store.finish() {
        Err(StoreError::InTheWay { path, new }) => {
            assert_eq!((fs::read(&path).unwrap(), path), (b"new!".to_vec(), first.clone()));
            assert_eq!(fs::read(&new).unwrap(), data.files[0], "the new one is whole, and said to be there");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&second).unwrap(), data.files[1], "the others have their names");
    drop(opened);
    let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
    assert!(opened.complete, "told again, it is replaced, and nothing is received");
    assert!(data.is_in(&manifest, temp.path()));
    assert_eq!(names_in(&temp.path().join("things/part000")).len(), 2);
}

#[test]
fn a_file_that_appears_during_the_download_is_kept() {
    let (manifest, data) = content(MIB, &[MIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    fs::write(temp.path().join("film"), "mine").unwrap();
    put_all(&opened.store, &manifest, &data);
    assert!(matches!(opened.store.finish(), Err(StoreError::InTheWay { .. })));
    assert_eq!(fs::read(temp.path().join("film")).unwrap(), b"mine");
    assert_eq!(fs::read(temp.path().join("film.part")).unwrap(), data.files[0]);
}

#[test]
fn a_file_that_its_owner_has_shut_is_not_replaced() {
    let (manifest, data) = content(MIB, &[MIB, 10]);
    let temp = tempfile::tempdir().unwrap();
    data.write_to(&manifest, temp.path());
    let first = temp.path().join("things/part000/file00000");
    let second = temp.path().join("things/part000/file00001");
    fs::write(&first, "open").unwrap();
    fs::write(&second, "shut").unwrap();
    fs::set_permissions(&second, fs::Permissions::from_mode(0o444)).unwrap();
    let before = contents(&temp.path().join("things/part000"));
    match try_open(&manifest, overwriting(temp.path())) {
        Err(DownloadError::ReadOnly(path)) => assert_eq!(path, second),
        _ => panic!("it may not be written to"),
    }
    assert_eq!(contents(&temp.path().join("things/part000")), before);
    assert_eq!(names_in(temp.path()), ["things"]);
}

#[test]
fn two_that_overwrite_the_same_file_do_not_meet() {
    let (manifest, _) = content(MIB, &[MIB]);
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("film"), "old").unwrap();
    let _first = try_open(&manifest, overwriting(temp.path())).unwrap();
    assert!(matches!(try_open(&manifest, overwriting(temp.path())), Err(DownloadError::Busy(_))));
    assert_eq!(fs::read(temp.path().join("film")).unwrap(), b"old");
}

/// Files whose names differ in case only, each of one byte.
fn two_cases() -> Arc<Manifest> {
    use nearcast_core::{
        manifest::NewFile,
        merkle::sha256,
        paths::{RelativePath, SafeName},
    };
    let file = |path| NewFile {
        path: RelativePath::parse(path).unwrap(),
        length: 1,
        piece_hashes: vec![sha256(b"x")],
    };
    let name = SafeName::parse(b"things").unwrap();
    let files = ["Name", "name"].map(file).into();
    Arc::new(Manifest::build(&name, 16384, files, Vec::new()).unwrap())
}

#[test]
fn names_that_are_one_on_this_disk_are_told_apart_also_when_a_download_goes_on() {
    let manifest = two_cases();
    let temp = tempfile::tempdir().unwrap();
    let one = manifest.layout().file_index(0).unwrap();
    let selected = Target { selected: Some([one].into()), ..target(temp.path()) };
    let opened = super::super::alike::with_folding(|| try_open(&manifest, selected)).unwrap();
    leave_as_killed(opened, temp.path());
    let all = super::super::alike::with_folding(|| try_open(&manifest, target(temp.path()))).unwrap();
    let data = Data { files: vec![b"x".to_vec(), b"x".to_vec()] };
    put_all(&all.store, &manifest, &data);
    all.store.finish().unwrap();
    let mut names: Vec<_> = fs::read_dir(temp.path().join("things"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["Name".to_owned(), nearcast_core::paths::stand_in("name")]);
}

#[test]
fn what_lies_under_another_name_as_a_disk_had_it_so_is_found_and_served_there() {
    let (manifest, data) = content(MIB, &[MIB]);
    let temp = tempfile::tempdir().unwrap();
    let name = nearcast_core::paths::SafeName::parse(b"What?").unwrap();
    let file = nearcast_core::manifest::NewFile {
        path: name.clone().into(),
        length: MIB,
        piece_hashes: manifest.pieces().map(|(_, hash)| *hash).collect(),
    };
    let named = Arc::new(Manifest::build(&name, MIB, vec![file], Vec::new()).unwrap());
    fs::write(temp.path().join(nearcast_core::paths::stand_in("What?")), &data.files[0]).unwrap();
    let opened = try_open(&named, target(temp.path())).unwrap();
    assert!(opened.complete);
    let seed = DiskStore::open_seed(named.clone(), temp.path().to_owned()).unwrap();
    let run = named.layout().run_index(0).unwrap();
    seed.get(run, &mut Vec::new()).unwrap();
}

#[test]
fn a_part_that_is_adopted_keeps_its_length_until_all_is_decided() {
    let (manifest, data) = content(MIB, &[2 * MIB, 2 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("things/part000");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("file00000.part"), &data.files[0][..1024 * 1024]).unwrap();
    let mut old = data.files[1].clone();
    old[5] ^= 1;
    fs::write(folder.join("file00001"), &old).unwrap();
    // Something lies where the new version of the second file should be made.
    let mark = crate::unfinished::STATE_DIGITS;
    let digits: String = manifest.content().to_string().chars().take(mark).collect();
    fs::create_dir(folder.join(format!("file00001.{digits}.part"))).unwrap();
    assert!(try_open(&manifest, overwriting(temp.path())).is_err());
    assert_eq!(fs::metadata(folder.join("file00000.part")).unwrap().len(), 1024 * 1024);
    assert_eq!(fs::read(folder.join("file00001")).unwrap(), old);
    fs::remove_dir(folder.join(format!("file00001.{digits}.part"))).unwrap();
    let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
    assert_eq!(opened.have.count(), 4 + 4);
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn a_file_that_is_overwritten_stays_its_owners() {
    let (manifest, data) = content(MIB, &[MIB]);
    let temp = tempfile::tempdir().unwrap();
    let film = temp.path().join("film");
    fs::write(&film, "old").unwrap();
    fs::set_permissions(&film, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root can give files away. For other users the owner stays the same.
    let _ = std::os::unix::fs::chown(&film, Some(4321), Some(1234));
    let before = fs::metadata(&film).unwrap();
    let opened = try_open(&manifest, overwriting(temp.path())).unwrap();
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
    let after = fs::metadata(&film).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode()), (before.uid(), before.gid(), before.mode()));
}
