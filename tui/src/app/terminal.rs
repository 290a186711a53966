//! The terminal in its full-screen mode, and how it gets back what it was.
//!
//! Invariant: whatever ends or stops this process, as long as it is not SIGKILL, the terminal first
//! leaves the other screen and gets its own modes back. A terminal that takes nothing is drawn
//! nothing, and nobody waits for it.

use std::{
    io::{self, IsTerminal, Write},
    panic,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use nearcast_service::outlet::{self, Stream, Worth};
use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::{Hide, Show},
        event::{
            self, DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
            Event, KeyEventKind, MouseEventKind,
        },
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size},
    },
    layout::Rect,
};
use rustix::process::Signal as Number;
use signal_hook::low_level::emulate_default_handler;
use tokio::sync::mpsc;

use super::message::Message;
use crate::screen::can_be_continued;

/// Nothing is drawn while more than this waits for the terminal: a few screens full.
const WAITING_BYTES_MAX: usize = 64 << 10;
/// How long an end or a stop waits for the terminal to take what waits.
const TAKEN_WITHIN: Duration = Duration::from_millis(300);

/// Whether the terminal is in full-screen mode.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether the mouse was asked for.
static MOUSE: AtomicBool = AtomicBool::new(false);
/// The thread that draws.
static DRAWS: OnceLock<ThreadId> = OnceLock::new();

/// Whether both ends are a terminal that can be drawn on.
pub(crate) fn is_usable() -> bool {
    let understands = std::env::var_os("TERM").is_none_or(|kind| kind != "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && understands
}

/// The terminal in full-screen mode. Dropping it gives the terminal back.
pub(crate) struct FullScreen {
    terminal: Terminal<CrosstermBackend<Bytes>>,
}

impl FullScreen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// The terminal refuses, or is none.
    pub(crate) fn open(mouse: bool) -> io::Result<FullScreen> {
        MOUSE.store(mouse, Ordering::Relaxed);
        // The first panic hook stays: there is one screen in a process.
        if DRAWS.set(thread::current().id()).is_ok() {
            hook_panics();
        }
        let terminal = Terminal::new(CrosstermBackend::new(Bytes::default()))?;
        enter()?;
        Ok(FullScreen { terminal })
    }

    /// Columns and rows.
    pub(crate) fn size() -> (u16, u16) {
        size().unwrap_or((80, 24))
    }

    /// Draws a frame. False: the terminal has not taken what waits yet, and nothing was drawn.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn draw(&mut self, frame: impl FnOnce(&mut Frame<'_>)) -> io::Result<bool> {
        if outlet::standard().waiting() > WAITING_BYTES_MAX {
            return Ok(false);
        }
        self.terminal.draw(frame)?;
        Ok(true)
    }

    /// Has the next frame drawn as a whole.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        // Not `Terminal::clear`: it asks the terminal where the cursor is, and the thread that reads
        // keys would take the answer.
        let (columns, rows) = FullScreen::size();
        self.terminal.resize(Rect::new(0, 0, columns, rows))
    }

    /// Gives the terminal back, stops the process as Ctrl-Z does, and takes the terminal again when
    /// the process is continued.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        if !can_be_continued() {
            return Ok(());
        }
        leave();
        // The process stops here, and runs on when it is continued. If the system refuses, it does
        // not stop.
        let _ = emulate_default_handler(Number::TSTP.as_raw());
        self.take_again()
    }

    /// Takes the terminal again, after another process had it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn take_again(&mut self) -> io::Result<()> {
        leave();
        enter()?;
        self.clear()
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    // The macro names its writer twice.
    let mut bytes = Bytes::default();
    execute!(bytes, EnterAlternateScreen, EnableBracketedPaste, Hide)?;
    if MOUSE.load(Ordering::Relaxed) {
        execute!(bytes, EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives the terminal back, if it was taken.
pub(crate) fn leave() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // If the terminal is gone, there is nothing to give back.
    let mut bytes = Bytes::default();
    let _ = execute!(bytes, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
    outlet::standard().drain(TAKEN_WITHIN);
    let _ = disable_raw_mode();
}

/// Gives the terminal back before a panic of the thread that draws is told. Panics of other threads
/// are caught by the node; they go to the log, as the terminal is not theirs.
fn hook_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if DRAWS.get() == Some(&thread::current().id()) {
            leave();
        }
        match TAKEN.load(Ordering::SeqCst) {
            true => tracing::error!("a panic: {panic}"),
            false => before(panic),
        }
    }));
}

/// Bytes for the terminal. A thread of the outlet writes them.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.0);
        if !bytes.is_empty() {
            outlet::standard().put(Stream::Output, bytes, Worth::Lasting);
        }
        Ok(())
    }
}

/// Reads keys and the mouse on a thread of its own, as long as the process lives.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn read_events(messages: mpsc::Sender<Message>) -> io::Result<()> {
    let read = move || {
        // An error means that the terminal is gone, of which a signal tells.
        while let Ok(event) = event::read() {
            let message = match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => Message::Key(key),
                Event::Mouse(mouse) if is_telling(mouse.kind) => Message::Mouse(mouse),
                Event::Paste(text) => Message::Paste(text),
                Event::Resize(columns, rows) => Message::Size(columns, rows),
                _ => continue,
            };
            if messages.blocking_send(message).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("keys".to_owned()).spawn(read).map(drop)
}

/// Moves of the mouse tell nothing.
fn is_telling(kind: MouseEventKind) -> bool {
    matches!(kind, MouseEventKind::Down(_) | MouseEventKind::ScrollDown | MouseEventKind::ScrollUp)
}
