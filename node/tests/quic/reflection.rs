//! A sender that forges its address has the answers sent to a victim. Before the address is
//! validated so little is answered that nobody gains by it.

use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use quinn_proto::TransportConfig;

use super::{
    Noise, Stage, alone,
    raw::{Raw, libp2p_tls},
};

/// RFC 9000, section 8.1: at most three times the bytes received from an address that is not
/// validated.
const RATIO_MAX: usize = 3;
/// quinn checks before it sends a datagram, so the last one may exceed the limit: 3.18 times were
/// seen for a hello of two datagrams.
const LAST_DATAGRAM_BYTES_MAX: usize = 1_500;
/// Longer than a handshake may take, so all repetitions have come.
const HEARD_FOR: Duration = Duration::from_secs(12);

/// A kind of datagrams, the size of all of them, and the receiver of the answers.
struct Victim {
    name: &'static str,
    sent: usize,
    heard: usize,
    socket: UdpSocket,
}

impl Victim {
    fn new(name: &'static str, from: SocketAddr, to: SocketAddr, datagrams: &[Vec<u8>]) -> Victim {
        let socket = UdpSocket::bind(from).unwrap();
        socket.set_nonblocking(true).unwrap();
        datagrams.iter().for_each(|datagram| _ = socket.send_to(datagram, to).unwrap());
        Victim { name, sent: datagrams.iter().map(Vec::len).sum(), heard: 0, socket }
    }

    fn hear(&mut self) {
        let mut room = [0; 65_536];
        while let Ok((bytes, _)) = self.socket.recv_from(&mut room) {
            self.heard += bytes;
        }
    }
}

/// The first message of a client: its hello, in as many datagrams as it needs.
fn hello(stage: &Stage) -> Vec<Vec<u8>> {
    let mut client = Raw::new(stage.stranger(1), stage.to(), libp2p_tls(), TransportConfig::default());
    std::iter::from_fn(|| client.datagram()).collect()
}

#[test]
fn nobody_is_sent_more_than_three_times_what_came_in_its_name_and_a_datagram_before_it_answers() {
    let _turn = alone();
    let stage = Stage::new(101);
    stage.honest_get(2);
    let hellos = hello(&stage);
    assert!(hellos.iter().all(|datagram| datagram.len() >= 1_200), "a client pads what it begins with");
    let first = hellos[0].clone();
    let mut later_version = first.clone();
    later_version[1..5].copy_from_slice(&0xface_b00cu32.to_be_bytes());
    let mut noise = Noise(9);
    let short: Vec<Vec<u8>> = (0..20).map(|_| [&[0x41], &noise.bytes(1_199)[..]].concat()).collect();
    let any: Vec<Vec<u8>> = (0..20).map(|_| noise.bytes(1_200)).collect();
    let kinds: [(&'static str, Vec<Vec<u8>>); 7] = [
        ("a hello", hellos.clone()),
        ("the first datagram of a hello", vec![first.clone()]),
        ("the same three times", vec![first.clone(), first.clone(), first.clone()]),
        ("a version nobody speaks", vec![later_version.clone()]),
        ("the same, cut short", vec![later_version[..600].to_vec()]),
        ("packets of no connection", short),
        ("noise", any),
    ];
    let mut victims: Vec<Victim> = (10..)
        .zip(&kinds)
        .map(|(number, (name, datagrams))| Victim::new(name, stage.stranger(number), stage.to(), datagrams))
        .collect();
    let begun = Instant::now();
    while begun.elapsed() < HEARD_FOR {
        victims.iter_mut().for_each(Victim::hear);
        std::thread::sleep(Duration::from_millis(20));
    }
    for Victim { name, sent, heard, .. } in &victims {
        println!("{name}: {heard} bytes for {sent}, {:.2} times", *heard as f64 / *sent as f64);
        assert!(*heard <= RATIO_MAX * sent + LAST_DATAGRAM_BYTES_MAX, "{name}: {heard} bytes for {sent}");
    }
    // Otherwise nothing was tested: the seeder did answer, and only stopped to wait for the
    // validation.
    assert!(victims[0].heard > victims[0].sent, "a hello is answered with certificates");
    // A datagram that is no hello is not worth forging: its answer is never longer.
    for Victim { name, sent, heard, .. } in &victims[3..] {
        assert!(heard <= sent, "{name}: {heard} bytes for {sent}");
    }
    stage.honest_get(3);
    stage.end();
}
