//! Addresses in links that a service gives to others.

use nearcast_core::scope::Scope;
use nearcast_node::address::Address;

/// Addresses in a link at most: more make it long, and one that works is enough.
const LINK_ADDRESSES_MAX: usize = 4;

/// Those of `listened` that go into a link: loopback only if there is nothing else.
pub fn link_addresses(mut listened: Vec<Address>) -> Vec<String> {
    let is_loopback = |address: &Address| address.ip().is_some_and(|ip| ip.is_loopback());
    if !listened.iter().all(is_loopback) {
        listened.retain(|address| !is_loopback(address));
    }
    listened.iter().take(LINK_ADDRESSES_MAX).map(ToString::to_string).collect()
}

/// What to say of addresses that go into a link and that nobody will dial because a link names them; none if there
/// are none.
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

    #[test]
    fn loopback_is_told_only_if_there_is_nothing_else() {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Address>>();
        let (here, there) = ("/ip4/127.0.0.1/tcp/1", "/ip4/192.0.2.1/tcp/1");
        assert_eq!(link_addresses(parse(&[here, there])), [there]);
        assert_eq!(link_addresses(parse(&[here])), [here]);
        assert_eq!(link_addresses(vec![parse(&[there]).remove(0); 9]).len(), LINK_ADDRESSES_MAX);
    }
}
