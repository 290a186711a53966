//! Network addresses as users write them: multiaddrs, and hosts with or without a port.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

/// A multiaddr, such as `/ip4/192.0.2.7/tcp/4001/p2p/12D3…`. Parsed once. Keeps libp2p types out of
/// the node's public API.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub(crate) Multiaddr);

/// The default port of a seeder.
pub const SEEDER_PORT: u16 = 4800;
/// The default port of a tracker.
pub const TRACKER_PORT: u16 = 4810;
/// The default port of a client.
pub const CLIENT_PORT: u16 = 4820;

/// The error for a text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no address ({reason}); write it like 192.0.2.7:4800, [2001:db8::7]:4800, origin.example:4800 or \
     /ip4/192.0.2.7/udp/4800/quic-v1"
)]
pub struct AddressError {
    text: String,
    reason: String,
}

/// The longest host name, in bytes (RFC 1035).
const HOST_BYTES_MAX: usize = 253;

impl Address {
    /// The peer id in `/p2p/…`, as text. `None`: the address names no peer.
    pub fn peer_id(&self) -> Option<String> {
        self.peer().map(|peer| peer.to_string())
    }

    /// The IP. `None`: the address has a host name instead.
    pub fn ip(&self) -> Option<IpAddr> {
        ip_of(&self.0)
    }

    /// The port. `None`: the address has no port.
    pub fn port(&self) -> Option<u16> {
        port_of(&self.0)
    }

    /// Reads a multiaddr, a `host:port`, or a host alone, which gets the port `port`. Anything but
    /// a multiaddr becomes an address over TCP.
    ///
    /// # Errors
    /// If the text is none of these; if the host or port cannot be dialled (`*`, `0.0.0.0`, port
    /// 0); or if the multiaddr cannot be dialled over TCP or QUIC.
    pub fn read(text: &str, port: u16) -> Result<Address, AddressError> {
        let error = |reason: &str| AddressError { text: text.to_owned(), reason: reason.to_owned() };
        let place = Place::read(text.trim(), Some(port)).map_err(|reason| error(&reason))?;
        match place {
            Place::Whole(address) => match undialable(&address) {
                Some(reason) => Err(error(reason)),
                None => Ok(Address(address)),
            },
            Place::At { port: 0, .. } => Err(error(NOBODYS_PORT)),
            Place::At { host: Host::Any, .. } => Err(error(NO_HOST)),
            Place::At { host: Host::Ip(ip), .. } if ip.is_unspecified() => Err(error(ANY_HOST)),
            Place::At { host, port } => Ok(Address(host.multiaddr().with(Protocol::Tcp(port)))),
        }
    }

    /// Reads where to listen: a multiaddr; an IP, or `*` for every interface, each with or without
    /// a port; or a port alone. Anything but a multiaddr stands for TCP and QUIC.
    ///
    /// # Errors
    /// If the text is none of these.
    pub fn to_listen(text: &str, port: u16) -> Result<Vec<Address>, AddressError> {
        let error = |reason: &str| AddressError { text: text.to_owned(), reason: reason.to_owned() };
        let trimmed = text.trim();
        let place = match trimmed.parse::<u16>() {
            Ok(port) => Place::At { host: Host::Any, port },
            Err(_) => Place::read(trimmed, Some(port)).map_err(|reason| error(&reason))?,
        };
        let (host, port) = match place {
            Place::Whole(address) => return Ok(vec![Address(address)]),
            Place::At { host, port } => (host, port),
        };
        let ips: Vec<IpAddr> = match host {
            Host::Any => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            Host::Ip(ip) => vec![ip],
            Host::Name(name) if name.eq_ignore_ascii_case("localhost") => vec![Ipv4Addr::LOCALHOST.into()],
            Host::Name(_) => {
                return Err(error("one can listen at an IP of this machine, or at * for all of them"));
            }
        };
        Ok(ips.into_iter().flat_map(|ip| both_at(ip, port)).collect())
    }

    /// The default listen addresses: every interface, TCP and QUIC, at this port.
    pub fn everywhere(port: u16) -> Vec<Address> {
        let ips: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        ips.into_iter().flat_map(|ip| both_at(ip, port)).collect()
    }

    /// The same address at any free port.
    pub(crate) fn with_any_port(&self) -> Address {
        let any = |part| match part {
            Protocol::Tcp(_) => Protocol::Tcp(0),
            Protocol::Udp(_) => Protocol::Udp(0),
            part => part,
        };
        Address(self.0.iter().map(any).collect())
    }

    /// The same address without its peer id.
    pub fn without_peer(&self) -> Address {
        Address(self.0.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect())
    }

    /// Whether the address is one over TCP.
    pub fn is_tcp(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Protocol::Tcp(_)))
    }

    pub(crate) fn peer(&self) -> Option<PeerId> {
        peer_of(&self.0)
    }
}

const NOBODYS_PORT: &str = "port 0 is nobody's";
const NO_HOST: &str = "it names no host";
const ANY_HOST: &str = "it stands for every address of this machine, and is that of nobody";

/// Why a multiaddr cannot be dialled. `None`: it can be.
fn undialable(address: &Multiaddr) -> Option<&'static str> {
    let mut parts = address.iter();
    match parts.next() {
        Some(Protocol::Ip4(ip)) if ip.is_unspecified() => return Some(ANY_HOST),
        Some(Protocol::Ip6(ip)) if ip.is_unspecified() => return Some(ANY_HOST),
        Some(Protocol::Ip4(_) | Protocol::Ip6(_)) => {}
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => {}
        _ => return Some(NO_HOST),
    }
    let is_known = match (parts.next(), port_of(address)) {
        (None | Some(Protocol::P2p(_)), _) => return Some("it names no port"),
        (_, Some(0)) => return Some(NOBODYS_PORT),
        (Some(Protocol::Tcp(_)), _) => true,
        (Some(Protocol::Udp(_)), _) => parts.next() == Some(Protocol::QuicV1),
        _ => false,
    };
    let ends = matches!((parts.next(), parts.next()), (None | Some(Protocol::P2p(_)), None));
    (!is_known || !ends).then_some("it is neither one over TCP nor one over QUIC")
}

/// An IP and port, as an address over TCP and one over QUIC.
fn both_at(ip: IpAddr, port: u16) -> [Address; 2] {
    let at = |transport| Address(Multiaddr::from(ip).with(transport));
    let quic = Address(Multiaddr::from(ip).with(Protocol::Udp(port)).with(Protocol::QuicV1));
    [at(Protocol::Tcp(port)), quic]
}

/// The parsed form of a text.
enum Place {
    /// A multiaddr.
    Whole(Multiaddr),
    /// A host and a port.
    At { host: Host, port: u16 },
}

enum Host {
    Any,
    Ip(IpAddr),
    Name(String),
}

impl Host {
    fn multiaddr(self) -> Multiaddr {
        match self {
            Host::Any => Multiaddr::from(Ipv4Addr::UNSPECIFIED),
            Host::Ip(ip) => ip.into(),
            Host::Name(name) => Multiaddr::empty().with(Protocol::Dns(name.into())),
        }
    }
}

impl Place {
    fn read(text: &str, port: Option<u16>) -> Result<Place, String> {
        if text.is_empty() {
            return Err("nothing is written there".to_owned());
        }
        if text.starts_with('/') {
            let whole: Multiaddr =
                text.parse().map_err(|error: libp2p::multiaddr::Error| error.to_string())?;
            return if whole.is_empty() {
                Err("it names nothing".to_owned())
            } else {
                Ok(Place::Whole(whole))
            };
        }
        let (host, written) = split(text)?;
        let port = match written.map(str::parse::<u16>) {
            Some(Ok(port)) => port,
            Some(Err(_)) => return Err("a port is a number up to 65535".to_owned()),
            None => port.ok_or("it has no port")?,
        };
        Ok(Place::At { host: host_of(host)?, port })
    }
}

/// Splits a text into the host and, if there is one, the port.
fn split(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, after) = rest.split_once(']').ok_or("the bracket is not closed")?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((ip, Some(port))),
            None if after.is_empty() => Ok((ip, None)),
            None => Err("a colon and the port come after the bracket".to_owned()),
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Err("brackets belong around an IPv6 address".to_owned()),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn host_of(text: &str) -> Result<Host, String> {
    if matches!(text, "" | "*") {
        return Ok(Host::Any);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        // Logs of sockets for both families write ::ffff:192.0.2.7, which no route leads to.
        return Ok(Host::Ip(ip.to_canonical()));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        let letter = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        !label.is_empty() && label.bytes().all(letter)
    };
    // A name with a numeric end, such as 300.1.2.3 or 4800, is a typing error and no host name.
    let is_numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|c| c.is_ascii_digit()));
    if name.len() > HOST_BYTES_MAX || is_numeric || !name.split('.').all(label) {
        return Err("that is neither an IP nor the name of a host".to_owned());
    }
    Ok(Host::Name(name.to_owned()))
}

/// The first IP that an address names.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    })
}

/// The first port an address names.
pub(crate) fn port_of(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    })
}

/// The last peer an address names.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    address.iter().filter_map(|part| if let Protocol::P2p(peer) = part { Some(peer) } else { None }).last()
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason: String| AddressError { text: text.to_owned(), reason };
        match Place::read(text.trim(), None).map_err(error)? {
            Place::Whole(address) => Ok(Address(address)),
            // Only texts with a port get here, so the default port 0 is not used.
            Place::At { .. } => Address::read(text, 0),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: &str = "/ip6/2001:db8::7/tcp/4001/p2p/12D3KooWEu9yLkQyT6bsqW8jTiqgDd4QYxaKCRtienPpH2HZpmSD";

    fn read(text: &str) -> Result<String, AddressError> {
        Address::read(text, SEEDER_PORT).map(|address| address.to_string())
    }

    #[test]
    fn hosts_and_ports_are_read_wherever_a_multiaddr_is() {
        for (text, address) in [
            ("127.0.0.1:4801", "/ip4/127.0.0.1/tcp/4801"),
            (" 192.0.2.7 ", "/ip4/192.0.2.7/tcp/4800"),
            ("[2001:db8::7]:5", "/ip6/2001:db8::7/tcp/5"),
            ("[2001:db8::7]", "/ip6/2001:db8::7/tcp/4800"),
            ("2001:db8::7", "/ip6/2001:db8::7/tcp/4800"),
            ("[::ffff:192.0.2.7]:5", "/ip4/192.0.2.7/tcp/5"),
            ("origin.example:4801", "/dns/origin.example/tcp/4801"),
            ("origin.example.", "/dns/origin.example/tcp/4800"),
            ("nas_2", "/dns/nas_2/tcp/4800"),
            ("/ip4/192.0.2.7/udp/4001/quic-v1", "/ip4/192.0.2.7/udp/4001/quic-v1"),
            ("/dns6/a.example/tcp/4001", "/dns6/a.example/tcp/4001"),
            (NAMED, NAMED),
        ] {
            assert_eq!(read(text).as_deref(), Ok(address), "{text}");
        }
        assert_eq!("a.example:5".parse::<Address>().unwrap().to_string(), "/dns/a.example/tcp/5");
        assert!("a.example".parse::<Address>().unwrap_err().to_string().contains("no port"));
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_way_to_write_one() {
        for text in [
            "",
            " ",
            "/",
            "//",
            "/ip4",
            "/ip4/1.2.3/tcp/5",
            ":4800",
            "*",
            "0.0.0.0:4800",
            "a:0",
            "a:65536",
            "a:b",
            "a:",
            "::1:4800:x",
            "1:2:3",
            "[::1",
            "[::1]4800",
            "300.1.2.3:4",
            "4800",
            "http://a.example/",
            "a b:5",
            "é.example:5",
            "a..b:5",
            "fe80::1%eth0",
            "a.example:-1",
            "/ip4/192.0.2.7",
            "/ip4/192.0.2.7/tcp/0",
            "/ip6/::/tcp/4800",
            "/dns/a.example/udp/0/quic-v1",
            "/ip4/192.0.2.7/udp/4800",
            "/ip4/192.0.2.7/udp/4800/quic",
            "/ip4/192.0.2.7/tcp/4800/ws",
            "/ip4/192.0.2.7/sctp/4800",
            "/tcp/4800",
            "/p2p/12D3KooWEu9yLkQyT6bsqW8jTiqgDd4QYxaKCRtienPpH2HZpmSD",
            "/ip4/192.0.2.7/p2p/12D3KooWEu9yLkQyT6bsqW8jTiqgDd4QYxaKCRtienPpH2HZpmSD",
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains("origin.example:4800"), "{text}: {error}");
        }
    }

    #[test]
    fn one_listens_over_tcp_and_quic_unless_a_multiaddr_says_which() {
        let listen = |text: &str| -> Vec<String> {
            Address::to_listen(text, TRACKER_PORT).unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(listen("127.0.0.1:7"), ["/ip4/127.0.0.1/tcp/7", "/ip4/127.0.0.1/udp/7/quic-v1"]);
        assert_eq!(listen("::1"), ["/ip6/::1/tcp/4810", "/ip6/::1/udp/4810/quic-v1"]);
        assert_eq!(listen("localhost:0"), ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"]);
        assert_eq!(listen("/ip4/0.0.0.0/tcp/9"), ["/ip4/0.0.0.0/tcp/9"]);
        for all in ["*:7", ":7", "7"] {
            let everywhere = [
                "/ip4/0.0.0.0/tcp/7",
                "/ip4/0.0.0.0/udp/7/quic-v1",
                "/ip6/::/tcp/7",
                "/ip6/::/udp/7/quic-v1",
            ];
            assert_eq!(listen(all), everywhere, "{all}");
        }
        for wrong in ["a.example:7", "", "99999", "http://*"] {
            assert!(Address::to_listen(wrong, 1).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_moves_to_any_port_of_the_same_place() {
        let moved = |text: &str| text.parse::<Address>().unwrap().with_any_port().to_string();
        assert_eq!(moved("/ip4/0.0.0.0/udp/4800/quic-v1"), "/ip4/0.0.0.0/udp/0/quic-v1");
        assert_eq!(moved("/ip6/::/tcp/4800"), "/ip6/::/tcp/0");
    }
}
