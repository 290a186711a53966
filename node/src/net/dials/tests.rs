//! Attempts at several addresses, with results that the test chooses.

use super::*;

fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn targets(addresses: Vec<Multiaddr>) -> Vec<Target> {
    addresses.into_iter().map(|address| Target { address, once: false }).collect()
}

#[test]
fn tcp_is_tried_before_quic_and_every_address_once() {
    let given = addresses(&[
        "/ip4/192.0.2.1/udp/1/quic-v1",
        "/ip4/192.0.2.1/tcp/1",
        "/ip4/192.0.2.1/tcp/1",
        "/ip6/2001:db8::1/tcp/2",
    ]);
    let wanted =
        addresses(&["/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/tcp/2", "/ip4/192.0.2.1/udp/1/quic-v1"]);
    let found: Vec<Multiaddr> =
        ordered(None, targets(given)).into_iter().map(|target| target.address).collect();
    assert_eq!(found, wanted);
}

#[test]
fn quic_is_not_dialled_from_an_ip_nobody_chose() {
    let quic = |ip: &str| format!("/ip4/{ip}/udp/1/quic-v1").parse().unwrap();
    let keeps = |listen: &[&str], ip: &str| keeps_source(&addresses(listen), &quic(ip));
    assert!(!keeps(&["/ip4/127.1.0.7/tcp/0"], "127.3.0.1"));
    assert!(keeps(&["/ip4/127.1.0.7/tcp/0", "/ip4/127.1.0.7/udp/0/quic-v1"], "127.3.0.1"));
    assert!(keeps(&["/ip4/0.0.0.0/tcp/0"], "127.3.0.1"));
    assert!(keeps(&["/ip4/192.0.2.1/tcp/0"], "127.3.0.1"), "no listen IP reaches loopback anyway");
    assert!(keeps(&[], "192.0.2.1"));
    assert!(keeps_source(&addresses(&["/ip4/127.1.0.7/tcp/0"]), &addresses(&["/ip4/127.3.0.1/tcp/1"])[0]));
}

#[test]
fn addresses_of_somebody_else_are_left_out() {
    let (peer, other) = (PeerId::random(), PeerId::random());
    let given = vec![
        format!("/ip4/192.0.2.1/tcp/1/p2p/{other}").parse().unwrap(),
        format!("/ip4/192.0.2.2/tcp/1/p2p/{peer}").parse().unwrap(),
    ];
    let dial = Dial::new(Instant::now(), 1, Some(peer), targets(given.clone()));
    assert_eq!(dial.left.len(), 1);
    assert_eq!(dial.left[0].address, "/ip4/192.0.2.2/tcp/1".parse().unwrap());
    assert_eq!(
        Dial::new(Instant::now(), 1, None, targets(given)).peer,
        Some(other),
        "the first address says whom we want"
    );
}

fn transport(kind: io::ErrorKind) -> DialError {
    let error = libp2p::core::transport::TransportError::Other(io::Error::other(io::Error::from(kind)));
    DialError::Transport(vec![(Multiaddr::empty(), error)])
}

/// Begins the next attempt of a dial. `None`: there is none.
fn begin(now: Instant, dials: &mut Dials, dial: u64) -> Option<ConnectionId> {
    dials.next(now, dial).map(|options| options.connection_id())
}

fn dialling(dials: &mut Dials, targets: Vec<Target>) -> u64 {
    dials.insert(Dial::new(Instant::now(), 1, None, targets))
}

#[test]
fn a_broken_handshake_is_tried_again_from_another_port_and_a_refusal_is_not() {
    let address = || addresses(&["/ip4/192.0.2.1/tcp/1"]);
    let (now, mut dials) = (Instant::now(), Dials::default());
    let dial = dialling(&mut dials, targets(address()));
    let first = begin(now, &mut dials, dial).unwrap();
    assert_eq!(dials.failed(now, first, &transport(io::ErrorKind::UnexpectedEof)), Some(dial));
    let second = begin(now, &mut dials, dial).expect("once more");
    assert_eq!(dials.failed(now, second, &transport(io::ErrorKind::UnexpectedEof)), Some(dial));
    assert!(begin(now, &mut dials, dial).is_none(), "but not twice");

    let hearsay = Target { address: address().remove(0), once: true };
    let dial = dialling(&mut dials, vec![hearsay]);
    let first = begin(now, &mut dials, dial).unwrap();
    dials.failed(now, first, &transport(io::ErrorKind::UnexpectedEof));
    assert!(begin(now, &mut dials, dial).is_none(), "what somebody else says is tried once");

    let dial = dialling(&mut dials, targets(address()));
    let first = begin(now, &mut dials, dial).unwrap();
    dials.failed(now, first, &transport(io::ErrorKind::ConnectionRefused));
    assert!(begin(now, &mut dials, dial).is_none());
    let reason = dials.end(dial).unwrap().reason();
    assert!(reason.contains("/ip4/192.0.2.1/tcp/1"), "{reason}");
}

#[test]
fn an_address_that_is_silent_keeps_the_next_one_waiting_for_a_moment_only() {
    let (now, mut dials) = (Instant::now(), Dials::default());
    let both = addresses(&["/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/udp/1/quic-v1"]);
    let dial = dialling(&mut dials, targets(both));
    let tcp = begin(now, &mut dials, dial).unwrap();
    assert!(dials.due(now).is_empty());
    let next = dials.next_due().expect("QUIC is tried soon");
    assert_eq!(next, now + ATTEMPT_DELAY);
    assert_eq!(dials.due(next), [dial]);
    let quic = begin(now, &mut dials, dial).unwrap();
    assert_eq!(dials.next_due(), None, "there is nothing else to try");
    assert!(matches!(dials.made(quic), Made::Dialled(1)));
    assert!(matches!(dials.made(tcp), Made::Superfluous), "one is enough");
    assert!(dials.by_connection.is_empty() && dials.superfluous.is_empty() && dials.dials.is_empty());
}

#[test]
fn where_tcp_is_refused_quic_is_waited_for_a_second_and_no_longer() {
    let (now, mut dials) = (Instant::now(), Dials::default());
    let both = addresses(&["/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/udp/1/quic-v1"]);
    let dial = dialling(&mut dials, targets(both));
    let tcp = begin(now, &mut dials, dial).unwrap();
    dials.failed(now, tcp, &transport(io::ErrorKind::ConnectionRefused));
    let quic = begin(now, &mut dials, dial).expect("QUIC is tried at once");
    let end = dials.next_due().expect("that ends");
    assert_eq!(end, now + REFUSED_PATIENCE);
    let is_over = |dials: &mut Dials, at| dials.get_mut(dial).unwrap().is_over(at);
    assert!(!is_over(&mut dials, now) && is_over(&mut dials, end));
    let reason = dials.end(dial).unwrap().reason();
    assert!(reason.contains("tcp/1: ") && reason.contains("quic-v1: no answer"), "{reason}");
    // If the connection is made after all, it counts as one that the other side made.
    assert!(matches!(dials.made(quic), Made::Other));
}

#[test]
fn a_refusal_at_one_ip_ends_nothing_at_another() {
    let (now, mut dials) = (Instant::now(), Dials::default());
    let two = addresses(&["/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/tcp/1"]);
    let dial = dialling(&mut dials, targets(two));
    let first = begin(now, &mut dials, dial).unwrap();
    dials.failed(now, first, &transport(io::ErrorKind::ConnectionRefused));
    assert!(begin(now, &mut dials, dial).is_some());
    assert_eq!(dials.next_due(), None);
}
