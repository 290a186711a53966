//! A process under test: its output, its end, and the guarantee that it ends.
//!
//! Every wait has a limit and is woken by an event, a line or the end; nothing here sleeps.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions},
};

/// The most output of a process. More than any honest test prints.
const OUTPUT_BYTES_MAX: usize = 64 << 20;
/// Time from SIGKILL to the end of the process, on a busy machine.
const DEATH_TIMEOUT: Duration = Duration::from_secs(20);
const TAIL_LINES_MAX: usize = 30;

/// One of a process's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Data.
    Stdout,
    /// Everything else.
    Stderr,
}

#[derive(Debug, Default)]
struct State {
    lines: [Vec<String>; 2],
    bytes: [Vec<u8>; 2],
    streams_ended: usize,
    code: Option<i32>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A running process in its own process group. Dropping it kills the group and waits for its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    started: Instant,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command`; `name` is used in messages.
    pub fn start(name: &str, command: &mut Command) -> Process {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let pid = Pid::from_child(&child);
        let threads = vec![
            read(stdout, Stream::Stdout, Arc::clone(&shared)),
            read(stderr, Stream::Stderr, Arc::clone(&shared)),
            wait(child, pid, Arc::clone(&shared)),
        ];
        Process { name: name.to_owned(), pid, started, shared, threads }
    }

    /// When the process was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_pid() as u32
    }

    /// Waits until `find` returns a value for the lines of a stream so far. Panics with the output
    /// if the process ends first or `limit` passes.
    pub fn wait_for<T>(
        &self,
        what: &str,
        stream: Stream,
        limit: Duration,
        find: impl Fn(&[String]) -> Option<T>,
    ) -> T {
        match self.look_for(stream, limit, find) {
            Ok(found) => found,
            Err(why) => panic!("{} {why} before {what}\n{}", self.name, self.tail()),
        }
    }

    /// Like [`Process::wait_for`], but returns `None` if the process ends first or `limit` passes.
    pub fn wait_maybe<T>(
        &self,
        stream: Stream,
        limit: Duration,
        find: impl Fn(&[String]) -> Option<T>,
    ) -> Option<T> {
        self.look_for(stream, limit, find).ok()
    }

    fn look_for<T>(
        &self,
        stream: Stream,
        limit: Duration,
        find: impl Fn(&[String]) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state.lines[stream as usize]) {
                return Ok(found);
            }
            if let (Some(code), 2) = (state.code, state.streams_ended) {
                return Err(format!("ended with code {code}"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("took more than {limit:?}"));
            }
            state = self.pause(state, left);
        }
    }

    /// Waits for the end. Returns the exit code, or 128 plus the number of the signal that ended
    /// the process.
    pub fn wait_exit(&self, limit: Duration) -> i32 {
        match self.exit_within(limit) {
            Some(code) => code,
            None => panic!("{} still runs after {limit:?}\n{}", self.name, self.tail()),
        }
    }

    /// The exit code, if the process ends and all its output is read within `limit`.
    pub fn exit_within(&self, limit: Duration) -> Option<i32> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let (Some(code), 2) = (state.code, state.streams_ended) {
                return Some(code);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.pause(state, left);
        }
    }

    /// Sends a signal; does nothing if the process has ended.
    pub fn signal(&self, signal: Signal) {
        // The process is reaped under the same lock, so the id cannot belong to another process
        // now.
        let state = self.lock();
        if state.code.is_none() {
            rustix::process::kill_process(self.pid, signal).expect("our own process takes signals");
        }
    }

    /// Sends SIGKILL, and waits for the end of the process.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        self.wait_exit(DEATH_TIMEOUT);
    }

    /// Asserts that no process of the group is left: the process started none that outlived it.
    pub fn assert_group_gone(&self) {
        let probe = rustix::process::test_kill_process_group(self.pid);
        assert_eq!(probe, Err(Errno::SRCH), "{} left a process behind", self.name);
    }

    /// The lines so far, without line ends.
    pub fn lines(&self, stream: Stream) -> Vec<String> {
        self.lock().lines[stream as usize].clone()
    }

    /// The bytes so far, unchanged.
    pub fn bytes(&self, stream: Stream) -> Vec<u8> {
        self.lock().bytes[stream as usize].clone()
    }

    /// The last lines of both streams, for messages.
    pub fn tail(&self) -> String {
        let state = self.lock();
        let last = |lines: &[String]| lines[lines.len().saturating_sub(TAIL_LINES_MAX)..].join("\n  ");
        let [stdout, stderr] = [&state.lines[0], &state.lines[1]].map(|lines| last(lines));
        format!("--- {} stdout\n  {stdout}\n--- {} stderr\n  {stderr}", self.name, self.name)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }

    fn pause<'a>(&'a self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        let woken = self.shared.changed.wait_timeout(state, limit);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let gone = self.exit_within(DEATH_TIMEOUT).is_some();
        if std::thread::panicking() {
            return;
        }
        assert!(gone, "{} survives SIGKILL", self.name);
        for thread in self.threads.drain(..) {
            thread.join().expect("readers do not panic");
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(source: impl Read + Send + 'static, stream: Stream, shared: Arc<Shared>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        // A broken pipe ends like a closed one.
        while source.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let mut state = lock(&shared);
            let bytes = &mut state.bytes[stream as usize];
            assert!(bytes.len() + line.len() < OUTPUT_BYTES_MAX, "endless output");
            bytes.extend_from_slice(&line);
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            state.lines[stream as usize].push(text);
            shared.changed.notify_all();
            line.clear();
        }
        lock(&shared).streams_ended += 1;
        shared.changed.notify_all();
    })
}

fn wait(mut child: Child, pid: Pid, shared: Arc<Shared>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        // The process has ended but is not reaped yet. It is reaped under the lock, so that no
        // signal can hit another process.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), options) {}
        let mut state = lock(&shared);
        let status = child.wait().expect("our own child can be waited for");
        state.code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        shared.changed.notify_all();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Process {
        Process::start("sh", Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn lines_and_exit_codes_arrive() {
        let process = shell("echo one; echo two >&2; printf three; exit 3");
        assert_eq!(process.wait_exit(LIMIT), 3);
        assert_eq!(process.lines(Stream::Stdout), ["one", "three"]);
        assert_eq!(process.bytes(Stream::Stderr), b"two\n");
        process.assert_group_gone();
    }

    #[test]
    fn a_signal_is_an_exit_code_too() {
        let process = shell("echo ready; read never </dev/tty || while :; do :; done");
        process.wait_for("ready", Stream::Stdout, LIMIT, |lines| (lines == ["ready"]).then_some(()));
        process.signal(Signal::INT);
        process.kill();
        assert!([128 + 2, 128 + 9].contains(&process.wait_exit(LIMIT)));
    }

    #[test]
    #[should_panic(expected = "ended with code 0 before the impossible")]
    fn waiting_for_a_line_ends_with_the_process() {
        shell("echo no").wait_for("the impossible", Stream::Stdout, LIMIT, |_| None::<()>);
    }

    #[test]
    #[should_panic(expected = "left a process behind")]
    fn a_process_left_behind_is_noticed() {
        let process = shell("exec >/dev/null 2>&1; tail -f /dev/null & exit 0");
        assert_eq!(process.wait_exit(LIMIT), 0);
        let check = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| process.assert_group_gone()));
        rustix::process::kill_process_group(process.pid, Signal::KILL).expect("the group is there");
        if let Err(panic) = check {
            std::panic::resume_unwind(panic);
        }
    }
}
