//! A temporary folder for a test, removed at its end.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::binaries::binaries;

/// A temporary folder, and commands that keep all their state in it.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// Makes the folder.
    #[expect(clippy::new_without_default, reason = "making a folder is an act, not a default")]
    pub fn new() -> Place {
        let folder = tempfile::Builder::new().prefix("nearcast-e2e-").tempdir();
        Place { folder: folder.expect("a temporary folder can be made") }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A folder below the place, made if necessary.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(&path).expect("a folder can be made in a temporary folder");
        path
    }

    /// `nearcast`, with its home in this place.
    pub fn nearcast(&self) -> Command {
        self.command(&binaries().nearcast)
    }

    /// `nearcast-seeder`, with its home in this place.
    pub fn seeder(&self) -> Command {
        self.command(&binaries().seeder)
    }

    /// `nearcast-tracker`, with its home in this place.
    pub fn tracker(&self) -> Command {
        self.command(&binaries().tracker)
    }

    /// `nearcast-sim`, with its home in this place.
    pub fn simulator(&self) -> Command {
        self.command(&binaries().simulator)
    }

    fn command(&self, program: &Path) -> Command {
        let home = self.folder("home");
        let mut command = Command::new(program);
        command
            .current_dir(&home)
            .env("HOME", &home)
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .env_remove("STATE_DIRECTORY");
        // Proxies of the user of this machine must not change a test.
        for variable in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(variable);
        }
        for variable in ["XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(variable, home.join(variable.to_lowercase()));
        }
        command
    }
}

/// Every file, link and folder below `folder`, as paths relative to it.
pub fn listing(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display()));
        for entry in entries {
            let entry = entry.expect("a test's folder can be read");
            if entry.file_type().expect("an entry has a type").is_dir() {
                folders.push(entry.path());
            }
            let path = entry.path();
            found.insert(path.strip_prefix(folder).expect("it lies below").to_owned());
        }
    }
    found
}
