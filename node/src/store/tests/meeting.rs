//! Several disk threads that use one file at the same time.

use std::sync::{
    Barrier,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

/// Each file is one chance for the threads to meet.
const MEETINGS: usize = 400;
/// As many threads as a file has runs.
const THREADS: usize = 4;

#[test]
fn threads_that_first_write_to_a_new_file_at_once_make_it_once() {
    let run_bytes = 16 * KIB;
    let (manifest, data) = content(run_bytes, &[THREADS as u64 * run_bytes; MEETINGS]);
    let temp = tempfile::tempdir().unwrap();
    let store = open(&manifest, temp.path()).store;
    let (all, meeting, refused) = (runs(&manifest), Barrier::new(THREADS), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, meeting, refused) = (&store, &meeting, &refused);
            let mine = all.iter().skip(thread).step_by(THREADS);
            let mine: Vec<_> = mine.map(|&run| data.verified(&manifest, run)).collect();
            scope.spawn(move || {
                for run in &mine {
                    meeting.wait();
                    // A refused thread goes on, so that the others do not wait for it.
                    refused.fetch_add(store.put(run).is_err().into(), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(refused.into_inner(), 0, "runs refused");
    store.finish().unwrap();
    assert!(data.is_in(&manifest, temp.path()));
}
