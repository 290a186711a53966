//! Which files are open for writing, as far as the system shows us: files of our own user's
//! processes, or for root of all processes.
//!
//! A copy that stalls for a while does not change its file. This tells it from a finished copy.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    path::Path,
};

use nearcast_node::publish::Folder;

/// Open files that are examined, over all processes. Further ones are not seen.
const HANDLES_MAX: usize = 200_000;

/// The names directly in a folder that are open for writing, or that contain such a file.
#[derive(Debug, Default)]
pub(super) struct Writers(BTreeSet<OsString>);

impl Writers {
    /// Examines all processes, once for the whole folder.
    pub(super) fn in_folder(folder: &Folder) -> Writers {
        let mut writers = Writers::default();
        let Ok(path) = folder.real_path() else { return writers };
        let Ok(processes) = fs::read_dir("/proc") else { return writers };
        let is_process = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit();
        let mut left = HANDLES_MAX;
        for process in processes.flatten().filter(is_process) {
            // We may not see the files of other users' processes.
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

    /// Whether a process has this entry, or a file in it, open for writing.
    pub(super) fn write_to(&self, name: &OsStr) -> bool {
        self.0.contains(name)
    }
}

/// The first path component of `path` below `folder`.
fn name_in<'a>(folder: &Path, path: &'a Path) -> Option<&'a OsStr> {
    path.strip_prefix(folder).ok()?.components().next().map(std::path::Component::as_os_str)
}

/// Whether the flags of a file handle allow writing. They are octal; the lowest two bits are the
/// access mode.
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
