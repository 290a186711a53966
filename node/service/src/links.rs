//! The addresses in links that a service hands out.

use nearcast_core::scope::Scope;
use nearcast_node::address::Address;

/// Addresses in a link. More make it long, and one that works is enough.
const LINK_ADDRESSES_MAX: usize = 4;

/// The addresses of `listened` that go into a link, the most widely reachable first. Loopback is
/// used only if there is nothing else; link-local and unusable addresses are left out. For each IP
/// the TCP address is enough, as a linked peer tells the other addresses. Each peer is named once.
pub fn link_addresses(listened: &[Address]) -> Vec<String> {
    let reach = |address: &Address| address.ip().map_or(Scope::Public, Scope::of);
    let rank = |address: &Address| match reach(address) {
        Scope::Public => 0,
        Scope::Private => 1,
        Scope::Loopback => 2,
        Scope::Link | Scope::Nobody => 3,
    };
    let Some(best) = listened.iter().map(rank).min() else { return Vec::new() };
    let is_useful = |address: &&Address| rank(address) <= best.max(1);
    let by_tcp = |other: &Address| {
        let same_ip = |address: &Address| address.is_tcp() && address.ip() == other.ip();
        !other.is_tcp() && listened.iter().any(same_ip)
    };
    let mut useful: Vec<&Address> = listened.iter().filter(is_useful).filter(|it| !by_tcp(it)).collect();
    useful.sort_by_key(|address| rank(address));
    let mut named = Vec::new();
    let shown = useful.into_iter().take(LINK_ADDRESSES_MAX).map(|address| {
        let peer = address.peer_id();
        let is_known = peer.is_some() && named.contains(&peer);
        named.push(peer);
        if is_known { address.without_peer().to_string() } else { address.to_string() }
    });
    shown.collect()
}

/// A warning about addresses in a link that peers will not dial because they come from a link.
/// `None`: there are no such addresses.
pub fn undialled<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> Option<String> {
    let low = |address: &&Address| address.port().is_some_and(|port| !Scope::may_link_to(port));
    let low: Vec<String> = addresses.into_iter().filter(low).map(ToString::to_string).collect();
    let first = low.first()?;
    Some(format!(
        "the link names {}: addresses in links are not dialled at ports below 1024, as links come from strangers; \
         use another port, or tell people to get it with --peer {first}",
        low.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_ports_are_said_to_need_an_option() {
        let parse = |text: &str| text.parse::<Address>().unwrap();
        let (low, high) = (parse("/ip4/192.0.2.1/tcp/443"), parse("/ip4/192.0.2.1/tcp/4800"));
        assert_eq!(undialled([&high]), None);
        let said = undialled([&high, &low]).unwrap();
        assert!(said.contains("--peer /ip4/192.0.2.1/tcp/443") && !said.contains("4800"), "{said}");
    }

    fn link(listened: &[&str]) -> Vec<String> {
        let listened: Vec<Address> = listened.iter().map(|text| text.parse().unwrap()).collect();
        link_addresses(&listened)
    }

    #[test]
    fn loopback_is_told_only_if_there_is_nothing_else() {
        let (here, there) = ("/ip4/127.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1");
        assert_eq!(link(&[here, there]), [there]);
        assert_eq!(link(&[here]), [here]);
        assert_eq!(link(&[here, "/ip4/10.0.0.1/tcp/1"]), ["/ip4/10.0.0.1/tcp/1"]);
        let many: Vec<String> = (1..9).map(|host| format!("/ip4/8.8.8.{host}/tcp/1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(link(&many).len(), LINK_ADDRESSES_MAX);
        assert_eq!(link(&[]), [""; 0]);
    }

    #[test]
    fn a_link_names_what_others_can_reach_and_each_peer_once() {
        const ID: &str = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";
        let at = |address: &str| format!("{address}/p2p/{ID}");
        let listened = [
            at("/ip4/127.0.0.1/tcp/4800"),
            at("/ip4/10.0.0.5/tcp/4800"),
            at("/ip4/10.0.0.5/udp/4800/quic-v1"),
            at("/ip6/fe80::1/udp/4800/quic-v1"),
            at("/ip4/169.254.1.1/tcp/4800"),
            at("/ip6/2600::7/tcp/4800"),
            at("/ip4/8.8.8.8/udp/4800/quic-v1"),
        ];
        let listened: Vec<&str> = listened.iter().map(String::as_str).collect();
        let expected = [
            at("/ip6/2600::7/tcp/4800"),
            "/ip4/8.8.8.8/udp/4800/quic-v1".into(),
            "/ip4/10.0.0.5/tcp/4800".into(),
        ];
        assert_eq!(link(&listened), expected);
    }
}
