//! How peers are spread over ASes.

use nearcast_core::asn::{Asn, AsnError};

/// How many peers live in which AS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placing {
    /// Everywhere: an AS gets peers in proportion to its IPv4 addresses, as chance has it.
    ByAddresses,
    /// So many peers in each of so many stub ASes, which the seed chooses. A stub has no customers.
    Sizes(Vec<u32>),
    /// So many peers in each of these ASes.
    File(Vec<(Asn, u32)>),
}

/// A line that is no AS with its number of peers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct RowError {
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong with it.
    pub problem: RowProblem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// It does not have two words.
    #[error("{0:?} is not an AS number and a number of peers, such as \"AS64500 12\"")]
    Words(String),
    /// The first word is no AS number.
    #[error("{0:?} is no AS: {1}")]
    Asn(String, AsnError),
    /// The second word is no number.
    #[error("{0:?} is no number of peers")]
    Count(String),
    /// The AS had a line already.
    #[error("{0} has a line already")]
    Twice(Asn),
}

impl Placing {
    /// Reads rows of an AS number and a number of peers, such as `AS64500 12`. Empty lines, and what
    /// follows a `#`, are left out.
    ///
    /// # Errors
    /// At the first line that is no such row, or names an AS a second time.
    pub fn from_rows(text: &str) -> Result<Placing, RowError> {
        let mut rows: Vec<(Asn, u32)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for (at, line) in text.lines().enumerate() {
            let words = line.split('#').next().unwrap_or_default().trim();
            if words.is_empty() {
                continue;
            }
            let error = |problem| RowError { line: at + 1, problem };
            let (asn, peers) = row(words).map_err(error)?;
            if !seen.insert(asn) {
                return Err(error(RowProblem::Twice(asn)));
            }
            rows.push((asn, peers));
        }
        Ok(Placing::File(rows))
    }

    /// The number of peers that is said. `None`: any number will do.
    pub fn peers(&self) -> Option<u64> {
        match self {
            Placing::ByAddresses => None,
            Placing::Sizes(sizes) => Some(sizes.iter().map(|&size| u64::from(size)).sum()),
            Placing::File(rows) => Some(rows.iter().map(|&(_, size)| u64::from(size)).sum()),
        }
    }
}

fn row(text: &str) -> Result<(Asn, u32), RowProblem> {
    let mut words = text.split_whitespace();
    let (Some(asn), Some(peers), None) = (words.next(), words.next(), words.next()) else {
        return Err(RowProblem::Words(text.to_owned()));
    };
    let asn = asn.parse().map_err(|error| RowProblem::Asn(asn.to_owned(), error))?;
    let peers = peers.parse().map_err(|_| RowProblem::Count(peers.to_owned()))?;
    Ok((asn, peers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_without_remarks() {
        let read = Placing::from_rows("# where they live\n\nAS64500 12\r\n 64501\t3  # three\n").unwrap();
        assert_eq!(read, Placing::File(vec![(Asn(64_500), 12), (Asn(64_501), 3)]));
        assert_eq!(read.peers(), Some(15));
        assert_eq!(Placing::ByAddresses.peers(), None);
    }

    #[test]
    fn a_wrong_row_is_told_with_its_line() {
        let error = |text: &str| {
            let RowError { line, problem } = Placing::from_rows(text).unwrap_err();
            (line, problem)
        };
        assert_eq!(error("64500 1\n64501"), (2, RowProblem::Words("64501".into())));
        assert_eq!(error("64500 1 2"), (1, RowProblem::Words("64500 1 2".into())));
        assert_eq!(error("\n\nhere 1"), (3, RowProblem::Asn("here".into(), AsnError)));
        assert_eq!(error("64500 -1"), (1, RowProblem::Count("-1".into())));
        assert_eq!(error("64500 1\nAS64500 1"), (2, RowProblem::Twice(Asn(64_500))));
        let text = Placing::from_rows("64500 1\n64501 x").unwrap_err().to_string();
        assert_eq!(text, "line 2: \"x\" is no number of peers");
    }
}
