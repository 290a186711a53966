//! The threads that hash and use disks, so that the tasks that move the network never do.
//!
//! We start our own threads instead of using the runtime's blocking pool. We can bound their number
//! (the pool has hundreds, and shares them with name look-ups), we can wait for them at shutdown,
//! and they show under their own name. Jobs wait in one bounded queue. A caller that finds the
//! queue full waits, and so slows down the peer whose bytes it holds.
//!
//! A job that panics may leave the store in a broken state, and the same job would be asked for
//! again. So a panic ends the program ([`Vital`]). The exception is a job that only judges bytes
//! from a stranger and changes nothing: see [`Workers::judge`].

use std::{
    collections::VecDeque,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::sync::{Semaphore, oneshot};

use super::locked;
use crate::vital::{Vital, words};

/// The name of the task in the report of a panic.
const TASK: &str = "A disk thread";

/// Jobs that wait in the queue, for each thread: enough to keep it busy, few enough to hold little
/// memory.
const QUEUED_PER_THREAD_MAX: usize = 8;

type Job = Box<dyn FnOnce() + Send>;

/// Why a job gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WorkerError {
    /// The workers were shut down before the job ran.
    #[error("the disk workers have stopped")]
    Stopped,
    /// The job panicked; the workers go on.
    #[error("an error in the program: {0}")]
    Panicked(String),
}

/// A fixed number of threads that run blocking jobs. Clones share the threads.
#[derive(Clone)]
pub(crate) struct Workers {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue>,
    vital: Vital,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The queue of jobs for the threads.
struct Queue {
    waiting: Mutex<Waiting>,
    /// Signalled when there is a job, or when there will be no more.
    news: Condvar,
    /// One permit for each job that may still be queued. Closed at shutdown.
    room: Semaphore,
}

struct Waiting {
    jobs: VecDeque<Job>,
    /// Sleeping threads. If there are none, we wake nobody: small jobs come by the thousands, and a
    /// system call for each would cost more than the job.
    asleep: usize,
    /// Set at shutdown. The threads then finish the queued jobs, and end.
    stopped: bool,
}

impl Queue {
    fn new(room: usize) -> Queue {
        let waiting = Waiting { jobs: VecDeque::with_capacity(room), asleep: 0, stopped: false };
        Queue { waiting: Mutex::new(waiting), news: Condvar::new(), room: Semaphore::new(room) }
    }

    /// Waits for a place in the queue, and queues the job.
    async fn put(&self, job: Job) -> Result<(), WorkerError> {
        self.room.acquire().await.map_err(|_| WorkerError::Stopped)?.forget();
        let mut waiting = locked(&self.waiting);
        if waiting.stopped {
            return Err(WorkerError::Stopped);
        }
        waiting.jobs.push_back(job);
        let sleepers = waiting.asleep > 0;
        drop(waiting);
        if sleepers {
            self.news.notify_one();
        }
        Ok(())
    }

    /// Blocks until there is a job. `None`: the workers are shut down and the queue is empty.
    fn take(&self) -> Option<Job> {
        let mut waiting = locked(&self.waiting);
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                drop(waiting);
                self.room.add_permits(1);
                return Some(job);
            }
            if waiting.stopped {
                return None;
            }
            waiting.asleep += 1;
            waiting = self.news.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.asleep -= 1;
        }
    }

    fn stop(&self) {
        locked(&self.waiting).stopped = true;
        self.room.close();
        self.news.notify_all();
    }
}

impl Workers {
    /// Starts threads: one a core, at most eight, at least two, so that a slow disk does not stop
    /// all hashing.
    pub(crate) fn for_this_machine(vital: Vital) -> std::io::Result<Workers> {
        let cores = thread::available_parallelism().map_or(2, NonZero::get);
        Workers::start(cores.clamp(2, 8), vital)
    }

    /// Starts `threads` threads (at least one) whose panics are reported nowhere.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn new(threads: usize) -> std::io::Result<Workers> {
        Workers::start(threads, Vital::default())
    }

    fn start(threads: usize, vital: Vital) -> std::io::Result<Workers> {
        let threads = threads.max(1);
        let queue = Arc::new(Queue::new(threads * QUEUED_PER_THREAD_MAX));
        let start = |number: usize| {
            let queue = queue.clone();
            let name = format!("disk-{number}");
            thread::Builder::new().name(name).spawn(move || {
                while let Some(job) = queue.take() {
                    job();
                }
            })
        };
        let threads: std::io::Result<Vec<_>> = (0..threads).map(start).collect();
        // The threads that did start must not wait for ever.
        let threads = threads.inspect_err(|_| queue.stop())?;
        Ok(Workers { inner: Arc::new(Inner { queue, vital, threads: Mutex::new(threads) }) })
    }

    /// Runs a blocking job on one of the threads. Waits for a place in the queue first. If the
    /// caller stops waiting after that, the job runs all the same. A panic ends the program.
    ///
    /// # Errors
    /// See [`WorkerError`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkerError> {
        let vital = self.inner.vital.clone();
        self.hand_in(move || vital.watch(TASK, job)).await
    }

    /// Runs a job that judges what a stranger sent and changes nothing. A panic is only an error of
    /// this job: a stranger who finds one must not be able to end the program.
    ///
    /// # Errors
    /// See [`WorkerError`].
    pub(crate) async fn judge<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkerError> {
        self.hand_in(move || catch_unwind(AssertUnwindSafe(job))).await
    }

    async fn hand_in<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> thread::Result<T> + Send + 'static,
    ) -> Result<T, WorkerError> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            // If the caller no longer waits, the result is dropped.
            let _ = answer.send(job());
        });
        self.inner.queue.put(job).await?;
        match result.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => Err(WorkerError::Panicked(words(panic.as_ref()))),
            Err(_) => Err(WorkerError::Stopped),
        }
    }

    /// Takes no more jobs, finishes the queued ones, and waits for the threads to end. Blocks.
    pub(crate) fn shut_down(&self) {
        self.inner.queue.stop();
        let threads = std::mem::take(&mut *locked(&self.inner.threads));
        for thread in threads {
            // Jobs cannot unwind out of a thread: their panics were caught.
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    /// With no caller left, the threads end by themselves.
    fn drop(&mut self) {
        self.queue.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn jobs_run_at_once_on_as_many_threads_as_there_are() {
        let workers = Workers::new(3).unwrap();
        let meeting = Arc::new(Barrier::new(3));
        let jobs = (0..3).map(|number| {
            let (workers, meeting) = (workers.clone(), meeting.clone());
            async move {
                let job = move || {
                    meeting.wait();
                    number
                };
                workers.run(job).await
            }
        });
        let results = futures::future::join_all(jobs).await;
        assert_eq!(results, [Ok(0), Ok(1), Ok(2)]);
    }

    #[tokio::test]
    async fn a_panicking_job_takes_no_thread_with_it_and_is_told_unless_it_only_judges() {
        let vital = Vital::default();
        let workers = Workers::start(1, vital.clone()).unwrap();
        let panicked = Err::<(), _>(WorkerError::Panicked("on purpose".to_owned()));
        assert_eq!(workers.judge(|| panic!("on purpose")).await, panicked);
        assert_eq!(workers.run(|| 7).await, Ok(7));
        assert_eq!(vital.failure(), None);
        assert_eq!(workers.run(|| panic!("on purpose")).await, panicked);
        let failure = vital.failure().expect("it is told").to_string();
        assert!(failure.starts_with("A disk thread stopped") && failure.contains("on purpose"), "{failure}");
        assert_eq!(workers.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn shutdown_finishes_what_was_taken_and_then_takes_nothing() {
        let workers = Workers::new(1).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Barrier::new(2));
        let (first, closed) = (done.clone(), gate.clone());
        let job = workers.run(move || {
            closed.wait();
            first.fetch_add(1, Ordering::SeqCst);
        });
        let second = done.clone();
        let next = workers.run(move || second.fetch_add(1, Ordering::SeqCst));
        let (job, next) = (Box::pin(job), Box::pin(next));
        // Both are queued by their first poll, and the first one is held at the gate.
        let (job, next) = (poll_once(job).await, poll_once(next).await);
        let other = workers.clone();
        let shutdown = thread::spawn(move || other.shut_down());
        gate.wait();
        shutdown.join().unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 2);
        assert_eq!((job.await, next.await), (Ok(()), Ok(1)));
        assert_eq!(workers.run(|| ()).await, Err(WorkerError::Stopped));
    }

    async fn poll_once<F: Future + Unpin>(mut future: F) -> F {
        assert!(futures::poll!(&mut future).is_pending());
        future
    }
}
