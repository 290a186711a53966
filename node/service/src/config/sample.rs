//! A configuration file that sets nothing and explains everything.

use crate::setting::{About, Program, Setting};

/// The longest line, in columns.
const WIDTH: usize = 100;

/// The text of the sample file, which is also shipped. `option` is the setting that shows how
/// settings are spelt.
pub fn sample<S: Setting>(option: S) -> String {
    let Program { name, file, .. } = S::PROGRAM;
    let (key, variable) = (option.about().name, option.about().variable());
    let (command, reload) = (S::COMMAND, if S::RELOADS { " SIGHUP has it read again." } else { "" });
    let head = format!(
        "{name} reads /etc/nearcast/{file}, then $XDG_CONFIG_HOME/nearcast/{file}, or the one file that --config \
         names. Each key is an option of the same name, too (--{key}), and a variable of the environment \
         ({variable}): an option wins over a variable, a variable over files. What is commented out here is the \
         default. Sizes are in bytes: 5M is 5,000,000, 5MiB is 5,242,880, 40Mbit is 5,000,000. Check it with: \
         {name} {command} --check-config.{reload}"
    );
    let shown = S::table().iter().filter(|about| !about.setting.is_hidden());
    let entries: Vec<String> = shown.map(entry).collect();
    format!("{}\n{}", comment(&head), entries.join("\n"))
}

fn entry<S: Setting>(about: &About<S>) -> String {
    let reload = if about.live || !S::RELOADS { "" } else { " A change needs a restart." };
    let words = format!("{} {}{reload}", about.short, about.long);
    let value = if about.default.is_empty() { about.example } else { about.default };
    let bare = matches!(value, "true" | "false") || value.bytes().all(|byte| byte.is_ascii_digit());
    let value = match (about.is_list(), bare) {
        (true, _) => format!("[\"{value}\"]"),
        (false, true) => value.to_owned(),
        (false, false) => format!("\"{value}\""),
    };
    let kind = if about.default.is_empty() { "# Example:\n" } else { "" };
    format!("{}{kind}#{} = {value}\n", comment(&words), about.name)
}

fn comment(words: &str) -> String {
    let mut text = String::from("#");
    let mut column = 1;
    for word in words.split_whitespace() {
        if column + 1 + word.len() > WIDTH {
            text.push_str("\n#");
            column = 1;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + word.len();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{config::file, setting::tests::Made};

    #[test]
    fn the_sample_sets_nothing_and_without_comment_marks_sets_everything() {
        let parse = |text: &str| file::parse::<Made>(text, "sample", Path::new("/")).unwrap();
        assert_eq!(parse(&sample(Made::Up)), []);
        let bare: Vec<String> = sample(Made::Up)
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
                _ => line.to_owned(),
            })
            .collect();
        let set = parse(&bare.join("\n"));
        assert_eq!(set.len(), Made::table().len());
        for line in set {
            let default = line.setting.about().default;
            assert!(default.is_empty() || line.values == [default], "{:?}", line.setting);
        }
    }
}
