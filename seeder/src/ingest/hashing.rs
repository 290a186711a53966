//! Hashing what is due beside serving and never in its way: with half the cores, at a low priority, on a thread
//! of its own. One large thing at a time, or many small ones, whose `.torrent` files are made durable together.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use nearcast_core::{
    manifest::{Manifest, TORRENT_BYTES_MAX},
    paths::{Elsewhere, printable},
    signature::{PublisherKey, Signature},
};
use nearcast_node::{
    key::SecretKey,
    publish::{
        Folder, Include, Kind, LeftOut, Prepared, PublishError, PublishOptions, VerifyError, verify_in,
    },
    vital::words,
};
use tokio::sync::oneshot;

use super::{Due, sighting::Sighting};
use crate::{health::Health, root::Root};

/// The nicest there is: hashing something large takes what nobody else wants.
const NICENESS: i32 = 19;
/// Thousands of small files are little work, and whoever put them there waits for their links.
const NICENESS_SMALL: i32 = 5;
/// Progress of something large is said this often.
const SAID_EVERY: Duration = Duration::from_secs(15);
/// Hashing that is given up ends with the run in hand, unless the disk does not answer: then it is left to the end of the
/// process, so long after.
const END_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What is no larger is hashed together with others.
const SMALL_BYTES_MAX: u64 = 1 << 20;
/// How many are, and how many bytes: bounds the memory that their metainfo takes, and how long the first of them waits
/// for the last.
const BATCH_ITEMS_MAX: usize = 1_024;
const BATCH_BYTES_MAX: u64 = 64 << 20;
/// A guess at the room that a `.torrent` takes: for something large, for each MiB of its data besides, and for something
/// small, which is a block of the disk.
const TORRENT_BYTES: u64 = 64 << 10;
const TORRENT_BYTES_PER_MIB: u64 = 256;
const TORRENT_BYTES_SMALL: u64 = 4 << 10;

/// How things are published.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What of a folder is.
    pub include: Include,
    /// What it is signed with.
    pub key: Option<Arc<SecretKey>>,
}

/// Some things that are due, hashed as one.
#[derive(Debug)]
pub struct Batch {
    /// The root they lie in.
    pub root: Root,
    /// How they are published.
    pub terms: Terms,
    /// The things: one large one, or many small ones.
    pub due: Vec<Due>,
}

impl Batch {
    /// Takes the next from the queue; none if it is empty.
    pub fn next(queue: &mut VecDeque<Due>, root: &Root, terms: Terms) -> Option<Batch> {
        let first = queue.pop_front()?;
        let mut bytes = first.bytes();
        let mut due = vec![first];
        while bytes <= BATCH_BYTES_MAX && due.len() < BATCH_ITEMS_MAX {
            if !due.iter().all(is_small) || !queue.front().is_some_and(is_small) {
                break;
            }
            let Some(next) = queue.pop_front() else { break };
            bytes += next.bytes();
            due.push(next);
        }
        Some(Batch { root: root.clone(), terms, due })
    }
}

fn is_small(due: &Due) -> bool {
    due.bytes() <= SMALL_BYTES_MAX
}

/// Something that has a `.torrent` now.
#[derive(Debug)]
pub struct New {
    /// What is in it.
    pub manifest: Arc<Manifest>,
    /// What was left out of it.
    pub left_out: LeftOut,
    /// Secret keys in it, as everything was asked for.
    pub secrets: LeftOut,
    /// Names that other systems lack.
    pub elsewhere: Elsewhere,
    /// There was one of another content before.
    pub again: bool,
    /// There was one of the same content before.
    pub same: bool,
    /// Who signed the content that was there before, and not this one.
    pub signers_lost: Vec<PublisherKey>,
}

/// What became of something due.
#[derive(Debug)]
pub enum Outcome {
    /// It has its `.torrent`.
    Published(Box<New>),
    /// Somebody changed it meanwhile.
    Changed,
    /// It cannot be published; the sentence is safe for logs.
    Failed(String),
    /// As asked.
    Cancelled,
}

/// What became of a batch.
#[derive(Debug)]
pub enum Hashed {
    /// Each thing, and what became of it.
    Done(Vec<(Due, Outcome)>),
    /// None could be published, whatever is in them: why, and all of them again.
    Blocked(String, Vec<Due>),
}

/// What has this name makes hashing panic.
#[cfg(test)]
const PANICS: &str = "panics";

/// Things being hashed. Dropped, it stops soon.
pub struct Hashing {
    cancelled: Arc<AtomicBool>,
    hashed: oneshot::Receiver<Hashed>,
    thread: Option<thread::JoinHandle<()>>,
    /// What is being hashed.
    due: Vec<Due>,
}

impl Hashing {
    /// Begins.
    pub fn start(batch: Batch, health: Arc<Health>) -> Hashing {
        let cancelled = Arc::new(AtomicBool::new(false));
        let (told, hashed) = oneshot::channel();
        let (flag, due) = (cancelled.clone(), batch.due.clone());
        let work = move || {
            lower_priority(if batch.due.iter().all(is_small) { NICENESS_SMALL } else { NICENESS });
            // Who no longer waits knows that the seeder ends.
            let _ = told.send(hash(batch, &health, &flag));
        };
        let thread = thread::Builder::new().name("publish".to_owned()).spawn(work);
        if let Err(error) = &thread {
            tracing::warn!(%error, "no thread to hash with");
        }
        Hashing { cancelled, hashed, thread: thread.ok(), due }
    }

    /// How many things.
    pub fn items(&self) -> usize {
        self.due.len()
    }

    /// Waits for the end.
    pub async fn hashed(&mut self) -> Hashed {
        if let Ok(hashed) = (&mut self.hashed).await {
            return hashed;
        }
        // It ended without a word, or never began.
        if let Some(Err(panic)) = self.thread.take().map(thread::JoinHandle::join) {
            resume_unwind(panic);
        }
        Hashed::Blocked("no thread to hash with".to_owned(), std::mem::take(&mut self.due))
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.cancelled.store(true, Relaxed);
        // It looks at the flag after each run. Nobody waits for its outcome any more.
        if let Some(thread) = self.thread.take()
            && !ends_within(&thread, END_MAX)
        {
            tracing::warn!("hashing did not end in time, as the disk does not answer; it is abandoned");
        }
    }
}

/// Waits for a thread, at most so long; whether it has ended. The system has no such wait for threads.
fn ends_within<T>(thread: &thread::JoinHandle<T>, most: Duration) -> bool {
    let until = Instant::now() + most;
    while !thread.is_finished() && Instant::now() < until {
        thread::sleep(LOOK_EVERY);
    }
    thread.is_finished()
}

/// The thread's own priority: those it starts to hash with inherit it, and no other thread is touched.
fn lower_priority(niceness: i32) {
    // Linux keeps priorities by thread, and "none" is whoever calls.
    if let Err(error) = rustix::process::setpriority_process(None, niceness) {
        tracing::debug!(%error, "hashing goes on at ordinary priority");
    }
}

/// Something hashed, and the `.torrent` to write for it.
struct Made {
    new: New,
    torrent: Vec<u8>,
}

fn hash(batch: Batch, health: &Health, cancelled: &AtomicBool) -> Hashed {
    let folder = match batch.root.open() {
        Ok(folder) => folder,
        Err(error) => return Hashed::Blocked(printable(&error.to_string()), batch.due),
    };
    // Before hours of hashing: a root that is full or not ours to write to.
    let blocked = |error: &io::Error, due| {
        let root = printable(&folder.path().to_string_lossy());
        Hashed::Blocked(format!("no .torrent can be written to {root}: {error}"), due)
    };
    let fitting = match fitting(&batch.due, |bytes| folder.check_room(bytes)) {
        Ok(fitting) => fitting,
        Err(error) => return blocked(&error, batch.due),
    };
    let (mut files, mut places) = (Vec::new(), Vec::new());
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(batch.due.len());
    for due in &batch.due[..fitting] {
        outcomes.push(match contained(|| make(&folder, due, &batch.terms, health, cancelled)) {
            Ok(made) => {
                files.push((due.torrent.clone(), made.torrent));
                places.push(outcomes.len());
                Outcome::Published(Box::new(made.new))
            }
            Err(outcome) => outcome,
        });
    }
    let written = folder.replace_files(&files);
    let any = written.iter().any(Result::is_ok);
    for (place, written) in places.into_iter().zip(written) {
        match written {
            Ok(()) => {}
            // The guess was too low. It says nothing about these contents.
            Err(error) if is_full(&error) && !any => return blocked(&error, batch.due),
            Err(error) if is_full(&error) => outcomes[place] = Outcome::Cancelled,
            Err(error) => {
                let name = printable(&batch.due[place].torrent.to_string_lossy());
                outcomes[place] = Outcome::Failed(format!("cannot write {name}: {error}"));
            }
        }
    }
    // Those that did not fit are due again.
    outcomes.resize_with(batch.due.len(), || Outcome::Cancelled);
    Hashed::Done(batch.due.into_iter().zip(outcomes).collect())
}

/// What a thing makes the program fail over is an error of that thing: everything else is served on, and it is tried again
/// when it has changed.
fn contained(make: impl FnOnce() -> Result<Made, Outcome>) -> Result<Made, Outcome> {
    let failed =
        |what| format!("an error in the program ({what}); please report it, with what was printed above");
    // Nothing that `make` works with is changed by it but counters.
    catch_unwind(AssertUnwindSafe(make))
        .unwrap_or_else(|panic| Err(Outcome::Failed(failed(printable(&words(&*panic))))))
}

/// How many of these, from the first on, have room for their `.torrent`: all, or half of them, or a quarter, and so on.
///
/// # Errors
/// There is no room for one.
fn fitting(due: &[Due], mut check_room: impl FnMut(u64) -> io::Result<()>) -> io::Result<usize> {
    let mut count = due.len();
    loop {
        match check_room(due[..count].iter().map(torrent_bytes).sum()) {
            Err(error) if is_full(&error) && count > 1 => count /= 2,
            checked => return checked.map(|()| count),
        }
    }
}

fn torrent_bytes(due: &Due) -> u64 {
    match is_small(due) {
        true => TORRENT_BYTES_SMALL,
        false => TORRENT_BYTES + (due.bytes() >> 20) * TORRENT_BYTES_PER_MIB,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn make(
    folder: &Folder,
    due: &Due,
    terms: &Terms,
    health: &Health,
    cancelled: &AtomicBool,
) -> Result<Made, Outcome> {
    if cancelled.load(Relaxed) {
        return Err(Outcome::Cancelled);
    }
    #[cfg(test)]
    assert_ne!(due.name, PANICS, "a test wants to see this");
    check_place(folder, &due.torrent)?;
    check_sighting(folder, due, terms.include)?;
    let name = printable(&due.name.to_string_lossy());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let old = read_bytes(folder, Path::new(&due.torrent)).ok();
    let old = old.and_then(|bytes| Some((Manifest::parse(&bytes).ok()?, bytes)));
    let options = PublishOptions {
        threads: Some(cores.div_ceil(2)),
        // What the operator said of the content still holds for its next version.
        web_seeds: old.as_ref().map_or_else(Vec::new, |(old, _)| old.web_seeds().to_vec()),
        include: terms.include,
        ..PublishOptions::default()
    };
    let progress = Progress::new(&name, health);
    let tell = |done, total| progress.set(done, total);
    let prepared = Prepared::of(folder, &due.name, &options).map_err(outcome_of)?;
    let same = match &old {
        Some((old, _)) if may_be(old, due, &prepared) => {
            verify_in(folder, old, options.threads, &tell, cancelled)
                .map_err(|error| outcome_of_check(&error))?
                .bad_files
                .is_empty()
        }
        _ => false,
    };
    let (secrets, left_out) = (prepared.secrets().clone(), prepared.left_out().clone());
    let elsewhere = prepared.elsewhere().clone();
    let new = |manifest: &Manifest, again, signers_lost| New {
        manifest: Arc::new(manifest.clone()),
        left_out,
        secrets,
        elsewhere,
        again,
        same,
        signers_lost,
    };
    if let Some((old, bytes)) = old.as_ref().filter(|_| same) {
        // Whoever made it, and however: it is the content's, and stays. Written anew it is as new as the data.
        check_sighting(folder, due, terms.include)?;
        let signed = terms.sign(old.clone());
        let is_signed = signed.signatures().good() == old.signatures().good();
        let torrent = if is_signed { bytes.clone() } else { signed.to_torrent() };
        return Ok(Made { new: new(&signed, false, Vec::new()), torrent });
    }
    let progress = Progress::new(&name, health);
    let tell = |done, total| progress.set(done, total);
    let published = prepared.hash(&tell, cancelled).map_err(outcome_of)?;
    check_sighting(folder, due, terms.include)?;
    let manifest = terms.sign(published.manifest);
    let signers = old.iter().flat_map(|(old, _)| old.signatures().keys());
    let lost = signers.filter(|key| !manifest.signatures().is_by(&[*key])).collect();
    Ok(Made { new: new(&manifest, old.is_some(), lost), torrent: manifest.to_torrent() })
}

impl Terms {
    /// Signs, beside whoever signed already.
    fn sign(&self, manifest: Manifest) -> Manifest {
        let Some(key) = &self.key else { return manifest };
        let theirs = manifest.signatures().good().to_vec();
        let all: Vec<Signature> = [key.sign(manifest.content())].into_iter().chain(theirs).collect();
        manifest.with_signatures(all)
    }
}

/// Whether a `.torrent` may still be that of what lies there, going by names and lengths.
fn may_be(old: &Manifest, due: &Due, prepared: &Prepared<'_>) -> bool {
    let theirs = old.files().iter().map(|file| (file.path.as_str(), file.length));
    due.name.to_str() == Some(old.name()) && theirs.eq(prepared.files())
}

fn outcome_of(error: PublishError) -> Outcome {
    match error {
        PublishError::Changed(_) | PublishError::Special(_) => Outcome::Changed,
        PublishError::Cancelled => Outcome::Cancelled,
        error => Outcome::Failed(printable(&error.to_string())),
    }
}

fn outcome_of_check(error: &VerifyError) -> Outcome {
    match error {
        VerifyError::Cancelled => Outcome::Cancelled,
        VerifyError::Io { .. } => Outcome::Failed(printable(&error.to_string())),
    }
}

/// Whether a `.torrent` can be written there at all.
fn check_place(folder: &Folder, torrent: &OsString) -> Result<(), Outcome> {
    match folder.look(Path::new(torrent)) {
        Ok((Kind::Folder, _)) => {
            let torrent = printable(&torrent.to_string_lossy());
            Err(Outcome::Failed(format!("{torrent} is a folder; give that another name")))
        }
        _ => Ok(()),
    }
}

/// It must be what it was when it was found to be finished, before it is hashed and after.
fn check_sighting(folder: &Folder, due: &Due, include: Include) -> Result<(), Outcome> {
    match Sighting::of(folder, &due.name, include) {
        Some(now) if now.is_exactly(&due.sighting) => Ok(()),
        _ => Err(Outcome::Changed),
    }
}

/// Reads a `.torrent` below a folder; no link is followed.
pub(crate) fn read_torrent(folder: &Folder, path: &Path) -> Result<Manifest, String> {
    let bytes = read_bytes(folder, path).map_err(|error| error.to_string())?;
    Manifest::parse(&bytes).map_err(|error| error.to_string())
}

/// At most as much as a `.torrent` may have, and one byte.
fn read_bytes(folder: &Folder, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    folder.file(path)?.take(TORRENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Counts what is hashed, and says how far something large has come.
struct Progress<'a> {
    name: &'a str,
    health: &'a Health,
    state: Mutex<(u64, Instant)>,
}

impl<'a> Progress<'a> {
    fn new(name: &'a str, health: &'a Health) -> Progress<'a> {
        Progress { name, health, state: Mutex::new((0, Instant::now())) }
    }

    fn set(&self, done: u64, total: u64) {
        // A panic in here would leave numbers, which are good as they are.
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (before, said) = *state;
        // Threads tell in any order.
        self.health.hashed_bytes.fetch_add(done.saturating_sub(before), Relaxed);
        state.0 = done.max(before);
        if said.elapsed() >= SAID_EVERY {
            state.1 = Instant::now();
            tracing::info!(
                "hashing {}: {} of {total} bytes, {}%",
                self.name,
                done,
                done * 100 / total.max(1)
            );
        }
    }
}

#[cfg(test)]
mod tests;
