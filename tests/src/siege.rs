//! Attacks that go on: each of many strangers does the same thing again and again, as long as a test lets them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt, future::join_all};
use tokio::{runtime::Runtime, task::JoinHandle, time::timeout};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::{
    hostile::{SlowReader, raw_muxer},
    stranger::{
        DIRECTORY, EXCHANGE, MANIFEST, Stranger, TLS, address, agree, connect, frame, line, yamux_frame,
    },
};

/// After an attack that was ended, before the next: who is refused at once would else do nothing but connect.
const AGAIN: Duration = Duration::from_millis(10);
/// What is not ended by then is begun anew: an attacker has patience, a test has not.
const HELD: Duration = Duration::from_secs(60);
/// Bytes of a hello of the largest content there may be.
const LONG_HELLO_BYTES: u32 = 1_049_600;

/// What strangers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Connections that are never finished: silent, dripping, or stuck in TLS.
    HalfOpen,
    /// Hellos that do not end, about contents there are and contents there are not.
    Hellos,
    /// Frames of one byte on streams that nobody reads.
    TinyFrames,
    /// Links, or streams to a directory, on which nothing is said.
    Idle,
    /// Requests whose answers are taken a byte at a time.
    SlowReaders,
    /// Connections that are made and dropped.
    Churn,
    /// Questions without end whose answers nobody reads.
    Directory,
}

impl Attack {
    /// Every one.
    pub const ALL: [Attack; 7] = [
        Attack::HalfOpen,
        Attack::Hellos,
        Attack::TinyFrames,
        Attack::Idle,
        Attack::SlowReaders,
        Attack::Churn,
        Attack::Directory,
    ];

    /// Does it once; returns when it was ended.
    async fn once(self, from: Ipv4Addr, to: SocketAddr, content: &[u8; 32], turn: u64) -> io::Result<()> {
        match self {
            Attack::HalfOpen => half_open(from, to, turn).await,
            Attack::Hellos => hellos(from, to, content).await,
            Attack::TinyFrames => tiny_frames(from, to).await,
            Attack::Idle => idle(from, to, content).await,
            Attack::SlowReaders => {
                let reader = SlowReader::start(from, to, content, 30).await?;
                reader.ended().await;
                Ok(())
            }
            Attack::Churn => Stranger::meet(from, to).await.map(drop),
            Attack::Directory => questions(from, to, content).await,
        }
    }
}

/// Strangers at work. They end when this is dropped.
#[derive(Debug)]
pub struct Siege {
    strangers: Vec<JoinHandle<()>>,
    attacks: Arc<AtomicU64>,
}

impl Siege {
    /// So many strangers, a few of each network, attack at the same time.
    pub fn begin(
        runtime: &Runtime,
        attack: Attack,
        strangers: usize,
        to: SocketAddr,
        content: [u8; 32],
    ) -> Siege {
        let attacks = Arc::<AtomicU64>::default();
        let stranger = |number: usize| {
            let attacks = attacks.clone();
            runtime.spawn(async move {
                loop {
                    let turn = attacks.fetch_add(1, Ordering::Relaxed);
                    // What became of it is all the same to an attacker.
                    let _ = timeout(HELD, attack.once(address(number * 50), to, &content, turn)).await;
                    tokio::time::sleep(AGAIN).await;
                }
            })
        };
        Siege { strangers: (0..strangers).map(stranger).collect(), attacks }
    }

    /// Attacks begun so far.
    pub fn attacks(&self) -> u64 {
        self.attacks.load(Ordering::Relaxed)
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.strangers.iter().for_each(JoinHandle::abort);
    }
}

async fn half_open(from: Ipv4Addr, to: SocketAddr, turn: u64) -> io::Result<()> {
    let mut tcp = connect(from, to).await?.compat();
    match turn % 3 {
        0 => {}
        1 => loop {
            tcp.write_all(&line("/multistream/1.0.0")[..1]).await?;
            tcp.flush().await?;
            match timeout(Duration::from_secs(2), tcp.read(&mut [0; 64])).await {
                Ok(Ok(1..)) | Err(_) => {}
                Ok(_) => return Ok(()),
            }
        },
        _ => {
            agree(&mut tcp, TLS).await?;
            // The beginning of a record, and no more.
            tcp.write_all(&[22, 3, 1, 2]).await?;
        }
    }
    while tcp.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

async fn hellos(from: Ipv4Addr, to: SocketAddr, content: &[u8; 32]) -> io::Result<()> {
    let stranger = Stranger::meet(from, to).await?;
    let long = |content: &[u8; 32]| {
        let mut hello = varint(LONG_HELLO_BYTES);
        hello.extend([&[0x0a, 32], &content[..], &[0x2a], &varint(LONG_HELLO_BYTES - 40)].concat());
        hello.resize(hello.len() + 200_000, 0xff);
        hello
    };
    // The first twenty bytes of a content, and nothing after that.
    let short = [&[60, 0x0a, 32], &content[..20]].concat();
    let kinds = [long(content), long(&[7; 32]), short];
    let streams = kinds.iter().cycle().take(24).map(|hello| async {
        let mut stream = stranger.open(EXCHANGE).await?;
        stream.write_all(hello).await?;
        stream.flush().await?;
        while stream.read(&mut [0; 64]).await? > 0 {}
        io::Result::Ok(())
    });
    join_all(streams).await;
    Ok(())
}

async fn tiny_frames(from: Ipv4Addr, to: SocketAddr) -> io::Result<()> {
    let mut muxer = raw_muxer(from, to).await?;
    let streams = (0..40).map(|number| 1 + 2 * number);
    let offer = [line("/multistream/1.0.0"), line(MANIFEST)].concat();
    let open = |stream| yamux_frame(0, 1, stream, offer.len() as u32, &offer);
    muxer.write_all(&streams.clone().flat_map(open).collect::<Vec<u8>>()).await?;
    let round: Vec<u8> = streams.flat_map(|stream| yamux_frame(0, 0, stream, 1, &[7])).collect();
    let rounds = round.repeat(100);
    loop {
        muxer.write_all(&rounds).await?;
        muxer.flush().await?;
    }
}

async fn idle(from: Ipv4Addr, to: SocketAddr, content: &[u8; 32]) -> io::Result<()> {
    let stranger = Stranger::meet(from, to).await?;
    let mut stream = match stranger.link(content).await {
        Ok(link) => link,
        Err(_) => stranger.open(DIRECTORY).await?,
    };
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

async fn questions(from: Ipv4Addr, to: SocketAddr, content: &[u8; 32]) -> io::Result<()> {
    let stranger = Stranger::meet(from, to).await?;
    let questions = question(content).repeat(500);
    let streams = (0..8).map(|_| async {
        let mut stream = stranger.open(DIRECTORY).await?;
        loop {
            stream.write_all(&questions).await?;
            stream.flush().await?;
        }
    });
    let _: Vec<io::Result<()>> = join_all(streams).await;
    Ok(())
}

/// Asks a directory for fifty peers.
fn question(content: &[u8; 32]) -> Vec<u8> {
    frame(&[&[0x0a, 32], &content[..], &[0x10, 50, 0x18, 0xa1, 0x1f]].concat())
}

/// Somebody honest meets a directory, asks once, and has its answer.
///
/// # Errors
/// When there is none.
pub async fn ask_once(from: Ipv4Addr, to: SocketAddr, content: &[u8; 32]) -> io::Result<()> {
    let stranger = Stranger::meet(from, to).await?;
    let mut stream = stranger.open(DIRECTORY).await?;
    stream.write_all(&question(content)).await?;
    stream.flush().await?;
    let mut byte = [0];
    stream.read_exact(&mut byte).await
}

fn varint(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
