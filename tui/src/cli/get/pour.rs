//! `get -o -`: one file to standard output, in order, while it comes.
//!
//! The data lies in a folder of its own meanwhile, as peers get it from there, too. The folder goes
//! in the end: standard output cannot be continued.

use std::{
    convert::Infallible,
    io::{self, Write},
    time::{Duration, Instant},
};

use nearcast_node::{
    Download, Fetch, FileReader, Node, config::SeedGoal, error::DownloadError, progress::Progress,
};
use nearcast_service::signals::Signals;
use tokio::{
    io::AsyncReadExt,
    sync::{mpsc, oneshot, watch},
};

use super::{Get, options::Options};
use crate::{error::CommandError, exit::Exit, report::Report, screen::Screen, source::Named};

/// Bytes that are written at once.
const CHUNK_BYTES: usize = 256 << 10;
/// So many of these wait for whoever reads them.
const CHUNKS_WAITING_MAX: usize = 4;
/// How often to look at what is to be told.
const TICK: Duration = Duration::from_millis(250);
/// Time to finish the runs being sent at the end.
const GRACE: Duration = Duration::from_millis(500);

/// Writes the one content that was named to standard output.
pub(super) async fn pour(
    get: &Get,
    options: &Options,
    mut wanted: Vec<Named>,
    ends: Vec<Exit>,
    screen: &Screen,
    signals: &Signals,
) -> Result<(), CommandError> {
    if get.json {
        return Err(CommandError::BadOption("-o - and --json both write to standard output".to_owned()));
    }
    if !ends.is_empty() {
        return super::sum_up(&ends);
    }
    let (Some(named), true) = (wanted.pop(), wanted.is_empty()) else {
        return Err(CommandError::BadOption("-o - writes one content: name one".to_owned()));
    };
    let folder = tempfile::Builder::new().prefix("nearcast-").tempdir();
    let folder = folder.map_err(|source| CommandError::Io { path: std::env::temp_dir(), source })?;
    let node = tokio::select! {
        started = Node::start(options.node()) => started?,
        signal = signals.first() => return Err(CommandError::Signal(signal)),
    };
    let fetch = Fetch {
        folder: folder.path().to_owned(),
        state_dir: None,
        seed: SeedGoal::None,
        ..get.fetch(options, named.clone())
    };
    let mut report = Report::new(screen, false, named.content(), named.name());
    let ended = follow(&node, fetch, &mut report, signals).await;
    if let Err(error) = &ended {
        report.on_failed(error);
    }
    node.shutdown(if signals.has_come() { Duration::ZERO } else { GRACE }).await;
    match ended {
        Ok(()) => Ok(()),
        Err(error @ CommandError::Signal(_)) => Err(error),
        // The report has told it.
        Err(error) => Err(CommandError::Several { failed: 1, all: 1, exit: error.exit() }),
    }
}

async fn follow(
    node: &Node,
    fetch: Fetch,
    report: &mut Report,
    signals: &Signals,
) -> Result<(), CommandError> {
    let download = node.fetch(fetch).await?;
    let mut progress = download.progress();
    tokio::select! {
        written = write(&download) => written?,
        failure = node.failed() => return Err(DownloadError::Failed(failure).into()),
        signal = signals.first() => return Err(CommandError::Signal(signal)),
        never = tell(report, &mut progress) => match never {},
    }
    // All of it was read, so it is here.
    let summary = download.finished().await?;
    report.on_finished(&summary);
    Ok(())
}

/// Writes the file that is wanted to standard output.
async fn write(download: &Download) -> Result<(), CommandError> {
    let mut reader = the_file(download).await?;
    // As fast as it comes.
    reader.set_rate(0);
    let failed = |source: io::Error| CommandError::Io { path: "standard output".into(), source };
    let (chunks, written) = writer().map_err(failed)?;
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let count = match reader.read(&mut chunk).await {
            Ok(0) => break,
            Ok(count) => count,
            // The download tells better why.
            Err(error) => {
                return Err(download.finished().await.err().map_or_else(|| failed(error), Into::into));
            }
        };
        chunk.truncate(count);
        if chunks.send(chunk).await.is_err() {
            break;
        }
    }
    drop(chunks);
    written.await.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)
}

/// Where to send what is to be written, and where it is told how that ended.
type Writer = (mpsc::Sender<Vec<u8>>, oneshot::Receiver<io::Result<()>>);

/// A thread that writes to standard output. Whoever reads slowly holds up nothing else, also not the
/// end of the program.
fn writer() -> io::Result<Writer> {
    let (chunks, mut to_write) = mpsc::channel::<Vec<u8>>(CHUNKS_WAITING_MAX);
    let (tell, written) = oneshot::channel();
    std::thread::Builder::new().name("standard output".to_owned()).spawn(move || {
        let mut out = io::stdout().lock();
        let mut write = || {
            while let Some(chunk) = to_write.blocking_recv() {
                out.write_all(&chunk)?;
            }
            out.flush()
        };
        // Nobody waits for it when the program ends.
        let _ = tell.send(write());
    })?;
    Ok((chunks, written))
}

/// The only file that is wanted.
async fn the_file(download: &Download) -> Result<FileReader, CommandError> {
    // A reader is given once what is on disk was checked, whatever the file.
    if let Err(nearcast_node::ReaderError::Ended(error)) = download.reader(0).await {
        return Err(error.into());
    }
    let files = download.manifest().map_or(0, |manifest| manifest.files().len());
    let mut found = None;
    for file in 0..files {
        let Ok(reader) = download.reader(file).await else { continue };
        if found.replace(reader).is_some() {
            let sentence = "-o - writes one file, and there are several: name one with --select";
            return Err(CommandError::BadOption(sentence.to_owned()));
        }
    }
    found.ok_or_else(|| CommandError::BadOption("there is no file to write".to_owned()))
}

/// Passes snapshots to the report.
async fn tell(report: &mut Report, progress: &mut watch::Receiver<Progress>) -> Infallible {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let fresh = progress.has_changed().unwrap_or(false);
        let snapshot = progress.borrow_and_update().clone();
        report.on_progress(Instant::now(), &snapshot, fresh);
    }
}
