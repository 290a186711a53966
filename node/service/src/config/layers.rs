//! Where each setting's value comes from. Precedence: command line, environment, the user's file,
//! the system's file, default.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use clap::ArgMatches;
use nearcast_core::paths::printable;
use nearcast_node::address::Address;

use super::{CONFIG, Problems, file};
use crate::{
    admin::AdminAt,
    setting::{self, About, Kind, Setting},
};

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: this is the default.
    Default,
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable of this name.
    Variable(String),
    /// An option on the command line.
    Option,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", printable(&path.to_string_lossy())),
            Origin::Variable(name) => f.write_str(name),
            Origin::Option => f.write_str("command line"),
        }
    }
}

/// A value as written, and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// One value, or several if the setting is a list. Empty: not set.
    pub values: Vec<OsString>,
    /// Where the value was set.
    pub origin: Origin,
}

/// The value of every setting, each valid for its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers<S>(BTreeMap<S, Given>);

/// The sources that stay the same while a service runs: its command line and environment. Files are
/// read again at each reload.
#[derive(Clone, Debug)]
pub struct Sources<S> {
    matches: ArgMatches,
    settings: PhantomData<S>,
}

impl<S: Setting> Sources<S> {
    /// The sources of this process; `matches` are those of `serve`.
    pub fn new(matches: ArgMatches) -> Sources<S> {
        Sources { matches, settings: PhantomData }
    }

    /// The folders of all files, including files that do not exist.
    pub fn folders(&self) -> Vec<PathBuf> {
        let files = files::<S>(&self.matches, &|name| std::env::var_os(name));
        files.iter().filter_map(|(path, _)| path.parent().map(Path::to_owned)).collect()
    }

    /// Reads the environment and all files.
    ///
    /// # Errors
    /// All problems found.
    pub fn read(&self) -> Result<Layers<S>, Problems> {
        self.read_with(&|name| std::env::var_os(name))
    }

    /// As [`Sources::read`], with other environment variables.
    ///
    /// # Errors
    /// As [`Sources::read`].
    pub fn read_with(&self, variable: Variables<'_>) -> Result<Layers<S>, Problems> {
        gather(&self.matches, variable)
    }
}

/// How environment variables are looked up.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Merges the layers.
fn gather<S: Setting>(matches: &ArgMatches, variable: Variables<'_>) -> Result<Layers<S>, Problems> {
    let mut problems = Vec::new();
    let mut layers: BTreeMap<S, Given> =
        S::table().iter().map(|about| (about.setting, default(about))).collect();
    for (path, must_exist) in files::<S>(matches, variable) {
        match file::read(&path, must_exist) {
            Ok(Some(lines)) => layers.extend(lines.into_iter().map(|line| {
                let origin = Origin::File { path: path.clone(), line: line.number };
                (line.setting, Given { values: line.values, origin })
            })),
            Ok(None) if must_exist => {
                problems.push(format!("there is no file {}", printable(&path.to_string_lossy())));
            }
            Ok(None) => {}
            Err(found) => problems.extend(found),
        }
    }
    for about in S::table() {
        match from_variable(about, variable).transpose() {
            Ok(given) => layers.extend(given.map(|given| (about.setting, given))),
            Err(problem) => problems.push(problem),
        }
        if let Some(values) = matches.get_many::<OsString>(about.name) {
            let given = Given { values: values.cloned().collect(), origin: Origin::Option };
            layers.insert(about.setting, given);
        }
    }
    if problems.is_empty() { Ok(Layers(layers)) } else { Err(Problems(problems)) }
}

fn default<S>(about: &About<S>) -> Given {
    let values = if about.default.is_empty() { Vec::new() } else { vec![about.default.into()] };
    Given { values, origin: Origin::Default }
}

/// The files to read, the weakest first, and whether each must exist.
fn files<S: Setting>(matches: &ArgMatches, variable: Variables<'_>) -> Vec<(PathBuf, bool)> {
    let named = matches.get_one::<PathBuf>(CONFIG).cloned();
    let named = named.or_else(|| filled(variable, &config_variable::<S>()).map(PathBuf::from));
    match named {
        Some(path) => vec![(path, true)],
        None => file::usual_places(S::PROGRAM.file, variable).into_iter().map(|path| (path, false)).collect(),
    }
}

/// The environment variable that names the one file to read.
pub(crate) fn config_variable<S: Setting>() -> String {
    format!("{}CONFIG", S::PROGRAM.variable_prefix)
}

fn from_variable<S: Setting>(about: &About<S>, variable: Variables<'_>) -> Option<Result<Given, String>> {
    let mut name = about.variable();
    let mut value = filled(variable, &name);
    if about.kind == Kind::Filter && value.is_none() {
        // Rust users try this variable first.
        name = "RUST_LOG".to_owned();
        value = filled(variable, &name);
    }
    let value = value?;
    let values = match value.to_str().filter(|_| about.is_list()) {
        Some(list) => {
            list.split([',', ' ', '\n']).filter(|one| !one.is_empty()).map(OsString::from).collect()
        }
        None => vec![value],
    };
    let check = |value: &OsString| about.kind.check(value).map_err(|problem| format!("{name}: {problem}"));
    Some(match values.iter().try_for_each(check) {
        Ok(()) => Ok(Given { values, origin: Origin::Variable(name) }),
        Err(problem) => Err(problem),
    })
}

/// An empty variable counts as unset.
fn filled(variable: Variables<'_>, name: &str) -> Option<OsString> {
    variable(name).filter(|value| !value.is_empty())
}

impl<S: Setting> Layers<S> {
    /// The value of a setting, and its origin.
    pub fn given(&self, setting: S) -> &Given {
        &self.0[&setting]
    }

    /// The single value of a setting, if it has one.
    pub fn value(&self, setting: S) -> Option<&OsStr> {
        self.given(setting).values.first().map(OsString::as_os_str)
    }

    /// The single value as text; empty if there is none.
    pub fn text(&self, setting: S) -> &str {
        self.value(setting).and_then(OsStr::to_str).unwrap_or_default()
    }

    // Every value was checked when it was read, so a value that does not parse here is not set.

    /// The value as a path. `None`: not set.
    pub fn path(&self, setting: S) -> Option<PathBuf> {
        self.value(setting).map(PathBuf::from)
    }

    /// A key file. `None`: not set. A missing file that is named without a folder is looked up
    /// among the credentials of the service manager.
    pub fn key_file(&self, setting: S) -> Option<PathBuf> {
        self.key_file_with(setting, crate::state::credential)
    }

    fn key_file_with(&self, setting: S, credential: impl Fn(&OsStr) -> Option<PathBuf>) -> Option<PathBuf> {
        let path = self.path(setting)?;
        // A bare name in a file has become a path below that file's folder.
        let folder = match &self.given(setting).origin {
            Origin::File { path, .. } => path.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        };
        let name = path.strip_prefix(folder).unwrap_or(&path);
        // The credential is often made from a file beside the configuration that only root can
        // read.
        let found = if is_readable(&path) { None } else { credential(name.as_os_str()) };
        Some(found.unwrap_or(path))
    }

    /// All values that parse.
    pub fn all<T: FromStr>(&self, setting: S) -> Vec<T> {
        let values = self.given(setting).values.iter();
        values.filter_map(|value| value.to_str()?.parse().ok()).collect()
    }

    /// All addresses, each expanded to every transport that it stands for.
    pub fn addresses(&self, setting: S) -> Vec<Address> {
        let kind = setting.about().kind;
        let values = self.given(setting).values.iter().filter_map(|value| value.to_str());
        let mut addresses = Vec::new();
        for address in values.filter_map(|text| kind.addresses(text).ok()).flatten() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// The value as a truth value; `false` if there is none.
    pub fn switch(&self, setting: S) -> bool {
        setting::switch(self.text(setting)).unwrap_or_default()
    }

    /// The value as a rate. In bytes a second. `None`: no limit.
    pub fn rate(&self, setting: S) -> Option<u64> {
        setting::rate(self.text(setting)).ok().flatten()
    }

    /// The value as a duration.
    pub fn duration(&self, setting: S) -> Duration {
        setting::duration(self.text(setting)).unwrap_or_default()
    }

    /// The value as a number. `None`: chosen automatically.
    pub fn count<N: TryFrom<u64>>(&self, setting: S) -> Option<N> {
        let number = setting.about().kind.count(self.text(setting)).ok().flatten()?;
        N::try_from(number).ok()
    }

    /// The address of the admin listener.
    pub fn admin(&self, setting: S) -> AdminAt {
        let may_move = self.given(setting).origin == Origin::Default;
        match setting::admin(self.text(setting)) {
            Ok(Some(address)) => AdminAt::At { address, may_move },
            _ => AdminAt::Off,
        }
    }

    /// The settings whose values differ: first those that a reload applies, then those that need a
    /// restart.
    pub fn differences(&self, other: &Layers<S>) -> (Vec<&'static str>, Vec<&'static str>) {
        let (live, later): (Vec<_>, Vec<_>) =
            self.changed(other).into_iter().map(Setting::about).partition(|about| about.live);
        let names = |abouts: Vec<&'static About<S>>| abouts.into_iter().map(|about| about.name).collect();
        (names(live), names(later))
    }

    /// Settings whose values differ.
    pub fn changed(&self, other: &Layers<S>) -> Vec<S> {
        let differs = |setting: &S| self.given(*setting).values != other.given(*setting).values;
        S::table().iter().map(|about| about.setting).filter(differs).collect()
    }

    /// Takes over the settings that can change while a service runs.
    pub fn take_live(&mut self, other: &Layers<S>) {
        for about in S::table().iter().filter(|about| about.live) {
            self.0.insert(about.setting, other.given(about.setting).clone());
        }
    }

    /// The effective configuration: every setting as a line of a file that would set it, with the
    /// origin.
    pub fn lines(&self) -> Vec<String> {
        let rows: Vec<(String, &Origin)> =
            self.0.iter().map(|(setting, given)| (row(setting.about(), given), &given.origin)).collect();
        let width = rows.iter().map(|(row, _)| row.chars().count()).max().unwrap_or(0).min(60);
        rows.into_iter().map(|(row, origin)| format!("{row:width$}  # {origin}")).collect()
    }

    /// The effective configuration as one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |(setting, given): (&S, &Given)| {
            let values: Vec<_> = given.values.iter().map(|value| value.to_string_lossy()).collect();
            let value = if setting.about().is_list() {
                serde_json::json!(values)
            } else {
                serde_json::json!(values.first())
            };
            (
                setting.about().name.to_owned(),
                serde_json::json!({"value": value, "from": given.origin.to_string()}),
            )
        };
        serde_json::Value::Object(self.0.iter().map(entry).collect())
    }
}

fn row<S: Setting>(about: &About<S>, given: &Given) -> String {
    // JSON strings are valid TOML strings.
    let quoted = |value: &OsString| serde_json::Value::from(value.to_string_lossy()).to_string();
    let values: Vec<String> = given.values.iter().map(quoted).collect();
    match &values[..] {
        [] => format!("#{} =", about.name),
        _ if about.is_list() => format!("{} = [{}]", about.name, values.join(", ")),
        [value, ..] => format!("{} = {value}", about.name),
    }
}

/// Whether we can read the path. Anything but a plain file is not opened for this: a pipe, for
/// example, can be opened only once.
fn is_readable(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => std::fs::File::open(path).is_ok(),
        Ok(_) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Args;

    use super::*;
    use crate::{cli::Serve, setting::tests::Made};

    fn layers(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Layers<Made>, Problems> {
        let all = ["serve"].iter().chain(arguments);
        let command = Serve::<Made>::augment_args(clap::Command::new("serve"));
        let matches = command.try_get_matches_from(all).unwrap();
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(found.1))
        };
        gather(&matches, &variable)
    }

    #[test]
    fn an_option_wins_over_the_environment_over_the_users_file_over_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("nearcast");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("made.toml"), "up = \"1M\"\ngrace = \"1s\"\nrescan = \"1s\"\n").unwrap();
        let config_home = folder.path().to_str().unwrap();
        let variables = [
            ("XDG_CONFIG_HOME", config_home),
            ("NEARCAST_MADE_UP", "2M"),
            ("NEARCAST_MADE_GRACE", "2s"),
            ("NEARCAST_MADE_ADMIN", ""),
        ];
        let layers = layers(&["--up", "3M"], &variables).unwrap();
        let told = |setting| (layers.text(setting), layers.given(setting).origin.to_string());
        assert_eq!(told(Made::Up), ("3M", "command line".to_owned()));
        assert_eq!(told(Made::Grace), ("2s", "NEARCAST_MADE_GRACE".to_owned()));
        let line = format!("{config_home}/nearcast/made.toml:3");
        assert_eq!(told(Made::Rescan), ("1s", line));
        assert_eq!(told(Made::Admin), ("127.0.0.1:4801", "default".to_owned()), "empty counts as unset");
    }

    #[test]
    fn a_named_file_replaces_the_others_and_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        fs::write(&file, "root = \"media\"\n").unwrap();
        let layers_of = layers(&["--config", file.to_str().unwrap()], &[]).unwrap();
        assert_eq!(layers_of.value(Made::Root), Some(folder.path().join("media").as_os_str()));
        let missing = layers(&[], &[("NEARCAST_MADE_CONFIG", "/nowhere/at/all.toml")]).unwrap_err();
        assert_eq!(missing.to_string(), "there is no file /nowhere/at/all.toml");
    }

    #[test]
    fn a_key_named_without_a_folder_is_looked_for_among_the_credentials_when_it_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        fs::write(&file, "root = \"node.key\"\n").unwrap();
        let found = |layers: &Layers<Made>| {
            let credential =
                |name: &OsStr| (name == "node.key").then(|| PathBuf::from("/credentials/node.key"));
            layers.key_file_with(Made::Root, credential).unwrap()
        };
        let by_file = layers(&["--config", file.to_str().unwrap()], &[]).unwrap();
        assert_eq!(found(&by_file), Path::new("/credentials/node.key"));
        let by_option = layers(&["--root", "node.key"], &[]).unwrap();
        assert_eq!(found(&by_option), Path::new("/credentials/node.key"));
        for elsewhere in ["/nowhere/node.key", "below/node.key", "other.key"] {
            let layers = layers(&["--root", elsewhere], &[]).unwrap();
            assert_eq!(found(&layers), Path::new(elsewhere));
        }
        fs::write(folder.path().join("node.key"), "here").unwrap();
        assert_eq!(found(&by_file), folder.path().join("node.key"), "what is there is what was meant");
    }

    #[test]
    fn every_problem_of_every_layer_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.toml");
        fs::write(&file, "rot = \"/srv\"\nup = 0\n").unwrap();
        let variables = [("NEARCAST_MADE_LISTEN", "/ip4/127.0.0.1/tcp/1,here.example")];
        let problems = layers(&["--config", file.to_str().unwrap()], &variables).unwrap_err();
        assert_eq!(problems.0.len(), 3, "{problems}");
        assert!(problems.0[0].contains("f.toml:1: ") && problems.0[0].ends_with("did you mean root?"));
        assert!(problems.0[2].starts_with("NEARCAST_MADE_LISTEN: "), "{problems}");
    }

    #[test]
    fn lists_in_the_environment_are_separated_by_commas_or_spaces() {
        let value = "/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2";
        let layers = layers(&[], &[("NEARCAST_MADE_LISTEN", value)]).unwrap();
        assert_eq!(layers.given(Made::Listen).values.len(), 2);
    }

    #[test]
    fn hosts_and_ports_stand_wherever_a_multiaddr_may() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.toml");
        fs::write(&file, "listen = \"127.0.0.1\"\n").unwrap();
        let listens = |layers: &Layers<Made>| -> Vec<String> {
            layers.addresses(Made::Listen).iter().map(ToString::to_string).collect()
        };
        let by_file = layers(&["--config", file.to_str().unwrap()], &[]).unwrap();
        assert_eq!(listens(&by_file), ["/ip4/127.0.0.1/tcp/4800", "/ip4/127.0.0.1/udp/4800/quic-v1"]);
        let by_option = layers(&["--listen", "[::1]:7", "--listen", "/ip6/::1/tcp/7"], &[]).unwrap();
        assert_eq!(listens(&by_option), ["/ip6/::1/tcp/7", "/ip6/::1/udp/7/quic-v1"], "each once");
        assert_eq!(by_option.given(Made::Listen).values.len(), 2, "shown as it was written");
        let by_variable = layers(&[], &[("NEARCAST_MADE_LISTEN", "127.0.0.1:1,127.0.0.2:2")]).unwrap();
        assert_eq!(listens(&by_variable).len(), 4);
    }

    #[test]
    fn the_effective_configuration_is_a_file_that_says_the_same() {
        let arguments =
            ["--root", "/srv/\"odd\" name", "--listen", "/ip4/127.0.0.1/tcp/1", "--up", "3M", "--publish"];
        let layers_of = layers(&arguments, &[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("again.toml");
        fs::write(&file, layers_of.lines().join("\n")).unwrap();
        let again = layers(&["--config", file.to_str().unwrap()], &[]).unwrap();
        assert_eq!(again.changed(&layers_of), []);
        assert_eq!(layers_of.to_json()["publish"]["value"], "true");
        assert_eq!(layers_of.to_json()["up"]["from"], "command line");
    }
}
