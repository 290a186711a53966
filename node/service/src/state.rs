//! The folders in which a service keeps state.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Component, Path, PathBuf},
};

use crate::setting::Program;

/// The default state folder: the one that systemd gives (`StateDirectory=`), else the user's XDG
/// state folder. `None`: the environment names no home.
pub fn default_state_dir(program: &Program) -> Option<PathBuf> {
    state_dir_from(program, |name| env::var_os(name))
}

fn state_dir_from(program: &Program, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = |name: &str| variable(name).filter(|value| !value.is_empty());
    // systemd gives a colon-separated list when the unit asks for several.
    if let Some(first) = named("STATE_DIRECTORY").and_then(|list| env::split_paths(&list).next()) {
        return Some(first);
    }
    let absolute = named("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute.or_else(|| named("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(state.join(program.name))
}

/// The path of a secret that the service manager provides under this name (systemd's
/// `LoadCredential=NAME:FILE`). `None`: there is none.
pub fn credential(name: &OsStr) -> Option<PathBuf> {
    credential_from(name, |name| env::var_os(name))
}

fn credential_from(name: &OsStr, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = variable("CREDENTIALS_DIRECTORY").map(PathBuf::from).filter(|path| path.is_absolute())?;
    // A credential's name is one path component, so that no name leads out of the folder.
    let mut parts = Path::new(name).components();
    let is_word = matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none();
    Some(folder.join(name)).filter(|path| is_word && path.exists())
}

/// Makes a folder that only we can open. An existing folder stays as it is.
///
/// # Errors
/// The error of the system.
pub fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| match error.kind() {
        // "File exists" would say the opposite of what is wrong.
        io::ErrorKind::AlreadyExists => {
            io::Error::new(io::ErrorKind::NotADirectory, "it is no folder, and leads to none")
        }
        _ => error,
    })
}

/// An exclusive claim on a file by one process, until it is dropped. The lock ends with the
/// process, however that ends.
#[derive(Debug)]
pub struct Claim {
    /// `None`: the file system has no locks.
    _locked: Option<fs::File>,
}

impl Claim {
    /// Locks an existing file. `None`: another process holds the lock. On a file system without
    /// locks every claim succeeds.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn of(file: &Path) -> io::Result<Option<Claim>> {
        let file = fs::File::open(file)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Claim { _locked: Some(file) })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => {
                tracing::debug!(%error, "this file system knows no locks");
                Ok(Some(Claim { _locked: None }))
            }
        }
    }
}

/// Checks that files can be made in a folder, as far as possible without making one.
///
/// # Errors
/// Why not.
pub fn writable(folder: &Path) -> io::Result<()> {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?;
    if folder.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// Checks that a file can be read, or made if it is missing.
///
/// # Errors
/// Why not.
pub fn readable_or_makeable(file: &Path) -> io::Result<()> {
    match fs::metadata(file) {
        Ok(_) => fs::File::open(file).map(drop),
        Err(_) => writable(nearest_folder(file)),
    }
}

/// The closest existing ancestor of a path. Missing folders below it can be made.
pub fn nearest_folder(path: &Path) -> &Path {
    path.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Program =
        Program { name: "nearcast-seeder", file: "seeder.toml", variable_prefix: "NEARCAST_SEEDER_" };

    fn with(variables: &[(&str, &str)]) -> Option<PathBuf> {
        state_dir_from(&PROGRAM, |name| {
            let found = variables.iter().find(|(key, _)| *key == name)?;
            Some(found.1.into())
        })
    }

    #[test]
    fn state_goes_where_systemd_then_xdg_then_home_say() {
        let all = [("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(with(&all), Some("/var/lib/a".into()));
        assert_eq!(with(&all[1..]), Some("/x/nearcast-seeder".into()));
        assert_eq!(with(&all[2..]), Some("/h/.local/state/nearcast-seeder".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn empty_and_relative_variables_count_as_unset() {
        let odd = [("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "rel"), ("HOME", "/h")];
        assert_eq!(with(&odd), Some("/h/.local/state/nearcast-seeder".into()));
    }

    #[test]
    fn a_file_is_claimed_by_one_at_a_time_and_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("identity.key");
        assert_eq!(Claim::of(&key).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&key, "secret").unwrap();
        let first = Claim::of(&key).unwrap();
        assert!(first.is_some() && Claim::of(&key).unwrap().is_none());
        drop(first);
        assert!(Claim::of(&key).unwrap().is_some());
    }

    #[test]
    fn a_credential_is_found_by_its_name_and_by_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("credentials");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("node.key"), "secret").unwrap();
        fs::write(folder.path().join("other.key"), "secret").unwrap();
        let find = |name: &str| {
            let given = |variable: &str| (variable == "CREDENTIALS_DIRECTORY").then(|| below.clone().into());
            credential_from(OsStr::new(name), given)
        };
        assert_eq!(find("node.key"), Some(below.join("node.key")));
        for other in ["missing.key", "../other.key", "..", ".", "", "a/node.key"] {
            assert_eq!(find(other), None, "{other}");
        }
        assert_eq!(find(folder.path().join("other.key").to_str().unwrap()), None);
        assert_eq!(credential_from(OsStr::new("node.key"), |_| None), None);
        assert_eq!(credential_from(OsStr::new("node.key"), |_| Some("relative".into())), None);
    }
}
