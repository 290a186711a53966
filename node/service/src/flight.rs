//! The flight recorder of a program's node: where its user wants it to write.

use std::{env, path::PathBuf};

/// The variable that names the file.
const VARIABLE: &str = "NEARCAST_FLIGHT";

/// The folder of [`file()`], which a sandbox has to leave writable.
pub fn folder() -> Option<PathBuf> {
    let file = file()?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    Some(folder.map_or_else(|| PathBuf::from("."), PathBuf::from))
}

/// The file that `NEARCAST_FLIGHT` names. `None`: nobody asked for a flight.
///
/// No setting of any program: it is for finding out what a node decided, and nobody runs with it.
pub fn file() -> Option<PathBuf> {
    env::var_os(VARIABLE).filter(|file| !file.is_empty()).map(PathBuf::from)
}
