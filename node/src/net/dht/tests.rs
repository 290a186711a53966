//! Many hash tables in one process, which talk through memory.

use std::env;

use futures::StreamExt as _;
use libp2p::{
    Swarm, Transport as _,
    core::{transport::MemoryTransport, upgrade::Version},
    identity::Keypair,
    kad::store::MemoryStore,
    multiaddr::Protocol,
    noise,
    swarm::{Config, NetworkBehaviour},
    yamux,
};
use nearcast_core::{overlay::keys::Key, random::Random};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::*;

/// Far longer than any step here takes. A test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(120);

fn keypair(number: u32) -> Keypair {
    let mut secret = [77; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    Keypair::ed25519_from_bytes(secret).unwrap()
}

fn peer(number: u32) -> PeerId {
    keypair(number).public().to_peer_id()
}

/// The address of a node. Three nodes share a network.
fn address(number: u32) -> Multiaddr {
    let [.., wide, narrow] = (number / 3).to_be_bytes();
    let ip = u32::from_be_bytes([44, narrow, wide, (number % 3) as u8 + 1]);
    Protocol::Memory(ip.into()).into()
}

fn swarm<B: NetworkBehaviour>(number: u32, behaviour: B) -> Swarm<B> {
    let key = keypair(number);
    let transport = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&key).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let config = Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(10));
    let mut swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), config);
    swarm.listen_on(address(number)).unwrap();
    swarm
}

/// A node in a task of its own.
struct Node {
    orders: mpsc::Sender<Order>,
    counters: Counters,
}

impl Node {
    fn start(number: u32, tasks: &mut JoinSet<()>) -> Node {
        let counters = Counters::default();
        let config = DhtConfig { seed: number.into(), atlas: None };
        let listen = [address(number)];
        let dht = Dht::new(peer(number), &listen, &config, counters.clone()).unwrap();
        let mut swarm = swarm(number, dht);
        let (orders, mut queue) = mpsc::channel::<Order>(64);
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    order = queue.recv() => match order {
                        Some(order) => swarm.behaviour_mut().on_order(order),
                        None => return,
                    },
                    _ = swarm.next() => {}
                }
            }
        });
        Node { orders, counters }
    }

    async fn join(&self, other: u32) {
        let order = Order::Join { peer: Some(peer(other)), address: address(other) };
        self.orders.send(order).await.unwrap();
    }

    async fn answer<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> T {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.unwrap();
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time").unwrap()
    }

    async fn look_up(&self, key: Key) -> Found {
        self.answer(|reply| Order::LookUp { key, enough: 20, reply }).await
    }

    async fn provide(&self, key: Key) -> Option<u32> {
        self.answer(|reply| Order::Provide { key, reply }).await
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "waited in vain until {what}");
}

fn key(number: u32) -> Key {
    let mut key = [5; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    Key(key)
}

/// A network of nodes with numbers from `first` on, each of which was told of a few others. Tests
/// run in one process, so each has numbers of its own.
async fn network(first: u32, nodes: u32, tasks: &mut JoinSet<()>) -> Vec<Node> {
    let all: Vec<Node> = (0..nodes).map(|number| Node::start(first + number, tasks)).collect();
    let mut random = Random::new(9);
    for (number, node) in (0..nodes).zip(&all) {
        for _ in 0..4 {
            let other = random.below(nodes);
            if other != number {
                node.join(first + other).await;
            }
        }
    }
    let enough = u64::from(nodes / 4).min(12);
    until("the tables are filled", || all.iter().all(|node| node.counters.get().nodes >= enough)).await;
    all
}

/// `NEARCAST_DHT_NODES=300` has more nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_directory_provides_any_other_finds() {
    let nodes = env::var("NEARCAST_DHT_NODES").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let mut tasks = JoinSet::new();
    let all = network(0, nodes, &mut tasks).await;
    let mut random = Random::new(3);
    let mut drawn = || random.below(nodes) as usize;
    let keys: Vec<(Key, usize)> = (0..100).map(|number| (key(number), drawn())).collect();
    let mut written = 0;
    for &(key, provider) in &keys {
        written += all[provider].provide(key).await.expect("a write ends");
    }
    let (mut found, mut requests, mut missing) = (0_u32, 0, 0);
    for &(key, provider) in &keys {
        let asker = drawn();
        let answer = all[asker].look_up(key).await;
        let id = peer(provider as u32);
        found += u32::from(
            asker == provider
                || answer
                    .directories
                    .get(&id)
                    .is_some_and(|addresses| *addresses == [address(provider as u32)]),
        );
        requests += answer.requests;
        let answer = all[drawn()].look_up(Key([provider as u8; 32])).await;
        assert!(answer.directories.is_empty());
        missing += answer.requests;
    }
    let tables: u64 = all.iter().map(|node| node.counters.get().nodes).sum();
    println!(
        "{nodes} nodes, {} in a table: {found} of 100 found; requests: {} a write, {} a look-up, {} if nobody has it",
        tables / u64::from(nodes),
        f64::from(written) / 100.0,
        f64::from(requests) / 100.0,
        f64::from(missing) / 100.0,
    );
    // 99 when it was written, of 60 nodes.
    assert!(found >= 96, "{found} of 100");
    drop(all);
    while tasks.join_next().await.is_some() {}
}

#[tokio::test]
async fn half_of_the_directories_die_and_what_they_were_told_is_still_found() {
    let mut tasks = JoinSet::new();
    let mut all = network(2_000, 40, &mut tasks).await;
    for number in 0..30 {
        all[39].provide(key(number)).await.expect("a write ends");
    }
    all.drain(..20);
    let mut found = 0;
    for number in 0..30 {
        found += usize::from(all[3].look_up(key(number)).await.directories.contains_key(&peer(2_039)));
    }
    assert!(found >= 27, "{found} of 30");
}

/// A node with libp2p's own Kademlia that says what it likes.
fn stranger(number: u32) -> Swarm<kad::Behaviour<MemoryStore>> {
    let id = peer(number);
    let mut kad = kad::Behaviour::with_config(id, MemoryStore::new(id), kad::Config::new(PROTOCOL));
    kad.set_mode(Some(kad::Mode::Server));
    swarm(number, kad)
}

#[tokio::test]
async fn a_stranger_cannot_write_somebody_elses_address_nor_a_value() {
    let mut tasks = JoinSet::new();
    let node = Node::start(3_001, &mut tasks);
    let mut stranger = stranger(3_002);
    stranger.add_external_address("/ip4/198.51.100.7/tcp/4810".parse().unwrap());
    stranger.behaviour_mut().add_address(&peer(3_001), address(3_001));
    for number in 0..50 {
        stranger.behaviour_mut().start_providing(kad::RecordKey::new(&key(number).0)).unwrap();
        let value = kad::Record::new(key(number).0.to_vec(), vec![1; 60_000]);
        stranger.behaviour_mut().put_record(value, kad::Quorum::One).unwrap();
    }
    tasks.spawn(async move {
        loop {
            stranger.next().await;
        }
    });
    until("everything was refused", || node.counters.get().refused >= 50).await;
    let stats = node.counters.get();
    assert_eq!((stats.records, stats.written), (0, 0), "{stats:?}");
    for number in 0..50 {
        assert!(node.look_up(key(number)).await.directories.is_empty());
    }
}

/// Three in ten take every record, keep none, and name nobody.
#[tokio::test]
async fn what_three_in_ten_swallow_is_found_with_the_others() {
    let mut tasks = JoinSet::new();
    let all = network(5_000, 28, &mut tasks).await;
    for number in 6_000..6_012 {
        let id = peer(number);
        let mut config = kad::Config::new(PROTOCOL);
        config.set_record_filtering(kad::StoreInserts::FilterBoth);
        let mut swallows = kad::Behaviour::with_config(id, MemoryStore::new(id), config);
        swallows.set_mode(Some(kad::Mode::Server));
        let mut swallows = swarm(number, swallows);
        tasks.spawn(async move {
            loop {
                swallows.next().await;
            }
        });
        for node in all.iter().skip(number as usize % 3).step_by(3) {
            node.join(number).await;
        }
    }
    let with_liars = |node: &Node| node.counters.get().nodes >= 11;
    until("liars are in the tables", || all.iter().all(with_liars)).await;
    let mut found = 0;
    for number in 0..40_u32 {
        all[number as usize % 28].provide(key(number)).await.expect("a write ends");
    }
    for number in 0..40_u32 {
        let provider = peer(5_000 + number % 28);
        let answer = all[(number as usize * 7 + 3) % 28].look_up(key(number)).await;
        found +=
            u32::from(answer.directories.contains_key(&provider) || (number * 7 + 3) % 28 == number % 28);
    }
    println!("{found} of 40 found among liars");
    // 38 when it was written; who stands where is chance.
    assert!(found >= 34, "{found} of 40");
}

/// A liar fills answers with directories that are not there.
#[tokio::test]
async fn a_look_up_among_liars_ends_in_time_and_names_no_address_that_may_not_be_dialled() {
    let mut tasks = JoinSet::new();
    let node = Node::start(4_001, &mut tasks);
    let mut liar = stranger(4_002);
    for number in 100..160 {
        let private = format!("/ip4/10.0.0.{number}/tcp/4810").parse().unwrap();
        liar.behaviour_mut().add_address(&peer(number), private);
        let store = liar.behaviour_mut().store_mut();
        let addresses = vec![format!("/ip4/127.0.0.1/tcp/{number}").parse().unwrap()];
        let record = kad::ProviderRecord::new(kad::RecordKey::new(&key(1).0), peer(number), addresses);
        // Beyond twenty the liar's store has no room.
        let _ = kad::store::RecordStore::add_provider(store, record);
    }
    tasks.spawn(async move {
        loop {
            liar.next().await;
        }
    });
    node.join(4_002).await;
    until("the liar is in the table", || node.counters.get().nodes == 1).await;
    let found = node.look_up(key(1)).await;
    assert!(found.directories.is_empty(), "{found:?}");
    until("dials were refused", || node.counters.get().dials_refused > 0).await;
    assert_eq!(node.counters.get().nodes, 1, "nobody else entered");
}
