//! The words of a command line, before they are parsed: one `--set` may have several settings behind it.
//!
//! Left to the parser, `--set` would take all words that follow, the scenario's name among them.

use std::ffi::OsString;

/// Options that take settings.
const TAKING: [&str; 2] = ["--set", "--policy"];

/// Puts the option before each further setting: `--set a=1 b=2 crowd` becomes
/// `--set a=1 --set b=2 crowd`.
///
/// Whatever looks like no setting ends the row. Behind `--` nothing is an option.
pub(super) fn spread(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let (mut spread, mut open, mut is_value, mut is_over) = (Vec::new(), None, false, false);
    for word in words {
        let text = word.to_str().unwrap_or_default();
        let option = TAKING.into_iter().find(|&option| option == text.split('=').next().unwrap_or_default());
        is_over |= text == "--";
        match (option, open) {
            // The option's own value, whatever it looks like.
            _ if std::mem::take(&mut is_value) => {}
            _ if is_over => {}
            (Some(option), _) => {
                open = Some(option);
                is_value = text == option;
            }
            (None, Some(option)) if is_setting(text) => spread.push(option.into()),
            (None, _) => open = None,
        }
        spread.push(word);
    }
    spread
}

/// Whether this is a name, `=` and a value. A file's name with `=` in it has a folder before it.
fn is_setting(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c))
    };
    text.split_once('=').is_some_and(|(name, _)| is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread_line(line: &str) -> String {
        let words = spread(line.split(' ').map(OsString::from));
        words.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn settings_that_follow_one_another_belong_to_one_option() {
        for (line, wanted) in [
            ("run --set a=1 b.c=2 crowd", "run --set a=1 --set b.c=2 crowd"),
            ("run crowd --set a=1 b=2 --out d=1", "run crowd --set a=1 --set b=2 --out d=1"),
            ("run --set=a=1 b=2 c=3 crowd", "run --set=a=1 --set b=2 --set c=3 crowd"),
            ("replay f --policy a.b=1 c.d=2", "replay f --policy a.b=1 --policy c.d=2"),
            ("run --set a=1 --set b=2 c=3 --json", "run --set a=1 --set b=2 --set c=3 --json"),
        ] {
            assert_eq!(spread_line(line), wanted);
        }
    }

    #[test]
    fn names_and_files_are_no_settings() {
        for line in [
            "run --set a=1 crowd --out d",
            "run --set a=1 crowd b=2",
            "run --set a=1 ./my=crowd.toml",
            "run --set --out d",
            "run --set a=1 -- b=2",
            "run crowd --out a=1 b=2",
        ] {
            assert_eq!(spread_line(line), line);
        }
    }
}
