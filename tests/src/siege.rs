//! Lasting attacks: each of many strangers repeats an attack as long as a test lets it.

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

/// Pause between two attacks of a stranger. Without it, a stranger that is refused at once would
/// only connect.
const AGAIN: Duration = Duration::from_millis(10);
/// An attack that is not ended by then is started anew: an attacker has time, a test has not.
const HELD: Duration = Duration::from_secs(60);
/// Size of a hello for the largest possible content.
const LONG_HELLO_BYTES: u32 = 1_049_600;

/// A kind of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Connections that are never finished: silent, dripping, or stuck in TLS.
    HalfOpen,
    /// Hellos that do not end, for known and unknown contents.
    Hellos,
    /// Frames of one byte, on streams that are not read.
    TinyFrames,
    /// Links, or streams to a directory, that stay silent.
    Idle,
    /// Requests whose answers are read a byte at a time.
    SlowReaders,
    /// Connections that are made and dropped.
    Churn,
    /// Endless questions to a directory whose answers are not read.
    Directory,
}

impl Attack {
    /// All attacks.
    pub const ALL: [Attack; 7] = [
        Attack::HalfOpen,
        Attack::Hellos,
        Attack::TinyFrames,
        Attack::Idle,
        Attack::SlowReaders,
        Attack::Churn,
        Attack::Directory,
    ];

    /// Runs the attack once; returns when it is ended. Counts the attack once it reaches the point
    /// where it does harm.
    async fn once(self, one: Once<'_>) -> io::Result<()> {
        match self {
            Attack::HalfOpen => half_open(one).await,
            Attack::Hellos => hellos(one).await,
            Attack::TinyFrames => tiny_frames(one).await,
            Attack::Idle => idle(one).await,
            Attack::SlowReaders => slow_reader(one).await,
            Attack::Churn => Stranger::meet(one.from, one.to).await.map(|_| one.landed()),
            Attack::Directory => questions(one).await,
        }
    }
}

/// One attack of one stranger.
#[derive(Clone, Copy)]
struct Once<'a> {
    from: Ipv4Addr,
    to: SocketAddr,
    content: &'a [u8; 32],
    turn: u64,
    landed: &'a AtomicU64,
}

impl Once<'_> {
    /// Counts the attack: the stranger has reached the point where it does harm.
    fn landed(&self) {
        self.landed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Strangers that attack until this is dropped.
#[derive(Debug)]
pub struct Siege {
    strangers: Vec<JoinHandle<()>>,
    landed: Arc<AtomicU64>,
}

impl Siege {
    /// Starts `strangers` strangers, a few from each network, which attack at the same time.
    pub fn begin(
        runtime: &Runtime,
        attack: Attack,
        strangers: usize,
        to: SocketAddr,
        content: [u8; 32],
    ) -> Siege {
        let landed = Arc::<AtomicU64>::default();
        let stranger = |number: usize| {
            let landed = landed.clone();
            runtime.spawn(async move {
                for turn in number as u64.. {
                    let from = address(number * 50);
                    let one = Once { from, to, content: &content, turn, landed: &landed };
                    // The attacker does not care how its attack ended.
                    let _ = timeout(HELD, attack.once(one)).await;
                    tokio::time::sleep(AGAIN).await;
                }
            })
        };
        Siege { strangers: (0..strangers).map(stranger).collect(), landed }
    }

    /// How often an attack has reached the point where it does harm.
    pub fn landed(&self) -> u64 {
        self.landed.load(Ordering::Relaxed)
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.strangers.iter().for_each(JoinHandle::abort);
    }
}

async fn half_open(one: Once<'_>) -> io::Result<()> {
    let mut tcp = connect(one.from, one.to).await?.compat();
    one.landed();
    match one.turn % 3 {
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
            // The beginning of a TLS record, and nothing more.
            tcp.write_all(&[22, 3, 1, 2]).await?;
        }
    }
    while tcp.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

async fn hellos(one: Once<'_>) -> io::Result<()> {
    let stranger = Stranger::meet(one.from, one.to).await?;
    let content = one.content;
    let long = |content: &[u8; 32]| {
        let mut hello = varint(LONG_HELLO_BYTES);
        hello.extend([&[0x0a, 32], &content[..], &[0x2a], &varint(LONG_HELLO_BYTES - 40)].concat());
        hello.resize(hello.len() + 200_000, 0xff);
        hello
    };
    // The first twenty bytes of a content id, and nothing more.
    let short = [&[60, 0x0a, 32], &content[..20]].concat();
    let kinds = [long(content), long(&[7; 32]), short];
    let streams = kinds.iter().cycle().take(24).map(|hello| async {
        let mut stream = stranger.open(EXCHANGE).await?;
        stream.write_all(hello).await?;
        stream.flush().await?;
        one.landed();
        while stream.read(&mut [0; 64]).await? > 0 {}
        io::Result::Ok(())
    });
    join_all(streams).await;
    Ok(())
}

async fn tiny_frames(one: Once<'_>) -> io::Result<()> {
    let mut muxer = raw_muxer(one.from, one.to).await?;
    let streams = (0..40).map(|number| 1 + 2 * number);
    let offer = [line("/multistream/1.0.0"), line(MANIFEST)].concat();
    let open = |stream| yamux_frame(0, 1, stream, offer.len() as u32, &offer);
    muxer.write_all(&streams.clone().flat_map(open).collect::<Vec<u8>>()).await?;
    let round: Vec<u8> = streams.flat_map(|stream| yamux_frame(0, 0, stream, 1, &[7])).collect();
    let rounds = round.repeat(100);
    loop {
        muxer.write_all(&rounds).await?;
        muxer.flush().await?;
        one.landed();
    }
}

async fn idle(one: Once<'_>) -> io::Result<()> {
    let stranger = Stranger::meet(one.from, one.to).await?;
    let mut stream = match stranger.link(one.content).await {
        Ok(link) => link,
        Err(_) => stranger.open(DIRECTORY).await?,
    };
    one.landed();
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

async fn slow_reader(one: Once<'_>) -> io::Result<()> {
    let stranger = Stranger::meet(one.from, one.to).await?;
    let Ok(link) = stranger.link(one.content).await else { return slow_answers(&stranger, one).await };
    // From now on the stranger competes to be unchoked.
    one.landed();
    SlowReader::linked(stranger, link, one.content, 30).await?.ended().await;
    Ok(())
}

/// Reads the answers of a directory one byte a second.
async fn slow_answers(stranger: &Stranger, one: Once<'_>) -> io::Result<()> {
    let mut stream = stranger.open(DIRECTORY).await?;
    stream.write_all(&question(one.content).repeat(50)).await?;
    stream.flush().await?;
    one.landed();
    while stream.read(&mut [0]).await? > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn questions(one: Once<'_>) -> io::Result<()> {
    let stranger = Stranger::meet(one.from, one.to).await?;
    let questions = question(one.content).repeat(500);
    let streams = (0..8).map(|_| async {
        let mut stream = stranger.open(DIRECTORY).await?;
        loop {
            stream.write_all(&questions).await?;
            stream.flush().await?;
            one.landed();
        }
    });
    let _: Vec<io::Result<()>> = join_all(streams).await;
    Ok(())
}

/// A frame that asks a directory for fifty peers.
fn question(content: &[u8; 32]) -> Vec<u8> {
    frame(&[&[0x0a, 32], &content[..], &[0x10, 50, 0x18, 0xa1, 0x1f]].concat())
}

/// An honest peer connects to a directory, asks once, and gets the answer.
///
/// # Errors
/// There is no answer.
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
