//! A real terminal: a shell in tmux, keys that are typed, a size that changes, and the visible
//! text.

use std::{
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{cluster::PATIENCE, place::Place};

/// How often the text is read; a terminal does not report changes.
const LOOK: Duration = Duration::from_millis(50);

/// A shell with job control in its own terminal. Dropping it closes the terminal.
#[derive(Debug)]
pub struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Opens a terminal of this size. `None`: tmux is not installed, which is printed.
    pub fn open(place: &Place, columns: u16, rows: u16) -> Option<Terminal> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: tmux is not installed");
            return None;
        }
        let terminal = Terminal { socket: place.path().join("terminal") };
        let size = [columns.to_string(), rows.to_string()];
        let shell = place.nearcast();
        let home = place.folder("home");
        let mut command = terminal.command();
        // The shell inherits the environment of the tmux server, which this command starts.
        for (name, value) in shell.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env_remove("TMUX").env("PS1", "$ ").env("ENV", "/dev/null").current_dir(&home);
        command.args(["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1], "sh", "-i"]);
        let output = command.output().expect("tmux can be run");
        assert!(output.status.success(), "tmux: {}", String::from_utf8_lossy(&output.stderr));
        terminal.wait("a prompt", |lines| lines.iter().any(|line| line == "$").then_some(()));
        Some(terminal)
    }

    /// Types a line, and Enter.
    pub fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.key("Enter");
    }

    /// Presses a key, given by its tmux name.
    pub fn key(&self, name: &str) {
        self.tmux(&["send-keys", name]);
    }

    /// Changes the size of the terminal.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// All lines on the terminal and in its scroll-back, without trailing blanks.
    pub fn lines(&self) -> Vec<String> {
        let text = self.tmux(&["capture-pane", "-p", "-S", "-"]);
        let lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        let end = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        lines[..end].to_vec()
    }

    /// Waits until `find` returns a value.
    pub fn wait<T>(&self, what: &str, find: impl Fn(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.lines();
            if let Some(found) = find(&lines) {
                return found;
            }
            assert!(Instant::now() < deadline, "took more than {PATIENCE:?}: {what}\n{}", lines.join("\n"));
            thread::sleep(LOOK);
        }
    }

    /// Waits until a line contains `text`.
    pub fn wait_text(&self, text: &str) {
        self.wait(text, |lines| lines.iter().any(|line| line.contains(text)).then_some(()));
    }

    /// Asserts that the shell has the terminal as it wants it: whole lines, with echo, on the first of
    /// the two screens.
    ///
    /// # Panics
    /// If not.
    pub fn assert_is_of_the_shell(&self, mark: &str) {
        let modes = "stty -a | tr ' ' '\\n' | grep -x -e icanon -e -icanon -e echo -e -echo";
        self.line(&format!("echo; echo modes {mark}; {modes}"));
        let modes = self.wait("the modes", |lines| {
            let told = lines.iter().rposition(|line| *line == format!("modes {mark}"))?;
            Some([lines.get(told + 1)?.clone(), lines.get(told + 2)?.clone()])
        });
        assert_eq!(modes, ["icanon", "echo"], "{mark}");
        let other = self.tmux(&["display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}"]);
        assert_eq!(other.trim(), "0 0 1", "{mark}: the screen, the mouse and the cursor are given back");
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(&self.socket);
        command
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().expect("tmux can be run");
        let (out, error) = (output.stdout, String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "tmux {arguments:?}: {error}");
        String::from_utf8(out).expect("what is seen is text")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Programs in the terminal get SIGHUP. The server may have ended already.
        let _ = self.command().arg("kill-server").output();
    }
}
