//! The shipped units are valid and tight, and fit the programs: the tests run the programs by the
//! very lines of the units.

use std::{fs, path::PathBuf, process::Command};

use e2e::{
    cluster::{PATIENCE, READY_TIMEOUT, run},
    place::Place,
    process::{Process, Stream},
    unit::{Managed, Unit},
};
use rustix::process::Signal;

/// The most exposure that `systemd-analyze security` may report for a unit, in tenths. Under 2 is
/// "OK". More means that a line of the sandbox was lost.
const EXPOSURE_TENTHS_MAX: &str = "18";

/// Makes a key for a service, in a file that the service cannot reach.
fn key(place: &Place, name: &str) -> PathBuf {
    let path = place.folder("etc").join(name);
    let (code, process) = run("key new", place.nearcast().args(["key", "new"]).arg(&path));
    assert_eq!(code, 0, "{}", process.tail());
    path
}

/// The lines before `ready` that begin with `listening`.
fn listening(process: &Process) -> Vec<String> {
    process.wait_for("ready", Stream::Stdout, READY_TIMEOUT, |lines| {
        let ready = lines.iter().position(|line| line == "ready")?;
        Some(
            lines[..ready]
                .iter()
                .filter_map(|line| line.strip_prefix("listening ").map(str::to_owned))
                .collect(),
        )
    })
}

fn id_of(addresses: &[String]) -> String {
    let (_, id) = addresses[0].split_once("/p2p/").expect("an address ends in an id");
    id.to_owned()
}

/// Runs a unit to its end; returns the peer id it had.
fn lives(managed: &Managed<'_>) -> String {
    let checked = Process::start("check", managed.command("ExecStart").arg("--check-config"));
    assert_eq!(checked.wait_exit(PATIENCE), 0, "{}", checked.tail());
    let process = Process::start("service", &mut managed.command("ExecStart"));
    let id = id_of(&listening(&process));
    managed.manager.wait_for("READY=1", PATIENCE);
    managed.manager.wait_for("WATCHDOG=1", PATIENCE);
    process.signal(Signal::HUP);
    let told = managed.manager.wait_for("RELOADING=1", PATIENCE);
    assert!(told.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{told:?}");
    managed.manager.wait_for("READY=1", PATIENCE);
    process.signal(Signal::TERM);
    managed.manager.wait_for("STOPPING=1", PATIENCE);
    assert_eq!(process.wait_exit(PATIENCE), 0, "{}", process.tail());
    assert!(!process.tail().contains("ERROR"), "{}", process.tail());
    id
}

#[test]
fn the_seeders_unit_runs_as_written_and_is_who_its_credential_says() {
    let place = Place::new();
    let Some(managed) = Managed::new(&place, Unit::shipped("seeder")) else { return };
    managed.load_credential("identity.key", &key(&place, "seeder.key"));
    let root = place.folder("root");
    fs::write(root.join("film.bin"), "film").unwrap();
    managed.configure(&format!(
        "root = \"{}\"\nlisten = [\"/ip4/127.46.1.1/tcp/0\"]\nadmin = \"127.0.0.1:0\"\n",
        root.display()
    ));
    let first = lives(&managed);
    assert_eq!(lives(&managed), first, "the credential, and no key of its own");
    assert!(!managed.state.join("identity.key").exists());
    // Without the credential the service makes its own key, and keeps it.
    fs::remove_file(managed.credentials.join("identity.key")).unwrap();
    let own = lives(&managed);
    assert!(own != first && managed.state.join("identity.key").exists());
    assert_eq!(lives(&managed), own);
}

#[test]
fn the_trackers_unit_runs_as_written_with_both_keys_as_credentials() {
    let place = Place::new();
    let Some(managed) = Managed::new(&place, Unit::shipped("tracker")) else { return };
    managed.load_credential("node.key", &key(&place, "tracker.key"));
    managed.load_credential("atlas.key", &key(&place, "atlas.key"));
    // Names without a folder. No such files are beside the configuration, so credentials are used.
    managed.configure(
        "identity = \"node.key\"\natlas-signing-key = \"atlas.key\"\nlisten = [\"/ip4/127.46.2.1/tcp/0\"]\n\
         admin = \"127.0.0.1:0\"\n",
    );
    let first = lives(&managed);
    assert_eq!(lives(&managed), first);
    assert!(!managed.state.join("identity.key").exists());
}

#[test]
fn a_credential_that_everybody_can_read_is_refused_before_the_service_starts() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let Some(managed) = Managed::new(&place, Unit::shipped("seeder")) else { return };
    managed.load_credential("identity.key", &key(&place, "seeder.key"));
    let credential = managed.credentials.join("identity.key");
    fs::set_permissions(&credential, PermissionsExt::from_mode(0o444)).unwrap();
    managed.configure(&format!("root = \"{}\"\n", place.folder("root").display()));
    let checked = Process::start("check", managed.command("ExecStart").arg("--check-config"));
    assert_eq!(checked.wait_exit(PATIENCE), 28, "{}", checked.tail());
    assert!(checked.tail().contains("chmod 600"), "{}", checked.tail());
}

#[test]
fn the_units_bound_memory_and_show_how_a_key_is_given() {
    for part in ["seeder", "tracker"] {
        let unit = Unit::shipped(part);
        for key in ["MemoryHigh", "MemoryMax", "LimitNOFILE", "StateDirectory"] {
            assert_eq!(unit.values(key).len(), 1, "{part}: {key}");
        }
        assert_eq!(unit.values("#LoadCredential").len(), 1, "{part}");
        // systemd applies RestartPreventExitStatus= only to the main process. A failing check
        // before it would be repeated every five seconds, for ever.
        assert!(unit.values("ExecStartPre").is_empty() && unit.values("RestartPreventExitStatus").len() == 1);
    }
}

#[test]
fn the_service_manager_finds_the_units_tight() {
    let place = Place::new();
    for part in ["seeder", "tracker"] {
        let file = Unit::shipped(part).written(place.path());
        let mut analyze = Command::new("systemd-analyze");
        analyze
            .args(["security", "--no-pager", "--offline=true", "--threshold", EXPOSURE_TENTHS_MAX])
            .arg(&file);
        match analyze.output() {
            Ok(output) => {
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said);
                if said.contains("unrecognized option") {
                    println!("skipped: this systemd-analyze looks at loaded units only");
                    return;
                }
                assert!(output.status.success(), "{part}: {said}");
            }
            Err(_) => println!("skipped: there is no systemd-analyze here"),
        }
    }
}
