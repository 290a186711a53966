//! What a seeder is told before it starts.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use nearcast_node::{address::Address, config::NodeConfig};

/// Settings of one seeder.
#[derive(Clone, Debug, Default)]
pub struct SeederConfig {
    /// Every `.torrent` below is served when its data lies beside it. None = only what
    /// [`crate::service::Seeder::share`] is given, as an embedding program does.
    pub root: Option<PathBuf>,
    /// Where to listen; empty = every interface, TCP and QUIC, any port. A seeder that others write
    /// down needs a fixed port.
    pub listen: Vec<Address>,
    /// Bytes per second sent, all contents together; none = no limit.
    pub up: Option<u64>,
    /// Our secret key, made when it is missing; none = a fresh one each start, so that addresses
    /// with our id written down elsewhere stop working.
    pub identity: Option<PathBuf>,
}

/// Connections a seeder keeps. More = a larger crowd served directly, at about 100 KiB each.
const CONNECTIONS_MAX: u32 = 4096;

impl SeederConfig {
    /// The node that does the work: an origin, so peers spare it.
    pub(crate) fn node(&self) -> NodeConfig {
        let mut node = NodeConfig {
            origin: true,
            up: self.up,
            identity: self.identity.clone(),
            connections_max: CONNECTIONS_MAX,
            ..NodeConfig::default()
        };
        if !self.listen.is_empty() {
            node.listen.clone_from(&self.listen);
        }
        node
    }
}

/// Where state is kept when no `--state-dir` says otherwise: what systemd gives (`StateDirectory=`),
/// else the XDG state folder of the user. None when the environment names no home.
pub fn default_state_dir() -> Option<PathBuf> {
    state_dir_from(|name| env::var_os(name))
}

fn state_dir_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = |name: &str| variable(name).filter(|value| !value.is_empty());
    // systemd gives a colon-separated list when the unit asks for several.
    if let Some(first) = named("STATE_DIRECTORY").and_then(|list| env::split_paths(&list).next()) {
        return Some(first);
    }
    let absolute = named("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute.or_else(|| named("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(state.join("nearcast-seeder"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Option<PathBuf> {
        state_dir_from(|name| {
            let found = variables.iter().find(|(key, _)| *key == name)?;
            Some(found.1.into())
        })
    }

    #[test]
    fn state_goes_where_systemd_then_xdg_then_home_say() {
        let all = [("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(with(&all), Some("/var/lib/a".into()));
        assert_eq!(with(&all[1..]), Some("/x/nearcast-seeder".into()));
        assert_eq!(with(&all[2..]), Some("/h/.local/state/nearcast-seeder".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn empty_and_relative_variables_count_as_unset() {
        let odd = [("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "rel"), ("HOME", "/h")];
        assert_eq!(with(&odd), Some("/h/.local/state/nearcast-seeder".into()));
    }

    #[test]
    fn a_seeder_is_an_origin_and_listens_where_told() {
        let listen: Vec<Address> = vec!["/ip4/127.9.0.1/tcp/0".parse().unwrap()];
        let config = SeederConfig { listen: listen.clone(), ..SeederConfig::default() };
        assert!(config.node().origin);
        assert_eq!(config.node().listen, listen);
        assert!(!SeederConfig::default().node().listen.is_empty());
    }
}
