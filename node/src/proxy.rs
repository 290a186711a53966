//! HTTP proxies: which proxy serves which URL, by the rules by which curl reads options and the
//! environment.
//!
//! Only HTTP goes through a proxy: web seeds, and `.torrent` files named by a URL. Peers are
//! connected to directly, so a proxy does not hide a node.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{fmt, net::IpAddr};

use nearcast_core::paths::printable;
use reqwest::Url;

/// The default port of a proxy, as in curl.
const PORT_DEFAULT: u16 = 1080;
/// The default port of a proxy spoken to over TLS.
const PORT_TLS: u16 = 443;
/// The most entries of `no_proxy` that are read. A person writes no longer list.
const EXCEPTIONS_MAX: usize = 1024;

/// One proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Url);

/// Why a text names no proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The text is no URL with a host.
    #[error("{0:?} names no proxy; write it like http://proxy.example:3128 or socks5h://127.0.0.1:9050")]
    NoUrl(String),
    /// The scheme is not supported.
    #[error("proxies of the kind {0:?} are not spoken; use http, https, socks4, socks4a, socks5 or socks5h")]
    Scheme(String),
    /// The text in an environment variable names no proxy.
    #[error("the environment variable {0}: {1}")]
    Variable(&'static str, Box<ProxyError>),
}

impl std::str::FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Proxy, ProxyError> {
        let text = text.trim();
        let wrong = || ProxyError::NoUrl(without_credentials(text));
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        // To curl, a bare `socks` is version 4.
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "socks" => "socks4".to_owned(),
            scheme => scheme.to_owned(),
        };
        if !["http", "https", "socks4", "socks4a", "socks5", "socks5h"].contains(&scheme.as_str()) {
            return Err(ProxyError::Scheme(scheme));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host_port = authority.rsplit_once('@').map_or(authority, |(_, host_port)| host_port);
        let port = host_port.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
        let default = if scheme == "https" { PORT_TLS } else { PORT_DEFAULT };
        let full = match port {
            Some(port) if port.parse::<u16>().is_ok_and(|port| port != 0) => {
                format!("{scheme}://{authority}")
            }
            Some(_) => return Err(wrong()),
            None => format!("{scheme}://{authority}:{default}"),
        };
        let url = Url::parse(&full).ok().filter(Url::has_host);
        let url = url.filter(|url| url.host_str().is_some_and(|host| !host.is_empty()));
        url.map(Proxy).ok_or_else(wrong)
    }
}

fn without_credentials(text: &str) -> String {
    printable(text.rsplit_once('@').map_or(text, |(_, rest)| rest))
}

impl Proxy {
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

/// For display: without credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.0.port_or_known_default().unwrap_or(PORT_DEFAULT);
        write!(f, "{}://{}:{port}", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Which URLs go through which proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Exceptions,
}

/// Looks up an environment variable.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Proxies {
    /// No URL goes through a proxy.
    pub fn none() -> Proxies {
        Proxies::default()
    }

    /// The proxies that the environment names. HTTP uses `http_proxy`, in lower case only: a header
    /// of a CGI request could set `HTTP_PROXY`. HTTPS uses `https_proxy`. Both fall back to
    /// `all_proxy`. `https_proxy` and `all_proxy` may be in upper case. Hosts in `no_proxy` are
    /// asked directly. An empty variable means no proxy.
    ///
    /// # Errors
    /// If a variable names no proxy: going without one could be what the user must not do.
    pub fn of_environment(variable: Variables<'_>) -> Result<Proxies, ProxyError> {
        let of = |names: [&'static str; 4]| {
            let set = names.into_iter().find_map(|name| Some((name, variable(name)?)));
            let Some((name, text)) = set.filter(|(_, text)| !text.trim().is_empty()) else { return Ok(None) };
            text.parse().map(Some).map_err(|error| ProxyError::Variable(name, Box::new(error)))
        };
        Ok(Proxies {
            http: of(["http_proxy", "http_proxy", "all_proxy", "ALL_PROXY"])?,
            https: of(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            exceptions: Exceptions::of_environment(variable),
        })
    }

    /// This proxy for everything but the hosts in `no_proxy`.
    pub fn through(proxy: Proxy, variable: Variables<'_>) -> Proxies {
        let exceptions = Exceptions::of_environment(variable);
        Proxies { http: Some(proxy.clone()), https: Some(proxy), exceptions }
    }

    /// The proxy for a URL. `None`: the URL is asked directly.
    pub(crate) fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !url.host_str().is_some_and(|host| self.exceptions.hold(host)))
    }
}

/// Hosts that are asked directly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Exceptions(Vec<Exception>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    /// `*`.
    Everything,
    /// A domain, and all names below it.
    Domain(String),
    /// The network of an address: its first bits, and how many.
    Network(IpAddr, u8),
}

impl Exceptions {
    fn of_environment(variable: Variables<'_>) -> Exceptions {
        let text = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
        let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        Exceptions(entries.take(EXCEPTIONS_MAX).map(Exception::of).collect())
    }

    fn hold(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let ip: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        self.0.iter().any(|exception| match (exception, ip) {
            (Exception::Everything, _) => true,
            (Exception::Domain(domain), None) => {
                host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Exception::Network(network, bits), Some(ip)) => is_within(ip, *network, *bits),
            _ => false,
        })
    }
}

impl Exception {
    fn of(text: &str) -> Exception {
        if text == "*" {
            return Exception::Everything;
        }
        let (address, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
        let address = address.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = address.parse::<IpAddr>() {
            let all = if ip.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(all), |bits| bits.parse().ok().filter(|bits| *bits <= all));
            // A malformed prefix length stands for the address alone.
            return Exception::Network(ip, bits.unwrap_or(all));
        }
        let domain = text.trim_start_matches("*.").trim_matches('.');
        Exception::Domain(domain.to_ascii_lowercase())
    }
}

fn is_within(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let differ = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => u128::from(ip.to_bits() ^ network.to_bits()) << 96,
        (IpAddr::V6(ip), IpAddr::V6(network)) => ip.to_bits() ^ network.to_bits(),
        _ => return false,
    };
    differ.leading_zeros() >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, ProxyError> {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Proxies::of_environment(&find)
    }

    fn through(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let proxies = proxies(variables).unwrap();
        proxies.of(&Url::parse(url).unwrap()).map(ToString::to_string)
    }

    #[test]
    fn each_scheme_has_its_variable_and_all_have_one() {
        let some = |text: &str| Some(text.to_owned());
        let all = ("ALL_PROXY", "socks5h://127.0.0.1:9050");
        assert_eq!(through(&[("http_proxy", "http://p:3128")], "http://a.example/"), some("http://p:3128"));
        assert_eq!(through(&[("http_proxy", "http://p:3128")], "https://a.example/"), None);
        assert_eq!(
            through(&[("HTTP_PROXY", "http://p:3128")], "http://a.example/"),
            None,
            "set by any CGI client"
        );
        assert_eq!(through(&[("HTTPS_PROXY", "p:1")], "https://a.example/"), some("http://p:1"));
        assert_eq!(through(&[all], "http://a.example/"), some("socks5h://127.0.0.1:9050"));
        assert_eq!(through(&[("http_proxy", "q:1"), all], "http://a.example/"), some("http://q:1"));
        assert_eq!(through(&[("http_proxy", ""), all], "http://a.example/"), None, "empty = none");
    }

    #[test]
    fn proxies_are_written_as_curl_takes_them() {
        for (text, shown) in [
            ("proxy.example", "http://proxy.example:1080"),
            ("proxy.example:80", "http://proxy.example:80"),
            ("http://me:secret@proxy.example:3128/", "http://proxy.example:3128"),
            ("HTTPS://proxy.example", "https://proxy.example:443"),
            ("socks://[::1]", "socks4://[::1]:1080"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!(proxy.to_string(), shown, "{text}");
        }
        for text in ["", "http://", "http://p:0", "http://p:99999", "ftp://p:1", "http://a b:1", "://"] {
            let error = text.parse::<Proxy>().unwrap_err();
            assert!(error.to_string().contains("socks5h"), "{text}: {error}");
        }
        let error = proxies(&[("https_proxy", "me:secret@p:x")]).unwrap_err().to_string();
        assert!(error.contains("https_proxy") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn hosts_that_are_excepted_are_asked_directly() {
        let list = "localhost, .example.org *.corp.example 10.0.0.0/8,192.0.2.7,[2001:db8::]/32";
        let direct = |url: &str| through(&[("ALL_PROXY", "p:1"), ("NO_PROXY", list)], url).is_none();
        for url in [
            "http://localhost:8080/",
            "http://example.org/",
            "https://A.Example.ORG./",
            "http://x.corp.example/",
            "http://10.200.1.1/",
            "http://192.0.2.7/",
            "http://[2001:db8:1::1]/",
        ] {
            assert!(direct(url), "{url}");
        }
        for url in
            ["http://badexample.org/", "http://192.0.2.8/", "http://[2001:db9::1]/", "http://11.0.0.1/"]
        {
            assert!(!direct(url), "{url}");
        }
        assert_eq!(through(&[("ALL_PROXY", "p:1"), ("no_proxy", "*")], "http://a.example/"), None);
    }

    #[test]
    fn the_users_own_word_goes_before_the_environments_but_not_its_exceptions() {
        let variable = |name: &str| match name {
            "http_proxy" => Some("http://other:1".to_owned()),
            "no_proxy" => Some("here.example".to_owned()),
            _ => None,
        };
        let named = Proxies::through("http://p:3128".parse().unwrap(), &variable);
        let of = |url: &str| named.of(&Url::parse(url).unwrap()).map(ToString::to_string);
        assert_eq!(of("http://a.example/"), Some("http://p:3128".to_owned()));
        assert_eq!(of("https://a.example/"), Some("http://p:3128".to_owned()));
        assert_eq!(of("http://here.example/"), None);
    }
}
