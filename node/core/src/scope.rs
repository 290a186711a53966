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
    /// A private network: RFC 1918, RFC 6598, RFC 4193; and that of benchmarks, RFC 2544.
    Private,
    /// The Internet.
    Public,
    /// Not an address of anybody: unspecified, multicast, broadcast, reserved, documentation; or one
    /// that hides another address in itself (6to4, Teredo, NAT64, IPv4-compatible), whose scope is that one's.
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

    /// Whether an HTTP server at this address may be asked because a stranger's metainfo or link, or a
    /// server's redirect, names it: only in the Internet, and not at a port of another service. Who
    /// publishes could else read what only we can reach, or have it changed.
    pub fn may_ask_http(ip: IpAddr, port: u16) -> bool {
        Scope::of(ip) == Scope::Public && (port >= PORT_MIN || port == 443 || port == 80)
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
        reachable && Scope::may_serve_at(port)
    }

    /// Whether contents may be served at this port: not at one of another service.
    pub fn may_serve_at(port: u16) -> bool {
        port >= PORT_MIN || port == 443
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
    fn a_strangers_url_leads_to_the_internet_and_nowhere_else() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.0.0.53",
            "127.255.255.255",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "::169.254.169.254",
            "::8.8.8.8",
            "::ffff:0.0.0.0",
            "::ffff:10.0.0.1",
            "::ffff:100.64.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:192.168.1.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::10.0.0.1",
            "100::1",
            "1fff::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "2002::1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2002:a9fe:a9fe::1",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456:789a::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "ff0e::1",
        ];
        for ip in refused {
            assert!(!Scope::may_ask_http(ip.parse().unwrap(), 443), "{ip}");
        }
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2600::1",
            "2a00::1",
            "3ffe::1",
        ];
        for ip in public {
            assert!(Scope::may_ask_http(ip.parse().unwrap(), 443), "{ip}");
        }
        let ports = |ports: &[u16], may| {
            let asked = |port: &u16| Scope::may_ask_http("8.8.8.8".parse().unwrap(), *port) == may;
            ports.iter().all(asked)
        };
        assert!(ports(&[80, 443, 1024, 8080, 65_535], true) && ports(&[0, 1, 22, 25, 81, 444, 1023], false));
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
