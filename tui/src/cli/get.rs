//! `nearcast get`: runs several downloads at once, until all are complete and have reached their
//! seeding goals.

pub(super) mod options;
mod pour;
mod pressed;
mod remembered;
pub(crate) mod setting;
mod sources;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{Args, ValueHint};
use nearcast_core::id::ContentId;
use nearcast_node::{
    Download, Fetch, Node,
    config::{NodeConfig, SeedGoal},
    error::DownloadError,
    progress::Progress,
};
use nearcast_service::{atlas::Known, cli::Told, signals::Signals};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use self::{
    options::{Options, state_dir},
    pressed::Pressed,
    setting::Setting,
    sources::Wanted,
};
use crate::{
    atlas::{FINISH, Plan},
    error::CommandError,
    exit::Exit,
    report::Report,
    screen::Screen,
    source::Named,
};

/// Time to finish the runs being sent when everything is done.
const GRACE_DONE: Duration = Duration::from_secs(2);
/// The same after a signal. Short, as people wait for their prompt.
const GRACE_SIGNAL: Duration = Duration::from_millis(500);
/// How often to check for delayed snapshots and stalls.
const TICK: Duration = Duration::from_millis(250);

/// The examples in `--help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast get 'magnet:?xt=urn:btmh:1220…'             what a link names, to the current folder
  nearcast get film.torrent -o films --peer origin.example
  nearcast get https://example.org/film.torrent --down 40Mbit --seed ratio:1
  nearcast get --input-file links.txt --json | jq .    several, told to a program
  nearcast get film.torrent -o - | sha256sum           to another program, in order
  nearcast get --check-config                          what is set, and where";

/// Options of `get`.
#[derive(Clone, Debug, Args)]
pub(super) struct Get {
    /// Magnet links, content ids, .torrent files, or URLs of such files; - reads standard input, which holds a .torrent or
    /// a line for each.
    #[arg(
        value_name = "LINK|FILE.torrent|URL",
        value_hint = ValueHint::AnyPath,
        required_unless_present_any = ["input_file", "check-config"]
    )]
    sources: Vec<String>,
    /// File with a link, .torrent file or URL a line; lines that begin with # are comments. - is standard input.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    input_file: Vec<PathBuf>,
    /// Only files whose path in the content, or its last part, matches; several are possible.
    #[arg(long, value_name = "GLOB")]
    select: Vec<String>,
    /// Replace files that are there and differ, each when its new version is complete; until then the old one stays as it
    /// is, so there must be room for both. The new file gets the old one's mode, and its owner if you may give files away; access
    /// lists (ACLs), extended attributes and hard links are not kept.
    #[arg(long)]
    overwrite: bool,
    /// HTTP server or CDN that has the file, or the folder it lies in (a URL ending in /), beside those that
    /// torrent and link name; several are possible. Only URLs given here may lead into private networks.
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

impl Get {
    pub(super) async fn run(self, screen: &Screen, signals: &Signals) -> Result<(), CommandError> {
        // Registers SIGUSR1, which lists the peers. By default the signal would end a process that
        // has no peers yet.
        let _asked = signal(SignalKind::user_defined1());
        let read = self.told.sources.read();
        if self.told.check {
            return self.tell_config(screen, read);
        }
        let layers = read.map_err(|problems| CommandError::BadOption(problems.to_string()))?;
        let options = Options::of(&layers)?;
        let wanted = tokio::select! {
            wanted = Wanted::read(&self.sources, &self.input_file, &options.proxies, screen, self.json) => wanted,
            signal = signals.first() => return Err(CommandError::Stopped(signal)),
        };
        let (wanted, mut ends) = (wanted.contents, wanted.ends);
        if options.is_to_stdout() {
            return pour::pour(&self, &options, wanted, ends, screen, signals).await;
        }
        if !wanted.is_empty() {
            let plan =
                Plan::make(options.atlas.as_ref(), options.atlas_key.as_ref(), |text| screen.warn(text))?;
            let (atlas, hear_of_atlases) = (plan.atlas.clone(), plan.follows());
            let config = NodeConfig { atlas, hear_of_atlases, ..options.node() };
            let node = tokio::select! {
                started = Node::start(config) => started?,
                signal = signals.first() => return Err(CommandError::Stopped(signal)),
            };
            let links = wanted.iter().filter_map(Named::link).cloned().collect();
            let known = Known { directories: options.trackers.clone(), peers: options.peers.clone(), links };
            let following = plan.follow(&node, known);
            let pressed = Pressed::begin(screen, self.reads_standard_input());
            let mut running = JoinSet::new();
            for named in wanted {
                let fetch = self.fetch(&options, named.clone());
                running.spawn(self.download(node.clone(), &named, fetch, screen, signals, &pressed));
            }
            while let Some(end) = running.join_next().await {
                ends.push(end.unwrap_or(Exit::Unknown));
            }
            drop(pressed);
            remembered::note(state_dir().filter(|_| ends.contains(&Exit::Ok)), &options.trackers);
            let stopped = signals.has_come();
            let how = ends.iter().find_map(|end| match end {
                Exit::Interrupted => Some("interrupted"),
                Exit::Terminated => Some("terminated"),
                Exit::HungUp => Some("hung up"),
                _ => None,
            });
            if let Some(how) = how {
                screen.say(&format!("{how}; run the same command to continue"));
            }
            if let Some(following) = following {
                following.finish(if stopped { Duration::ZERO } else { FINISH }).await;
            }
            node.shutdown(if stopped { GRACE_SIGNAL } else { GRACE_DONE }).await;
        }
        sum_up(&ends)
    }

    /// Whether sources come from standard input.
    fn reads_standard_input(&self) -> bool {
        let files = self.input_file.iter().filter_map(|path| path.to_str());
        self.sources.iter().map(String::as_str).chain(files).any(|source| source == "-")
    }

    /// Prints the effective settings, and where each comes from.
    fn tell_config(
        &self,
        screen: &Screen,
        read: Result<nearcast_service::config::Layers<Setting>, nearcast_service::config::Problems>,
    ) -> Result<(), CommandError> {
        let layers = read.map_err(|problems| CommandError::BadOption(problems.to_string()))?;
        if self.json {
            screen.data(&serde_json::json!({"settings": layers.to_json(), "problems": []}).to_string());
        } else {
            layers.lines().iter().for_each(|line| screen.data(line));
        }
        Options::of(&layers).map(drop)
    }

    fn fetch(&self, options: &Options, named: Named) -> Fetch {
        Fetch {
            overwrite: self.overwrite,
            select: self.select.clone(),
            web_seeds: self.web_seed.clone(),
            ..options.fetch_named(named)
        }
    }

    /// One download from start to end. The future owns all its data, so that several run side by
    /// side.
    fn download(
        &self,
        node: Node,
        named: &Named,
        fetch: Fetch,
        screen: &Screen,
        signals: &Signals,
        pressed: &Pressed,
    ) -> impl Future<Output = Exit> + Send + use<> {
        let content: ContentId = named.content();
        let mut report = Report::new(screen, self.json, content, named.name());
        let asked = Asked { signals: signals.clone(), peers: pressed.peers() };
        async move {
            let seeds = fetch.seed != SeedGoal::None;
            match follow(&node, fetch, &mut report, asked, seeds).await {
                Ok(()) => Exit::Ok,
                Err(error) => error.exit(),
            }
        }
    }
}

/// What the user at the terminal asks of a download.
struct Asked {
    signals: Signals,
    /// Whether to show the list of peers.
    peers: watch::Receiver<bool>,
}

/// Reports a download until it ends. The report of the end is the last one.
async fn follow(
    node: &Node,
    fetch: Fetch,
    report: &mut Report,
    mut asked: Asked,
    seeds: bool,
) -> Result<(), CommandError> {
    let mut download = match node.fetch(fetch).await {
        Ok(download) => download,
        Err(error) => return Err(fail(report, error.into())),
    };
    let mut progress = download.progress();
    let ended = {
        let finished = download.finished();
        tokio::select! {
            ended = finished => ended.map_err(CommandError::from),
            failure = node.failed() => Err(DownloadError::Failed(failure).into()),
            signal = asked.signals.first() => Err(CommandError::Stopped(signal)),
            never = tell(report, &mut progress, &mut asked.peers) => match never {},
        }
    };
    let result = match ended {
        Ok(summary) => {
            report.on_finished(&summary);
            tokio::select! {
                () = give(&mut download, report, &mut progress, &mut asked, seeds) => Ok(()),
                failure = node.failed() => Err(fail(report, DownloadError::Failed(failure).into())),
            }
        }
        Err(error) => Err(fail(report, error)),
    };
    download.stop().await;
    result
}

/// Seeds until the goal is reached or a signal comes. The download is complete, so a signal is no
/// failure.
async fn give(
    download: &mut Download,
    report: &mut Report,
    progress: &mut watch::Receiver<Progress>,
    asked: &mut Asked,
    seeds: bool,
) {
    if !seeds {
        return;
    }
    tokio::select! {
        () = download.seeded() => {}
        _ = asked.signals.first() => {}
        never = tell(report, progress, &mut asked.peers) => match never {},
    }
    report.on_left(progress.borrow().uploaded);
}

fn fail(report: &mut Report, error: CommandError) -> CommandError {
    report.on_failed(&error);
    error
}

/// Passes every snapshot to the report, and calls it regularly in between.
async fn tell(
    report: &mut Report,
    progress: &mut watch::Receiver<Progress>,
    with_peers: &mut watch::Receiver<bool>,
) -> std::convert::Infallible {
    // If the system refuses the handler, the download goes on and nobody can ask for the peers.
    let mut asked = signal(SignalKind::user_defined1()).ok();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut open = true;
    loop {
        let fresh = tokio::select! {
            changed = progress.changed(), if open => {
                open = changed.is_ok();
                open
            }
            _ = tick.tick() => false,
            Ok(()) = with_peers.changed() => {
                let with_peers = *with_peers.borrow_and_update();
                let snapshot = progress.borrow().clone();
                report.show_peers(with_peers, &snapshot);
                continue;
            }
            () = next_of(&mut asked) => {
                let snapshot = progress.borrow().clone();
                report.on_asked_for_peers(&snapshot);
                continue;
            }
        };
        // Cloned because a borrowed snapshot blocks the writer.
        let snapshot = progress.borrow_and_update().clone();
        report.on_progress(Instant::now(), &snapshot, fresh);
    }
}

/// Waits for the next signal. Never returns without a signal handler.
async fn next_of(signal: &mut Option<tokio::signal::unix::Signal>) {
    let heard = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if heard.is_none() {
        std::future::pending::<()>().await;
    }
}

/// One result for all downloads. Each has printed its own already.
fn sum_up(ends: &[Exit]) -> Result<(), CommandError> {
    let failed = ends.iter().filter(|end| **end != Exit::Ok).count();
    if failed == 0 {
        return Ok(());
    }
    Err(CommandError::Several {
        failed,
        all: ends.len(),
        exit: ends.iter().copied().fold(Exit::Ok, Exit::worst),
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::Parser;

    use nearcast_node::Source;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        get: Get,
    }

    /// Options from these variables only, without any file.
    fn options_with(line: &str, variables: &[(&str, &str)]) -> Result<(Get, Options), CommandError> {
        let get = Line::parse_from(format!("get {line}").split(' ')).get;
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let layers = get.told.sources.read_with(&variable);
        let layers = layers.map_err(|problems| CommandError::BadOption(problems.to_string()))?;
        Options::of(&layers).map(|options| (get, options))
    }

    fn fetch(line: &str, hints: &str) -> Fetch {
        let (get, options) = options_with(line, &[]).unwrap();
        get.fetch(&options, link(hints))
    }

    fn link(hints: &str) -> Named {
        Named::parse(&format!("magnet:?xt=urn:btmh:1220{}{hints}", "ab".repeat(32))).unwrap()
    }

    #[test]
    fn discovery_decides_who_is_asked() {
        let tracker = "--tracker 127.0.0.1:6";
        let usual = fetch(&format!("x {tracker}"), "");
        assert!(usual.exchange_peers && usual.directories.len() == 1);
        let pex = fetch(&format!("x {tracker} --discover pex"), "");
        assert!(pex.exchange_peers && pex.directories.is_empty());
        let none = fetch(&format!("x {tracker} --discover none"), "&x.ma=/ip4/127.0.0.1/tcp/9");
        assert!(!none.exchange_peers && none.directories.is_empty());
        assert!(none.peers.is_empty(), "whom a link names, the user did not name");
        assert!(
            matches!(&none.source, Source::Magnet(magnet) if magnet.addresses.len() == 1),
            "it is asked all the same"
        );
        assert!(usual.find_on_lan && !pex.find_on_lan && !none.find_on_lan);
        let lan = |line: &str| options_with(line, &[]).unwrap().1.node().lan;
        assert!(lan("x") && !lan("x --discover pex"));
        assert!(options_with("x --discover none --discover pex", &[]).is_err());
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = options_with(&format!("x -o {}", file.path().display()), &[]).unwrap_err();
        assert!(refused.exit() == Exit::BadOption && refused.to_string().contains("no folder"), "{refused}");
        assert!(options_with("x -o /tmp/not/there/yet", &[]).is_ok(), "it is made");
    }

    #[test]
    fn web_seeds_are_urls_and_reach_the_node() {
        let url = "http://127.0.0.1:8080/films/";
        assert_eq!(fetch(&format!("x --web-seed {url}"), "").web_seeds, [url]);
        assert!(Line::try_parse_from(["get", "x", "--web-seed", "ftp://a.example/"]).is_err());
    }

    #[test]
    fn options_reach_the_node() {
        let line = "x --down 5M --up 40Mbit --listen /ip4/127.1.0.7/tcp/0 --timeout 30s --peer 10.0.0.1";
        let (get, options) = options_with(line, &[]).unwrap();
        let config = options.node();
        assert_eq!((config.down, config.up), (Some(5_000_000), Some(5_000_000)));
        assert_eq!((config.listen.len(), config.listen_may_move), (1, false));
        assert!(!config.origin);
        let fetch = get.fetch(&options, link(""));
        assert_eq!((fetch.patience, fetch.disk_wait), (Duration::from_secs(30), None));
        assert_eq!(fetch.peers[0].to_string(), "/ip4/10.0.0.1/tcp/4800");
        let usual = options_with("x", &[]).unwrap().1.node();
        assert!(usual.listen_may_move && usual.listen.iter().all(|address| address.port() == Some(4820)));
    }

    #[test]
    fn a_company_presets_what_its_people_get_with_and_options_win() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("client.toml");
        let text = "tracker = \"tracker.example\"\nup = \"1M\"\ndown = \"2M\"\natlas = \"world.atlas\"\n";
        std::fs::write(&file, text).unwrap();
        let variables = [("NEARCAST_CONFIG", file.to_str().unwrap()), ("NEARCAST_DOWN", "3M")];
        let (_, options) = options_with("x --up 4M", &variables).unwrap();
        assert_eq!((options.up, options.down), (Some(4_000_000), Some(3_000_000)));
        assert_eq!(options.trackers[0].to_string(), "/dns/tracker.example/tcp/4810");
        let atlas = folder.path().join("world.atlas");
        assert!(matches!(options.atlas, Some(crate::atlas::AtlasSource::File(path)) if path == atlas));
        let wrong = options_with("x", &[("NEARCAST_UP", "fast")]).unwrap_err();
        assert_eq!(wrong.exit(), Exit::BadOption);
        assert!(wrong.to_string().contains("NEARCAST_UP"), "{wrong}");
    }

    #[test]
    fn keys_and_proxies_that_are_none_are_refused() {
        for line in
            ["x --signed-by ed25519:12", "x --atlas auto --atlas-key ed25519:12", "x --listen /dns/a/tcp/1"]
        {
            assert_eq!(options_with(line, &[]).unwrap_err().exit(), Exit::BadOption, "{line}");
        }
    }

    #[test]
    fn a_full_disk_is_waited_for_as_long_as_asked() {
        let wait = |text: &str| fetch(&format!("x --disk-wait {text}"), "").disk_wait;
        assert_eq!(wait("forever"), None);
        assert_eq!(wait("none"), Some(Duration::ZERO));
        assert_eq!(wait("5m"), Some(Duration::from_secs(300)));
    }

    #[test]
    fn the_worst_end_is_the_end_of_all() {
        assert!(sum_up(&[Exit::Ok, Exit::Ok]).is_ok());
        let error = sum_up(&[Exit::Ok, Exit::Timeout, Exit::DiskFull]).unwrap_err();
        assert_eq!(error.exit(), Exit::DiskFull);
        assert_eq!(error.to_string(), "2 of 3 downloads failed");
    }
}
