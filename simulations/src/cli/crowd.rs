//! Several jobs on several threads. Each job is deterministic by itself, so the results are the same
//! whatever the number of threads.

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use super::error::CliError;

/// Threads without `--jobs`, where there are so many cores: a world needs memory, too.
const THREADS_USUAL_MAX: usize = 2;

/// As many threads as asked for; else as many as there are cores, up to two.
pub(super) fn threads(asked: Option<u8>) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    asked.map_or(cores.min(THREADS_USUAL_MAX), usize::from)
}

/// Does all jobs, and gives their results in the order of the jobs.
///
/// # Errors
/// The error of the first job, in this order, that failed. No job begins after that.
pub(super) fn each<J: Sync, T: Send>(
    jobs: &[J],
    threads: usize,
    work: impl Fn(usize, &J) -> Result<T, CliError> + Sync,
) -> Result<Vec<T>, CliError> {
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                while !stopped.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(number) else { break };
                    let result = work(number, job);
                    stopped.fetch_or(result.is_err(), Ordering::Relaxed);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let jobs: Vec<usize> = (0..50).collect();
        let doubled = each(&jobs, 3, |_, job| Ok(job * 2)).unwrap();
        assert_eq!(doubled, (0..50).map(|job| job * 2).collect::<Vec<_>>());
        assert!(each(&[] as &[u8], 2, |_, _| Ok(())).unwrap().is_empty());
    }

    #[test]
    fn after_a_failure_no_job_begins() {
        let jobs: Vec<usize> = (0..50).collect();
        let begun = AtomicUsize::new(0);
        let failed = each(&jobs, 1, |_, &job| {
            begun.fetch_add(1, Ordering::Relaxed);
            if job == 3 { Err(CliError::Failed("three".to_owned())) } else { Ok(()) }
        });
        assert_eq!(failed.unwrap_err().to_string(), "three");
        assert_eq!(begun.into_inner(), 4);
    }
}
