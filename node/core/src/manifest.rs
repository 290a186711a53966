//! What a content is: BitTorrent v2 metainfo (BEP 52), checked as a whole before anybody uses it.
//!
//! There are two steps, because a magnet link gives only the first at once. An [`Info`] is the
//! `info` dictionary: names, lengths and one root a file; its hash is the content id. A [`Manifest`]
//! adds the piece layers. Invariants: the hash of [`Info::bytes`] is [`Info::content`]; every name is
//! safe on every system; a manifest has one hash for every piece, and every layer hashes to the root
//! the info dictionary gives its file.
//!
//! The info hash is taken over the bytes as they came, never over a re-encoding.

mod build;
mod read;
mod tree;
mod write;

use crate::{
    id::{ContentId, Hash},
    layout::{BLOCK_BYTES, FileIndex, Layout, LayoutError, PieceIndex},
    merkle::{layer_root, sha256},
    paths::{NameError, PathError, RelativePath, SafeName},
};

pub use self::build::NewFile;

/// The `info` dictionary, in bytes.
pub const INFO_BYTES_MAX: usize = 10 << 20;
/// A `.torrent` file, in bytes: the largest info dictionary and the largest piece layers.
pub const TORRENT_BYTES_MAX: usize = 96 << 20;
/// Files of one content, empty ones included.
pub const FILES_MAX: u32 = 1 << 18;
/// Paths of one content together, in bytes: deep folders would otherwise multiply a small dictionary.
pub const PATHS_BYTES_MAX: usize = 64 << 20;
/// Web seeds of one content; more are ignored.
pub const WEB_SEEDS_MAX: usize = 64;
/// Length of the URL of a web seed, in bytes; longer ones are ignored.
pub const URL_BYTES_MAX: usize = 2048;

/// One file of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it lies: in the folder named like the content, or, for a content in single-file form,
    /// the content's name itself. See [`Info::target`].
    pub path: RelativePath,
    /// Length in bytes.
    pub length: u64,
    /// Root of its hash tree; none for an empty file.
    pub pieces_root: Option<Hash>,
}

/// Metainfo that is not acceptable. Nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Over a limit.
    #[error("{what} is larger than {bytes_max} bytes")]
    TooLarge {
        /// The thing.
        what: &'static str,
        /// The limit.
        bytes_max: usize,
    },
    /// No bencoding, or not the canonical one.
    #[error("not valid bencoding: {0}")]
    Bencode(#[from] bendy::decoding::Error),
    /// Something follows the outermost dictionary.
    #[error("bytes follow the end of the metainfo")]
    TrailingBytes,
    /// A key that must be there is not.
    #[error("the key \"{0}\" is missing")]
    Missing(&'static str),
    /// A value has another type or range than BEP 52 gives it.
    #[error("the value of \"{0}\" is not what BitTorrent v2 allows")]
    Invalid(&'static str),
    /// Only the old format.
    #[error("this is a BitTorrent v1 torrent; only v2 and hybrid torrents can be verified block by block")]
    V1Only,
    /// A newer format.
    #[error("this torrent has meta version {0}; version 2 is supported")]
    Version(u64),
    /// The content's own name is bad.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The path of a file is bad.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Two names in one folder would be one file on many systems.
    #[error("\"{0}\" appears twice in one folder, or differs only in upper and lower case")]
    SameName(RelativePath),
    /// Something would have to be both.
    #[error("\"{0}\" is a file and a folder at once")]
    FileIsFolder(RelativePath),
    /// Links from strangers lead anywhere.
    #[error("\"{0}\" is a symbolic link; links are not accepted")]
    Symlink(RelativePath),
    /// Over [`FILES_MAX`].
    #[error("more than {FILES_MAX} files")]
    TooManyFiles,
    /// There is nothing to distribute.
    #[error("no files")]
    NoFiles,
    /// Piece length or sizes are out of range.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A root without data, data without a root, or a root that belongs to another length too.
    #[error("the pieces root of \"{0}\" does not fit its length")]
    Root(RelativePath),
    /// The info dictionary is another content's.
    #[error("the metainfo is that of {found}, not of {expected}")]
    OtherContent {
        /// What was asked for.
        expected: ContentId,
        /// What came.
        found: ContentId,
    },
    /// The piece layer of a file is not there, or too short or too long.
    #[error("the piece layer of \"{path}\" has {found} hashes instead of {expected}")]
    LayerLength {
        /// The file.
        path: RelativePath,
        /// Its pieces.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// The piece layer of a file does not hash to its root.
    #[error("the piece layer of \"{0}\" does not match its pieces root")]
    LayerHash(RelativePath),
}

/// A file of more than one piece: its root alone does not verify a piece, so its layer is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerFile {
    /// The file.
    pub file: FileIndex,
    /// Root that the layer hashes to.
    pub root: Hash,
    /// Hashes in the layer, one a piece.
    pub pieces: u32,
    /// Length of the layer in bytes.
    pub bytes: u32,
}

/// The `info` dictionary, checked: what a magnet link leads to first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    content: ContentId,
    name: SafeName,
    layout: Layout,
    files: Vec<FileEntry>,
    bytes: Box<[u8]>,
}

impl Info {
    /// Reads an info dictionary that is said to be that of `content`.
    ///
    /// # Errors
    /// See [`ManifestError`]; the hash is compared before anything is parsed.
    pub fn parse(content: ContentId, info_bytes: &[u8]) -> Result<Info, ManifestError> {
        check_size("the info dictionary", info_bytes.len(), INFO_BYTES_MAX)?;
        let found = ContentId(sha256(info_bytes));
        if found != content {
            return Err(ManifestError::OtherContent {
                expected: content,
                found,
            });
        }
        Info::read(info_bytes)
    }

    fn read(info_bytes: &[u8]) -> Result<Info, ManifestError> {
        check_size("the info dictionary", info_bytes.len(), INFO_BYTES_MAX)?;
        let fields = read::info(info_bytes)?;
        let lengths = fields.files.iter().map(|file| file.length);
        let layout = Layout::new(fields.piece_bytes, lengths)?;
        let info = Info {
            content: ContentId(sha256(info_bytes)),
            name: fields.name,
            layout,
            files: fields.files,
            bytes: info_bytes.into(),
        };
        info.check_shared_roots()?;
        Ok(info)
    }

    /// Layers are found by their root alone, so files of one root must have one length. An honest
    /// publisher cannot break this without a collision in SHA-256.
    fn check_shared_roots(&self) -> Result<(), ManifestError> {
        let mut layers: Vec<LayerFile> = self.layer_files().collect();
        layers.sort_unstable_by_key(|layer| layer.root);
        let length = |layer: &LayerFile| self.layout.file_bytes(layer.file);
        let clash = layers
            .windows(2)
            .find(|pair| pair[0].root == pair[1].root && length(&pair[0]) != length(&pair[1]));
        match clash {
            Some(pair) => Err(ManifestError::Root(self.path(pair[1].file).clone())),
            None => Ok(()),
        }
    }

    /// The content's name everywhere: the hash of [`Info::bytes`].
    pub fn content(&self) -> ContentId {
        self.content
    }

    /// Suggested name of the file or folder.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Where its bytes lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its files, in the order of the layout.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Whether it is one file rather than a folder: its only file has the content's name and lies in
    /// no folder (BEP 52 marks it in no other way).
    pub fn is_single_file(&self) -> bool {
        matches!(&self.files[..], [only] if only.path.as_str() == self.name())
    }

    /// Where a file belongs below the folder that downloads go to: the content's name, then, unless
    /// it is a single file, the path.
    pub fn target(&self, file: FileIndex) -> RelativePath {
        let path = self.path(file);
        if self.is_single_file() {
            return path.clone();
        }
        path.below(&self.name)
    }

    fn path(&self, file: FileIndex) -> &RelativePath {
        &self.files[file.get() as usize].path
    }

    /// The dictionary as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The files whose layers are needed to make a [`Manifest`] of this, in file order.
    pub fn layer_files(&self) -> impl Iterator<Item = LayerFile> + '_ {
        let indices = (0..self.layout.files()).map(FileIndex::new);
        indices.zip(&self.files).filter_map(|(file, entry)| {
            let pieces = self.layout.file_pieces(file).len() as u32;
            let layer = LayerFile {
                file,
                root: entry.pieces_root?,
                pieces,
                bytes: pieces * 32,
            };
            (pieces > 1).then_some(layer)
        })
    }

    /// Length in bytes of all needed layers together; zero if none is.
    pub fn layers_bytes(&self) -> u64 {
        self.layer_files().map(|layer| u64::from(layer.bytes)).sum()
    }

    /// Checks the layer of one file, so that the peer that sent a bad one is known.
    ///
    /// # Errors
    /// If it has another length or hashes to another root.
    pub fn check_layer(&self, file: LayerFile, layer: &[Hash]) -> Result<(), ManifestError> {
        if layer.len() != file.pieces as usize {
            return Err(ManifestError::LayerLength {
                path: self.path(file.file).clone(),
                expected: file.pieces as usize,
                found: layer.len(),
            });
        }
        if layer_root(layer, self.layout.piece_bytes() / BLOCK_BYTES) != file.root {
            return Err(ManifestError::LayerHash(self.path(file.file).clone()));
        }
        Ok(())
    }

    /// Makes the manifest from the layers of all [`Info::layer_files`], in that order, one after the
    /// other. Every layer is checked against its root.
    ///
    /// # Errors
    /// If a layer is missing or wrong.
    pub fn assemble(self, layers: Vec<Hash>) -> Result<Manifest, ManifestError> {
        let mut rest = &layers[..];
        for file in self.layer_files() {
            let (layer, after) = rest.split_at(rest.len().min(file.pieces as usize));
            self.check_layer(file, layer)?;
            rest = after;
        }
        if !rest.is_empty() {
            return Err(ManifestError::TrailingBytes);
        }
        let piece_hashes = match self.layer_files().count() == self.files.len() {
            true => layers,
            false => self.with_roots_of_small_files(&layers),
        };
        Ok(Manifest {
            info: self,
            piece_hashes: piece_hashes.into(),
            web_seeds: Vec::new(),
        })
    }

    /// A file of one piece has its root for a layer.
    fn with_roots_of_small_files(&self, layers: &[Hash]) -> Vec<Hash> {
        let mut hashes = Vec::with_capacity(self.layout.pieces() as usize);
        let (mut rest, mut large) = (layers, self.layer_files().peekable());
        for (index, entry) in self.files.iter().enumerate() {
            match large.next_if(|file| file.file.get() as usize == index) {
                Some(file) => {
                    let (layer, after) = rest.split_at(file.pieces as usize);
                    hashes.extend_from_slice(layer);
                    rest = after;
                }
                None => hashes.extend(entry.pieces_root),
            }
        }
        hashes
    }
}

/// A content, complete: every run of it can be verified alone. Shared, never copied per engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    info: Info,
    piece_hashes: Box<[Hash]>,
    web_seeds: Vec<String>,
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
        Ok(manifest.with_web_seeds(fields.web_seeds))
    }

    /// Replaces the web seeds. They lie outside the info hash, so anybody may have written them:
    /// what is no short http or https URL is left out, and what exceeds [`WEB_SEEDS_MAX`].
    pub fn with_web_seeds(mut self, urls: impl IntoIterator<Item = String>) -> Manifest {
        self.web_seeds.clear();
        for url in urls.into_iter().filter(|url| is_web_url(url)) {
            if self.web_seeds.len() < WEB_SEEDS_MAX && !self.web_seeds.contains(&url) {
                self.web_seeds.push(url);
            }
        }
        self
    }

    /// The info dictionary.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The content's name everywhere.
    pub fn content(&self) -> ContentId {
        self.info.content
    }

    /// Suggested name of the file or folder; safe to create and to print.
    pub fn name(&self) -> &str {
        self.info.name()
    }

    /// Where its bytes lie.
    pub fn layout(&self) -> &Layout {
        &self.info.layout
    }

    /// Its files, in the order of the layout.
    pub fn files(&self) -> &[FileEntry] {
        &self.info.files
    }

    /// See [`Info::is_single_file`].
    pub fn is_single_file(&self) -> bool {
        self.info.is_single_file()
    }

    /// See [`Info::target`].
    pub fn target(&self, file: FileIndex) -> RelativePath {
        self.info.target(file)
    }

    /// What a piece hashes to: its entry in the piece layer, or the `pieces root` of a file of one
    /// piece.
    pub fn piece_hash(&self, piece: PieceIndex) -> &Hash {
        &self.piece_hashes[piece.get() as usize]
    }

    /// Every piece, in order, with what it hashes to.
    pub fn pieces(&self) -> impl Iterator<Item = (PieceIndex, &Hash)> + '_ {
        (0..).map(PieceIndex::new).zip(&self.piece_hashes)
    }

    /// The info dictionary as it came, for those who have only a magnet link.
    pub fn info_bytes(&self) -> &[u8] {
        &self.info.bytes
    }

    /// The piece layer of a file; for a file of one piece its root, for an empty file nothing.
    pub fn file_layer(&self, file: FileIndex) -> &[Hash] {
        let pieces = self.info.layout.file_pieces(file);
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

    /// The `.torrent` file: the info dictionary as it came, the layers and the web seeds; other keys
    /// that a parsed file had are not kept.
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
    let plain = |text: &str| {
        !text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
    };
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
