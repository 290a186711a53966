//! What the keys of a running `get` do.

use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::watch;

use crate::screen::{KEYS, Key, Keys, Screen};

/// Keys are read for as long as this is held; without a terminal nothing is.
pub(super) struct Pressed {
    peers: watch::Receiver<bool>,
    _keys: Option<Keys>,
}

impl Pressed {
    /// Begins to read keys, unless standard input is for something else.
    pub(super) fn begin(screen: &Screen, input_is_taken: bool) -> Pressed {
        let (shown, peers) = watch::channel(false);
        let says = screen.clone();
        let press = move |key| match key {
            Key::Peers => shown.send_modify(|shown| *shown = !*shown),
            Key::Help => says.say(KEYS),
            // As Ctrl-C does: the first time politely, the second time at once. That a process may signal itself is certain.
            Key::Quit => {
                let _ = kill_process(getpid(), Signal::INT);
            }
        };
        let keys = if input_is_taken { None } else { screen.keys(press) };
        Pressed { peers, _keys: keys }
    }

    /// Whether the list of peers is to be shown.
    pub(super) fn peers(&self) -> watch::Receiver<bool> {
        self.peers.clone()
    }
}
