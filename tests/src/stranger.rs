//! A peer that does not share our code. It speaks the wire protocol of `docs/wire.md`, one layer on
//! another, and a test may stop or misbehave at any layer. It is written from that document alone,
//! not from the code of the node.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    task::Poll,
};

use futures::{AsyncReadExt, AsyncWriteExt, future::poll_fn, io::AsyncRead, io::AsyncWrite};
use libp2p::{core::upgrade::OutboundConnectionUpgrade, identity::Keypair, tls};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::{mpsc, oneshot},
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// Protocol name of TLS.
pub const TLS: &str = "/tls/1.0.0";
/// Protocol name of the muxer: many streams over one connection.
pub const YAMUX: &str = "/yamux/1.0.0";
/// Protocol name of links.
pub const EXCHANGE: &str = "/nearcast/exchange/1";
/// Protocol name of run transfers.
pub const DATA: &str = "/nearcast/data/1";
/// Protocol name of manifest requests, for peers that have only a link.
pub const MANIFEST: &str = "/nearcast/manifest/1";
/// Protocol name of directories, which tell who has a content.
pub const DIRECTORY: &str = "/nearcast/directory/1";
const PING: &str = "/ipfs/ping/1.0.0";
const MULTISTREAM: &str = "/multistream/1.0.0";

/// An encrypted connection with no further protocol agreed on.
pub type Secure = tls::TlsStream<Compat<TcpStream>>;

/// One of several thousand addresses for strangers, all on this machine.
pub fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 100 + (number / 62_500) as u8, (number / 250 % 250) as u8, 1 + (number % 250) as u8)
}

/// Connects from a given address of this machine.
pub async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// Proposes a protocol, and waits until the other side accepts it.
pub async fn agree(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), protocol: &str) -> io::Result<()> {
    let proposal = [line(MULTISTREAM), line(protocol)].concat();
    stream.write_all(&proposal).await?;
    stream.flush().await?;
    let mut answer = vec![0; proposal.len()];
    stream.read_exact(&mut answer).await?;
    match answer == proposal {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::Unsupported, format!("{protocol} is not accepted"))),
    }
}

/// A message of multistream-select: its length in one byte, the text, a newline.
pub fn line(text: &str) -> Vec<u8> {
    [&[text.len() as u8 + 1], text.as_bytes(), b"\n"].concat()
}

/// Encrypts a connection with a new key.
pub async fn secure(tcp: TcpStream) -> io::Result<Secure> {
    let mut tcp = tcp.compat();
    agree(&mut tcp, TLS).await?;
    let config = tls::Config::new(&Keypair::generate_ed25519()).map_err(io::Error::other)?;
    let (_, secure) = config.upgrade_outbound(tcp, TLS).await.map_err(io::Error::other)?;
    Ok(secure)
}

type Open = oneshot::Sender<io::Result<yamux::Stream>>;

/// A connected peer that answers pings, and otherwise does what the test says. Dropping it ends the
/// connection.
#[derive(Debug)]
pub struct Stranger {
    opens: mpsc::Sender<Open>,
}

impl Stranger {
    /// Connects, with all layers below the streams done correctly.
    pub async fn meet(from: Ipv4Addr, to: SocketAddr) -> io::Result<Stranger> {
        let mut secure = secure(connect(from, to).await?).await?;
        agree(&mut secure, YAMUX).await?;
        let connection = yamux::Connection::new(secure, yamux::Config::default(), yamux::Mode::Client);
        let (opens, waiting) = mpsc::channel(1);
        tokio::spawn(drive(connection, waiting));
        Ok(Stranger { opens })
    }

    /// Opens a stream with no protocol agreed on.
    pub async fn stream(&self) -> io::Result<yamux::Stream> {
        let (reply, opened) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.opens.send(reply).await.map_err(|_| gone())?;
        opened.await.map_err(|_| gone())?
    }

    /// Opens a stream and agrees on a protocol.
    pub async fn open(&self, protocol: &str) -> io::Result<yamux::Stream> {
        let mut stream = self.stream().await?;
        agree(&mut stream, protocol).await?;
        Ok(stream)
    }

    /// Links for a content as a peer that has nothing and wants everything. Returns when a hello
    /// has come back.
    pub async fn link(&self, content: &[u8; 32]) -> io::Result<yamux::Stream> {
        let mut stream = self.open(EXCHANGE).await?;
        stream.write_all(&[hello(content), interested()].concat()).await?;
        stream.flush().await?;
        let mut length = [0];
        stream.read_exact(&mut length).await?;
        let mut hello = vec![0; usize::from(length[0])];
        stream.read_exact(&mut hello).await?;
        Ok(stream)
    }
}

/// Drives a connection until the stranger is dropped or the connection breaks.
async fn drive(mut connection: yamux::Connection<Secure>, mut opens: mpsc::Receiver<Open>) {
    let mut waiting: Option<Open> = None;
    poll_fn(|cx| {
        loop {
            if waiting.is_none() {
                match opens.poll_recv(cx) {
                    Poll::Ready(Some(open)) => waiting = Some(open),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            if let Some(open) = waiting.take() {
                match connection.poll_new_outbound(cx) {
                    Poll::Ready(stream) => {
                        // If the receiver has gone, nobody needs the stream.
                        let _ = open.send(stream.map_err(io::Error::other));
                        continue;
                    }
                    Poll::Pending => waiting = Some(open),
                }
            }
            match connection.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => drop(tokio::spawn(answer_pings(stream))),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}

/// Accepts a ping stream, and echoes what comes.
async fn answer_pings(mut stream: yamux::Stream) -> io::Result<()> {
    let mut proposal = vec![0; line(MULTISTREAM).len() + line(PING).len()];
    stream.read_exact(&mut proposal).await?;
    if !proposal.ends_with(&line(PING)) {
        return Ok(());
    }
    let mut ping = [0; 32];
    let mut answer = proposal.as_slice();
    loop {
        stream.write_all(answer).await?;
        stream.flush().await?;
        stream.read_exact(&mut ping).await?;
        answer = &ping;
    }
}

/// A frame of a control or directory stream. At most 127 bytes.
pub fn frame(body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128, "one byte tells the length of a short frame");
    [&[body.len() as u8], body].concat()
}

/// The hello of a peer that has nothing and does not listen.
pub fn hello(content: &[u8; 32]) -> Vec<u8> {
    frame(&[&[0x0a, 32], &content[..]].concat())
}

/// The message that the sender wants runs of the receiver.
pub fn interested() -> Vec<u8> {
    frame(&[0x18, 1])
}

/// The message that the sender serves the receiver.
pub fn unchoke() -> Vec<u8> {
    frame(&[0x28, 1])
}

/// A request for a run.
pub fn request(id: u32, run: u32) -> Vec<u8> {
    [&[1][..], &id.to_be_bytes(), &run.to_be_bytes()].concat()
}

/// A yamux frame. Kinds: 0 data, 1 window, 2 ping, 3 goodbye. Flags: 1 opens a stream, 4 ends it.
pub fn yamux_frame(kind: u8, flags: u16, stream: u32, length: u32, body: &[u8]) -> Vec<u8> {
    let [high, low] = flags.to_be_bytes();
    [&[0, kind, high, low][..], &stream.to_be_bytes(), &length.to_be_bytes(), body].concat()
}
