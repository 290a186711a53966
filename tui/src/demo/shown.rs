//! The demonstration on the screen: one more peer, whose node the screen has.

use std::{path::Path, sync::Arc};

use nearcast_node::{DownloadLimits, Fetch, NodeConfig, SeedGoal, proxy::Proxies, publish::Published};
use nearcast_service::{
    atlas::Known,
    signals::{Signal, Signals},
};

use super::{
    internet,
    stage::{Stage, listen},
};
use crate::{
    app::{
        effect::Effect,
        in_process::Means,
        launch::launch,
        model::{Model, Settings},
        ring::Ring,
        runner::Surroundings,
        saved::{Saved, SavedDownload},
        terminal::FullScreen,
        theme::{self, Theme},
        wish::Wish,
    },
    atlas::Plan,
    error::CommandError,
    exit::Exit,
    source::Named,
};

/// What each peer sends at most, in bytes a second.
pub(super) const PACE: u64 = 1_000_000;

/// Starts the origin and all peers, and shows the screen until the user leaves it.
pub(super) async fn show(
    stage: &mut Stage,
    published: Published,
    folder: &Path,
    peers: u32,
    signals: &Signals,
    log: Ring,
) -> Result<(), CommandError> {
    let (manifest, atlas) = (Arc::new(published.manifest), Arc::new(internet::atlas()));
    stage.raise_origin(Arc::clone(&manifest), published.root, Arc::clone(&atlas)).await?;
    let mut places: Vec<_> = internet::places(peers + 1).into_iter().map(|(ip, _)| ip).collect();
    let ours = places.pop().unwrap_or(internet::ORIGIN);
    // They run as long as they are held.
    let _others = stage.start_peers(&manifest, folder, &places).await?;
    let origin = stage.origin();
    let make_fetch = move |wish: &Wish| Fetch {
        peers: origin.clone(),
        directories: origin.clone(),
        seed: SeedGoal::Forever,
        find_on_lan: false,
        files: wish.files.clone(),
        ..Fetch::new(wish.named.clone().into_source(), &wish.folder)
    };
    let means = Means {
        config: NodeConfig { listen: listen(ours)?, up: Some(PACE), ..NodeConfig::default() },
        plan: Box::new(move || Ok(Plan::with(atlas))),
        known: Known { directories: Vec::new(), peers: Vec::new(), links: Vec::new() },
        make_fetch: Arc::new(make_fetch),
        proxies: Proxies::none(),
    };
    let target = folder.join("screen");
    std::fs::create_dir_all(&target).map_err(|source| CommandError::Io { path: target.clone(), source })?;
    let (model, begin) = model(Wish { named: Named::Torrent(manifest), folder: target.clone(), files: None });
    let around = Surroundings { signals: signals.clone(), log, state: None, folders: vec![target] };
    let shown = launch(model, begin, true, means, &around).await;
    match shown.map_err(|source| CommandError::Io { path: "the terminal".into(), source })? {
        Exit::Ok => Ok(()),
        Exit::Terminated => Err(CommandError::Signal(Signal::Terminate)),
        Exit::HungUp => Err(CommandError::Signal(Signal::Hangup)),
        _ => Err(CommandError::Signal(Signal::Interrupt)),
    }
}

/// A screen with one download, and what is to be done first.
fn model(wish: Wish) -> (Model, Vec<Effect>) {
    let settings = Settings {
        theme: Theme::suiting(theme::variable),
        theme_chosen: false,
        colours: !theme::is_mono(theme::variable),
        limits: DownloadLimits { down: None, up: Some(PACE) },
        limits_chosen: false,
        folder: wish.folder.to_string_lossy().into_owned(),
        is_kept: false,
        can_play: false,
    };
    let mut model = Model::new(FullScreen::size(), settings);
    let one = SavedDownload {
        wish,
        manifest: None,
        paused: false,
        limits: DownloadLimits::default(),
        seen: (0, 0),
    };
    let begin = model.open(Saved { downloads: vec![one], ..Saved::default() });
    (model, begin)
}
