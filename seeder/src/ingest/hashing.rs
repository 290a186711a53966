//! Hashing what is due, one thing at a time, beside serving and never in its way: with half the cores, at the
//! lowest priority, on a thread of its own.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use nearcast_core::{manifest::Manifest, paths::printable};
use nearcast_node::publish::{PublishError, PublishOptions, publish, replace_file};
use tokio::sync::oneshot;

use super::Due;
use crate::health::Health;

/// The nicest there is.
const NICENESS: i32 = 19;
/// Progress of something large is said this often.
const SAID_EVERY: Duration = Duration::from_secs(15);

/// What became of something due.
#[derive(Debug)]
pub enum Outcome {
    /// It has its `.torrent`.
    Published(Arc<Manifest>),
    /// Somebody changed it meanwhile.
    Changed,
    /// It cannot be published; the sentence is safe for logs.
    Failed(String),
    /// As asked.
    Cancelled,
}

/// One thing being hashed. Dropped, it stops soon.
pub struct Hashing {
    cancelled: Arc<AtomicBool>,
    outcome: oneshot::Receiver<Outcome>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Hashing {
    /// Begins.
    pub fn start(due: Due, health: Arc<Health>) -> Hashing {
        let cancelled = Arc::new(AtomicBool::new(false));
        let (told, outcome) = oneshot::channel();
        let flag = cancelled.clone();
        let work = move || {
            lower_priority();
            // Who no longer waits knows that the seeder ends.
            let _ = told.send(hash(&due, &health, &flag));
        };
        let thread = thread::Builder::new().name("publish".to_owned()).spawn(work);
        if let Err(error) = &thread {
            tracing::warn!(%error, "no thread to hash with");
        }
        Hashing { cancelled, outcome, thread: thread.ok() }
    }

    /// Waits for the end.
    pub async fn outcome(&mut self) -> Outcome {
        let no_thread = |_| Outcome::Failed("no thread to hash with".to_owned());
        (&mut self.outcome).await.unwrap_or_else(no_thread)
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.cancelled.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // It looks at the flag after each run; its panic would have been told by the missing outcome.
            let _ = thread.join();
        }
    }
}

/// The thread's own priority: those it starts to hash with inherit it, and no other thread is touched.
fn lower_priority() {
    // Linux keeps priorities by thread, and "none" is whoever calls.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "hashing goes on at ordinary priority");
    }
}

fn hash(due: &Due, health: &Health, cancelled: &AtomicBool) -> Outcome {
    let name = printable(&due.path.file_name().unwrap_or_default().to_string_lossy());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let old = std::fs::read(&due.torrent).ok().and_then(|bytes| Manifest::parse(&bytes).ok());
    let options = PublishOptions {
        threads: Some(cores.div_ceil(2)),
        // What the operator said of the content still holds for its next version.
        web_seeds: old.map_or_else(Vec::new, |old| old.web_seeds().to_vec()),
        ..PublishOptions::default()
    };
    let progress = Progress::new(&name, health);
    match publish(&due.path, options, &|done, total| progress.set(done, total), cancelled) {
        Ok(published) => {
            for skipped in &published.skipped {
                tracing::info!("left out {}: not a regular file", printable(&skipped.to_string_lossy()));
            }
            match replace_file(&due.torrent, &published.manifest.to_torrent()) {
                Ok(()) => Outcome::Published(Arc::new(published.manifest)),
                Err(error) => Outcome::Failed(cannot_write(&due.torrent, &error)),
            }
        }
        Err(PublishError::Changed(_)) => Outcome::Changed,
        Err(PublishError::Cancelled) => Outcome::Cancelled,
        Err(error) => Outcome::Failed(printable(&error.to_string())),
    }
}

fn cannot_write(torrent: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", printable(&torrent.to_string_lossy()))
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
