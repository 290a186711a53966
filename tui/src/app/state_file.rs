//! The file that says what is open, in the user's state folder.
//!
//! Invariant: the file is replaced as a whole or stays as it was. What cannot be understood is kept
//! beside it before the file is replaced, so a damaged or newer file loses nothing and stops
//! nothing.

use std::{
    fs,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use nearcast_core::{
    id::ContentId,
    magnet::FileSelection,
    manifest::{Manifest, TORRENT_BYTES_MAX},
};
use nearcast_node::{DownloadLimits, publish::replace_file};
use nearcast_service::state::{Claim, make_private_folder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    downloads::Sort,
    saved::{Saved, SavedDownload},
    wish::Wish,
};
use crate::source::Named;

/// The version of the file. A file of another version is read as far as it is understood.
const VERSION: u64 = 1;
/// The largest file that is read, in bytes.
const BYTES_MAX: u64 = 256 << 20;
/// Files kept because they were not understood. The oldest name is used again.
const KEPT_MAX: u32 = 100;

const NAME: &str = "screen.json";
const LOCK: &str = "screen.lock";
const TORRENTS: &str = "torrents";

/// The state folder of the screen. Only one process has it at a time.
#[derive(Debug)]
pub(crate) struct StateFile {
    folder: PathBuf,
    _claim: Claim,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// What was understood.
    pub(crate) saved: Saved,
    /// Sentences about what was not.
    pub(crate) notices: Vec<String>,
}

/// One download in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// A link, or `torrent:` and a content id.
    source: String,
    /// The folder; in the form of Serde if it is no text.
    folder: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files: Option<String>,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    down: Option<u64>,
    #[serde(default)]
    up: Option<u64>,
    #[serde(default)]
    have: u64,
    #[serde(default)]
    total: u64,
}

/// How a download that was named by a `.torrent` is written.
const BY_TORRENT: &str = "torrent:";

impl StateFile {
    /// Claims the folder. `None`: another process has it.
    ///
    /// # Errors
    /// The folder cannot be made or used.
    pub(crate) fn claim(folder: PathBuf) -> io::Result<Option<StateFile>> {
        make_private_folder(&folder)?;
        let lock = folder.join(LOCK);
        fs::OpenOptions::new().create(true).append(true).open(&lock)?;
        Ok(Claim::of(&lock)?.map(|claim| StateFile { folder, _claim: claim }))
    }

    /// Reads what was open.
    pub(crate) fn read(&self) -> Opened {
        let path = self.folder.join(NAME);
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Opened::default(),
            Err(error) => return self.keep(Opened::default(), &error.to_string()),
        };
        let value: Value = match serde_json::from_slice(&text) {
            Ok(value) => value,
            Err(error) => return self.keep(Opened::default(), &error.to_string()),
        };
        let (opened, wrong) = self.understand(&value);
        match wrong {
            None => {
                self.forget_torrents(&opened.saved);
                opened
            }
            Some(why) => self.keep(opened, &why),
        }
    }

    /// Reads as much as possible. Returns what is wrong with the rest.
    fn understand(&self, value: &Value) -> (Opened, Option<String>) {
        let mut wrong = None;
        if value["version"].as_u64() != Some(VERSION) {
            wrong = Some(format!("it is of version {}, and this is {VERSION}", value["version"]));
        }
        let mut saved = Saved {
            theme: value["theme"].as_str().map(str::to_owned),
            limits: value["limits"].is_object().then(|| limits(&value["limits"])),
            sort: (
                Sort::deserialize(&value["sort"]).unwrap_or_default(),
                value["reverse"].as_bool().unwrap_or_default(),
            ),
            downloads: Vec::new(),
        };
        let Some(lines) = value["downloads"].as_array() else {
            return (Opened { saved, notices: Vec::new() }, Some("it has no list of downloads".to_owned()));
        };
        for line in lines {
            match Line::deserialize(line)
                .map_err(|error| error.to_string())
                .and_then(|line| self.download(&line))
            {
                Ok(download) => saved.downloads.push(download),
                Err(why) => wrong = Some(why),
            }
        }
        (Opened { saved, notices: Vec::new() }, wrong)
    }

    fn download(&self, line: &Line) -> Result<SavedDownload, String> {
        let named = match line.source.strip_prefix(BY_TORRENT) {
            Some(id) => {
                let content: ContentId = id.parse().map_err(|_| format!("{id} is no content id"))?;
                let read = read_torrent(&self.torrent(content));
                Named::Torrent(read.map_err(|why| format!("the .torrent of {id}: {why}"))?.into())
            }
            None => Named::Link(line.source.parse().map_err(|error| format!("{}: {error}", line.source))?),
        };
        let manifest = match &named {
            Named::Torrent(manifest) => Some(manifest.clone()),
            // Without a copy, peers are asked again.
            Named::Link(magnet) => read_torrent(&self.torrent(magnet.content)).ok().map(Arc::new),
        };
        let folder = match &line.folder {
            Value::String(folder) => PathBuf::from(folder),
            other => std::ffi::OsString::deserialize(other).map_err(|error| error.to_string())?.into(),
        };
        let files: Option<FileSelection> = match &line.files {
            Some(text) => Some(text.parse().map_err(|error| format!("files {text}: {error}"))?),
            None => None,
        };
        Ok(SavedDownload {
            wish: Wish { named, folder, files },
            manifest,
            paused: line.paused,
            limits: DownloadLimits { down: line.down, up: line.up },
            seen: (line.have, line.total),
        })
    }

    /// Copies the file to another name, and says so.
    fn keep(&self, mut opened: Opened, why: &str) -> Opened {
        let path = self.folder.join(NAME);
        let free = (1..KEPT_MAX).map(|number| self.folder.join(format!("{NAME}.{number}.kept")));
        let free = free.into_iter().find(|path| !path.exists());
        let to = free.unwrap_or_else(|| self.folder.join(format!("{NAME}.{KEPT_MAX}.kept")));
        let count = opened.saved.downloads.len();
        let copied = match fs::copy(&path, &to) {
            Ok(_) => format!("it is kept as {}", to.display()),
            Err(error) => format!("it cannot be kept as {}: {error}", to.display()),
        };
        opened.notices.push(format!(
            "warning: {} is not understood ({why}); {count} downloads are read from it, and {copied}",
            path.display()
        ));
        opened
    }

    /// Writes what is open.
    ///
    /// # Errors
    /// Any error of the system. The file is then as before.
    pub(crate) fn write(&self, saved: &Saved) -> io::Result<()> {
        let mut lines = Vec::with_capacity(saved.downloads.len());
        for download in &saved.downloads {
            lines.push(self.line(download)?);
        }
        let limits = saved.limits.map(|limits| serde_json::json!({"down": limits.down, "up": limits.up}));
        let value = serde_json::json!({
            "version": VERSION,
            "theme": saved.theme,
            "limits": limits,
            "sort": saved.sort.0,
            "reverse": saved.sort.1,
            "downloads": lines,
        });
        replace_file(&self.folder.join(NAME), &serde_json::to_vec_pretty(&value)?)
    }

    fn line(&self, download: &SavedDownload) -> io::Result<Line> {
        let SavedDownload { wish, manifest, paused, limits, seen } = download;
        if let Some(manifest) = manifest {
            self.store_torrent(manifest)?;
        }
        let source = match &wish.named {
            Named::Link(magnet) => magnet.to_string(),
            Named::Torrent(manifest) => {
                self.store_torrent(manifest)?;
                format!("{BY_TORRENT}{}", manifest.content())
            }
        };
        let folder = match wish.folder.to_str() {
            Some(folder) => Value::from(folder),
            None => serde_json::to_value(wish.folder.as_os_str())?,
        };
        Ok(Line {
            source,
            folder,
            files: wish.files.as_ref().map(ToString::to_string),
            paused: *paused,
            down: limits.down,
            up: limits.up,
            have: seen.0,
            total: seen.1,
        })
    }

    /// Where the copy of a `.torrent` lies.
    pub(crate) fn torrent(&self, content: ContentId) -> PathBuf {
        self.folder.join(TORRENTS).join(format!("{content}.torrent"))
    }

    /// Keeps a copy of a `.torrent`: the one that the user named may go.
    fn store_torrent(&self, manifest: &Manifest) -> io::Result<()> {
        let path = self.torrent(manifest.content());
        if path.exists() {
            return Ok(());
        }
        make_private_folder(&self.folder.join(TORRENTS))?;
        replace_file(&path, &manifest.to_torrent())
    }

    /// Removes copies of `.torrent`s that nothing needs. Only called when the whole file was
    /// understood.
    fn forget_torrents(&self, saved: &Saved) {
        let needed: std::collections::BTreeSet<String> =
            saved.downloads.iter().map(|one| format!("{}.torrent", one.wish.content())).collect();
        let entries = fs::read_dir(self.folder.join(TORRENTS)).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.strip_suffix(".torrent").is_some_and(|id| id.parse::<ContentId>().is_ok());
            if is_ours && !needed.contains(&name) {
                // One that cannot be removed does no harm.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn limits(value: &Value) -> DownloadLimits {
    DownloadLimits { down: value["down"].as_u64(), up: value["up"].as_u64() }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let taken = fs::File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut text)?;
    match taken as u64 > BYTES_MAX {
        true => Err(io::Error::other("it is too large")),
        false => Ok(text),
    }
}

fn read_torrent(path: &Path) -> Result<Manifest, String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(TORRENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Manifest::parse(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
