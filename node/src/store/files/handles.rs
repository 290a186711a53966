//! Opens the files and folders of a content when they are first used, and makes those that are not
//! there yet.

use std::{fs::File, io, sync::Arc};

use nearcast_core::layout::FileIndex;

use super::{
    super::{folder::Folder, locked, medium::Medium, standing::Standing},
    Base, Files,
};

/// The base folder, open.
pub(super) enum BaseFolder<'a> {
    Held(&'a Folder),
    Opened(Folder),
}

impl BaseFolder<'_> {
    pub(super) fn get(&self) -> &Folder {
        match self {
            BaseFolder::Held(folder) => folder,
            BaseFolder::Opened(folder) => folder,
        }
    }
}

impl Files {
    /// Makes a file that is not there yet, with its full length.
    pub(crate) fn make(&self, file: FileIndex) -> io::Result<()> {
        let handle = Arc::new(self.create(file)?);
        self.open.keep_file(file, true, handle);
        Ok(())
    }

    pub(super) fn folder_of(&self, file: FileIndex, make: bool) -> io::Result<Arc<Folder>> {
        let path = self.path(file);
        if let Some(folder) = path.parent().and_then(|path| self.open.folder(path)) {
            return Ok(folder);
        }
        let folder = Arc::new(self.open_folder_of(file, make)?);
        self.open.keep_folder(folder.clone());
        Ok(folder)
    }

    fn open_folder_of(&self, file: FileIndex, make: bool) -> io::Result<Folder> {
        let target = self.target(file);
        let components: Vec<&str> = target.components().collect();
        let inside = &components[..components.len() - 1];
        let base = self.base_folder()?;
        if make { base.get().make_folder(inside) } else { base.get().folder(inside) }
    }

    pub(super) fn base_folder(&self) -> io::Result<BaseFolder<'_>> {
        Ok(match &self.base {
            Base::Held(folder) => BaseFolder::Held(folder),
            Base::Named(path) => BaseFolder::Opened(Folder::open(path)?),
        })
    }

    pub(super) fn handle(&self, file: FileIndex, writable: bool) -> io::Result<Arc<File>> {
        if let Some(handle) = self.open.file(file, writable) {
            return Ok(handle);
        }
        let handle = Arc::new(self.open(file, writable)?);
        self.open.keep_file(file, writable, handle.clone());
        Ok(handle)
    }

    fn open(&self, file: FileIndex, writable: bool) -> io::Result<File> {
        // The files of a seed keep their names, so a seed needs no lock.
        let _naming = matches!(self.base, Base::Held(_)).then(|| locked(&self.naming));
        let standing = self.standing(file);
        if standing == Standing::Absent && writable {
            return self.create(file);
        }
        let folder = self.folder_of(file, false)?;
        folder.open_file(&self.name(file, standing != Standing::Complete), writable)
    }

    /// Makes the partial file. It is an error if something lies in its place already: that is not
    /// ours.
    pub(super) fn create(&self, file: FileIndex) -> io::Result<File> {
        let name = self.name(file, true);
        let mut folder = self.folder_of(file, true)?;
        let handle = match folder.create_new_file(&name) {
            // Another program removed the folder that we hold open. Make it again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.open.forget_folder();
                folder = self.folder_of(file, true)?;
                folder.create_new_file(&name)
            }
            other => other,
        }?;
        let noted = locked(&self.made).as_mut().map_or(Ok(()), |made| made.add(file, &handle));
        if let Err(error) = noted.and_then(|()| handle.set_len(self.manifest.layout().file_bytes(file))) {
            // For example, the file is too large for the file system or for this process's limits.
            // Leave nothing of it.
            folder.remove_file(&name)?;
            return Err(error);
        }
        if let Some(standing) = locked(&self.standing).get_mut(file.get() as usize) {
            *standing = Standing::Partial;
        }
        self.mark(file, |unusual| unusual.made = true);
        self.note_changed(&folder);
        Ok(handle)
    }
}
