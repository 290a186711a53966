//! Plays a content in another program: `nearcast play`, as a child of this process.

use std::{
    env, io,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle, spawn_blocking},
    time::timeout,
};

use super::wish::Wish;
use crate::source::Named;

/// The command that plays.
pub(crate) const COMMAND: &str = "play";
/// How long a player may take to end when the screen does.
const GRACE: Duration = Duration::from_secs(1);
/// The longest line of its output that is kept, in bytes.
const LINE_BYTES_MAX: u64 = 4_096;

/// Plays until the player ends, or `ended` says that the screen does. `torrent`: where the copy of
/// a `.torrent` lies.
///
/// # Errors
/// A sentence: why it did not play.
pub(crate) async fn play(
    wish: &Wish,
    torrent: Option<PathBuf>,
    mut ended: watch::Receiver<bool>,
) -> Result<(), String> {
    let source = match (&wish.named, torrent) {
        (Named::Link(magnet), _) => magnet.to_string().into(),
        (Named::Torrent(_), Some(path)) => path.into_os_string(),
        (Named::Torrent(_), None) => {
            return Err("there is no state folder to keep the .torrent in".to_owned());
        }
    };
    let program = env::current_exe().map_err(|error| format!("cannot find nearcast: {error}"))?;
    let mut command = Command::new(program);
    // It has no terminal: that is the screen's. It downloads to the folder that it runs in.
    command.arg(COMMAND).arg(source).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if !wish.folder.as_os_str().is_empty() {
        command.current_dir(&wish.folder);
    }
    let mut child = command.spawn().map_err(|error| format!("cannot start nearcast play: {error}"))?;
    let pid = Pid::from_raw(child.id() as i32);
    let (output, error) = (child.stdout.take(), child.stderr.take());
    let told = spawn_blocking(move || listen(output));
    let wrong = spawn_blocking(move || listen(error));
    let mut exit = spawn_blocking(move || child.wait());
    let by_itself = tokio::select! {
        exit = &mut exit => Some(exit),
        _ = ended.wait_for(|ended| *ended) => None,
    };
    let exit = match by_itself {
        Some(exit) => exit_of(exit)?,
        None => return end(pid, exit).await,
    };
    let (_, wrong) = (told.await, wrong.await.ok().flatten());
    match exit.success() {
        true => Ok(()),
        false => Err(format!("nearcast play ended: {}", wrong.unwrap_or_else(|| exit.to_string()))),
    }
}

fn exit_of(exit: Result<io::Result<ExitStatus>, JoinError>) -> Result<ExitStatus, String> {
    exit.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// Asks the player to end, and sees to it.
async fn end(pid: Pid, mut exit: JoinHandle<io::Result<ExitStatus>>) -> Result<(), String> {
    // The process is waited for by the task, so until that has ended the id is no other's.
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        if !exit.is_finished() {
            // If it has ended meanwhile, there is nobody to ask.
            let _ = kill(pid, signal);
        }
        if let Ok(exit) = timeout(GRACE, &mut exit).await {
            return exit_of(exit).map(drop);
        }
    }
    Err("nearcast play does not end".to_owned())
}

/// Passes every line of a stream to the log. Returns the last one.
fn listen(stream: Option<impl Read>) -> Option<String> {
    let mut reader = BufReader::new(stream?);
    let (mut last, mut line) = (None, Vec::new());
    loop {
        line.clear();
        match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return last,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line).trim().to_owned();
                if !text.is_empty() {
                    tracing::info!("play: {text}");
                    last = Some(text);
                }
            }
        }
    }
}
