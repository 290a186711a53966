//! The binaries under test, built once a process in the profile the tests themselves were built in.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Names a folder that has the binaries already; nothing is built then.
pub const FOLDER_VARIABLE: &str = "NEARCAST_BIN_DIR";

/// Where the binaries are.
#[derive(Debug)]
pub struct Binaries {
    /// The terminal client.
    pub nearcast: PathBuf,
    /// The origin seeder.
    pub seeder: PathBuf,
    /// The tracker.
    pub tracker: PathBuf,
}

/// The binaries, built first if need be.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| Binaries {
        nearcast: find("nearcast"),
        seeder: find("nearcast-seeder"),
        tracker: find("nearcast-tracker"),
    })
}

/// The root of the source tree.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' package lies in the workspace")
}

fn find(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        let path = Path::new(&folder).join(name);
        assert!(path.is_file(), "{FOLDER_VARIABLE} is set, but there is no {}", path.display());
        // Tests run programs in other working directories.
        return path.canonicalize().expect("a file that is there has a full path");
    }
    build(name)
}

fn build(name: &str) -> PathBuf {
    let build =
        escargot::CargoBuild::new().manifest_path(workspace().join("Cargo.toml")).package(name).bin(name);
    let build = if cfg!(debug_assertions) { build } else { build.release() };
    match build.run() {
        Ok(run) => run.path().to_owned(),
        Err(error) => panic!("cannot build {name}: {error}"),
    }
}
