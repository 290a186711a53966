//! Bencoding as it comes, outside of what is hashed: keys in any order, numbers in any form. Only
//! the info dictionary has to be canonical, and a stricter decoder reads that.
//!
//! Nothing is copied and nothing recurses: what is nested is skipped by counting.

use super::ManifestError;

/// Lists and dictionaries in each other, at most, in what is skipped.
const NESTING_MAX: usize = 256;
/// The most digits of the length of a text: they count more bytes than any file has.
const DIGITS_MAX: usize = 12;

/// Bencoded bytes, read from their beginning.
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Scan<'a> {
        Scan { bytes, at: 0 }
    }

    /// Goes into a dictionary or list. False if none begins here.
    pub(super) fn enter(&mut self, kind: u8) -> bool {
        let is_there = self.next() == Some(kind);
        self.step(usize::from(is_there));
        is_there
    }

    /// Whether a dictionary or list ends here. If so, goes behind its end.
    pub(super) fn leave(&mut self) -> bool {
        self.enter(b'e')
    }

    /// The bytes that have not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next value, if it is a text.
    pub(super) fn text(&mut self) -> Result<&'a [u8], ManifestError> {
        let digits = self.rest().iter().take(DIGITS_MAX).take_while(|byte| byte.is_ascii_digit()).count();
        let (number, behind) = self.rest().split_at(digits);
        let length = std::str::from_utf8(number).ok().and_then(|number| number.parse::<usize>().ok());
        let text = match (length, behind) {
            (Some(length), [b':', behind @ ..]) => behind.get(..length),
            _ => None,
        };
        let text = text.ok_or_else(|| self.damage())?;
        self.step(digits.saturating_add(1).saturating_add(text.len()));
        Ok(text)
    }

    /// The next value of any kind, in the bytes that encode it.
    pub(super) fn value(&mut self) -> Result<&'a [u8], ManifestError> {
        let (began, mut depth) = (self.at, 0_usize);
        loop {
            match self.next() {
                Some(b'd' | b'l') if depth < NESTING_MAX => {
                    self.step(1);
                    depth = depth.saturating_add(1);
                }
                Some(b'e') if depth > 0 => {
                    self.step(1);
                    depth = depth.saturating_sub(1);
                }
                Some(b'i') => self.number()?,
                Some(b'0'..=b'9') => {
                    self.text()?;
                }
                _ => return Err(self.damage()),
            }
            if depth == 0 {
                return Ok(self.bytes.get(began..self.at).unwrap_or_default());
            }
        }
    }

    fn number(&mut self) -> Result<(), ManifestError> {
        let digits = self.rest().get(1..).unwrap_or_default();
        let end = digits.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+'));
        match end {
            Some(end @ 1..) if digits.get(end) == Some(&b'e') => {
                self.step(end.saturating_add(2));
                Ok(())
            }
            _ => Err(self.damage()),
        }
    }

    fn step(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn next(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn damage(&self) -> ManifestError {
        ManifestError::Damaged { at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_skipped_as_a_whole_whatever_is_in_them() {
        for value in
            ["i5e", "i-0e", "i007e", "0:", "5:hello", "le", "de", "d1:bi1e1:ald1:xleeee", "ll4:spamei1ee"]
        {
            let text = format!("{value}i9e");
            let mut scan = Scan::new(text.as_bytes());
            assert_eq!(scan.value().unwrap(), value.as_bytes());
            assert_eq!(scan.rest(), b"i9e");
        }
    }

    #[test]
    fn what_is_cut_off_or_no_bencoding_is_damaged() {
        let deep = "l".repeat(NESTING_MAX + 1) + &"e".repeat(NESTING_MAX + 1);
        let long = format!("{}:", "9".repeat(400));
        for value in [
            "",
            "x",
            "i5",
            "ie",
            "i5x",
            "5:hell",
            "5",
            "l",
            "d1:a",
            "e",
            "-1:",
            "999999999999:x",
            &deep,
            &long,
        ] {
            assert!(Scan::new(value.as_bytes()).value().is_err(), "{value}");
        }
    }
}
