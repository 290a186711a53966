//! How many ranked answers a second a directory gives over the wire, for each second of processor time it takes.
//!
//!     cargo build --release -p e2e --example directory_load
//!     tests/bench/directory [--connections 1000] [--seconds 20]
//!
//! `serve` is a node that is a directory of any content, by an atlas of 250 ASes over the addresses that strangers come from;
//! it prints its address and its process. `load IP:PORT PROCESS CONNECTIONS SECONDS` connects so many strangers, each a
//! peer of one of ten contents, and has each ask for fifty peers again and again. Both share the machine, so what
//! counts is the directory's own time on a processor. Prints one line of JSON.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use e2e::stranger::{self, Stranger};
use futures::{AsyncReadExt, AsyncWriteExt, stream::StreamExt};
use nearcast_core::{
    asn::{Asn, Relation},
    atlas::AtlasBuilder,
};
use nearcast_node::{
    Node,
    config::{Caps, NodeConfig},
    directory::{Admission, DirectoryConfig, Pace, RegistryConfig},
};

const CONTENTS: u8 = 10;
const WANTED: u8 = 50;
/// Questions each connection asks ahead of their answers.
const AHEAD: usize = 4;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve().await,
        ["load", to, process, connections, seconds] => {
            load(to.parse()?, process.parse()?, connections.parse()?, seconds.parse()?).await
        }
        _ => bail!("say serve, or load IP:PORT PROCESS CONNECTIONS SECONDS"),
    }
}

async fn serve() -> anyhow::Result<()> {
    let mut atlas = AtlasBuilder::new(1);
    for asn in 0..250 {
        atlas.prefix(format!("127.100.{asn}.0/24").parse()?, &[Asn(1_000 + asn / 5)]);
        atlas.link(Asn(1_000 + asn / 5), Asn(1_000 + asn % 50), Relation::Peer);
    }
    let directory = DirectoryConfig {
        admission: Admission::Open,
        registry: RegistryConfig::default(),
        // What is measured is answers, not refusals.
        pace: Pace { per_second: 1e9, burst: 1e9 },
    };
    let node = Node::start(NodeConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
        directory: Some(directory),
        atlas: Some(Arc::new(atlas.build())),
        connections_max: 4_096,
        caps: Caps { connections_per_prefix_max: Some(4_096), ..Caps::default() },
        ..NodeConfig::default()
    })
    .await?;
    println!("{} {}", node.addresses().remove(0), std::process::id());
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    Ok(())
}

/// A question, as `docs/wire.md` has it.
fn question(content: u8) -> Vec<u8> {
    stranger::frame(&[&[0x0a, 32][..], &[content; 32], &[0x10, WANTED, 0x18, 0xa1, 0x1f]].concat())
}

/// Processor seconds a process has taken.
fn processor_seconds(process: u32) -> anyhow::Result<f64> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).context("the directory has ended")?;
    let mut nanos = 0.0;
    for task in tasks {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += text.split(' ').next().unwrap_or_default().parse::<f64>()?;
    }
    Ok(nanos / 1e9)
}

#[derive(Default)]
struct Count {
    answers: AtomicU64,
    bytes: AtomicU64,
    stop: AtomicBool,
}

async fn load(to: SocketAddr, process: u32, connections: usize, seconds: u64) -> anyhow::Result<()> {
    let count = Arc::new(Count::default());
    let meeting = (0..connections).map(|number| async move {
        // Ten to a /24.
        let from =
            Ipv4Addr::new(127, 100, (number / 10 % 250) as u8, 1 + (number % 10 + number / 2_500 * 10) as u8);
        let met = Stranger::meet(from, to).await?;
        let stream = met.open(stranger::DIRECTORY).await?;
        anyhow::Ok((met, stream))
    });
    let mut met = futures::stream::iter(meeting).buffer_unordered(32);
    let mut asking = Vec::new();
    while let Some(one) = met.next().await {
        let (stranger, stream) = one?;
        let question = question((asking.len() % usize::from(CONTENTS)) as u8);
        asking.push(tokio::spawn(ask(stranger, stream, question, count.clone())));
    }
    // Everybody has announced itself once before it counts.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (start, answers, before) =
        (Instant::now(), count.answers.load(Ordering::Relaxed), processor_seconds(process)?);
    let bytes = count.bytes.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (elapsed, taken) = (start.elapsed().as_secs_f64(), processor_seconds(process)? - before);
    let answers = (count.answers.load(Ordering::Relaxed) - answers) as f64;
    let bytes = (count.bytes.load(Ordering::Relaxed) - bytes) as f64;
    count.stop.store(true, Ordering::Relaxed);
    for one in asking {
        one.await??;
    }
    println!(
        r#"{{"connections":{connections},"answers":{answers},"bytes_each":{:.0},"answers_per_second":{:.0},"processor_seconds":{taken:.2},"answers_per_processor_second":{:.0}}}"#,
        bytes / answers,
        answers / elapsed,
        answers / taken
    );
    Ok(())
}

/// Asks until it is enough.
async fn ask(
    _met: Stranger,
    stream: yamux::Stream,
    question: Vec<u8>,
    count: Arc<Count>,
) -> anyhow::Result<()> {
    let (reader, mut writer) = AsyncReadExt::split(stream);
    let mut reader = futures::io::BufReader::with_capacity(32 << 10, reader);
    writer.write_all(&question.repeat(AHEAD)).await?;
    writer.flush().await?;
    let mut reply = Vec::new();
    while !count.stop.load(Ordering::Relaxed) {
        let (mut length, mut shift) = (0, 0);
        loop {
            let mut byte = [0];
            reader.read_exact(&mut byte).await?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        reply.resize(length, 0);
        reader.read_exact(&mut reply).await?;
        count.answers.fetch_add(1, Ordering::Relaxed);
        count.bytes.fetch_add(length as u64, Ordering::Relaxed);
        writer.write_all(&question).await?;
        writer.flush().await?;
    }
    Ok(())
}
