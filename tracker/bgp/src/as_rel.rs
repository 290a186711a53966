//! Files of AS relations in CAIDA's format, which others use, too: `a|b|-1` if a is a provider of
//! b, `a|b|0` if they are peers.

use std::{io, io::Read};

use nearcast_core::asn::{Asn, Relation};

use super::{
    fields::without_comment,
    lines::{LineCounts, for_each},
};

const A_LINE: &str = "it must be A|B|-1 (A is a provider of B) or A|B|0 (they are peers)";

/// Reads such a file. `take` gets two ASes and what the second is to the first. Provider cycles and
/// repeated links are passed on as they come: the last line of a link counts.
///
/// # Errors
/// If reading fails.
pub fn relations(reader: impl Read, mut take: impl FnMut(Asn, Asn, Relation)) -> io::Result<LineCounts> {
    for_each(reader, &['#', ';'], |line| {
        // Some files separate fields with bars, others with commas or blanks.
        let part = |c: char| c == '|' || c == ',' || c.is_whitespace();
        let mut fields = without_comment(line).split(part).filter(|field| !field.is_empty());
        let mut asn = || fields.next().and_then(|field| field.parse::<Asn>().ok());
        let (a, b) = (asn().ok_or(A_LINE)?, asn().ok_or(A_LINE)?);
        if a == b {
            return Err(format!("{a} is said to be linked to itself"));
        }
        // A fourth field may tell how the relation was inferred.
        let relation = match fields.next() {
            Some("-1") => Relation::Customer,
            Some("0") => Relation::Peer,
            _ => return Err(A_LINE.to_owned()),
        };
        take(a, b, relation);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use super::*;
    use crate::packed::{Meter, open};

    #[test]
    fn relations_are_read_with_comments_and_sources() {
        let mut seen = Vec::new();
        let text = "# inferred\n1|2|-1\nAS2|3|0|bgp\n 4 | 5 | 0\n6|6|0\n1|2\n1|2|7\nx|2|0\n7 8 -1\n8,9,0 # by hand\n";
        let counts = relations(text.as_bytes(), |a, b, relation| seen.push((a.0, b.0, relation))).unwrap();
        let expected = [
            (1, 2, Relation::Customer),
            (2, 3, Relation::Peer),
            (4, 5, Relation::Peer),
            (7, 8, Relation::Customer),
            (8, 9, Relation::Peer),
        ];
        assert_eq!(seen, expected);
        assert_eq!((counts.good, counts.bad), (5, 4));
        assert_eq!(counts.first_bad.unwrap().to_string(), "line 5: AS6 is said to be linked to itself");
    }

    /// ASes, links to customers and links between peers. Some links are in the file twice.
    fn count(name: &str) -> Option<(usize, usize, usize)> {
        let path = crate::data(name)?;
        let (mut ases, mut customers, mut peers) = (HashSet::new(), HashSet::new(), HashSet::new());
        let reader = open(&path, &Arc::new(Meter::default())).unwrap();
        let counts = relations(reader, |a, b, relation| {
            ases.extend([a, b]);
            let links = if relation == Relation::Peer { &mut peers } else { &mut customers };
            links.insert((a.min(b), a.max(b)));
        });
        assert_eq!(counts.unwrap().bad, 0);
        Some((ases.len(), customers.len(), peers.len()))
    }

    #[test]
    fn real_files_have_the_counts_they_are_known_to_have() {
        let of_2017 = count("toposcope-asrel-201701.txt.bz2");
        assert!(of_2017.is_none_or(|counts| counts == (56_272, 111_606, 137_360)), "{of_2017:?}");
        let of_2018 = count("toposcope-asrel-201806.txt.bz2");
        assert!(of_2018.is_none_or(|counts| counts == (61_411, 125_450, 161_766)), "{of_2018:?}");
    }
}
