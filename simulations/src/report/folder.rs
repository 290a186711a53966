//! Files that are written whole or not at all, and the folder of a run.
//!
//! Invariant: a file of a report is either as it was or complete. All files of a run are complete on
//! the disk before the first of them replaces another.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::SUMMARY_FILE;

/// Makes the folder of a run. One that exists must be empty, or hold an earlier run's results.
pub(super) fn take(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder).map_err(|error| about(folder, &error))?;
    if folder.join(SUMMARY_FILE).is_file() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(|error| about(folder, &error))? {
        let name = entry.map_err(|error| about(folder, &error))?.file_name();
        if !is_part(&name) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!(
                    "{} holds {} and no {SUMMARY_FILE}, so it is not the folder of an earlier run; nothing was written",
                    folder.display(),
                    name.display()
                ),
            ));
        }
    }
    Ok(())
}

const PART_START: &str = ".report-";
const PART_END: &str = ".part";

/// What a run that was killed left behind.
fn is_part(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PART_START) && name.ends_with(PART_END))
}

/// An error that names its file.
fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A file that is complete on the disk under another name. It takes its place by [`Part::keep`], and
/// is removed otherwise.
pub(super) struct Part {
    part: PathBuf,
    path: PathBuf,
    kept: bool,
}

impl Part {
    /// Writes what will be `folder/name`.
    pub(super) fn write(
        folder: &Path,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> io::Result<Part> {
        let part = Part {
            part: folder.join(format!("{PART_START}{name}{PART_END}")),
            path: folder.join(name),
            kept: false,
        };
        let write = || {
            let mut file = BufWriter::new(File::create(&part.part)?);
            fill(&mut file)?;
            file.flush()?;
            file.get_ref().sync_all()
        };
        write().map_err(|error| about(&part.path, &error))?;
        Ok(part)
    }

    /// Replaces the file.
    pub(super) fn keep(mut self) -> io::Result<()> {
        fs::rename(&self.part, &self.path).map_err(|error| about(&self.path, &error))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            // The next run replaces what cannot be removed now.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Writes one file with this text.
pub(super) fn write_file(path: &Path, text: &str) -> io::Result<()> {
    fill_file(path, |file| file.write_all(text.as_bytes()))
}

/// Writes one file.
pub(super) fn fill_file(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str)) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} does not name a file", path.display()),
        ));
    };
    Part::write(folder, name, fill)?.keep()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_filled_leaves_the_old_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        write_file(&folder.path().join("a.txt"), "old").unwrap();
        let failed = Part::write(folder.path(), "a.txt", |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the source ended"))
        });
        let words = failed.map(|_| ()).unwrap_err().to_string();
        assert!(words.contains("a.txt: the source ended"), "{words}");
        assert_eq!(fs::read_to_string(folder.path().join("a.txt")).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_of_a_killed_run_do_not_refuse_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".report-peers.csv.part"), "x").unwrap();
        take(folder.path()).unwrap();
        fs::write(folder.path().join("thesis.tex"), "x").unwrap();
        let error = take(folder.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("thesis.tex"), "{error}");
    }
}
