//! Addresses in links that a service gives to others.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_only_if_there_is_nothing_else() {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Address>>();
        let (here, there) = ("/ip4/127.0.0.1/tcp/1", "/ip4/192.0.2.1/tcp/1");
        assert_eq!(link_addresses(parse(&[here, there])), [there]);
        assert_eq!(link_addresses(parse(&[here])), [here]);
        assert_eq!(link_addresses(vec![parse(&[there]).remove(0); 9]).len(), LINK_ADDRESSES_MAX);
    }
}
