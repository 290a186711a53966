//! Under which name a file lies while it is not whole: beside the place that it is made for.

use nearcast_core::{id::ContentId, manifest::Manifest, merkle::sha256};

use crate::unfinished::{STATE_DIGITS, cut};

/// A name's bytes at most, on every common file system.
const NAME_BYTES_MAX: usize = 255;

/// The endings of files that are not whole. No file of the content ends so, and thus no partial file can be taken
/// for another file.
#[derive(Clone, Debug)]
pub(super) struct PartialNames {
    /// The usual one, `.part` if that is free. Other programs use it too.
    usual: String,
    /// `.<8 hex digits>.part`, where the usual name is taken or a file of the user's is to be replaced. The digits are
    /// the content's, so that what lies under this name is ours.
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

    /// `name`, not whole; `beside`: under the name that only we use.
    pub(super) fn partial(&self, name: &str, beside: bool) -> String {
        partial_name(name, if beside { &self.own } else { &self.usual })
    }
}

/// The content's digits in names.
pub(super) fn digits(content: ContentId) -> String {
    let mut text = content.to_string();
    text.truncate(STATE_DIGITS);
    text
}

/// `name` with `suffix`; a name too long for that is cut, and told from its like by its hash.
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
