//! Everything a service can be told: one table is behind its command line, its environment, its files,
//! their documentation and the check of all of it.
//!
//! A setting has one name in three spellings, as of the seeder: `--up-per-content`,
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

/// The program that a table is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name: `nearcast-seeder`. Its state is in a folder of this name.
    pub name: &'static str,
    /// The name of its configuration files, in `/etc/nearcast` and the user's folder: `seeder.toml`.
    pub file: &'static str,
    /// Before the name of each environment variable: `NEARCAST_SEEDER_`.
    pub variable_prefix: &'static str,
}

/// The settings of one service: an enum, and a table that describes each.
pub trait Setting: Copy + Ord + fmt::Debug + Send + Sync + 'static {
    /// Whose they are.
    const PROGRAM: Program;

    /// The command that takes them.
    const COMMAND: &'static str = "serve";

    /// SIGHUP has the files read again.
    const RELOADS: bool = true;

    /// Under which heading `--help` shows it, if it has several.
    fn heading(self) -> Option<&'static str> {
        None
    }

    /// The letter of a short option, if it has one.
    fn letter(self) -> Option<char> {
        None
    }

    /// It is there for measurements, and no help speaks of it.
    fn is_hidden(self) -> bool {
        false
    }

    /// Every setting once, in the order in which they are shown.
    fn table() -> &'static [About<Self>];

    /// Its row.
    fn about(self) -> &'static About<Self> {
        Self::table().iter().find(|about| about.setting == self).expect("every setting has a row")
    }

    /// The setting of this name.
    fn named(name: &str) -> Option<Self> {
        Self::table().iter().find(|about| about.name == name).map(|about| about.setting)
    }

    /// The setting whose name is most like this one, if any is like it at all.
    fn nearest(name: &str) -> Option<Self> {
        let distance = |about: &About<Self>| edits(name, about.name);
        let nearest = Self::table().iter().min_by_key(|about| distance(about))?;
        let alike = distance(nearest) <= 2.max(name.chars().count() / 3);
        alike.then_some(nearest.setting)
    }
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A file or folder; relative ones in a file are relative to that file's folder.
    Path,
    /// Any number of files or folders.
    Paths,
    /// A file or folder as with [`Kind::Path`], or one of these words, or what begins like one that ends in `//` or `:`.
    PathOr(&'static [&'static str]),
    /// Any number of those.
    PathsOr(&'static [&'static str]),
    /// Any number of addresses of others: multiaddrs, or hosts with a port or, without, with this one.
    Addresses(u16),
    /// Any number of addresses to listen on, in the same way.
    Listen(u16),
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
    /// `IP:PORT`.
    Socket,
    /// Any number of IP addresses.
    Ips,
    /// A publisher's public key, as nearcast key show prints it.
    Key,
    /// A filter of the log.
    Filter,
    /// Any number of names, of letters, digits and signs like - and _.
    Words,
    /// One of these words.
    Word(&'static [&'static str]),
    /// What one program alone knows.
    Own(OwnKind),
}

/// A kind of value that one program alone knows.
#[derive(Clone, Copy)]
pub struct OwnKind {
    /// By which it is told from others.
    pub name: &'static str,
    /// There may be several.
    pub is_list: bool,
    /// Whether a text is one, else what would be.
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
    /// Which.
    pub setting: S,
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

impl<S: Setting> About<S> {
    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("{}{}", S::PROGRAM.variable_prefix, self.name.to_uppercase().replace('-', "_"))
    }

    /// Whether it takes several values.
    pub fn is_list(&self) -> bool {
        self.kind.is_list()
    }
}

impl Kind {
    /// Whether there may be several.
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

    /// Whether a value names something on disk, by a path that may be relative.
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

    /// Whether a value is one of this kind.
    ///
    /// # Errors
    /// What would be, in a sentence.
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

    /// The addresses that a text stands for: one, or to listen on several.
    pub(crate) fn addresses(self, text: &str) -> Result<Vec<Address>, String> {
        let read = match self {
            Kind::Addresses(port) => Address::read(text, port).map(|address| vec![address]),
            Kind::Listen(port) => Address::to_listen(text, port),
            _ => return Err("this is no address".to_owned()),
        };
        read.map_err(|error| error.to_string())
    }

    /// A number, or none for `auto`.
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

pub(crate) fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP and a port, like 192.0.2.1:5000".to_owned())
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
pub(crate) mod tests;
