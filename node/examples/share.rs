//! Serves a file or folder until Ctrl-C, and prints the link to it:
//! `cargo run --example share -- PATH`.

use std::{env, error::Error, path::PathBuf, sync::atomic::AtomicBool, time::Duration};

use nearcast_node::{
    Magnet, Node, NodeConfig, Share,
    publish::{PublishOptions, publish},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(env::args().nth(1).ok_or("usage: share PATH")?);
    let options = PublishOptions::default();
    let published = publish(&path, &options, &|_, _| {}, &AtomicBool::new(false))?;

    let node = Node::start(NodeConfig { origin: true, ..NodeConfig::default() }).await?;
    let mut link = Magnet::new(published.manifest.content());
    link.addresses = node.addresses().iter().map(ToString::to_string).collect();
    node.share(Share { manifest: published.manifest.into(), root: published.root }).await?;
    println!("{link}");
    tokio::signal::ctrl_c().await?;
    node.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
