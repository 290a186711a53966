//! Numbers, names and addresses of peers that come, go and answer for others.

use super::*;

const NOW: Timestamp = Timestamp::ZERO;

fn connection(number: usize, remote: &str) -> Connection {
    Connection { id: ConnectionId::new_unchecked(number), remote: remote.parse().unwrap() }
}

#[test]
fn an_address_without_an_id_is_an_alias_of_whoever_answers_there() {
    let mut book = PeerBook::new(1);
    let address: Multiaddr = "/ip4/127.0.0.1/tcp/4001".parse().unwrap();
    let named = book.key_at(&address);
    assert_eq!(book.key_at(&address), named, "however often it is named");
    let (first, second) = (PeerId::random(), PeerId::random());
    let before = book.on_connected(NOW, first, connection(1, "/ip4/127.0.0.1/tcp/4001"), Some(named));
    assert_eq!((book.alias(named), book.key_of(first)), (Some(before), before));
    assert!(book.is_typed(before));
    book.on_disconnected(first, ConnectionId::new_unchecked(1));
    let Way::Dial(None, _) = book.way(NOW, named) else { panic!("whoever is there is wanted") };
    let now = book.on_connected(NOW, second, connection(2, "/ip4/127.0.0.1/tcp/4001"), Some(named));
    assert_eq!(book.alias(named), Some(now));
    assert!(book.is_typed(now) && !book.is_typed(before), "the user typed where it is, not who");
}

#[test]
fn keys_that_change_behind_one_address_are_not_all_remembered() {
    let mut book = PeerBook::new(1);
    let named = book.key_at(&"/ip4/192.0.2.1/tcp/4001".parse().unwrap());
    for number in 0..20_000 {
        let id = PeerId::random();
        book.on_connected(NOW, id, connection(number, "/ip4/192.0.2.1/tcp/4001"), Some(named));
        book.on_disconnected(id, ConnectionId::new_unchecked(number));
    }
    assert!(book.peers.len() <= 2 + nearcast_core::addresses::strangers_max(), "{}", book.peers.len());
    assert_eq!(book.peers.len(), book.book.len());
}

#[test]
fn two_addresses_of_one_peer_become_one_peer() {
    let mut book = PeerBook::new(1);
    let (first, second) = (
        book.key_at(&"/ip4/127.0.0.1/tcp/4001".parse().unwrap()),
        book.key_at(&"/ip4/127.0.0.1/udp/4001/quic-v1".parse().unwrap()),
    );
    let id = PeerId::random();
    book.on_connected(NOW, id, connection(1, "/ip4/127.0.0.1/tcp/4001"), Some(first));
    let peer = book.key_of(id);
    assert_eq!(
        book.on_connected(NOW, id, connection(2, "/ip4/127.0.0.1/udp/4001/quic-v1"), Some(second)),
        peer
    );
    assert_eq!((book.alias(first), book.alias(second)), (Some(peer), Some(peer)));
    assert_eq!(book.get(second).unwrap().id, Some(id));
}

#[test]
fn who_came_to_us_is_forgotten_and_who_we_know_is_kept() {
    let mut book = PeerBook::new(1);
    let (guest, host) = (PeerId::random(), PeerId::random());
    let guest_key = book.on_connected(NOW, guest, connection(1, "/ip4/192.0.2.1/tcp/5"), None);
    let named: Multiaddr = format!("/ip4/192.0.2.2/tcp/6/p2p/{host}").parse().unwrap();
    let host_key = book.key_at(&named);
    book.on_connected(NOW, host, connection(2, "/ip4/192.0.2.2/tcp/6"), Some(host_key));
    assert_eq!(book.connected(), 2);
    book.on_disconnected(guest, ConnectionId::new_unchecked(1));
    book.on_disconnected(host, ConnectionId::new_unchecked(2));
    assert!(book.get(guest_key).is_none() && book.get(host_key).is_some());
    assert_eq!(book.connected(), 0);
}

#[test]
fn a_record_leads_back_to_the_address_it_was_made_of() {
    let endpoint = Endpoint { ip: "2001:db8::7".parse().unwrap(), tcp: Some(4001), udp: None };
    let record = record(&PeerId::random().to_bytes(), &endpoint);
    let (ip, addresses) = addresses(&record).unwrap();
    assert_eq!(ip, endpoint.ip);
    assert_eq!(addresses, ["/ip6/2001:db8::7/tcp/4001".parse::<Multiaddr>().unwrap()]);
}

fn dialled(way: &Way) -> Vec<String> {
    let Way::Dial(_, targets) = way else { return Vec::new() };
    targets.iter().map(|target| target.address.to_string()).collect()
}

#[test]
fn a_wrong_name_at_an_address_costs_that_name_alone() {
    let mut book = PeerBook::new(1);
    let place = Endpoint { ip: "192.0.2.1".parse().unwrap(), tcp: Some(4_001), udp: None };
    let word = |teller: &str| Word { ip: teller.parse().ok(), rank: Rank::Hearsay };
    let wrong = book.hear(NOW, PeerId::random(), place.clone(), word("192.0.9.1")).unwrap();
    let Way::Dial(Some(_), targets) = book.way(NOW, wrong) else { panic!("it is tried") };
    book.on_other_found(wrong, &targets[0].address);
    assert!(!book.on_dial_failed(NOW, wrong), "nothing is left of it");
    assert!(book.get(wrong).is_none());
    let right = book.hear(NOW, PeerId::random(), place, word("192.0.8.1")).expect("the address is good");
    assert_eq!(dialled(&book.way(NOW, right)), ["/ip4/192.0.2.1/tcp/4001"]);
}

#[test]
fn what_a_stranger_says_of_a_peer_never_displaces_what_the_user_typed() {
    let mut book = PeerBook::new(1);
    let seeder = PeerId::random();
    let typed = format!("/ip4/192.0.2.1/tcp/4701/p2p/{seeder}");
    let key = book.key_at(&typed.parse().unwrap());
    let word = Word { ip: "192.0.2.9".parse().ok(), rank: Rank::Hearsay };
    for port in 9_001..9_100 {
        let bogus = Endpoint { ip: "192.0.2.9".parse().unwrap(), tcp: Some(port), udp: None };
        assert_eq!(book.hear(NOW, seeder, bogus, word), Some(key));
    }
    for number in 0..50_000u32 {
        let ip = IpAddr::from((0x0800_0000 + number).to_be_bytes());
        book.hear(NOW, PeerId::random(), Endpoint { ip, tcp: Some(4001), udp: None }, word);
    }
    assert_eq!(dialled(&book.way(NOW, key)), ["/ip4/192.0.2.1/tcp/4701"]);
    assert!(book.peers.len() <= 1 + nearcast_core::addresses::hearsay_max(), "{}", book.peers.len());
    assert_eq!(book.peers.len(), book.book.len());
    assert_eq!(book.by_id.len(), book.peers.len());
}

#[test]
fn an_address_without_a_name_that_leads_to_a_known_peer_is_not_lost_with_its_number() {
    let mut book = PeerBook::new(1);
    let id = PeerId::random();
    let guest = book.on_connected(NOW, id, connection(1, "/ip4/192.0.2.1/tcp/50000"), None);
    let typed = book.key_at(&"/ip4/192.0.2.1/tcp/4001".parse().unwrap());
    assert!(matches!(book.way(NOW, typed), Way::Dial(None, _)));
    assert_eq!(book.on_connected(NOW, id, connection(2, "/ip4/192.0.2.1/tcp/4001"), Some(typed)), guest);
    book.on_disconnected(id, ConnectionId::new_unchecked(1));
    book.on_disconnected(id, ConnectionId::new_unchecked(2));
    let later = NOW + Duration::from_secs(60);
    assert_eq!(dialled(&book.way(later, guest)), ["/ip4/192.0.2.1/tcp/4001"]);
    assert_eq!(book.connected(), 0);
}

#[test]
fn an_address_that_cannot_be_dialled_is_tried_all_the_same_if_the_user_typed_it() {
    let mut book = PeerBook::new(1);
    let odd = "/dns4/absent.example/tcp/4001";
    let key = book.key_at(&odd.parse().unwrap());
    assert_eq!(dialled(&book.way(NOW, key)), [odd]);
}

#[test]
fn web_servers_are_forgotten_with_their_content() {
    let mut book = PeerBook::new(1);
    let server = book.key_of_server();
    assert!(book.get(server).is_some_and(Known::is_server));
    book.release_server(server);
    assert!(book.get(server).is_none() && book.book.is_empty());
    let peer = book.key_at(&"/ip4/192.0.2.1/tcp/5".parse().unwrap());
    assert!(!book.get(peer).is_some_and(Known::is_server));
}
