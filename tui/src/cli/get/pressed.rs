//! What the keys do during `get`.

use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::watch;

use crate::screen::{KEYS, Key, Keys, Screen};

/// Keys are read while this exists; without a terminal none are read.
pub(super) struct Pressed {
    peers: watch::Receiver<bool>,
    _keys: Option<Keys>,
}

impl Pressed {
    /// Starts to read keys, unless standard input is used for something else.
    pub(super) fn begin(screen: &Screen, input_is_taken: bool) -> Pressed {
        let (shown, peers) = watch::channel(false);
        let says = screen.clone();
        let press = move |key| match key {
            Key::Peers => shown.send_modify(|shown| *shown = !*shown),
            Key::Help => says.say(KEYS),
            // Acts like Ctrl-C: the first time the end is orderly, the second time immediate. A
            // process may always signal itself.
            Key::Quit => {
                let _ = kill_process(getpid(), Signal::INT);
            }
        };
        let keys = if input_is_taken { None } else { screen.keys(press) };
        Pressed { peers, _keys: keys }
    }

    /// Whether to show the list of peers.
    pub(super) fn peers(&self) -> watch::Receiver<bool> {
        self.peers.clone()
    }
}
