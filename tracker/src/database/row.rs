//! A row: the members of one content, one after another.

use std::{net::IpAddr, time::Duration};

use nearcast_core::{
    id::ContentId,
    registry::{Announcement, Endpoint, PeerName, Saved},
};

/// The most members of a row; a longer row is not ours.
const MEMBERS_MAX: usize = 100_000;
const IPV6: u8 = 1;
const COMPLETE: u8 = 2;

/// Appends members to a row: key, flags, address, ports (0: none), remaining seconds. Numbers are
/// big-endian.
pub(super) fn encode(members: &[Saved], row: &mut Vec<u8>) {
    for Saved { said, left } in members {
        row.extend_from_slice(&said.name.0);
        let complete = if said.complete { COMPLETE } else { 0 };
        match said.endpoint.ip {
            IpAddr::V4(ip) => {
                row.push(complete);
                row.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                row.push(IPV6 | complete);
                row.extend_from_slice(&ip.octets());
            }
        }
        let left = u16::try_from(left.as_secs()).unwrap_or(u16::MAX);
        for number in [said.endpoint.tcp.unwrap_or(0), said.endpoint.udp.unwrap_or(0), left] {
            row.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// The members of a row. `None`: it is invalid.
pub(super) fn decode(content: ContentId, mut row: &[u8]) -> Option<Vec<Saved>> {
    let mut members = Vec::new();
    while !row.is_empty() {
        if members.len() >= MEMBERS_MAX {
            return None;
        }
        let name = PeerName(take(&mut row)?);
        let [flags] = take(&mut row)?;
        if flags & !(IPV6 | COMPLETE) != 0 {
            return None;
        }
        let ip = match flags & IPV6 {
            0 => IpAddr::from(take::<4>(&mut row)?),
            _ => IpAddr::from(take::<16>(&mut row)?),
        };
        let [tcp, udp, left] = [(); 3].map(|()| take(&mut row).map(u16::from_be_bytes));
        let port = |number: u16| (number != 0).then_some(number);
        let endpoint = Endpoint { ip, tcp: port(tcp?), udp: port(udp?) };
        let said = Announcement { content, name, endpoint, complete: flags & COMPLETE != 0 };
        members.push(Saved { said, left: Duration::from_secs(left?.into()) });
    }
    Some(members)
}

fn take<const N: usize>(row: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = row.split_first_chunk()?;
    *row = rest;
    Some(*head)
}
