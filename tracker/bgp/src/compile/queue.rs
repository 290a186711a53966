//! MRT files in the order of their times, whatever order they were named in.
//!
//! Invariant: a file that can be read only once, such as a pipe, a terminal, or a shell's `<(…)`,
//! is opened once. The bytes read to learn its time are then read again from memory.

use std::{
    fs,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::packed::{self, Meter};

/// A file that waits for its turn.
pub(super) struct File {
    path: PathBuf,
    /// The time of the first record.
    begins: u32,
    /// The open reader of a file that cannot be opened again.
    opened: Option<Box<dyn Read + Send>>,
}

impl File {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file at its beginning.
    pub(super) fn open(self, meter: &Arc<Meter>) -> io::Result<Box<dyn Read + Send>> {
        match self.opened {
            Some(opened) => Ok(opened),
            None => packed::open(&self.path, meter),
        }
    }

    fn look(path: &Path, meter: &Arc<Meter>) -> io::Result<File> {
        let again = fs::metadata(path)?.is_file();
        // Of a file that is read twice, the meter counts only the second time.
        let nobody = Arc::default();
        let mut reader = packed::open(path, if again { &nobody } else { meter })?;
        let mut start = Vec::with_capacity(4);
        if let Err(error) = reader.by_ref().take(4).read_to_end(&mut start)
            && !packed::is_damage(&error)
        {
            return Err(error);
        }
        // A file too short for a time turns out to be useless later.
        let begins = start.as_slice().try_into().map_or(0, u32::from_be_bytes);
        let opened = (!again).then(|| Box::new(Cursor::new(start).chain(reader)) as Box<dyn Read + Send>);
        Ok(File { path: path.to_owned(), begins, opened })
    }
}

/// The files, sorted by the times of their first records.
///
/// # Errors
/// The file that cannot be read, and why.
pub(super) fn in_order(paths: &[PathBuf], meter: &Arc<Meter>) -> Result<Vec<File>, (PathBuf, io::Error)> {
    let look = |path: &PathBuf| File::look(path, meter).map_err(|error| (path.clone(), error));
    let mut files = paths.iter().map(look).collect::<Result<Vec<File>, _>>()?;
    files.sort_by(|a, b| (a.begins, &a.path).cmp(&(b.begins, &b.path)));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::{io::Write, thread};

    use super::*;

    /// A pipe with a thread as its writer. Opening it waits for the writer, as with a shell's pipe.
    fn pipe(path: &Path, bytes: Vec<u8>) -> thread::JoinHandle<()> {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let path = path.to_owned();
        thread::spawn(move || {
            fs::OpenOptions::new().write(true).open(path).unwrap().write_all(&bytes).unwrap()
        })
    }

    #[test]
    fn pipes_and_files_are_read_whole_in_the_order_of_their_times() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = |time: u32, rest: &[u8]| [&time.to_be_bytes()[..], rest].concat();
        let long = text(2, &[7; 300_000]);
        fs::write(path("late"), text(3, b"late")).unwrap();
        let writers = [pipe(&path("pipe"), long.clone()), pipe(&path("nothing"), Vec::new())];
        let files = in_order(&[path("late"), path("pipe"), path("nothing")], &Arc::default()).unwrap();
        let read = |file: File| {
            let mut all = Vec::new();
            file.open(&Arc::default()).unwrap().read_to_end(&mut all).unwrap();
            all
        };
        let all: Vec<Vec<u8>> = files.into_iter().map(read).collect();
        assert_eq!(all, [Vec::new(), long, text(3, b"late")]);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let missing = in_order(&[path("missing")], &Arc::default()).err().unwrap();
        assert_eq!((missing.0, missing.1.kind()), (path("missing"), io::ErrorKind::NotFound));
    }
}
