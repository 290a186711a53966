//! The binaries under test, built once a process in the profile the tests themselves were built in.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use escargot::format::Message;

/// Names a folder that has the binaries already; nothing is built then.
pub const FOLDER_VARIABLE: &str = "NEARCAST_BIN_DIR";

/// As they are called, in the order of [`Binaries`].
const PROGRAMS: [&str; 3] = ["nearcast", "nearcast-seeder", "nearcast-tracker"];

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
    BINARIES.get_or_init(|| {
        let found = match std::env::var_os(FOLDER_VARIABLE) {
            Some(folder) => PROGRAMS.map(|name| find(Path::new(&folder), name)),
            None => build(),
        };
        let [nearcast, seeder, tracker] = found;
        Binaries { nearcast, seeder, tracker }
    })
}

/// The root of the source tree.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' package lies in the workspace")
}

fn find(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    assert!(path.is_file(), "{FOLDER_VARIABLE} is set, but there is no {}", path.display());
    // Tests run programs in other working directories.
    path.canonicalize().expect("a file that is there has a full path")
}

/// Without what cargo tells a test of the test's own package: build scripts that look at these variables (ring's does) would be
/// run anew, and everything above them be built anew, at each turn between a shell and the tests.
fn as_from_a_shell(build: escargot::CargoBuild) -> escargot::CargoBuild {
    let of_the_test = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let told = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    told.filter(|name| of_the_test(name)).fold(build, escargot::CargoBuild::env_remove)
}

/// All programs at once, with all members: each alone would have features of its own for what it depends on, and half of
/// that would be built again for each.
fn build() -> [PathBuf; PROGRAMS.len()] {
    let build = escargot::CargoBuild::new().manifest_path(workspace().join("Cargo.toml"));
    let build = build.arg("--workspace").bins();
    let build = if cfg!(debug_assertions) { build } else { build.release() };
    let messages =
        as_from_a_shell(build).exec().unwrap_or_else(|error| panic!("cargo cannot be run: {error}"));
    let mut built = PROGRAMS.map(|_| PathBuf::new());
    for message in messages {
        let message = message.unwrap_or_else(|error| panic!("the programs cannot be built: {error}"));
        if let Ok(Message::CompilerArtifact(artifact)) = message.decode()
            && let Some(place) = PROGRAMS.iter().position(|name| *name == artifact.target.name)
            && let Some(path) = artifact.executable
        {
            built[place] = path.into_owned();
        }
    }
    for (path, name) in built.iter().zip(PROGRAMS) {
        assert!(path.is_file(), "cargo built no {name}");
    }
    built
}
