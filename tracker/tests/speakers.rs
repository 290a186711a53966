//! Real routers: GoBGP announces what a collector knew in 2014 to another GoBGP and to FRR, and
//! both stream BMP into the live table.
//!
//! ```text
//! gobgp mrt inject ─► gobgpd 127.0.0.1 ─ BGP ─► gobgpd 127.0.0.2 ─ BMP ─┐
//!                                      └ BGP ─► FRR    127.0.0.3 ─ BMP ─┴─► Live
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use ipnetwork::Ipv4Network;
use nearcast_bgp::{feed::FeedKind, packed};
use nearcast_core::{
    asn::Asn,
    atlas::{Atlas, AtlasBuilder},
};
use nearcast_tracker::feeds::{
    bmp::BmpConfig,
    live::{Live, LiveConfig, LiveStats, Phase},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(120);
const FRR: &str = "/usr/lib/frr/bgpd";
const RIB: &str = "rib.20140523.0600_firstMB.whole-records.mrt.bz2";

/// A program that is killed when the test ends, however it ends.
struct Speaker {
    name: &'static str,
    child: Child,
}

impl Speaker {
    fn start(name: &'static str, command: &mut Command, folder: &Path) -> Speaker {
        let log = fs::File::create(folder.join(format!("{name}.log"))).expect("a log can be written");
        let errors = log.try_clone().expect("a file can be shared");
        let child =
            command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("the program starts");
        Speaker { name, child }
    }

    /// Kills the program at once, as a loss of power would.
    fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
        let left = Path::new("/proc").join(self.child.id().to_string());
        assert!(!left.exists(), "{} has ended", self.name);
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // The program may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now.
fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    socket.local_addr().expect("it has an address").port()
}

fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn bmp_module() -> Option<PathBuf> {
    let libraries = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let modules = libraries.map(|library| library.path().join("frr/modules/bgpd_bmp.so"));
    modules.chain([PathBuf::from("/usr/lib/frr/modules/bgpd_bmp.so")]).find(|module| module.is_file())
}

/// What every speaker of this test needs.
struct Net {
    folder: TempDir,
    bgp: u16,
    api: u16,
    bmp: u16,
}

impl Net {
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file can be written");
        path
    }

    fn gobgpd(&self, name: &'static str, config: &str, api: u16) -> Speaker {
        let config = self.file(&format!("{name}.toml"), config);
        let mut command = Command::new("gobgpd");
        command.args(["-t", "toml", "--pprof-disable", "--api-hosts", &format!("127.0.0.1:{api}"), "-f"]);
        Speaker::start(name, command.arg(config), self.folder.path())
    }

    /// The router that passes on the injected routes to the others.
    fn source(&self) -> Speaker {
        let mut config = format!(
            "[global.config]\nas = 65001\nrouter-id = \"10.255.0.1\"\nport = {}\nlocal-address-list = [\"127.0.0.1\"]\n",
            self.bgp
        );
        for (address, asn) in [("127.0.0.2", 65_002), ("127.0.0.3", 65_003)] {
            config += &format!(
                "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{address}\"\npeer-as = {asn}\n\
                 [neighbors.transport.config]\npassive-mode = true\n"
            );
        }
        self.gobgpd("source", &config, self.api)
    }

    /// A router that streams every view of every route.
    fn gobgp_router(&self) -> Speaker {
        let config = format!(
            "[global.config]\nas = 65002\nrouter-id = \"10.255.0.2\"\nport = -1\n\
             [[bmp-servers]]\n[bmp-servers.config]\naddress = \"127.0.0.1\"\nport = {}\nroute-monitoring-policy = \"all\"\n\
             [[neighbors]]\n[neighbors.config]\nneighbor-address = \"127.0.0.1\"\npeer-as = 65001\n\
             [neighbors.transport.config]\nlocal-address = \"127.0.0.2\"\nremote-port = {}\n\
             [neighbors.timers.config]\nconnect-retry = 1\n",
            self.bmp, self.bgp
        );
        self.gobgpd("gobgp", &config, free_port())
    }

    fn frr_router(&self, module: &Path) -> Speaker {
        let config = format!(
            "hostname frr-of-a-test\nrouter bgp 65003\n bgp router-id 10.255.0.3\n no bgp ebgp-requires-policy\n\
             \x20neighbor 127.0.0.1 remote-as 65001\n neighbor 127.0.0.1 port {}\n\
             \x20neighbor 127.0.0.1 update-source 127.0.0.3\n neighbor 127.0.0.1 disable-connected-check\n\
             \x20neighbor 127.0.0.1 timers connect 1\n bmp targets station\n  bmp monitor ipv4 unicast pre-policy\n\
             \x20 bmp monitor ipv4 unicast post-policy\n\
             \x20 bmp connect 127.0.0.1 port {} min-retry 200 max-retry 1000\n exit\nexit\n",
            self.bgp, self.bmp
        );
        let config = self.file("frr.conf", &config);
        let folder = self.folder.path();
        let mut command = Command::new(FRR);
        command.args(["-n", "-Z", "-p", "0", "-l", "127.0.0.3", "-P", "0", "-M"]).arg(module);
        command.arg("-f").arg(config).arg("--vty_socket").arg(folder).arg("-i").arg(folder.join("bgpd.pid"));
        Speaker::start("frr", &mut command, folder)
    }

    fn gobgp(&self, args: &[&str]) -> Option<Vec<u8>> {
        let port = self.api.to_string();
        let output = Command::new("gobgp").args(["-u", "127.0.0.1", "-p", &port]).args(args).output().ok()?;
        output.status.success().then_some(output.stdout)
    }
}

fn base() -> Arc<Atlas> {
    let mut builder = AtlasBuilder::new(1_000);
    builder.prefix("1.0.0.0/24".parse().expect("it is well written"), &[Asn(1)]);
    builder.build().into()
}

async fn until(live: &Live, what: &str, holds: impl Fn(&LiveStats) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds(&live.stats()) {
        assert!(Instant::now() < end, "{what}: {:?}", live.stats());
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until everything received so far is in the atlas.
async fn settle(live: &Live) {
    until(live, "the atlas follows", |stats| !stats.is_behind).await;
}

fn origin(live: &Live, address: Ipv4Addr) -> Option<Asn> {
    live.atlas().origin(IpAddr::V4(address))
}

/// The best routes that the source itself reports, once it has taken all that was injected: each
/// prefix, and its path if that is plain.
async fn routes_of_source(net: &Net) -> BTreeMap<Ipv4Network, Option<Vec<u32>>> {
    let (mut routes, end) = (BTreeMap::new(), Instant::now() + PATIENCE);
    loop {
        let told = net.gobgp(&["global", "rib", "-a", "ipv4", "-j"]).expect("the source answers");
        let told: HashMap<String, Value> = serde_json::from_slice(&told).expect("it speaks JSON");
        let now: BTreeMap<Ipv4Network, _> = told
            .iter()
            .map(|(prefix, paths)| (prefix.parse().expect("a prefix"), plain_path(&paths[0])))
            .collect();
        if !now.is_empty() && now == routes {
            return routes;
        }
        assert!(Instant::now() < end, "the source takes what is injected");
        routes = now;
        sleep(Duration::from_millis(300)).await;
    }
}

/// Whether a path is usable: it has a public AS. Paths with sets are fine, and a path with a loop
/// still tells its origin.
fn is_usable(path: Option<&[u32]>) -> bool {
    path.is_none_or(|path| path.iter().any(|asn| Asn(*asn).is_public()))
}

/// The ASes of a path. `None`: there is no path, or it has sets.
fn plain_path(route: &Value) -> Option<Vec<u32>> {
    let attributes = route["attrs"].as_array()?;
    let path = attributes.iter().find(|attribute| attribute["type"] == 2)?;
    let mut ases = Vec::new();
    for segment in path["as_paths"].as_array()? {
        if segment["segment_type"] != 2 {
            return None;
        }
        ases.extend(segment["asns"].as_array()?.iter().filter_map(Value::as_u64).map(|asn| asn as u32));
    }
    Some(ases)
}

/// For every first address of a prefix: the origin of the longest prefix that begins there. Only
/// where the path is plain.
fn expected(routes: &BTreeMap<Ipv4Network, Option<Vec<u32>>>) -> BTreeMap<Ipv4Addr, Asn> {
    let mut longest: BTreeMap<Ipv4Addr, (u8, Option<Asn>)> = BTreeMap::new();
    for (network, path) in routes {
        let mut once = path.clone().unwrap_or_default();
        once.dedup();
        let mut distinct = once.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let plain = distinct.len() == once.len() && once.iter().all(|asn| Asn(*asn).is_public());
        let origin = once.last().copied().filter(|_| plain).map(Asn);
        let kept = longest.entry(network.network()).or_default();
        if network.prefix() >= kept.0 {
            *kept = (network.prefix(), origin);
        }
    }
    longest.into_iter().filter_map(|(address, (_, origin))| Some((address, origin?))).collect()
}

/// The table to inject, unpacked: the real one, or a made-up one.
fn table(folder: &Path) -> PathBuf {
    let data = std::env::var_os("NEARCAST_BGP_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/bgp"), PathBuf::from);
    let unpacked = folder.join("rib.mrt");
    let mut bytes = Vec::new();
    match packed::open(&data.join(RIB), &Arc::default()) {
        Ok(mut reader) => {
            reader.read_to_end(&mut bytes).expect("the table can be read");
        }
        Err(_) => {
            println!("skipped: {RIB} is not here; a table of 500 made-up routes is injected instead");
            bytes = made_up();
        }
    }
    fs::File::create(&unpacked).and_then(|mut file| file.write_all(&bytes)).expect("a file can be written");
    unpacked
}

fn made_up() -> Vec<u8> {
    use bgpkit_parser::{BgpElem, encoder::MrtRibEncoder, models::AsPath};
    let mut encoder = MrtRibEncoder::new();
    for number in 0..500u32 {
        let element = BgpElem {
            timestamp: 1_400_000_000.0,
            peer_ip: "192.0.2.1".parse().expect("it is well written"),
            peer_asn: 7.into(),
            next_hop: Some("192.0.2.1".parse().expect("it is well written")),
            prefix: format!("1.{}.{}.0/24", number >> 8, number & 255).parse().expect("it is well written"),
            as_path: Some(AsPath::from_sequence([7, 8, 1_000 + number])),
            origin: Some(bgpkit_parser::models::Origin::IGP),
            ..BgpElem::default()
        };
        encoder.process_elem(&element).expect("it fits");
    }
    encoder.export_bytes().expect("it can be written").to_vec()
}

fn missing() -> Option<&'static str> {
    let gobgp = found("gobgpd") && found("gobgp");
    let frr = Path::new(FRR).is_file() && bmp_module().is_some();
    match (gobgp, frr) {
        (true, true) => None,
        (false, _) => Some("gobgpd and gobgp are not installed"),
        (true, false) => Some("FRR's bgpd with its BMP module is not installed"),
    }
}

fn feed<'a>(stats: &'a LiveStats, name: &str) -> Option<&'a nearcast_tracker::feeds::live::FeedStats> {
    stats.feeds.iter().find(|feed| feed.feed.name == name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_routers_change_what_look_ups_say_and_age_when_they_die() {
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return;
    }
    let config = LiveConfig {
        bmp: Some("127.0.0.1:0".parse().expect("it is well written")),
        bmp_sessions: BmpConfig { quiet: Duration::from_millis(500), ..BmpConfig::default() },
        hold: Duration::from_secs(2),
        rebuild_every: Duration::from_millis(100),
        ..LiveConfig::default()
    };
    let live = Live::start(config, base(), &CancellationToken::new()).await.expect("it starts");
    let bmp = live.bmp_address().expect("it listens").port();
    let folder = tempfile::tempdir().expect("a folder can be made");
    open_to_all(folder.path());
    let net = Net { folder, bgp: free_port(), api: free_port(), bmp };
    let mut source = net.source();
    let mut gobgp = net.gobgp_router();
    let mut frr = net.frr_router(&bmp_module().expect("it was found"));
    until(&live, "both routers connect", |stats| stats.feeds.len() == 2).await;
    let end = Instant::now() + PATIENCE;
    while net
        .gobgp(&["neighbor"])
        .is_none_or(|told| String::from_utf8_lossy(&told).matches("Establ").count() < 2)
    {
        assert!(Instant::now() < end, "the routers speak BGP");
        sleep(Duration::from_millis(100)).await;
    }

    // Announced routes are in the atlas.
    inject_and_find(&net, &live).await;
    let somebody = Ipv4Addr::new(1, 0, 0, 1);
    let before = origin(&live, somebody);
    // Withdrawn routes are not. With a loopback next hop GoBGP would withdraw the route, and FRR
    // would end the session.
    let more_specific = ["1.0.0.0/25", "aspath", "3356,15133", "nexthop", "192.0.2.1", "-a", "ipv4"];
    let change =
        |verb| net.gobgp(&[&["global", "rib", verb][..], &more_specific].concat()).expect("the source obeys");
    change("add");
    until(&live, "the more specific route is told", |_| origin(&live, somebody) == Some(Asn(15_133))).await;
    change("del");
    until(&live, "and taken back", |_| origin(&live, somebody) == before).await;
    net.gobgp(&["global", "rib", "del", "all", "-a", "ipv4"]).expect("everything is withdrawn");
    until(&live, "everything is withdrawn", |stats| stats.rib.routes == 0).await;
    settle(&live).await;
    assert_eq!(origin(&live, somebody), Some(Asn(1)), "the base again");
    assert_eq!(live.atlas().counts().ranges_v4, 1);

    // One router dies; the other still announces the routes.
    let addresses = inject_and_find(&net, &live).await;
    gobgp.kill();
    until(&live, "it is held", |stats| stats.sessions(FeedKind::Bmp, Phase::Held) == 1).await;
    until(&live, "it is gone", |stats| stats.feeds.len() == 1).await;
    settle(&live).await;
    let (some, asn) = addresses.iter().next_back().expect("there are routes");
    assert_eq!(origin(&live, *some), Some(*asn), "the other router tells it, too");
    // Both routers are dead.
    frr.kill();
    until(&live, "it is held", |stats| stats.sessions(FeedKind::Bmp, Phase::Held) == 1).await;
    assert_eq!(origin(&live, *some), Some(*asn), "held for a while");
    until(&live, "it is gone", |stats| stats.feeds.is_empty()).await;
    settle(&live).await;
    assert_eq!(origin(&live, *some), base().origin(IpAddr::V4(*some)));
    source.kill();
    tokio::time::timeout(PATIENCE, live.stop()).await.expect("everything ends");
}

/// Opens the folder to all, because FRR runs as its own user and writes here.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("it is ours");
}

/// Injects the table, and checks the origin of every address whose route is plain against the
/// source. Returns these origins.
async fn inject_and_find(net: &Net, live: &Live) -> BTreeMap<Ipv4Addr, Asn> {
    let table = table(net.folder.path());
    let table = table.to_str().expect("the path is UTF-8");
    net.gobgp(&["mrt", "inject", "global", "--only-best", "--no-ipv6", table]).expect("it is injected");
    let routes = routes_of_source(net).await;
    let expected = expected(&routes);
    let told = |stats: &LiveStats, name: &str| feed(stats, name).map_or(0, |feed| feed.routes);
    let usable =
        routes.iter().filter(|(network, path)| network.prefix() >= 8 && is_usable(path.as_deref())).count();
    for name in ["GoBGP", "frr-of-a-test"] {
        until(live, &format!("{name} tells of {usable} routes"), |stats| told(stats, name) == usable).await;
    }
    until(live, "both have told all", |stats| stats.sessions(FeedKind::Bmp, Phase::Synced) == 2).await;
    let wrong = || {
        let atlas = live.atlas();
        let differs = |(address, asn): &(&Ipv4Addr, &Asn)| atlas.origin(IpAddr::V4(**address)) != Some(**asn);
        expected.iter().filter(differs).count()
    };
    until(live, &format!("all of {} are found", expected.len()), |stats| !stats.is_behind && wrong() == 0)
        .await;
    let stats = live.stats();
    println!(
        "{} routes of the source, {usable} usable: GoBGP {}, FRR {}, {} found as expected; {:?}",
        routes.len(),
        told(&stats, "GoBGP"),
        told(&stats, "frr-of-a-test"),
        expected.len(),
        stats.rib
    );
    assert!(expected.len() * 10 > routes.len() * 9, "nearly all routes are plain");
    expected
}
