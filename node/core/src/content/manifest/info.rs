//! The `info` dictionary, and how it becomes a manifest.

use super::{FileEntry, INFO_BYTES_MAX, Manifest, ManifestError, check_size, read};
use crate::{
    content::{
        layout::{BLOCK_BYTES, FileIndex, Layout},
        paths::{RelativePath, SafeName, stand_in},
        signature::Signatures,
        tree_hash::{layer_root, sha256},
    },
    id::{ContentId, Hash},
};

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
            return Err(ManifestError::OtherContent { expected: content, found });
        }
        Info::read(info_bytes)
    }

    pub(super) fn read(info_bytes: &[u8]) -> Result<Info, ManifestError> {
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

    /// Whether it is one file rather than a folder: its only file has the content's name and lies
    /// in no folder (BEP 52 marks it in no other way).
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

    /// Where a file belongs on a disk that cannot have it at its [target](Info::target), in the
    /// order in which the paths are tried. First, one of its names is replaced by a
    /// [stand-in](stand_in): its own, then those of its folders. Then more and more of its names
    /// are replaced, from its own on. A path that becomes too long is left out.
    pub fn stand_ins(&self, file: FileIndex) -> impl Iterator<Item = RelativePath> + use<> {
        let target = self.target(file);
        let names: Vec<String> = target.components().map(str::to_owned).collect();
        let count = names.len();
        let singly = (0..count).rev().map(|at| at..at.saturating_add(1));
        let together = (0..count.saturating_sub(1)).rev().map(move |from| from..count);
        let replaced = singly.chain(together).collect::<Vec<_>>().into_iter();
        replaced.filter_map(move |replaced| {
            let name = |(at, name): (usize, &String)| match replaced.contains(&at) {
                true => stand_in(name),
                false => name.clone(),
            };
            chain(&names.iter().enumerate().map(name).collect::<Vec<_>>())
        })
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
            let pieces = u32::try_from(self.layout.file_pieces(file).len()).unwrap_or(u32::MAX);
            let layer =
                LayerFile { file, root: entry.pieces_root?, pieces, bytes: pieces.saturating_mul(32) };
            (pieces > 1).then_some(layer)
        })
    }

    /// Length in bytes of all needed layers together; zero if none is.
    pub fn layers_bytes(&self) -> u64 {
        self.layer_files().map(|layer| u64::from(layer.bytes)).sum()
    }

    /// Checks the layer of one file, so that the peer that sent a bad layer is known.
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

    /// Makes the manifest from the layers of all [`Info::layer_files`], in that order, one after
    /// the other. Every layer is checked against its root.
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
            signatures: Signatures::default(),
        })
    }

    /// Adds the roots of files of one piece: there the root is the layer.
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

/// A path of these names. The first is the name of the content, above its paths. `None`: no such
/// path is allowed.
fn chain(names: &[String]) -> Option<RelativePath> {
    let (first, inside) = names.split_first()?;
    let first = SafeName::parse(first.as_bytes()).ok()?;
    match inside {
        [] => Some(first.into()),
        inside => Some(RelativePath::parse(&inside.join("/")).ok()?.below(&first)),
    }
}
