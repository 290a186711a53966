//! Reads lines of a file or pipe, each no longer than a message may be.

use std::{io, os::unix::fs::FileTypeExt, path::Path, time::Duration};

use tokio::{
    fs::File,
    io::{AsyncBufRead, AsyncBufReadExt, BufReader},
    net::unix::pipe,
    time::{MissedTickBehavior, interval},
};

use crate::feeds::sender::{Closed, FeedSender};
use nearcast_bgp::{
    feed::{BATCH_MAX, Feed, News, Told},
    ris_live::{MESSAGE_BYTES_MAX, RisSession},
};

/// The name under which standard input can be opened again. A pipe opened again is ours alone, so
/// that non-blocking reads do not disturb other processes that share it.
const STDIN: &str = "/dev/stdin";

/// Changes are handed on after this time at the latest.
const HAND_ON_EVERY: Duration = Duration::from_millis(100);

/// Reads to the end. Routes from a file count for good; routes from a pipe are held for a while
/// after its end.
pub(super) async fn run(path: Option<&Path>, feed: &Feed, desk: &FeedSender) -> Result<(), Closed> {
    let session = desk.open();
    desk.tell(News::Begun(session, feed.clone())).await?;
    let opened = Opened::open(path).await;
    let read = match opened {
        Ok(Opened::File(file)) => {
            let read =
                each_line(BufReader::new(file), |told, tally| News::Told(session, told, tally), desk).await;
            desk.tell(News::Synced(session)).await?;
            read.map(|()| true)
        }
        Ok(Opened::Pipe(pipe)) => {
            desk.tell(News::Synced(session)).await?;
            let read =
                each_line(BufReader::new(pipe), |told, tally| News::Told(session, told, tally), desk).await;
            read.map(|()| false)
        }
        Err(error) => Err(Failed::Unreadable(error)),
    };
    let for_good = match read {
        Ok(for_good) => for_good,
        Err(Failed::Closed(closed)) => return Err(closed),
        Err(Failed::Unreadable(error)) => {
            tracing::error!("{feed} cannot be read: {error}");
            false
        }
    };
    if !for_good {
        tracing::info!("{feed} is at its end");
        desk.tell(News::Lost(session)).await?;
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    Unreadable(#[from] io::Error),
}

enum Opened {
    File(File),
    Pipe(pipe::Receiver),
}

impl Opened {
    /// Opens a pipe so that reading does not block a thread: otherwise stopping would wait for a
    /// writer.
    async fn open(path: Option<&Path>) -> io::Result<Opened> {
        let at = path.unwrap_or(Path::new(STDIN));
        let kind = tokio::fs::metadata(at).await?.file_type();
        if kind.is_file() {
            return Ok(Opened::File(File::open(at).await?));
        }
        if kind.is_fifo() {
            // A named pipe outlives its writers. With a writing end of our own, there is no end of
            // file between two writers.
            return pipe::OpenOptions::new().read_write(path.is_some()).open_receiver(at).map(Opened::Pipe);
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a pipe"))
    }
}

async fn each_line(
    mut input: impl AsyncBufRead + Unpin,
    news: impl Fn(Vec<Told>, nearcast_bgp::feed::Tally) -> News,
    desk: &FeedSender,
) -> Result<(), Failed> {
    let (mut session, mut told, mut line) = (RisSession::default(), Vec::new(), Vec::new());
    let mut hand_on = interval(HAND_ON_EVERY);
    hand_on.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = session.tally();
    let mut too_long = false;
    loop {
        tokio::select! {
            arrived = input.fill_buf() => {
                let arrived = arrived?;
                let (used, whole) = match arrived.iter().position(|byte| *byte == b'\n') {
                    Some(at) => (at.saturating_add(1), true),
                    None => (arrived.len(), arrived.is_empty()),
                };
                let ends = arrived.is_empty();
                // Nothing of a too long line is kept.
                too_long |= line.len().saturating_add(used) > MESSAGE_BYTES_MAX;
                if too_long { line.clear() } else { line.extend_from_slice(&arrived[..used]) }
                input.consume(used);
                if whole {
                    finish(&mut session, &line, too_long, &mut told);
                    line.clear();
                    too_long = false;
                }
                if told.len() >= BATCH_MAX || ends {
                    said = session.tally();
                    desk.tell(news(std::mem::take(&mut told), said)).await?;
                }
                if ends {
                    return Ok(());
                }
            }
            _ = hand_on.tick() => {
                if said != session.tally() {
                    said = session.tally();
                    desk.tell(news(std::mem::take(&mut told), said)).await?;
                }
            }
        }
    }
}

fn finish(session: &mut RisSession, line: &[u8], too_long: bool, told: &mut Vec<Told>) {
    if too_long {
        session.on_too_long();
        return;
    }
    let line = line.trim_ascii();
    if line.is_empty() {
        return;
    }
    // Text that is not UTF-8 is not JSON, and counts as damaged.
    session.handle(&String::from_utf8_lossy(line), told);
}
