//! Directories that `get` remembers: those that the user named when a download succeeded. A later
//! link that names nobody is looked for there, if the user names nobody either.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use nearcast_node::{address::Address, publish::replace_file};

use super::options::Options;
use crate::source::Named;

/// The file, in the user's state folder: an address a line, the newest first.
const FILE: &str = "directories.txt";
/// Directories remembered at most.
const REMEMBERED_MAX: usize = 8;
/// The file is read up to this length, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// The directories to ask for a content: those that the user names, or if nobody is named at all,
/// those that are remembered.
pub(super) fn directories(state: Option<PathBuf>, options: &Options, named: &Named) -> Vec<Address> {
    let link_names_nobody =
        named.link().is_some_and(|link| link.peers.is_empty() && link.addresses.is_empty());
    let nobody = options.trackers.is_empty() && options.peers.is_empty() && link_names_nobody;
    match state.filter(|_| nobody) {
        Some(folder) => read(&folder.join(FILE)),
        None => options.trackers.clone(),
    }
}

/// The directories in the file. What is not there, or is no address, is left out.
fn read(file: &Path) -> Vec<Address> {
    let mut text = String::new();
    // A file that is missing or damaged costs nothing but the directories in it.
    let _ = fs::File::open(file).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    text.lines().filter_map(|line| line.trim().parse().ok()).take(REMEMBERED_MAX).collect()
}

/// Remembers directories that the user named, before those that are remembered already.
pub(super) fn note(state: Option<PathBuf>, named: &[Address]) {
    let Some(file) = &state.map(|folder| folder.join(FILE)) else { return };
    let before = read(file);
    let mut all: Vec<String> = Vec::new();
    for address in named.iter().chain(&before).map(ToString::to_string) {
        if !all.contains(&address) && all.len() < REMEMBERED_MAX {
            all.push(address);
        }
    }
    if all.is_empty() || before.iter().map(ToString::to_string).eq(all.iter().cloned()) {
        return;
    }
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    // The download succeeded: that it is forgotten how is no failure.
    let _ = folder.and_then(|()| replace_file(file, (all.join("\n") + "\n").as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_nobody_twice_and_few_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("nearcast");
        let file = state.join(FILE);
        let note = |_: &Path, named: &[Address]| note(Some(state.clone()), named);
        assert_eq!(read(&file), []);
        let address = |number: u8| -> Address { format!("/ip4/192.0.2.{number}/tcp/4810").parse().unwrap() };
        note(&file, &[address(1), address(2)]);
        note(&file, &[address(2)]);
        assert_eq!(read(&file), [address(2), address(1)]);
        (3..40).for_each(|number| note(&file, &[address(number)]));
        assert_eq!(read(&file).len(), REMEMBERED_MAX);
        assert_eq!(read(&file)[0], address(39));
        fs::write(&file, "nonsense\n/ip4/192.0.2.7/tcp/4810\n").unwrap();
        assert_eq!(read(&file), [address(7)]);
        note(&file, &[]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "nonsense\n/ip4/192.0.2.7/tcp/4810\n");
    }
}
