//! Job control: whether this process owns the terminal at the moment.

use std::os::fd::AsFd;

use rustix::{
    process::{getpgrp, getpid, getppid, getsid},
    termios::tcgetpgrp,
};

/// Whether this process may read from the terminal and draw on it. Also true if the system names no
/// owner of the terminal.
pub(super) fn is_in_foreground(terminal: &impl AsFd) -> bool {
    tcgetpgrp(terminal).map_or(true, |group| group == getpgrp())
}

/// Whether a shell in our session can continue this process after a stop.
pub(crate) fn can_be_continued() -> bool {
    let Ok(ours) = getsid(None) else { return false };
    ours != getpid() && getppid().is_some_and(|parent| getsid(Some(parent)) == Ok(ours))
}
