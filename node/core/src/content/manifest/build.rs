//! Makes a manifest of files to be published.

use std::collections::BTreeMap;

use super::{Info, Manifest, ManifestError, write};
use crate::{
    content::{
        layout::{BLOCK_BYTES, Layout},
        paths::{RelativePath, SafeName},
        tree_hash::layer_root,
    },
    id::Hash,
};

/// A file to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Where it lies in the content. For a single file: the name of the content.
    pub path: RelativePath,
    /// Length in bytes.
    pub length: u64,
    /// The hash of every piece, in order: for a file of more than one piece, roots over a whole
    /// piece's leaves; for a smaller file its one root, over the next power of two of its blocks;
    /// none for an empty file.
    pub piece_hashes: Vec<Hash>,
}

impl Manifest {
    /// Makes the manifest of these files, in any order. The same files, name and piece length
    /// always give the same info hash. A folder whose only file has the folder's own name is read
    /// by everybody as that file alone: BEP 52 cannot tell them apart.
    ///
    /// # Errors
    /// If the result is not what [`Manifest::parse`] accepts, or a file has more or fewer hashes
    /// than pieces.
    pub fn build(
        name: &SafeName,
        piece_bytes: u64,
        mut files: Vec<NewFile>,
        web_seeds: Vec<String>,
    ) -> Result<Manifest, ManifestError> {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let layout = Layout::new(piece_bytes, files.iter().map(|file| file.length))?;
        let tree = tree(&layout, &files)?;
        let info = Info::read(&write::info(name, piece_bytes, &tree))?;
        let layers = files.iter().filter(|file| file.piece_hashes.len() > 1);
        let layers = layers.flat_map(|file| &file.piece_hashes).copied().collect();
        Ok(info.assemble(layers)?.with_web_seeds(web_seeds))
    }
}

fn tree<'a>(layout: &Layout, files: &'a [NewFile]) -> Result<write::Node<'a>, ManifestError> {
    let mut root = BTreeMap::new();
    for file in files {
        check_hashes(layout, file)?;
        let leaves = layout.piece_bytes() / BLOCK_BYTES;
        let leaf = write::Node::File {
            length: file.length,
            root: (file.length > 0).then(|| layer_root(&file.piece_hashes, leaves)),
        };
        insert(&mut root, &file.path, leaf)?;
    }
    Ok(write::Node::Folder(root))
}

fn check_hashes(layout: &Layout, file: &NewFile) -> Result<(), ManifestError> {
    let pieces = file.length.div_ceil(u64::from(layout.piece_bytes()));
    let expected = usize::try_from(pieces).unwrap_or(usize::MAX);
    match file.piece_hashes.len() == expected {
        true => Ok(()),
        false => Err(ManifestError::LayerLength {
            path: file.path.clone(),
            expected,
            found: file.piece_hashes.len(),
        }),
    }
}

fn insert<'a>(
    root: &mut BTreeMap<&'a str, write::Node<'a>>,
    path: &'a RelativePath,
    leaf: write::Node<'a>,
) -> Result<(), ManifestError> {
    let (mut folder, mut names) = (root, path.components().peekable());
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            return match folder.insert(name, leaf) {
                None => Ok(()),
                Some(write::Node::File { .. }) => Err(ManifestError::SameName(path.clone())),
                Some(write::Node::Folder(_)) => Err(ManifestError::FileIsFolder(path.clone())),
            };
        }
        let node = folder.entry(name).or_insert_with(|| write::Node::Folder(BTreeMap::new()));
        folder = match node {
            write::Node::Folder(below) => below,
            write::Node::File { .. } => return Err(ManifestError::FileIsFolder(path.clone())),
        };
    }
    Ok(())
}
