//! Configuration files: TOML whose keys are names of settings. All problems of a file are reported
//! at once, each with its line.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use nearcast_core::paths::printable;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::Variables;
use crate::setting::Setting;

/// A larger file is not a configuration of ours.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A value in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<S> {
    pub(super) setting: S,
    pub(super) values: Vec<OsString>,
    pub(super) number: usize,
}

/// Reads a file. `None`: the file does not exist. If it need not exist (`must_exist`), a file where we
/// may not look does not exist either.
///
/// # Errors
/// All problems of the file, one sentence each.
pub(super) fn read<S: Setting>(path: &Path, must_exist: bool) -> Result<Option<Vec<Line<S>>>, Vec<String>> {
    let name = printable(&path.to_string_lossy());
    let mut text = String::new();
    let taken = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match taken {
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => Err(vec![format!("{name} is larger than 1 MiB")]),
        Ok(_) => parse(&text, &name, path.parent().unwrap_or(Path::new(""))).map(Some),
        Err(error) if is_absent(&error, path, must_exist) => Ok(None),
        Err(error) => Err(vec![format!("cannot read {name}: {error}")]),
    }
}

/// Whether an error says that there is no file, as far as we may look. A home can be no folder (users
/// of services have /dev/null), or somebody else's (`sudo -u` keeps HOME): then nothing in it is
/// meant for us.
fn is_absent(error: &io::Error, path: &Path, must_exist: bool) -> bool {
    match error.kind() {
        io::ErrorKind::NotFound => true,
        io::ErrorKind::NotADirectory => !must_exist,
        // A file that we see and may not read is a mistake to tell of.
        io::ErrorKind::PermissionDenied => !must_exist && fs::symlink_metadata(path).is_err(),
        _ => false,
    }
}

/// Parses the text of a file. Relative paths are relative to `folder`.
pub(super) fn parse<S: Setting>(text: &str, name: &str, folder: &Path) -> Result<Vec<Line<S>>, Vec<String>> {
    let table = DeTable::parse(text).map_err(|error| {
        let number = line_of(text, error.span().map_or(0, |span| span.start));
        vec![format!("{name}:{number}: {}", printable(error.message()))]
    })?;
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for (key, value) in table.get_ref() {
        let number = line_of(text, key.span().start);
        match line(key.get_ref(), value, number, folder) {
            Ok(line) => lines.push(line),
            Err(problem) => problems.push((number, problem)),
        }
    }
    // The parser sorts by key; people read by line.
    problems.sort();
    let say = |(number, problem): (usize, String)| format!("{name}:{number}: {problem}");
    if problems.is_empty() { Ok(lines) } else { Err(problems.into_iter().map(say).collect()) }
}

fn line<S: Setting>(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    number: usize,
    folder: &Path,
) -> Result<Line<S>, String> {
    let Some(setting) = S::named(key) else {
        let nearest = S::nearest(key).map(|near| format!("; did you mean {}?", near.about().name));
        return Err(format!("there is no setting {}{}", printable(key), nearest.unwrap_or_default()));
    };
    let about = setting.about();
    let mut values =
        texts(value.get_ref(), about.is_list()).map_err(|problem| format!("{key}: {problem}"))?;
    for value in &mut values {
        if about.kind.is_path(value) && !value.is_empty() {
            *value = folder.join(&*value).into_os_string();
        }
        about.kind.check(value).map_err(|problem| format!("{key}: {problem}"))?;
    }
    Ok(Line { setting, values, number })
}

/// Numbers and truth values may be written with or without quotes, lists with or without brackets.
fn texts(value: &DeValue<'_>, is_list: bool) -> Result<Vec<OsString>, String> {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().replace('_', ""),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Array(values) if is_list => {
            let below = values.iter().map(|value| texts(value.get_ref(), false));
            return Ok(below.collect::<Result<Vec<_>, _>>()?.concat());
        }
        DeValue::Array(_) => return Err("one value is expected, not a list".to_owned()),
        other => return Err(format!("a text is expected, not a {}; put it in quotes", other.type_str())),
    };
    Ok(vec![text.into()])
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}

/// The usual places of configuration files, the weakest first.
pub(super) fn usual_places(file: &str, variable: Variables<'_>) -> Vec<PathBuf> {
    let named = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let user = named("XDG_CONFIG_HOME").or_else(|| Some(named("HOME")?.join(".config")));
    let folders = [Some(PathBuf::from("/etc")), user];
    folders.into_iter().flatten().map(|folder| folder.join("nearcast").join(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::tests::Made;

    fn problems(text: &str) -> Vec<String> {
        parse::<Made>(text, "made.toml", Path::new("/etc/nearcast")).unwrap_err()
    }

    #[test]
    fn a_file_is_read_with_its_lines_and_relative_to_its_folder() {
        let text = "# mine\nroot = \"media\"\nconnections = 1_000\n\npublish = true\nlisten = [\n  \"/ip4/127.0.0.1/tcp/1\",\n]\n";
        let lines = parse::<Made>(text, "made.toml", Path::new("/etc/nearcast")).unwrap();
        let mut told: Vec<_> = lines
            .iter()
            .map(|line| (line.number, line.setting, line.values[0].to_str().unwrap().to_owned()))
            .collect();
        told.sort();
        let expected = [
            (2, Made::Root, "/etc/nearcast/media"),
            (3, Made::Connections, "1000"),
            (5, Made::Publish, "true"),
            (6, Made::Listen, "/ip4/127.0.0.1/tcp/1"),
        ];
        assert_eq!(told, expected.map(|(line, setting, value)| (line, setting, value.to_owned())));
    }

    #[test]
    fn everything_wrong_is_named_by_file_line_and_nearest_key() {
        let wrong = problems("root = \"/srv\"\nup-per-contnet = \"5M\"\nup = \"fast\"\ncolour = 3\n");
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        let all = wrong.join("\n");
        assert!(
            all.contains("made.toml:2: there is no setting up-per-contnet; did you mean up-per-content?")
        );
        assert!(all.contains("made.toml:3: up: "), "{all}");
        assert!(all.contains("made.toml:4: there is no setting colour"), "{all}");
    }

    #[test]
    fn what_is_no_toml_or_of_another_type_is_refused_at_its_line() {
        assert!(problems("root = \"/srv\"\nup = \n")[0].starts_with("made.toml:2: "));
        assert!(problems("\nup = 1.5")[0].contains("made.toml:2: up: a text is expected, not a float"));
        assert!(problems("root = [\"a\"]")[0].contains("not a list"));
        assert!(problems("[root]\na = 1")[0].contains("a text is expected, not a table"));
        assert!(problems("up = \"1M\"\nup = \"2M\"")[0].starts_with("made.toml:2: "), "said twice");
    }

    #[test]
    fn a_home_that_is_no_folder_holds_no_configuration_and_a_file_that_was_named_must_be_there() {
        let below = Path::new("/dev/null/.config/nearcast/made.toml");
        assert_eq!(read::<Made>(below, false), Ok(None));
        assert!(read::<Made>(below, true).unwrap_err()[0].contains("cannot read"));
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(is_absent(&denied, below, false), "what we may not even see");
        assert!(!is_absent(&denied, Path::new("/dev/null"), false), "what we see and may not read");
        assert!(!is_absent(&denied, below, true));
    }

    #[test]
    fn the_users_file_comes_after_the_systems() {
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/h"));
        let places = usual_places("made.toml", &home);
        assert_eq!(places, ["/etc/nearcast/made.toml", "/h/.config/nearcast/made.toml"].map(PathBuf::from));
    }
}
