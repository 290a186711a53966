//! The status as JSON.

use nearcast_core::paths::printable_json;

use super::Status;

/// The status as JSON, in which no name can do anything to the terminal that it is shown in.
///
/// # Errors
/// When a number cannot be written; a test shows that all can.
pub(crate) fn json(status: &Status) -> serde_json::Result<String> {
    let mut text = printable_json(&serde_json::to_string(status)?);
    text.push('\n');
    Ok(text)
}
