//! Names of folders in links.

use std::{ffi::OsStr, fmt::Write as _};

/// `name` as a part of a URL (RFC 3986): every byte that could mean something else is escaped.
pub(super) fn encoded(name: &OsStr) -> String {
    let mut text = String::new();
    for byte in name.as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere() {
        assert_eq!(encoded(OsStr::new("peers=100,seed=1")), "peers%3D100%2Cseed%3D1");
        assert_eq!(encoded(OsStr::new("a b/../?#\u{e9}")), "a%20b%2F..%2F%3F%23%C3%A9");
    }
}
