//! A directory checks whether the peers it tells of can be reached.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use super::directories::{Client, directory_is, open, tracker};
use crate::wire::directory::Question;

fn says(tcp_port: u16) -> Question {
    Question { content: vec![7; 32], wanted: 50, tcp_port: tcp_port.into(), ..Question::default() }
}

/// A port on which nothing listens.
fn closed_port(ip: Ipv4Addr) -> u16 {
    let socket = TcpListener::bind((ip, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_no_connections_is_told_of_only_where_hardly_anybody_else_is() {
    let (tracker, directory) = tracker(98, open()).await;
    let mut clients = Vec::new();
    let mut sockets = Vec::new();
    for host in 1..=6 {
        let ip = Ipv4Addr::new(127, 98, host, 1);
        let port = if host == 6 {
            closed_port(ip)
        } else {
            let socket = TcpListener::bind((ip, 0)).unwrap();
            let port = socket.local_addr().unwrap().port();
            sockets.push(socket);
            port
        };
        let mut client = Client::connect(&ip.to_string(), &tracker).await;
        client.ask(&says(port)).await;
        clients.push((client, port));
    }
    directory_is("a look at everybody", &directory, |stats| stats.reached + stats.unreached == 6).await;
    let stats = directory.stats();
    assert_eq!((stats.reached, stats.unreached, stats.entries), (5, 1, 6), "{stats:?}");
    let (_, closed) = clients.remove(5);
    let ports = |reply: crate::wire::directory::Reply| -> Vec<u32> {
        reply.peers.iter().map(|peer| peer.tcp_port).collect()
    };
    let mut newcomer = Client::connect("127.98.200.1", &tracker).await;
    let told = ports(newcomer.ask(&Question { tcp_port: 0, ..says(0) }).await);
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(!told.contains(&closed.into()), "{told:?}");
    // A peer in the same network that we cannot reach either may sit behind the same wall, and may
    // reach the other one there.
    let wall = Ipv4Addr::new(127, 98, 6, 9);
    let mut neighbour = Client::connect(&wall.to_string(), &tracker).await;
    let announced = says(closed_port(wall));
    assert!(!ports(neighbour.ask(&announced).await).contains(&closed.into()));
    directory_is("a look at the neighbour", &directory, |stats| stats.unreached == 2).await;
    assert!(ports(neighbour.ask(&announced).await).contains(&closed.into()));
    neighbour.ask(&Question { leaving: true, ..announced }).await;
    // Where there are hardly any other members, the peer may be worth a try.
    for (client, port) in clients.iter_mut().take(3) {
        client.ask(&Question { leaving: true, ..says(*port) }).await;
    }
    let told = ports(newcomer.ask(&says(0)).await);
    assert_eq!((told.len(), told.contains(&closed.into())), (3, true), "{told:?}");
    tracker.shutdown(Duration::ZERO).await;
}
