//! The `file tree` dictionary: nested dictionaries of names. A file is a dictionary whose only key
//! is empty and holds its properties.

use bendy::decoding::DictDecoder;

use super::{
    FILES_MAX, FileEntry, ManifestError, PATHS_BYTES_MAX,
    read::{dictionary, number, text},
};
use crate::content::paths::{RelativePath, SafeName};

/// Reads the whole tree, in its own order. Recursion is bounded by the decoder and by the depth of
/// a path, memory by [`FILES_MAX`] and [`PATHS_BYTES_MAX`].
pub(super) fn read(root: DictDecoder<'_, '_>) -> Result<Vec<FileEntry>, ManifestError> {
    let mut reader = Reader::default();
    reader.node(None, root)?;
    match reader.files[..] {
        [] => Err(ManifestError::NoFiles),
        _ => Ok(reader.files),
    }
}

#[derive(Default)]
struct Reader {
    files: Vec<FileEntry>,
    paths_bytes: usize,
}

impl Reader {
    /// Reads what a path leads to (`None`: the outermost folder). The empty key, which sorts first,
    /// tells files from folders. Folders without files are no error and leave no trace.
    fn node(
        &mut self,
        path: Option<&RelativePath>,
        mut pairs: DictDecoder<'_, '_>,
    ) -> Result<(), ManifestError> {
        let mut properties = None;
        while let Some((name, value)) = pairs.next_pair()? {
            let inner = dictionary("file tree", value)?;
            match path {
                Some(file) if properties.is_some() => return Err(ManifestError::FileIsFolder(file.clone())),
                Some(file) if name.is_empty() => properties = Some(Properties::read(file, inner)?),
                folder => {
                    let path = enter(folder, name)?;
                    self.node(Some(&path), inner)?;
                }
            }
        }
        match (path, properties) {
            (Some(file), Some(properties)) => self.add(file.clone(), &properties),
            _ => Ok(()),
        }
    }

    fn add(&mut self, path: RelativePath, properties: &Properties<'_>) -> Result<(), ManifestError> {
        self.paths_bytes = self.paths_bytes.saturating_add(path.as_str().len());
        if self.paths_bytes > PATHS_BYTES_MAX {
            return Err(ManifestError::TooLarge { what: "the list of paths", bytes_max: PATHS_BYTES_MAX });
        }
        if self.files.len() >= FILES_MAX as usize {
            return Err(ManifestError::TooManyFiles);
        }
        let length = properties.length.ok_or(ManifestError::Missing("length"))?;
        let pieces_root = match (length, properties.root) {
            // Some programs give an empty file a root, mostly of zeros. There is nothing that it
            // could verify.
            (0, _) => None,
            (_, None) => return Err(ManifestError::Root(path)),
            (_, Some(root)) => Some(root.try_into().map_err(|_| ManifestError::Invalid("pieces root"))?),
        };
        self.files.push(FileEntry { path, length, pieces_root });
        Ok(())
    }
}

/// Checks a name and appends it to its folder. The decoder takes no key twice, so no name comes
/// twice. Different names may still be the same on some disk, for example in upper and lower case:
/// the code that writes to the disk finds out.
fn enter(folder: Option<&RelativePath>, name: &[u8]) -> Result<RelativePath, ManifestError> {
    let name = SafeName::parse(name)?;
    Ok(match folder {
        Some(folder) => folder.join(&name)?,
        None => RelativePath::from(name),
    })
}

#[derive(Default)]
struct Properties<'a> {
    length: Option<u64>,
    root: Option<&'a [u8]>,
}

impl<'a> Properties<'a> {
    fn read(path: &RelativePath, mut pairs: DictDecoder<'_, 'a>) -> Result<Properties<'a>, ManifestError> {
        let mut properties = Properties::default();
        while let Some((key, value)) = pairs.next_pair()? {
            match key {
                b"length" => properties.length = Some(number("length", value)?),
                b"pieces root" => properties.root = Some(text("pieces root", value)?),
                b"symlink path" => return Err(ManifestError::Symlink(path.clone())),
                b"attr" if text("attr", value)?.contains(&b'l') => {
                    return Err(ManifestError::Symlink(path.clone()));
                }
                _ => {}
            }
        }
        Ok(properties)
    }
}
