//! The runtime that carries a node's network tasks.

use std::{io, num::NonZero, thread};

use tokio::runtime::{Builder, Runtime};

/// The most threads for the network. One moves about a gigabyte a second.
const THREADS_MAX: usize = 4;

/// A runtime with one thread for every second core, at most four. The node's disk threads hash,
/// read and write on the other half of the machine. More threads than cores would only take turns
/// and keep memory of their own.
///
/// # Errors
/// If the system gives no thread.
pub fn runtime() -> io::Result<Runtime> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread().worker_threads((cores / 2).clamp(1, THREADS_MAX)).enable_all().build()
}
