//! Tasks that a program cannot do without. A panic in one of them is reported at once, so that the
//! program ends with an error instead of going on deaf. A panic in a task that serves one
//! connection is not reported here: it ends only that connection.
//!
//! Work on other threads is watched in the same way. A panic there gives no result; a waiter would
//! take that for an error of the disk or the network, and try again for ever.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use futures::FutureExt;
use tokio::sync::watch;

/// A vital task failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{task} stopped because of an error in the program ({what}); please report it, with what was printed above"
)]
pub struct Failure {
    task: &'static str,
    what: String,
}

/// Watches vital tasks. Clones watch the same tasks.
#[derive(Clone, Debug)]
pub struct Vital(Arc<watch::Sender<Option<Failure>>>);

impl Default for Vital {
    fn default() -> Vital {
        Vital(Arc::new(watch::Sender::new(None)))
    }
}

impl Vital {
    /// Runs `work` and returns its result. `None`: it panicked, and [`Vital::failed`] reports that.
    /// `task` begins a sentence.
    pub fn guard<T: Send + 'static>(
        &self,
        task: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let vital = self.clone();
        // Boxed: some tasks are large, and all live long.
        let work = Box::pin(faulty(task, work));
        async move {
            // Unwind-safe: the state of a task that panicked is not used again.
            match AssertUnwindSafe(work).catch_unwind().await {
                Ok(done) => Some(done),
                Err(panic) => {
                    vital.fail(task, &*panic);
                    None
                }
            }
        }
    }

    /// Runs `work` on a blocking thread and returns its result. `None`: it panicked, or the runtime
    /// goes down. A panic is reported at once, whether or not the result is still awaited.
    pub fn blocking<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
        &self,
        task: &'static str,
        work: W,
    ) -> impl Future<Output = Option<T>> + Send + use<T, W> {
        let vital = self.clone();
        let done = tokio::task::spawn_blocking(move || vital.watch(task, work).ok());
        async move { done.await.ok().flatten() }
    }

    /// Runs `work` on this thread. A panic is reported, and returned.
    pub(crate) fn watch<T>(&self, task: &'static str, work: impl FnOnce() -> T) -> thread::Result<T> {
        // Unwind-safe: the state of work that panicked is not used again, as the program ends.
        let done = catch_unwind(AssertUnwindSafe(|| {
            fail_if_asked(task);
            work()
        }));
        done.inspect_err(|panic| self.fail(task, &**panic))
    }

    fn fail(&self, task: &'static str, panic: &(dyn Any + Send)) {
        let what = words(panic).lines().next().unwrap_or_default().to_owned();
        self.0.send_if_modified(|failure| {
            let is_first = failure.is_none();
            failure.get_or_insert(Failure { task, what });
            is_first
        });
    }

    /// Waits until one of the tasks fails. Returns the first failure.
    pub async fn failed(&self) -> Failure {
        let mut seen = self.0.subscribe();
        let failure = seen.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone());
        match failure {
            Some(failure) => failure,
            // `self` holds the sender, so the channel cannot close.
            None => std::future::pending().await,
        }
    }

    /// As [`Vital::failed`], for several.
    pub async fn any_failed(all: &[Vital]) -> Failure {
        if all.is_empty() {
            return std::future::pending().await;
        }
        futures::future::select_all(all.iter().map(|vital| Box::pin(vital.failed()))).await.0
    }

    /// The first failure. `None`: no task failed.
    pub fn failure(&self) -> Option<Failure> {
        self.0.borrow().clone()
    }
}

/// The message of a panic.
pub fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

/// The environment variable that names the task to fail, in debug builds only. Tests of whole
/// programs use it.
#[cfg(debug_assertions)]
const FAULT: &str = "NEARCAST_FAULT";
/// How long the task runs before it fails.
#[cfg(debug_assertions)]
const FAULT_AFTER: std::time::Duration = std::time::Duration::from_millis(300);

#[cfg(debug_assertions)]
async fn faulty<T>(task: &'static str, work: impl Future<Output = T>) -> T {
    if std::env::var_os(FAULT).is_none_or(|wanted| wanted != task) {
        return work.await;
    }
    match tokio::time::timeout(FAULT_AFTER, work).await {
        Ok(done) => done,
        Err(_) => panic!("a fault that was asked for"),
    }
}

#[cfg(debug_assertions)]
fn fail_if_asked(task: &'static str) {
    assert!(std::env::var_os(FAULT).is_none_or(|wanted| wanted != task), "a fault that was asked for");
}

#[cfg(not(debug_assertions))]
fn fail_if_asked(_: &'static str) {}

#[cfg(not(debug_assertions))]
async fn faulty<T>(_: &'static str, work: impl Future<Output = T>) -> T {
    work.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_on_another_thread_is_told_also_when_nobody_waits_for_it() {
        let vital = Vital::default();
        assert_eq!(vital.blocking("A thread that ends", || 7).await, Some(7));
        assert_eq!(vital.failure(), None);
        drop(vital.blocking::<(), _>("The thread", || panic!("{} lines\nin all", 2)));
        let failure = tokio::time::timeout(std::time::Duration::from_secs(30), vital.failed()).await;
        let line = failure.expect("it is told").to_string();
        assert!(line.starts_with("The thread stopped") && line.contains("(2 lines)"), "{line}");
    }

    #[tokio::test]
    async fn the_first_panic_is_told_to_all_and_a_task_that_ends_is_none() {
        let vital = Vital::default();
        assert_eq!(vital.guard("A task that ends", async { 7 }).await, Some(7));
        assert_eq!(vital.failure(), None);
        let broken = vital.guard("The first task", async { panic!("one line\nand another") });
        let waiting = tokio::spawn({
            let vital = vital.clone();
            async move { Vital::any_failed(&[Vital::default(), vital]).await }
        });
        assert_eq!(tokio::spawn(broken).await.expect("the panic is contained"), None);
        let late = vital.guard("The second task", async { panic!("too late") });
        assert_eq!(late.await, None::<()>);
        let failure = waiting.await.unwrap();
        assert_eq!(vital.failure(), Some(failure.clone()));
        let line = failure.to_string();
        assert!(
            line.starts_with("The first task stopped") && line.contains("one line") && !line.contains('\n')
        );
    }
}
