//! All settings of a service. One table defines the command line, the environment, the files, their
//! documentation and all checks.
//!
//! A setting has one name in three spellings. For example, the seeder has `--up-per-content`,
//! `NEARCAST_SEEDER_UP_PER_CONTENT` and the key `up-per-content`.

use std::{
    ffi::OsStr,
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use nearcast_core::signature::PublisherKey;
use nearcast_node::address::Address;

use crate::units::{parse_duration, parse_rate};

/// The program that a table belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program's name: `nearcast-seeder`. Its state folder has the same name.
    pub name: &'static str,
    /// The name of its configuration files, in `/etc/nearcast` and the user's folder:
    /// `seeder.toml`.
    pub file: &'static str,
    /// The prefix of each environment variable: `NEARCAST_SEEDER_`.
    pub variable_prefix: &'static str,
}

/// The settings of one service: an enum, and a table that describes each variant.
pub trait Setting: Copy + Ord + fmt::Debug + Send + Sync + 'static {
    /// The program that has these settings.
    const PROGRAM: Program;

    /// The command that takes these settings.
    const COMMAND: &'static str = "serve";

    /// Whether SIGHUP reloads the files.
    const RELOADS: bool = true;

    /// The heading in `--help`. `None`: no heading of its own.
    fn heading(self) -> Option<&'static str> {
        None
    }

    /// The letter of the short option. `None`: there is no short option.
    fn letter(self) -> Option<char> {
        None
    }

    /// Whether the setting is left out of the help. It is then only for measurements.
    fn is_hidden(self) -> bool {
        false
    }

    /// Every setting once, in display order.
    fn table() -> &'static [About<Self>];

    /// The table row of this setting.
    fn about(self) -> &'static About<Self> {
        Self::table().iter().find(|about| about.setting == self).expect("every setting has a row")
    }

    /// The setting with this name.
    fn named(name: &str) -> Option<Self> {
        Self::table().iter().find(|about| about.name == name).map(|about| about.setting)
    }

    /// The setting with the most similar name. `None`: no name is similar.
    fn nearest(name: &str) -> Option<Self> {
        let distance = |about: &About<Self>| edits(name, about.name);
        let nearest = Self::table().iter().min_by_key(|about| distance(about))?;
        let alike = distance(nearest) <= 2.max(name.chars().count() / 3);
        alike.then_some(nearest.setting)
    }
}

/// The values that a setting accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A file or folder. A relative path in a file is relative to that file's folder.
    Path,
    /// Any number of files or folders.
    Paths,
    /// A path as with [`Kind::Path`], or one of these words. A word that ends in `//` or `:`
    /// accepts any text that starts with it.
    PathOr(&'static [&'static str]),
    /// Any number of values as with [`Kind::PathOr`].
    PathsOr(&'static [&'static str]),
    /// Any number of addresses of other hosts: multiaddrs, or hosts with a port. A host without a
    /// port gets this one.
    Addresses(u16),
    /// Any number of addresses to listen on, written as with [`Kind::Addresses`].
    Listen(u16),
    /// Bytes per second, or `none`.
    Rate,
    /// A whole number in a range, or `auto`.
    Count {
        /// The smallest number.
        min: u64,
        /// The largest number.
        max: u64,
    },
    /// A length of time.
    Duration,
    /// `IP:PORT`, or `off`.
    Admin,
    /// `IP:PORT`.
    Socket,
    /// Any number of IP addresses.
    Ips,
    /// A publisher's public key, as nearcast key show prints it.
    Key,
    /// A log filter.
    Filter,
    /// Any number of names, of letters, digits and signs like - and _.
    Words,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A kind that only one program knows.
    Own(OwnKind),
}

/// A kind of value that only one program knows.
#[derive(Clone, Copy)]
pub struct OwnKind {
    /// The name of the kind, which tells it from other kinds.
    pub name: &'static str,
    /// Whether a setting of this kind takes several values.
    pub is_list: bool,
    /// Checks a text. The error says what is valid.
    pub check: fn(&str) -> Result<(), String>,
}

impl PartialEq for OwnKind {
    fn eq(&self, other: &OwnKind) -> bool {
        self.name == other.name
    }
}

impl Eq for OwnKind {}

impl fmt::Debug for OwnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct About<S> {
    /// The setting.
    pub setting: S,
    /// The name of the setting.
    pub name: &'static str,
    /// The values it accepts.
    pub kind: Kind,
    /// The placeholder for the value in `--help`.
    pub value: &'static str,
    /// The default as a user would write it. Empty: chosen automatically, or none.
    pub default: &'static str,
    /// The value in a sample file if there is no default.
    pub example: &'static str,
    /// Whether a reload applies it; else it needs a restart.
    pub live: bool,
    /// The meaning, in one sentence.
    pub short: &'static str,
    /// The costs of more and of less, and the reason for the default.
    pub long: &'static str,
}

impl<S: Setting> About<S> {
    /// The environment variable of the setting.
    pub fn variable(&self) -> String {
        format!("{}{}", S::PROGRAM.variable_prefix, self.name.to_uppercase().replace('-', "_"))
    }

    /// Whether the setting takes several values.
    pub fn is_list(&self) -> bool {
        self.kind.is_list()
    }
}

impl Kind {
    /// Whether a setting of this kind takes several values.
    pub fn is_list(self) -> bool {
        match self {
            Kind::Addresses(_)
            | Kind::Listen(_)
            | Kind::Paths
            | Kind::PathsOr(_)
            | Kind::Ips
            | Kind::Words => true,
            Kind::Own(own) => own.is_list,
            _ => false,
        }
    }

    /// Whether a value is a path on disk, which may be relative.
    pub(crate) fn is_path(self, value: &OsStr) -> bool {
        match self {
            Kind::Path | Kind::Paths => true,
            Kind::PathOr(words) | Kind::PathsOr(words) => {
                let is = |word: &&str, text: &str| match word.ends_with("//") || word.ends_with(':') {
                    true => text.starts_with(word),
                    false => text == *word,
                };
                !value.to_str().is_some_and(|text| words.iter().any(|word| is(word, text)))
            }
            _ => false,
        }
    }

    /// Checks that a value is of this kind.
    ///
    /// # Errors
    /// A sentence that says what is valid.
    pub fn check(self, value: &OsStr) -> Result<(), String> {
        if self.is_path(value) {
            return if value.is_empty() { Err("a path is needed".to_owned()) } else { Ok(()) };
        }
        let text = value.to_str().ok_or("this is not text in UTF-8")?;
        match self {
            Kind::Path | Kind::Paths | Kind::PathOr(_) | Kind::PathsOr(_) => Ok(()),
            Kind::Switch => switch(text).map(drop),
            Kind::Addresses(_) | Kind::Listen(_) => self.addresses(text).map(drop),
            Kind::Rate => rate(text).map(drop),
            Kind::Count { .. } => self.count(text).map(drop),
            Kind::Duration => duration(text).map(drop),
            Kind::Admin => admin(text).map(drop),
            Kind::Filter => crate::log::filter(text).map(drop),
            Kind::Socket => socket(text).map(drop),
            Kind::Ips => {
                text.parse::<IpAddr>().map(drop).map_err(|_| "write an IP, like 192.0.2.1".to_owned())
            }
            Kind::Key => text.parse::<PublisherKey>().map(drop).map_err(|error| error.to_string()),
            Kind::Words if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(()),
            Kind::Words => Err("write a name".to_owned()),
            Kind::Word(words) if words.contains(&text) => Ok(()),
            Kind::Word(words) => Err(format!("write {}", words.join(" or "))),
            Kind::Own(own) => (own.check)(text),
        }
    }

    /// The addresses that a text stands for. An address to listen on may stand for several.
    pub(crate) fn addresses(self, text: &str) -> Result<Vec<Address>, String> {
        let read = match self {
            Kind::Addresses(port) => Address::read(text, port).map(|address| vec![address]),
            Kind::Listen(port) => Address::to_listen(text, port),
            _ => return Err("this is no address".to_owned()),
        };
        read.map_err(|error| error.to_string())
    }

    /// A number. `None`: `auto`.
    pub(crate) fn count(self, text: &str) -> Result<Option<u64>, String> {
        let Kind::Count { min, max } = self else { return Err("this is no number".to_owned()) };
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

/// Parses a rate. In bytes a second. `None`: no limit.
pub(crate) fn rate(text: &str) -> Result<Option<u64>, String> {
    if text == "none" {
        return Ok(None);
    }
    parse_rate(text).map(Some).map_err(|error| format!("{error}, or none for no limit"))
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

pub(crate) fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP and a port, like 192.0.2.1:5000".to_owned())
}

/// Parses an admin address. `None`: off.
pub(crate) fn admin(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "write an IP and a port, like 127.0.0.1:4801, or off".to_owned())
}

/// The number of letters to change, add or remove to turn one word into the other (Levenshtein,
/// 1965).
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
pub(crate) mod tests;
