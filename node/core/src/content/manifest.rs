//! What a content is: BitTorrent v2 metainfo (BEP 52), checked as a whole before anybody uses it.
//!
//! There are two steps, because a magnet link gives only the first at once. An [`Info`] is the
//! `info` dictionary: names, lengths and one root a file; its hash is the content id. A
//! [`Manifest`] adds the piece layers. Invariants: the hash of [`Info::bytes`] is
//! [`Info::content`]; every name is safe to create and to print; a manifest has one hash for every
//! piece, and every layer hashes to the root the info dictionary gives its file.
//!
//! The info hash is taken over the bytes as they came, never over a re-encoding.

mod build;
mod error;
mod info;
mod loose;
mod read;
mod tree;
mod write;

use crate::{
    content::{
        layout::{FileIndex, Layout, PieceIndex},
        paths::RelativePath,
        signature::{Signature, Signatures},
    },
    id::{ContentId, Hash},
};

pub use self::{
    build::NewFile,
    error::ManifestError,
    info::{Info, LayerFile},
};

/// The most bytes of the `info` dictionary.
pub const INFO_BYTES_MAX: usize = 10 << 20;
/// The most bytes of a `.torrent` file: the largest info dictionary and the largest piece layers.
pub const TORRENT_BYTES_MAX: usize = 96 << 20;
/// The most files of one content, empty ones included.
pub const FILES_MAX: u32 = 1 << 18;
/// The most bytes of all paths of one content: deep folders would otherwise multiply a small
/// dictionary.
pub const PATHS_BYTES_MAX: usize = 64 << 20;
/// Web seeds of one content; more are ignored.
pub const WEB_SEEDS_MAX: usize = 64;
/// The longest URL of a web seed, in bytes; longer ones are ignored.
pub const URL_BYTES_MAX: usize = 2048;

/// One file of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it lies: in the folder named like the content, or, for a content in single-file form,
    /// the content's name itself. See [`Info::target`].
    pub path: RelativePath,
    /// Length in bytes.
    pub length: u64,
    /// Root of its hash tree. `None`: the file is empty.
    pub pieces_root: Option<Hash>,
}

/// A complete content: every run of it can be verified alone. Shared, never copied per engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    info: Info,
    piece_hashes: Box<[Hash]>,
    web_seeds: Vec<String>,
    signatures: Signatures,
}

impl Manifest {
    /// Reads a `.torrent` file, v2 or hybrid; of a hybrid one, the v2 part.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(torrent: &[u8]) -> Result<Manifest, ManifestError> {
        check_size("the torrent", torrent.len(), TORRENT_BYTES_MAX)?;
        let fields = read::torrent(torrent)?;
        let info = Info::read(fields.info)?;
        let mut layers = Vec::new();
        for file in info.layer_files() {
            let layer = fields.layer(&file.root);
            info.check_layer(file, layer)?;
            layers.extend_from_slice(layer);
        }
        let manifest = info.assemble(layers)?;
        Ok(manifest.with_web_seeds(fields.web_seeds).with_signatures(fields.signatures))
    }

    /// Replaces the web seeds. They lie outside the info hash, so anybody may have written them. A
    /// text that is no short http or https URL is left out, and so are URLs beyond
    /// [`WEB_SEEDS_MAX`].
    pub fn with_web_seeds(mut self, urls: impl IntoIterator<Item = String>) -> Manifest {
        self.web_seeds.clear();
        for url in urls.into_iter().filter(|url| is_web_url(url)) {
            if self.web_seeds.len() < WEB_SEEDS_MAX && !self.web_seeds.contains(&url) {
                self.web_seeds.push(url);
            }
        }
        self
    }

    /// Replaces the signatures. They lie outside the info hash, so anybody may have written them.
    /// Each is verified, and one that does not verify is discarded. See [`Manifest::signatures`].
    pub fn with_signatures(mut self, claimed: impl IntoIterator<Item = Signature>) -> Manifest {
        self.signatures = Signatures::check(self.content(), claimed);
        self
    }

    /// The info dictionary.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The content's name everywhere.
    pub fn content(&self) -> ContentId {
        self.info.content()
    }

    /// Suggested name of the file or folder; safe to create and to print.
    pub fn name(&self) -> &str {
        self.info.name()
    }

    /// Where its bytes lie.
    pub fn layout(&self) -> &Layout {
        self.info.layout()
    }

    /// Its files, in the order of the layout.
    pub fn files(&self) -> &[FileEntry] {
        self.info.files()
    }

    /// See [`Info::is_single_file`].
    pub fn is_single_file(&self) -> bool {
        self.info.is_single_file()
    }

    /// See [`Info::target`].
    pub fn target(&self, file: FileIndex) -> RelativePath {
        self.info.target(file)
    }

    /// See [`Info::stand_ins`].
    pub fn stand_ins(&self, file: FileIndex) -> impl Iterator<Item = RelativePath> + use<> {
        self.info.stand_ins(file)
    }

    /// The hash of a piece: its entry in the piece layer, or the `pieces root` of a file of one
    /// piece.
    pub fn piece_hash(&self, piece: PieceIndex) -> &Hash {
        &self.piece_hashes[piece.get() as usize]
    }

    /// Every piece, in order, with its hash.
    pub fn pieces(&self) -> impl Iterator<Item = (PieceIndex, &Hash)> + '_ {
        (0..).map(PieceIndex::new).zip(&self.piece_hashes)
    }

    /// The info dictionary as it came, for peers that have only a magnet link.
    pub fn info_bytes(&self) -> &[u8] {
        self.info.bytes()
    }

    /// The piece layer of a file. For a file of one piece it is its root, for an empty file
    /// nothing.
    pub fn file_layer(&self, file: FileIndex) -> &[Hash] {
        let pieces = self.info.layout().file_pieces(file);
        &self.piece_hashes[pieces.start as usize..pieces.end as usize]
    }

    /// The layers of all files of more than one piece, as [`Info::assemble`] takes them.
    pub fn layers(&self) -> impl Iterator<Item = &Hash> + '_ {
        let files = self.info.layer_files();
        files.flat_map(|layer| self.file_layer(layer.file))
    }

    /// HTTP origins of the same files (BEP 19).
    pub fn web_seeds(&self) -> &[String] {
        &self.web_seeds
    }

    /// The verified signatures of the content, and the keys whose signatures were discarded.
    pub fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// The `.torrent` file: the info dictionary as it came, the layers, the signatures that verify
    /// and the web seeds. Other keys of a parsed file are not kept.
    pub fn to_torrent(&self) -> Vec<u8> {
        write::torrent(self)
    }
}

/// Whether a text can be the URL of a web seed.
pub fn is_web_url(url: &str) -> bool {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let head = url.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &url[scheme.len()..])
    });
    let plain = |text: &str| !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\');
    url.len() <= URL_BYTES_MAX
        && rest.is_some_and(|rest| plain(rest) && !rest.is_empty() && !rest.starts_with('/'))
}

fn check_size(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), ManifestError> {
    match bytes > bytes_max {
        true => Err(ManifestError::TooLarge { what, bytes_max }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
