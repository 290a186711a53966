use proptest::prelude::*;

use super::*;
use crate::content::manifest::FILES_MAX;

const ID: &str = "d8dd32ac93357c368556af3ac1d95c9d76bd0dff6fa9833ecdac3d53134efabb";

fn parse(rest: &str) -> Magnet {
    format!("magnet:?xt=urn:btmh:1220{ID}{rest}").parse().unwrap()
}

#[test]
fn a_link_of_another_client_is_read() {
    let link = format!(
        "magnet:?xt=urn:btih:631a31dd0a46257d5078c0dee4e66e26f73e42ac&xt=urn:btmh:1220{ID}\
         &dn=bittorrent-v1-v2+hybrid%20test&tr=udp%3A%2F%2Ftracker.example%3A6969&ws=https%3A%2F%2Fa.example%2Ff%26g\
         &so=4-6,0,2,5-7&x.pe=192.0.2.7:6881&x.pe=[2001:db8::7]:6881&x.pe=host.example%3A1&x.ma=/ip4/192.0.2.7/tcp/4001"
    );
    let magnet: Magnet = link.parse().unwrap();
    assert_eq!(magnet.content.to_string(), ID);
    assert_eq!(magnet.name.as_deref(), Some("bittorrent-v1-v2 hybrid test"));
    assert_eq!(magnet.web_seeds, ["https://a.example/f&g"]);
    assert_eq!(magnet.selection.unwrap().to_string(), "0,2,4-7");
    let peers: Vec<String> = magnet.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["192.0.2.7:6881", "[2001:db8::7]:6881", "host.example:1"]);
    assert_eq!(magnet.addresses, ["/ip4/192.0.2.7/tcp/4001"]);
}

#[test]
fn a_link_is_read_whatever_the_case_of_its_fixed_parts() {
    let link = format!("MAGNET:?xt=URN:BTMH:1220{}", ID.to_uppercase());
    assert_eq!(link.parse(), Ok(parse("")));
    let link = format!("  magnet:?xt.1=urn%3Abtmh%3A1220{ID}\n");
    assert_eq!(link.parse(), Ok(parse("")));
}

#[test]
fn a_link_is_read_as_pages_mails_and_chats_hand_it_on() {
    let hints = "&dn=a%20b&x.pe=192.0.2.7:6881";
    let plain = parse(hints);
    let link = format!("magnet:?xt=urn:btmh:1220{ID}{hints}");
    let handed_on = [
        link.replace('&', "&amp;"),
        link.replace('&', "&amp;amp;"),
        link.replace('&', "&#38;"),
        link.replace('&', "&#x26;").replace('=', "&#61;"),
        link.replace('&', "\\u0026"),
        link.replace('&', "\\&"),
        format!("<{link}>"),
        format!("\"{link}\""),
        format!("\u{201c}{link}\u{201d},"),
        format!("&lt;{link}&gt;"),
        format!("&quot;{}&quot;", link.replace('&', "&amp;")),
        format!("\u{feff}{link}\u{200b}"),
        link.replace("&dn", "\r\n  &dn"),
        format!("{}\n    {}", &link[..60], &link[60..]),
        format!("<a href=\"{}\">film</a>", link.replace('&', "&amp;")),
        format!("<a href={link}>film</a>"),
        format!("&lt;a href=&quot;{}&quot;&gt;", link.replace('&', "&amp;amp;")),
        format!("[film]({link})"),
        format!("get it here: {link} and be happy"),
        link.replace('=', "=3D").replace("&dn", "=\r\n&dn"),
        link.replace("xt=", "XT=").replace("dn=", "DN=").replace("x.pe", "X.PE"),
        link.replace("magnet:?", "magnet?"),
        link.replace("magnet:?", "magnet://?"),
        link.replace("magnet:?", "MAGNET:/?"),
        link.replace("magnet:?", ""),
        link.replace(':', "%3A")
            .replace('?', "%3F")
            .replace('&', "%26")
            .replace('=', "%3D")
            .replace("a%20", "a%2520"),
    ];
    for text in handed_on {
        assert!(is_meant_as_link(&text), "{text}");
        assert_eq!(text.parse(), Ok(plain.clone()), "{text}");
    }
}

#[test]
fn a_content_id_alone_is_a_link_without_hints() {
    let upper = ID.to_uppercase();
    let ways = [
        ID.to_owned(),
        format!(" {upper}\n"),
        format!("1220{ID}"),
        format!("urn:btmh:1220{ID}"),
        format!("btmh:1220{ID}"),
        format!("magnet:?xt=urn:btih:{upper}"),
        format!("magnet:?xt=urn:btih:{ID}&xt=urn:btmh:1220{ID}"),
        format!("\"{ID}\""),
        format!("{ID}."),
        format!("magnet:?xt=urn:btmh:1220{ID}."),
        format!("Is it magnet:?xt=urn:btmh:1220{ID}?"),
        format!("MAGNET:?XT=URN:BTMH:1220{upper}"),
    ];
    for text in ways {
        assert!(is_meant_as_link(&text), "{text}");
        assert_eq!(text.parse(), Ok(parse("")), "{text}");
    }
    for file in [
        "film.torrent",
        "magnet.torrent",
        "./abcd",
        "C:\\films\\a.torrent",
        "deadbeef",
        "a&amp;b.torrent",
        "",
    ] {
        assert!(!is_meant_as_link(file), "{file}");
    }
}

#[test]
fn a_peer_written_as_host_and_port_is_one_wherever_it_stands() {
    let magnet = parse("&x.ma=origin.example:4800");
    assert_eq!(magnet.peers.len(), 1);
    assert!(magnet.addresses.is_empty());
}

#[test]
fn links_to_something_else_are_refused() {
    let v1 = "magnet:?xt=urn:btih:631a31dd0a46257d5078c0dee4e66e26f73e42ac&dn=old";
    let other = "0".repeat(64);
    let long = format!("magnet:?xt=urn:btmh:1220{ID}&dn={}", "a".repeat(LINK_BYTES_MAX));
    let cases = [
        (v1.to_owned(), MagnetError::V1Only),
        ("https://a.example/".to_owned(), MagnetError::NoMagnet),
        ("magnet".to_owned(), MagnetError::NoMagnet),
        ("magnet:ß".to_owned(), MagnetError::NoMagnet),
        ("ab".repeat(20), MagnetError::V1Only),
        (format!("urn:btih:{}", "ab".repeat(20)), MagnetError::V1Only),
        ("ab".repeat(31), MagnetError::NoMagnet),
        (format!("{ID}.torrent"), MagnetError::NoMagnet),
        ("magnet:?".to_owned(), MagnetError::NoContent),
        ("magnet:?xt=urn:sha1:ABC".to_owned(), MagnetError::NoContent),
        (format!("magnet:?xt=urn:btmh:{ID}"), MagnetError::Content),
        (format!("magnet:?xt=urn:btmh:1220{ID}00"), MagnetError::Content),
        (format!("magnet:?xt=urn:btmh:1114{ID}"), MagnetError::Content),
        (format!("magnet:?xt=urn:btmh:1220{ID}&xt=urn:btmh:1220{other}"), MagnetError::TwoContents),
        (long, MagnetError::TooLong),
    ];
    for (link, error) in cases {
        assert_eq!(link.parse::<Magnet>(), Err(error), "{link:.90}");
    }
}

#[test]
fn hints_that_make_no_sense_are_dropped() {
    let magnet = parse(
        "&dn=%zz&ws=ftp://a.example/&ws=https://&x.pe=nobody&x.pe=a:0&x.pe=a:65536&x.pe=[1.2.3.4]:1&x.pe=::1:1\
         &x.ma=ip4&x.ma=/ip4/%0a&junk&=&dn=%ff",
    );
    assert_eq!(magnet, Magnet::new(magnet.content));
}

#[test]
fn hints_are_bounded() {
    let many: String =
        (0..200).map(|i| format!("&ws=http://{i}.example/&x.pe=h{i}:1&x.ma=/dns/h{i}")).collect();
    let magnet = parse(&many);
    assert_eq!(
        (magnet.web_seeds.len(), magnet.peers.len(), magnet.addresses.len()),
        (WEB_SEEDS_MAX, PEERS_MAX, PEERS_MAX)
    );
}

#[test]
fn a_selection_that_cannot_be_understood_is_refused_rather_than_ignored() {
    let many: String = (0..5000).map(|i| format!("{},", i * 2)).collect();
    let over = FILES_MAX.to_string();
    for text in ["", ",", "1,", "-", "1-", "-1", "2-1", "a", "+1", "1-2-3", "4294967296", &over, &many] {
        assert_eq!(text.parse::<FileSelection>(), Err(SelectionError), "{text:.20}");
    }
    let link = format!("magnet:?xt=urn:btmh:1220{ID}&so=x");
    assert_eq!(link.parse::<Magnet>(), Err(MagnetError::Selection(SelectionError)));
}

#[test]
fn a_selection_contains_what_it_names() {
    let selection: FileSelection = "0,2,4-6".parse().unwrap();
    let selected: Vec<u32> = (0..10).filter(|&index| selection.contains(index)).collect();
    assert_eq!(selected, [0, 2, 4, 5, 6]);
    assert_eq!(FileSelection::from_indices([6, 0, 4, 5, 2]), Some(selection));
    assert_eq!(FileSelection::from_indices([]), None);
}

prop_compose! {
    fn magnets()(
        hash in any::<[u8; 32]>(),
        name in proptest::option::of("\\PC{1,40}|[\\x00-\\x7f]{1,40}"),
        urls in proptest::collection::btree_set("https?://[a-z0-9.]{1,20}/[!-\\[\\]-~]{0,20}", 0..5),
        files in proptest::collection::vec(0..FILES_MAX, 0..20),
        ports in proptest::collection::btree_set(1u16.., 0..5),
        ips in proptest::collection::btree_set(any::<std::net::Ipv6Addr>(), 0..3),
        addresses in proptest::collection::btree_set("/[!-~]{1,30}", 0..5),
    ) -> Magnet {
        let v4 = ports.iter().map(|port| format!("192.0.2.1:{port}"));
        let v6 = ips.iter().map(|ip| format!("[{ip}]:4001"));
        Magnet {
            content: ContentId(hash),
            name,
            web_seeds: urls.into_iter().collect(),
            selection: FileSelection::from_indices(files),
            peers: v4.chain(v6).map(|text| text.parse().unwrap()).collect(),
            addresses: addresses.into_iter().collect(),
        }
    }
}

proptest! {
    #[test]
    fn a_link_that_was_written_reads_the_same(magnet in magnets()) {
        let link = magnet.to_string();
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/%&=?,".contains(&byte);
        prop_assert!(link.bytes().all(safe), "{}", link);
        prop_assert_eq!(link.parse(), Ok(magnet));
    }

    #[test]
    fn any_text_is_a_link_or_an_error(rest in "\\PC{0,60}|[%&=+.,a-z0-9-]{0,60}") {
        let _ = rest.parse::<Magnet>();
        let _ = format!("magnet:?xt=urn:btmh:1220{ID}&{rest}").parse::<Magnet>();
        let _ = format!("magnet:?xt=urn:btmh:1220{ID}&dn={rest}&so={rest}").parse::<Magnet>();
    }
}
