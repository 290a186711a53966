//! Who has a file open for writing, as far as the system lets us see: our own processes, and for root all.
//!
//! A copy that stalls for a while does not change its file; this tells it from one that has ended.

use std::{fs, path::Path};

/// Open files looked at, all processes together. On a machine with more this says nothing.
const HANDLES_MAX: usize = 200_000;

/// Whether some process has `path`, or something below it, open for writing.
pub(super) fn has_open(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    let is_process = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit();
    let mut left = HANDLES_MAX;
    for process in processes.flatten().filter(is_process) {
        // Those of others are not ours to see.
        let Ok(handles) = fs::read_dir(process.path().join("fd")) else { continue };
        for handle in handles.flatten() {
            if left == 0 {
                return false;
            }
            left -= 1;
            let is_it = fs::read_link(handle.path()).is_ok_and(|target| target.starts_with(&path));
            if is_it && writes(&process.path().join("fdinfo").join(handle.file_name())) {
                return true;
            }
        }
    }
    false
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
    fn a_file_that_is_being_written_is_told_from_one_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let writer = fs::File::create(&path).unwrap();
        assert!(has_open(&path) && has_open(folder.path()), "in a folder, too");
        drop(writer);
        let _reader = fs::File::open(&path).unwrap();
        assert!(!has_open(&path) && !has_open(folder.path()));
        assert!(!has_open(&folder.path().join("absent")));
    }
}
