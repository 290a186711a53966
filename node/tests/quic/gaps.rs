//! A sender that never sends the beginning of a stream, and only every second part of the rest. The
//! receiver keeps parts that it cannot deliver. Its windows bound what it keeps.

use std::{
    any::Any,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use quinn_proto::{
    TransportConfig,
    congestion::{Controller, ControllerFactory},
};

use super::{
    Stage, alone,
    raw::{Raw, libp2p_tls},
};

/// Bytes in flight that a service allows on one connection: six windows of a stream
/// (`node/src/net/transport.rs`).
const WINDOW_BYTES: u64 = 6 * 256 * 1024;
/// The most memory, in windows. Two, as a datagram is kept whole if a part of it is kept. One more,
/// as the strangers of this test live in the same process and keep their unacknowledged bytes.
const KEPT_WINDOWS_MAX: u64 = 2 + 1;
const STREAMS: usize = 6;
const CONNECTIONS: usize = 12;
/// Gaps of one stream that the receiver tolerates (quinn-proto ends a connection with more than
/// 1,024).
const GAPS: usize = 1_000;

/// A congestion controller that ignores losses.
#[derive(Clone)]
struct Reckless;

impl Controller for Reckless {
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: u64) {}
    fn on_mtu_update(&mut self, _: u16) {}
    fn window(&self) -> u64 {
        1 << 30
    }
    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }
    fn initial_window(&self) -> u64 {
        1 << 30
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl ControllerFactory for Reckless {
    fn build(self: Arc<Self>, _: Instant, _: u16) -> Box<dyn Controller> {
        Box::new(Reckless)
    }
}

fn reckless() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.congestion_controller_factory(Arc::new(Reckless)).send_window(1 << 30);
    // Makes as little use of each datagram as possible.
    transport.pad_to_mtu(true).enable_segmentation_offload(false);
    transport
}

/// Resident memory of this process. In bytes.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Sends parts of `part` bytes on each stream, until the window is full or `parts_max` parts are
/// sent. Every second datagram is lost, the first among them, and answers are not read. Returns the
/// number of datagrams that were not lost.
fn fill(stranger: &mut Raw, part: usize, parts_max: usize) -> usize {
    let mut arrived = 0;
    let bytes = vec![7; part];
    for _ in 0..STREAMS {
        let stream = stranger.open();
        let mut number = 0;
        for _ in 0..parts_max {
            if stranger.connection.send_stream(stream).write(&bytes).is_err() {
                break;
            }
            while let Some(datagram) = stranger.datagram() {
                if number % 2 == 1 {
                    stranger.send(&datagram);
                    arrived += 1;
                    if arrived % 16 == 0 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                number += 1;
            }
            stranger.now += Duration::from_micros(10);
        }
    }
    arrived
}

/// The memory that one connection full of gaps costs, as a mean over many.
fn cost(stage: &Stage, part: usize) -> u64 {
    let connect = |_| {
        let mut stranger = Raw::new(stage.stranger(1), stage.to(), libp2p_tls(), reckless());
        stranger.establish().expect("an ordinary handshake");
        stranger
    };
    let mut strangers: Vec<Raw> = (0..CONNECTIONS).map(connect).collect();
    let before = resident();
    let mut most = before;
    let mut arrived = 0;
    for stranger in &mut strangers {
        arrived += fill(stranger, part, 2 * GAPS);
        most = most.max(resident());
    }
    std::thread::sleep(Duration::from_millis(500));
    let each = (most.max(resident()) - before) / CONNECTIONS as u64;
    println!(
        "{CONNECTIONS} connections, parts of {part} bytes: {arrived} datagrams, {} KiB each",
        each / 1024
    );
    assert!(arrived > CONNECTIONS * 500, "too little was sent to show anything");
    each
}

#[test]
fn a_connection_full_of_gaps_costs_no_more_than_twice_its_window() {
    let _turn = alone();
    let stage = Stage::new(105);
    stage.honest_get(2);
    for part in [512, 160, 16] {
        let each = cost(&stage, part);
        assert!(each <= KEPT_WINDOWS_MAX * WINDOW_BYTES, "{each} bytes each with parts of {part} bytes");
    }
    stage.honest_get(3);
    stage.end();
}

#[test]
fn who_sends_more_gaps_than_anybody_needs_is_cut_off() {
    let _turn = alone();
    let stage = Stage::new(106);
    let mut stranger = Raw::new(stage.stranger(1), stage.to(), libp2p_tls(), reckless());
    stranger.establish().expect("an ordinary handshake");
    fill(&mut stranger, 1, 6 * GAPS);
    println!("parts of one byte: {}", stranger.until_lost());
    stage.honest_get(2);
    stage.end();
}
