//! Text files with one fact a line, from any source: unreadable lines are skipped and counted.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read},
};

/// No format read here has longer lines.
const LINE_BYTES_MAX: usize = 64 << 10;

/// The first unreadable line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The line number, from 1.
    pub number: u64,
    /// What was expected.
    pub reason: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.reason)
    }
}

/// Byte order marks that some programs put at the beginning of a text: of UTF-8, where it means
/// nothing, and of UTF-16.
const MARK: &[u8] = b"\xef\xbb\xbf";
const MARKS_OF_UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// What such a file contained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Useful lines.
    pub good: u64,
    /// Unreadable lines.
    pub bad: u64,
    /// The first unreadable line.
    pub first_bad: Option<BadLine>,
    /// The file is packed and damaged: the rest could not be unpacked.
    pub cut_off: bool,
}

impl LineCounts {
    /// Whether the file has no lines at all, not even unreadable ones.
    pub fn is_empty(&self) -> bool {
        self.good == 0 && self.bad == 0
    }
}

/// Passes each line to `take`, without its end and surrounding blanks. Skips empty lines, and lines
/// that begin with one of `comments`.
///
/// # Errors
/// If reading fails. Damage to a packed file is no error: it ends the file.
pub fn for_each(
    reader: impl Read,
    comments: &[char],
    mut take: impl FnMut(&str) -> Result<(), String>,
) -> io::Result<LineCounts> {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let mut counts = LineCounts::default();
    let mut line = Vec::new();
    for number in 1.. {
        match next_line(&mut reader, &mut line) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) if super::packed::is_damage(&error) => {
                counts.cut_off = true;
                break;
            }
            Err(error) => return Err(error),
        }
        if number == 1 && line.starts_with(MARK) {
            line.drain(..MARK.len());
        }
        let taken = match std::str::from_utf8(&line) {
            _ if number == 1 && MARKS_OF_UTF_16.iter().any(|mark| line.starts_with(mark)) => {
                Err("the file is text in UTF-16; save it as UTF-8".to_owned())
            }
            _ if line.len() > LINE_BYTES_MAX => Err("it is longer than any such line".to_owned()),
            Err(_) => Err("it is no text in UTF-8".to_owned()),
            Ok(text) => {
                let text = text.trim();
                if text.is_empty() || text.starts_with(comments) {
                    continue;
                }
                take(text)
            }
        };
        match taken {
            Ok(()) => counts.good = counts.good.saturating_add(1),
            Err(reason) => {
                counts.bad = counts.bad.saturating_add(1);
                counts.first_bad.get_or_insert(BadLine { number, reason });
            }
        }
    }
    Ok(counts)
}

/// Reads to the end of the line. Keeps only as much of a too long line as shows its length. Returns
/// false at the end of the file.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut began = false;
    loop {
        let available = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if available.is_empty() {
            return Ok(began);
        }
        began = true;
        let end = available.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(available.len(), |end| end.saturating_add(1));
        let kept = used.min((LINE_BYTES_MAX + 1).saturating_sub(line.len()));
        line.extend_from_slice(&available[..kept]);
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> (Vec<String>, LineCounts) {
        let mut lines = Vec::new();
        let counts = for_each(text, &['#'], |line| {
            if line == "wrong" {
                return Err("it is wrong".to_owned());
            }
            lines.push(line.to_owned());
            Ok(())
        });
        (lines, counts.unwrap())
    }

    #[test]
    fn bad_lines_are_skipped_counted_and_the_first_is_named() {
        let (lines, counts) = read(b"# head\none\r\nwrong\n\n\xff\ntwo");
        assert_eq!(lines, ["one", "two"]);
        assert_eq!((counts.good, counts.bad), (2, 2));
        assert_eq!(counts.first_bad.unwrap().to_string(), "line 3: it is wrong");
    }

    #[test]
    fn marks_ends_and_blanks_are_no_part_of_a_line() {
        let (lines, counts) = read(b"\xef\xbb\xbfone\r\n  # remark\n \t\r\n two \r\n");
        assert_eq!((lines, counts.good, counts.bad), (vec!["one".into(), "two".into()], 2, 0));
        let (_, counts) = read(b"\xff\xfeo\0n\0e\0\n\0");
        assert_eq!(
            counts.first_bad.unwrap().to_string(),
            "line 1: the file is text in UTF-16; save it as UTF-8"
        );
        assert!(read(b"# remark\n\n").1.is_empty());
    }

    #[test]
    fn an_endless_line_is_one_bad_line_and_takes_no_memory() {
        let mut text = vec![b'x'; 10 * LINE_BYTES_MAX];
        text.extend_from_slice(b"\nafter\n");
        let (lines, counts) = read(&text);
        assert_eq!(lines, ["after"]);
        assert_eq!(counts.bad, 1);
        let mut line = Vec::new();
        next_line(&mut BufReader::new(&text[..]), &mut line).unwrap();
        assert!(line.capacity() <= 4 * LINE_BYTES_MAX, "{}", line.capacity());
    }

    #[test]
    fn what_was_unpacked_before_the_damage_counts() {
        let truncated = Read::chain(&b"one\ntwo\nth"[..], Failing(io::ErrorKind::UnexpectedEof));
        let counts = for_each(truncated, &['#'], |_| Ok(())).unwrap();
        assert!(counts.cut_off);
        assert_eq!(counts.good, 2);
        assert!(for_each(Failing(io::ErrorKind::Other), &['#'], |_| Ok(())).is_err());
    }

    struct Failing(io::ErrorKind);

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
    }
}
