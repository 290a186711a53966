//! Why a command ended early: one sentence for people, one exit code for scripts.
//!
//! The errors of the library say what happened. What the user can do about it is said here, since
//! only this program knows its options.

use std::{fmt::Display, io, path::PathBuf};

use nearcast_core::{magnet::MagnetError, manifest::ManifestError};
use nearcast_node::{
    atlas::AtlasFileError,
    error::{Attempts, DownloadError, KeyError, Reasons, Remedy, ShareError, StartError},
    publish::{PublishError, VerifyError},
    torrent_url::{FetchError, FetchFailure},
};
use nearcast_service::{cli::start_error_in_words, signals::Signal};

use crate::exit::Exit;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The node did not start.
    #[error("{}", start_error_in_words(.0))]
    Start(#[from] StartError),
    /// One download failed.
    #[error("{}", of_download(.0))]
    Download(#[from] DownloadError),
    /// The origin of the demonstration cannot serve its content.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// An atlas file cannot be used.
    #[error(transparent)]
    Atlas(#[from] AtlasFileError),
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Nothing was published.
    #[error("{}", of_publish(.0))]
    Publish(#[from] PublishError),
    /// Data could not be checked.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Not a link we can use.
    #[error("cannot use this link: {0}")]
    Link(#[from] MagnetError),
    /// Not a `.torrent` we can use.
    #[error("cannot use {}: {source}", path.display())]
    Torrent {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ManifestError,
    },
    /// Nothing usable came from a URL.
    #[error("{}", of_fetch(.0))]
    Fetch(#[from] FetchError),
    /// A line of an input list cannot be used.
    #[error("{place}: {source}")]
    Input {
        /// The list and the number of the line.
        place: String,
        /// What is wrong.
        source: Box<CommandError>,
    },
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another file is where the `.torrent` should go.
    #[error("{} exists and is another torrent; use --overwrite to replace it, or -o to name another", .0.display())]
    Exists(PathBuf),
    /// Something that is no `.torrent` is where the `.torrent` should go.
    #[error("{} is there and is no .torrent, so it is not replaced; name another file with -o", .0.display())]
    NoTorrent(PathBuf),
    /// Another process shows the screen of this user.
    #[error("another nearcast has the screen open, in another terminal; {} is its lock", .0.display())]
    ScreenOpen(PathBuf),
    /// A door leads to a program that is not installed.
    #[error(
        "nearcast {name} is the program {program}, which is neither beside nearcast nor in PATH; the package {program} brings it"
    )]
    NotInstalled {
        /// The name of the door.
        name: &'static str,
        /// The name of the program and of its package.
        program: &'static str,
    },
    /// Options contradict each other or do not fit this content.
    #[error("{0}")]
    BadOption(String),
    /// The player ended in trouble.
    #[error("{0}")]
    Player(String),
    /// Data differs from the manifest.
    #[error("{bad} of {files} files are missing or damaged")]
    Corrupt {
        /// Missing or damaged files.
        bad: usize,
        /// Files in the content.
        files: u32,
    },
    /// Several downloads failed. Each has already printed why.
    #[error("{failed} of {all} downloads failed")]
    Several {
        /// Downloads that failed.
        failed: usize,
        /// Downloads asked for.
        all: usize,
        /// The worst exit code among the downloads.
        exit: Exit,
    },
    /// A signal stopped the command; nothing was kept.
    #[error("{}", name(*.0))]
    Signal(Signal),
    /// A signal stopped a download; the data received so far stays.
    #[error("{}; run the same command to continue", name(*.0))]
    Stopped(Signal),
}

fn of_download(error: &DownloadError) -> String {
    with_advice(error, advice_on_download(error))
}

fn of_publish(error: &PublishError) -> String {
    with_advice(error, advice_on_publish(error))
}

fn of_fetch(error: &FetchError) -> String {
    with_advice(error, advice_on_fetch(error))
}

/// The error, and behind it what the user can do about it.
fn with_advice(error: &impl Display, advice: Option<impl Display>) -> String {
    advice.map_or_else(|| error.to_string(), |advice| format!("{error}; {advice}"))
}

/// What the user can do about the error of a download. `None`: we know of nothing.
fn advice_on_download(error: &DownloadError) -> Option<String> {
    let advice = match error {
        DownloadError::Unreachable(reasons) | DownloadError::NotFound(reasons) => {
            return advice_on_reasons(reasons);
        }
        DownloadError::TimedOut { attempts, .. } => {
            return Some(advice_to_go_on(attempts.as_ref(), "run the same command to continue"));
        }
        DownloadError::Unserved { attempts, .. } => {
            return Some(advice_to_go_on(attempts.as_ref(), "run the same command to try again"));
        }
        DownloadError::Exists(_) => "use --overwrite to replace it",
        DownloadError::Blocked(_) => "move it away, or download to another folder with -o",
        DownloadError::InTheWay(_) => "move it away, or use --overwrite to download beside it",
        DownloadError::Unfinished(_) => "finish it first, or use --overwrite to download beside it",
        DownloadError::ReadOnly(_) => "change its rights, or those of its folder, or move it",
        DownloadError::Kept { .. } => "move one of them away, or run the same command with --overwrite",
        DownloadError::Edited(_) => {
            "move it away, or use --overwrite to replace it, and run the same command again"
        }
        DownloadError::SameName { .. } => "choose one of them with --select, or another disk",
        DownloadError::NoRoom { .. } => "make room, or use another disk",
        DownloadError::DiskFull(_) => "make room, and run the same command to continue",
        DownloadError::Io { source, .. } if source.kind() == io::ErrorKind::FileTooLarge => {
            "look at ulimit -f, and at what the file system can hold"
        }
        DownloadError::Stopped => "run the same command to continue",
        DownloadError::Busy(_)
        | DownloadError::Io { .. }
        | DownloadError::Manifest(_)
        | DownloadError::Unsigned(_)
        | DownloadError::TooLarge { .. }
        | DownloadError::NothingSelected(_)
        | DownloadError::Failed(_) => return None,
    };
    Some(advice.to_owned())
}

fn advice_to_go_on(attempts: Option<&Attempts>, how: &str) -> String {
    let mut advice = attempts.map(advice_on_attempts).unwrap_or_default();
    advice.push(how.to_owned());
    advice.join("; ")
}

/// The ways to a content whose link names nobody.
const NAME_SOMEBODY: &str = "name a directory with --tracker (or as tracker in client.toml), or a peer with --peer, or use \
                             a link that names one";

fn advice_on_reasons(reasons: &Reasons) -> Option<String> {
    match reasons {
        Reasons::NobodyToAsk => Some(NAME_SOMEBODY.to_owned()),
        Reasons::OnlyWebSeeds => Some("name one with --peer, or use the .torrent file".to_owned()),
        Reasons::NobodyHasIt => None,
        Reasons::Asked(attempts) => {
            Some(advice_on_attempts(attempts)).filter(|advice| !advice.is_empty()).map(|all| all.join("; "))
        }
    }
}

/// What the user can do about single attempts, without repetitions.
fn advice_on_attempts(attempts: &Attempts) -> Vec<String> {
    // If several attempts are reported before the advice, it names the one that it is about.
    let is_alone = attempts.shown.len() == 1 && attempts.more == 0;
    let mut all = Vec::new();
    for attempt in &attempts.shown {
        let Some(remedy) = attempt.remedy else { continue };
        let advice = match remedy {
            Remedy::NamePeer => format!("use --peer {} if you mean it", attempt.at),
            Remedy::NameUrl if is_alone => "if you trust it, name its URL with --web-seed".to_owned(),
            Remedy::NameUrl => {
                format!("if you trust where {} leads, name that URL with --web-seed", attempt.at)
            }
            Remedy::NameProxyUser => {
                let proxy = if is_alone { "it" } else { "the proxy" };
                format!("name {proxy} {PROXY_USER}")
            }
        };
        if !all.contains(&advice) {
            all.push(advice);
        }
    }
    all
}

/// How a proxy is named that wants to know who asks.
const PROXY_USER: &str = "with user and password, as http://USER:PASSWORD@HOST:PORT";

/// What the user can do if nothing usable came from a URL. `None`: we know of nothing.
fn advice_on_fetch(error: &FetchError) -> Option<String> {
    match (error.kind, error.remedy) {
        (FetchFailure::Denied, _) => Some("with a password, write https://USER:PASSWORD@HOST/…".to_owned()),
        (FetchFailure::Page, _) => Some("copy the address of its download link".to_owned()),
        (_, Some(Remedy::NameUrl)) => Some("if you trust it, name that URL itself".to_owned()),
        (_, Some(Remedy::NameProxyUser)) => Some(format!("name it {PROXY_USER}")),
        (_, Some(Remedy::NamePeer) | None) => None,
    }
}

/// What the user can do if nothing was published. `None`: we know of nothing, or the command says
/// it.
fn advice_on_publish(error: &PublishError) -> Option<&'static str> {
    match error {
        PublishError::NamedLikeItsFile(_) => Some("publish the file itself, or rename one of them"),
        PublishError::Changed(_) => Some("publish it when it is complete"),
        PublishError::Io { .. }
        | PublishError::Special(_)
        | PublishError::NoFiles(_)
        | PublishError::AllLeftOut { .. }
        | PublishError::TooManyFiles(_)
        | PublishError::Names(_)
        | PublishError::SecretKey(_)
        | PublishError::Name(_)
        | PublishError::Layout(_)
        | PublishError::Manifest(_)
        | PublishError::Cancelled => None,
    }
}

fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Interrupt => "interrupted",
        Signal::Terminate => "terminated",
        Signal::Hangup => "hung up",
    }
}

impl CommandError {
    /// The exit code for this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            CommandError::Start(error) => error.into(),
            CommandError::Download(error) => error.into(),
            CommandError::Share(error) => error.into(),
            CommandError::Atlas(error) => error.into(),
            CommandError::Key(error) => error.into(),
            CommandError::Publish(error) => exit_of_publish(error),
            CommandError::Verify(VerifyError::Io { .. }) | CommandError::Io { .. } => Exit::Io,
            CommandError::Verify(VerifyError::Cancelled) => Exit::Unfinished,
            CommandError::Link(_)
            | CommandError::Torrent { .. }
            | CommandError::NotInstalled { .. }
            | CommandError::BadOption(_) => Exit::BadOption,
            CommandError::Fetch(error) => match error.kind {
                FetchFailure::Unusable | FetchFailure::NoTorrent | FetchFailure::Page => Exit::BadOption,
                FetchFailure::NotFound | FetchFailure::Denied => Exit::NotFound,
                FetchFailure::Unreachable => Exit::Network,
            },
            CommandError::Input { source, .. } => source.exit(),
            CommandError::Exists(_) | CommandError::NoTorrent(_) | CommandError::ScreenOpen(_) => {
                Exit::Exists
            }
            CommandError::Corrupt { .. } => Exit::Checksum,
            CommandError::Several { exit, .. } => *exit,
            CommandError::Player(_) => Exit::Unknown,
            CommandError::Signal(signal) | CommandError::Stopped(signal) => (*signal).into(),
        }
    }
}

fn exit_of_publish(error: &PublishError) -> Exit {
    match error {
        PublishError::Io { .. } | PublishError::Special(_) | PublishError::Changed(_) => Exit::Io,
        PublishError::Cancelled => Exit::Unfinished,
        PublishError::NoFiles(_)
        | PublishError::AllLeftOut { .. }
        | PublishError::TooManyFiles(_)
        | PublishError::Names(_)
        | PublishError::SecretKey(_)
        | PublishError::NamedLikeItsFile(_)
        | PublishError::Name(_)
        | PublishError::Layout(_)
        | PublishError::Manifest(_) => Exit::BadOption,
    }
}

#[cfg(test)]
mod tests {
    use nearcast_core::atlas::AtlasError;
    use nearcast_node::error::Attempt;

    use super::*;

    fn attempt(at: &str, text: &str, remedy: Option<Remedy>) -> Attempt {
        Attempt { at: at.to_owned(), text: text.to_owned(), remedy }
    }

    fn said(error: DownloadError) -> String {
        CommandError::from(error).to_string()
    }

    #[test]
    fn errors_of_the_library_come_with_what_the_user_can_do() {
        let path = || PathBuf::from("/x/film");
        let too_large = io::Error::new(io::ErrorKind::FileTooLarge, "no");
        for (error, text) in [
            (
                DownloadError::Exists(path()),
                "/x/film exists and differs from the content; use --overwrite to replace it",
            ),
            (
                DownloadError::Blocked(path()),
                "/x/film is in the way: it is not a regular file; move it away, or download to another folder with -o",
            ),
            (
                DownloadError::Unreachable(Reasons::NobodyToAsk),
                "no peer could be reached: there is nobody to ask; name a directory with --tracker (or as \
                 tracker in client.toml), or a peer with --peer, or use a link that names one",
            ),
            (
                DownloadError::NotFound(Reasons::OnlyWebSeeds),
                "nobody reached has this content: a link needs a peer for the metainfo, which web seeds do not give; name \
                 one with --peer, or use the .torrent file",
            ),
            (
                DownloadError::NotFound(Reasons::NobodyHasIt),
                "nobody reached has this content: the peers reached lack what is missing here",
            ),
            (
                DownloadError::TimedOut { seconds: 60, attempts: None },
                "no data for 60 seconds; run the same command to continue",
            ),
            (
                DownloadError::Kept { path: path(), new: "/x/new".into() },
                "/x/film was put there or changed during the download, and is kept; the new file is complete and lies in \
                 /x/new; move one of them away, or run the same command with --overwrite",
            ),
            (
                DownloadError::ReadOnly(path()),
                "cannot use /x/film: it may not be written to, so it is not replaced; change its rights, or those of its \
                 folder, or move it",
            ),
            (
                DownloadError::Io { path: path(), source: too_large.into() },
                "cannot use /x/film: no; look at ulimit -f, and at what the file system can hold",
            ),
            (DownloadError::Busy(path()), "another process is downloading to /x/film"),
        ] {
            assert_eq!(said(error), text);
        }
        let changed = CommandError::from(PublishError::Changed(path())).to_string();
        assert_eq!(changed, "/x/film changed while it was being read; publish it when it is complete");
    }

    #[test]
    fn what_the_user_can_name_is_said_behind_all_attempts() {
        let (peer, url) = ("/ip4/10.0.0.1/tcp/4800", "http://10.0.0.1/f");
        let refused = attempt(peer, "the link names 10.0.0.1:4800", Some(Remedy::NamePeer));
        let seed = attempt(url, "http://10.0.0.1/f: it leads to 10.0.0.1", Some(Remedy::NameUrl));
        let proxy = attempt("http://a.example/f", "who asks?", Some(Remedy::NameProxyUser));
        let silent = attempt("/ip4/1.2.3.4/tcp/1", "no answer", None);
        let unreachable = |shown| DownloadError::Unreachable(Reasons::Asked(Attempts { shown, more: 0 }));
        for (shown, text) in [
            (vec![silent.clone()], "no answer"),
            (
                vec![refused.clone()],
                "the link names 10.0.0.1:4800; use --peer /ip4/10.0.0.1/tcp/4800 if you mean it",
            ),
            (
                vec![seed.clone()],
                "http://10.0.0.1/f: it leads to 10.0.0.1; if you trust it, name its URL with --web-seed",
            ),
            (
                vec![proxy.clone()],
                "who asks?; name it with user and password, as http://USER:PASSWORD@HOST:PORT",
            ),
            (
                vec![seed, silent, proxy.clone(), proxy],
                "http://10.0.0.1/f: it leads to 10.0.0.1; no answer; who asks?; who asks?; if you trust where \
                 http://10.0.0.1/f leads, name that URL with --web-seed; name the proxy with user and password, as \
                 http://USER:PASSWORD@HOST:PORT",
            ),
        ] {
            assert_eq!(said(unreachable(shown)), format!("no peer could be reached: {text}"));
        }
        let attempts = Some(Attempts { shown: vec![refused], more: 1 });
        assert_eq!(
            said(DownloadError::TimedOut { seconds: 5, attempts }),
            "no data for 5 seconds (the link names 10.0.0.1:4800; and 1 more); use --peer /ip4/10.0.0.1/tcp/4800 if you \
             mean it; run the same command to continue"
        );
    }

    #[test]
    fn every_command_error_has_its_code() {
        let io = || io::Error::other("x");
        let path = || PathBuf::from("x");
        for (error, code) in [
            (CommandError::Download(DownloadError::TimedOut { seconds: 1, attempts: None }), 2),
            (CommandError::Start(StartError::Network("x".into())), 6),
            (CommandError::Publish(PublishError::NoFiles(path())), 28),
            (CommandError::Publish(PublishError::Changed(path())), 17),
            (CommandError::Verify(VerifyError::Cancelled), 7),
            (CommandError::Link(MagnetError::V1Only), 28),
            (CommandError::Torrent { path: path(), source: ManifestError::V1Only }, 28),
            (CommandError::Io { path: path(), source: io() }, 17),
            (CommandError::Exists(path()), 13),
            (CommandError::NoTorrent(path()), 13),
            (CommandError::BadOption("x".into()), 28),
            (CommandError::NotInstalled { name: "serve", program: "nearcast-seeder" }, 28),
            (
                CommandError::Input {
                    place: "list:3".into(),
                    source: Box::new(CommandError::Exists(path())),
                },
                13,
            ),
            (CommandError::Atlas(AtlasFileError::Unreadable { path: path(), source: io() }), 17),
            (CommandError::Atlas(AtlasFileError::Bad { path: path(), source: AtlasError::Checksum }), 32),
            (CommandError::Key(KeyError::Exists(path())), 13),
            (CommandError::Key(KeyError::Unusable { path: path(), reason: "x".into() }), 24),
            (CommandError::Corrupt { bad: 1, files: 2 }, 32),
            (CommandError::Signal(Signal::Terminate), 143),
            (CommandError::Stopped(Signal::Interrupt), 130),
        ] {
            assert_eq!(error.exit().code(), code, "{error}");
            assert!(!error.to_string().contains('\n'), "one sentence: {error}");
        }
    }
}
