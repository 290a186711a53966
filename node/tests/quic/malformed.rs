//! Malformed bytes over QUIC, at every layer.

use std::{net::UdpSocket, sync::Arc, time::Duration};

use quinn_proto::{Dir, TransportConfig};
use rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};

use super::{
    Noise, Stage, alone,
    raw::{Raw, libp2p_tls},
};

/// Number of datagrams of each kind.
const DATAGRAMS: usize = 2_000;

/// A client without a certificate, and so without a peer id.
#[derive(Debug)]
struct Nameless;

impl ResolvesClientCert for Nameless {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

fn raw(stage: &Stage, tls: rustls::ClientConfig) -> Raw {
    Raw::new(stage.stranger(1), stage.to(), tls, TransportConfig::default())
}

/// Asserts that the seeder ends the connection: during the handshake, or when it checks the
/// certificate, for which a client does not wait.
fn refused(mut client: Raw) {
    let reason = client.establish().err().unwrap_or_else(|| client.until_lost());
    println!("refused: {reason}");
}

/// The first datagrams of `number` clients.
fn hellos(stage: &Stage, number: usize) -> Vec<Vec<u8>> {
    let hello = |_| {
        let mut client = raw(stage, libp2p_tls());
        std::iter::from_fn(move || client.datagram()).collect::<Vec<Vec<u8>>>()
    };
    (0..number).flat_map(hello).collect()
}

/// Sends datagrams slowly enough that no socket buffer overflows.
fn send_all(stage: &Stage, datagrams: impl Iterator<Item = Vec<u8>>) {
    let socket = UdpSocket::bind(stage.stranger(2)).unwrap();
    for (number, datagram) in datagrams.enumerate() {
        socket.send_to(&datagram, stage.to()).unwrap();
        if number % 32 == 31 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn noise_and_broken_hellos_do_not_keep_a_seeder_from_serving() {
    let _turn = alone();
    let stage = Stage::new(102);
    let before = stage.honest_get(2);
    let mut noise = Noise(1);
    send_all(
        &stage,
        (0..DATAGRAMS).map(|_| {
            let length = noise.below(1_500);
            noise.bytes(length)
        }),
    );
    let hellos = hellos(&stage, 20);
    let mut noise = Noise(2);
    send_all(
        &stage,
        (0..DATAGRAMS).map(|number| {
            let hello = &hellos[number % hellos.len()];
            hello[..noise.below(hello.len())].to_vec()
        }),
    );
    send_all(
        &stage,
        (0..DATAGRAMS).map(|number| {
            let mut hello = hellos[number % hellos.len()].clone();
            // Changes the header as often as all the rest.
            let at = if number % 2 == 0 { noise.below(32) } else { noise.below(hello.len()) };
            hello[at] ^= 1 << noise.below(8);
            hello
        }),
    );
    let after = stage.honest_get(3);
    println!("{} datagrams: an honest get took {before:?} before and {after:?} after", 3 * DATAGRAMS);
    assert!(after < before + Duration::from_secs(15), "{after:?} instead of {before:?}");
    stage.end();
}

#[test]
fn who_shakes_hands_in_another_way_is_turned_away_and_others_are_served() {
    let _turn = alone();
    let stage = Stage::new(103);
    let mut another = libp2p_tls();
    another.alpn_protocols = vec![b"h3".to_vec()];
    let mut nothing = libp2p_tls();
    nothing.alpn_protocols = Vec::new();
    for tls in [another, nothing] {
        for _ in 0..20 {
            refused(raw(&stage, tls.clone()));
        }
    }
    let mut nameless = libp2p_tls();
    nameless.client_auth_cert_resolver = Arc::new(Nameless);
    refused(raw(&stage, nameless));
    stage.honest_get(2);
    stage.end();
}

#[test]
fn noise_after_the_handshake_ends_what_it_came_over_and_nothing_else() {
    let _turn = alone();
    let stage = Stage::new(104);
    let mut noise = Noise(3);
    for number in 0..20 {
        let mut stranger = raw(&stage, libp2p_tls());
        stranger.establish().expect("an ordinary handshake");
        assert!(
            stranger.connection.streams().open(Dir::Uni).is_none(),
            "streams of one direction are not taken"
        );
        let multistream = b"\x13/multistream/1.0.0\n";
        let said: [Vec<u8>; 5] = [
            noise.bytes(4_000),
            vec![0xff; 4_000],
            [&multistream[..], &noise.bytes(2_000)].concat(),
            [&multistream[..], b"\x15/nearcast/exchange/1\n", &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat(),
            [&multistream[..], b"\x11/nearcast/data/1\n", &noise.bytes(4_000)].concat(),
        ];
        for _ in 0..12 {
            for bytes in &said {
                let stream = stranger.open();
                // The write stops at the end of the window; a stream that was reset accepts
                // nothing.
                let _ = stranger.connection.send_stream(stream).write(bytes);
            }
            stranger.turn(Duration::from_millis(5));
        }
        (0..10).for_each(|_| stranger.turn(Duration::from_millis(5)));
        if number % 2 == 0 {
            stranger.connection.close(stranger.now, 7u32.into(), noise.bytes(100).into());
            stranger.turn(Duration::from_millis(5));
        }
    }
    stage.honest_get(2);
    stage.end();
}
