//! TLS 1.3 by the libp2p specification (`/tls/1.0.0`,
//! <https://github.com/libp2p/specs/blob/master/tls/tls.md>), with our own order of ciphers.
//!
//! The stock upgrade puts ChaCha20 first. With AES instructions, AES-128-GCM is several times
//! faster, and the cipher is most of the cost of a fast transfer. Certificates and their meaning
//! are libp2p's, so any libp2p node can talk to us.

use std::{io, net::Ipv4Addr, sync::Arc};

use futures::{AsyncRead, AsyncWrite, future::BoxFuture};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use libp2p::{
    PeerId,
    core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
    identity::Keypair,
    tls::certificate,
};
use rustls::{
    CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName,
    Error as RustlsError, ServerConfig, SignatureScheme, SupportedCipherSuite,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};

/// The protocol name that both sides negotiate.
pub(crate) const PROTOCOL: &str = "/tls/1.0.0";
/// The protocol that the TLS layer itself announces (ALPN).
const ALPN: &[u8] = b"libp2p";

/// Upgrades a byte stream to an authenticated, encrypted one.
#[derive(Clone)]
pub(crate) struct TlsUpgrade {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// Why TLS could not be set up, or a handshake failed. Only the connection is lost.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// Our own certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] certificate::GenError),
    /// The TLS library refused our settings.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] RustlsError),
    /// The other side failed the handshake.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[from] io::Error),
    /// The other side's certificate names no libp2p identity.
    #[error("the peer's certificate is not acceptable: {0}")]
    PeerCertificate(#[from] certificate::ParseError),
    /// The other side sent no certificate, or more than one.
    #[error("the peer sent {0} certificates, not one")]
    CertificateCount(usize),
}

impl TlsUpgrade {
    pub(crate) fn new(identity: &Keypair) -> Result<Self, TlsError> {
        let (certificate, secret) = certificate::generate(identity)?;
        let signer = aws_lc_rs::sign::any_ecdsa_type(&secret)?;
        let ours = Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate], signer)));
        let provider = Arc::new(provider());
        Ok(TlsUpgrade {
            client: Arc::new(client_config(provider.clone(), ours.clone())?),
            server: Arc::new(server_config(provider, ours)?),
        })
    }
}

fn client_config(
    provider: Arc<CryptoProvider>,
    ours: Arc<SingleCertAndKey>,
) -> Result<ClientConfig, RustlsError> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Libp2pVerifier))
        .with_client_cert_resolver(ours);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Without resumption. All peers have the same (absent) name, so tickets of one peer would be
    // offered to another. A connection that proves its identity afresh is also easier to reason
    // about.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn server_config(
    provider: Arc<CryptoProvider>,
    ours: Arc<SingleCertAndKey>,
) -> Result<ServerConfig, RustlsError> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(Libp2pVerifier))
        .with_cert_resolver(ours);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn provider() -> CryptoProvider {
    CryptoProvider { cipher_suites: cipher_suites(has_aes_instructions()), ..aws_lc_rs::default_provider() }
}

/// The ciphers, fastest first. The client's order decides unless the server insists on its own,
/// which ours does not.
fn cipher_suites(aes_is_fast: bool) -> Vec<SupportedCipherSuite> {
    use aws_lc_rs::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    let mut suites = vec![TLS13_CHACHA20_POLY1305_SHA256, TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384];
    if aes_is_fast {
        suites.rotate_left(1);
    }
    suites
}

fn has_aes_instructions() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

impl UpgradeInfo for TlsUpgrade {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(PROTOCOL)
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for TlsUpgrade {
    type Output = (PeerId, TlsStream<C>);
    type Error = TlsError;
    type Future = BoxFuture<'static, Result<Self::Output, TlsError>>;

    fn upgrade_inbound(self, socket: C, _: &'static str) -> Self::Future {
        Box::pin(async move {
            let stream = TlsAcceptor::from(self.server).accept(socket).await?;
            let peer = peer_of(stream.get_ref().1)?;
            Ok((peer, stream.into()))
        })
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for TlsUpgrade {
    type Output = (PeerId, TlsStream<C>);
    type Error = TlsError;
    type Future = BoxFuture<'static, Result<Self::Output, TlsError>>;

    fn upgrade_outbound(self, socket: C, _: &'static str) -> Self::Future {
        Box::pin(async move {
            // With an IP as the name, rustls leaves out the server name, as the specification
            // demands.
            let name = ServerName::from(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            let stream = TlsConnector::from(self.client).connect(name, socket).await?;
            let peer = peer_of(stream.get_ref().1)?;
            Ok((peer, stream.into()))
        })
    }
}

fn peer_of(session: &CommonState) -> Result<PeerId, TlsError> {
    match session.peer_certificates() {
        Some([certificate]) => Ok(certificate::parse(certificate)?.peer_id()),
        other => Err(TlsError::CertificateCount(other.map_or(0, <[_]>::len))),
    }
}

/// Accepts exactly one self-signed certificate that carries a libp2p identity. The swarm, which
/// knows which peer it dialled, checks *whose* identity it is.
#[derive(Debug)]
struct Libp2pVerifier;

impl Libp2pVerifier {
    fn check(certificate: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> Result<(), RustlsError> {
        if !chain.is_empty() {
            return Err(RustlsError::General("a libp2p peer sends one certificate".into()));
        }
        // Verifies the self-signature, the dates, and the identity key's signature over the
        // certificate's key.
        certificate::parse(certificate)?;
        Ok(())
    }

    fn check_signature(
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        certificate::parse(certificate)?.verify_signature(signed.scheme, message, signed.signature())?;
        Ok(HandshakeSignatureValid::assertion())
    }
}

/// The signatures that libp2p's certificate check understands. Elliptic curves come first, as the
/// specification asks.
const SIGNATURES: [SignatureScheme; 6] = [
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];

/// Unreachable, since only TLS 1.3 is enabled. Refuses all the same.
fn refuse_tls12() -> Result<HandshakeSignatureValid, RustlsError> {
    Err(RustlsError::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
}

impl ServerCertVerifier for Libp2pVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        Self::check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        Self::check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SIGNATURES.to_vec()
    }
}

impl ClientCertVerifier for Libp2pVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, RustlsError> {
        Self::check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        Self::check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SIGNATURES.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncReadExt, AsyncWriteExt};
    use rustls::CipherSuite;
    use tokio_util::compat::TokioAsyncReadCompatExt;

    use super::*;

    type End = tokio_util::compat::Compat<tokio::io::DuplexStream>;

    fn pipe() -> (End, End) {
        let (a, b) = tokio::io::duplex(64 * 1024);
        (a.compat(), b.compat())
    }

    #[tokio::test]
    async fn both_ends_learn_who_the_other_is_and_take_the_fastest_cipher() {
        let (dialler, listener) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let (near, far) = pipe();
        let (outbound, inbound) = tokio::join!(
            TlsUpgrade::new(&dialler).unwrap().upgrade_outbound(near, PROTOCOL),
            TlsUpgrade::new(&listener).unwrap().upgrade_inbound(far, PROTOCOL),
        );
        let ((seen, mut near), (by, mut far)) = (outbound.unwrap(), inbound.unwrap());
        assert_eq!((seen, by), (listener.public().to_peer_id(), dialler.public().to_peer_id()));
        let session = near.get_ref().1;
        let fastest = match has_aes_instructions() {
            true => CipherSuite::TLS13_AES_128_GCM_SHA256,
            false => CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        };
        assert_eq!(session.negotiated_cipher_suite().unwrap().suite(), fastest);
        assert_eq!(session.alpn_protocol(), Some(ALPN));
        near.write_all(b"hello").await.unwrap();
        near.close().await.unwrap();
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"hello");
    }

    #[test]
    fn chacha_is_first_where_aes_is_slow_and_nothing_is_missing() {
        let names = |fast| cipher_suites(fast).iter().map(SupportedCipherSuite::suite).collect::<Vec<_>>();
        assert_eq!(names(true)[0], CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!(names(false)[0], CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
        assert!([true, false].iter().all(|fast| names(*fast).len() == 3));
    }

    #[test]
    fn a_certificate_is_refused_once_a_byte_of_it_is_changed() {
        let (certificate, _) = certificate::generate(&Keypair::generate_ed25519()).unwrap();
        assert!(Libp2pVerifier::check(&certificate, &[]).is_ok());
        assert!(Libp2pVerifier::check(&certificate, std::slice::from_ref(&certificate)).is_err());
        for at in (0..certificate.len()).step_by(7) {
            let mut bytes = certificate.to_vec();
            bytes[at] ^= 1;
            assert!(Libp2pVerifier::check(&bytes.into(), &[]).is_err(), "byte {at}");
        }
    }

    #[tokio::test]
    async fn a_client_without_a_certificate_is_refused() {
        let (near, far) = pipe();
        let anonymous = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Libp2pVerifier))
            .with_no_client_auth();
        let name = ServerName::from(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let listener = TlsUpgrade::new(&Keypair::generate_ed25519()).unwrap();
        let (_client, server) = tokio::join!(
            TlsConnector::from(Arc::new(anonymous)).connect(name, near),
            listener.upgrade_inbound(far, PROTOCOL),
        );
        assert!(matches!(server, Err(TlsError::Handshake(_))));
    }
}
