//! Owner, group and mode of a file. A file that replaces another one takes these over.
//!
//! Access lists and extended attributes are not taken over. With an access list, the mode shows the
//! most that the list grants to anybody but the owner; the group gets that.

use std::{fs::File, io};

use rustix::{
    fs::{Gid, Mode, Stat, Uid, fchmod, fchown, fstat},
    io::Errno,
};

/// Owner, group and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    owner: u32,
    group: u32,
    mode: u32,
}

impl Rights {
    // The width of a mode differs from one platform to the next.
    #[allow(clippy::useless_conversion)]
    pub(super) fn of(stat: &Stat) -> Rights {
        Rights { owner: stat.st_uid, group: stat.st_gid, mode: u32::from(stat.st_mode) & 0o777 }
    }

    /// Gives these rights to a new file of ours. Sets owner and group as far as we may, and then a
    /// mode that gives nobody more access than before.
    pub(super) fn give_to(self, file: &File) -> io::Result<()> {
        let (owner, group) = (Uid::from_raw(self.owner), Gid::from_raw(self.group));
        let may_not = |error: &Errno| matches!(*error, Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP);
        for (owner, group) in [(Some(owner), Some(group)), (None, Some(group))] {
            match fchown(file, owner, group) {
                Ok(()) => break,
                Err(error) if may_not(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mode = self.mode_for(&Rights::of(&fstat(file)?));
        Ok(fchmod(file, Mode::from_raw_mode(mode as _))?)
    }

    /// The mode for a file whose rights are `now`: its owner or group may differ from ours. Our
    /// process must be able to write to the file in any case.
    fn mode_for(self, now: &Rights) -> u32 {
        let [owner, group, others] = [self.mode >> 6 & 7, self.mode >> 3 & 7, self.mode & 7];
        let same_group = now.group == self.group;
        // Members of the new group had the rights of "others" before.
        let group_now = if same_group { group } else { others & group };
        let owner_now = if now.owner == self.owner { owner } else { (group_now | others | 6) & owner | 6 };
        owner_now << 6 | group_now << 3 | others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_more_than_he_had() {
        let original = |mode| Rights { owner: 1, group: 10, mode };
        let cases = [
            (0o640, 1, 10, 0o640),
            (0o400, 1, 10, 0o400),
            (0o664, 2, 10, 0o664),
            (0o660, 2, 20, 0o600),
            (0o664, 2, 20, 0o644),
            (0o755, 2, 20, 0o755),
            (0o770, 2, 20, 0o600),
        ];
        for (mode, owner, group, expected) in cases {
            let now = Rights { owner, group, mode: 0o644 };
            assert_eq!(original(mode).mode_for(&now), expected, "{mode:o} {owner} {group}");
        }
    }
}
