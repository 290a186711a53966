//! A node's identity: an ed25519 key in a file that only its owner can read.
//!
//! The bytes are libp2p's own encoding of a key pair, so other libp2p programs can read the file.

mod exposure;
mod placing;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use libp2p::identity::{KeyType, Keypair};
use rustix::fs::{Mode, OFlags};

pub(crate) use self::exposure::Exposure;
use crate::error::{KeyError, StartError};

/// Larger than any key: a larger file is not a key.
const FILE_BYTES_MAX: u64 = 4096;

/// A fresh key for this run, so that two runs cannot be linked.
pub(crate) fn generate() -> Keypair {
    Keypair::generate_ed25519()
}

/// The key in `path`. If there is no such file, creates it.
pub(crate) fn load_or_create(path: &Path) -> Result<Keypair, StartError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match create(path) {
            // Another process created the file first. Its key is used.
            Err(KeyError::Exists(_)) => Ok(load_identity(path)?),
            created => Ok(created?),
        },
        _ => Ok(load_identity(path)?),
    }
}

/// The identity of a node. A file that a group can read is accepted, with a warning: a leaked key
/// allows to impersonate the node, which costs others little. A file that everybody can read, or
/// that others can replace, is refused, since that cannot be intended.
pub(crate) fn load_identity(path: &Path) -> Result<Keypair, KeyError> {
    let (keypair, exposure) = load(path)?;
    match exposure {
        Exposure::None => {}
        Exposure::Group => tracing::warn!("{}: {}", path.display(), exposure.reason(path)),
        Exposure::Others => return Err(unusable(path, exposure.reason(path))),
    }
    Ok(keypair)
}

/// The key in `path`, and which other users may use the file.
pub(crate) fn load(path: &Path) -> Result<(Keypair, Exposure), KeyError> {
    let (bytes, exposure) = read(path).map_err(|error| unusable(path, error.to_string()))?;
    let keypair = Keypair::from_protobuf_encoding(&bytes)
        .map_err(|_| unusable(path, "the file holds no libp2p key".to_owned()))?;
    if keypair.key_type() != KeyType::Ed25519 {
        return Err(unusable(path, "the key is not an ed25519 key".to_owned()));
    }
    Ok((keypair, exposure))
}

/// Creates a key in `path`, which must not exist. Afterwards either the whole file is there, or
/// none.
pub(crate) fn create(path: &Path) -> Result<Keypair, KeyError> {
    let keypair = generate();
    let bytes = keypair.to_protobuf_encoding().map_err(|error| unusable(path, error.to_string()))?;
    placing::write_new(path, &bytes, &placing::WAYS).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        _ => unusable(path, error.to_string()),
    })?;
    Ok(keypair)
}

/// Reads the bytes, and judges the permissions of the same open file.
fn read(path: &Path) -> io::Result<(Vec<u8>, Exposure)> {
    // Without `NONBLOCK`, opening a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no ordinary file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large for a key"));
    }
    Ok((bytes, Exposure::of(&metadata)))
}

fn unusable(path: &Path, reason: String) -> KeyError {
    KeyError::Unusable { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_a_restart_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let first = load_or_create(&path).unwrap();
        let second = load_or_create(&path).unwrap();
        assert_eq!(first.public(), second.public());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_key_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let first = create(&path).unwrap();
        assert!(matches!(create(&path), Err(KeyError::Exists(_))));
        assert_eq!(load(&path).unwrap().0.public(), first.public());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn starters_at_the_same_moment_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starters: Vec<_> =
                (0..8).map(|_| scope.spawn(|| load_or_create(&path).unwrap().public())).collect();
            starters.into_iter().map(|starter| starter.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        for bytes in [&b""[..], b"not a key", &[0; 5000]] {
            fs::write(&path, bytes).unwrap();
            let error = load_or_create(&path).unwrap_err().to_string();
            assert!(error.contains("node.key"), "{error}");
        }
        let missing = folder.path().join("no-such-folder/node.key");
        assert!(load_or_create(&missing).is_err());
    }

    /// Needs root, and a kernel with FAT. FAT keeps neither links nor permissions.
    #[test]
    fn a_disk_without_links_holds_a_key() {
        let folder = tempfile::tempdir().unwrap();
        for (options, will_do) in [("loop,umask=077", true), ("loop,umask=022", false)] {
            let Some(disk) = Fat::mount(folder.path(), options) else {
                println!("skipped: no FAT file system can be mounted here");
                return;
            };
            let path = disk.0.join("node.key");
            let made = load_or_create(&path);
            assert_eq!(made.is_ok(), will_do, "{options}: {made:?}");
            match made {
                Ok(first) => {
                    assert_eq!(load_or_create(&path).unwrap().public(), first.public());
                    assert!(matches!(create(&path), Err(KeyError::Exists(_))));
                }
                Err(error) => assert!(error.to_string().contains("umask=077"), "{error}"),
            }
        }
    }

    struct Fat(std::path::PathBuf);

    impl Fat {
        fn mount(folder: &Path, options: &str) -> Option<Fat> {
            let (image, at) = (folder.join("image"), folder.join("disk"));
            fs::write(&image, vec![0; 4 << 20]).unwrap();
            fs::create_dir_all(&at).unwrap();
            let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
                let output = std::process::Command::new(program).args(arguments).output();
                output.is_ok_and(|output| output.status.success())
            };
            let mount = ["-t".as_ref(), "vfat".as_ref(), "-o".as_ref(), options.as_ref()];
            let mounted = run("/usr/sbin/mkfs.vfat", &[image.as_os_str()])
                && run("mount", &[&mount[..], &[image.as_os_str(), at.as_os_str()]].concat());
            mounted.then_some(Fat(at))
        }
    }

    impl Drop for Fat {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg(&self.0).status();
        }
    }

    #[test]
    fn a_secret_behind_links_in_a_folder_that_cannot_be_written_is_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let dated = folder.path().join("..2026_01_01");
        fs::create_dir(&dated).unwrap();
        let key = create(&dated.join("node.key")).unwrap();
        fs::set_permissions(dated.join("node.key"), PermissionsExt::from_mode(0o400)).unwrap();
        // The layout of Kubernetes secrets, by which all secrets of a folder change at once.
        std::os::unix::fs::symlink("..2026_01_01", folder.path().join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/node.key", folder.path().join("node.key")).unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o500)).unwrap();
        let loaded = load_or_create(&folder.path().join("node.key"));
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(loaded.unwrap().public(), key.public());
    }

    #[test]
    fn a_key_that_everybody_can_read_or_others_replace_is_refused_with_the_remedy() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        create(&path).unwrap();
        for mode in [0o604, 0o644, 0o620, 0o602] {
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let refused = load_or_create(&path).unwrap_err().to_string();
            assert!(refused.contains("chmod 600") && refused.contains("node.key"), "{mode:o}: {refused}");
        }
        fs::set_permissions(&path, PermissionsExt::from_mode(0o440)).unwrap();
        assert!(load_or_create(&path).is_ok());
    }

    #[test]
    fn a_pipe_or_folder_under_the_name_of_a_key_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(load_or_create(&path).unwrap_err().to_string().contains("no ordinary file"));
        assert!(load_or_create(folder.path()).is_err());
    }
}
