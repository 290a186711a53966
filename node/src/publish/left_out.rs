//! Things in a published folder that are not published. Their name, mode or content marks them as
//! not meant for everybody, or they are no files. They are counted, so that they can be reported.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
};

use super::{folder::Kind, stamp::Stamp, written::is_temporary};
use crate::unfinished::item_of;

/// Endings of backup copies that editors and administrators keep.
const BACKUP_ENDINGS: [&str; 3] = ["bak", "swp", "swo"];
/// Endings that programs give to unfinished files.
const UNFINISHED_ENDINGS: [&str; 10] =
    ["part", "partial", "tmp", "temp", "crdownload", "download", "opdownload", "aria2", "!qb", "!ut"];
/// Paths remembered for display, at most. The rest are only counted.
const PATHS_MAX: usize = 1_000;

/// Why something is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A link, a socket, a device or the like.
    Special,
    /// Its name says that it is unfinished.
    Unfinished,
    /// Its name begins with a dot.
    Hidden,
    /// It has the name of a copy that an editor keeps: `x~`, `#x#`, `x.bak`, `x.swp`, `x.swo`.
    Backup,
    /// Others on this machine may not read it.
    Private,
    /// It holds a secret key.
    Secret,
}

impl Reason {
    /// All reasons, in the order in which they are shown.
    pub const ALL: [Reason; 6] = [
        Reason::Secret,
        Reason::Hidden,
        Reason::Backup,
        Reason::Unfinished,
        Reason::Private,
        Reason::Special,
    ];

    /// The reason as one word, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Special => "special",
            Reason::Unfinished => "unfinished",
            Reason::Hidden => "hidden",
            Reason::Backup => "backup",
            Reason::Private => "private",
            Reason::Secret => "secret",
        }
    }

    fn words(self, count: u64) -> String {
        let (one, many) = match self {
            Reason::Special => ("link or special file", "links or special files"),
            Reason::Unfinished => ("unfinished file", "unfinished files"),
            Reason::Hidden => ("hidden name", "hidden names"),
            Reason::Backup => ("backup", "backups"),
            Reason::Private => ("that others may not read", "that others may not read"),
            Reason::Secret => ("secret key", "secret keys"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }
}

/// Things to publish that are left out by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// Publish hidden names, backups, secret keys, and files that others may not read. Never
    /// publishes a temporary file that is about to be renamed to a `.torrent`.
    pub hidden: bool,
    /// Publish files whose names call them unfinished. Never publishes the state of one of our
    /// downloads.
    pub unfinished: bool,
}

impl Include {
    /// Why something is left out, judged by its name, its kind, and who may read it. `None`: it is
    /// published.
    pub fn leaves_out(self, name: &OsStr, kind: Kind, stamp: &Stamp) -> Option<Reason> {
        let for_all = match kind {
            Kind::Other => return Some(Reason::Special),
            Kind::File => stamp.is_file_for_all(),
            Kind::Folder => stamp.is_folder_for_all(),
        };
        let by_name = reason_of_name(name).filter(|reason| match reason {
            Reason::Unfinished => !self.unfinished || is_state_folder(name) || is_temporary(name),
            _ => !self.hidden,
        });
        by_name.or((!for_all && !self.hidden).then_some(Reason::Private))
    }
}

/// Why something with this name is left out. `None`: the name is no reason.
pub fn reason_of_name(name: &OsStr) -> Option<Reason> {
    let bytes = name.as_encoded_bytes();
    match bytes {
        _ if looks_unfinished(name) => Some(Reason::Unfinished),
        [b'.', ..] => Some(Reason::Hidden),
        [.., b'~'] | [b'#', .., b'#'] => Some(Reason::Backup),
        _ if has_ending(name, &BACKUP_ENDINGS) => Some(Reason::Backup),
        _ => None,
    }
}

/// Whether a name says that something is unfinished: a file that is being downloaded, or the state
/// folder of one of our downloads.
pub fn looks_unfinished(name: &OsStr) -> bool {
    has_ending(name, &UNFINISHED_ENDINGS) || is_state_folder(name)
}

/// Whether a name is that of the state folder of one of our downloads.
pub fn is_state_folder(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| item_of(name).is_some())
}

fn has_ending(name: &OsStr, endings: &[&str]) -> bool {
    let ending = Path::new(name).extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// What was left out of one content. A folder counts as one, whatever it contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    counts: [u64; Reason::ALL.len()],
    paths: Vec<PathBuf>,
}

impl LeftOut {
    /// Counts one thing left out, and remembers its path if there is room.
    pub fn add(&mut self, path: &Path, reason: Reason) {
        self.count(reason);
        if self.paths.len() < PATHS_MAX {
            self.paths.push(path.to_owned());
        }
    }

    /// Counts one thing left out whose path is not needed.
    pub fn count(&mut self, reason: Reason) {
        self.counts[reason as usize] += 1;
    }

    /// How many were left out for this reason.
    pub fn of(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// How many were left out in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The first thousand paths left out.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}

/// `2 hidden names, 1 backup`. Empty if nothing was left out.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = Reason::ALL.into_iter().filter(|&reason| self.of(reason) > 0);
        let parts: Vec<String> = some.map(|reason| reason.words(self.of(reason))).collect();
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(mode: u32) -> Stamp {
        Stamp { device: 1, inode: 1, bytes: 0, modified: (0, 0), changed: (0, 0), mode, owner: 0 }
    }

    #[test]
    fn names_that_are_not_meant_for_everybody_are_known_by_convention() {
        let cases = [
            (".env", Some(Reason::Hidden)),
            (".git", Some(Reason::Hidden)),
            (".#notes", Some(Reason::Hidden)),
            ("notes~", Some(Reason::Backup)),
            ("#notes#", Some(Reason::Backup)),
            ("config.php.BAK", Some(Reason::Backup)),
            (".notes.swp", Some(Reason::Hidden)),
            ("film.mkv.part", Some(Reason::Unfinished)),
            ("film.mkv.CRDOWNLOAD", Some(Reason::Unfinished)),
            (".film.0123abcd.nearcast", Some(Reason::Unfinished)),
            ("film.mkv", None),
            ("part", None),
            ("a.nearcast", None),
            ("#1 hit", None),
            ("x.torrent", None),
        ];
        for (name, reason) in cases {
            assert_eq!(reason_of_name(OsStr::new(name)), reason, "{name}");
        }
    }

    #[test]
    fn what_others_may_not_read_is_left_out_unless_hidden_things_are_wanted() {
        let (closed, open) = (Include::default(), Include { hidden: true, unfinished: false });
        let name = OsStr::new("file");
        for (kind, mode, private) in [
            (Kind::File, 0o644, false),
            (Kind::File, 0o640, true),
            (Kind::File, 0o600, true),
            (Kind::Folder, 0o755, false),
            (Kind::Folder, 0o751, true),
            (Kind::Folder, 0o754, true),
        ] {
            let reason = closed.leaves_out(name, kind, &stamp(mode));
            assert_eq!(reason, private.then_some(Reason::Private), "{mode:o}");
            assert_eq!(open.leaves_out(name, kind, &stamp(mode)), None, "{mode:o}");
        }
        let state = OsStr::new(".film.0123abcd.nearcast");
        let all = Include { hidden: true, unfinished: true };
        assert_eq!(all.leaves_out(state, Kind::Folder, &stamp(0o755)), Some(Reason::Unfinished));
        assert_eq!(all.leaves_out(OsStr::new("x.part"), Kind::File, &stamp(0o644)), None);
        assert_eq!(all.leaves_out(name, Kind::Other, &stamp(0o777)), Some(Reason::Special));
    }

    #[test]
    fn what_was_left_out_is_told_in_one_line() {
        let mut left = LeftOut::default();
        assert_eq!(left.to_string(), "");
        for reason in [Reason::Hidden, Reason::Hidden, Reason::Private, Reason::Backup] {
            left.add(Path::new("x"), reason);
        }
        assert_eq!(left.to_string(), "2 hidden names, 1 backup, 1 that others may not read");
        assert_eq!((left.total(), left.paths().len()), (4, 4));
        for _ in 0..2 * PATHS_MAX {
            left.add(Path::new("x"), Reason::Special);
        }
        assert_eq!(left.paths().len(), PATHS_MAX, "memory is bounded");
    }
}
