//! From bencoding to checked fields. In the info dictionary the decoder refuses unsorted and
//! repeated keys and numbers with leading zeros, so what is accepted has one encoding only. The
//! decoder does not look past the end, so that is done here. What lies around the info dictionary
//! may be written in any order.

use std::collections::BTreeMap;

use bendy::decoding::{Decoder, DictDecoder, Object};

use super::{FileEntry, ManifestError, WEB_SEEDS_MAX, loose::Scan, tree};
use crate::{
    content::{
        paths::{PATH_DEPTH_MAX, SafeName},
        signature::{PublisherKey, SIGNATURES_MAX, Signature},
    },
    id::Hash,
};

/// Nesting: folders, then the file, its properties, and what lies around the tree.
const NESTING_MAX: usize = PATH_DEPTH_MAX + 8;

/// The fields of a `.torrent` file, unchecked outside the info dictionary.
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

/// The fields of an info dictionary, checked except for the sizes.
pub(super) struct InfoFields {
    pub name: SafeName,
    pub piece_bytes: u64,
    pub files: Vec<FileEntry>,
}

/// Reads the outermost dictionary of a `.torrent` file. It contains what is hashed, but is not
/// hashed itself: programs write its keys in any order, and sites add their own.
pub(super) fn torrent(bytes: &[u8]) -> Result<TorrentFields<'_>, ManifestError> {
    let mut fields = TorrentFields::default();
    let mut scan = Scan::new(bytes);
    if !scan.enter(b'd') {
        return Err(ManifestError::NotMetainfo);
    }
    while !scan.leave() {
        let (key, value) = (scan.text()?, scan.value()?);
        match key {
            b"info" if !fields.info.is_empty() => return Err(ManifestError::Twice("info")),
            b"info" if value.first() != Some(&b'd') => return Err(ManifestError::Invalid("info")),
            b"info" => fields.info = value,
            b"nearcast signatures" => fields.signatures = signatures(value)?,
            b"piece layers" => layers(value, &mut fields.layers)?,
            b"url-list" => fields.web_seeds = web_seeds(value)?,
            _ => {}
        }
    }
    // Editors and web pages leave a line end.
    if !scan.rest().iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(ManifestError::TrailingBytes);
    }
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
fn layers<'a>(value: &'a [u8], layers: &mut BTreeMap<&'a [u8], &'a [Hash]>) -> Result<(), ManifestError> {
    const KEY: &str = "piece layers";
    let mut scan = Scan::new(value);
    if !scan.enter(b'd') {
        return Err(ManifestError::Invalid(KEY));
    }
    while !scan.leave() {
        let root = scan.text()?;
        let is_new = match scan.text()?.as_chunks::<32>() {
            (hashes, []) if root.len() == 32 => {
                layers.insert(root, hashes).is_none_or(|known| known == hashes)
            }
            _ => false,
        };
        if !is_new {
            return Err(ManifestError::Invalid(KEY));
        }
    }
    Ok(())
}

/// One URL or a list of them; what is not text is skipped.
fn web_seeds(value: &[u8]) -> Result<Vec<String>, ManifestError> {
    let (mut scan, mut urls) = (Scan::new(value), Vec::new());
    let mut add = |url: &[u8]| urls.extend(String::from_utf8(url.to_vec()));
    match value {
        [b'0'..=b'9', ..] => add(scan.text()?),
        [b'l', ..] => {
            scan.enter(b'l');
            let mut seen = 0;
            while !scan.leave() {
                let item = scan.value()?;
                seen = usize::saturating_add(seen, 1);
                if let (Ok(url), ..=WEB_SEEDS_MAX) = (Scan::new(item).text(), seen) {
                    add(url);
                }
            }
        }
        _ => return Err(ManifestError::Invalid("url-list")),
    }
    Ok(urls)
}

/// Public key to signature. The content is pinned whatever stands here, so another form is no
/// error. A value of another length gives a signature that will not verify. A key of another length
/// is for other readers, and is ignored.
fn signatures(value: &[u8]) -> Result<Vec<Signature>, ManifestError> {
    let (mut scan, mut signatures) = (Scan::new(value), Vec::new());
    if !scan.enter(b'd') {
        return Ok(signatures);
    }
    while !scan.leave() {
        let (key, value) = (scan.text()?, scan.value()?);
        if signatures.len() < SIGNATURES_MAX
            && let Ok(key) = key.try_into()
        {
            let bytes = Scan::new(value).text().unwrap_or_default();
            let bytes = bytes.try_into().unwrap_or([0; 64]);
            signatures.push(Signature { key: PublisherKey(key), bytes });
        }
    }
    Ok(signatures)
}
