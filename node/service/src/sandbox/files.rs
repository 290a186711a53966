//! File restrictions by Landlock, which needs no privilege. A path that is not named cannot be
//! opened, whatever user the service runs as.

use std::{
    env,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, path_beneath_rules,
};

use super::Sandbox;
use crate::state::make_private_folder;

/// The rights that are restricted. An older kernel knows fewer of them, and the log says so.
const KNOWN: ABI = ABI::V5;
/// What the C library, TLS and the allocator read: names and resolver settings, certificates, time
/// zones, libraries loaded late, the number of cores.
const SYSTEM: [&str; 16] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/proc",
    "/sys",
    "/dev",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/run/connman",
    "/run/nscd",
    "/var/run/nscd",
    "/var/lib/ca-certificates",
    "/nix/store",
    "/gnu/store",
];
/// Environment variables that name further paths to read.
const VARIABLES: [&str; 3] = ["SSL_CERT_FILE", "SSL_CERT_DIR", "CREDENTIALS_DIRECTORY"];

/// Closes the file sandbox. Returns what it restricts, or what is lacking.
pub(super) fn hold(sandbox: &Sandbox) -> Result<String, String> {
    for folder in &sandbox.writes {
        // If a folder cannot be made, the code that writes there reports it.
        let _ = make_private_folder(folder);
    }
    match restrict(sandbox) {
        Ok(RulesetStatus::FullyEnforced) => Ok(told(sandbox, "")),
        Ok(RulesetStatus::PartiallyEnforced) => Ok(told(sandbox, ", as far as this kernel can")),
        Ok(RulesetStatus::NotEnforced) => {
            Err("this kernel has no Landlock, or it is switched off".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn told(sandbox: &Sandbox, how: &str) -> String {
    let shown: Vec<_> = sandbox.writes.iter().map(|path| path.display().to_string()).collect();
    let shown = if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") };
    format!("by Landlock{how} (written: {shown}; run: none)")
}

fn restrict(sandbox: &Sandbox) -> Result<RulesetStatus, RulesetError> {
    let all = AccessFs::from_all(KNOWN);
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = all & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let variables = VARIABLES.iter().filter_map(env::var_os).map(PathBuf::from);
    // Without the program file a panic has no names in its backtrace.
    let program = env::current_exe().ok();
    let system = SYSTEM.iter().map(PathBuf::from).chain(variables).chain(program);
    let reads: Vec<PathBuf> = system.chain(sandbox.reads.iter().map(|path| named(path))).collect();
    let created = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .create()?
        .add_rules(path_beneath_rules(&reads, read))?
        .add_rules(path_beneath_rules(sandbox.writes.iter().map(|path| named(path)), write))?;
    Ok(created.restrict_self()?.ruleset)
}

/// An empty path means the current folder.
fn named(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() }
}
