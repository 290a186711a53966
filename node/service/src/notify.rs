//! Messages to the service manager (sd_notify). Without a service manager nothing is sent. A
//! message that cannot be sent is no reason to stop serving.

use std::{process, time::Duration};

use sd_notify::NotifyState;

/// Tells that the service serves clients from now on.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells that the configuration is being read again; [`ready`] follows.
pub fn reloading() {
    // Type=notify-reload needs the time to match the reload with its end.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no time for the service manager"),
    }
}

/// Tells that shutdown has begun and may take this long.
pub fn stopping(grace: Duration) {
    let extend = u32::try_from(grace.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("finishing what is under way"),
        NotifyState::ExtendTimeoutUsec(extend),
    ]);
}

/// Tells that the service is still alive.
pub fn alive(status: &str) {
    tell(&[NotifyState::Watchdog, NotifyState::Status(status)]);
}

/// How long the service manager waits for [`alive`]. `None`: it does not wait.
pub fn watchdog() -> Option<Duration> {
    watchdog_of(&std::env::var("WATCHDOG_USEC").ok()?, std::env::var("WATCHDOG_PID").ok())
}

fn watchdog_of(micros: &str, pid: Option<String>) -> Option<Duration> {
    if pid.is_some_and(|pid| pid != process::id().to_string()) {
        return None;
    }
    micros.parse().ok().filter(|micros| *micros > 0).map(Duration::from_micros)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_ours_only_if_it_names_us() {
        let ours = process::id().to_string();
        let wait = |micros: &str, pid: Option<&str>| watchdog_of(micros, pid.map(str::to_owned));
        assert_eq!(wait("30000000", None), Some(Duration::from_secs(30)));
        assert_eq!(wait("30000000", Some(&ours)), Some(Duration::from_secs(30)));
        assert_eq!(wait("30000000", Some("1")), None);
        assert_eq!(wait("0", None), None);
        assert_eq!(wait("soon", None), None);
    }
}
