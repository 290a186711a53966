//! Attacks on a seeder, from garbage to greed. Each attack returns when the seeder has ended it,
//! and does not return if the seeder leaves it open.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt, io::AsyncRead};
use tokio::time::timeout;
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::{
    content::Random,
    stranger::{
        DATA, DIRECTORY, EXCHANGE, MANIFEST, Secure, Stranger, TLS, YAMUX, agree, connect, frame, hello,
        interested, line, request, secure, unchoke, yamux_frame,
    },
};

/// Time in which a seeder ends anything malformed: its own limits, on a busy machine.
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// A kind of malformed input, at one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Noise before any protocol is agreed on.
    Greeting,
    /// TLS is agreed on, then noise.
    Handshake,
    /// A TLS record with a length above the limit.
    Record,
    /// Noise where the muxer should begin.
    Muxer,
    /// A yamux frame of an unknown kind.
    MuxerKind,
    /// Data of 4 GiB for a stream that was not opened.
    MuxerLength,
    /// More data than the window allows.
    MuxerWindow,
    /// An unknown protocol.
    Protocol,
    /// A protocol name that does not end.
    ProtocolName,
    /// A hello with a length above the limit.
    HelloLength,
    /// A hello that is not protobuf.
    Hello,
    /// A have-map of the wrong size for the content.
    HaveMap,
    /// A have message for runs that the content does not have.
    Runs,
    /// A control frame with a length above the limit.
    FrameLength,
    /// A request of an unknown kind, on a link.
    Ask,
    /// A request for a run that the content does not have.
    AskedRun,
    /// A request for runs without a link.
    Unlinked,
    /// Noise in a directory frame.
    Question,
    /// A request for an unknown manifest.
    Manifest,
}

impl Malformed {
    /// All kinds.
    pub const ALL: [Malformed; 19] = [
        Malformed::Greeting,
        Malformed::Handshake,
        Malformed::Record,
        Malformed::Muxer,
        Malformed::MuxerKind,
        Malformed::MuxerLength,
        Malformed::MuxerWindow,
        Malformed::Protocol,
        Malformed::ProtocolName,
        Malformed::HelloLength,
        Malformed::Hello,
        Malformed::HaveMap,
        Malformed::Runs,
        Malformed::FrameLength,
        Malformed::Ask,
        Malformed::AskedRun,
        Malformed::Unlinked,
        Malformed::Question,
        Malformed::Manifest,
    ];

    /// Sends the malformed input; returns when the seeder has ended the stream or connection.
    pub async fn attack(
        self,
        from: Ipv4Addr,
        to: SocketAddr,
        content: &[u8; 32],
        seed: u64,
    ) -> io::Result<()> {
        let noise = noise(seed);
        match self {
            Malformed::Greeting => say(&mut connect(from, to).await?.compat(), &noise).await,
            Malformed::Handshake | Malformed::Record => {
                let mut tcp = connect(from, to).await?.compat();
                agree(&mut tcp, TLS).await?;
                let record: &[u8] = if self == Malformed::Record { &[22, 3, 3, 0xff, 0xff] } else { &[] };
                say(&mut tcp, &[record, &noise].concat()).await
            }
            Malformed::Muxer | Malformed::MuxerKind | Malformed::MuxerLength | Malformed::MuxerWindow => {
                let mut muxer = raw_muxer(from, to).await?;
                say(&mut muxer, &self.muxer_frames(&noise)).await
            }
            Malformed::Protocol | Malformed::ProtocolName => {
                let stranger = Stranger::meet(from, to).await?;
                let name = match self {
                    Malformed::Protocol => [line("/multistream/1.0.0"), line("/noise/77")].concat(),
                    _ => vec![0xff; 2_000],
                };
                say(&mut stranger.stream().await?, &name).await
            }
            Malformed::HelloLength => speak(from, to, EXCHANGE, &[0xff, 0xff, 0xff, 0xff, 0x0f]).await,
            Malformed::Hello => speak(from, to, EXCHANGE, &[&[100], &noise[..100]].concat()).await,
            Malformed::HaveMap => {
                let have_map = [&[0x0a, 32], &content[..], &[0x2a, 50], &[0xff; 50]].concat();
                speak(from, to, EXCHANGE, &frame(&have_map)).await
            }
            Malformed::Runs => {
                on_link(from, to, content, &frame(&[0x0a, 7, 0x0a, 5, 0xff, 0xff, 0xff, 0xff, 0x0f])).await
            }
            Malformed::FrameLength => on_link(from, to, content, &[0xff, 0xff, 0x7f]).await,
            Malformed::Ask => asks(from, to, content, &[9; 9]).await,
            Malformed::AskedRun => asks(from, to, content, &request(1, u32::MAX)).await,
            Malformed::Unlinked => speak(from, to, DATA, &[content, &request(1, 0)[..]].concat()).await,
            Malformed::Question => speak(from, to, DIRECTORY, &[&[127], &noise[..127]].concat()).await,
            Malformed::Manifest => speak(from, to, MANIFEST, &noise[..32]).await,
        }
    }

    fn muxer_frames(self, noise: &[u8]) -> Vec<u8> {
        match self {
            Malformed::MuxerKind => yamux_frame(9, 1, 1, 0, &[]),
            Malformed::MuxerLength => yamux_frame(0, 0, 77, u32::MAX, noise),
            // 300 KiB at once; the window allows 256 KiB.
            Malformed::MuxerWindow => yamux_frame(0, 1, 1, 300 << 10, &vec![0; 300 << 10]),
            _ => noise.to_vec(),
        }
    }
}

fn noise(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    // The first byte is odd, so the noise cannot begin a message of multistream-select.
    (0..64).flat_map(|_| (random.number() | 0x81).to_le_bytes()).collect()
}

/// A connection with TLS and yamux agreed on, on which the caller writes raw yamux frames.
pub(crate) async fn raw_muxer(from: Ipv4Addr, to: SocketAddr) -> io::Result<Secure> {
    let mut secure = secure(connect(from, to).await?).await?;
    agree(&mut secure, YAMUX).await?;
    Ok(secure)
}

/// Sends the bytes, even if the other side does not take all, and waits for the end.
async fn say(stream: &mut (impl AsyncRead + futures::AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    // The seeder may end the stream before the last byte.
    if stream.write_all(bytes).await.is_ok() {
        let _ = stream.flush().await;
    }
    end_of(stream).await
}

/// Waits until the other side ends the stream.
async fn end_of(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut sink = vec![0; 4096];
    let ended = async { while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {} };
    timeout(END_TIMEOUT, ended).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
}

async fn speak(from: Ipv4Addr, to: SocketAddr, protocol: &str, bytes: &[u8]) -> io::Result<()> {
    let stranger = Stranger::meet(from, to).await?;
    say(&mut stranger.open(protocol).await?, bytes).await
}

async fn on_link(from: Ipv4Addr, to: SocketAddr, content: &[u8; 32], bytes: &[u8]) -> io::Result<()> {
    let stranger = Stranger::meet(from, to).await?;
    say(&mut stranger.link(content).await?, bytes).await
}

async fn asks(from: Ipv4Addr, to: SocketAddr, content: &[u8; 32], ask: &[u8]) -> io::Result<()> {
    let stranger = Stranger::meet(from, to).await?;
    let mut link = stranger.link(content).await?;
    let mut data = stranger.open(DATA).await?;
    data.write_all(&[content, ask].concat()).await?;
    data.flush().await?;
    end_of(&mut link).await
}

/// A stranger that asks for runs and reads one byte a second, until it is dropped or the seeder
/// ends the stream.
#[derive(Debug)]
pub struct SlowReader {
    _stranger: Stranger,
    _link: yamux::Stream,
    reading: tokio::task::JoinHandle<()>,
}

impl SlowReader {
    /// Links, waits to be unchoked, and asks for `requests` runs.
    pub async fn start(
        from: Ipv4Addr,
        to: SocketAddr,
        content: &[u8; 32],
        requests: u32,
    ) -> io::Result<SlowReader> {
        let stranger = Stranger::meet(from, to).await?;
        let link = stranger.link(content).await?;
        SlowReader::linked(stranger, link, content, requests).await
    }

    /// The same on an existing link: waits to be unchoked, and asks.
    pub(crate) async fn linked(
        stranger: Stranger,
        mut link: yamux::Stream,
        content: &[u8; 32],
        requests: u32,
    ) -> io::Result<SlowReader> {
        let mut said = Vec::new();
        let mut byte = [0];
        while !said.ends_with(&unchoke()) {
            link.read_exact(&mut byte).await?;
            said.push(byte[0]);
        }
        let mut data = stranger.open(DATA).await?;
        let asks: Vec<u8> = (0..requests).flat_map(|id| request(id, id)).collect();
        data.write_all(&[content, &asks[..]].concat()).await?;
        data.flush().await?;
        data.read_exact(&mut byte).await?;
        let reading = tokio::spawn(async move {
            let mut byte = [0];
            while data.read(&mut byte).await.is_ok_and(|read| read > 0) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        Ok(SlowReader { _stranger: stranger, _link: link, reading })
    }

    /// Waits until the seeder ends the stream.
    pub async fn ended(mut self) {
        // An error means that the reading was aborted.
        let _ = (&mut self.reading).await;
    }
}

impl Drop for SlowReader {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// A stranger that gives the seeder a huge window, asks for runs, and then does not read its
/// socket. Returns the connection when the first bytes of a run have come.
pub async fn greedy(from: Ipv4Addr, to: SocketAddr, content: &[u8; 32], requests: u32) -> io::Result<Secure> {
    const WINDOW: u32 = 1 << 30;
    const LINK: u32 = 1;
    const RUNS: u32 = 3;
    let mut muxer = raw_muxer(from, to).await?;
    let data = |stream, body: &[u8]| yamux_frame(0, 0, stream, body.len() as u32, body);
    let offer = |protocol| [line("/multistream/1.0.0"), line(protocol)].concat();
    let opening = [offer(EXCHANGE), hello(content), interested()].concat();
    muxer.write_all(&[yamux_frame(1, 1, LINK, WINDOW, &[]), data(LINK, &opening)].concat()).await?;
    muxer.flush().await?;
    wait_frame(&mut muxer, LINK, &unchoke()).await?;
    let asks: Vec<u8> = (0..requests).flat_map(|id| request(id, id)).collect();
    let asking = [&offer(DATA)[..], content, &asks].concat();
    muxer.write_all(&[yamux_frame(1, 1, RUNS, WINDOW, &[]), data(RUNS, &asking)].concat()).await?;
    muxer.flush().await?;
    wait_frame(&mut muxer, RUNS, &[1]).await?;
    Ok(muxer)
}

/// Reads frames until a frame of `stream` contains `wanted`.
async fn wait_frame(muxer: &mut Secure, stream: u32, wanted: &[u8]) -> io::Result<()> {
    loop {
        let mut header = [0; 12];
        muxer.read_exact(&mut header).await?;
        let word =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if header[1] != 0 {
            continue;
        }
        let mut body = vec![0; word(8) as usize];
        muxer.read_exact(&mut body).await?;
        // The first frames agree on the protocol; they do not count.
        let news = if body.starts_with(&line("/multistream/1.0.0")[..2]) { &[] } else { &body[..] };
        if word(4) == stream && news.windows(wanted.len()).any(|part| part == wanted) {
            return Ok(());
        }
    }
}

/// Opens streams without end; returns when the seeder has ended the connection.
pub async fn flood_of_streams(from: Ipv4Addr, to: SocketAddr) -> io::Result<()> {
    let mut muxer = raw_muxer(from, to).await?;
    let frames: Vec<u8> = (0..2_000).flat_map(|number| yamux_frame(1, 1, 1 + 2 * number, 0, &[])).collect();
    say(&mut muxer, &frames).await
}

/// Sends requests without end and reads no answer. Returns when the seeder has ended the connection
/// or the stream.
pub async fn flood_of_requests(from: Ipv4Addr, to: SocketAddr, content: &[u8; 32]) -> io::Result<()> {
    let stranger = Stranger::meet(from, to).await?;
    let mut link = stranger.link(content).await?;
    let mut data = stranger.open(DATA).await?;
    let asks: Vec<u8> = (0..10_000).flat_map(|id| request(id, 0)).collect();
    let flood = async {
        data.write_all(content).await?;
        loop {
            data.write_all(&asks).await?;
        }
    };
    let flooded: Result<io::Result<()>, _> = timeout(END_TIMEOUT, flood).await;
    match flooded {
        Ok(Err(_)) => end_of(&mut link).await,
        _ => Err(io::ErrorKind::TimedOut.into()),
    }
}
