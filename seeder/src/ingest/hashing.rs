//! Hashes due entries beside serving and never in its way: with half the cores, at a low priority,
//! on a thread of its own. A batch is one large entry, or many small ones whose `.torrent` files
//! are made durable together.

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

/// The lowest priority: hashing a large entry uses processor time that nobody else wants.
const NICENESS: i32 = 19;
/// The priority for small entries. Thousands of small files are little work, and their publisher
/// waits for the links.
const NICENESS_SMALL: i32 = 5;
/// How often the log tells the progress of a large entry.
const SAID_EVERY: Duration = Duration::from_secs(15);
/// How long to wait for cancelled hashing. It ends with the current run, unless the disk does not
/// answer; then the thread is left to the end of the process.
const END_MAX: Duration = Duration::from_secs(5);
/// How often to check whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Entries up to this size are hashed together.
const SMALL_BYTES_MAX: u64 = 1 << 20;
/// Limits of such a batch, in entries and bytes. They bound the memory for its metainfo, and how
/// long its first entry waits for the last.
const BATCH_ITEMS_MAX: usize = 1_024;
const BATCH_BYTES_MAX: u64 = 64 << 20;
/// Estimates of the size of a `.torrent`: the base for a large entry, the addition for each MiB of
/// its data, and the size for a small entry, which is one disk block.
const TORRENT_BYTES: u64 = 64 << 10;
const TORRENT_BYTES_PER_MIB: u64 = 256;
const TORRENT_BYTES_SMALL: u64 = 4 << 10;

/// How entries are published.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Which files of a folder are published.
    pub include: Include,
    /// The key to sign with. `None`: do not sign.
    pub key: Option<Arc<SecretKey>>,
}

/// Due entries that are hashed together.
#[derive(Debug)]
pub struct Batch {
    /// The root that contains them.
    pub root: Root,
    /// How they are published.
    pub terms: Terms,
    /// The entries: one large one, or many small ones.
    pub due: Vec<Due>,
}

impl Batch {
    /// Takes the next batch from the queue. `None`: the queue is empty.
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

/// An entry that now has a `.torrent`.
#[derive(Debug)]
pub struct New {
    /// The manifest in the `.torrent`.
    pub manifest: Arc<Manifest>,
    /// What was left out.
    pub left_out: LeftOut,
    /// Secret keys among the files, as hidden files were included.
    pub secrets: LeftOut,
    /// Names that other systems cannot store.
    pub elsewhere: Elsewhere,
    /// It replaced a `.torrent` of another content.
    pub again: bool,
    /// It replaced a `.torrent` of the same content.
    pub same: bool,
    /// Signers of the replaced content who have not signed this one.
    pub signers_lost: Vec<PublisherKey>,
}

/// The outcome for a due entry.
#[derive(Debug)]
pub enum Outcome {
    /// It has its `.torrent`.
    Published(Box<New>),
    /// The entry was changed in the meantime.
    Changed,
    /// It cannot be published; the sentence is safe for logs.
    Failed(String),
    /// Cancelled on request.
    Cancelled,
}

/// The outcome of a batch.
#[derive(Debug)]
pub enum Hashed {
    /// Each entry with its outcome.
    Done(Vec<(Due, Outcome)>),
    /// No entry could be published, whatever its data: the reason, and all the entries.
    Blocked(String, Vec<Due>),
}

/// An entry with this name makes hashing panic.
#[cfg(test)]
const PANICS: &str = "panics";

/// A batch being hashed. Dropping it stops the hashing soon.
pub struct Hashing {
    cancelled: Arc<AtomicBool>,
    hashed: oneshot::Receiver<Hashed>,
    thread: Option<thread::JoinHandle<()>>,
    /// The entries being hashed.
    due: Vec<Due>,
}

impl Hashing {
    /// Starts hashing a batch.
    pub fn start(batch: Batch, health: Arc<Health>) -> Hashing {
        let cancelled = Arc::new(AtomicBool::new(false));
        let (told, hashed) = oneshot::channel();
        let (flag, due) = (cancelled.clone(), batch.due.clone());
        let work = move || {
            lower_priority(if batch.due.iter().all(is_small) { NICENESS_SMALL } else { NICENESS });
            // The receiver is gone only when the seeder ends.
            let _ = told.send(hash(batch, &health, &flag));
        };
        let thread = thread::Builder::new().name("publish".to_owned()).spawn(work);
        if let Err(error) = &thread {
            tracing::warn!(%error, "no thread to hash with");
        }
        Hashing { cancelled, hashed, thread: thread.ok(), due }
    }

    /// The number of entries.
    pub fn items(&self) -> usize {
        self.due.len()
    }

    /// Waits for the outcome.
    pub async fn hashed(&mut self) -> Hashed {
        if let Ok(hashed) = (&mut self.hashed).await {
            return hashed;
        }
        // The thread ended without an outcome, or never started.
        if let Some(Err(panic)) = self.thread.take().map(thread::JoinHandle::join) {
            resume_unwind(panic);
        }
        Hashed::Blocked("no thread to hash with".to_owned(), std::mem::take(&mut self.due))
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.cancelled.store(true, Relaxed);
        // The thread checks the flag after each run. Nobody waits for its outcome any more.
        if let Some(thread) = self.thread.take()
            && !ends_within(&thread, END_MAX)
        {
            tracing::warn!("hashing did not end in time, as the disk does not answer; it is abandoned");
        }
    }
}

/// Waits up to `most` for a thread to end. Returns whether it has ended. The system has no such
/// wait for threads.
fn ends_within<T>(thread: &thread::JoinHandle<T>, most: Duration) -> bool {
    let until = Instant::now() + most;
    while !thread.is_finished() && Instant::now() < until {
        thread::sleep(LOOK_EVERY);
    }
    thread.is_finished()
}

/// Lowers the priority of this thread. The hashing threads it starts inherit it; no other thread
/// changes.
fn lower_priority(niceness: i32) {
    // Linux keeps priorities by thread, and `None` means the calling thread.
    if let Err(error) = rustix::process::setpriority_process(None, niceness) {
        tracing::debug!(%error, "hashing goes on at ordinary priority");
    }
}

/// A hashed entry, and the `.torrent` to write for it.
struct Made {
    new: New,
    torrent: Vec<u8>,
}

fn hash(batch: Batch, health: &Health, cancelled: &AtomicBool) -> Hashed {
    let folder = match batch.root.open() {
        Ok(folder) => folder,
        Err(error) => return Hashed::Blocked(printable(&error.to_string()), batch.due),
    };
    // Check before hours of hashing: the root may be full or not writable.
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
            // The estimate was too low. That says nothing about these contents.
            Err(error) if is_full(&error) && !any => return blocked(&error, batch.due),
            Err(error) if is_full(&error) => outcomes[place] = Outcome::Cancelled,
            Err(error) => {
                let name = printable(&batch.due[place].torrent.to_string_lossy());
                outcomes[place] = Outcome::Failed(format!("cannot write {name}: {error}"));
            }
        }
    }
    // Entries without room are due again.
    outcomes.resize_with(batch.due.len(), || Outcome::Cancelled);
    Hashed::Done(batch.due.into_iter().zip(outcomes).collect())
}

/// Turns a panic while making an entry into an error of that entry. Everything else is still
/// served, and the entry is tried again when it has changed.
fn contained(make: impl FnOnce() -> Result<Made, Outcome>) -> Result<Made, Outcome> {
    let failed =
        |what| format!("an error in the program ({what}); please report it, with what was printed above");
    // `make` changes nothing but counters.
    catch_unwind(AssertUnwindSafe(make))
        .unwrap_or_else(|panic| Err(Outcome::Failed(failed(printable(&words(&*panic))))))
}

/// How many of these entries, from the first on, have room for their `.torrent`: all, half of them,
/// a quarter, and so on.
///
/// # Errors
/// If there is no room for even one.
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
        // The operator's choices for the old content still hold for its next version.
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
        // Whoever made the .torrent, it belongs to the content and stays. Writing it again makes it
        // as new as the data.
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
    /// Adds our signature to those already there.
    fn sign(&self, manifest: Manifest) -> Manifest {
        let Some(key) = &self.key else { return manifest };
        let theirs = manifest.signatures().good().to_vec();
        let all: Vec<Signature> = [key.sign(manifest.content())].into_iter().chain(theirs).collect();
        manifest.with_signatures(all)
    }
}

/// Whether a `.torrent` may still match the entry, by names and lengths.
fn may_be(old: &Manifest, due: &Due, prepared: &Prepared<'_>) -> bool {
    let theirs = old.files().iter().map(|file| (file.path.as_str(), file.length));
    due.name.to_str() == Some(old.name()) && theirs.eq(prepared.files())
}

fn outcome_of(error: PublishError) -> Outcome {
    match error {
        PublishError::Changed(_) | PublishError::Special(_) => Outcome::Changed,
        PublishError::Cancelled => Outcome::Cancelled,
        PublishError::NamedLikeItsFile(_) => {
            Outcome::Failed(printable(&format!("{error}; rename one of them")))
        }
        error => Outcome::Failed(printable(&error.to_string())),
    }
}

fn outcome_of_check(error: &VerifyError) -> Outcome {
    match error {
        VerifyError::Cancelled => Outcome::Cancelled,
        VerifyError::Io { .. } => Outcome::Failed(printable(&error.to_string())),
    }
}

/// Checks that a `.torrent` can be written at this place at all.
fn check_place(folder: &Folder, torrent: &OsString) -> Result<(), Outcome> {
    match folder.look(Path::new(torrent)) {
        Ok((Kind::Folder, _)) => {
            let torrent = printable(&torrent.to_string_lossy());
            Err(Outcome::Failed(format!("{torrent} is a folder; give that another name")))
        }
        _ => Ok(()),
    }
}

/// Checks that the entry still looks as it did when it was found finished; called before and after
/// hashing.
fn check_sighting(folder: &Folder, due: &Due, include: Include) -> Result<(), Outcome> {
    match Sighting::of(folder, &due.name, include) {
        Some(now) if now.is_exactly(&due.sighting) => Ok(()),
        _ => Err(Outcome::Changed),
    }
}

/// Reads a `.torrent` below a folder. Follows no link.
pub(crate) fn read_torrent(folder: &Folder, path: &Path) -> Result<Manifest, String> {
    let bytes = read_bytes(folder, path).map_err(|error| error.to_string())?;
    Manifest::parse(&bytes).map_err(|error| error.to_string())
}

/// Reads at most one byte more than a `.torrent` may have.
fn read_bytes(folder: &Folder, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    folder.file(path)?.take(TORRENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Counts hashed bytes, and logs the progress of a large entry.
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
        // A panic inside would leave only numbers behind, which stay valid.
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (before, said) = *state;
        // Threads report in any order.
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
