//! A newcomer joins peers that accept no connections. The time to its first byte is printed but not
//! judged, because test machines are busy with other work.

use std::time::{Duration, Instant};

use e2e::{
    cluster::{Client, Get, PATIENCE, Published, Seeder, SeederOptions, publish},
    content::{MIB, assert_same, write_random},
    namespace::LocalNetwork,
    place::Place,
    tracker::{Tracker, TrackerOptions},
};

const ORIGIN: u32 = 1;
const WALLED: u32 = 2;
const NEWCOMER: u32 = 3;

/// Number of peers behind a NAT: 32, as in a very large household, in the large run; else 6.
fn walled() -> u32 {
    if std::env::var_os("NEARCAST_FAULTS_LARGE").is_some() { 32 } else { 6 }
}

struct Stage {
    place: Place,
    network: LocalNetwork,
    tracker: Tracker,
    _seeder: Seeder,
    content: Published,
}

impl Stage {
    fn new() -> Option<Stage> {
        let network = LocalNetwork::new(3)?;
        let place = Place::new();
        let root = place.folder("root");
        write_random(&root.join("film.bin"), 8 * MIB, 77);
        let content = publish(&place, &root.join("film.bin"), &[]);
        let ip = LocalNetwork::ip(ORIGIN);
        let options = TrackerOptions::new(&place, &ip, &[]);
        let tracker = Tracker::run(&ip, &mut network.on(ORIGIN, &options.command(&place)));
        let arguments = vec!["--tracker".into(), tracker.address().to_owned()];
        let options = SeederOptions { root, state: place.folder("state"), ip, port: 0, arguments };
        let seeder = Seeder::run(&options, &mut network.on(ORIGIN, &Seeder::command(&place, &options)));
        Some(Stage { place, network, tracker, _seeder: seeder, content })
    }

    fn get(&self, host: u32, ip: &str) -> Get {
        let out = self.place.folder(&format!("out-{ip}"));
        let get = Get::new(&self.place, &self.content.magnet, &out, ip);
        get.with(&["--tracker", self.tracker.address(), "--discover", "tracker"])
            .run_by(|command| self.network.on(host, command))
    }

    /// Waits for a metric of the tracker. Its admin listener is on the loopback of its host.
    fn wait_metric(&self, name: &str, at_least: f64) {
        self.network.visit(ORIGIN, || self.tracker.wait_metric(name, |value| value >= at_least));
    }

    /// A newcomer gets the content. Returns the time to the first event with a byte (events come
    /// every half second) and the time to the end.
    fn newcomer(&self, number: u32) -> (Duration, Duration) {
        let ip = LocalNetwork::ip(NEWCOMER);
        let out = self.place.folder(&format!("newcomer-{number}"));
        let get = Get::new(&self.place, &self.content.magnet, &out, &ip)
            .with(&["--tracker", self.tracker.address(), "--discover", "tracker"])
            .run_by(|command| self.network.on(NEWCOMER, command));
        let started = Instant::now();
        let client = get.start();
        client.wait_bytes(1, PATIENCE);
        let first = started.elapsed();
        let all = Duration::from_secs_f64(client.wait_finished(PATIENCE).seconds);
        assert_eq!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
        assert_same(&self.place.path().join("root/film.bin"), &out.join("film.bin"));
        (first, all)
    }
}

#[test]
fn peers_that_nobody_can_connect_to_do_not_hold_a_newcomer_up() {
    let Some(stage) = Stage::new() else { return };
    let made = stage.network.add_addresses(WALLED, walled()).and_then(|addresses| {
        stage.network.shut(WALLED)?;
        Ok(addresses)
    });
    let addresses = match made {
        Ok(addresses) => addresses,
        Err(reason) => {
            eprintln!("skipped: nobody can be shut off here: {reason}");
            return;
        }
    };
    let alone: Vec<_> = (0..5).map(|number| stage.newcomer(number)).collect();
    let start = |ip: &String| stage.get(WALLED, ip).with(&["--seed", "forever"]).start();
    let clients: Vec<Client> = addresses.iter().map(start).collect();
    clients.iter().for_each(|client| drop(client.wait_finished(PATIENCE)));
    stage.wait_metric("nearcast_dial_backs_total{result=\"closed\"}", f64::from(walled()));
    let beside: Vec<_> = (5..10).map(|number| stage.newcomer(number)).collect();
    println!(
        "first byte and all, alone {alone:.2?}, beside {} that nobody can connect to {beside:.2?}",
        walled()
    );
    for client in &clients {
        assert_eq!(client.interrupt(PATIENCE), 0, "{}", client.process.tail());
    }
}
