//! Downloads what a link names: `cargo run --example get -- 'magnet:?…' [FOLDER]`.

use std::{env, error::Error, time::Duration};

use nearcast_node::{Fetch, Magnet, Node, NodeConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let link: Magnet = arguments.next().ok_or("usage: get LINK [FOLDER]")?.parse()?;
    let folder = arguments.next().unwrap_or_else(|| ".".to_owned());

    let node = Node::start(NodeConfig::default()).await?;
    let download = node.fetch(Fetch::new(link, folder)).await?;
    let mut progress = download.progress();
    let shown = tokio::spawn(async move {
        while progress.changed().await.is_ok() {
            let now = progress.borrow_and_update().clone();
            println!("{:?}: {} of {} bytes", now.phase, now.bytes_have, now.bytes_total);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let ended = download.finished().await;
    shown.abort();
    node.shutdown(Duration::from_secs(5)).await;
    println!("{} is complete", ended?.path.display());
    Ok(())
}
