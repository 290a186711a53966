//! The canonical encoding of what we publish. Every dictionary is written in the order of its keys;
//! the encoder checks that.

use std::collections::BTreeMap;

use bendy::encoding::{Encoder, Error, SingleItemEncoder};

use super::Manifest;
use crate::{
    content::{paths::SafeName, signature::Signature},
    id::Hash,
};

const CANONICAL: &str = "our own keys are written in order";

/// A file tree to be written; maps keep the byte order of names.
pub(super) enum Node<'a> {
    File { length: u64, root: Option<Hash> },
    Folder(BTreeMap<&'a str, Node<'a>>),
}

impl Node<'_> {
    fn encode(&self, encoder: SingleItemEncoder<'_>) -> Result<(), Error> {
        encoder.emit_dict(|mut pairs| match self {
            Node::File { length, root } => {
                pairs.emit_pair_with(b"", |encoder| properties(*length, root.as_ref(), encoder))
            }
            Node::Folder(entries) => entries.iter().try_for_each(|(name, node)| {
                pairs.emit_pair_with(name.as_bytes(), |encoder| node.encode(encoder))
            }),
        })
    }
}

fn properties(length: u64, root: Option<&Hash>, encoder: SingleItemEncoder<'_>) -> Result<(), Error> {
    encoder.emit_dict(|mut pairs| {
        pairs.emit_pair(b"length", length)?;
        match root {
            None => Ok(()),
            Some(root) => pairs.emit_pair_with(b"pieces root", |encoder| encoder.emit_bytes(root)),
        }
    })
}

/// The info dictionary.
pub(super) fn info(name: &SafeName, piece_bytes: u64, tree: &Node<'_>) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let written = encoder.emit_dict(|mut pairs| {
        pairs.emit_pair_with(b"file tree", |encoder| tree.encode(encoder))?;
        pairs.emit_pair(b"meta version", 2u8)?;
        pairs.emit_pair(b"name", name.as_str())?;
        pairs.emit_pair(b"piece length", piece_bytes)
    });
    written.and_then(|()| encoder.get_output()).expect(CANONICAL)
}

/// The `.torrent` file. The encoder cannot take the info dictionary as it is, and another encoding
/// of it might be another content, so the outermost dictionary is put together here.
pub(super) fn torrent(manifest: &Manifest) -> Vec<u8> {
    let mut torrent = b"d4:info".to_vec();
    torrent.extend_from_slice(manifest.info_bytes());
    if !manifest.signatures().good().is_empty() {
        torrent.extend_from_slice(b"19:nearcast signatures");
        torrent.extend(signatures(manifest.signatures().good()).expect(CANONICAL));
    }
    torrent.extend_from_slice(b"12:piece layers");
    torrent.extend(layers(manifest).expect(CANONICAL));
    if !manifest.web_seeds().is_empty() {
        torrent.extend_from_slice(b"8:url-list");
        torrent.extend(web_seeds(manifest.web_seeds()).expect(CANONICAL));
    }
    torrent.push(b'e');
    torrent
}

/// Files of equal content share one layer.
fn layers(manifest: &Manifest) -> Result<Vec<u8>, Error> {
    let files = manifest.info().layer_files();
    let by_root: BTreeMap<Hash, &[Hash]> =
        files.map(|layer| (layer.root, manifest.file_layer(layer.file))).collect();
    let mut encoder = Encoder::new();
    encoder.emit_dict(|mut pairs| {
        by_root.iter().try_for_each(|(root, layer)| {
            pairs.emit_pair_with(root, |encoder| encoder.emit_bytes(layer.as_flattened()))
        })
    })?;
    encoder.get_output()
}

/// Public key to signature.
fn signatures(signatures: &[Signature]) -> Result<Vec<u8>, Error> {
    let mut encoder = Encoder::new();
    encoder.emit_dict(|mut pairs| {
        signatures.iter().try_for_each(|signature| {
            pairs.emit_pair_with(&signature.key.0, |encoder| encoder.emit_bytes(&signature.bytes))
        })
    })?;
    encoder.get_output()
}

fn web_seeds(urls: &[String]) -> Result<Vec<u8>, Error> {
    let mut encoder = Encoder::new();
    encoder.emit_list(|list| urls.iter().try_for_each(|url| list.emit_str(url)))?;
    encoder.get_output()
}
