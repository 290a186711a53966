//! Fetches a `.torrent` from a URL that the user named. It is kept in memory and written nowhere.
//!
//! The user names the first host; the targets of redirects are judged as with web seeds. If a site
//! redirects to a `magnet:` link, that link is the result.

use std::{
    fmt,
    time::{Duration, Instant},
};

use nearcast_core::{
    magnet::LINK_BYTES_MAX, manifest::TORRENT_BYTES_MAX, outcomes::Remedy, paths::printable,
};
use reqwest::{Response, StatusCode, header::LOCATION};
use tokio::time::timeout;

use super::{
    Budget, Place,
    client::{self, Client, REDIRECTS_MAX, Request, is_redirect},
    place::shown,
};
use crate::{
    events::{Trouble, Why},
    exchange::least_rate::{LeastRate, Progress},
    proxy::Proxies,
    surroundings::Surroundings,
};

/// The whole fetch must end within this time: enough for the largest file at 1 MB/s, with some
/// margin.
const TIME_MAX: Duration = Duration::from_secs(150);
/// Idle connections to the site that are kept.
const CONNECTIONS_MAX: usize = 1;
/// How an HTML page begins, after white space.
const PAGE_BEGINS: [&[u8]; 2] = [b"<!doctype", b"<html"];

/// The result of fetching a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The bytes of a file, at most as many as a `.torrent` may have. Not parsed yet.
    Bytes(Vec<u8>),
    /// The URL redirects to this `magnet:` link.
    Link(String),
}

/// Why fetching a URL failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    /// The URL for display, without credentials and query.
    url: String,
    reason: String,
    /// The kind of failure.
    pub kind: FetchFailure,
    /// What the user can change. `None`: nothing is known to help.
    pub remedy: Option<Remedy>,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchFailure {
    /// It is not a URL that can be asked, or it leads where it must not.
    Unusable,
    /// The server says that nothing is there.
    NotFound,
    /// The server denies access: it wants a user and a password, or others than those in the URL.
    Denied,
    /// The server could not be reached, stopped sending, or reported an error.
    Unreachable,
    /// The bytes are not a `.torrent`.
    NoTorrent,
    /// The bytes are a page for people, and not a `.torrent`.
    Page,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot get {}: {}", self.url, self.reason)
    }
}

impl std::error::Error for FetchError {}

/// Whether a text is a URL that [`fetch`] can try.
pub fn is_url(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
}

/// Fetches what is at a URL.
///
/// # Errors
/// If nothing usable came; the error says why. Nothing is left behind.
pub async fn fetch(url: &str, proxies: &Proxies) -> Result<Fetched, FetchError> {
    let place = Place::parse(url, true).map_err(|error| FetchError {
        url: printable(url),
        reason: error.to_string(),
        kind: FetchFailure::Unusable,
        remedy: None,
    })?;
    let failed = |(kind, why): Failed| FetchError {
        url: place.to_string(),
        reason: why.text,
        kind,
        remedy: why.remedy,
    };
    let fetched = timeout(TIME_MAX, follow(&place, proxies)).await;
    let too_long = || Why::from(format!("it took longer than {} s", TIME_MAX.as_secs()));
    fetched.unwrap_or_else(|_| Err((FetchFailure::Unreachable, too_long()))).map_err(failed)
}

type Failed = (FetchFailure, Why);

async fn follow(place: &Place, proxies: &Proxies) -> Result<Fetched, Failed> {
    let budget = Budget::new(Surroundings::default(), proxies.clone());
    let client = Client::new(place, CONNECTIONS_MAX, &budget);
    let mut request = Request { url: place.url().clone(), bytes: None };
    for _ in 0..=REDIRECTS_MAX {
        let response = client.ask_once(&request).await.map_err(of_trouble)?;
        if !is_redirect(response.status()) {
            return body(response).await.map(Fetched::Bytes);
        }
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        if let Some(link) = location.filter(|location| is_link(location)) {
            return Ok(Fetched::Link(link.to_owned()));
        }
        request.url = client::next(&request.url, location).map_err(of_trouble)?;
    }
    Err((FetchFailure::Unusable, format!("it redirects more than {REDIRECTS_MAX} times").into()))
}

fn is_link(location: &str) -> bool {
    let scheme = location.get(.."magnet:".len());
    location.len() <= LINK_BYTES_MAX && scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:"))
}

fn of_trouble(trouble: Trouble) -> Failed {
    match trouble {
        Trouble::Passing { reason, .. } => (FetchFailure::Unreachable, reason),
        Trouble::Lasting(reason) => (FetchFailure::Unusable, reason),
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, Failed> {
    let status = response.status();
    match status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            return Err((FetchFailure::NotFound, format!("the server says {status}").into()));
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err((FetchFailure::Denied, format!("the server says {status}").into()));
        }
        _ => return Err((FetchFailure::Unreachable, format!("the server says {status}").into())),
    }
    let too_large = || {
        let reason = format!("it has more than the {TORRENT_BYTES_MAX} bytes that a .torrent may have");
        (FetchFailure::NoTorrent, Why::from(reason))
    };
    if response.content_length().is_some_and(|bytes| bytes > TORRENT_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let (mut bytes, mut rate) = (Vec::new(), LeastRate::new());
    loop {
        let asked = Instant::now();
        let chunk = match timeout(rate.patience(), response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(of_trouble(client::trouble(error))),
            Err(_) => bytes::Bytes::new(),
        };
        if rate.note(asked.elapsed(), chunk.len()) == Progress::TooLittle {
            return Err((FetchFailure::Unreachable, "no data, or next to none, for 20 seconds".into()));
        }
        if chunk.len() > TORRENT_BYTES_MAX.saturating_sub(bytes.len()) {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    if is_page(&bytes) {
        let at = shown(response.url());
        return Err((FetchFailure::Page, format!("{at} is a page for people and no .torrent").into()));
    }
    Ok(bytes)
}

fn is_page(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    PAGE_BEGINS.iter().any(|begin| start.get(..begin.len()).is_some_and(|it| it.eq_ignore_ascii_case(begin)))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Starts a server that gives these answers, one to each connection. Returns its URL.
    async fn server(answers: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/film.torrent", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await.unwrap();
                // The client may hang up once it has read enough.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        url
    }

    fn answer(status: &str, fields: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    async fn fetched(answers: Vec<String>) -> Result<Fetched, FetchError> {
        fetch(&server(answers).await, &Proxies::none()).await
    }

    #[tokio::test]
    async fn a_file_is_fetched_along_redirects_of_its_host() {
        let moved = answer("302 Found", "Location: /other.torrent\r\n", "");
        let came = fetched(vec![moved, answer("200 OK", "", "d4:info")]).await;
        assert_eq!(came, Ok(Fetched::Bytes(b"d4:info".to_vec())));
    }

    #[tokio::test]
    async fn a_redirect_to_a_link_is_that_link() {
        let link = "magnet:?xt=urn:btmh:1220";
        let came = fetched(vec![answer("302 Found", &format!("Location: {link}\r\n"), "")]).await;
        assert_eq!(came, Ok(Fetched::Link(link.to_owned())));
    }

    #[tokio::test]
    async fn a_redirect_into_another_inner_network_is_refused_and_the_user_can_name_it() {
        let moved = answer("302 Found", "Location: http://127.0.0.1:9/x\r\n", "");
        let error = fetched(vec![moved]).await.unwrap_err();
        assert_eq!(error.kind, FetchFailure::Unusable);
        assert_eq!(error.remedy, Some(Remedy::NameUrl));
        assert!(error.to_string().contains("this machine"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_torrent_or_not_there_has_its_reason() {
        let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", TORRENT_BYTES_MAX + 1);
        for (given, kind, word) in [
            (answer("404 Not Found", "", ""), FetchFailure::NotFound, "404"),
            (answer("401 Unauthorized", "", ""), FetchFailure::Denied, "401"),
            (answer("500 Oops", "", ""), FetchFailure::Unreachable, "500"),
            (answer("200 OK", "", "\n<!DOCTYPE html><p>"), FetchFailure::Page, "page"),
            (large, FetchFailure::NoTorrent, "bytes"),
        ] {
            let error = fetched(vec![given]).await.unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
        let error = fetch("http://me:secret@127.0.0.1:9/x?token=1", &Proxies::none()).await.unwrap_err();
        assert!(!error.to_string().contains("secret") && !error.to_string().contains("token"), "{error}");
    }

    #[test]
    fn only_http_is_a_url_here() {
        assert!(is_url("https://a.example/x.torrent") && is_url("HTTP://a.example"));
        assert!(!is_url("ftp://a.example/x") && !is_url("film.torrent") && !is_url("magnet:?xt=http://"));
    }
}
