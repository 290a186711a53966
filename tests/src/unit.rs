//! A shipped unit file. Its commands run much as under a service manager: as the user nobody,
//! without capabilities, on a file system that is read-only except for the state folder, with a
//! secret as credential.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    binaries::{binaries, workspace},
    operated::Manager,
    place::Place,
};

/// The user and group that run the commands.
const NOBODY: u32 = 65_534;
/// Sets up the mounts of `ProtectSystem=strict` and `StateDirectory=`, then the user of
/// `DynamicUser=`. The first two arguments are the test's place and the state folder; the others
/// are the command.
const CONFINED: &str = r#"set -e
mount --bind "$1" "$1"
mount --bind "$2" "$2"
mount -o remount,bind,ro "$1"
mount -o remount,bind,ro /
shift 2
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@""#;

/// A unit file.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The name of the service, of its program and of its state folder.
    pub name: String,
    text: String,
}

impl Unit {
    /// The shipped unit of a crate.
    pub fn shipped(part: &str) -> Unit {
        let name = format!("nearcast-{part}");
        let path = workspace().join(part).join("systemd").join(format!("{name}.service"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Unit { name, text }
    }

    /// All values of a key, in order.
    pub fn values(&self, key: &str) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    }

    /// The program built here, for the one that the unit names.
    pub fn program(&self) -> &'static Path {
        if self.name.ends_with("seeder") { &binaries().seeder } else { &binaries().tracker }
    }

    /// Writes the unit with the path of the program built here; returns the path of the unit.
    pub fn written(&self, folder: &Path) -> PathBuf {
        let shipped = format!("/usr/bin/{}", self.name);
        let path = folder.join(format!("{}.service", self.name));
        fs::write(&path, self.text.replace(&shipped, &self.program().to_string_lossy()))
            .expect("a temporary folder can be written to");
        path
    }
}

/// What a service manager prepares for a unit, in the test's place.
#[derive(Debug)]
pub struct Managed<'a> {
    place: &'a Place,
    unit: Unit,
    /// `$STATE_DIRECTORY`.
    pub state: PathBuf,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials: PathBuf,
    /// The socket that receives the messages of the service.
    pub manager: Manager,
}

impl<'a> Managed<'a> {
    /// Prepares. `None`: it is not possible here; the reason is printed.
    pub fn new(place: &'a Place, unit: Unit) -> Option<Managed<'a>> {
        let (state, credentials) = (place.folder("var/state"), place.folder("run/credentials"));
        let manager = Manager::new(place.path());
        let open = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode));
        open(place.path(), 0o755).expect("the folder is ours");
        open(manager.path(), 0o777).expect("the socket is ours");
        let managed = Managed { place, unit, state, credentials, manager };
        let mut probe = managed.confined(&["--version"]);
        let given = chown(&managed.state, Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string());
        let ran = given.and_then(|()| probe.output().map_err(|error| error.to_string()));
        match ran {
            Ok(output) if output.status.success() => Some(managed),
            Ok(output) => skipped(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => skipped(&error),
        }
    }

    /// Gives the service a secret, as `LoadCredential=` does.
    pub fn load_credential(&self, name: &str, from: &Path) {
        let path = self.credentials.join(name);
        fs::copy(from, &path).expect("a temporary folder can be written to");
        chown(&path, Some(0), Some(NOBODY)).expect("root gives files away");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o440)).expect("the file is ours");
    }

    /// Writes the configuration where the service looks for it.
    pub fn configure(&self, text: &str) {
        let folder = self.place.folder("home/xdg_config_home/nearcast");
        let file = self.unit.name.replace("nearcast-", "") + ".toml";
        fs::write(folder.join(file), text).expect("a temporary folder can be written to");
    }

    /// The command of a key such as `ExecStart`, as the unit has it. The key must have one value.
    pub fn command(&self, key: &str) -> Command {
        let values = self.unit.values(key);
        let [line] = &values[..] else { panic!("{key} stands in the unit once: {values:?}") };
        let arguments: Vec<&str> = line.split(' ').skip(1).collect();
        self.confined(&arguments)
    }

    fn confined(&self, arguments: &[&str]) -> Command {
        // This command only gives the environment, with a home in the place.
        let plain = self.place.seeder();
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", CONFINED, "sh"]);
        command.arg(self.place.path()).arg(&self.state).arg(self.unit.program()).args(arguments);
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
            .current_dir("/")
            .env("STATE_DIRECTORY", &self.state)
            .env("CREDENTIALS_DIRECTORY", &self.credentials)
            .env("NOTIFY_SOCKET", self.manager.path())
            .env("WATCHDOG_USEC", "2000000");
        command
    }
}

fn skipped<T>(reason: &str) -> Option<T> {
    eprintln!("skipped: a unit's surroundings cannot be made here: {}", reason.trim());
    None
}
