//! The signals that end a process, the first politely, the second now; and the one that asks it to read its
//! configuration again.

use std::{future, io};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// What somebody sent us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: a service manager, or `kill`.
    Terminate,
}

/// Tells of SIGINT and SIGTERM until the runtime ends. Clones see the same signals, also those
/// that came before they were cloned.
#[derive(Clone, Debug)]
pub struct Signals {
    /// The first two; what follows changes nothing.
    received: watch::Receiver<[Option<Signal>; 2]>,
}

impl Signals {
    /// Takes both signals over from their defaults, which end the process at once. So does SIGXFSZ, the default answer
    /// to a write beyond `ulimit -f`: it is taken over too, and then the write fails and can be told of.
    ///
    /// # Errors
    /// When the system refuses to install a handler. Must be called inside a tokio runtime.
    pub fn listen() -> io::Result<Signals> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // The handler stays for as long as the process; nobody needs to hear of it.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        let (sender, received) = watch::channel([None; 2]);
        tokio::spawn(async move {
            loop {
                let next = tokio::select! {
                    _ = interrupt.recv() => Signal::Interrupt,
                    _ = terminate.recv() => Signal::Terminate,
                };
                sender.send_modify(|[first, second]| match first {
                    None => *first = Some(next),
                    Some(_) => *second = second.or(Some(next)),
                });
            }
        });
        Ok(Signals { received })
    }

    /// Resolves when the first signal has come: save state and leave.
    pub async fn first(&self) -> Signal {
        self.nth(0).await
    }

    /// Whether one has come.
    pub fn has_come(&self) -> bool {
        self.received.borrow()[0].is_some()
    }

    /// Resolves when a second signal has come: leave at once.
    pub async fn second(&self) -> Signal {
        self.nth(1).await
    }

    async fn nth(&self, index: usize) -> Signal {
        let mut received = self.received.clone();
        let signal = received.wait_for(|received| received[index].is_some()).await;
        match signal.ok().and_then(|received| received[index]) {
            Some(signal) => signal,
            // The listener is gone with its runtime: no signal will come any more.
            None => future::pending().await,
        }
    }
}

/// Tells of SIGHUP: read the configuration again.
#[derive(Debug)]
pub struct Reloads(tokio::signal::unix::Signal);

impl Reloads {
    /// Takes the signal over from its default, which ends the process.
    ///
    /// # Errors
    /// When the system refuses to install a handler. Must be called inside a tokio runtime.
    pub fn listen() -> io::Result<Reloads> {
        signal(SignalKind::hangup()).map(Reloads)
    }

    /// Resolves when one has come; several that came at once count as one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // The listener is gone with its runtime: no signal will come any more.
            future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
