//! Everything a seeder can be told: the one table behind the command line, the environment, the file,
//! their documentation and the check of all of it.
//!
//! A setting has one name in three spellings: `--up-per-content`, `NEARCAST_SEEDER_UP_PER_CONTENT` and the
//! key `up-per-content`.

use std::{ffi::OsStr, net::SocketAddr, time::Duration};

use nearcast_node::address::Address;

use crate::units::{parse_duration, parse_rate};

/// Before the name of each environment variable.
pub const VARIABLE_PREFIX: &str = "NEARCAST_SEEDER_";

/// One thing that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is described in the table, once")]
pub enum Setting {
    Root,
    Publish,
    LinkAddress,
    Rescan,
    Listen,
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
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A file or folder; relative ones in a file are relative to that file's folder.
    Path,
    /// Any number of multiaddrs.
    Addresses,
    /// Bytes per second, or `none`.
    Rate,
    /// A whole number in a range, or `auto`.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A length of time.
    Duration,
    /// `IP:PORT`, or `off`.
    Admin,
    /// A filter of the log.
    Filter,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// A row of the table.
#[derive(Debug)]
pub struct About {
    /// Which.
    pub setting: Setting,
    /// Its name.
    pub name: &'static str,
    /// What its values may be.
    pub kind: Kind,
    /// What stands for the value in `--help`.
    pub value: &'static str,
    /// The value when nothing is said, as one would write it; empty = worked out, or none.
    pub default: &'static str,
    /// What a sample shows when there is no default to show.
    pub example: &'static str,
    /// A reload applies it; else it needs a restart.
    pub live: bool,
    /// What it means, one sentence.
    pub short: &'static str,
    /// What more and less of it cost, and why the default is what it is.
    pub long: &'static str,
}

use Kind::{Addresses, Count, Duration as Time, Filter, Path, Rate, Switch, Word};

/// The table, in the order in which it is shown.
pub static TABLE: [About; 19] = [
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
               magnet link printed. Hidden names and those of unfinished files (.part, .tmp and so on) are left \
               alone. What changes later is published anew, and the old content dropped. Off by default, as it \
               writes to the root.",
    },
    About {
        setting: Setting::LinkAddress,
        name: "link-address",
        kind: Addresses,
        value: "MULTIADDR",
        default: "",
        example: "/dns/origin.example/tcp/4800",
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
        long: "Changes directly in the root are noticed at once, where the system tells of them. Shorter notices \
               changes further below sooner, at the price of more directory reads.",
    },
    About {
        setting: Setting::Listen,
        name: "listen",
        kind: Addresses,
        value: "MULTIADDR",
        default: "",
        example: "/ip4/0.0.0.0/tcp/4800",
        live: false,
        short: "Address to listen on.",
        long: "Several are possible. By default every interface, TCP and QUIC, any free port. Give a fixed port \
               when others write the address down.",
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
        long: "Keeps one network from taking every place. By default a quarter of all: a large NAT is many people.",
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
        long: "By default $STATE_DIRECTORY, else $XDG_STATE_HOME/nearcast-seeder. It holds the identity only.",
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
        long: "By default identity.key in the state folder. With another key, addresses that name this server by \
               its id stop working.",
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
];

impl Setting {
    /// Its row.
    pub fn about(self) -> &'static About {
        &TABLE[self as usize]
    }

    /// The setting of this name.
    pub fn named(name: &str) -> Option<Setting> {
        TABLE.iter().find(|about| about.name == name).map(|about| about.setting)
    }

    /// The setting whose name is most like this one, if any is like it at all.
    pub fn nearest(name: &str) -> Option<Setting> {
        let distance = |about: &About| edits(name, about.name);
        let nearest = TABLE.iter().min_by_key(|about| distance(about))?;
        let alike = distance(nearest) <= 2.max(name.chars().count() / 3);
        alike.then_some(nearest.setting)
    }
}

impl About {
    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// Whether it takes several values.
    pub fn is_list(&self) -> bool {
        self.kind == Addresses
    }
}

impl Kind {
    /// Whether a value is one of this kind.
    ///
    /// # Errors
    /// What would be, in a sentence.
    pub fn check(self, value: &OsStr) -> Result<(), String> {
        if self == Path {
            return if value.is_empty() { Err("a path is needed".to_owned()) } else { Ok(()) };
        }
        let text = value.to_str().ok_or("this is not text in UTF-8")?;
        match self {
            Path => Ok(()),
            Switch => switch(text).map(drop),
            Addresses => text.parse::<Address>().map(drop).map_err(|error| error.to_string()),
            Rate => rate(text).map(drop),
            Count { .. } => self.count(text).map(drop),
            Time => duration(text).map(drop),
            Kind::Admin => admin(text).map(drop),
            Filter => crate::log::filter(text).map(drop),
            Word(words) if words.contains(&text) => Ok(()),
            Word(words) => Err(format!("write {}", words.join(" or "))),
        }
    }

    /// A number, or none for `auto`.
    pub(crate) fn count(self, text: &str) -> Result<Option<u64>, String> {
        let Count { min, max } = self else { return Err("this is no number".to_owned()) };
        if text == "auto" {
            return Ok(None);
        }
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        number.map(Some).ok_or_else(|| format!("write a whole number from {min} to {max}"))
    }
}

pub(crate) fn switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "write true or false".to_owned())
}

/// None = no limit.
pub(crate) fn rate(text: &str) -> Result<Option<u64>, String> {
    if text == "none" {
        return Ok(None);
    }
    parse_rate(text).map(Some).map_err(|error| format!("{error}, or none for no limit"))
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// None = off.
pub(crate) fn admin(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "write an IP and a port, like 127.0.0.1:4801, or off".to_owned())
}

/// Letters to change, add or leave out to turn one word into the other (Levenshtein, 1965).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (number, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], number + 1);
        for (at, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(row[at + 1] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
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
            (Setting::Listen, "127.0.0.1:80", "/ip4/"),
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
