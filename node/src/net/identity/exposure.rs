//! Which other users may read or replace a key file.
//!
//! Services get their keys in three ways, and each must work: a file of their own (mode 0600), a
//! credential of systemd (mode 0400 or 0440, owned by root, in a folder of its own), and a secret
//! of a container (mode 0440, owned by root and a group made for it). PostgreSQL draws the line in
//! the same place.

use std::{fs::Metadata, os::unix::fs::MetadataExt, path::Path};

/// Which users may use a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// The owner, and a group only if the owner is root: the group was then given access on
    /// purpose.
    None,
    /// A group may read the file, though the owner is not root.
    Group,
    /// Everybody may read the file, or others than the owner may write to it.
    Others,
}

impl Exposure {
    pub(crate) fn of(metadata: &Metadata) -> Exposure {
        Exposure::of_mode(metadata.mode(), metadata.uid() == 0)
    }

    fn of_mode(mode: u32, is_roots: bool) -> Exposure {
        // A user who may write to a key file may replace the key, which is worse than reading it.
        if mode & 0o027 != 0 {
            return Exposure::Others;
        }
        if mode & 0o050 != 0 && !is_roots { Exposure::Group } else { Exposure::None }
    }

    /// What is wrong, and the command that repairs it.
    pub(crate) fn reason(self, path: &Path) -> String {
        let who = match self {
            Exposure::None | Exposure::Group => "the file's group can read it",
            Exposure::Others => "other users can read or replace it",
        };
        // Kubernetes secrets are readable by everybody unless configured otherwise.
        format!(
            "{who}; make a new key, or, if nobody has taken this one: chmod 600 {} (defaultMode: 0440 for a secret of \
             Kubernetes, umask=077 for a disk that keeps no permissions)",
            path.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_ones_own_credentials_and_secrets_will_do_and_open_ones_will_not() {
        for (mode, is_roots, expected) in [
            (0o600, false, Exposure::None),
            (0o400, false, Exposure::None),
            // A credential of systemd: owned by root, with an access list that shows as the group's
            // bits.
            (0o400, true, Exposure::None),
            (0o440, true, Exposure::None),
            // A secret of Kubernetes with fsGroup.
            (0o640, true, Exposure::None),
            (0o440, false, Exposure::Group),
            (0o640, false, Exposure::Group),
            (0o604, false, Exposure::Others),
            (0o444, true, Exposure::Others),
            (0o602, true, Exposure::Others),
            (0o601, true, Exposure::Others),
            (0o660, true, Exposure::Others),
            (0o620, false, Exposure::Others),
            (0o777, true, Exposure::Others),
        ] {
            assert_eq!(Exposure::of_mode(0o100_000 | mode, is_roots), expected, "{mode:o} root: {is_roots}");
        }
    }

    #[test]
    fn the_reason_names_the_command() {
        let reason = Exposure::Others.reason(Path::new("/etc/node.key"));
        assert!(reason.contains("chmod 600 /etc/node.key") && reason.contains("other users"), "{reason}");
    }
}
