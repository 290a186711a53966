//! The signals that end a process: the first asks it to stop, the second ends it at once. Also the
//! signal that asks for a reload of the configuration.

use std::{future, io};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: a service manager, or `kill`.
    Terminate,
    /// SIGHUP: the terminal was closed, or its connection broke. Services reload their
    /// configuration instead.
    Hangup,
}

/// Reports SIGINT and SIGTERM until the runtime ends. Clones see the same signals, including those
/// that came before the clone.
#[derive(Clone, Debug)]
pub struct Signals {
    /// The first two signals. Later ones change nothing.
    received: watch::Receiver<[Option<Signal>; 2]>,
}

impl Signals {
    /// Replaces the default handlers of both signals, which end the process at once. Also replaces
    /// the handler of SIGXFSZ, which a write beyond `ulimit -f` raises: the write then fails, and
    /// the error can be reported.
    ///
    /// # Errors
    /// If the system refuses to install a handler. Must be called inside a tokio runtime.
    pub fn listen() -> io::Result<Signals> {
        Signals::listen_to(None)
    }

    /// As [`Signals::listen`], with SIGHUP, for programs that end with their terminal. SIGHUP stays
    /// ignored if the process was started so (nohup).
    ///
    /// # Errors
    /// As [`Signals::listen`].
    pub fn listen_at_terminal() -> io::Result<Signals> {
        let hangup = if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Signals::listen_to(hangup)
    }

    fn listen_to(mut hangup: Option<tokio::signal::unix::Signal>) -> io::Result<Signals> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // The handler stays as long as the process; nobody needs to hear the signal.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        let (sender, received) = watch::channel([None; 2]);
        tokio::spawn(async move {
            loop {
                let next = tokio::select! {
                    _ = interrupt.recv() => Signal::Interrupt,
                    _ = terminate.recv() => Signal::Terminate,
                    () = next_of(&mut hangup) => Signal::Hangup,
                };
                sender.send_modify(|[first, second]| match first {
                    None => *first = Some(next),
                    Some(_) => *second = second.or(Some(next)),
                });
            }
        });
        Ok(Signals { received })
    }

    /// Resolves when the first signal arrives: save state and leave.
    pub async fn first(&self) -> Signal {
        self.nth(0).await
    }

    /// Whether a signal has arrived.
    pub fn has_come(&self) -> bool {
        self.received.borrow()[0].is_some()
    }

    /// Resolves when the second signal arrives: leave at once.
    pub async fn second(&self) -> Signal {
        self.nth(1).await
    }

    async fn nth(&self, index: usize) -> Signal {
        let mut received = self.received.clone();
        let signal = received.wait_for(|received| received[index].is_some()).await;
        match signal.ok().and_then(|received| received[index]) {
            Some(signal) => signal,
            // The listener ended with its runtime: no further signal will arrive.
            None => future::pending().await,
        }
    }
}

/// Resolves when the signal arrives. Never resolves if there is no listener, or if no further
/// signal can arrive.
async fn next_of(signal: &mut Option<tokio::signal::unix::Signal>) {
    let came = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if came.is_none() {
        future::pending().await
    }
}

/// Whether this process was started with SIGHUP ignored, according to the kernel.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores(&status, rustix::process::Signal::HUP.as_raw())
}

/// Whether `/proc/self/status` says that a signal is ignored. `SigIgn` is a hexadecimal mask with
/// signal 1 in its lowest bit.
fn ignores(status: &str, number: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    let place = u32::try_from(number).ok().and_then(|number| number.checked_sub(1));
    place.and_then(|place| 1_u64.checked_shl(place)).is_some_and(|bit| mask & bit != 0)
}

/// Reports SIGHUP: reload the configuration.
#[derive(Debug)]
pub struct Reloads(tokio::signal::unix::Signal);

impl Reloads {
    /// Replaces the default handler, which ends the process.
    ///
    /// # Errors
    /// If the system refuses to install a handler. Must be called inside a tokio runtime.
    pub fn listen() -> io::Result<Reloads> {
        signal(SignalKind::hangup()).map(Reloads)
    }

    /// Resolves when a SIGHUP arrives. Several at once count as one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // The listener ended with its runtime: no further signal will arrive.
            future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_the_kernel_says_is_ignored_is_read() {
        let status = |mask: &str| format!("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(ignores(&status("0000000000000001"), 1));
        assert!(!ignores(&status("0000000000001000"), 1) && ignores(&status("0000000000001000"), 13));
        assert!(!ignores("", 1) && !ignores(&status("junk"), 1));
    }

    /// A process has one set of handlers, so one test raises all signals.
    #[tokio::test]
    async fn first_and_second_signals_are_told_in_order() {
        let signals = Signals::listen().unwrap();
        let early = tokio::time::timeout(Duration::from_millis(20), signals.first()).await;
        assert!(early.is_err(), "nothing was sent yet");
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::TERM).unwrap();
        assert_eq!(signals.first().await, Signal::Terminate);
        assert!(signals.has_come());
        let early = tokio::time::timeout(Duration::from_millis(20), signals.second()).await;
        assert!(early.is_err(), "only one was sent yet");
        rustix::process::kill_process(me, rustix::process::Signal::INT).unwrap();
        assert_eq!(signals.second().await, Signal::Interrupt);
        assert_eq!(signals.clone().first().await, Signal::Terminate);
    }
}
