//! `nearcast play`: a film while it comes, in a player of the user's.

mod player;

use std::{
    convert::Infallible,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::{Args, ValueHint};
use nearcast_core::paths::printable;
use nearcast_node::{
    Download, Fetch, Manifest, Node, ReaderError,
    config::{NodeConfig, SeedGoal},
    error::DownloadError,
    progress::Progress,
};
use nearcast_service::{atlas::Known, cli::Told, signals::Signals, units::parse_rate};

use self::player::{Plan as PlayerPlan, Player, trouble};
use super::get::{options::Options, setting::Setting};
use crate::{
    atlas::{FINISH, Plan},
    error::CommandError,
    report::{Report, stream},
    screen::Screen,
    source::Named,
    stream::{Served, Server, media::is_played},
};

/// Time to finish the runs being sent at the end. Short, as people wait for their prompt.
const GRACE: Duration = Duration::from_millis(500);
/// How often to look at what is to be told.
const TICK: Duration = Duration::from_millis(250);
/// Files that a list names at most.
const FILES_MAX: usize = 1_000;

/// The examples in `--help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast play 'magnet:?xt=urn:btmh:1220…'            in mpv or vlc
  nearcast play film.torrent --player 'vlc --fullscreen'
  nearcast play series.torrent --select '*e03*' -o films
  nearcast play film.torrent --player none             prints the URL, and serves until Ctrl-C";

/// Options of `play`.
#[derive(Clone, Debug, Args)]
pub(super) struct Play {
    /// Magnet link, content id, .torrent file, or URL of such a file.
    #[arg(value_name = "LINK|FILE.torrent|URL", value_hint = ValueHint::AnyPath, required_unless_present = "check-config")]
    source: Option<String>,
    /// Player to start: a command in which {} stands for the URL, or to which it is added; none = tell the URL on standard
    /// output and serve it. Without this option, the first of mpv, vlc, celluloid and ffplay that is installed.
    #[arg(long, value_name = "CMD")]
    player: Option<String>,
    /// Only files whose path in the content, or its last part, matches; several are possible.
    #[arg(long, value_name = "GLOB")]
    select: Vec<String>,
    /// How fast it is shown: 5Mbit, 2MB. Whoever knows it spares the origin: without it, 8 Mbit a second are taken for granted.
    #[arg(long, value_name = "RATE", value_parser = bitrate)]
    bitrate: Option<u64>,
    /// HTTP server or CDN that has the file, or the folder it lies in; several are possible.
    #[arg(long, value_name = "URL", value_parser = super::publish::web_seed)]
    web_seed: Vec<String>,
    #[command(flatten)]
    told: Told<Setting>,
    /// Print events on standard output, one JSON object a line.
    #[arg(long, help_heading = super::TOLD)]
    pub(super) json: bool,
    /// Say nothing but errors.
    #[arg(long, short, help_heading = super::TOLD)]
    pub(super) quiet: bool,
}

fn bitrate(text: &str) -> Result<u64, String> {
    match parse_rate(text) {
        Ok(rate) if rate > 0 => Ok(rate),
        _ => Err("write how fast it is shown, like 5Mbit or 600kB".to_owned()),
    }
}

impl Play {
    pub(super) async fn run(self, screen: &Screen, signals: &Signals) -> Result<(), CommandError> {
        let started = Instant::now();
        let layers = self.told.sources.read();
        let layers = layers.map_err(|problems| CommandError::BadOption(problems.to_string()))?;
        if self.told.check {
            layers.lines().iter().for_each(|line| screen.data(line));
            return Options::of(&layers).map(drop);
        }
        let options = Options::of(&layers)?;
        let plan = PlayerPlan::of(self.player.as_deref()).map_err(CommandError::BadOption)?;
        let named = tokio::select! {
            named = Named::find(self.source.as_deref().unwrap_or_default(), &options.proxies) => named?,
            signal = signals.first() => return Err(CommandError::Stopped(signal)),
        };
        let atlases =
            Plan::make(options.atlas.as_ref(), options.atlas_key.as_ref(), |text| screen.warn(text))?;
        let (atlas, hear_of_atlases) = (atlases.atlas.clone(), atlases.follows());
        let node = tokio::select! {
            node = Node::start(NodeConfig { atlas, hear_of_atlases, ..options.node() }) => node?,
            signal = signals.first() => return Err(CommandError::Stopped(signal)),
        };
        let links = named.link().cloned().into_iter().collect();
        let known = Known { directories: options.trackers.clone(), peers: options.peers.clone(), links };
        let following = atlases.follow(&node, known);
        let mut report = Report::new(screen, self.json, named.content(), named.name());
        let mut show = Show { play: &self, plan, node: &node, screen, signals, started, options: &options };
        let ended = show.run(named, &mut report).await;
        if let Err(error) = &ended {
            report.on_failed(error);
        }
        if let (Err(error @ CommandError::Stopped(_)), false) = (&ended, self.json) {
            screen.say(&error.to_string());
        }
        if let Some(following) = following {
            following.finish(if signals.has_come() { Duration::ZERO } else { FINISH }).await;
        }
        node.shutdown(GRACE).await;
        // The report has told it.
        ended.map_err(|error| CommandError::Several { failed: 1, all: 1, exit: error.exit() })
    }
}

/// One film.
struct Show<'a> {
    play: &'a Play,
    plan: PlayerPlan,
    node: &'a Node,
    screen: &'a Screen,
    signals: &'a Signals,
    started: Instant,
    options: &'a Options,
}

/// What is told while it plays.
struct Telling<'a> {
    report: &'a mut Report,
    said: stream::Said,
}

impl Show<'_> {
    async fn run(&mut self, named: Named, report: &mut Report) -> Result<(), CommandError> {
        let fetch = Fetch {
            select: self.play.select.clone(),
            web_seeds: self.play.web_seed.clone(),
            // It gives as long as somebody watches.
            seed: SeedGoal::Forever,
            ..self.options.fetch_named(named)
        };
        let download = Arc::new(self.node.fetch(fetch).await?);
        let mut telling = Telling { report, said: stream::Said::default() };
        let files = self.until(&download, None, &mut telling, files(&download)).await??;
        let server = Server::start(download.clone(), files, self.play.bitrate, self.started);
        let server =
            server.map_err(|source| CommandError::Io { path: "a port for the player".into(), source })?;
        let url = server.url();
        self.tell_url(&url);
        let ended = match self.plan.command(&url) {
            None => self.until(&download, Some(&server), &mut telling, std::future::pending()).await,
            Some(command) => self.watch(&command, &download, &server, &mut telling).await,
        };
        let progress = download.progress().borrow().clone();
        let figures = server.stop().await;
        let said = &telling.said;
        telling.report.on_played(&said.end(&figures, &progress), &said.event(&figures, &progress));
        match ended {
            // Whoever serves until Ctrl-C, and has everything, has done what was wanted.
            Err(CommandError::Stopped(_)) if is_whole(&progress) => Ok(()),
            ended => ended,
        }
    }

    /// Runs the player until it ends.
    async fn watch(
        &self,
        command: &[String],
        download: &Arc<Download>,
        server: &Server,
        telling: &mut Telling<'_>,
    ) -> Result<(), CommandError> {
        let name = command.first().cloned().unwrap_or_default();
        let failed = |source: io::Error| CommandError::Io { path: name.into(), source };
        let mut player = Player::start(command).map_err(failed)?;
        let ended = self.until(download, Some(server), telling, player.ended()).await;
        match ended {
            Ok(Ok(status)) => match trouble(status) {
                None => Ok(()),
                Some(trouble) => Err(CommandError::Player(trouble)),
            },
            Ok(Err(source)) => Err(CommandError::Io { path: "the player".into(), source }),
            Err(error) => {
                player.stop().await;
                Err(error)
            }
        }
    }

    fn tell_url(&self, url: &str) {
        match (&self.plan, self.play.json) {
            (_, true) => self.screen.data(&serde_json::json!({"event": "playing", "url": url}).to_string()),
            (PlayerPlan::Nobody, false) => self.screen.data(url),
            (PlayerPlan::Run(_), false) => self.screen.say(&format!("plays {url}")),
        }
    }

    /// Waits for something while the download goes on, and tells how it goes.
    async fn until<T>(
        &self,
        download: &Download,
        server: Option<&Server>,
        telling: &mut Telling<'_>,
        wanted: impl Future<Output = T>,
    ) -> Result<T, CommandError> {
        tokio::select! {
            got = wanted => Ok(got),
            error = failed(download) => Err(error.into()),
            failure = self.node.failed() => Err(DownloadError::Failed(failure).into()),
            signal = self.signals.first() => Err(CommandError::Stopped(signal)),
            never = tell(download, server, telling) => match never {},
        }
    }
}

/// Waits until the download fails. One that is complete goes on being watched.
async fn failed(download: &Download) -> DownloadError {
    match download.finished().await {
        Err(error) => error,
        Ok(_) => std::future::pending().await,
    }
}

/// Passes snapshots to the report.
async fn tell(download: &Download, server: Option<&Server>, telling: &mut Telling<'_>) -> Infallible {
    let mut progress = download.progress();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let fresh = progress.has_changed().unwrap_or(false);
        let snapshot = progress.borrow_and_update().clone();
        let now = Instant::now();
        telling.report.on_progress(now, &snapshot, fresh);
        let figures = server.map(Server::figures);
        if let Some(sentence) = figures.and_then(|figures| telling.said.next(now, &figures, &snapshot)) {
            telling.report.on_streaming(&sentence);
        }
    }
}

/// The files to play: those that can be watched or heard, or else all that are wanted.
async fn files(download: &Download) -> Result<Vec<Served>, CommandError> {
    let manifest = manifest_of(download).await;
    let served = |index: usize| {
        let file = manifest.files().get(index)?;
        let name = file.path.file_name().to_owned();
        Some(Served { index, name, length: file.length })
    };
    let mut all: Vec<Served> = Vec::new();
    for served in (0..manifest.files().len()).filter_map(served).filter(|served| served.length > 0) {
        match download.reader(served.index).await {
            Ok(_) => all.push(served),
            // Whoever waits for the download tells why it ended.
            Err(ReaderError::Ended(_)) => std::future::pending().await,
            Err(ReaderError::NoSuchFile { .. } | ReaderError::NotWanted(_)) => {}
        }
    }
    if all.iter().any(|file| is_played(&file.name)) {
        all.retain(|file| is_played(&file.name));
    }
    if all.is_empty() {
        return Err(CommandError::BadOption(format!(
            "there is nothing to play in {}",
            printable(manifest.name())
        )));
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all.truncate(FILES_MAX);
    Ok(all)
}

/// The manifest, once it is known and what is on disk was checked.
async fn manifest_of(download: &Download) -> Arc<Manifest> {
    loop {
        // A reader is given only then, whatever the file. If the download ends, somebody else tells it.
        let _ = download.reader(0).await;
        if let Some(manifest) = download.manifest() {
            return manifest;
        }
        tokio::time::sleep(TICK).await;
    }
}

fn is_whole(progress: &Progress) -> bool {
    progress.bytes_total > 0 && progress.bytes_have == progress.bytes_total
}
