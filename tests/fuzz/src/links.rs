//! Magnet links. A link that is understood is written in one way, and that text is understood the
//! same.

use std::str::FromStr;

use nearcast_core::{
    magnet::{Magnet, PEERS_MAX},
    manifest::WEB_SEEDS_MAX,
};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(magnet) = std::str::from_utf8(bytes).map_err(drop).and_then(|text| text.parse().map_err(drop))
    else {
        return;
    };
    let Magnet { web_seeds, peers, addresses, .. } = &magnet;
    assert!(web_seeds.len() <= WEB_SEEDS_MAX && peers.len() <= PEERS_MAX && addresses.len() <= PEERS_MAX);
    let written = magnet.to_string();
    assert!(!written.contains(char::is_control), "{written:?}");
    // Percent signs make a link longer, perhaps longer than a link may be.
    if let Ok(again) = Magnet::from_str(&written) {
        assert_eq!(again, magnet);
        assert_eq!(again.to_string(), written);
    } else {
        assert!(written.len() > nearcast_core::magnet::LINK_BYTES_MAX, "{written}");
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    const ID: &str = "122052b3ddaa86341f8e80d15cd6ed7c664ba695d0d089df26dd3a60b6d2fc14509d";
    [
        format!("magnet:?xt=urn:btmh:{ID}"),
        format!(
            "magnet:?xt.1=urn:btih:aa&xt.2=urn:btmh:{ID}&dn=a+%C3%A9&so=0,2,4-7&ws=http%3A%2F%2Fa.example%2Fb&x.pe=\
             [2001:db8::1]:4001&x.pe=a.example:1&x.ma=/ip4/127.0.0.1/tcp/4800&tr=udp%3A%2F%2Fx"
        ),
    ]
    .map(String::into_bytes)
    .into()
}
