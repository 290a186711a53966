//! Tests of what stores promise, on real files and on disks that misbehave.

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use nearcast_core::{
    layout::{FileIndex, RunIndex},
    manifest::Manifest,
    merkle::verify,
    run_set::RunSet,
};

use super::{
    DiskStore, Opened, Store, StoreError, Stored, Target,
    faulty::Faulty,
    locked,
    memory::MemoryStore,
    resume::saved_manifest,
    testing::{Data, content},
};
use crate::error::{DownloadError, ShareError};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

mod damage;
mod leaving;
mod meeting;
mod opening;
mod others_files;
mod power_cuts;

fn target(folder: &Path) -> Target {
    Target {
        folder: folder.to_owned(),
        overwrite: false,
        selected: None,
        state_dir: None,
        wait_for_room: true,
    }
}

fn overwriting(folder: &Path) -> Target {
    Target { overwrite: true, ..target(folder) }
}

fn try_open(manifest: &Arc<Manifest>, target: Target) -> Result<Opened, DownloadError> {
    DiskStore::open(manifest.clone(), target, &|_, _| (), &AtomicBool::new(false))
}

fn open(manifest: &Arc<Manifest>, folder: &Path) -> Opened {
    try_open(manifest, target(folder)).unwrap()
}

fn runs(manifest: &Manifest) -> Vec<RunIndex> {
    RunSet::full(manifest.layout().runs()).iter().collect()
}

fn put_all(store: &impl Store, manifest: &Manifest, data: &Data) {
    for run in runs(manifest) {
        store.put(&data.verified(manifest, run)).unwrap();
    }
}

/// Reads a run as it is served, and checks it as its receiver does.
fn get_and_verify(store: &impl Store, manifest: &Manifest, run: RunIndex) {
    let mut buffer = Vec::new();
    let proof = store.get(run, &mut buffer).unwrap();
    verify(manifest, run, buffer, proof).unwrap();
}

/// A small repeatable sequence of choices.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_download_ends_with_its_files_and_nothing_else() {
    for lengths in [&[3 * MIB + 5][..], &[5, 0, 300 * KIB, 2 * MIB, 0]] {
        let (manifest, data) = content(MIB, lengths);
        let temp = tempfile::tempdir().unwrap();
        let opened = open(&manifest, temp.path());
        assert!(!opened.complete && opened.have.is_empty());
        put_all(&opened.store, &manifest, &data);
        for run in runs(&manifest) {
            get_and_verify(&opened.store, &manifest, run);
            assert_eq!(opened.store.put(&data.verified(&manifest, run)).unwrap(), Stored::Known);
        }
        assert_eq!(opened.store.finish().unwrap(), temp.path().join(manifest.name()));
        assert!(data.is_in(&manifest, temp.path()));
        assert_eq!(names_in(temp.path()), [manifest.name()]);
        for run in runs(&manifest) {
            get_and_verify(&opened.store, &manifest, run);
        }
    }
}

impl<S: Store> Store for Arc<S> {
    fn put<B: AsRef<[u8]>>(&self, run: &nearcast_core::merkle::VerifiedRun<B>) -> Result<Stored, StoreError> {
        self.as_ref().put(run)
    }

    fn get(&self, run: RunIndex, buffer: &mut Vec<u8>) -> Result<Vec<nearcast_core::id::Hash>, StoreError> {
        self.as_ref().get(run, buffer)
    }

    fn checkpoint(&self) -> Result<super::Durable, StoreError> {
        self.as_ref().checkpoint()
    }

    fn have(&self) -> RunSet {
        self.as_ref().have()
    }

    fn durable(&self) -> RunSet {
        self.as_ref().durable()
    }
}

#[test]
fn every_kind_of_store_keeps_the_same_promises() {
    let (manifest, data) = content(MIB, &[MIB + 70 * KIB]);
    let temp = tempfile::tempdir().unwrap();
    fn check(store: &impl Store, manifest: &Manifest, data: &Data) {
        let all = runs(manifest);
        assert!(matches!(store.get(all[0], &mut Vec::new()), Err(StoreError::Missing)));
        assert_eq!(store.put(&data.verified(manifest, all[2])).unwrap(), Stored::Written);
        assert_eq!(store.put(&data.verified(manifest, all[2])).unwrap(), Stored::Known);
        assert!(store.have().contains(all[2]) && !store.durable().contains(all[2]));
        get_and_verify(store, manifest, all[2]);
        let durable = store.checkpoint().unwrap();
        assert_eq!((durable.runs, durable.bytes, durable.lost), (1, 256 * KIB, vec![]));
        assert!(store.durable().contains(all[2]));
        assert_eq!(store.checkpoint().unwrap().runs, 0);
    }
    check(&MemoryStore::new(manifest.clone()), &manifest, &data);
    check(&open(&manifest, temp.path()).store, &manifest, &data);
}

#[test]
fn whole_pieces_that_were_written_are_claimed_after_a_kill_and_all_of_it_can_be_served() {
    let (manifest, data) = content(MIB, &[3 * MIB, 100 * KIB]);
    let temp = tempfile::tempdir().unwrap();
    let all = runs(&manifest);
    let opened = open(&manifest, temp.path());
    for &run in &all[..6] {
        opened.store.put(&data.verified(&manifest, run)).unwrap();
    }
    opened.store.checkpoint().unwrap();
    for &run in &all[6..9] {
        opened.store.put(&data.verified(&manifest, run)).unwrap();
    }
    drop(opened);
    let opened = open(&manifest, temp.path());
    // Two more runs make a piece whole. The last run is of a piece that cannot be checked.
    assert_eq!(opened.have.iter().collect::<Vec<_>>(), all[..8]);
    for &run in &all[..8] {
        get_and_verify(&opened.store, &manifest, run);
    }
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn ten_thousand_small_files_are_no_trouble() {
    let lengths = vec![4 * KIB; 10_000];
    let (manifest, data) = content(16 * KIB, &lengths);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    let all = runs(&manifest);
    for &run in &all[..5000] {
        opened.store.put(&data.verified(&manifest, run)).unwrap();
    }
    let durable = opened.store.checkpoint().unwrap();
    assert_eq!((durable.runs, durable.files), (5000, 5000));
    drop(opened);
    let opened = open(&manifest, temp.path());
    assert_eq!(opened.have.count(), 5000);
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn many_threads_put_and_get_at_once() {
    let (manifest, data) = content(MIB, &[4 * MIB, 3 * MIB + 1, 900]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    let all = runs(&manifest);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (store, manifest, data, all) = (&store, &manifest, &data, &all);
            scope.spawn(move || {
                let mut dice = Dice(thread);
                for at in 0..all.len() {
                    // The threads overlap: each puts three quarters of all runs.
                    if !(at as u64 + thread).is_multiple_of(4) {
                        store.put(&data.verified(manifest, all[at])).unwrap();
                    }
                    let run = all[dice.below(all.len())];
                    match store.get(run, &mut Vec::new()) {
                        Ok(_) => get_and_verify(store, manifest, run),
                        Err(error) => assert!(matches!(error, StoreError::Missing), "{error}"),
                    }
                    if dice.below(6) == 0 {
                        assert!(store.checkpoint().unwrap().failure.is_none());
                    }
                }
            });
        }
    });
    assert!(store.have().is_full());
    store.finish().unwrap();
    assert!(store.durable().is_full());
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn unselected_files_are_never_made() {
    let (manifest, data) = content(MIB, &[MIB, 10, 300 * KIB]);
    let temp = tempfile::tempdir().unwrap();
    let only: FileIndex = manifest.layout().file_index(2).unwrap();
    let chosen = Target { selected: Some([only].into()), ..target(temp.path()) };
    let opened = try_open(&manifest, chosen.clone()).unwrap();
    let wanted = opened.store.wanted();
    assert_eq!(wanted.count(), 2);
    for run in wanted.iter() {
        opened.store.put(&data.verified(&manifest, run)).unwrap();
    }
    assert_eq!(opened.store.finish().unwrap(), temp.path().join("things"));
    assert_eq!(names_in(&temp.path().join("things/part000")), ["file00002"]);
    drop(opened);
    assert!(try_open(&manifest, chosen).unwrap().complete);
    // The rest comes later. Files that are there are not fetched again.
    let opened = open(&manifest, temp.path());
    assert_eq!((opened.complete, opened.have), (false, wanted));
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}

#[test]
fn the_metainfo_is_kept_until_the_download_is_complete() {
    let (manifest, data) = content(MIB, &[3 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let opened = open(&manifest, temp.path());
    let saved = saved_manifest(temp.path(), manifest.content()).unwrap();
    assert_eq!(saved.to_torrent(), manifest.to_torrent());
    put_all(&opened.store, &manifest, &data);
    opened.store.finish().unwrap();
    assert!(saved_manifest(temp.path(), manifest.content()).is_none());
}

#[test]
fn a_checkpoint_is_due_by_bytes_or_by_time() {
    let (manifest, data) = content(MIB, &[65 * MIB]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    let all = runs(&manifest);
    assert!(!store.checkpoint_due());
    for &run in &all[..256] {
        store.put(&data.verified(&manifest, run)).unwrap();
    }
    assert!(store.checkpoint_due());
    store.checkpoint().unwrap();
    assert!(!store.checkpoint_due());
}

#[test]
fn a_seed_checks_sizes_reads_lazily_and_is_never_written_to() {
    let (manifest, data) = content(MIB, &[2 * MIB, 5, 0]);
    let temp = tempfile::tempdir().unwrap();
    let open_seed = || DiskStore::open_seed(manifest.clone(), temp.path().to_owned());
    assert!(matches!(open_seed(), Err(ShareError::Incomplete(_))));
    data.write_to(&manifest, temp.path());
    let store = open_seed().unwrap();
    for run in runs(&manifest) {
        get_and_verify(&store, &manifest, run);
        assert!(matches!(
            store.put(&data.verified(&manifest, run)),
            Ok(Stored::Known) | Err(StoreError::Io { .. })
        ));
    }
    assert_eq!(names_in(temp.path()), ["things"]);
    let first = temp.path().join("things/part000/file00001");
    fs::write(&first, "too long by far").unwrap();
    match open_seed() {
        Err(ShareError::Incomplete(path)) => assert_eq!(path, first),
        _ => panic!("a file of another size is not shared"),
    }
}
