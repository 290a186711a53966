//! All settings of a tracker. One table defines the command line, the environment, the file, their
//! documentation and all checks.
//!
//! A setting has one name in three spellings: `--peers-per-content`,
//! `NEARCAST_TRACKER_PEERS_PER_CONTENT` and the key `peers-per-content`.

use nearcast_node::address::TRACKER_PORT;
use nearcast_service::{
    sandbox,
    setting::{self, Kind, Program},
};

/// A row of the table.
pub type About = setting::About<Setting>;

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is described in the table, once")]
pub enum Setting {
    Listen,
    Allow,
    Open,
    Join,
    Dht,
    Contents,
    Peers,
    PeersPerContent,
    Connections,
    ConnectionsPerPrefix,
    Atlas,
    AtlasSigningKey,
    AtlasInterval,
    Bmp,
    BmpRouter,
    RisLive,
    RisCollector,
    Updates,
    Hold,
    RebuildInterval,
    Up,
    Grace,
    Admin,
    StateDir,
    SaveInterval,
    Identity,
    Log,
    LogFormat,
    Sandbox,
}

use Kind::{
    Addresses, Count, Duration, Filter, Ips, Listen, Path, PathOr, Paths, Rate, Socket, Switch, Word, Words,
};

/// The table, in display order.
pub static TABLE: [About; 29] = [
    About {
        setting: Setting::Listen,
        name: "listen",
        kind: Listen(TRACKER_PORT),
        value: "ADDRESS",
        default: "",
        example: "192.0.2.1:4810",
        live: false,
        short: "Address to listen on: IP:PORT for TCP and QUIC, or a multiaddr.",
        long: "Several are possible. By default every interface, TCP and QUIC, port 4810; or any free port if that is \
               taken, which is said. A port that is named here never gives way. * stands for every interface.",
    },
    About {
        setting: Setting::Allow,
        name: "allow",
        kind: Path,
        value: "FILE",
        default: "",
        example: "/etc/nearcast/contents.txt",
        live: true,
        short: "Contents to be a directory for, and no others.",
        long: "A file with a content a line: its id in hexadecimal digits, or a magnet link; what \
               follows # is a comment. A reload reads it again.",
    },
    About {
        setting: Setting::Open,
        name: "open",
        kind: Switch,
        value: "BOOL",
        default: "",
        example: "true",
        live: false,
        short: "Be a directory for any content.",
        long: "By default yes, unless a file of contents is given. With false and no such file, \
               only for the atlas that is published.",
    },
    About {
        setting: Setting::Join,
        name: "join",
        kind: Addresses(TRACKER_PORT),
        value: "ADDRESS",
        default: "",
        example: "/dns/other.example/tcp/4810",
        live: false,
        short: "Directory to share a hash table with.",
        long: "Several are possible; one that answers is enough. Directories that share a table find what the others know, for \
               whoever asks them. Those met are remembered in the state folder for the next start. Names are looked up at each \
               attempt.",
    },
    About {
        setting: Setting::Dht,
        name: "dht",
        kind: Switch,
        value: "BOOL",
        default: "true",
        example: "",
        live: false,
        short: "Share a hash table with other directories.",
        long: "It tells them hashes of what is known here, and asks them for what is not. With false this one is on its own; \
               nobody who asks here hears of what others know.",
    },
    About {
        setting: Setting::Contents,
        name: "contents",
        kind: Count { min: 16, max: 10_000_000 },
        value: "N",
        default: "131072",
        example: "",
        live: false,
        short: "Contents known at most.",
        long: "Each costs some 100 bytes. When there are as many, a newcomer takes the place of \
               one with a single peer.",
    },
    About {
        setting: Setting::Peers,
        name: "peers",
        kind: Count { min: 16, max: 100_000_000 },
        value: "N",
        default: "2097152",
        example: "",
        live: false,
        short: "Peers known at most, each counted once for each content.",
        long: "Each costs some 25 bytes, and each peer some 90 more. When there are as many, a \
               newcomer takes somebody's place.",
    },
    About {
        setting: Setting::PeersPerContent,
        name: "peers-per-content",
        kind: Count { min: 16, max: 100_000 },
        value: "N",
        default: "1000",
        example: "",
        live: false,
        short: "Peers known of one content at most.",
        long: "More find nearer peers for everybody and make answers slower. When there are as \
               many, a newcomer takes somebody's place.",
    },
    About {
        setting: Setting::Connections,
        name: "connections",
        kind: Count { min: 16, max: 60_000 },
        value: "N",
        default: "8192",
        example: "",
        live: true,
        short: "Connections at most.",
        long: "Clients keep theirs open and ask again over it, at about 100 KiB each. When the \
               system allows fewer open files, there are fewer, and a warning.",
    },
    About {
        setting: Setting::ConnectionsPerPrefix,
        name: "connections-per-prefix",
        kind: Count { min: 1, max: 60_000 },
        value: "N",
        default: "auto",
        example: "",
        live: true,
        short: "Connections from one /24 (IPv6: /48) at most.",
        long: "Keeps one network from taking every place. By default a sixteenth of all: a large NAT \
               is many people.",
    },
    About {
        setting: Setting::Atlas,
        name: "atlas",
        kind: Path,
        value: "FILE",
        default: "",
        example: "/srv/bgp/internet.atlas",
        live: true,
        short: "Atlas of who is where, made by nearcast-tracker atlas build.",
        long: "Without one, nearness goes by address prefixes. A reload reads it again. What \
               routers and collectors tell lies over it.",
    },
    About {
        setting: Setting::AtlasSigningKey,
        name: "atlas-signing-key",
        kind: Path,
        value: "FILE",
        default: "",
        example: "atlas.key",
        live: false,
        short: "Publish each atlas, signed with this key.",
        long: "Made with nearcast key new. Clients that pin its public half (--atlas auto \
               --atlas-key KEY) fetch each newer atlas from each other and from here. Without a \
               key none is published. A name without a folder is looked for among the credentials of the service \
               manager, too (systemd: LoadCredential=), which is how a service without a user of its own gets it. Others must \
               not be able to read the file; a group may if root owns it.",
    },
    About {
        setting: Setting::AtlasInterval,
        name: "atlas-interval",
        kind: Duration,
        value: "TIME",
        default: "1h",
        example: "",
        live: true,
        short: "How often at most a changed atlas is published.",
        long: "What is loaded at the start or by a reload is published at once. Shorter gives \
               clients fresher routes and has each of them fetch some 4 MB more often.",
    },
    About {
        setting: Setting::Bmp,
        name: "bmp",
        kind: Socket,
        value: "IP:PORT",
        default: "",
        example: "192.0.2.1:5000",
        live: false,
        short: "Where routers connect to tell their routes (BMP, RFC 7854).",
        long: "There is no password: listen where only your routers can connect, and name them \
               with bmp-router.",
    },
    About {
        setting: Setting::BmpRouter,
        name: "bmp-router",
        kind: Ips,
        value: "IP",
        default: "",
        example: "192.0.2.9",
        live: false,
        short: "Router that may connect over BMP.",
        long: "Several are possible. Needed unless bmp is on loopback.",
    },
    About {
        setting: Setting::RisLive,
        name: "ris-live",
        kind: PathOr(&["-", "ws://", "wss://"]),
        value: "URL|FILE",
        default: "",
        example: "wss://ris-live.ripe.net/v1/ws/?client=nearcast",
        live: false,
        short: "Stream of BGP messages in RIPE's RIS Live format: a WebSocket, or a file or pipe of JSON lines.",
        long: "A lone - is standard input. A connection that breaks is made again.",
    },
    About {
        setting: Setting::RisCollector,
        name: "ris-collector",
        kind: Words,
        value: "NAME",
        default: "",
        example: "rrc12",
        live: false,
        short: "Collector of RIS Live to listen to.",
        long: "Several are possible. By default all, which tell some ten thousand changes a second; those near \
               you know what matters to you. Files and pipes are taken as they are.",
    },
    About {
        setting: Setting::Updates,
        name: "updates",
        kind: Paths,
        value: "FILE",
        default: "",
        example: "/srv/bgp/updates.20260101.0000.gz",
        live: false,
        short: "Update file of a route collector (MRT), read at the start.",
        long: "Several are possible, oldest first. They bring an older atlas up to date.",
    },
    About {
        setting: Setting::Hold,
        name: "hold",
        kind: Duration,
        value: "TIME",
        default: "2m",
        example: "",
        live: false,
        short: "How long routes of a lost session count.",
        long: "Longer bridges longer restarts of routers; shorter forgets sooner what may be wrong by now.",
    },
    About {
        setting: Setting::RebuildInterval,
        name: "rebuild-interval",
        kind: Duration,
        value: "TIME",
        default: "30s",
        example: "",
        live: false,
        short: "How often at most an atlas is made of changed routes.",
        long: "Each time keeps one core busy for a second or two, with a full table.",
    },
    About {
        setting: Setting::Up,
        name: "up",
        kind: Rate,
        value: "RATE",
        default: "none",
        example: "",
        live: true,
        short: "Bytes per second to send of the atlas at most: 5M, 8MiB/s, 40Mbit.",
        long: "Held within 2 % over any second. Answers to questions do not count.",
    },
    About {
        setting: Setting::Grace,
        name: "grace",
        kind: Duration,
        value: "TIME",
        default: "10s",
        example: "",
        live: true,
        short: "How long the end may take at SIGTERM.",
        long: "It takes this long only if a client is slow to take what is being sent of the \
               atlas, or the disk to write down who is known.",
    },
    About {
        setting: Setting::Admin,
        name: "admin",
        kind: Kind::Admin,
        value: "IP:PORT|off",
        default: "127.0.0.1:4811",
        example: "",
        live: false,
        short: "Where /livez, /readyz and /metrics are answered.",
        long: "There is no password: keep it on loopback or a network of your own. The default, \
               unlike an address you name, gives way to any free port when it is taken.",
    },
    About {
        setting: Setting::StateDir,
        name: "state-dir",
        kind: Path,
        value: "DIR",
        default: "",
        example: "/var/lib/nearcast-tracker",
        live: false,
        short: "Folder for what must survive a restart.",
        long: "By default $STATE_DIRECTORY, else $XDG_STATE_HOME/nearcast-tracker. It holds the \
               identity, who is known, and the atlas that is published. Under the shipped unit leave it out: a folder that \
               the unit does not give (StateDirectory=) cannot be written to.",
    },
    About {
        setting: Setting::SaveInterval,
        name: "save-interval",
        kind: Duration,
        value: "TIME",
        default: "5s",
        example: "",
        live: true,
        short: "How often who is known is written down.",
        long: "What came later is lost when the power goes; peers that are alive tell again within \
               minutes. It is done less often when it takes long, so that it keeps the disk busy \
               for a twentieth of the time at most.",
    },
    About {
        setting: Setting::Identity,
        name: "identity",
        kind: Path,
        value: "FILE",
        default: "",
        example: "/var/lib/nearcast-tracker/identity.key",
        live: false,
        short: "Secret key of this tracker, made when missing.",
        long: "By default the credential identity.key, if the service manager gave one (systemd: LoadCredential=), else \
               identity.key in the state folder. A name without a folder is looked for among the credentials, too. Others \
               must not be able to read the file; a group may if root owns it. With another key, addresses that name this \
               tracker by its id stop working.",
    },
    About {
        setting: Setting::Log,
        name: "log",
        kind: Filter,
        value: "FILTER",
        default: "info",
        example: "",
        live: true,
        short: "What to log: error, warn, info, debug, trace, or by module as in RUST_LOG.",
        long: "RUST_LOG counts, too, when neither the option nor NEARCAST_TRACKER_LOG is given.",
    },
    About {
        setting: Setting::LogFormat,
        name: "log-format",
        kind: Word(&["text", "json"]),
        value: "FORMAT",
        default: "text",
        example: "",
        live: false,
        short: "How to write the log on standard error: text or json.",
        long: "json is an object a line, for collectors.",
    },
    About {
        setting: Setting::Sandbox,
        name: "sandbox",
        kind: Word(&sandbox::WORDS),
        value: "MODE",
        default: "auto",
        example: "",
        live: false,
        short: "Keep this process from what it does not need: auto, off or require.",
        long: "Only the state folder can be written to, and beside what the system needs only files be read that are named here. Nothing is run, and system calls that are never needed are refused. With auto, what \
               the kernel lacks (Landlock, seccomp) is said in the log and done without; with require, the service does not \
               start then. A file that a reload names must lie in a folder that was named at the start.",
    },
];

impl setting::Setting for Setting {
    const PROGRAM: Program =
        Program { name: "nearcast-tracker", file: "tracker.toml", variable_prefix: "NEARCAST_TRACKER_" };

    fn table() -> &'static [About] {
        &TABLE
    }

    fn about(self) -> &'static About {
        &TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use nearcast_service::setting::Setting as _;

    use super::*;

    #[test]
    fn every_setting_stands_at_its_place_under_a_name_of_its_own() {
        for (place, about) in TABLE.iter().enumerate() {
            assert_eq!(about.setting as usize, place, "{}", about.name);
            assert_eq!(Setting::named(about.name), Some(about.setting));
            assert!(about.short.ends_with('.') && about.long.ends_with('.'), "{}", about.name);
        }
        assert_eq!(Setting::LogFormat.about().variable(), "NEARCAST_TRACKER_LOG_FORMAT");
    }

    #[test]
    fn defaults_and_examples_are_values() {
        for about in &TABLE {
            for value in [about.default, about.example].into_iter().filter(|value| !value.is_empty()) {
                assert_eq!(about.kind.check(OsStr::new(value)), Ok(()), "{} = {value}", about.name);
            }
            assert!(!about.default.is_empty() || !about.example.is_empty(), "{}", about.name);
        }
    }
}
