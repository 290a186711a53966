//! Who has files open for writing, as far as the system lets us see: our own processes, and for root all.
//!
//! A copy that stalls for a while does not change its file; this tells it from one that has ended.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    path::Path,
};

use nearcast_node::publish::Folder;

/// Open files looked at, all processes together. On a machine with more, those beyond are not seen.
const HANDLES_MAX: usize = 200_000;

/// The names directly in a folder that are being written to, or in which something is.
#[derive(Debug, Default)]
pub(super) struct Writers(BTreeSet<OsString>);

impl Writers {
    /// Looks through all processes, once for everything in the folder.
    pub(super) fn in_folder(folder: &Folder) -> Writers {
        let mut writers = Writers::default();
        let Ok(path) = folder.real_path() else { return writers };
        let Ok(processes) = fs::read_dir("/proc") else { return writers };
        let is_process = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit();
        let mut left = HANDLES_MAX;
        for process in processes.flatten().filter(is_process) {
            // Those of others are not ours to see.
            let Ok(handles) = fs::read_dir(process.path().join("fd")) else { continue };
            for handle in handles.flatten() {
                if left == 0 {
                    return writers;
                }
                left -= 1;
                let Ok(target) = fs::read_link(handle.path()) else { continue };
                let Some(name) = name_in(&path, &target) else { continue };
                if writes(&process.path().join("fdinfo").join(handle.file_name())) {
                    writers.0.insert(name.to_owned());
                }
            }
        }
        writers
    }

    /// Whether somebody writes to what has this name, or to something in it.
    pub(super) fn write_to(&self, name: &OsStr) -> bool {
        self.0.contains(name)
    }
}

/// The first name of `path` below `folder`.
fn name_in<'a>(folder: &Path, path: &'a Path) -> Option<&'a OsStr> {
    path.strip_prefix(folder).ok()?.components().next().map(std::path::Component::as_os_str)
}

/// Whether a handle's flags (octal, the lowest two bits say how it was opened) allow writing.
fn writes(info: &Path) -> bool {
    let text = fs::read_to_string(info).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 0o3 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_being_written_are_told_from_those_that_are_read() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir_all(outer.path().join("season/1")).unwrap();
        let _one = fs::File::create(outer.path().join("film")).unwrap();
        let two = fs::File::create(outer.path().join("season/1/a")).unwrap();
        fs::write(outer.path().join("read"), "x").unwrap();
        let _reader = fs::File::open(outer.path().join("read")).unwrap();
        let folder = Folder::open(outer.path()).unwrap();
        let names = ["film", "season", "read", "absent"];
        let told = |writers: &Writers| names.map(|name| writers.write_to(OsStr::new(name)));
        assert_eq!(told(&Writers::in_folder(&folder)), [true, true, false, false]);
        drop(two);
        assert_eq!(told(&Writers::in_folder(&folder)), [true, false, false, false]);
    }
}
