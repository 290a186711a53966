//! The owner's demands on the metainfo of a download: which files, and whose signature.

use std::collections::BTreeSet;

use nearcast_core::{layout::FileIndex, manifest::Manifest, paths::printable, signature::PublisherKey};

use crate::{
    error::DownloadError,
    fetch::{Fetch, Source},
};

/// Checks that one of the demanded publishers signed the manifest. The error says what there is
/// instead.
pub(super) fn demand_signature(manifest: &Manifest, demanded: &[PublisherKey]) -> Result<(), String> {
    let signatures = manifest.signatures();
    if demanded.is_empty() || signatures.is_by(demanded) {
        return Ok(());
    }
    let names = |keys: &mut dyn Iterator<Item = PublisherKey>| {
        keys.map(|key| key.to_string()).collect::<Vec<_>>().join(", ")
    };
    Err(if signatures.bad().iter().any(|key| demanded.contains(key)) {
        "the signature that came with the metainfo does not verify".to_owned()
    } else if signatures.good().is_empty() {
        "the metainfo came without one".to_owned()
    } else {
        format!("it is signed by {}", names(&mut signatures.keys()))
    })
}

/// The files wanted. `None`: all files.
pub(super) fn selection(
    manifest: &Manifest,
    fetch: &Fetch,
) -> Result<Option<BTreeSet<FileIndex>>, DownloadError> {
    let by_link = match &fetch.source {
        _ if fetch.files.is_some() => fetch.files.as_ref(),
        Source::Magnet(magnet) => magnet.selection.as_ref(),
        Source::Manifest(_) => None,
    };
    if fetch.select.is_empty() && by_link.is_none() {
        return Ok(None);
    }
    // A malformed pattern matches itself literally, as in a shell.
    let pattern = |text: &String| {
        glob::Pattern::new(text).or_else(|_| glob::Pattern::new(&glob::Pattern::escape(text)))
    };
    let patterns: Vec<glob::Pattern> = fetch.select.iter().filter_map(|text| pattern(text).ok()).collect();
    let wanted = |index: u32, path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let by_name = patterns.iter().any(|pattern| pattern.matches(path) || pattern.matches(name));
        match fetch.select.is_empty() {
            true => by_link.is_none_or(|selection| selection.contains(index)),
            false => by_name,
        }
    };
    let layout = manifest.layout();
    let files = manifest.files().iter().enumerate();
    let selected: BTreeSet<FileIndex> = files
        .filter(|(index, file)| wanted(*index as u32, file.path.as_str()))
        .filter_map(|(index, _)| layout.file_index(index as u32))
        .collect();
    match selected.is_empty() {
        true => Err(DownloadError::NothingSelected(some_names(manifest))),
        false => Ok(Some(selected)),
    }
}

/// The names of the first files of a content, made printable.
fn some_names(manifest: &Manifest) -> String {
    const NAMED_MAX: usize = 12;
    let files = manifest.files();
    let named: Vec<String> = files.iter().take(NAMED_MAX).map(|file| printable(file.path.as_str())).collect();
    let more = match files.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}
