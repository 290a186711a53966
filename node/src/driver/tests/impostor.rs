//! A peer made of the wire's own parts. It tells one lie, and is correct in everything else.

use std::{io, sync::Arc};

use libp2p::{StreamProtocol, identity::Keypair, multiaddr::Protocol};
use nearcast_core::{manifest::Manifest, message::Refusal, signature::Signature, untrusted::Untrusted};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::versions;
use crate::{
    address::Address,
    net::{InboundStream, Network, NetworkConfig},
    store::testing::{self, Data},
    wire::{
        self,
        control::{Frame, HELLO_BYTES_MAX, Hello, Said},
        data::{Answer, Ask},
        read_frame, write_frame,
    },
};

/// The secret key of a publisher.
pub(super) const PUBLISHER_SEED: [u8; 32] = [42; 32];

/// Protocols of a version that has none in common with ours.
const OTHER_PROTOCOLS: [&str; 4] =
    ["/nearcast/exchange/2", "/nearcast/data/2", "/nearcast/manifest/2", "/nearcast/directory/2"];

/// What the impostor lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// One bit of every run is flipped.
    Data,
    /// The peer takes requests and never answers.
    Silence,
    /// The peer sends half a run, then ends the stream.
    HalfARun,
    /// The header promises four gigabytes.
    Length,
    /// The header names a run that the content does not have.
    Run,
    /// The peer's have-map has another size.
    HaveMap,
    /// The peer's hello is about another content.
    Content,
    /// The peer's manifest is that of another content.
    Manifest,
    /// The peer promises an info dictionary of four gigabytes.
    ManifestLength,
    /// The peer answers no hello, and offers a link of its own with a have-map of another size.
    OfferedHaveMap,
    /// The signature that comes with the manifest is another publisher's.
    Signature,
    /// The control stream carries a frame that is too long.
    Frame,
    /// The peer is no origin, and refuses every request with "elsewhere".
    Elsewhere,
    /// The peer answers every request with another run, and is no origin.
    Another,
    /// The peer sends runs that were not requested.
    Unasked,
    /// The manifest comes byte by byte.
    ManifestDrip,
    /// No lie: the peer has a later version. Its hello and frames have unknown fields, and some
    /// frames are of unknown kinds.
    LaterFields,
    /// No lie: the peer has a version that speaks other protocols only.
    OtherProtocols,
}

struct Script {
    lie: Lie,
    manifest: Arc<Manifest>,
    data: Data,
    told: watch::Sender<u32>,
}

/// The running peer.
pub(super) struct Impostor {
    network: Network,
    script: Arc<Script>,
}

impl Impostor {
    pub(super) async fn start(ip: &str, lie: Lie, manifest: Arc<Manifest>, data: Data) -> Impostor {
        let listen = vec![format!("/ip4/{ip}/tcp/0").parse().unwrap()];
        // Of two links opened at once, the link of the smaller id stands: with this key that is
        // nearly always the impostor's.
        let keys = (0..64).map(|_| Keypair::generate_ed25519());
        let key = keys.min_by_key(|key| key.public().to_peer_id()).expect("one of 64");
        let config = NetworkConfig::new(key, listen);
        let protocols = match lie {
            Lie::OtherProtocols => OTHER_PROTOCOLS.map(StreamProtocol::new).to_vec(),
            _ => vec![wire::EXCHANGE, wire::DATA, wire::MANIFEST, wire::DIRECTORY],
        };
        let (network, mut events, mut inbound) = Network::start(config, protocols).await.unwrap();
        let script = Arc::new(Script { lie, manifest, data, told: watch::Sender::new(0) });
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        let (actor, own) = (script.clone(), network.clone());
        tokio::spawn(async move {
            while let Some(stream) = inbound.recv().await {
                let (actor, own) = (actor.clone(), own.clone());
                // An error here means that the victim cut the stream off.
                tokio::spawn(async move { drop(actor.act(&own, stream).await) });
            }
        });
        Impostor { network, script }
    }

    pub(super) fn address(&self) -> Address {
        let listen = self.network.listen_addresses().remove(0);
        Address(listen.with(Protocol::P2p(self.network.local_peer())))
    }

    /// How often the impostor has lied.
    pub(super) fn told(&self) -> u32 {
        *self.script.told.borrow()
    }

    /// Waits for the first lie.
    pub(super) async fn has_lied(&self) {
        self.has_lied_often(1).await;
    }

    /// Waits until the impostor has lied `times` times.
    pub(super) async fn has_lied_often(&self, times: u32) {
        self.script.told.subscribe().wait_for(|&told| told >= times).await.expect("the sender is ours");
    }

    pub(super) async fn shutdown(&self) {
        self.network.shutdown().await;
    }
}

impl Script {
    fn lies(&self, lie: Lie) -> bool {
        let lies = self.lie == lie;
        self.told.send_if_modified(|told| {
            *told += u32::from(lies);
            lies
        });
        lies
    }

    async fn act(&self, network: &Network, inbound: InboundStream) -> io::Result<()> {
        let (peer, connection) = (inbound.peer, inbound.connection);
        let stream = inbound.stream.compat();
        if inbound.protocol == wire::EXCHANGE && self.lies(Lie::OfferedHaveMap) {
            let offer = network.open(peer, connection, wire::EXCHANGE).await.map_err(io::Error::other)?;
            self.offer(stream, offer.compat()).await
        } else if inbound.protocol == wire::EXCHANGE {
            self.exchange(stream).await
        } else if inbound.protocol == wire::DATA {
            self.send_data(stream).await
        } else if inbound.protocol == wire::MANIFEST {
            self.send_manifest(stream).await
        } else {
            Ok(())
        }
    }

    async fn exchange(&self, mut stream: crate::net::Wire) -> io::Result<()> {
        let theirs = read_frame::<Hello>(&mut stream, HELLO_BYTES_MAX).await.map_err(io::Error::other)?;
        let Some(theirs) = theirs else { return Ok(()) };
        let mut hello = Hello { content: theirs.content, have_all: true, ..Hello::default() };
        if self.lies(Lie::HaveMap) {
            hello = Hello { have_all: false, have: vec![0xff; 77], ..hello };
        }
        if self.lies(Lie::Content) {
            hello.content = vec![9; 32];
        }
        if self.lies(Lie::LaterFields) {
            stream.write_all(&versions::later(&hello)).await?;
            stream.write_all(&versions::later(&Frame { said: None })).await?;
            stream.write_all(&versions::later(&Frame { said: Some(Said::Unchoke(true)) })).await?;
            stream.flush().await?;
            let mut heard = [0; 1_024];
            while stream.read(&mut heard).await? > 0 {}
            return Ok(());
        }
        write_frame(&mut stream, &hello).await?;
        if self.lies(Lie::Frame) {
            stream.write_all(&[0xff, 0xff, 0xff, 0xff, 0x0f]).await?;
        }
        write_frame(&mut stream, &Frame { said: Some(Said::Unchoke(true)) }).await?;
        stream.flush().await?;
        // Reads until the victim ends the stream.
        let mut heard = [0; 1_024];
        while stream.read(&mut heard).await? > 0 {}
        Ok(())
    }

    /// Leaves the victim's hello unanswered, and sends a bad hello on another stream.
    async fn offer(&self, unanswered: crate::net::Wire, mut stream: crate::net::Wire) -> io::Result<()> {
        let content = self.manifest.content().0.to_vec();
        write_frame(&mut stream, &Hello { content, have: vec![0xff; 77], ..Hello::default() }).await?;
        stream.flush().await?;
        let mut heard = [0; 1_024];
        while stream.read(&mut heard).await? > 0 {}
        drop(unanswered);
        Ok(())
    }

    async fn send_data(&self, mut stream: crate::net::Wire) -> io::Result<()> {
        let mut content = [0; 32];
        stream.read_exact(&mut content).await?;
        loop {
            let mut bytes = [0; Ask::BYTES];
            stream.read_exact(&mut bytes).await?;
            let Ask::Request { id, run, .. } = Ask::decode(bytes)? else { continue };
            if self.lies(Lie::Silence) {
                continue;
            }
            if self.lies(Lie::Elsewhere) {
                stream.write_all(&Answer::Refused { id, why: Refusal::Elsewhere }.encode()).await?;
                stream.flush().await?;
                continue;
            }
            let layout = self.manifest.layout();
            let asked = run.admit(|run| layout.run_index(run)).expect("the victim asks for what there is");
            let another =
                layout.run_index((asked.get() + 1) % layout.runs()).expect("it is below their number");
            let index = if self.lies(Lie::Another) { another } else { asked };
            let run = Untrusted::new(index.get());
            let id = if self.lies(Lie::Unasked) { !id } else { id };
            let verified = self.data.verified(&self.manifest, index);
            let proof = verified.proof().to_vec();
            let mut body = verified.into_bytes();
            let mut header = Answer::Run {
                id,
                run,
                proof_hashes: proof.len() as u8,
                bytes: Untrusted::new(body.len() as u32),
            };
            if self.lies(Lie::Length) {
                header =
                    Answer::Run { id, run, proof_hashes: proof.len() as u8, bytes: Untrusted::new(u32::MAX) };
            }
            if self.lies(Lie::Run) {
                header = Answer::Run {
                    id,
                    run: Untrusted::new(u32::MAX),
                    proof_hashes: 0,
                    bytes: Untrusted::new(body.len() as u32),
                };
            }
            if self.lies(Lie::Data) {
                let middle = body.len() / 2;
                body[middle] ^= 1;
            }
            stream.write_all(&header.encode()).await?;
            stream.write_all(&proof.concat()).await?;
            if self.lies(Lie::HalfARun) {
                stream.write_all(&body[..body.len() / 2]).await?;
                return stream.shutdown().await;
            }
            stream.write_all(&body).await?;
            stream.flush().await?;
        }
    }

    async fn send_manifest(&self, mut stream: crate::net::Wire) -> io::Result<()> {
        let mut content = [0; 32];
        stream.read_exact(&mut content).await?;
        if self.lies(Lie::ManifestLength) {
            stream.write_u32(u32::MAX).await?;
            return stream.shutdown().await;
        }
        if self.lies(Lie::ManifestDrip) {
            let info = self.manifest.info_bytes();
            stream.write_u32(info.len() as u32).await?;
            for byte in info {
                stream.write_all(&[*byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        }
        let other = testing::content(16 << 10, &[50_000]).0;
        let manifest = if self.lies(Lie::Manifest) { &other } else { &self.manifest };
        stream.write_u32(manifest.info_bytes().len() as u32).await?;
        stream.write_all(manifest.info_bytes()).await?;
        stream.write_u32(manifest.layers().count() as u32).await?;
        for hash in manifest.layers() {
            stream.write_all(hash).await?;
        }
        if self.lies(Lie::Signature) {
            let content = manifest.content();
            let forged = Signature { bytes: [7; 64], ..Signature::sign(&PUBLISHER_SEED, content) };
            stream.write_u8(1).await?;
            stream.write_all(&forged.to_bytes()).await?;
        }
        stream.shutdown().await
    }
}
