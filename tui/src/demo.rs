//! The demonstration: an origin and several peers in a pretended Internet, in this process, over
//! real sockets. It calls the code behind `publish`, `get`, `verify`, the seeder and `atlas build`,
//! and shows what it measured.

mod content;
mod internet;
mod lines;
mod model;
mod shown;
mod stage;
mod view;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nearcast_core::manifest::Manifest;
use nearcast_node::publish::{PublishOptions, Published, publish, verify_data};
use nearcast_service::signals::Signals;
use tempfile::TempDir;

use self::{lines::Lines, model::Model, stage::Stage};
use crate::{
    app::ring::Ring,
    error::CommandError,
    hashing::with_progress,
    screen::{Screen, Slot, Style},
};

/// How often the display is refreshed.
const TICK: Duration = Duration::from_millis(100);
/// Time to shut down after a signal. Short, so that nobody sends a second signal.
const GRACE: Duration = Duration::from_millis(500);

/// Runs the whole demonstration, and removes everything it made, however it ends.
pub(crate) async fn run(
    path: Option<PathBuf>,
    peers: u32,
    screen: &Screen,
    signals: &Signals,
) -> Result<(), CommandError> {
    let folder = TempDir::with_prefix("nearcast-demo-")
        .map_err(|source| CommandError::Io { path: std::env::temp_dir(), source })?;
    let mut stage = Stage::default();
    let result = perform(&mut stage, folder.path(), path, peers, screen, signals).await;
    stage.strike(GRACE).await;
    let path = folder.path().to_owned();
    let removed = folder.close().map_err(|source| CommandError::Io { path, source });
    result.and(removed)
}

async fn perform(
    stage: &mut Stage,
    folder: &Path,
    path: Option<PathBuf>,
    peers: u32,
    screen: &Screen,
    signals: &Signals,
) -> Result<(), CommandError> {
    let Published { manifest, root, .. } = content(folder, path, screen, signals).await?;
    let manifest = Arc::new(manifest);
    let mut model = Model::new(manifest.layout().bytes(), internet::places(peers));
    tokio::select! {
        ended = play(stage, &manifest, root, folder, &mut model, screen) => ended?,
        signal = signals.first() => return Err(CommandError::Signal(signal)),
    }
    check_copies(&manifest, folder, &mut model, screen, signals).await?;
    model.summary().iter().for_each(|line| screen.data(line));
    match model.bad_copies() {
        0 => Ok(()),
        bad => Err(CommandError::Corrupt { bad, files: peers }),
    }
}

/// Makes the content, unless the user named one, and hashes it.
async fn content(
    folder: &Path,
    path: Option<PathBuf>,
    screen: &Screen,
    signals: &Signals,
) -> Result<Published, CommandError> {
    let path = match path {
        Some(path) => path,
        None => {
            let target = folder.join(content::NAME);
            with_progress(screen, signals, "making content", move |meter| content::make(target, meter))
                .await?
        }
    };
    with_progress(screen, signals, "hashing", move |meter| {
        let progress = |done, total| meter.set(done, total);
        publish(&path, &PublishOptions::default(), &progress, &meter.cancelled)
    })
    .await
}

/// Shows the screen of one more peer, at a pace that people can follow, until the user leaves it.
/// Nothing stays, however it ends.
pub(crate) async fn show(
    path: Option<PathBuf>,
    peers: u32,
    screen: &Screen,
    signals: &Signals,
    log: Ring,
) -> Result<(), CommandError> {
    let folder = TempDir::with_prefix("nearcast-demo-")
        .map_err(|source| CommandError::Io { path: std::env::temp_dir(), source })?;
    let mut stage = Stage::paced(shown::PACE);
    let result = match content(folder.path(), path, screen, signals).await {
        Ok(published) => shown::show(&mut stage, published, folder.path(), peers, signals, log).await,
        Err(error) => Err(error),
    };
    stage.strike(GRACE).await;
    let path = folder.path().to_owned();
    let removed = folder.close().map_err(|source| CommandError::Io { path, source });
    result.and(removed)
}

/// Runs the downloads, from the first socket to the last complete copy.
async fn play(
    stage: &mut Stage,
    manifest: &Arc<Manifest>,
    root: PathBuf,
    folder: &Path,
    model: &mut Model,
    screen: &Screen,
) -> Result<(), CommandError> {
    stage.raise_origin(Arc::clone(manifest), root, Arc::new(internet::atlas())).await?;
    let mut downloads = stage.start_peers(manifest, folder, &model.addresses()).await?;
    let mut show = Show::new(screen);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while downloads.are_running() {
        tokio::select! {
            (peer, ended) = downloads.next_end() => match ended {
                Ok(summary) => model.on_finished(peer, &summary),
                Err(error) => return Err(error.into()),
            },
            _ = tick.tick() => {}
        }
        downloads.snapshots(|peer, progress| model.on_progress(peer, progress));
        model.on_time(downloads.elapsed());
        show.show(model);
    }
    show.finish(model);
    Ok(())
}

/// The display: a table that is redrawn, or lines.
enum Show<'a> {
    Table(Slot, &'a Screen),
    Lines(Lines, &'a Screen),
}

impl<'a> Show<'a> {
    fn new(screen: &'a Screen) -> Show<'a> {
        match screen.style() {
            Style::Bars => Show::Table(screen.live().add(), screen),
            Style::Lines | Style::Nothing => Show::Lines(Lines::default(), screen),
        }
    }

    fn show(&mut self, model: &Model) {
        match self {
            Show::Table(slot, _) => {
                let model = model.clone();
                slot.show(move |room| view::lines(&model, room));
            }
            Show::Lines(lines, screen) => {
                let due = lines.on_model(model);
                due.iter().for_each(|line| screen.say_in_passing(line));
            }
        }
    }

    /// Leaves the final table on the screen; later output goes below it.
    fn finish(mut self, model: &Model) {
        self.show(model);
        if let Show::Table(slot, screen) = self {
            drop(slot);
            screen.keep(&view::lines(model, screen.room()));
        }
    }
}

/// Hashes every copy on disk again, because a peer's own report proves nothing.
async fn check_copies(
    manifest: &Arc<Manifest>,
    folder: &Path,
    model: &mut Model,
    screen: &Screen,
    signals: &Signals,
) -> Result<(), CommandError> {
    for peer in 0..model.peers().len() {
        let (manifest, copy) = (Arc::clone(manifest), stage::copy_folder(folder, peer));
        let report = with_progress(screen, signals, "checking copies", move |meter| {
            let progress = |done, total| meter.set(done, total);
            verify_data(&manifest, &copy, &progress, &meter.cancelled)
        })
        .await?;
        model.on_checked(peer, report.bad_files.is_empty());
    }
    Ok(())
}
