//! The errors. Each says in one sentence what happened and what state remains. What the user of a
//! program can do about it, the program says: it knows its options.

use std::{fmt, io, path::PathBuf, sync::Arc};

pub use nearcast_core::outcomes::{Attempt, Attempts, Remedy};

use crate::{address::Address, vital::Failure};

/// A node could not start. Nothing was left behind.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address to listen on was refused.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Address,
        /// The system's error.
        reason: String,
    },
    /// The identity file is missing, unreadable, or holds no key.
    #[error("cannot use the identity in {}: {reason}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The file of the flight recorder cannot be created.
    #[error("cannot write the flight to {}: {reason}", path.display())]
    Flight {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// The network stack could not be set up.
    #[error("cannot set up the network: {0}")]
    Network(String),
}

/// A key file cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file is there already: a key is never replaced.
    #[error("{} exists; a key is never replaced", .0.display())]
    Exists(PathBuf),
    /// The file holds no key, or cannot be read or written.
    #[error("cannot use the key in {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

impl From<KeyError> for StartError {
    fn from(error: KeyError) -> StartError {
        match error {
            KeyError::Exists(path) => StartError::Identity { path, reason: "it is there already".to_owned() },
            KeyError::Unusable { path, reason } => StartError::Identity { path, reason },
        }
    }
}

/// A file of a download cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReaderError {
    /// The content has fewer files.
    #[error("the content has {files} files: there is none with the number {file}, counted from 0")]
    NoSuchFile {
        /// The file that was asked for.
        file: usize,
        /// Files of the content.
        files: usize,
    },
    /// The file is not among those that the download was begun with.
    #[error("file {0} is not wanted, so it does not come")]
    NotWanted(usize),
    /// The download ended first.
    #[error("the download ended before it could be read")]
    Ended(#[source] DownloadError),
}

/// A download ended without its content. What was received and is durable stays for the next try.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DownloadError {
    /// No peer could be reached at all.
    #[error("no peer could be reached: {0}")]
    Unreachable(Reasons),
    /// Peers were reached, but none has the content, or for too long none had a missing part.
    #[error("nobody reached has this content: {0}")]
    NotFound(Reasons),
    /// Bytes stopped coming.
    #[error("no data for {seconds} seconds{}", in_brackets(attempts))]
    TimedOut {
        /// The time without bytes, in seconds.
        seconds: u64,
        /// What came of asking peers, directories and web seeds. `None`: there is nothing to say.
        attempts: Option<Attempts>,
    },
    /// Peers or web seeds that have the content were reached, and gave nothing of it.
    #[error("who has this content gave nothing of it for {seconds} seconds{}", in_brackets(attempts))]
    Unserved {
        /// The time without bytes, in seconds.
        seconds: u64,
        /// What came of asking peers, directories and web seeds. `None`: there is nothing to say.
        attempts: Option<Attempts>,
    },
    /// The target exists and has other content. It was not touched; see
    /// [`Fetch::overwrite`](crate::fetch::Fetch::overwrite).
    #[error("{} exists and differs from the content", .0.display())]
    Exists(PathBuf),
    /// What lies where the content or one of its files belongs is no such thing: a folder in place
    /// of a file, a link, a pipe. It is not touched, and never replaced.
    #[error("{} is in the way: it is not a regular file", .0.display())]
    Blocked(PathBuf),
    /// Something that is no part of the content lies where the partial file should be made. It was
    /// not touched. With [`Fetch::overwrite`](crate::fetch::Fetch::overwrite) the partial file is
    /// made beside it.
    #[error(
        "{} lies where the download would be made, and nothing in it belongs to this content",
        .0.display()
    )]
    InTheWay(PathBuf),
    /// Another content of this name was begun in the same folder and is unfinished. With
    /// [`Fetch::overwrite`](crate::fetch::Fetch::overwrite) this one is downloaded beside it.
    #[error("another download to {} is unfinished", .0.display())]
    Unfinished(PathBuf),
    /// The owner of a file that should be replaced made it read-only, or its folder takes no new
    /// files. The file stays as it is.
    #[error("cannot use {}: it may not be written to, so it is not replaced", .0.display())]
    ReadOnly(PathBuf),
    /// Everything is downloaded, but meanwhile a file was put in its place or changed. Both are
    /// kept.
    #[error(
        "{} was put there or changed during the download, and is kept; the new file is complete and lies in {}",
        path.display(), new.display()
    )]
    Kept {
        /// The file that is kept.
        path: PathBuf,
        /// The downloaded file.
        new: PathBuf,
    },
    /// Everything else is complete, but the user changed a file after it was complete. The user's
    /// file is kept.
    #[error("everything else is complete, but {} was changed since it was, and is kept", .0.display())]
    Edited(PathBuf),
    /// Two files of the content would become one file on this disk.
    #[error("\"{one}\" and \"{other}\" are one name on the disk of {}", folder.display())]
    SameName {
        /// The target folder.
        folder: PathBuf,
        /// One name.
        one: String,
        /// The other name.
        other: String,
    },
    /// The content does not fit on the disk. Nothing was begun.
    #[error(
        "no space left for {}: {bytes} bytes are needed and {room} may be taken, so {} are missing",
        path.display(), bytes.saturating_sub(*room)
    )]
    NoRoom {
        /// The file or folder.
        path: PathBuf,
        /// The bytes needed.
        bytes: u64,
        /// The bytes free beyond the reserve.
        room: u64,
    },
    /// Another process downloads the same content to the same place.
    #[error("another process is downloading to {}", .0.display())]
    Busy(PathBuf),
    /// The disk is full, and the owner's wait for room is over.
    #[error("no space left for {}", .0.display())]
    DiskFull(PathBuf),
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// What peers sent under this content id is not acceptable.
    #[error("the manifest is not acceptable: {0}")]
    Manifest(String),
    /// No demanded signature was found on the metainfo, as far as peers were asked.
    #[error("no valid signature by a demanded publisher: {0}")]
    Unsigned(String),
    /// The content is larger than the owner allows.
    #[error("the content has {bytes} bytes; at most {bytes_max} are taken")]
    TooLarge {
        /// The size of the content.
        bytes: u64,
        /// The largest size allowed.
        bytes_max: u64,
    },
    /// [`Fetch::select`](crate::fetch::Fetch::select), or the selection in a link, matches no file.
    /// The message lists some of the files.
    #[error("no file of this content was chosen; it has {0}")]
    NothingSelected(String),
    /// A part of the node that it cannot do without failed. What is durable stays.
    #[error(transparent)]
    Failed(Failure),
    /// The node shut down first.
    #[error("stopped before the download was complete")]
    Stopped,
}

fn in_brackets(attempts: &Option<Attempts>) -> String {
    attempts.as_ref().map(|attempts| format!(" ({attempts})")).unwrap_or_default()
}

/// Why a download found nobody to give it its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reasons {
    /// Neither the owner nor the source names a peer, a directory or a web seed, and none was
    /// found.
    NobodyToAsk,
    /// Web seeds are named, and nobody else. They do not give the metainfo that a link needs.
    OnlyWebSeeds,
    /// The peers that were reached lack what is missing here.
    NobodyHasIt,
    /// What came of each that was asked.
    Asked(Attempts),
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reasons::NobodyToAsk => f.write_str("there is nobody to ask"),
            Reasons::OnlyWebSeeds => {
                f.write_str("a link needs a peer for the metainfo, which web seeds do not give")
            }
            Reasons::NobodyHasIt => f.write_str("the peers reached lack what is missing here"),
            Reasons::Asked(attempts) => write!(f, "{attempts}"),
        }
    }
}

/// A content cannot be shared.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// Data is missing or of another size.
    #[error("{} is missing or has another size than the manifest says", .0.display())]
    Incomplete(PathBuf),
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// As many contents are open as the configuration allows.
    #[error("the limit of {0} contents is reached")]
    TooMany(u32),
    /// The node shut down first.
    #[error("the node has stopped")]
    Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_no_option_and_no_command_of_a_program() {
        let path = || PathBuf::from("film");
        let (one, other) = ("a".to_owned(), "A".to_owned());
        let reasons = [Reasons::NobodyToAsk, Reasons::OnlyWebSeeds, Reasons::NobodyHasIt];
        let of_reasons = |reasons: Reasons| {
            [DownloadError::Unreachable(reasons.clone()), DownloadError::NotFound(reasons)]
        };
        let others = [
            DownloadError::TimedOut { seconds: 60, attempts: None },
            DownloadError::Unserved { seconds: 60, attempts: None },
            DownloadError::Exists(path()),
            DownloadError::Blocked(path()),
            DownloadError::InTheWay(path()),
            DownloadError::Unfinished(path()),
            DownloadError::ReadOnly(path()),
            DownloadError::Kept { path: path(), new: path() },
            DownloadError::Edited(path()),
            DownloadError::SameName { folder: path(), one, other },
            DownloadError::NoRoom { path: path(), bytes: 2, room: 1 },
            DownloadError::Busy(path()),
            DownloadError::DiskFull(path()),
            DownloadError::Manifest("no".to_owned()),
            DownloadError::Unsigned("no".to_owned()),
            DownloadError::TooLarge { bytes: 2, bytes_max: 1 },
            DownloadError::NothingSelected("film".to_owned()),
            DownloadError::Stopped,
        ];
        for error in reasons.into_iter().flat_map(of_reasons).chain(others) {
            let text = error.to_string();
            assert!(!text.contains("--") && !text.contains("command"), "{text}");
        }
    }
}
