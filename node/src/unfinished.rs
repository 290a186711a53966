//! How to recognize an unfinished download in a folder from outside. Between two of its files there
//! may be no `.part` file anywhere; only the hidden folder with its state tells.

use std::borrow::Cow;

use nearcast_core::paths::{Unportable, stand_in};

/// The ending of the hidden folder that an unfinished download leaves beside its data: `.NAME.<8
/// hex digits>.nearcast`.
pub const STATE_ENDING: &str = ".nearcast";
/// How many digits of the content id that name has.
pub(crate) const STATE_DIGITS: usize = 8;
/// The longest name that file systems take.
const NAME_BYTES_MAX: usize = 255;

/// Whether `entry` is the state of an unfinished download of `item`, its file or folder in the same
/// folder, which may not exist yet. The name of a state has the first 236 bytes of its item's name.
/// Items with the same long beginning thus all count as unfinished.
pub fn marks(entry: &str, item: &str) -> bool {
    item_of(entry) == Some(&*beginning(item))
}

/// The beginning of the item's name in the name of a state. `None`: `entry` is no state.
pub fn item_of(entry: &str) -> Option<&str> {
    let (name, digits) = entry.strip_prefix('.')?.strip_suffix(STATE_ENDING)?.rsplit_once('.')?;
    let is_state = digits.len() == STATE_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_state && !name.is_empty()).then_some(name)
}

/// The part of an item's name that the name of its state has. Characters that some disks do not
/// take are replaced.
pub fn beginning(item: &str) -> Cow<'_, str> {
    match Unportable::of(item) {
        Some(Unportable::Character) => Cow::Owned(stand_in(item)),
        _ => Cow::Borrowed(cut(item, NAME_BYTES_MAX - (STATE_DIGITS + 2) - STATE_ENDING.len())),
    }
}

/// The longest beginning of `text` of at most `bytes_max` bytes that ends at a character boundary.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_marks_its_own_item_and_nothing_else() {
        assert!(marks(".film.mkv.0123abcd.nearcast", "film.mkv"));
        assert!(marks(".a.b.0123abcd.nearcast", "a.b"));
        for (entry, item) in [
            (".film.mkv.0123abcd.nearcast", "film"),
            (".film.mkv.0123abcd.nearcast", "film.mkv.0123abcd"),
            (".film.mkv.0123abcx.nearcast", "film.mkv"),
            (".film.mkv.nearcast", "film.mkv"),
            ("film.mkv.0123abcd.nearcast", "film.mkv"),
            ("..0123abcd.nearcast", ""),
            (".nearcast", ""),
        ] {
            assert!(!marks(entry, item), "{entry} {item}");
        }
    }

    #[test]
    fn the_state_of_a_name_that_was_cut_is_known_too() {
        let item = "é".repeat(127);
        let entry = format!(".{}.0123abcd.nearcast", cut(&item, 236));
        assert!(entry.len() <= NAME_BYTES_MAX);
        assert!(marks(&entry, &item));
        assert!(!marks(&entry, "é"));
    }
}
