//! Log lines for systemd's journal. The journal already knows the time and the service's name, and
//! needs the priority of each line (sd-daemon(3)).

use std::{env, io};

use rustix::fs::fstat;
use tracing::Level;

/// The device and inode of the stream that leads to the journal (systemd.exec(5)).
const VARIABLE: &str = "JOURNAL_STREAM";

/// Whether standard error leads to the journal. It does not if it was redirected to a pipe or file.
pub(crate) fn is_read_by_it() -> bool {
    let told = env::var(VARIABLE).unwrap_or_default();
    fstat(io::stderr()).is_ok_and(|stat| is_named(&told, stat.st_dev, stat.st_ino))
}

fn is_named(told: &str, device: u64, inode: u64) -> bool {
    told.split_once(':').is_some_and(|(dev, ino)| dev.parse() == Ok(device) && ino.parse() == Ok(inode))
}

/// The start of a journal line: its priority, and a word for readers who see no colours.
pub(crate) fn start(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>error: ",
        Level::WARN => "<4>warning: ",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;
    use crate::lines::Lines;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_a_priority_and_no_time() {
        let kept = Kept::default();
        let to = kept.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(Lines(start))
            .with_writer(move || to.clone());
        tracing::subscriber::with_default(log.finish(), || {
            tracing::info!("contents served: {}", 3);
            tracing::warn!(why = "none", "no data");
            tracing::error!("lost");
        });
        let bytes = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text, "<6>contents served: 3\n<4>warning: no data why=\"none\"\n<3>error: lost\n");
    }

    #[test]
    fn only_the_stream_that_systemd_names_is_the_journal() {
        assert!(is_named("8:99", 8, 99));
        for told in ["", "8", "8:", ":99", "8:98", "9:99", "8:99:1", "x:99"] {
            assert!(!is_named(told, 8, 99), "{told}");
        }
    }
}
