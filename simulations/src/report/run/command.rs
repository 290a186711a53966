//! The command that repeats a run.

use std::fmt::Write as _;

use crate::outcome::Summary;

/// A line for a POSIX shell. Names and values are quoted where they must be. It writes into another
/// folder than the run did.
pub(super) fn repeat(summary: &Summary) -> String {
    let mut line = format!("nearcast-sim run {} --seed {}", quoted(&summary.scenario), summary.seed);
    for (name, value) in &summary.options {
        // Writing to a String cannot fail.
        let _ = write!(line, " --set {}", quoted(&format!("{name}={value}")));
    }
    line + " --out again"
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_every_setting_and_quotes_what_a_shell_would_read() {
        let mut summary = Summary { scenario: "flash-crowd".to_owned(), seed: 7, ..Summary::default() };
        summary.options.insert("peers".to_owned(), "100".to_owned());
        summary.options.insert("up".to_owned(), "it's $(5M)".to_owned());
        assert_eq!(
            repeat(&summary),
            r"nearcast-sim run flash-crowd --seed 7 --set peers=100 --set 'up=it'\''s $(5M)' --out again"
        );
    }
}
