//! AS paths as routers send them, made into what can be relied on: who originates, and who is linked to whom.
//!
//! Invariant: no AS stands twice in a [`Path`], and every AS in it is public. Two that follow each other in
//! [`Path::hops`] did so on the wire, but for prepends and numbers that are not public. A path with a loop shows no link: who
//! originates put others into it to keep them out, or somebody made a mistake, and which links are real nobody can tell. The last
//! AS of it is still the origin.

use bgpkit_parser::models::{AsPath, AsPathSegment, Asn as WireAsn};
use nearcast_core::asn::Asn;

/// Longer paths do not occur but by mistake or malice (the longest seen are prepends, which count once), and show no link. Bounds
/// the quadratic search for loops.
pub const HOPS_MAX: usize = 64;
/// An aggregate of more origins tells nothing about where somebody is.
pub const ORIGINS_MAX: usize = 16;

/// A cleaned AS path. At least one origin is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    hops: Vec<Asn>,
    origins: Vec<Asn>,
}

/// Why a path is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing public at its end.
    #[error("the origin of the path is not known")]
    NoOrigin,
    /// More than [`ORIGINS_MAX`] origins.
    #[error("the path has too many origins")]
    TooManyOrigins,
}

impl Path {
    /// The ASes the route passed, the one nearest to whoever told it first. Each pair is a link. Ends before the origin
    /// when what lies between is not known (`AS_SET`, `AS_TRANS`). Empty when no link can be believed: the path has a loop,
    /// or more than [`HOPS_MAX`] ASes.
    pub fn hops(&self) -> &[Asn] {
        &self.hops
    }

    /// Who originates the prefix: one AS, or the members of the `AS_SET` at the end, ascending. Never empty.
    pub fn origins(&self) -> &[Asn] {
        &self.origins
    }

    /// Links of the path, the nearer AS first.
    pub fn links(&self) -> impl Iterator<Item = (Asn, Asn)> + '_ {
        self.hops.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Cleans what a router sent: prepends collapsed, links of loops left out, confederation segments and numbers that are
    /// not public removed. `teller` is the AS of the router that told it, for an empty path: its own prefix.
    ///
    /// # Errors
    /// When no use can be made of the path.
    pub fn clean(path: &AsPath, teller: Asn) -> Result<Path, Unusable> {
        let mut cleaned = Path::default();
        cleaned.refill(path, teller)?;
        Ok(cleaned)
    }

    /// [`Path::clean`] into the memory of an earlier path. After an error the content means nothing.
    ///
    /// # Errors
    /// As there.
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
                // A set of one is a sequence of one: what some aggregators write.
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

    /// One more AS of a sequence.
    fn follow(&mut self, member: WireAsn, links: &mut Links) {
        let member = asn(member);
        if member == Asn::TRANS {
            // Somebody is there, and nobody says who.
            *links = (*links).max(Links::Cut);
            self.origins.clear();
            return;
        }
        // A prepend: the AS before was this one.
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

/// What a path shows of links, so far. Worse ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Links {
    /// Who follows whom is known.
    Seen,
    /// What follows an AS nobody named is not linked to what was before.
    Cut,
    /// Nobody can tell which are real.
    Doubtful,
}

fn asn(wire: WireAsn) -> Asn {
    Asn(wire.into())
}

#[cfg(test)]
mod tests;
