//! Names that some systems and disks cannot have, and what a file is called there instead.
//!
//! Linux, and most of its disks, can have all names. Windows and the file systems made for it
//! cannot, some disks take two names for one, and some hold shorter names only. There a file has
//! its stand-in: a name that every one of them can have, made of the true name alone. So every
//! machine that cannot have a name finds the file again without being told.

use crate::content::tree_hash::sha256;

/// Device names of Windows, which mean the device in every folder and with every extension.
const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];
/// Characters that no name may contain on Windows. The backslash separates folders, the colon
/// drives and streams.
const CHARACTERS: [char; 8] = ['\\', ':', '*', '?', '"', '<', '>', '|'];
/// The longest stand-in, in bytes: disks that encrypt names hold 143 bytes, and something may be
/// put behind it.
const STAND_IN_BYTES_MAX: usize = 120;
/// The longest extension that is kept behind a stand-in, in bytes.
const EXTENSION_BYTES_MAX: usize = 10;
/// Bytes of the hash of the true name.
const MARK_BYTES: usize = 6;

/// Why Windows cannot have a name. The name goes from one machine to the next all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unportable {
    /// One of `\ : * ? " < > |`.
    #[error("it contains one of \\ : * ? \" < > |")]
    Character,
    /// `CON`, `NUL.txt`, `COM1`, …
    #[error("it names a device there")]
    Device,
    /// Windows drops them, so that two names become one.
    #[error("it ends with a dot or a space")]
    TrailingDotOrSpace,
}

impl Unportable {
    /// Why Windows cannot have this name. `None`: it can.
    pub fn of(name: &str) -> Option<Unportable> {
        match name {
            _ if name.contains(CHARACTERS) => Some(Unportable::Character),
            _ if name.ends_with(['.', ' ']) => Some(Unportable::TrailingDotOrSpace),
            _ if is_device(name) => Some(Unportable::Device),
            _ => None,
        }
    }
}

/// Windows looks at what stands before the first dot or colon, without the spaces around it.
fn is_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or(name).trim_matches(' ');
    let stem = stem.to_ascii_lowercase();
    if DEVICES.contains(&stem.as_str()) {
        return true;
    }
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    let mut number = port.unwrap_or_default().chars();
    matches!((number.next(), number.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// What a file or folder is called where its name cannot be: the part of the name that can be kept,
/// a mark made of its hash, and its extension. `aux.c` becomes `aux~8ab2c79b4a4e.c`. Different
/// names have different stand-ins, also on disks that take upper case for lower case.
pub fn stand_in(name: &str) -> String {
    let mark: String =
        sha256(name.as_bytes())[..MARK_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if is_kept(extension) => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let mut kept: String = stem.chars().map(|c| if CHARACTERS.contains(&c) { '_' } else { c }).collect();
    let room =
        STAND_IN_BYTES_MAX.saturating_sub(mark.len().saturating_add(extension.len()).saturating_add(2));
    let ends = kept.char_indices().map(|(at, c)| at.saturating_add(c.len_utf8()));
    let fits = ends.take_while(|&end| end <= room).last();
    kept.truncate(fits.unwrap_or(0));
    kept.truncate(kept.trim_end_matches(['.', ' ']).len());
    let stand_in = format!("{kept}~{mark}{extension}");
    // `con.air.mkv` begins like a device, whatever follows the dot.
    if is_device(&stand_in) { format!("_{stand_in}") } else { stand_in }
}

fn is_kept(extension: &str) -> bool {
    (1..=EXTENSION_BYTES_MAX).contains(&extension.len())
        && extension.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::paths::{NAME_BYTES_MAX, SafeName};

    fn unportable() -> Vec<(String, Unportable)> {
        use Unportable::{Character, Device, TrailingDotOrSpace};
        let mut names: Vec<(String, Unportable)> = [
            ("C:", Character),
            ("Z:x", Character),
            ("CON:x", Character),
            ("nul::$DATA", Character),
            ("Talk: part 1.mp4", Character),
            ("\\\\server\\share", Character),
            ("..\\x", Character),
            ("What?.mp3", Character),
            ("a|b", Character),
            ("...", TrailingDotOrSpace),
            (". ", TrailingDotOrSpace),
            (" ", TrailingDotOrSpace),
            ("R.E.M.", TrailingDotOrSpace),
            ("con .", TrailingDotOrSpace),
            ("con .txt", Device),
            (" con", Device),
            ("aux.tar.gz", Device),
            ("Con.Air.1997.mkv", Device),
            ("com\u{b9}", Device),
            ("LPT\u{b2}.txt", Device),
        ]
        .map(|(name, why)| (name.to_owned(), why))
        .into();
        let ports = (0..10).flat_map(|i| [format!("com{i}"), format!("lpt{i}")]);
        for device in DEVICES.iter().map(ToString::to_string).chain(ports) {
            for name in
                [device.clone(), device.to_uppercase(), format!("{device}.txt"), format!("{device} .x")]
            {
                names.push((name, Device));
            }
        }
        names
    }

    #[test]
    fn names_that_windows_lacks_are_names_all_the_same() {
        for (name, why) in unportable() {
            let safe = SafeName::parse(name.as_bytes()).unwrap();
            assert_eq!((safe.as_str(), safe.unportable()), (name.as_str(), Some(why)));
        }
        for name in [
            "con2",
            "console.log",
            "com10",
            "com",
            "lpt",
            "nulls",
            "my aux",
            ".hidden",
            "a+b=c&d;e'f`h$i%",
            "-rf",
        ] {
            assert_eq!(Unportable::of(name), None, "{name}");
        }
    }

    #[test]
    fn every_stand_in_is_a_name_everywhere_and_no_two_are_alike() {
        let long = ["n".repeat(NAME_BYTES_MAX), "ä".repeat(127), format!("{}.mkv", "日".repeat(80))];
        let plain = ["xt_TCPMSS.h", "xt_tcpmss.h", "caf\u{e9}", "cafe\u{301}", "Straße", "strasse", "a.b.c"];
        let names = unportable().into_iter().map(|(name, _)| name);
        let names: Vec<String> = names.chain(long).chain(plain.map(str::to_owned)).collect();
        let mut seen = std::collections::BTreeSet::new();
        for name in &names {
            let stand_in = stand_in(name);
            assert!(
                SafeName::parse(stand_in.as_bytes()).is_ok_and(|safe| safe.unportable().is_none()),
                "{stand_in}"
            );
            assert!(stand_in.len() <= STAND_IN_BYTES_MAX, "{stand_in}");
            assert!(seen.insert(stand_in.to_lowercase()), "{stand_in} stands for two");
        }
    }

    #[test]
    fn a_stand_in_looks_like_what_it_stands_for() {
        for (name, begins, ends) in [
            ("aux.c", "aux~", ".c"),
            ("Con.Air.1997.mkv", "_Con.Air.1997~", ".mkv"),
            ("R.E.M.", "R.E.M~", ""),
            ("Talk: part 1.mp4", "Talk_ part 1~", ".mp4"),
        ] {
            let stand_in = stand_in(name);
            assert!(stand_in.starts_with(begins) && stand_in.ends_with(ends), "{stand_in}");
        }
    }
}
