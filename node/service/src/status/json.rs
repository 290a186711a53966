//! The status as JSON.

use nearcast_core::paths::printable_json;

use super::Status;

/// The status as JSON. No name in it can affect the terminal that shows it.
///
/// # Errors
/// If a number cannot be written. A test shows that all can.
pub(crate) fn json(status: &Status) -> serde_json::Result<String> {
    let mut text = printable_json(&serde_json::to_string(status)?);
    text.push('\n');
    Ok(text)
}
