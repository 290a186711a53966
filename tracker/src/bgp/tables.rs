//! Tables somebody else made of BGP: which AS originates which addresses, and what ASes are called.
//!
//! One line says one thing, in any of the forms that are about, also mixed:
//!
//! ```text
//! 192.0.2.0<TAB>192.0.2.255<TAB>64500     a range, its ends included (ip-location-db, iptoasn)
//! 192.0.2.0/24<TAB>64500                  a prefix (pyasn)
//! 192.0.2.0<TAB>24<TAB>64500_64501        a prefix (CAIDA), here with two origins
//! ```

use std::{io, io::Read, net::IpAddr};

use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};
use ipnetwork::IpNetwork;
use nearcast_core::asn::Asn;

use super::lines::{LineCounts, for_each};

/// What a line with a number that is none is told.
const AN_AS: &str = "the AS must be a number like 64500 or AS64500; several are joined by _";
const A_LINE: &str =
    "it must be START, END and AS, or PREFIX/LENGTH and AS, or PREFIX, LENGTH and AS, with tabs between";

/// Reads a table. Each prefix goes to `take` with its origins, a range as the prefixes it consists of. AS 0 means that nobody
/// originates the addresses: the line is good, and left out.
///
/// # Errors
/// When reading fails.
pub fn prefixes(reader: impl Read, mut take: impl FnMut(IpNetwork, &[Asn])) -> io::Result<LineCounts> {
    let mut origins = Vec::new();
    for_each(reader, ';', |line| {
        if line.starts_with('#') {
            return Ok(());
        }
        let fields = split(line);
        match fields {
            [Some(prefix), Some(asns), None] if prefix.contains('/') => {
                read_origins(asns, &mut origins)?;
                let net: IpNet = prefix.parse().map_err(|_| format!("\"{prefix:.60}\" is no prefix"))?;
                give(net, &origins, &mut take);
            }
            [Some(first), Some(second), Some(asns)] => {
                read_origins(asns, &mut origins)?;
                let first: IpAddr = address(first)?;
                if let Ok(bits) = second.parse::<u8>() {
                    let net =
                        IpNet::new(first, bits).map_err(|_| format!("/{bits} is too long for {first}"))?;
                    give(net, &origins, &mut take);
                } else {
                    for net in subnets(first, address(second)?)? {
                        give(net, &origins, &mut take);
                    }
                }
            }
            _ => return Err(A_LINE.to_owned()),
        }
        Ok(())
    })
}

/// Reads names: an AS and, behind a tab, what it is called.
///
/// # Errors
/// When reading fails.
pub fn names(reader: impl Read, mut take: impl FnMut(Asn, &str)) -> io::Result<LineCounts> {
    for_each(reader, '#', |line| {
        let (asn, name) = line.split_once('\t').ok_or("it must be an AS and its name, with a tab between")?;
        let asn = asn.trim().parse().map_err(|_| AN_AS)?;
        let name = name.trim();
        if !name.is_empty() {
            take(asn, name);
        }
        Ok(())
    })
}

/// The first three fields; more may follow (country, description) when there are three.
fn split(line: &str) -> [Option<&str>; 3] {
    let mut fields = line.split('\t').map(str::trim);
    [fields.next(), fields.next(), fields.next()]
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("\"{text:.60}\" is no address"))
}

/// One AS, or several: `64500_64501`, or a set, `{64500,64501}`. Zero is nobody.
fn read_origins(text: &str, origins: &mut Vec<Asn>) -> Result<(), &'static str> {
    origins.clear();
    for one in text.trim_matches(['{', '}']).split(['_', ',']) {
        let asn: Asn = one.trim_matches(['{', '}', ' ']).parse().map_err(|_| AN_AS)?;
        if asn != Asn(0) && !origins.contains(&asn) && origins.len() < super::paths::ORIGINS_MAX {
            origins.push(asn);
        }
    }
    Ok(())
}

/// As few prefixes as make up a range.
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
    // What one type holds the other does, too.
    if let (Ok(network), false) = (IpNetwork::new(net.addr(), net.prefix_len()), origins.is_empty()) {
        take(network, origins);
    }
}

#[cfg(test)]
mod tests;
