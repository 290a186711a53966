//! Text on its way to standard output and standard error, for programs that must not wait for whoever
//! reads it.
//!
//! A stopped terminal, a pager at its first page and a collector of logs that hangs take no more
//! text. A write waits then, and with it the thread that carries the network: nobody is served, and
//! nothing is downloaded. So a thread of its own writes, and what waits for it is bounded.
//!
//! Invariant: after [`Outlet::begin`] only that thread waits for a reader. The one exception is
//! [`Worth::Lasting`] text beyond its bound, which only commands print that do nothing else.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// [`Worth::Passing`] text is left out while more than this waits for the reader. Enough for a burst
/// of the most talkative log.
pub const PASSING_BYTES_MAX: usize = 4 << 20;
/// Whoever has [`Worth::Lasting`] text waits while more than this waits for the reader.
pub const LASTING_BYTES_MAX: usize = 16 << 20;

/// Where text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: data.
    Output,
    /// Standard error: everything else.
    Error,
}

/// What becomes of text that nobody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It may be left out: something newer follows, or it is one line of many.
    Passing,
    /// It is not left out: a result, or why there is none.
    Lasting,
}

/// What writes: the two streams of the process, or a stand-in of a test.
type Sink = Box<dyn FnMut(Stream, &[u8]) -> io::Result<()> + Send>;

/// A queue of text in front of two streams. Clones share it.
#[derive(Clone)]
pub struct Outlet(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// The queue got longer or shorter.
    changed: Condvar,
    sink: Mutex<Sink>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Stream, Vec<u8>)>,
    /// Bytes that wait, with those that are being written.
    bytes: usize,
    /// A thread writes. Without one, text is written where it is made.
    begun: bool,
    /// Texts left out since the last word about it.
    left_out: u64,
    /// The reader of standard output has gone.
    output_gone: bool,
}

/// The outlet in front of the streams of this process.
pub fn standard() -> &'static Outlet {
    static STANDARD: OnceLock<Outlet> = OnceLock::new();
    STANDARD.get_or_init(|| Outlet::new(Box::new(write)))
}

fn write(to: Stream, text: &[u8]) -> io::Result<()> {
    match to {
        Stream::Output => {
            let mut out = io::stdout().lock();
            out.write_all(text).and_then(|()| out.flush())
        }
        Stream::Error => io::stderr().lock().write_all(text),
    }
}

impl Outlet {
    fn new(sink: Sink) -> Outlet {
        Outlet(Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            changed: Condvar::new(),
            sink: Mutex::new(sink),
        }))
    }

    /// Has a thread write from now on. Before, text is written where it is made, so that a sandbox
    /// can close around a process of one thread. If the system gives no thread, that stays so.
    pub fn begin(&self) {
        let ours = self.clone();
        let mut queue = self.queue();
        if queue.begun {
            return;
        }
        let writer = thread::Builder::new().name("outlet".to_owned()).spawn(move || ours.write_on());
        queue.begun = writer.is_ok();
    }

    /// Puts text on its way.
    pub fn put(&self, to: Stream, text: Vec<u8>, worth: Worth) {
        let mut queue = self.queue();
        if !queue.begun {
            let written = self.write(to, &text);
            return queue.note(to, &written);
        }
        let most = match worth {
            Worth::Passing => PASSING_BYTES_MAX,
            Worth::Lasting => LASTING_BYTES_MAX,
        };
        while queue.bytes > most {
            if worth == Worth::Passing {
                queue.left_out = queue.left_out.saturating_add(1);
                return;
            }
            queue = self.0.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if to == Stream::Output && queue.output_gone {
            return;
        }
        queue.bytes = queue.bytes.saturating_add(text.len());
        queue.waiting.push_back((to, text));
        self.0.changed.notify_all();
    }

    /// Bytes that the reader has not taken yet.
    pub fn waiting(&self) -> usize {
        self.queue().bytes
    }

    /// Waits until everything is written, but at most `most`. Returns whether it is.
    pub fn drain(&self, most: Duration) -> bool {
        let (begun, mut queue) = (Instant::now(), self.queue());
        while queue.bytes > 0 {
            let left = most.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return false;
            }
            let waited = self.0.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The writer of one line of the log.
    pub fn log_line(&self) -> LogLine {
        LogLine(self.clone())
    }

    fn write_on(&self) {
        loop {
            let (to, text) = self.next();
            let written = self.write(to, &text);
            let mut queue = self.queue();
            queue.bytes = queue.bytes.saturating_sub(text.len());
            queue.note(to, &written);
            let left_out = if queue.waiting.is_empty() { std::mem::take(&mut queue.left_out) } else { 0 };
            self.0.changed.notify_all();
            drop(queue);
            if left_out > 0 {
                tracing::warn!(left_out, "nobody read what is printed here; some of it was left out");
            }
        }
    }

    fn next(&self) -> (Stream, Vec<u8>) {
        let mut queue = self.queue();
        loop {
            match queue.waiting.pop_front() {
                Some(text) => return text,
                None => queue = self.0.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here panics half-way.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, to: Stream, text: &[u8]) -> io::Result<()> {
        let mut guard = self.0.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let sink: &mut Sink = &mut guard;
        sink(to, text)
    }
}

impl Queue {
    /// What cannot be written is lost: there is nowhere to report it. A reader that has gone does
    /// not come back.
    fn note(&mut self, to: Stream, written: &io::Result<()>) {
        let gone = written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
        if gone && to == Stream::Output {
            self.output_gone = true;
            let (mut bytes, is_other) = (0_usize, |to: Stream| to != Stream::Output);
            self.waiting.retain(|(to, text)| {
                bytes = bytes.saturating_add(if is_other(*to) { 0 } else { text.len() });
                is_other(*to)
            });
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

/// Writes one line of the log: passing text on standard error.
pub struct LogLine(Outlet);

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(Stream::Error, line.to_vec(), Worth::Passing);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A stream whose reader takes a text when it is told to: each text that was written, and the
    /// leave to write the next.
    fn slow() -> (Outlet, Receiver<Vec<u8>>, SyncSender<()>) {
        let (written, texts) = sync_channel(1024);
        let (leave, leaves) = sync_channel::<()>(1024);
        let sink = move |_: Stream, text: &[u8]| {
            leaves.recv().map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
            written.send(text.to_vec()).map_err(|_| io::Error::from(ErrorKind::BrokenPipe))
        };
        let outlet = Outlet::new(Box::new(sink));
        outlet.begin();
        (outlet, texts, leave)
    }

    #[test]
    fn nobody_waits_for_a_reader_that_takes_nothing_and_what_waits_is_bounded() {
        let (outlet, texts, leave) = slow();
        let line = vec![b'x'; 1024];
        for _ in 0..10_000 {
            outlet.log_line().write_all(&line).unwrap();
        }
        assert!(outlet.waiting() <= PASSING_BYTES_MAX + line.len(), "{}", outlet.waiting());
        outlet.put(Stream::Output, b"the result".to_vec(), Worth::Lasting);
        assert!(!outlet.drain(Duration::ZERO));
        let kept = PASSING_BYTES_MAX / line.len() + 2;
        let next = || {
            leave.send(()).unwrap();
            texts.recv().unwrap()
        };
        let read: Vec<Vec<u8>> = (0..kept).map(|_| next()).collect();
        assert!(read[..kept - 1].iter().all(|text| *text == line));
        assert_eq!(read[kept - 1], b"the result", "what lasts comes, and in its order");
        assert!(outlet.drain(Duration::MAX));
    }

    #[test]
    fn whoever_has_lasting_text_waits_for_room_and_none_of_it_is_left_out() {
        let (outlet, texts, leave) = slow();
        let (count, text) = (32, vec![b'x'; LASTING_BYTES_MAX / 16]);
        let (theirs, same) = (outlet.clone(), text.clone());
        let writer = thread::spawn(move || {
            (0..count).for_each(|_| theirs.put(Stream::Output, same.clone(), Worth::Lasting));
        });
        for _ in 0..count {
            leave.send(()).unwrap();
            assert_eq!(texts.recv().unwrap(), text);
        }
        writer.join().unwrap();
    }

    #[test]
    fn a_reader_of_data_that_has_gone_is_written_nothing_more_and_messages_still_come() {
        let (written, texts) = sync_channel(8);
        let outlet = Outlet::new(Box::new(move |to, text: &[u8]| match to {
            Stream::Output => Err(ErrorKind::BrokenPipe.into()),
            Stream::Error => written.send(text.to_vec()).map_err(io::Error::other),
        }));
        outlet.put(Stream::Output, b"before there is a thread".to_vec(), Worth::Lasting);
        outlet.begin();
        outlet.put(Stream::Output, vec![0; LASTING_BYTES_MAX], Worth::Lasting);
        outlet.put(Stream::Output, vec![0; LASTING_BYTES_MAX], Worth::Lasting);
        assert_eq!(outlet.waiting(), 0);
        outlet.put(Stream::Error, b"a message".to_vec(), Worth::Lasting);
        assert_eq!(texts.recv().unwrap(), b"a message");
    }
}
