//! Links: `magnet:?xt=urn:btmh:1220…` (BEP 9, BEP 52) and the hints that may come with one.
//!
//! The content id is the only part that must be right; everything else is a hint from the author of
//! the link. So hints that make no sense are dropped. But a link without a v2 id, or with a file
//! selection that cannot be understood, is refused: otherwise something else than meant would be
//! downloaded.
//!
//! A link is read as people pass it on: with what a web page, a mail or a list did to it, or as the
//! content id alone.

mod percent;
mod selection;
mod written;

use std::{borrow::Cow, fmt, str::FromStr};

pub use self::selection::{FileSelection, SelectionError};
use crate::{
    content::manifest::{WEB_SEEDS_MAX, is_web_url},
    id::ContentId,
};

/// The longest link, in bytes.
pub const LINK_BYTES_MAX: usize = 64 * 1024;
/// Peers taken from a link, of each kind; more are ignored.
pub const PEERS_MAX: usize = 64;

/// SHA-256 in the table of multihashes, then its length, in hexadecimal.
const SHA256_MULTIHASH: &str = "1220";

/// A link to a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// The content it leads to.
    pub content: ContentId,
    /// Suggested name (`dn`). Not checked: show it with
    /// [`printable`](crate::content::paths::printable), and name files after the manifest.
    pub name: Option<String>,
    /// HTTP origins (`ws`).
    pub web_seeds: Vec<String>,
    /// Files wanted (`so`, BEP 53). `None`: all.
    pub selection: Option<FileSelection>,
    /// Peers by host and port (`x.pe`).
    pub peers: Vec<HostPort>,
    /// Peers or directories by multiaddr text (`x.ma`); the shell knows how to read it.
    pub addresses: Vec<String>,
}

/// A text that is no usable link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MagnetError {
    /// Over [`LINK_BYTES_MAX`].
    #[error("the link is longer than {LINK_BYTES_MAX} bytes")]
    TooLong,
    /// Another scheme.
    #[error("a link begins with magnet:?xt=urn:btmh:1220, or is a content id of 64 hexadecimal digits")]
    NoMagnet,
    /// `xt` is missing, or names something of another network.
    #[error("the link names no content: xt=urn:btmh:1220… is missing")]
    NoContent,
    /// The only id is `urn:btih:`.
    #[error("this link names only a BitTorrent v1 info hash; a v2 one (xt=urn:btmh:1220…) is needed")]
    V1Only,
    /// `urn:btmh:` is followed by something other than SHA-256 in hexadecimal.
    #[error("the content id after urn:btmh: is not 1220 and 64 hexadecimal digits")]
    Content,
    /// Two ids that differ.
    #[error("the link names two different contents")]
    TwoContents,
    /// `so` cannot be understood.
    #[error(transparent)]
    Selection(#[from] SelectionError),
}

impl Magnet {
    /// A link with no hints.
    pub fn new(content: ContentId) -> Magnet {
        Magnet {
            content,
            name: None,
            web_seeds: Vec::new(),
            selection: None,
            peers: Vec::new(),
            addresses: Vec::new(),
        }
    }

    fn add_hint(&mut self, key: &str, value: &str) -> Result<(), MagnetError> {
        match key {
            "dn" if self.name.is_none() => {
                self.name = percent::decode(&value.replace('+', " ")).filter(|name| !name.is_empty());
            }
            "ws" => {
                push(&mut self.web_seeds, WEB_SEEDS_MAX, percent::decode(value).filter(|url| is_web_url(url)))
            }
            "x.pe" => {
                push(&mut self.peers, PEERS_MAX, percent::decode(value).and_then(|peer| peer.parse().ok()))
            }
            "x.ma" => {
                let text = percent::decode(value);
                // We do not write it so, but it says the same.
                push(&mut self.peers, PEERS_MAX, text.as_deref().and_then(|text| text.parse().ok()));
                push(&mut self.addresses, PEERS_MAX, text.filter(|text| is_multiaddr(text)))
            }
            "so" => {
                let text = percent::decode(value).ok_or(SelectionError)?;
                self.selection = Some(text.parse()?);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Adds a hint that made sense, unless it is known or there are enough.
fn push<T: PartialEq>(hints: &mut Vec<T>, hints_max: usize, hint: Option<T>) {
    match hint {
        Some(hint) if hints.len() < hints_max && !hints.contains(&hint) => hints.push(hint),
        _ => {}
    }
}

/// Checks only the look; the shell parses it.
fn is_multiaddr(text: &str) -> bool {
    text.len() > 1 && text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().len() > LINK_BYTES_MAX {
            return Err(MagnetError::TooLong);
        }
        let text = written::cleaned(text);
        if let Some(content) = bare_content(&text) {
            return content.map(Magnet::new);
        }
        let query = query_of(&text).ok_or(MagnetError::NoMagnet)?;
        // A QR code holds capital letters best, so some links are written in them.
        let pair = |(key, value): (&str, _)| (key.to_ascii_lowercase(), value);
        let pairs: Vec<(String, &str)> =
            query.split('&').filter_map(|pair| pair.split_once('=')).map(pair).collect();
        let mut magnet = Magnet::new(content(pairs.iter().map(|(key, value)| (key.as_str(), *value)))?);
        for (key, value) in &pairs {
            magnet.add_hint(key, value)?;
        }
        Ok(magnet)
    }
}

/// The part after `magnet:?`. Some writers forget the colon, some add slashes as in other URLs,
/// some cut all of it off.
fn query_of(text: &str) -> Option<&str> {
    const SCHEME: &str = "magnet";
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    if scheme.eq_ignore_ascii_case(SCHEME) {
        let rest = rest.strip_prefix(':').unwrap_or(rest).trim_start_matches('/');
        return rest.strip_prefix('?');
    }
    let text = text.strip_prefix('?').unwrap_or(text);
    let topic = text.strip_prefix("xt=").or_else(|| text.strip_prefix("xt.1="))?;
    topic.get(..4).is_some_and(|urn| urn.eq_ignore_ascii_case("urn:")).then_some(text)
}

/// A content id that stands alone, as in lists: 64 digits, or as it stands in a link. `None`: it is
/// something else.
fn bare_content(text: &str) -> Option<Result<ContentId, MagnetError>> {
    let id = match text.rsplit_once(':') {
        Some((urn, id))
            if ["urn:btmh", "btmh", "urn:btih", "btih"].iter().any(|it| urn.eq_ignore_ascii_case(it)) =>
        {
            id
        }
        Some(_) => return None,
        None => text,
    };
    if !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    match (id.len(), id.strip_prefix(SHA256_MULTIHASH)) {
        (64, _) => Some(id.parse().map_err(|_| MagnetError::Content)),
        (68, Some(digits)) => Some(digits.parse().map_err(|_| MagnetError::Content)),
        (40, _) => Some(Err(MagnetError::V1Only)),
        _ => None,
    }
}

/// Whether a text is meant to be a link or content id, even if it is a wrong one.
pub fn is_meant_as_link(text: &str) -> bool {
    if text.trim().len() > LINK_BYTES_MAX {
        return text.trim_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("magnet:"));
    }
    let text: Cow<'_, str> = written::cleaned(text);
    let starts = |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    ["magnet:", "magnet?", "urn:bt"].into_iter().any(starts)
        || query_of(&text).is_some()
        || bare_content(&text).is_some()
}

/// The one v2 id among the topics; a hybrid link has a v1 id beside it. Several topics may be
/// numbered: `xt.1`, `xt.2`.
fn content<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<ContentId, MagnetError> {
    let (mut content, mut has_v1) = (None, false);
    for (_, topic) in pairs.filter(|(key, _)| *key == "xt" || key.starts_with("xt.")) {
        let topic = percent::decode(topic).unwrap_or_default();
        let Some((urn, id)) = topic.rsplit_once(':') else {
            continue;
        };
        match urn.to_ascii_lowercase().as_str() {
            // No v1 hash has 64 digits: a tool wrote the new id behind the old name.
            "urn:btih" if id.len() == 64 && id.parse::<ContentId>().is_ok() => {
                take(&mut content, id.parse().map_err(|_| MagnetError::Content)?)?;
            }
            "urn:btih" => has_v1 = true,
            "urn:btmh" => {
                let digits = id.strip_prefix(SHA256_MULTIHASH).ok_or(MagnetError::Content)?;
                take(&mut content, digits.parse().map_err(|_| MagnetError::Content)?)?;
            }
            _ => {}
        }
    }
    match (content, has_v1) {
        (Some(content), _) => Ok(content),
        (None, true) => Err(MagnetError::V1Only),
        (None, false) => Err(MagnetError::NoContent),
    }
}

fn take(content: &mut Option<ContentId>, id: ContentId) -> Result<(), MagnetError> {
    match content.replace(id).is_some_and(|other| other != id) {
        true => Err(MagnetError::TwoContents),
        false => Ok(()),
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "magnet:?xt=urn:btmh:{SHA256_MULTIHASH}{}", self.content)?;
        if let Some(name) = &self.name {
            write!(f, "&dn={}", percent::Encoded(name))?;
        }
        for url in &self.web_seeds {
            write!(f, "&ws={}", percent::Encoded(url))?;
        }
        if let Some(selection) = &self.selection {
            write!(f, "&so={selection}")?;
        }
        for peer in &self.peers {
            write!(f, "&x.pe={}", percent::Encoded(&peer.to_string()))?;
        }
        for address in &self.addresses {
            write!(f, "&x.ma={}", percent::Encoded(address))?;
        }
        Ok(())
    }
}

/// Where a peer listens: an IP address or a host name, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// A text that is no `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a peer as host:port, 192.0.2.7:4001 or [2001:db8::7]:4001")]
pub struct HostPortError;

impl HostPort {
    /// An IP address, without brackets, or a host name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port. Never zero.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HOST_BYTES_MAX: usize = 253;
        let (host, port) = text.rsplit_once(':').ok_or(HostPortError)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = |host: &str| {
            let label = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_');
            (1..=HOST_BYTES_MAX).contains(&host.len()) && host.bytes().all(label)
        };
        let host = match bracketed {
            Some(ip) if ip.parse::<std::net::Ipv6Addr>().is_ok() => ip,
            None if is_host(host) => host,
            _ => return Err(HostPortError),
        };
        match port.parse() {
            Ok(port @ 1..) => Ok(HostPort { host: host.to_owned(), port }),
            _ => Err(HostPortError),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests;
