//! The name of a file that is not whole. The file lies beside its final place.

use nearcast_core::{id::ContentId, manifest::Manifest, merkle::sha256};

use crate::unfinished::{STATE_DIGITS, cut};

/// Length of a name at most, in bytes, on every common file system.
const NAME_BYTES_MAX: usize = 255;

/// The endings of files that are not whole. No file of the content has such an ending, so no
/// partial file can be taken for another file.
#[derive(Clone, Debug)]
pub(super) struct PartialNames {
    /// The usual ending: `.part`, if no file of the content has it. Other programs use it too.
    usual: String,
    /// `.<8 hex digits>.part`: used if the usual name is taken, or if a file of the user's is to be
    /// replaced. The digits are from the content id, so a file under this name is ours.
    own: String,
}

impl PartialNames {
    /// For the files of a content.
    pub(super) fn of(manifest: &Manifest) -> PartialNames {
        let taken = |suffix: &str| {
            manifest.name().ends_with(suffix)
                || manifest.files().iter().any(|file| file.path.file_name().ends_with(suffix))
        };
        let numbered = (2u32..).map(|number| format!(".part{number}"));
        let free = std::iter::once(".part".to_owned()).chain(numbered).find(|suffix| !taken(suffix));
        let usual = free.unwrap_or_default();
        let own = format!(".{}{usual}", digits(manifest.content()));
        PartialNames { usual, own }
    }

    /// The partial name for `name`. `beside`: the name that only we use.
    pub(super) fn partial(&self, name: &str, beside: bool) -> String {
        partial_name(name, if beside { &self.own } else { &self.usual })
    }
}

/// The first digits of the content id, for use in names.
pub(super) fn digits(content: ContentId) -> String {
    let mut text = content.to_string();
    text.truncate(STATE_DIGITS);
    text
}

/// `name` with `suffix`. A name too long for that is cut, and a hash keeps it apart from similar
/// names.
fn partial_name(name: &str, suffix: &str) -> String {
    if name.len() + suffix.len() <= NAME_BYTES_MAX {
        return format!("{name}{suffix}");
    }
    let hash = sha256(name.as_bytes());
    let mark = format!("~{:016x}{suffix}", u64::from_be_bytes(hash[..8].try_into().unwrap_or([0; 8])));
    format!("{}{mark}", cut(name, NAME_BYTES_MAX.saturating_sub(mark.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_name_is_never_too_long_nor_taken_for_another() {
        assert_eq!(partial_name("film.mkv", ".part"), "film.mkv.part");
        let (one, two) = ("é".repeat(127) + "1", "é".repeat(127) + "2");
        let (one, two) = (partial_name(&one, ".part"), partial_name(&two, ".part"));
        assert!(one.len() <= NAME_BYTES_MAX && one.ends_with(".part"));
        assert_ne!(one, two);
    }
}
