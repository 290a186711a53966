//! Which addresses may be dialled on the word of others.
//!
//! Strangers name addresses. A node that dials whatever it is told becomes a port scanner inside
//! its own network, or a weapon against a third party. So an address from others is dialled only if
//! it lies in the public Internet, in the same scope that the teller was seen in, or in a scope
//! that we listen in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// 127.0.0.0/8, ::1.
    Loopback,
    /// One link: 169.254.0.0/16, fe80::/10.
    Link,
    /// A private network: RFC 1918, RFC 6598, RFC 4193; and the network for benchmarks, RFC 2544.
    Private,
    /// The Internet.
    Public,
    /// Nobody's address: unspecified, multicast, broadcast, reserved, documentation; or one that
    /// hides another address in itself (6to4, Teredo, IPv4-compatible, and NAT64 if the address it
    /// hides is not public).
    Nobody,
}

/// Ports below this belong to other services. Nobody needs to serve content there, except at 443,
/// which is often the only way out.
const PORT_MIN: u16 = 1024;

impl Scope {
    /// The scope of an address.
    pub fn of(ip: IpAddr) -> Scope {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Scope::of_v4(ip),
            IpAddr::V6(ip) => Scope::of_v6(ip),
        }
    }

    /// The address that a packet to `ip` reaches in the end. An IPv4-mapped address, and one behind
    /// the well-known prefix of NAT64, lead to the IPv4 address they hold.
    pub fn reached(ip: IpAddr) -> IpAddr {
        match ip.to_canonical() {
            IpAddr::V6(ip) if ip.to_bits() >> 32 == NAT64_WELL_KNOWN => last_32(ip).into(),
            other => other,
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Scope {
        let [a, b, c, _] = ip.octets();
        if ip.is_loopback() {
            Scope::Loopback
        } else if ip.is_link_local() {
            Scope::Link
        } else if ip.is_private() || (a == 100 && (64..128).contains(&b)) || (a == 198 && b & 0xfe == 18) {
            Scope::Private
        } else if a == 0
            || a >= 224
            || ip.is_documentation()
            || (a, b, c) == (192, 0, 0)
            || (a, b, c) == (192, 88, 99)
        {
            Scope::Nobody
        } else {
            Scope::Public
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Scope {
        let [first, second, ..] = ip.segments();
        if let Some(held) = nat64(ip) {
            // A translator carries the packet into IPv4. A private address there is in a network
            // near the translator.
            let public = |&held: &Ipv4Addr| Scope::of_v4(held) == Scope::Public;
            return if held.iter().all(public) { Scope::Public } else { Scope::Nobody };
        }
        if ip.is_loopback() {
            Scope::Loopback
        } else if first & 0xffc0 == 0xfe80 {
            Scope::Link
        } else if first & 0xfe00 == 0xfc00 {
            Scope::Private
        } else if first & 0xe000 != 0x2000 || Scope::is_special(first, second) {
            Scope::Nobody
        } else {
            Scope::Public
        }
    }

    /// Within 2000::/3: 6to4, protocol assignments (Teredo among them), and documentation.
    fn is_special(first: u16, second: u16) -> bool {
        let documentation = (first, second) == (0x2001, 0xdb8) || (first == 0x3fff && second < 0x1000);
        documentation || first == 0x2002 || (first == 0x2001 && second < 0x200)
    }

    /// Whether an HTTP server at this address may be asked because a stranger's metainfo or link,
    /// or a server's redirect, names it. Only in the Internet, not in a network of `ours`, and not
    /// at a port of another service. Otherwise a publisher could read what only we can reach, or
    /// have it changed.
    pub fn may_ask_http(ip: IpAddr, port: u16, ours: &Ours) -> bool {
        let port = port >= PORT_MIN || port == 443 || port == 80;
        Scope::of(ip) == Scope::Public && !ours.contains(ip) && port
    }

    /// Whether an address may be dialled because a link names it. The author of the link is a
    /// stranger and was seen nowhere. So a private or link-local address has to lie in a network of
    /// `ours`. An address of this machine counts only for a node that was told (`listens`) to
    /// listen on this machine alone. A port of other services never counts.
    pub fn may_dial_by_link(ip: IpAddr, port: u16, ours: &Ours, listens: &[IpAddr]) -> bool {
        let reachable = match Scope::of(ip) {
            Scope::Public => true,
            Scope::Nobody => false,
            Scope::Loopback => {
                !listens.is_empty() && listens.iter().all(|ip| Scope::of(*ip) == Scope::Loopback)
            }
            Scope::Link | Scope::Private => ours.contains(ip),
        };
        reachable && Scope::may_link_to(port)
    }

    /// Whether an address told by a peer seen at `teller` may be dialled by a node that was told to
    /// listen at `listens`.
    pub fn may_dial(ip: IpAddr, port: u16, teller: Option<IpAddr>, listens: &[IpAddr]) -> bool {
        let scope = Scope::of(ip);
        let same_scope = |other: IpAddr| Scope::of(other) == scope;
        let reachable = match scope {
            Scope::Public => true,
            Scope::Nobody => false,
            Scope::Loopback | Scope::Link | Scope::Private => {
                teller.is_some_and(same_scope) || listens.iter().copied().any(same_scope)
            }
        };
        reachable && Scope::may_serve_at(port)
    }

    /// Whether a port may be dialled because a link names it.
    pub fn may_link_to(port: u16) -> bool {
        port >= PORT_MIN
    }

    /// Whether contents may be served at this port: not at a port of another service.
    pub fn may_serve_at(port: u16) -> bool {
        port >= PORT_MIN || port == 443
    }
}

/// Upper 96 bits of the well-known prefix of NAT64 (RFC 6052), 64:ff9b::/96.
const NAT64_WELL_KNOWN: u128 = 0x0064_ff9b_0000_0000_0000_0000;
/// Upper 48 bits of the prefix for NAT64 inside of a network (RFC 8215), 64:ff9b:1::/48.
const NAT64_LOCAL: u128 = 0x0064_ff9b_0001;
/// The most bits of an IPv6 network that counts as ours: the size that a household or a server is
/// given. An interface knows one /64 of it; the router and other devices are in the next one.
const OURS_V6_BITS_MAX: u8 = 56;

/// The last 32 bits as an IPv4 address.
fn last_32(ip: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = ip.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// The IPv4 addresses that a NAT64 address may hold. `None`: it is no NAT64 address. The address
/// does not say how long the prefix of a local translator is, so there may be several (RFC 6052,
/// section 2.2).
fn nat64(ip: Ipv6Addr) -> Option<Vec<Ipv4Addr>> {
    let bits = ip.to_bits();
    let low = last_32(ip);
    if bits >> 32 == NAT64_WELL_KNOWN {
        return Some(vec![low]);
    }
    if bits >> 80 != NAT64_LOCAL {
        return None;
    }
    // Prefixes of 48, 56 and 64 bits: the IPv4 address goes around byte 8. That byte is zero, and
    // so are all bytes after the IPv4 address.
    let around = |before: u32| {
        let bytes = ip.octets();
        let start = before as usize / 8;
        let held: Vec<u8> = (start..16).filter(|&at| at != 8).map(|at| bytes[at]).collect();
        let (held, rest) = held.split_first_chunk::<4>()?;
        rest.iter().all(|&byte| byte == 0).then(|| Ipv4Addr::from(*held))
    };
    let mut held: Vec<Ipv4Addr> = Vec::new();
    if ip.octets()[8] == 0 {
        held.extend([48, 56, 64].into_iter().filter_map(around));
    }
    if !low.is_unspecified() || held.is_empty() {
        held.push(low);
    }
    Some(held)
}

/// Where we are ourselves: addresses and networks of our interfaces, and addresses that we are seen
/// at. They are inside for us even if they are public: a router, a printer or a service that only
/// the neighbours reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours(Vec<(IpAddr, u8)>);

impl Ours {
    /// Our own part of the Internet. `interfaces`: addresses, each with the number of bits of its
    /// network. `seen_at`: addresses that others see us at.
    pub fn new(
        interfaces: impl IntoIterator<Item = (IpAddr, u8)>,
        seen_at: impl IntoIterator<Item = IpAddr>,
    ) -> Ours {
        let whole = |ip: IpAddr| (ip, if ip.is_ipv4() { 32 } else { 128 });
        let networks = interfaces.into_iter().chain(seen_at.into_iter().map(whole));
        let wide = |(ip, bits): (IpAddr, u8)| {
            let public = Scope::of(ip) == Scope::Public;
            (ip, if ip.is_ipv6() && public { bits.min(OURS_V6_BITS_MAX) } else { bits })
        };
        // A default route on an interface (0.0.0.0/0) is no network of ours: every address would be
        // ours.
        Ours(networks.filter(|&(ip, bits)| bits > 0 && !ip.is_unspecified()).map(wide).collect())
    }

    /// Whether an address is one of ours, or in a network of ours, also in the mapped and NAT64
    /// forms that lead there.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let held: Vec<IpAddr> = match ip.to_canonical() {
            IpAddr::V6(v6) => nat64(v6).into_iter().flatten().map(IpAddr::V4).collect(),
            IpAddr::V4(_) => Vec::new(),
        };
        let in_one = |ip: IpAddr| self.0.iter().any(|&(ours, bits)| shares_prefix(ours, ip, bits));
        in_one(ip) || held.into_iter().any(in_one)
    }
}

/// Whether the first `bits` of two addresses are the same.
pub fn shares_prefix(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    let common = match (a.to_canonical(), b.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    common >= u32::from(bits)
}

#[cfg(test)]
mod tests;
