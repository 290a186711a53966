//! Which addresses may be dialled on somebody else's word.
//!
//! Strangers name addresses; a node that dials whatever it is told becomes a port scanner inside its
//! own network, or a weapon against a third. So an address from others is dialled only if it lies in
//! the public Internet, or in the very scope the teller itself was seen in, or we listen in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// 127.0.0.0/8, ::1.
    Loopback,
    /// One link: 169.254.0.0/16, fe80::/10.
    Link,
    /// A private network: RFC 1918, RFC 6598, RFC 4193.
    Private,
    /// The Internet.
    Public,
    /// Not an address of anybody: unspecified, multicast, broadcast, reserved, documentation.
    Nobody,
}

/// Ports below this belong to other services; nobody needs to serve content there, except 443,
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

    fn of_v4(ip: Ipv4Addr) -> Scope {
        let [a, b, ..] = ip.octets();
        if ip.is_loopback() {
            Scope::Loopback
        } else if ip.is_link_local() {
            Scope::Link
        } else if ip.is_private() || (a == 100 && (64..128).contains(&b)) {
            Scope::Private
        } else if a == 0 || a >= 224 || ip.is_documentation() {
            Scope::Nobody
        } else {
            Scope::Public
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Scope {
        let [first, second, ..] = ip.segments();
        if ip.is_loopback() {
            Scope::Loopback
        } else if first & 0xffc0 == 0xfe80 {
            Scope::Link
        } else if first & 0xfe00 == 0xfc00 {
            Scope::Private
        } else if first & 0xe000 != 0x2000 || (first, second) == (0x2001, 0xdb8) {
            Scope::Nobody
        } else {
            Scope::Public
        }
    }

    /// Whether an address told by somebody seen at `teller` may be dialled by a node that was told
    /// to listen at `listens`.
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
        reachable && (port >= PORT_MIN || port == 443)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(ip: &str, teller: &str, listens: &[&str]) -> bool {
        let listens: Vec<IpAddr> = listens.iter().map(|ip| ip.parse().unwrap()).collect();
        Scope::may_dial(ip.parse().unwrap(), 4001, teller.parse().ok(), &listens)
    }

    #[test]
    fn addresses_have_the_scope_their_prefix_says() {
        let cases = [
            ("127.9.8.7", Scope::Loopback),
            ("::1", Scope::Loopback),
            ("::ffff:127.0.0.1", Scope::Loopback),
            ("169.254.169.254", Scope::Link),
            ("fe80::1", Scope::Link),
            ("10.0.0.1", Scope::Private),
            ("172.31.0.1", Scope::Private),
            ("192.168.1.1", Scope::Private),
            ("100.64.0.1", Scope::Private),
            ("fd00::1", Scope::Private),
            ("::ffff:10.0.0.1", Scope::Private),
            ("8.8.8.8", Scope::Public),
            ("2600::1", Scope::Public),
            ("0.0.0.0", Scope::Nobody),
            ("::", Scope::Nobody),
            ("224.0.0.1", Scope::Nobody),
            ("255.255.255.255", Scope::Nobody),
            ("ff02::1", Scope::Nobody),
            ("192.0.2.1", Scope::Nobody),
            ("2001:db8::1", Scope::Nobody),
            ("::127.0.0.1", Scope::Nobody),
            ("64:ff9b::7f00:1", Scope::Nobody),
        ];
        for (ip, scope) in cases {
            assert_eq!(Scope::of(ip.parse().unwrap()), scope, "{ip}");
        }
    }

    #[test]
    fn inner_addresses_are_dialled_only_within_their_scope() {
        assert!(may("8.8.8.8", "1.1.1.1", &[]));
        assert!(!may("10.0.0.1", "1.1.1.1", &["1.2.3.4"]));
        assert!(may("10.0.0.1", "10.0.0.2", &[]));
        assert!(!may("127.0.0.1", "10.0.0.2", &["0.0.0.0"]));
        assert!(may("127.2.0.1", "8.8.8.8", &["127.1.0.1"]));
        assert!(!may("224.0.0.1", "224.0.0.1", &["224.0.0.1"]));
    }

    #[test]
    fn ports_of_other_services_are_left_alone() {
        let ip = "8.8.8.8".parse().unwrap();
        assert!(Scope::may_dial(ip, 443, None, &[]));
        assert!(!Scope::may_dial(ip, 22, None, &[]));
        assert!(!Scope::may_dial(ip, 0, None, &[]));
    }
}
