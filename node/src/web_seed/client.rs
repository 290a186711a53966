//! Asks an HTTP server for a range of a file. Follows redirects, each judged by the guard.

use std::{
    error::Error,
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{
    Client as Http, Response, StatusCode, Url,
    header::{ACCEPT_ENCODING, LOCATION, RANGE},
    redirect::Policy,
};
use tokio::time::timeout;

use super::{
    Budget, Place,
    guard::Guard,
    place::{is_http, shown},
};
use crate::{
    events::Trouble,
    proxy::{Proxies, Proxy},
};

/// From a request to the head of its answer, at most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// For a connection to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An unused connection is closed after this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Redirects followed for one request, at most.
pub(super) const REDIRECTS_MAX: usize = 5;

/// Sends requests to one web seed.
#[derive(Debug)]
pub(super) struct Client {
    guard: Guard,
    proxies: Arc<Proxies>,
    connections_max: usize,
    /// For `http`: without CA certificates, which take time to read.
    plain: OnceLock<Http>,
    secure: OnceLock<Http>,
    /// For requests through a proxy, by the scheme of the URL.
    plain_by_proxy: OnceLock<Http>,
    secure_by_proxy: OnceLock<Http>,
}

/// Asks for a file, or a range of it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) url: Url,
    /// The first byte, and the one after the last. `None`: the whole file. The request has no
    /// condition (If-Range): of two machines behind one name, each would call the other's file
    /// another file.
    pub(super) bytes: Option<std::ops::Range<u64>>,
}

impl Client {
    pub(super) fn new(place: &Place, connections_max: usize, budget: &Budget) -> Client {
        Client {
            guard: Guard::new(place, budget.surroundings.clone()),
            proxies: budget.proxies.clone(),
            connections_max,
            plain: OnceLock::new(),
            secure: OnceLock::new(),
            plain_by_proxy: OnceLock::new(),
            secure_by_proxy: OnceLock::new(),
        }
    }

    /// Sends a request and follows redirects. Returns the final answer, whatever its status, and
    /// the URL that gave it.
    ///
    /// # Errors
    /// If no answer comes, or a redirect leads where it must not.
    pub(super) async fn ask(&self, request: &Request) -> Result<(Response, Url), Trouble> {
        let mut request = request.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.ask_once(&request).await?;
            if !is_redirect(response.status()) {
                return Ok((response, request.url));
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            request.url = next(&request.url, location)?;
        }
        Err(Trouble::lasting(format!("it redirects more than {REDIRECTS_MAX} times")))
    }

    /// Sends one request. Returns the answer, whatever its status.
    ///
    /// # Errors
    /// If no answer comes, or the URL leads where it must not.
    pub(super) async fn ask_once(&self, request: &Request) -> Result<Response, Trouble> {
        let url = &request.url;
        self.guard.admit(url, self.proxies.of(url).is_some()).await?;
        // Ranges of a compressed body would not be ranges of the file.
        let mut builder = self.http(url)?.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(bytes) = &request.bytes {
            builder = builder.header(RANGE, format!("bytes={}-{}", bytes.start, bytes.end.saturating_sub(1)));
        }
        match timeout(ANSWER_TIMEOUT, builder.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(trouble(error)),
            Err(_) => Err(Trouble::passing(format!("no answer for {} seconds", ANSWER_TIMEOUT.as_secs()))),
        }
    }

    fn http(&self, url: &Url) -> Result<&Http, Trouble> {
        let (secure, proxy) = (url.scheme() == "https", self.proxies.of(url));
        let cell = match (secure, proxy) {
            (false, None) => &self.plain,
            (true, None) => &self.secure,
            (false, Some(_)) => &self.plain_by_proxy,
            (true, Some(_)) => &self.secure_by_proxy,
        };
        if let Some(http) = cell.get() {
            return Ok(http);
        }
        let builder = Http::builder()
            .user_agent(concat!("nearcast/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            // We read the proxy environment ourselves, so that the guard knows which requests go
            // through a proxy.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(self.connections_max)
            .http1_only();
        let builder = if secure { builder.https_only(true) } else { builder };
        let builder = match proxy {
            Some(proxy) => builder.proxy(as_told(proxy)?),
            // Connections go only to addresses that the guard judged.
            None if secure => builder.dns_resolver(self.guard.pins()),
            None => builder.dns_resolver(self.guard.pins()).tls_certs_only([]),
        };
        let http = builder.build().map_err(|error| {
            Trouble::lasting(format!(
                "TLS cannot be set up (are CA certificates installed?): {}",
                chain(error)
            ))
        })?;
        Ok(cell.get_or_init(|| http))
    }
}

fn as_told(proxy: &Proxy) -> Result<reqwest::Proxy, Trouble> {
    reqwest::Proxy::all(proxy.url().as_str())
        .map_err(|error| Trouble::lasting(format!("the proxy {proxy} cannot be used: {}", chain(error))))
}

pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The target of a redirect. Credentials are removed.
pub(super) fn next(url: &Url, location: Option<&str>) -> Result<Url, Trouble> {
    let next = location.and_then(|location| url.join(location).ok());
    let Some(mut next) = next.filter(is_http) else {
        return Err(Trouble::lasting("it redirects to something that is no http or https address"));
    };
    if url.scheme() == "https" && next.scheme() == "http" {
        let target = shown(&next);
        return Err(Trouble::lasting(format!("it redirects from https to plain http, to {target}")));
    }
    next.set_fragment(None);
    // These calls fail only for URLs without a host.
    let _ = next.set_username("");
    let _ = next.set_password(None);
    Ok(next)
}

/// Classifies a failed request. A wrong certificate is still wrong in a minute, so that trouble is
/// lasting.
pub(super) fn trouble(error: reqwest::Error) -> Trouble {
    let of_tls = causes(&error).find_map(tls_error);
    let wrong_certificate = matches!(of_tls, Some(rustls::Error::InvalidCertificate(_)));
    match wrong_certificate {
        true => Trouble::lasting(chain(error)),
        false => Trouble::passing(chain(error)),
    }
}

/// Finds a TLS error, which may be wrapped in one or two system errors.
fn tls_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    match cause.downcast_ref() {
        Some(error) => Some(error),
        None => tls_error(cause.downcast_ref::<io::Error>()?.get_ref()?),
    }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// The error and its causes as one text, without the URL.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut parts = vec![error.to_string()];
    for cause in causes(&error).map(ToString::to_string) {
        if !parts.iter().any(|part| part.contains(&cause)) {
            parts.push(cause);
        }
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_rustls::TlsAcceptor;
    use libp2p::tls::certificate;
    use rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        sign::{CertifiedKey, SingleCertAndKey},
    };
    use tokio::net::TcpListener;
    use tokio_util::compat::TokioAsyncReadCompatExt;

    use super::*;
    use crate::surroundings::Surroundings;

    fn self_signed() -> TlsAcceptor {
        let identity = libp2p::identity::Keypair::generate_ed25519();
        let (certificate, secret) = certificate::generate(&identity).unwrap();
        let signer = aws_lc_rs::sign::any_ecdsa_type(&secret).unwrap();
        let ours = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], signer));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        TlsAcceptor::from(Arc::new(config.unwrap().with_no_client_auth().with_cert_resolver(Arc::new(ours))))
    }

    #[tokio::test]
    async fn a_certificate_that_nobody_vouches_for_is_refused_for_good() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/film.bin", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            self_signed().accept(stream.compat()).await.is_ok()
        });
        let place = Place::parse(&url, true).unwrap();
        let request = Request { url: place.url().clone(), bytes: Some(0..1) };
        let refused = Client::new(&place, 1, &Budget::new(Surroundings::default(), Proxies::none()))
            .ask(&request)
            .await
            .unwrap_err();
        let Trouble::Lasting(why) = refused else { panic!("{refused:?}") };
        assert!(why.text.contains("ertificate"), "{why}");
        // On a machine without any certificate authority, no connection is made at all.
        server.abort();
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_may_come_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place::parse(&format!("http://{}/", listener.local_addr().unwrap()), true).unwrap();
        drop(listener);
        let request = Request { url: place.url().clone(), bytes: Some(0..1) };
        let refused = Client::new(&place, 1, &Budget::new(Surroundings::default(), Proxies::none()))
            .ask(&request)
            .await
            .unwrap_err();
        assert!(matches!(&refused, Trouble::Passing { after: None, .. }), "{refused:?}");
    }

    #[test]
    fn redirects_leave_credentials_behind_and_never_leave_https() {
        let from = |url: &str, to| next(&Url::parse(url).unwrap(), Some(to));
        let moved = from("http://me:secret@a.example/x/y", "../z?k=1#f").unwrap();
        assert_eq!(moved.as_str(), "http://a.example/z?k=1");
        assert_eq!(
            from("http://a.example/", "https://u:p@b.example/").unwrap().as_str(),
            "https://b.example/"
        );
        for (url, to) in
            [("https://a.example/", "http://a.example/"), ("http://a.example/", "file:///etc/passwd")]
        {
            assert!(matches!(from(url, to), Err(Trouble::Lasting(_))), "{url} to {to}");
        }
        assert!(next(&Url::parse("http://a.example/").unwrap(), None).is_err());
    }
}
