//! Cleans AS paths as routers send them: the reliable part is who originates, and who is linked to
//! whom.
//!
//! Invariant: a [`Path`] has no AS twice, and every AS in it is public. Two neighbours in
//! [`Path::hops`] were neighbours in the received path, apart from prepends and non-public numbers.
//! A path with a loop shows no link: either its origin has put others into it to keep them out, or
//! there is a mistake, and nobody can tell which links are real. Its last AS is still the origin.

use bgpkit_parser::models::{AsPath, AsPathSegment, Asn as WireAsn};
use nearcast_core::asn::Asn;

/// A longer path is a mistake or an attack (the longest seen are prepends, which count once), and
/// shows no link. This bounds the quadratic search for loops.
pub const HOPS_MAX: usize = 64;
/// An aggregate of more origins does not locate its addresses.
pub const ORIGINS_MAX: usize = 16;

/// A cleaned AS path. At least one origin is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    hops: Vec<Asn>,
    origins: Vec<Asn>,
}

/// Why a path is unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The path does not end in a public AS.
    #[error("the origin of the path is not known")]
    NoOrigin,
    /// More than [`ORIGINS_MAX`] origins.
    #[error("the path has too many origins")]
    TooManyOrigins,
}

impl Path {
    /// The ASes that the route passed, the one nearest to the reporting router first. Each pair is
    /// a link. The list ends before the origin if the way there is unknown (`AS_SET`, `AS_TRANS`).
    /// It is empty if no link is reliable: the path has a loop, or more than [`HOPS_MAX`] ASes.
    pub fn hops(&self) -> &[Asn] {
        &self.hops
    }

    /// The origins of the prefix: one AS, or the members of the `AS_SET` at the end, ascending.
    /// Never empty.
    pub fn origins(&self) -> &[Asn] {
        &self.origins
    }

    /// The links of the path, the nearer AS first.
    pub fn links(&self) -> impl Iterator<Item = (Asn, Asn)> + '_ {
        self.hops.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Cleans a received path: collapses prepends, leaves out links of loops, removes confederation
    /// segments and non-public numbers. `teller` is the AS of the reporting router; it is the
    /// origin of an empty path, which means its own prefix.
    ///
    /// # Errors
    /// If the path is unusable.
    pub fn clean(path: &AsPath, teller: Asn) -> Result<Path, Unusable> {
        let mut cleaned = Path::default();
        cleaned.refill(path, teller)?;
        Ok(cleaned)
    }

    /// As [`Path::clean`], reusing the memory of an earlier path. After an error the content is
    /// meaningless.
    ///
    /// # Errors
    /// As [`Path::clean`].
    pub fn refill(&mut self, path: &AsPath, teller: Asn) -> Result<(), Unusable> {
        self.hops.clear();
        self.origins.clear();
        let mut links = Links::Seen;
        let mut empty = true;
        for segment in path.iter_segments() {
            match segment {
                AsPathSegment::AsSequence(members) => {
                    for &member in members {
                        empty = false;
                        self.follow(member, &mut links);
                    }
                }
                // A set of one is a sequence of one; some aggregators write it.
                AsPathSegment::AsSet(members) if members.len() == 1 => {
                    empty = false;
                    self.follow(members[0], &mut links);
                }
                AsPathSegment::AsSet(members) => {
                    empty &= members.is_empty();
                    links = links.max(Links::Cut);
                    self.origins.clear();
                    self.origins
                        .extend(members.iter().map(|&member| asn(member)).filter(|asn| asn.is_public()));
                }
                AsPathSegment::ConfedSequence(_) | AsPathSegment::ConfedSet(_) => {}
            }
        }
        if links == Links::Doubtful {
            self.hops.clear();
        }
        if empty && teller.is_public() {
            self.hops.push(teller);
            self.origins.push(teller);
        }
        self.origins.sort_unstable();
        self.origins.dedup();
        match self.origins.len() {
            0 => Err(Unusable::NoOrigin),
            1..=ORIGINS_MAX => Ok(()),
            _ => Err(Unusable::TooManyOrigins),
        }
    }

    /// Adds one more AS of a sequence.
    fn follow(&mut self, member: WireAsn, links: &mut Links) {
        let member = asn(member);
        if member == Asn::TRANS {
            // An AS is there, but its number is unknown.
            *links = (*links).max(Links::Cut);
            self.origins.clear();
            return;
        }
        // A prepend, if the AS before was the same.
        if !member.is_public() || self.origins == [member] {
            return;
        }
        self.origins.clear();
        self.origins.push(member);
        if *links == Links::Doubtful {
            return;
        }
        if self.hops.contains(&member) || self.hops.len() == HOPS_MAX {
            *links = Links::Doubtful;
        } else if *links == Links::Seen {
            self.hops.push(member);
        }
    }
}

/// How much a path shows of links so far; a worse state is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Links {
    /// The order of ASes is known.
    Seen,
    /// An AS after an unknown one is not linked to those before.
    Cut,
    /// Nobody can tell which links are real.
    Doubtful,
}

fn asn(wire: WireAsn) -> Asn {
    Asn(wire.into())
}

#[cfg(test)]
mod tests;
