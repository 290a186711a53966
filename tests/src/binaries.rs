//! The binaries under test. Each test process builds them once, in the profile of the tests.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use escargot::format::Message;

/// Names a folder that already has the binaries; then nothing is built.
pub const FOLDER_VARIABLE: &str = "NEARCAST_BIN_DIR";

/// Names of the programs, in the order of [`Binaries`].
const PROGRAMS: [&str; 4] = ["nearcast", "nearcast-seeder", "nearcast-tracker", "nearcast-sim"];

/// Paths of the binaries.
#[derive(Debug)]
pub struct Binaries {
    /// The terminal client.
    pub nearcast: PathBuf,
    /// The origin seeder.
    pub seeder: PathBuf,
    /// The tracker.
    pub tracker: PathBuf,
    /// The simulator.
    pub simulator: PathBuf,
}

/// The binaries. The first call builds them, unless [`FOLDER_VARIABLE`] is set.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let found = match std::env::var_os(FOLDER_VARIABLE) {
            Some(folder) => PROGRAMS.map(|name| find(Path::new(&folder), name)),
            None => build(),
        };
        let [nearcast, seeder, tracker, simulator] = found;
        Binaries { nearcast, seeder, tracker, simulator }
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

/// Removes the variables that cargo sets for the package of the test. Some build scripts (ring's)
/// depend on them: each change between a shell and the tests would run these scripts again and
/// rebuild everything that depends on them.
fn as_from_a_shell(build: escargot::CargoBuild) -> escargot::CargoBuild {
    let of_the_test = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let told = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    told.filter(|name| of_the_test(name)).fold(build, escargot::CargoBuild::env_remove)
}

/// Builds all programs at once, with all members of the workspace. Built alone, each program would
/// select other features of its dependencies, and half of those would be built again for each
/// program.
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
