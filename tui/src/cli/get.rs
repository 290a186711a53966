//! `nearcast get`: downloads, several at once, until all are done and their seeding goals are reached.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use nearcast_core::{id::ContentId, signature::PublisherKey};
use nearcast_node::{
    address::Address,
    config::{NodeConfig, SeedGoal},
    error::DownloadError,
    handle::{Download, Fetch, Node},
    progress::Progress,
};
use nearcast_service::{
    atlas::Known,
    signals::Signals,
    units::{parse_duration, parse_rate},
};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    atlas::{AtlasSource, FINISH, Plan},
    error::CommandError,
    exit::Exit,
    publisher::Publisher,
    report::Report,
    screen::Screen,
    source::Named,
};

/// Runs being sent when everything is done are finished within this time.
const GRACE_DONE: Duration = Duration::from_secs(2);
/// After a signal people wait for their prompt.
const GRACE_SIGNAL: Duration = Duration::from_millis(500);
/// Snapshots that came too soon to be told, and stalls, are looked at this often.
const TICK: Duration = Duration::from_millis(250);

/// Options of `get`.
#[derive(Clone, Debug, Args)]
pub(super) struct Get {
    /// Magnet links or .torrent files.
    #[arg(required = true, value_name = "LINK|FILE.torrent")]
    sources: Vec<String>,
    /// Folder to download to.
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Replace files that are there and differ, each when its new version is complete; until then the old one stays as it
    /// is, so there must be room for both. The new file gets the old one's mode, and its owner if you may give files away; access
    /// lists (ACLs), extended attributes and hard links are not kept.
    #[arg(long)]
    overwrite: bool,
    /// Peer or seeder to ask; several are possible. Only addresses given here may have ports below 1024, lie in private
    /// networks that are none of ours, or on this machine: of those in a link, which a stranger may have written, the
    /// first eight are tried.
    #[arg(long, value_name = "MULTIADDR")]
    peer: Vec<Address>,
    /// HTTP server or CDN that has the file, or the folder it lies in (a URL ending in /), beside those that
    /// torrent and link name; several are possible. Only URLs given here may lead into private networks.
    #[arg(long, value_name = "URL", value_parser = super::publish::web_seed)]
    web_seed: Vec<String>,
    /// Tracker or other directory to ask for peers; several are possible.
    #[arg(long, value_name = "MULTIADDR")]
    tracker: Vec<Address>,
    /// Atlas of who is where, made by nearcast-tracker atlas build, or auto: peers in our own network (AS) come first,
    /// then those in networks next to it [default: nearness goes by address prefixes]. With auto, the last good one is
    /// used, and whenever a tracker tells of a newer one, it is fetched from other peers and used at once. It is kept in
    /// the cache folder.
    #[arg(long, value_name = "FILE|auto")]
    atlas: Option<AtlasSource>,
    /// Who must have signed the atlas of --atlas auto: a public key as nearcast key show prints it, or a file that holds
    /// it.
    #[arg(long, value_name = "KEY")]
    atlas_key: Option<Publisher>,
    /// Whether nearness decides whom bytes come from; off = random choice, to see what it saves.
    #[arg(long, value_name = "on|off", default_value = "on", hide = true)]
    nearness: Switch,
    /// Ways to find peers besides --peer and those in the link: tracker (ask directories: those given,
    /// and origins about what they serve), pex (peers tell of peers), lan (whoever is on the local network;
    /// they learn that we are there, and those we ask, what for), or none. Peers that were told of us may
    /// come to us all the same. The DHT is not built yet.
    #[arg(long, value_name = "WAY,…", value_delimiter = ',', default_value = "tracker,pex,lan")]
    discover: Vec<Discover>,
    /// Bytes per second to receive at most: 5M, 8MiB/s, 40Mbit [default: no limit].
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    down: Option<u64>,
    /// Bytes per second to give at most [default: no limit].
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    up: Option<u64>,
    /// How long to go on giving when everything is here: none, ratio:R, time:T or forever.
    #[arg(long, value_name = "GOAL", value_parser = parse_goal, default_value = "none")]
    seed: SeedGoal,
    /// Only files whose path in the content, or its last part, matches; several are possible.
    #[arg(long, value_name = "GLOB")]
    select: Vec<String>,
    /// Address to listen on, and to dial from [default: every interface, TCP and QUIC, any free port].
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<Address>,
    /// Secret key to be known by, made when missing [default: a fresh one each time].
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Demand a valid signature by this publisher: a public key as nearcast key show prints it, or a file that
    /// holds it. Of several, one is enough.
    #[arg(long, value_name = "KEY")]
    signed_by: Vec<Publisher>,
    /// Give up when no byte came for this long. Waiting for a turn at peers that serve others, or for
    /// room on a full disk, does not count.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "60s")]
    timeout: Duration,
    /// How long to wait for room when the disk is full: a time, none or forever. It goes on by itself when
    /// there is some. A hundredth of the disk, at most 256 MiB, is left to others.
    #[arg(long, value_name = "TIME", value_parser = parse_wait, default_value = "forever")]
    disk_wait: Wait,
    /// Print events on standard output, one JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
    /// Say nothing but errors.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// Ways to find peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Discover {
    /// Directories given by --tracker.
    Tracker,
    /// Peers tell of peers.
    Pex,
    /// Whoever is on the local network.
    Lan,
    /// No way: only those named.
    None,
}

/// Something that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// It is done.
    On,
    /// It is not.
    Off,
}

/// How long to wait for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Time(Duration),
    Forever,
}

impl Wait {
    fn bound(self) -> Option<Duration> {
        match self {
            Wait::Time(time) => Some(time),
            Wait::Forever => None,
        }
    }
}

fn parse_wait(text: &str) -> Result<Wait, String> {
    let wrong = |_| "write a time like 30s or 5m, none or forever".to_owned();
    match text {
        "forever" => Ok(Wait::Forever),
        "none" => Ok(Wait::Time(Duration::ZERO)),
        _ => parse_duration(text).map(Wait::Time).map_err(wrong),
    }
}

fn parse_goal(text: &str) -> Result<SeedGoal, String> {
    match text.split_once(':') {
        None if text == "none" => Ok(SeedGoal::None),
        None if text == "forever" => Ok(SeedGoal::Forever),
        Some(("ratio", ratio)) => match ratio.parse::<f64>() {
            Ok(ratio) if ratio.is_finite() && ratio > 0.0 => Ok(SeedGoal::Ratio(ratio)),
            _ => Err("a ratio is a number above zero, like ratio:1.5".to_owned()),
        },
        Some(("time", time)) => parse_duration(time).map(SeedGoal::Time).map_err(|error| error.to_string()),
        _ => Err("write none, ratio:1.5, time:30m or forever".to_owned()),
    }
}

impl Get {
    pub(super) async fn run(self, screen: &Screen, signals: &Signals) -> Result<(), CommandError> {
        self.check_options()?;
        let signed_by = self.signed_by.iter().map(Publisher::key).collect::<Result<Vec<_>, _>>()?;
        let (wanted, mut ends) = self.read_sources(screen);
        if !wanted.is_empty() {
            let plan = Plan::make(self.atlas.as_ref(), self.atlas_key.as_ref(), screen)?;
            let (atlas, hear_of_atlases) = (plan.atlas.clone(), plan.follows());
            let config = NodeConfig { atlas, hear_of_atlases, ..self.node_config() };
            let node = tokio::select! {
                started = Node::start(config) => started?,
                signal = signals.first() => return Err(CommandError::Stopped(signal)),
            };
            let links = wanted.iter().filter_map(Named::link).cloned().collect();
            let known = Known { directories: self.tracker.clone(), peers: self.peer.clone(), links };
            let following = plan.follow(&node, known);
            let mut running = JoinSet::new();
            for named in wanted {
                let fetch = self.fetch(named.clone(), signed_by.clone());
                running.spawn(self.download(node.clone(), &named, fetch, screen, signals));
            }
            while let Some(end) = running.join_next().await {
                ends.push(end.unwrap_or(Exit::Unknown));
            }
            let stopped =
                ends.iter().any(|end| matches!(end, Exit::Interrupted | Exit::Terminated | Exit::HungUp));
            if let Some(following) = following {
                following.finish(if stopped { Duration::ZERO } else { FINISH }).await;
            }
            node.shutdown(if stopped { GRACE_SIGNAL } else { GRACE_DONE }).await;
        }
        sum_up(&ends)
    }

    fn check_options(&self) -> Result<(), CommandError> {
        if self.discover.contains(&Discover::None) && self.discover.len() > 1 {
            let sentence = "--discover none goes with no other way".to_owned();
            return Err(CommandError::BadOption(sentence));
        }
        if self.output.exists() && !self.output.is_dir() {
            return Err(CommandError::BadOption(format!(
                "-o names the folder to download to, and {} is no folder; the file in it gets the content's name",
                self.output.display()
            )));
        }
        Ok(())
    }

    /// Sources that cannot be read are told at once and must not stop the others.
    fn read_sources(&self, screen: &Screen) -> (Vec<Named>, Vec<Exit>) {
        let (mut wanted, mut ends, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for text in &self.sources {
            match Named::parse(text) {
                // The same content twice is one download.
                Ok(named) if seen.insert(named.content()) => {
                    named.bad_signatures().iter().for_each(|key| {
                        screen
                            .warn(&format!("{text}: the signature of {key} does not verify and is ignored"));
                    });
                    wanted.push(named);
                }
                Ok(_) => {}
                Err(error) => {
                    if self.json {
                        screen.data(&crate::report::event::failed(None, &error));
                    }
                    screen.complain(&error.to_string());
                    ends.push(error.exit());
                }
            }
        }
        (wanted, ends)
    }

    fn node_config(&self) -> NodeConfig {
        let mut config = NodeConfig {
            identity: self.identity.clone(),
            up: self.up,
            down: self.down,
            lan: self.discover.contains(&Discover::Lan),
            nearness: self.nearness == Switch::On,
            ..NodeConfig::default()
        };
        if !self.listen.is_empty() {
            config.listen.clone_from(&self.listen);
        }
        config
    }

    fn fetch(&self, named: Named, signed_by: Vec<PublisherKey>) -> Fetch {
        let directories =
            if self.discover.contains(&Discover::Tracker) { self.tracker.clone() } else { Vec::new() };
        Fetch {
            source: named.into_source(),
            folder: self.output.clone(),
            overwrite: self.overwrite,
            select: self.select.clone(),
            // Addresses in a link are no word of the user's: the node reads them, and judges them.
            peers: self.peer.clone(),
            web_seeds: self.web_seed.clone(),
            directories,
            ask_directories: self.discover.contains(&Discover::Tracker),
            exchange_peers: self.discover.contains(&Discover::Pex),
            find_on_lan: self.discover.contains(&Discover::Lan),
            seed: self.seed,
            patience: self.timeout,
            signed_by,
            disk_wait: self.disk_wait.bound(),
            bytes_max: None,
            state_dir: state_dir(),
        }
    }

    /// One download from start to end. It owns all it needs, so that several run side by side.
    fn download(
        &self,
        node: Node,
        named: &Named,
        fetch: Fetch,
        screen: &Screen,
        signals: &Signals,
    ) -> impl Future<Output = Exit> + Send + use<> {
        let content: ContentId = named.content();
        let mut report = Report::new(screen, self.json, content, named.name());
        let signals = signals.clone();
        async move {
            let seeds = fetch.seed != SeedGoal::None;
            match follow(&node, fetch, &mut report, &signals, seeds).await {
                Ok(()) => Exit::Ok,
                Err(error) => error.exit(),
            }
        }
    }
}

/// The state folder of the user, where it is remembered what is complete. None when there is no home:
/// then everything that is there is checked each time.
fn state_dir() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(Path::new(&state).join("nearcast"))
}

/// Tells of a download until it ends. What was told as the end is the last word: an error after
/// `finished` (a signal while seeding) changes the exit code only.
async fn follow(
    node: &Node,
    fetch: Fetch,
    report: &mut Report,
    signals: &Signals,
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
            signal = signals.first() => Err(CommandError::Stopped(signal)),
            never = tell(report, &mut progress) => match never {},
        }
    };
    let result = match ended {
        Ok(summary) => {
            report.on_finished(&summary);
            tokio::select! {
                given = give(&mut download, report, &mut progress, signals, seeds) => given,
                failure = node.failed() => Err(fail(report, DownloadError::Failed(failure).into())),
            }
        }
        Err(error) => Err(fail(report, error)),
    };
    download.stop().await;
    result
}

/// Goes on giving until the goal is reached.
async fn give(
    download: &mut Download,
    report: &mut Report,
    progress: &mut watch::Receiver<Progress>,
    signals: &Signals,
    seeds: bool,
) -> Result<(), CommandError> {
    if !seeds {
        return Ok(());
    }
    let ended = tokio::select! {
        () = download.seeded() => Ok(()),
        signal = signals.first() => Err(CommandError::Stopped(signal)),
        never = tell(report, progress) => match never {},
    };
    report.on_left(progress.borrow().uploaded);
    ended
}

fn fail(report: &mut Report, error: CommandError) -> CommandError {
    report.on_failed(&error);
    error
}

/// Hands every snapshot to the report, and lets it catch up in between.
async fn tell(report: &mut Report, progress: &mut watch::Receiver<Progress>) -> std::convert::Infallible {
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
        };
        // Cloned, because the writer waits while a snapshot is borrowed.
        let snapshot = progress.borrow_and_update().clone();
        report.on_progress(Instant::now(), &snapshot, fresh);
    }
}

/// One end of all; each download has told its own.
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
    use clap::Parser;

    use nearcast_node::handle::Source;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        get: Get,
    }

    fn get(line: &str) -> Get {
        Line::parse_from(format!("get {line}").split(' ')).get
    }

    fn link(hints: &str) -> Named {
        Named::parse(&format!("magnet:?xt=urn:btmh:1220{}{hints}", "ab".repeat(32))).unwrap()
    }

    #[test]
    fn seeding_goals_are_read() {
        assert_eq!(parse_goal("none"), Ok(SeedGoal::None));
        assert_eq!(parse_goal("forever"), Ok(SeedGoal::Forever));
        assert_eq!(parse_goal("ratio:1.5"), Ok(SeedGoal::Ratio(1.5)));
        assert_eq!(parse_goal("time:2h"), Ok(SeedGoal::Time(Duration::from_secs(7200))));
        for wrong in ["", "ratio", "ratio:-1", "ratio:nan", "ratio:inf", "time:x", "later:1"] {
            assert!(parse_goal(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn discovery_decides_who_is_asked() {
        let tracker = "--tracker /ip4/127.0.0.1/tcp/6";
        let usual = get(&format!("x {tracker}")).fetch(link(""), Vec::new());
        assert!(usual.exchange_peers && usual.directories.len() == 1);
        let pex = get(&format!("x {tracker} --discover pex")).fetch(link(""), Vec::new());
        assert!(pex.exchange_peers && pex.directories.is_empty());
        let none = get(&format!("x {tracker} --discover none"));
        let none = none.fetch(link("&x.ma=/ip4/127.0.0.1/tcp/9"), Vec::new());
        assert!(!none.exchange_peers && none.directories.is_empty());
        assert!(none.peers.is_empty(), "whom a link names, the user did not name");
        assert!(
            matches!(&none.source, Source::Magnet(magnet) if magnet.addresses.len() == 1),
            "it is asked all the same"
        );
        assert!(usual.find_on_lan && !pex.find_on_lan && !none.find_on_lan);
        assert!(get("x").node_config().lan && !get("x --discover pex").node_config().lan);
        assert!(get("x --discover none,pex").check_options().is_err());
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = get(&format!("x -o {}", file.path().display())).check_options().unwrap_err();
        assert!(refused.exit() == Exit::BadOption && refused.to_string().contains("no folder"), "{refused}");
        assert!(get("x -o /tmp/not/there/yet").check_options().is_ok(), "it is made");
    }

    #[test]
    fn web_seeds_are_urls_and_reach_the_node() {
        let url = "http://127.0.0.1:8080/films/";
        assert_eq!(get(&format!("x --web-seed {url}")).fetch(link(""), Vec::new()).web_seeds, [url]);
        assert!(Line::try_parse_from(["get", "x", "--web-seed", "ftp://a.example/"]).is_err());
    }

    #[test]
    fn options_reach_the_node() {
        let get = get("x --down 5M --up 40Mbit --listen /ip4/127.1.0.7/tcp/0 --timeout 30s");
        let config = get.node_config();
        assert_eq!((config.down, config.up), (Some(5_000_000), Some(5_000_000)));
        assert_eq!(config.listen, get.listen);
        assert!(!config.origin);
        let fetch = get.fetch(link(""), Vec::new());
        assert_eq!((fetch.patience, fetch.disk_wait), (Duration::from_secs(30), None));
    }

    #[test]
    fn a_full_disk_is_waited_for_as_long_as_asked() {
        let wait = |text: &str| get(&format!("x --disk-wait {text}")).fetch(link(""), Vec::new()).disk_wait;
        assert_eq!(wait("forever"), None);
        assert_eq!(wait("none"), Some(Duration::ZERO));
        assert_eq!(wait("5m"), Some(Duration::from_secs(300)));
        assert!(parse_wait("soon").is_err());
    }

    #[test]
    fn one_unreadable_source_does_not_hide_the_others() {
        let named = format!("magnet:?xt=urn:btmh:1220{}", "ab".repeat(32));
        let get = get(&format!("/absent.torrent {named} {named}"));
        let (wanted, ends) = get.read_sources(&Screen::new(true, false));
        assert_eq!(wanted.len(), 1, "the same content twice is one download");
        assert_eq!(ends, [Exit::Io]);
    }

    #[test]
    fn the_worst_end_is_the_end_of_all() {
        assert!(sum_up(&[Exit::Ok, Exit::Ok]).is_ok());
        let error = sum_up(&[Exit::Ok, Exit::Timeout, Exit::DiskFull]).unwrap_err();
        assert_eq!(error.exit(), Exit::DiskFull);
        assert_eq!(error.to_string(), "2 of 3 downloads failed");
    }
}
