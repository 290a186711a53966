//! An atlas as a file: small on disk, and checked before anything is believed of it.
//!
//! ```text
//! 8 bytes   NCATLAS1
//! 32        SHA-256 of all that follows
//! 8         version, seconds since 1970, little-endian
//! 4         length of the body, little-endian
//! …         the body, deflated (RFC 1950)
//! ```
//!
//! The body is a row of columns, each a LEB128 length and that many bytes; numbers in columns are
//! LEB128, too. Like values stand together, so that deflating finds them: an atlas of the Internet
//! takes some three megabytes.

use sha2::{Digest, Sha256};

use super::{
    Atlas, Graph, Names, Ranges,
    graph::Node,
    ranges::{Address, Start},
};
use crate::{
    place::asn::Relation,
    saturate::{to_u8, to_u32},
};

const MAGIC: &[u8; 8] = b"NCATLAS1";
const HASH_BYTES: usize = 32;
/// Where the hashed part begins: the version, the length, the body.
const HASHED_AT: usize = MAGIC.len() + HASH_BYTES;
const HEADER_BYTES: usize = HASHED_AT + 12;
/// The most bytes of the body before deflating: six times those of the Internet of 2026.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Deflating level: the file is made seldom and sent often.
const DEFLATE_LEVEL: u8 = 9;

/// The most bytes of a file: a reader need not take more from a stranger.
pub const ATLAS_BYTES_MAX: usize = 32 << 20;

/// Why bytes are no atlas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AtlasError {
    /// Something else, or a format of another version.
    #[error("this is not an atlas of nearcast's format 1; make one with: nearcast-tracker atlas build")]
    NotAnAtlas,
    /// Over 32 MiB, or 64 MiB when inflated.
    #[error("this atlas is larger than any of the whole Internet would be")]
    TooLarge,
    /// Cut off or changed since it was made.
    #[error("this atlas is damaged: its checksum does not fit; build or fetch it anew")]
    Checksum,
    /// Its checksum fits, so its maker made it wrong.
    #[error("this atlas contradicts itself in its {0}; build it anew")]
    Inconsistent(&'static str),
}

impl Atlas {
    /// The atlas as a file.
    pub fn encode(&self) -> Vec<u8> {
        let body = self.body();
        let mut rest = self.version.to_le_bytes().to_vec();
        rest.extend(to_u32(body.len()).to_le_bytes());
        rest.extend(miniz_oxide::deflate::compress_to_vec_zlib(&body, DEFLATE_LEVEL));
        let mut file = MAGIC.to_vec();
        file.extend(Sha256::digest(&rest));
        file.extend(rest);
        file
    }

    /// Reads a file's bytes and trusts none of them. The memory taken is bounded by 64 MiB and what
    /// the bytes decode to. Addresses that belong to nobody have no AS afterwards, whatever the
    /// file says ([`Atlas::without_reserved`]).
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn decode(bytes: &[u8]) -> Result<Atlas, AtlasError> {
        if bytes.len() > ATLAS_BYTES_MAX {
            return Err(AtlasError::TooLarge);
        }
        if bytes.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(AtlasError::NotAnAtlas);
        }
        let (header, deflated) = bytes.split_at_checked(HEADER_BYTES).ok_or(AtlasError::Checksum)?;
        let (hash, rest) = (&header[MAGIC.len()..HASHED_AT], &bytes[HASHED_AT..]);
        if Sha256::digest(rest)[..] != *hash {
            return Err(AtlasError::Checksum);
        }
        let (version, length) = header[HASHED_AT..].split_at(8);
        let version = version.try_into().map(u64::from_le_bytes).map_err(|_| AtlasError::Checksum)?;
        let length = length.try_into().map(u32::from_le_bytes).map_err(|_| AtlasError::Checksum)? as usize;
        if length > BODY_BYTES_MAX {
            return Err(AtlasError::TooLarge);
        }
        let body = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(deflated, length)
            .map_err(|_| AtlasError::Inconsistent("body"))?;
        read_body(version, &body).map(Atlas::without_reserved)
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut column = |bytes: &[u8]| {
            put(&mut body, bytes.len() as u64);
            body.extend(bytes);
        };
        column(&numbers([self.prefixes_v4, self.prefixes_v6]));
        column(&numbers(gaps(self.ases.iter().map(|&number| u64::from(number)))));
        let names: Vec<&str> =
            (0..self.ases.len()).map(|at| self.names.get(at).unwrap_or_default()).collect();
        column(names.join("\n").as_bytes());
        column(&numbers(self.origin_sets.iter().map(|set| set.len() as u64)));
        column(&numbers(self.origin_sets.iter().flatten().map(|&node| u64::from(node))));
        write_ranges(&self.v4, &mut column);
        write_ranges(&self.v6, &mut column);
        let higher = |node: Node| self.graph.neighbours(node).filter(move |&(other, _)| other > node);
        let nodes = 0..to_u32(self.ases.len());
        column(&numbers(nodes.clone().map(|node| higher(node).count() as u64)));
        let from_node =
            |node: Node| gaps(higher(node).map(move |(other, _)| u64::from(other.abs_diff(node))));
        column(&numbers(nodes.clone().flat_map(from_node)));
        let relations = nodes.flat_map(|node| higher(node).map(|(_, relation)| relation as u8));
        column(&relations.collect::<Vec<u8>>());
        body
    }
}

/// Writes starts as the gaps between them. A gap is mostly a power of two, so its exponent and the
/// rest are columns of their own.
fn write_ranges<K: Address>(ranges: &Ranges<K>, column: &mut impl FnMut(&[u8])) {
    let starts: Vec<u128> = ranges.iter().map(|(start, _)| start.to_u128()).collect();
    let (mut shifts, mut odd_parts) = (Vec::new(), Vec::new());
    for pair in starts.windows(2) {
        let gap = pair[1].abs_diff(pair[0]);
        shifts.push(to_u8(gap.trailing_zeros()));
        put_wide(&mut odd_parts, gap >> gap.trailing_zeros() >> 1);
    }
    column(&shifts);
    column(&odd_parts);
    column(&numbers(ranges.iter().map(|(_, owner)| u64::from(owner))));
}

fn read_body(version: u64, body: &[u8]) -> Result<Atlas, AtlasError> {
    use AtlasError::Inconsistent;
    let mut body = Column(body);
    let mut counts = body.column("counts")?;
    let (prefixes_v4, prefixes_v6) = (counts.number("counts")?, counts.number("counts")?);
    let ases = read_ases(body.column("ASes")?)?;
    let names = read_names(&body.column("names")?, ases.len())?;
    let lengths = body.column("origin sets")?;
    let origin_sets = read_origin_sets(lengths, body.column("origin sets")?, ases.len())?;
    let owners = ases.len().saturating_add(origin_sets.len());
    let v4 = read_ranges(&mut body, owners)?;
    let v6 = read_ranges(&mut body, owners)?;
    let graph = read_graph(&mut body, ases.len())?;
    if !body.0.is_empty() {
        return Err(Inconsistent("end"));
    }
    Ok(Atlas { version, ases, names, origin_sets, v4, v6, prefixes_v4, prefixes_v6, graph })
}

fn read_ases(mut column: Column<'_>) -> Result<Box<[u32]>, AtlasError> {
    const WHAT: &str = "ASes";
    // A number takes at least a byte, so the memory reserved is bounded by the bytes read.
    let mut ases: Vec<u32> = Vec::with_capacity(column.0.len());
    while !column.0.is_empty() {
        let gap = column.number(WHAT)?;
        let number = match ases.last() {
            Some(&last) if gap > 0 => u64::from(last).checked_add(gap),
            Some(_) => None,
            None => Some(gap),
        };
        let number = number.and_then(|number| u32::try_from(number).ok());
        ases.push(number.ok_or(AtlasError::Inconsistent(WHAT))?);
    }
    // Only a bad file could have more: the graph packs the index of an AS with two bits beside it.
    if ases.len() >= super::graph::NODES_MAX {
        return Err(AtlasError::Inconsistent(WHAT));
    }
    ases.shrink_to_fit();
    Ok(ases.into())
}

fn read_names(column: &Column<'_>, ases: usize) -> Result<Names, AtlasError> {
    const BAD: AtlasError = AtlasError::Inconsistent("names");
    let text = std::str::from_utf8(column.0).map_err(|_| BAD)?;
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(BAD);
    }
    if ases == 0 && text.is_empty() {
        return Names::new(std::iter::empty()).ok_or(BAD);
    }
    if text.split('\n').count() != ases {
        return Err(BAD);
    }
    Names::new(text.split('\n')).ok_or(BAD)
}

fn read_origin_sets(
    mut lengths: Column<'_>,
    mut members: Column<'_>,
    ases: usize,
) -> Result<Box<[Box<[Node]>]>, AtlasError> {
    const BAD: AtlasError = AtlasError::Inconsistent("origin sets");
    let mut sets = Vec::new();
    while !lengths.0.is_empty() {
        let length = lengths.number("origin sets")?;
        if length < 2 || length > members.0.len() as u64 {
            return Err(BAD);
        }
        let member = |_| members.below(ases, "origin sets");
        sets.push((0..length).map(member).collect::<Result<Box<[Node]>, _>>()?);
    }
    if members.0.is_empty() { Ok(sets.into()) } else { Err(BAD) }
}

fn read_ranges<K: Address>(body: &mut Column<'_>, owners_known: usize) -> Result<Ranges<K>, AtlasError> {
    const WHAT: &str = "ranges";
    let bad = || AtlasError::Inconsistent(WHAT);
    let (shifts, mut odd_parts) = (body.column(WHAT)?, body.column(WHAT)?);
    let mut owners = body.column(WHAT)?;
    let mut ranges: Vec<Start<K>> = Vec::with_capacity(shifts.0.len().saturating_add(1));
    let owner = |owners: &mut Column<'_>| owners.below(owners_known.saturating_add(1), WHAT);
    ranges.push((K::ZERO, owner(&mut owners)?));
    let mut at = 0_u128;
    for &shift in shifts.0 {
        let odd = odd_parts.wide(WHAT)?;
        let gap = odd
            .checked_mul(2)
            .and_then(|even| (even | 1).checked_shl(shift.into()).filter(|gap| gap >> shift == even | 1));
        at = gap.and_then(|gap| at.checked_add(gap)).ok_or_else(bad)?;
        ranges.push((K::from_u128(at).ok_or_else(bad)?, owner(&mut owners)?));
    }
    let joined = ranges.windows(2).any(|pair| pair[0].1 == pair[1].1);
    if joined || !odd_parts.0.is_empty() || !owners.0.is_empty() {
        return Err(bad());
    }
    Ok(Ranges::new(ranges))
}

fn read_graph(body: &mut Column<'_>, ases: usize) -> Result<Graph, AtlasError> {
    const WHAT: &str = "links";
    let bad = || AtlasError::Inconsistent(WHAT);
    let (mut degrees, mut gaps) = (body.column(WHAT)?, body.column(WHAT)?);
    let relations = body.column(WHAT)?.0;
    let mut links: Vec<(Node, Node, Relation)> = Vec::with_capacity(relations.len());
    for node in 0..to_u32(ases) {
        let mut other = node;
        for _ in 0..degrees.number(WHAT)? {
            let gap = gaps.below(ases, WHAT)?;
            let next = other.checked_add(gap).filter(|&next| next > other && (next as usize) < ases);
            other = next.ok_or_else(bad)?;
            let relation = match relations.get(links.len()).ok_or_else(bad)? {
                0 => Relation::Customer,
                1 => Relation::Peer,
                2 => Relation::Provider,
                3 => Relation::Unknown,
                _ => return Err(bad()),
            };
            links.push((node, other, relation));
        }
    }
    if links.len() != relations.len() || !degrees.0.is_empty() || !gaps.0.is_empty() {
        return Err(bad());
    }
    Ok(Graph::new(ases, &links))
}

/// Ascending numbers as the first one and the gaps between them.
fn gaps(ascending: impl Iterator<Item = u64>) -> impl Iterator<Item = u64> {
    let mut last = 0;
    ascending.map(move |number| number.saturating_sub(std::mem::replace(&mut last, number)))
}

fn numbers(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    numbers.into_iter().for_each(|number| put(&mut bytes, number));
    bytes
}

fn put(bytes: &mut Vec<u8>, number: u64) {
    put_wide(bytes, number.into());
}

fn put_wide(bytes: &mut Vec<u8>, mut number: u128) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

/// Bytes still to be read.
struct Column<'a>(&'a [u8]);

impl<'a> Column<'a> {
    /// The next column inside of this one.
    fn column(&mut self, what: &'static str) -> Result<Column<'a>, AtlasError> {
        let length = self.number(what)?;
        let length = usize::try_from(length).map_err(|_| AtlasError::Inconsistent(what))?;
        let (column, rest) = self.0.split_at_checked(length).ok_or(AtlasError::Inconsistent(what))?;
        self.0 = rest;
        Ok(Column(column))
    }

    fn wide(&mut self, what: &'static str) -> Result<u128, AtlasError> {
        let mut number = 0_u128;
        for shift in (0..u128::BITS).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(AtlasError::Inconsistent(what))?;
            self.0 = rest;
            let part = u128::from(byte & 0x7f);
            if part << shift >> shift != part {
                break;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(AtlasError::Inconsistent(what))
    }

    fn number(&mut self, what: &'static str) -> Result<u64, AtlasError> {
        self.wide(what)?.try_into().map_err(|_| AtlasError::Inconsistent(what))
    }

    /// A number below `bound`. `bound` counts things that were read before, so the number fits.
    fn below(&mut self, bound: usize, what: &'static str) -> Result<u32, AtlasError> {
        let number = self.number(what)?;
        let number = u32::try_from(number).ok().filter(|&number| (number as usize) < bound);
        number.ok_or(AtlasError::Inconsistent(what))
    }
}
