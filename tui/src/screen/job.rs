//! Where this process stands among the jobs of a shell: whether the terminal is its own at the moment.

use std::os::fd::AsFd;

use rustix::{
    process::{getpgrp, getpid, getppid, getsid},
    termios::tcgetpgrp,
};

/// Whether we may read from this terminal, and draw on it. One that is nobody's is ours.
pub(super) fn is_in_foreground(terminal: &impl AsFd) -> bool {
    tcgetpgrp(terminal).map_or(true, |group| group == getpgrp())
}

/// Whether somebody is there who continues us when we stop: a shell in our session.
pub(super) fn can_be_continued() -> bool {
    let Ok(ours) = getsid(None) else { return false };
    ours != getpid() && getppid().is_some_and(|parent| getsid(Some(parent)) == Ok(ours))
}
