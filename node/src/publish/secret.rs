//! Detects secret keys by their content. A user who publishes a folder does not mean to publish the
//! key in it, and what was published once cannot be taken back.

use std::{fs::File, io, os::unix::fs::FileExt};

use crate::key::is_secret_key;

/// In bytes. A larger file is no key file.
const BYTES_MAX: u64 = 64 * 1024;
/// In bytes. Our own key files are much shorter.
const OWN_BYTES_MAX: usize = 4096;
/// The text of a key begins within this many lines after its first line. Otherwise the line is only
/// a mention of a key.
const HEADER_LINES_MAX: usize = 8;
/// Letters in a line of the text of a key, at least.
const LETTERS_MIN: usize = 32;
/// How keys begin that are not in PEM: PuTTY, age, minisign, signify.
const BEGINNINGS: [&str; 4] = [
    "PuTTY-User-Key-File-",
    "AGE-SECRET-KEY-1",
    "untrusted comment: minisign encrypted secret key",
    "untrusted comment: signify secret key",
];

/// Whether an open file of this many bytes holds a secret key.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn is_secret(file: &File, bytes: u64) -> io::Result<bool> {
    if bytes == 0 || bytes > BYTES_MAX {
        return Ok(false);
    }
    let mut held = vec![0; usize::try_from(bytes).unwrap_or_default()];
    match file.read_exact_at(&mut held, 0) {
        Ok(()) => Ok(holds_key(&held)),
        // The file was cut off meanwhile. Hashing will notice that.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn holds_key(bytes: &[u8]) -> bool {
    if bytes.len() <= OWN_BYTES_MAX && is_secret_key(bytes) {
        return true;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)) {
            return true;
        }
        // Looks ahead without consuming the lines: a mention may stand right before a key.
        if begins_pem_key(line) && lines.clone().take(HEADER_LINES_MAX).any(is_text_of_key) {
            return true;
        }
    }
    false
}

/// Matches `-----BEGIN RSA PRIVATE KEY-----` and similar lines (RFC 7468), also of OpenPGP (RFC
/// 9580) and SSH2 (RFC 4716).
fn begins_pem_key(line: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}');
    let inner = line.trim_matches('-').trim();
    line.starts_with("----")
        && line.ends_with("----")
        && inner.starts_with("BEGIN ")
        && (inner.ends_with("PRIVATE KEY") || inner.ends_with("PRIVATE KEY BLOCK"))
}

fn is_text_of_key(line: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    line.len() >= LETTERS_MIN && line.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_kinds_are_known_and_what_speaks_of_them_is_not() {
        let letters = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
        for key in [
            format!("-----BEGIN PRIVATE KEY-----\n{letters}\n-----END PRIVATE KEY-----\n"),
            format!("-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n\r\n{letters}\r\n"),
            format!(
                "-----BEGIN CERTIFICATE-----\n{letters}\n-----END CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\n{letters}"
            ),
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{letters}\n"),
            format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{letters}\n"),
            format!("tls.key: |\n  -----BEGIN PRIVATE KEY-----\n  {letters}\n"),
            "PuTTY-User-Key-File-3: ssh-ed25519\n".to_owned(),
            "# created: 2024\nAGE-SECRET-KEY-1QQQQ\n".to_owned(),
        ] {
            assert!(holds_key(key.as_bytes()), "{key}");
        }
        for other in [
            format!("-----BEGIN CERTIFICATE-----\n{letters}\n"),
            format!("-----BEGIN PUBLIC KEY-----\n{letters}\n"),
            "A key begins with\n-----BEGIN PRIVATE KEY-----\nand so on.\n".to_owned(),
            "if line == \"-----BEGIN RSA PRIVATE KEY-----\" {".to_owned(),
            "ed25519:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".to_owned(),
        ] {
            assert!(!holds_key(other.as_bytes()), "{other}");
        }
        assert!(!holds_key(b"") && !holds_key(&[0xff; 100]));
    }

    #[test]
    fn our_own_keys_are_known_by_what_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter.txt");
        crate::key::SecretKey::create(&path).unwrap();
        let file = File::open(&path).unwrap();
        assert!(is_secret(&file, file.metadata().unwrap().len()).unwrap());
    }
}
