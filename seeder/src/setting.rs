//! All settings of a seeder. One table defines the command line, the environment, the file, their
//! documentation and all checks.
//!
//! A setting has one name in three spellings: `--up-per-content`, `NEARCAST_SEEDER_UP_PER_CONTENT`
//! and the key `up-per-content`.

use nearcast_node::address::{SEEDER_PORT, TRACKER_PORT};
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
    Root,
    Publish,
    Hidden,
    Sign,
    LinkAddress,
    Rescan,
    Listen,
    Atlas,
    AtlasKey,
    AtlasAgeMax,
    Tracker,
    Join,
    Dht,
    Connections,
    ConnectionsPerPrefix,
    LinksPerContent,
    Up,
    UpPerContent,
    UpPerPrefix,
    UploadSlots,
    UploadSlotsPerContent,
    Grace,
    Admin,
    StateDir,
    Identity,
    Log,
    LogFormat,
    Sandbox,
}

use Kind::{Addresses, Count, Duration as Time, Filter, Key, Listen, Path, PathOr, Rate, Switch, Word};

/// The table, in display order.
pub static TABLE: [About; 28] = [
    About {
        setting: Setting::Root,
        name: "root",
        kind: Path,
        value: "DIR",
        default: "",
        example: "/srv/media",
        live: false,
        short: "Folder to serve; required.",
        long: "Every .torrent in it or below whose data lies beside it is served. Links are not followed.",
    },
    About {
        setting: Setting::Publish,
        name: "publish",
        kind: Switch,
        value: "BOOL",
        default: "false",
        example: "",
        live: false,
        short: "Publish what is put into the root by itself.",
        long: "Files and folders directly in the root that have no .torrent are hashed once they have not changed \
               for two looks and nobody has them open for writing; NAME.torrent is written beside them, and the \
               magnet link printed. Left out at every depth, and counted in the log, are hidden names (.x), backups \
               (x~, #x#, .bak, .swp), unfinished files (.part, .tmp, .crdownload and so on), links, secret keys, and what \
               others on this machine may not read, going by its mode. A folder in which something is called unfinished is \
               waited for, for a minute after its last change; one that nearcast downloads to, until that is done. \
               What changes later is published anew, and the old content dropped. What cannot be published is tried \
               again when it changes, or after hours. Off by default, as it writes to the root.",
    },
    About {
        setting: Setting::Hidden,
        name: "hidden",
        kind: Switch,
        value: "BOOL",
        default: "false",
        example: "",
        live: false,
        short: "With publish: hidden names, backups, private files and secret keys, too.",
        long: "Whoever has the link can then read what others on this machine may not: keys, passwords, histories. \
               Unfinished files are left out all the same.",
    },
    About {
        setting: Setting::Sign,
        name: "sign",
        kind: Path,
        value: "KEY",
        default: "",
        example: "/etc/nearcast/publisher.key",
        live: false,
        short: "With publish: secret key to sign with, as nearcast key new makes it.",
        long: "What is published from then on is signed, also when it changes. Without it, what somebody signed loses that \
               signature when it changes, and the log says so. Others must not be able to read the file. A name without a \
               folder is looked for among the credentials of the service manager, too.",
    },
    About {
        setting: Setting::LinkAddress,
        name: "link-address",
        kind: Addresses(SEEDER_PORT),
        value: "ADDRESS",
        default: "",
        example: "origin.example:4800",
        live: true,
        short: "Address to put into magnet links.",
        long: "Several are possible. By default those listened on, four at most. Name one that clients can reach, \
               as when this machine is behind a NAT.",
    },
    About {
        setting: Setting::Rescan,
        name: "rescan",
        kind: Time,
        value: "TIME",
        default: "10s",
        example: "",
        live: true,
        short: "How often the root is looked at.",
        long: "Changes that the system tells of are noticed at once, in the root and below it. This is for the others, as \
               on a network file system that other machines write to: new and removed names are noticed this often, \
               files written to in place within minutes. A large root is looked at less often, so that looks take \
               little of the time. Shorter notices sooner, longer reads less.",
    },
    About {
        setting: Setting::Listen,
        name: "listen",
        kind: Listen(SEEDER_PORT),
        value: "ADDRESS",
        default: "",
        example: "192.0.2.1:4800",
        live: false,
        short: "Address to listen on: IP:PORT for TCP and QUIC, or a multiaddr.",
        long: "Several are possible. By default every interface, TCP and QUIC, port 4800; or any free port if that is \
               taken, which is said. A port that is named here never gives way. * stands for every interface.",
    },
    About {
        setting: Setting::Atlas,
        name: "atlas",
        kind: PathOr(&["auto"]),
        value: "FILE|auto",
        default: "",
        example: "/var/lib/nearcast/world.atlas",
        live: true,
        short: "Atlas of who is where, made by nearcast-tracker atlas build.",
        long: "With it, whoever asks is told of peers in its own network (AS) first, then of those in networks next to it. \
               By default nearness goes by address prefixes. A file is read again on a reload, even if its name is the same. \
               With auto, the last good one is used, and whenever a tracker tells of a newer one, it is fetched, used and \
               handed on; to begin with auto takes a restart.",
    },
    About {
        setting: Setting::AtlasKey,
        name: "atlas-key",
        kind: Key,
        value: "KEY",
        default: "",
        example: "ed25519:1819d87e8d0997604c9f9d98006b0b7c70e3f7da854052da8761a06e08d7bf18",
        live: false,
        short: "Who must have signed the atlas, when it is auto.",
        long: "A public key, as nearcast key show prints it.",
    },
    About {
        setting: Setting::AtlasAgeMax,
        name: "atlas-age-max",
        kind: Time,
        value: "TIME",
        default: "30d",
        example: "",
        live: false,
        short: "How old the data of an atlas may be, when it is auto.",
        long: "An older one is not begun with, as whoever offers it may be holding newer ones back; one that is in use is \
               said once a day. Shorter notices sooner that newer ones are held back or no longer made; longer suits atlases \
               that are made seldom.",
    },
    About {
        setting: Setting::Tracker,
        name: "tracker",
        kind: Addresses(TRACKER_PORT),
        value: "ADDRESS",
        default: "",
        example: "/dns/tracker.example/tcp/4802",
        live: false,
        short: "Tracker to tell of everything that is served.",
        long: "Several are possible. Whoever asks it finds this server, without an address in the link. Names are looked up \
               once, at the start.",
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
        setting: Setting::Connections,
        name: "connections",
        kind: Count { min: 16, max: 60_000 },
        value: "N",
        default: "4096",
        example: "",
        live: true,
        short: "Connections at most.",
        long: "More serve a larger crowd directly, at about 100 KiB each. When the system allows fewer open files, \
               there are fewer, and a warning.",
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
        long: "Keeps one network from taking every place. By default a sixteenth of all: a large NAT is many people.",
    },
    About {
        setting: Setting::LinksPerContent,
        name: "links-per-content",
        kind: Count { min: 1, max: 1000 },
        value: "N",
        default: "1000",
        example: "",
        live: true,
        short: "Clients of one content at a time; others are told to come back.",
        long: "Keeps one popular content from taking every connection. Clients that are told to come back still \
               get it from each other.",
    },
    About {
        setting: Setting::Up,
        name: "up",
        kind: Rate,
        value: "RATE",
        default: "none",
        example: "",
        live: true,
        short: "Bytes per second to send at most: 5M, 8MiB/s, 40Mbit.",
        long: "Held within 2 % over any second. It counts payload; encryption and TCP add some 4 %.",
    },
    About {
        setting: Setting::UpPerContent,
        name: "up-per-content",
        kind: Rate,
        value: "RATE",
        default: "none",
        example: "",
        live: true,
        short: "Bytes per second to send of each content at most.",
        long: "Leaves room for the others when one is popular. A limit below what clients need together makes \
               them rely on each other.",
    },
    About {
        setting: Setting::UpPerPrefix,
        name: "up-per-prefix",
        kind: Rate,
        value: "RATE",
        default: "none",
        example: "",
        live: true,
        short: "Bytes per second to send to each /24 (IPv6: /48) at most.",
        long: "Keeps a few greedy machines in one network from taking the whole rate. Large NATs are many people, \
               so it should not be tight.",
    },
    About {
        setting: Setting::UploadSlots,
        name: "upload-slots",
        kind: Count { min: 1, max: 100_000 },
        value: "N",
        default: "4096",
        example: "",
        live: true,
        short: "Clients served at the same moment, all contents together.",
        long: "Each takes up to three buffers of 256 KiB while it is sent to. Fewer bound memory more tightly and \
               serve each faster; the others wait for their turn, seconds at most.",
    },
    About {
        setting: Setting::UploadSlotsPerContent,
        name: "upload-slots-per-content",
        kind: Count { min: 1, max: 1000 },
        value: "N",
        default: "64",
        example: "",
        live: true,
        short: "Clients of one content served at the same moment.",
        long: "Few finish a run sooner, so that it spreads sooner; many serve more clients slowly.",
    },
    About {
        setting: Setting::Grace,
        name: "grace",
        kind: Time,
        value: "TIME",
        default: "30s",
        example: "",
        live: true,
        short: "How long runs being sent may take to finish at SIGTERM.",
        long: "Nothing new is begun then, so it takes this long only if a client is slow. The service manager must \
               be at least as patient.",
    },
    About {
        setting: Setting::Admin,
        name: "admin",
        kind: Kind::Admin,
        value: "IP:PORT|off",
        default: "127.0.0.1:4801",
        example: "",
        live: false,
        short: "Where /livez, /readyz and /metrics are answered.",
        long: "There is no password: keep it on loopback or a network of your own. The default, unlike an address \
               you name, gives way to any free port when it is taken.",
    },
    About {
        setting: Setting::StateDir,
        name: "state-dir",
        kind: Path,
        value: "DIR",
        default: "",
        example: "/var/lib/nearcast",
        live: false,
        short: "Folder for what must survive a restart.",
        long: "By default $STATE_DIRECTORY, else $XDG_STATE_HOME/nearcast-seeder. It holds the identity only, which one \
               seeder at a time can use.",
    },
    About {
        setting: Setting::Identity,
        name: "identity",
        kind: Path,
        value: "FILE",
        default: "",
        example: "/var/lib/nearcast/identity.key",
        live: false,
        short: "Secret key of this server, made when missing.",
        long: "By default the credential identity.key, if the service manager gave one (systemd: LoadCredential=), else \
               identity.key in the state folder. A name without a folder is looked for among the credentials, too. Others \
               must not be able to read the file; a group may if root owns it. With another key, addresses that name this \
               server by its id stop working.",
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
        long: "RUST_LOG counts, too, when neither the option nor NEARCAST_SEEDER_LOG is given.",
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
        long: "The root can only be read, the state folder written to, and beside what the system needs no other file opened. With \
               publish, who has files open has to be seen, so that auto leaves files alone; require holds them, and takes for \
               finished what has not changed for two looks. Nothing is run, and system calls that are never needed are refused. With auto, what \
               the kernel lacks (Landlock, seccomp) is said in the log and done without; with require, the service does not \
               start then. A file that a reload names must lie in a folder that was named at the start.",
    },
];

impl setting::Setting for Setting {
    const PROGRAM: Program =
        Program { name: "nearcast-seeder", file: "seeder.toml", variable_prefix: "NEARCAST_SEEDER_" };

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
        assert_eq!(Setting::LogFormat.about().variable(), "NEARCAST_SEEDER_LOG_FORMAT");
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

    #[test]
    fn wrong_values_are_refused_with_what_would_be_right() {
        for (setting, value, right) in [
            (Setting::Publish, "yes", "true or false"),
            (Setting::Listen, "here.example:80", "an IP"),
            (Setting::Up, "fast", "none for no limit"),
            (Setting::Connections, "3", "from 16 to 60000"),
            (Setting::Rescan, "soon", "30s"),
            (Setting::Admin, "localhost", "127.0.0.1:4801"),
            (Setting::Log, "nearcast_node=loud", "debug"),
            (Setting::LogFormat, "xml", "text or json"),
            (Setting::Root, "", "a path"),
        ] {
            let error = setting.about().kind.check(OsStr::new(value)).unwrap_err();
            assert!(error.contains(right), "{value}: {error}");
        }
    }

    #[test]
    fn a_misspelt_name_leads_to_the_one_meant() {
        for (wrong, meant) in [
            ("up-per-contnet", Some(Setting::UpPerContent)),
            ("Root", Some(Setting::Root)),
            ("log_format", Some(Setting::LogFormat)),
            ("adress", None),
            ("colour-of-the-sky", None),
        ] {
            assert_eq!(Setting::nearest(wrong), meant, "{wrong}");
        }
    }
}
