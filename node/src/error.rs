//! The errors. Each says in one sentence what happened and what state remains.

use std::{io, path::PathBuf, sync::Arc};

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

/// A download ended without its content. What was received and is durable stays for the next try.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DownloadError {
    /// No peer could be reached at all.
    #[error("no peer could be reached: {0}")]
    Unreachable(String),
    /// Peers were reached, but none has the content, or for too long none had a missing part.
    #[error("nobody reached has this content: {0}")]
    NotFound(String),
    /// Bytes stopped coming.
    #[error("no data for {seconds} seconds{}; run the same command to continue", in_brackets(reasons))]
    TimedOut {
        /// The time without bytes, in seconds.
        seconds: u64,
        /// What came of asking peers and directories, if there is something to say.
        reasons: Option<String>,
    },
    /// Peers that have the content were reached, and gave nothing of it for this many seconds.
    #[error(
        "peers have this content, but none gave any of it for {0} seconds; run the same command to try again"
    )]
    Unserved(u64),
    /// The target exists and has other content.
    #[error("{} exists and differs from the content; use --overwrite to replace it", .0.display())]
    Exists(PathBuf),
    /// Something that is no part of the content lies where the partial file should be made. It was
    /// not touched.
    #[error(
        "{} lies where the download would be made, and nothing in it belongs to this content; move it away, or use \
         --overwrite to download beside it",
        .0.display()
    )]
    InTheWay(PathBuf),
    /// Another content of this name was begun in the same folder and is unfinished.
    #[error(
        "another download to {} is unfinished; finish it first, or use --overwrite to download beside it",
        .0.display()
    )]
    Unfinished(PathBuf),
    /// Everything is downloaded, but meanwhile a file was put in its place or changed. Both are
    /// kept.
    #[error(
        "{} was put there or changed during the download, and is kept; the new file is complete and lies in {}. Move \
         one of them away, or run the same command with --overwrite",
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
    #[error(
        "everything else is complete, but {} was changed since it was, and is kept; move it away, or use --overwrite \
         to replace it, and run the same command again",
        .0.display()
    )]
    Edited(PathBuf),
    /// Two files of the content would become one file on this disk.
    #[error(
        "\"{one}\" and \"{other}\" are one name on the disk of {}; choose one of them with --select, or another disk",
        folder.display()
    )]
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
        "no space left for {}: {bytes} bytes are needed and {room} may be taken, so {} are missing; make room, or use \
         another disk",
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
    #[error("no space left for {}; make room, and run the same command to continue", .0.display())]
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
    #[error("no valid signature by whom --signed-by demands: {0}")]
    Unsigned(String),
    /// The content is larger than the owner allows.
    #[error("the content has {bytes} bytes; at most {bytes_max} are taken")]
    TooLarge {
        /// The size of the content.
        bytes: u64,
        /// The largest size allowed.
        bytes_max: u64,
    },
    /// `--select`, or the selection in a link, matches no file. The message lists some of the
    /// files.
    #[error("no file of this content was chosen; it has {0}")]
    NothingSelected(String),
    /// A part of the node that it cannot do without failed. What is durable stays.
    #[error(transparent)]
    Failed(Failure),
    /// The node shut down first.
    #[error("stopped before the download was complete; run the same command to continue")]
    Stopped,
}

fn in_brackets(reasons: &Option<String>) -> String {
    reasons.as_ref().map(|reasons| format!(" ({reasons})")).unwrap_or_default()
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
