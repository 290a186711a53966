//! From bencoding to checked fields. The decoder refuses unsorted and repeated keys and numbers with
//! leading zeros, so what is accepted has one encoding only; it does not look past the end, so that
//! is done here.

use std::collections::BTreeMap;

use bendy::decoding::{Decoder, DictDecoder, Object};

use super::{FileEntry, ManifestError, WEB_SEEDS_MAX, tree};
use crate::{
    id::Hash,
    paths::{PATH_DEPTH_MAX, SafeName},
    signature::{PublisherKey, SIGNATURES_MAX, Signature},
};

/// Folders, then the file, its properties, and what lies around the tree.
const NESTING_MAX: usize = PATH_DEPTH_MAX + 8;

/// What a `.torrent` file says, outside the info dictionary unchecked.
#[derive(Default)]
pub(super) struct TorrentFields<'a> {
    /// The info dictionary, byte for byte.
    pub info: &'a [u8],
    /// Piece layers by pieces root.
    layers: BTreeMap<&'a [u8], &'a [Hash]>,
    /// Texts that may be URLs.
    pub web_seeds: Vec<String>,
    /// Signatures that may verify.
    pub signatures: Vec<Signature>,
}

impl TorrentFields<'_> {
    /// The layer said to belong to a root; empty if there is none.
    pub(super) fn layer(&self, root: &Hash) -> &[Hash] {
        self.layers.get(&root[..]).copied().unwrap_or_default()
    }
}

/// What an info dictionary says, checked but for the sizes.
pub(super) struct InfoFields {
    pub name: SafeName,
    pub piece_bytes: u64,
    pub files: Vec<FileEntry>,
}

/// Reads the outermost dictionary of a `.torrent` file.
pub(super) fn torrent(bytes: &[u8]) -> Result<TorrentFields<'_>, ManifestError> {
    let mut fields = TorrentFields::default();
    whole_dictionary("the torrent", bytes, |key, value| {
        match key {
            b"info" => fields.info = dictionary("info", value)?.into_raw()?,
            b"nearcast signatures" => fields.signatures = signatures(value)?,
            b"piece layers" => fields.layers = layers(dictionary("piece layers", value)?)?,
            b"url-list" => fields.web_seeds = web_seeds(value)?,
            _ => {}
        }
        Ok(())
    })?;
    match fields.info {
        [] => Err(ManifestError::Missing("info")),
        _ => Ok(fields),
    }
}

/// Reads an info dictionary.
pub(super) fn info(bytes: &[u8]) -> Result<InfoFields, ManifestError> {
    let (mut version, mut name, mut piece_bytes, mut files) = (None, None, None, None);
    let mut is_v1 = false;
    whole_dictionary("info", bytes, |key, value| {
        match key {
            b"file tree" => files = Some(tree::read(dictionary("file tree", value)?)?),
            b"meta version" => version = Some(number("meta version", value)?),
            b"name" => name = Some(text("name", value)?),
            b"piece length" => piece_bytes = Some(number("piece length", value)?),
            b"pieces" => is_v1 = true,
            _ => {}
        }
        Ok(())
    })?;
    match version {
        Some(2) => {}
        None if is_v1 => return Err(ManifestError::V1Only),
        None => return Err(ManifestError::Missing("meta version")),
        Some(0 | 1) => return Err(ManifestError::V1Only),
        Some(newer) => return Err(ManifestError::Version(newer)),
    }
    Ok(InfoFields {
        name: SafeName::parse(name.ok_or(ManifestError::Missing("name"))?)?,
        piece_bytes: piece_bytes.ok_or(ManifestError::Missing("piece length"))?,
        files: files.ok_or(ManifestError::Missing("file tree"))?,
    })
}

/// Calls `visit` for every pair of the one dictionary that `bytes` must be.
fn whole_dictionary<'a>(
    what: &'static str,
    bytes: &'a [u8],
    mut visit: impl FnMut(&'a [u8], Object<'_, 'a>) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    let mut decoder = Decoder::new(bytes).with_max_depth(NESTING_MAX);
    let outermost = decoder.next_object()?.ok_or(ManifestError::Missing(what))?;
    let mut pairs = dictionary(what, outermost)?;
    while let Some((key, value)) = pairs.next_pair()? {
        visit(key, value)?;
    }
    drop(pairs);
    match decoder.next_object() {
        Ok(None) => Ok(()),
        _ => Err(ManifestError::TrailingBytes),
    }
}

pub(super) fn dictionary<'o, 'a>(
    key: &'static str,
    value: Object<'o, 'a>,
) -> Result<DictDecoder<'o, 'a>, ManifestError> {
    value.dictionary_or(Err(ManifestError::Invalid(key)))
}

pub(super) fn text<'a>(key: &'static str, value: Object<'_, 'a>) -> Result<&'a [u8], ManifestError> {
    value.bytes_or(Err(ManifestError::Invalid(key)))
}

/// A number that is not negative and fits 64 bits.
pub(super) fn number(key: &'static str, value: Object<'_, '_>) -> Result<u64, ManifestError> {
    let digits = value.integer_or(Err(ManifestError::Invalid(key)))?;
    digits.parse().map_err(|_| ManifestError::Invalid(key))
}

/// Borrows every layer from the file: nothing is copied before its length is known to be right.
fn layers<'a>(mut pairs: DictDecoder<'_, 'a>) -> Result<BTreeMap<&'a [u8], &'a [Hash]>, ManifestError> {
    const KEY: &str = "piece layers";
    let mut layers = BTreeMap::new();
    while let Some((root, layer)) = pairs.next_pair()? {
        match text(KEY, layer)?.as_chunks::<32>() {
            (hashes, []) if root.len() == 32 => layers.insert(root, hashes),
            _ => return Err(ManifestError::Invalid(KEY)),
        };
    }
    Ok(layers)
}

/// One URL or a list of them; what is not text is skipped.
fn web_seeds(value: Object<'_, '_>) -> Result<Vec<String>, ManifestError> {
    let mut urls = Vec::new();
    let mut add = |url: &[u8]| urls.extend(String::from_utf8(url.to_vec()));
    match value {
        Object::Bytes(url) => add(url),
        Object::List(mut list) => {
            let mut seen = 0;
            while let Some(item) = list.next_object()? {
                seen = usize::saturating_add(seen, 1);
                if let (Object::Bytes(url), ..=WEB_SEEDS_MAX) = (item, seen) {
                    add(url);
                }
            }
        }
        _ => return Err(ManifestError::Invalid("url-list")),
    }
    Ok(urls)
}

/// Public key to signature. The content is pinned whatever stands here, so what has another form is no
/// error: a value of another length is a signature that will not verify, a key of another length one for
/// somebody else to read.
fn signatures(value: Object<'_, '_>) -> Result<Vec<Signature>, ManifestError> {
    let mut signatures = Vec::new();
    let Object::Dict(mut pairs) = value else { return Ok(signatures) };
    while let Some((key, value)) = pairs.next_pair()? {
        if signatures.len() < SIGNATURES_MAX
            && let Ok(key) = key.try_into()
        {
            let bytes: &[u8] = if let Object::Bytes(bytes) = value { bytes } else { &[] };
            let bytes = bytes.try_into().unwrap_or([0; 64]);
            signatures.push(Signature { key: PublisherKey(key), bytes });
        }
    }
    Ok(signatures)
}
