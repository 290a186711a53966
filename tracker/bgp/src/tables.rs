//! Tables that others made from BGP: which AS originates which addresses, and the names of ASes.
//!
//! Each line is one entry, in any of the common forms, which may be mixed. Tabs, blanks or commas
//! separate the fields:
//!
//! ```text
//! 192.0.2.0<TAB>192.0.2.255<TAB>64500     a range, its ends included (ip-location-db, iptoasn)
//! 192.0.2.0/24<TAB>64500                  a prefix (pyasn)
//! 192.0.2.0<TAB>24<TAB>64500_64501        a prefix (CAIDA), here with two origins
//! 192.0.2.0/24 AS64500 # a remark         a prefix, written by hand
//! 192.0.2.0/24,64500,"Name, Inc."         a prefix (CSV)
//! ```

use std::{io, io::Read, net::IpAddr};

use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};
use ipnetwork::IpNetwork;
use nearcast_core::asn::Asn;

use super::{
    fields::{Fields, without_comment},
    lines::{LineCounts, for_each},
};

/// What is reported for a line with an invalid number.
const AN_AS: &str = "the AS must be a number like 64500 or AS64500; several are joined by _";
const A_LINE: &str = "it must be START, END and AS, or PREFIX/LENGTH and AS, or PREFIX, LENGTH and AS, with tabs, blanks or commas \
                      between";
const A_NAME: &str = "it must be an AS and its name, with a tab, a blank or a comma between";

/// Reads a table. Each prefix goes to `take` with its origins; a range is split into prefixes. AS 0
/// means that nobody originates the addresses: such a line is valid, and skipped. A heading at the
/// start is skipped, too.
///
/// # Errors
/// If reading fails.
pub fn prefixes(reader: impl Read, mut take: impl FnMut(IpNetwork, &[Asn])) -> io::Result<LineCounts> {
    let mut origins = Vec::new();
    let mut begun = false;
    for_each(reader, &['#', ';'], |line| {
        let line = without_comment(line);
        let is_heading =
            !std::mem::replace(&mut begun, true) && !line.bytes().any(|byte| byte.is_ascii_digit());
        if is_heading && Fields::of(line).count() > 1 {
            return Ok(());
        }
        let mut fields = Fields::of(line);
        // Skip the dash of a range that is written for people.
        let mut next = || fields.find(|field| *field != "-");
        match (next(), next(), next()) {
            (Some(prefix), Some(asns), _) if prefix.contains('/') => {
                read_origins(asns, &mut origins)?;
                let net: IpNet = prefix.parse().map_err(|_| format!("\"{prefix:.60}\" is no prefix"))?;
                give(net, &origins, &mut take);
            }
            (Some(range), Some(asns), _) if range.contains('-') => {
                read_origins(asns, &mut origins)?;
                let (first, last) = range.split_once('-').unwrap_or_default();
                subnets(address(first)?, address(last)?)?.for_each(|net| give(net, &origins, &mut take));
            }
            (Some(first), Some(second), Some(asns)) => {
                read_origins(asns, &mut origins)?;
                let first: IpAddr = address(first)?;
                if let Ok(bits) = second.parse::<u8>() {
                    let net =
                        IpNet::new(first, bits).map_err(|_| format!("/{bits} is too long for {first}"))?;
                    give(net, &origins, &mut take);
                } else {
                    subnets(first, address(second)?)?.for_each(|net| give(net, &origins, &mut take));
                }
            }
            _ => return Err(A_LINE.to_owned()),
        }
        Ok(())
    })
}

/// Reads names: an AS, then a tab, blank or comma, then its name. Skips a heading at the start, and
/// anything after a quoted name.
///
/// # Errors
/// If reading fails.
pub fn names(reader: impl Read, mut take: impl FnMut(Asn, &str)) -> io::Result<LineCounts> {
    let mut begun = false;
    for_each(reader, &['#', ';'], |line| {
        let line = line.trim();
        let Some((asn, behind)) = line.split_once([',', '\t', ' ']) else {
            // The AS alone has no name.
            return line.trim_matches('"').parse::<Asn>().map(drop).map_err(|_| A_NAME.to_owned());
        };
        let asn = match asn.trim_matches('"').parse::<Asn>() {
            Ok(asn) => asn,
            Err(_) if !begun && !line.bytes().any(|byte| byte.is_ascii_digit()) => {
                begun = true;
                return Ok(());
            }
            Err(_) => return Err(AN_AS.to_owned()),
        };
        begun = true;
        let by_commas = line[asn_end(line)..].trim_start().starts_with(',');
        let behind = behind.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        let name = match behind.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some((name, _)) => name,
            // Without quotes, a comma ends a field of a table, but not a name after a blank.
            None if by_commas => behind.split(',').next().unwrap_or_default(),
            None => behind,
        };
        let name = name.trim();
        if !name.is_empty() && asn != Asn(0) {
            take(asn, name);
        }
        Ok(())
    })
}

/// The end of the first field in a line of names.
fn asn_end(line: &str) -> usize {
    line.find([',', '\t', ' ']).unwrap_or(line.len())
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.trim().parse().map_err(|_| format!("\"{text:.60}\" is no address"))
}

/// Parses one AS, or several: `64500_64501`, or a set, `{64500,64501}`. Zero means nobody.
fn read_origins(text: &str, origins: &mut Vec<Asn>) -> Result<(), &'static str> {
    origins.clear();
    for one in text.trim_matches(['{', '}', ' ']).split(['_', ',', ' ']).filter(|one| !one.is_empty()) {
        let asn: Asn = one.trim_matches(['{', '}']).parse().map_err(|_| AN_AS)?;
        if asn != Asn(0) && !origins.contains(&asn) && origins.len() < super::paths::ORIGINS_MAX {
            origins.push(asn);
        }
    }
    if text.bytes().any(|byte| byte.is_ascii_digit()) { Ok(()) } else { Err(AN_AS) }
}

/// The smallest number of prefixes that make up a range.
fn subnets(first: IpAddr, last: IpAddr) -> Result<IpSubnets, String> {
    if first > last {
        return Err(format!("the range ends at {last}, before its start"));
    }
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Ok(IpSubnets::V4(Ipv4Subnets::new(first, last, 0))),
        (IpAddr::V6(first), IpAddr::V6(last)) => Ok(IpSubnets::V6(Ipv6Subnets::new(first, last, 0))),
        _ => Err("its ends are of different families".to_owned()),
    }
}

fn give(net: IpNet, origins: &[Asn], take: &mut impl FnMut(IpNetwork, &[Asn])) {
    let net = net.trunc();
    // Both types hold the same values.
    if let (Ok(network), false) = (IpNetwork::new(net.addr(), net.prefix_len()), origins.is_empty()) {
        take(network, origins);
    }
}

#[cfg(test)]
mod tests;
