//! The command that repeats exactly one run, whatever sweep it was part of.

use std::path::{self, Path};

use nearcast_sim::scenario::{shipped, sweep::Single};

use super::How;

/// A line for a POSIX shell. It writes into another folder than the run did.
pub(super) fn command(scenario: &str, single: &Single, how: &How) -> String {
    // A file may be looked for from elsewhere.
    let is_file = shipped::SHIPPED.iter().all(|shipped| shipped.name != scenario);
    let scenario = if is_file { full(Path::new(scenario)) } else { scenario.to_owned() };
    let mut words = vec!["nearcast-sim".to_owned(), "run".to_owned(), quoted(&scenario)];
    words.extend(["--seed".to_owned(), single.seed.to_string()]);
    for (name, value) in &single.settings {
        words.extend(["--set".to_owned(), quoted(&format!("{name}={value}"))]);
    }
    if let Some(atlas) = &how.atlas_file {
        words.extend(["--atlas".to_owned(), quoted(&full(atlas))]);
    }
    if let Some(fidelity) = &how.fidelity {
        words.extend(["--fidelity".to_owned(), quoted(fidelity)]);
    }
    if how.checked {
        words.push("--checked".to_owned());
    }
    words.extend(["--out".to_owned(), "again".to_owned()]);
    words.join(" ")
}

fn full(path: &Path) -> String {
    path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_a_sweep_is_repeated_with_its_own_values_alone() {
        let settings =
            vec![("peers".to_owned(), "20".to_owned()), ("groups.sizes".to_owned(), "[2, 3]".to_owned())];
        let single = Single { number: 3, settings, seed: 7 };
        let how = How::new(Some("pulled"), None, true).unwrap();
        let rest =
            "--seed 7 --set peers=20 --set 'groups.sizes=[2, 3]' --fidelity pulled --checked --out again";
        assert_eq!(command("churn", &single, &how), format!("nearcast-sim run churn {rest}"));
        let of_file = command("my crowd.toml", &single, &how);
        let file = path::absolute("my crowd.toml").unwrap();
        assert_eq!(of_file, format!("nearcast-sim run '{}' {rest}", file.display()));
    }
}
