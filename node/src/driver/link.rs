//! The addresses that a magnet link names. The author of a link is a stranger: an address is
//! dialled only where that is allowed, and the user is told of the others.

use libp2p::Multiaddr;
use nearcast_core::{
    id::ContentKey,
    input::{Candidate, Via},
    magnet::Magnet,
    outcomes::{Outcome, Remedy, Role},
    scope::Scope,
};

use super::Driver;
use crate::{
    address::{ip_of, peer_of, port_of},
    peer_book::endpoint_of,
    resolve,
};

/// Addresses and hosts of a link that are looked at. A working link needs one. A link with many
/// could make each user who opens it contact many hosts.
const LINK_ADDRESSES_MAX: usize = 8;
/// Refused addresses named in the warning.
const SHOWN_MAX: usize = 3;

/// The first few addresses of a link, with names resolved to IPs. `is_alone`: there is nobody else to
/// ask, so that slow name servers are waited for. Whoever wrote the link may have slow ones.
pub(super) async fn addresses(magnet: &Magnet, is_alone: bool) -> Vec<Multiaddr> {
    let written = magnet.addresses.iter().filter_map(|text| text.parse::<Multiaddr>().ok());
    let written: Vec<Multiaddr> = written.take(LINK_ADDRESSES_MAX).collect();
    let hosts = &magnet.peers[..magnet.peers.len().min(LINK_ADDRESSES_MAX - written.len())];
    let numbers = written.iter().any(resolve::is_ip)
        || hosts.iter().any(|host| host.host().parse::<std::net::IpAddr>().is_ok());
    let within = match is_alone && !numbers {
        true => resolve::LOOKUP_TIMEOUT,
        false => resolve::STRANGERS_LOOKUP_TIMEOUT,
    };
    let (written, hosts) =
        tokio::join!(resolve::addresses(&written, within), resolve::host_ports(hosts, within));
    let mut found = written.found;
    for address in hosts {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

impl Driver {
    /// Makes candidates of the link's addresses that may be dialled, and warns of the others.
    pub(super) fn linked(&mut self, key: ContentKey, addresses: &[Multiaddr]) -> Vec<Candidate> {
        let (mut candidates, mut refused) = (Vec::<Candidate>::new(), Vec::new());
        let mut doors = 0;
        for address in addresses {
            let endpoint = endpoint_of(address).filter(|endpoint| {
                let port = endpoint.tcp.or(endpoint.udp).unwrap_or(0);
                self.nearness.may_dial_by_link(endpoint.ip, port)
            });
            let Some(endpoint) = endpoint else {
                refused.push(address);
                continue;
            };
            doors += 1;
            if doors > 2 * LINK_ADDRESSES_MAX {
                break;
            }
            let peer = self.peers.key_linked(peer_of(address), endpoint);
            if candidates.iter().all(|known| known.peer != peer) {
                candidates.push(Candidate { peer, near: self.near(peer), via: Via::Named });
            }
        }
        if !refused.is_empty() {
            let (why, remedy) = (refusal(&refused), Remedy::NamePeer);
            tracing::warn!("{why}; {remedy}");
            let first = refused.first().map(ToString::to_string).unwrap_or_default();
            if let Some(state) = self.fetch_state(key) {
                state.outcomes.note((Role::Peer, &first), true, Outcome::Curable { why, remedy });
            }
        }
        candidates
    }
}

/// The warning about addresses that are not dialled.
fn refusal(refused: &[&Multiaddr]) -> String {
    let mut shown: Vec<String> = Vec::new();
    for address in refused {
        let text = match (ip_of(address), port_of(address)) {
            (Some(ip), Some(port)) => std::net::SocketAddr::new(ip, port).to_string(),
            _ => address.to_string(),
        };
        if !shown.contains(&text) {
            shown.push(text);
        }
    }
    let is = if shown.len() > 1 { "are" } else { "is" };
    let more = shown.len().saturating_sub(SHOWN_MAX);
    shown.truncate(SHOWN_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let why = match refused.first().map(|address| (ip_of(address), port_of(address))) {
        Some((_, Some(port))) if port < 1024 => "ports below 1024 belong to other services",
        Some((Some(ip), _)) => match Scope::of(ip) {
            Scope::Loopback => "it is this machine",
            Scope::Link | Scope::Private => "it lies in a private network that is none of ours",
            Scope::Public | Scope::Nobody => "it is nobody's address",
        },
        _ => "it is neither TCP nor QUIC",
    };
    format!("the link names {}{more}, which {is} not dialled: {why}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wrote_the_link_is_not_believed_and_the_user_hears_why() {
        let parse = |text: &str| text.parse::<Multiaddr>().unwrap();
        let refused = [parse("/ip4/127.0.0.77/tcp/25"), parse("/ip4/127.0.0.77/udp/25/quic-v1")];
        let text = refusal(&refused.iter().collect::<Vec<_>>());
        assert_eq!(
            text,
            "the link names 127.0.0.77:25, which is not dialled: ports below 1024 belong to other services"
        );
        let many: Vec<Multiaddr> =
            (1..9).map(|host| parse(&format!("/ip4/10.0.0.{host}/tcp/4001"))).collect();
        let text = refusal(&many.iter().collect::<Vec<_>>());
        assert!(
            text.contains("10.0.0.3:4001 and 5 more, which") && text.contains("private network"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_link_has_a_few_addresses_looked_at_and_names_count_with_them() {
        let id = "ab".repeat(32);
        let many = |kind: &str| (0..30).map(|host| format!("&{kind}{host}/tcp/4001")).collect::<String>();
        let text = format!("magnet:?xt=urn:btmh:1220{id}{}&x.pe=127.0.0.9:1", many("x.ma=/ip4/10.0.0."));
        assert_eq!(addresses(&text.parse().unwrap(), true).await.len(), LINK_ADDRESSES_MAX);
        let host = format!("magnet:?xt=urn:btmh:1220{id}&x.pe=localhost:6379");
        let found = addresses(&host.parse().unwrap(), true).await;
        assert!(
            !found.is_empty()
                && found.iter().all(|address| ip_of(address).is_some_and(|ip| ip.is_loopback()))
        );
    }
}
