//! Thousands of power cuts, on a disk that loses, tears and reorders whatever was not synced, fills
//! up, and fails to sync. Some cuts hit the middle of a checkpoint. After each cut, everything
//! claimed must be true, and nothing that was durable may be lost.

use super::*;

/// Cuts in one run of the test.
const CUTS: u32 = 2_000;

/// The files of the resume folder: name and content.
type Left = Vec<(String, Vec<u8>)>;

/// The state before a checkpoint: the resume folder, and the durable runs.
struct Before {
    left: Left,
    durable: RunSet,
}

#[test]
fn a_power_cut_at_any_moment_never_leaves_a_false_claim() {
    let (manifest, data) = content(MIB, &[2 * MIB + 9, 40 * KIB, 700 * KIB, 0]);
    let (mut cuts, mut claimed, mut complete) = (0, 0, 0);
    for seed in 0.. {
        println!("seed {seed}, after {cuts} cuts");
        let (mut dice, temp) = (Dice(seed), folder());
        let mut durable = RunSet::empty(manifest.layout().runs());
        while cuts < CUTS {
            let opened = open(&manifest, temp.path());
            assert!(!durable.has_beyond(&opened.have), "durable runs were lost");
            for run in opened.have.iter() {
                get_and_verify(&opened.store, &manifest, run);
            }
            claimed += opened.have.count();
            if opened.complete {
                break;
            }
            durable = live_until_a_power_cut(opened.store, &manifest, &data, temp.path(), &mut dice);
            cuts += 1;
        }
        if cuts == CUTS {
            break;
        }
        assert!(data.is_in(&manifest, temp.path()));
        assert_eq!(names_in(temp.path()), ["things"]);
        complete += 1;
    }
    println!("{cuts} power cuts: {claimed} runs claimed, all true; {complete} downloads completed");
    assert!(complete > 10);
}

/// In memory, if possible: the syncs of the faulty disk matter here, not those of the machine.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Puts and checkpoints at random on a caching disk, until the power fails. Returns what was
/// durable then.
fn live_until_a_power_cut(
    store: Arc<DiskStore>,
    manifest: &Manifest,
    data: &Data,
    folder: &Path,
    dice: &mut Dice,
) -> RunSet {
    let (store, disk) = Faulty::under(store);
    locked(&disk.plan).caching = true;
    let all = runs(manifest);
    let mut last = None;
    for _ in 0..dice.below(12) {
        if dice.below(4) == 0 {
            last = Some(Before { left: read_left(folder), durable: store.durable() });
            checkpoint(&store, &disk, dice);
        } else {
            put(&store, &disk, &data.verified(manifest, all[dice.below(all.len())]), manifest, dice);
        }
    }
    let durable = store.durable();
    disk.cut_power(|bound| dice.below(bound));
    drop(store);
    match last.filter(|_| dice.below(3) == 0) {
        Some(before) => cut_in_a_checkpoint(before, folder, dice),
        None => durable,
    }
}

/// Runs one checkpoint, perhaps with a sync that fails.
fn checkpoint(store: &DiskStore, disk: &Faulty, dice: &mut Dice) {
    locked(&disk.plan).fail_next_sync = dice.below(6) == 0;
    let outcome = store.checkpoint().unwrap();
    for run in outcome.lost {
        assert!(!store.have().contains(run) && !store.durable().contains(run));
    }
    locked(&disk.plan).fail_next_sync = false;
}

/// Puts one run, perhaps onto a disk that fills up in the middle of it.
fn put(
    store: &DiskStore,
    disk: &Faulty,
    run: &nearcast_core::merkle::VerifiedRun<Vec<u8>>,
    manifest: &Manifest,
    dice: &mut Dice,
) {
    let is_full = dice.below(8) == 0 && !store.have().contains(run.run());
    locked(&disk.plan).room_bytes = is_full.then(|| dice.below(run.bytes().len()) as u64);
    match store.put(run) {
        Ok(_) => get_and_verify(store, manifest, run.run()),
        Err(error) => {
            assert!(is_full && matches!(error, StoreError::Full { .. }), "{error}");
            assert!(!store.have().contains(run.run()));
        }
    }
    locked(&disk.plan).room_bytes = None;
}

fn resume_folder(folder: &Path) -> Option<std::path::PathBuf> {
    let name = names_in(folder).into_iter().find(|name| name.ends_with(".nearcast"))?;
    Some(folder.join(name))
}

fn read_left(folder: &Path) -> Left {
    let Some(folder) = resume_folder(folder) else { return Vec::new() };
    names_in(&folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

/// Makes the power fail while the last checkpoint is being recorded. The journal has any part of
/// what was added, torn or followed by rubbish. The have-map is still the old one; the beginning of
/// the new one lies under another name. Returns what was durable before the checkpoint.
fn cut_in_a_checkpoint(before: Before, folder: &Path, dice: &mut Dice) -> RunSet {
    let Some(folder) = resume_folder(folder) else { return before.durable };
    let old =
        |name: &str| before.left.iter().find(|(other, _)| other == name).map(|(_, bytes)| bytes.clone());
    if let (Some(old), Ok(mut new)) = (old("journal"), fs::read(folder.join("journal"))) {
        new.truncate(old.len() + dice.below(new.len().saturating_sub(old.len()) + 1));
        if dice.below(2) == 0 {
            new.extend(vec![0; dice.below(5_000)]);
        }
        fs::write(folder.join("journal"), new).unwrap();
    }
    if let (Some(old), Ok(mut new)) = (old("state"), fs::read(folder.join("state"))) {
        new.truncate(dice.below(new.len() + 1));
        fs::write(folder.join("state.new"), new).unwrap();
        fs::write(folder.join("state"), old).unwrap();
    }
    before.durable
}
