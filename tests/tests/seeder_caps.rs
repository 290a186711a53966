//! Limits that an operator sets: rates for contents and networks, connections, open files.

use std::{net::SocketAddr, time::Instant};

use e2e::{
    cluster::{Get, PATIENCE, Published, publish},
    content::{MIB, write_random},
    operated::Operated,
    place::Place,
    stranger::{self, Stranger},
};

const SIZE: u64 = 3 * MIB;

fn one_file(place: &Place, name: &str, seed: u64) -> Published {
    let path = place.folder("root").join(name);
    write_random(&path, SIZE, seed);
    publish(place, &path, &[])
}

/// Clients at these addresses get these contents, all at once. Returns the time of each client, in
/// seconds.
fn last_of(place: &Place, seeder: &Operated, wanted: &[(&str, &Published)]) -> Vec<f64> {
    let begun = Instant::now();
    let clients: Vec<_> = wanted
        .iter()
        .map(|(ip, content)| {
            let get = Get::new(place, &content.torrent, &place.folder(&format!("out-{ip}")), ip);
            // The clients must not help each other, because the test measures the seeder.
            get.peer(seeder.address()).with(&["--discover", "none"]).start()
        })
        .collect();
    clients
        .iter()
        .map(|client| {
            client.wait_finished(PATIENCE);
            begun.elapsed().as_secs_f64()
        })
        .collect()
}

#[test]
fn each_content_has_a_rate_of_its_own() {
    let place = Place::new();
    let (one, other) = (one_file(&place, "one.bin", 441), one_file(&place, "other.bin", 442));
    let root = place.folder("root");
    let seeder = Operated::start(&place, &root, "127.44.1.1", "up-per-content = \"1MiB\"");
    let seconds = last_of(&place, &seeder, &[("127.44.2.1", &one), ("127.44.3.1", &other)]);
    // 3 s each, at the same time. A busy machine may only be slower.
    assert!(seconds.iter().all(|seconds| *seconds >= 2.9), "{seconds:?}");
    assert!(seconds.iter().all(|seconds| *seconds < 5.9), "they do not share one rate: {seconds:?}");
}

#[test]
fn a_network_has_a_rate_and_its_neighbour_is_not_held_up() {
    let place = Place::new();
    let contents = [443, 444, 445].map(|seed| one_file(&place, &format!("{seed}.bin"), seed));
    let root = place.folder("root");
    let seeder = Operated::start(&place, &root, "127.44.4.1", "up-per-prefix = \"1MiB\"");
    let wanted = [("127.44.5.1", &contents[0]), ("127.44.5.2", &contents[1]), ("127.44.6.1", &contents[2])];
    let seconds = last_of(&place, &seeder, &wanted);
    let (both, alone) = (seconds[0].max(seconds[1]), seconds[2]);
    assert!(both >= 5.9, "two in one network share its rate: {seconds:?}");
    assert!(alone >= 2.9, "{seconds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_over_the_cap_are_refused_and_counted() {
    let place = Place::new();
    let root = place.folder("root");
    let seeder = Operated::start(&place, &root, "127.44.7.1", "connections = 16");
    let port = seeder.address().split('/').nth(4).unwrap().to_owned();
    let address: SocketAddr = format!("127.44.7.1:{port}").parse().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut held = Vec::new();
    // A silent connection gives way to a newcomer. If no connection can, the newcomer is refused.
    let turned_away = || {
        let metrics = seeder.ask("/metrics");
        let gave_way = metrics.metric("nearcast_budget_refused_total{kind=\"connections\"}");
        gave_way + metrics.metric("nearcast_connections_refused_total")
    };
    while turned_away() < 20.0 {
        assert!(Instant::now() < deadline, "{}", seeder.process.tail());
        // A refused stranger learns it after the handshake, or during it.
        held.extend(Stranger::meet(stranger::address(held.len()), address).await);
    }
    assert_eq!(seeder.ask("/readyz").status, 200, "an admin is still answered");
    let metrics = seeder.ask("/metrics");
    assert!(metrics.metric("process_open_fds") < 350.0);
    assert!(metrics.metric("nearcast_connections") <= 16.0, "{}", metrics.text);
    drop(held);
}
