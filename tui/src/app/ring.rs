//! The log on its way to the screen: the newest lines, with a bound.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

/// Lines that wait for the screen. The oldest go when there are more.
const LINES_MAX: usize = 1_000;

/// Lines of the log. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ring(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<VecDeque<String>>,
    more: Notify,
}

impl Ring {
    /// Adds a line.
    pub(crate) fn add(&self, line: String) {
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
        self.0.more.notify_one();
    }

    /// Waits for lines, and takes them.
    pub(crate) async fn next(&self) -> Vec<String> {
        loop {
            self.0.more.notified().await;
            let lines = std::mem::take(&mut *self.0.lines.lock().unwrap_or_else(PoisonError::into_inner));
            if !lines.is_empty() {
                return lines.into();
            }
        }
    }
}

impl io::Write for Ring {
    /// Takes one whole event, as the log writes them.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.add(String::from_utf8_lossy(event).into_owned());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn the_newest_lines_wait_and_are_taken_together() {
        let ring = Ring::default();
        let mut writer = ring.clone();
        for at in 0..LINES_MAX + 5 {
            writer.write_all(format!("line {at}").as_bytes()).unwrap();
        }
        let lines = ring.next().await;
        assert_eq!((lines.len(), lines[0].as_str()), (LINES_MAX, "line 5"));
    }
}
