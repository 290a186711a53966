//! A directory for every content, until Ctrl-C: peers that name its address find each other.
//! `cargo run --example directory`.

use std::{error::Error, time::Duration};

use nearcast_node::{
    Node, NodeConfig,
    directory::{Admission, DirectoryConfig},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = DirectoryConfig { admission: Admission::Open, ..DirectoryConfig::default() };
    let node = Node::start(NodeConfig { directory: Some(directory), ..NodeConfig::default() }).await?;
    for address in node.addresses() {
        println!("get --tracker {address}");
    }
    tokio::signal::ctrl_c().await?;
    if let Some(directory) = node.directory() {
        let stats = directory.stats();
        println!(
            "{} questions, {} peers known for {} contents",
            stats.questions, stats.peers, stats.contents
        );
    }
    node.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
