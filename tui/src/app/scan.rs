//! Finds the `.torrent` files that lie at hand, for the catalogue.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::message::Offer;
use crate::source::read_torrent;

/// How many folders deep to look.
const DEPTH_MAX: usize = 3;
/// Entries of folders that are looked at.
const ENTRIES_MAX: usize = 20_000;
/// Files that are read.
const TORRENTS_MAX: usize = 1_000;
/// A larger file is not read: the catalogue is not worth the time.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The contents whose `.torrent` files lie in these folders, and below. Each content once. Blocks
/// the thread.
pub(crate) fn torrents(folders: &[PathBuf]) -> Vec<Offer> {
    let mut paths = Vec::new();
    let mut left = ENTRIES_MAX;
    for folder in folders {
        find(folder, DEPTH_MAX, &mut left, &mut paths);
    }
    paths.sort();
    paths.dedup();
    let mut seen = std::collections::BTreeSet::new();
    let offers = paths.into_iter().take(TORRENTS_MAX).filter_map(offer);
    offers.filter(|offer| seen.insert(offer.content)).collect()
}

fn find(folder: &Path, depth: usize, left: &mut usize, found: &mut Vec<PathBuf>) {
    // A folder that cannot be read offers nothing.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        *left = left.saturating_sub(1);
        if *left == 0 {
            return;
        }
        // Links are not followed: they may lead round and round.
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && depth > 1 && !is_hidden {
            find(&entry.path(), depth - 1, left, found);
        } else if kind.is_file() && Path::new(&name).extension().is_some_and(|ending| ending == "torrent") {
            found.push(entry.path());
        }
    }
}

/// What a file offers. `None`: it is no `.torrent` that we can use.
fn offer(path: PathBuf) -> Option<Offer> {
    let length = fs::metadata(&path).ok()?.len();
    let manifest = (length <= FILE_BYTES_MAX).then(|| read_torrent(&path).ok())??;
    Some(Offer {
        content: manifest.content(),
        name: manifest.name().to_owned(),
        bytes: manifest.layout().bytes(),
        files: manifest.layout().files(),
        signed: manifest.signatures().good().len(),
        path,
    })
}
