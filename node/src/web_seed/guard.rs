//! Decides to which addresses a URL may lead.
//!
//! Otherwise the author of a torrent, a link or a redirect could make us send requests to servers
//! that only we can reach: our router, a cloud's metadata service, something on this machine. So
//! only URLs with the host and port that the user named may lead anywhere. All other URLs may lead
//! only into the Internet, and there not to our own addresses and subnets.
//!
//! A name is looked up once, all its addresses are judged, and connections are made only to these
//! addresses. So a name server cannot give one answer to the judge and another to the connection.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nearcast_core::{
    outcomes::Remedy,
    scope::{Ours, Scope},
};
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use tokio::{net::lookup_host, time::timeout};

use super::{Place, place::is_http};
use crate::{
    events::{Trouble, Why},
    surroundings::Surroundings,
};

/// Longest wait for a name look-up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses used for one name, at most.
const ADDRESSES_MAX: usize = 8;
/// Names remembered, at most: the seed's own, and those that it redirects to.
const NAMES_MAX: usize = 32;

/// Judges the URLs of one web seed, including redirects.
#[derive(Debug)]
pub(super) struct Guard {
    /// Host and port that the user named. `None`: the user did not name this seed.
    named: Option<(String, u16)>,
    pins: Pins,
    surroundings: Surroundings,
}

/// Addresses of the names that were looked up. Connections resolve names only here.
#[derive(Clone, Debug, Default)]
pub(super) struct Pins(Arc<Mutex<BTreeMap<String, Vec<SocketAddr>>>>);

impl Pins {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<SocketAddr>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolve for Pins {
    fn resolve(&self, name: Name) -> Resolving {
        let pinned = self.lock().get(name.as_str()).cloned();
        Box::pin(async move {
            let addresses = pinned.ok_or("its name was not looked up")?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl Guard {
    pub(super) fn new(place: &Place, surroundings: Surroundings) -> Guard {
        let named = place.named.then(|| host_port(place.url())).flatten();
        Guard { named, pins: Pins::default(), surroundings }
    }

    /// The resolver for connections.
    pub(super) fn pins(&self) -> Pins {
        self.pins.clone()
    }

    /// Decides whether this URL may be asked. Call it before each request. A proxy looks names up
    /// by itself, so a host that the user named needs no address here. Any other host must have an
    /// address even then: without one it cannot be judged.
    ///
    /// # Errors
    /// A lasting trouble if the URL leads where it must not; a passing one if its name has no
    /// address.
    pub(super) async fn admit(&self, url: &Url, by_proxy: bool) -> Result<(), Trouble> {
        let place = host_port(url).filter(|_| is_http(url));
        let Some((host, port)) = place else {
            return Err(Trouble::lasting("it leads to something that is no http or https address"));
        };
        let is_named = self.named.as_ref().is_some_and(|named| *named == (host.clone(), port));
        if is_named && by_proxy {
            return Ok(());
        }
        let addresses = match literal(&host) {
            Some(ip) => vec![SocketAddr::new(ip, port)],
            None => self.look_up(&host, port).await.map_err(|trouble| unjudged(trouble, by_proxy))?,
        };
        if is_named {
            return Ok(());
        }
        // Read anew each time: our addresses may have changed since the look-up.
        let ours = self.surroundings.ours();
        let inner = addresses.iter().find(|address| !Scope::may_ask_http(address.ip(), port, &ours));
        inner.map_or(Ok(()), |address| {
            let why = refusal(&host, address.ip(), port, &ours);
            Err(Trouble::Lasting(Why::curable(why, Remedy::NameUrl)))
        })
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Trouble> {
        if let Some(pinned) = self.pins.lock().get(host) {
            return Ok(pinned.clone());
        }
        let found: Vec<SocketAddr> = match timeout(LOOKUP_TIMEOUT, lookup_host((host, port))).await {
            Ok(Ok(found)) => found.take(ADDRESSES_MAX).collect(),
            Ok(Err(error)) => return Err(Trouble::passing(format!("its name has no address: {error}"))),
            Err(_) => return Err(Trouble::passing("its name was not looked up in time")),
        };
        if found.is_empty() {
            return Err(Trouble::passing("its name has no address"));
        }
        let mut pins = self.pins.lock();
        if pins.len() >= NAMES_MAX {
            return Err(Trouble::lasting("it redirects to too many hosts"));
        }
        // Port 0 stands for the port of the URL.
        pins.insert(host.to_owned(), found.iter().map(|address| SocketAddr::new(address.ip(), 0)).collect());
        Ok(found)
    }
}

/// The trouble with a name that has no address here. A proxy would look it up by itself.
fn unjudged(trouble: Trouble, by_proxy: bool) -> Trouble {
    match trouble {
        Trouble::Passing { reason, .. } if by_proxy => {
            let text = format!("{reason}; where a proxy would go for it cannot be judged");
            Trouble::passing(Why::curable(text, Remedy::NameUrl))
        }
        trouble => trouble,
    }
}

fn refusal(host: &str, ip: IpAddr, port: u16, ours: &Ours) -> String {
    let target = if literal(host).is_some() { ip.to_string() } else { format!("{host} ({ip})") };
    let why = match Scope::of(ip) {
        Scope::Public if ours.contains(ip) => "that is our own network".to_owned(),
        Scope::Public => format!("port {port} belongs to another service"),
        Scope::Loopback => "that is this machine".to_owned(),
        Scope::Link | Scope::Private => "that is a private network".to_owned(),
        Scope::Nobody => "that is nobody's address".to_owned(),
    };
    format!("it leads to {target}, and {why}")
}

fn host_port(url: &Url) -> Option<(String, u16)> {
    Some((url.host_str()?.to_ascii_lowercase(), url.port_or_known_default()?))
}

/// The address, if the host is one. The URL parser has already normalized every way to write an
/// address.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn judge(seed: &str, named: bool, url: &str) -> Result<(), Trouble> {
        let place = Place::parse(seed, named).unwrap();
        Guard::new(&place, Surroundings::fixed(Ours::default())).admit(&Url::parse(url).unwrap(), false).await
    }

    #[tokio::test]
    async fn no_way_to_write_an_inner_address_gets_past() {
        let ways = [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://127.0.1/",
            "http://0x7f.1/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://2130706433/",
            "http://017700000001/",
            "http://127.0.0.1./",
            "http://①②⑦.0.0.1/",
            "http://0/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[::127.0.0.1]/",
            "http://[::7f00:1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
            "http://169.254.169.254/",
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://10.0.0.1/",
            "http://10.1/",
            "http://192.168.1/",
            "http://172.16.0.1/",
            "http://100.64.0.1/",
            "http://192.168.0.1:8080/",
            "http://user@127.0.0.1/",
            "http://8.8.8.8@127.0.0.1/",
            "https://127.0.0.1/",
            "http://localhost/",
            "http://LOCALHOST/",
            "http://localhost:8080/",
        ];
        for way in ways {
            let refused = judge("http://8.8.8.8/", true, way).await;
            assert!(matches!(refused, Err(Trouble::Lasting(_))), "{way}: {refused:?}");
        }
        assert_eq!(judge("http://8.8.8.8/", false, "http://8.8.4.4/").await, Ok(()));
        assert_eq!(judge("http://8.8.8.8/", false, "https://[2600::1]:8443/").await, Ok(()));
    }

    #[tokio::test]
    async fn the_users_own_url_goes_where_it_likes_and_its_neighbours_do_not() {
        let seed = "http://127.0.0.1:8080/a";
        assert_eq!(judge(seed, true, "http://127.0.0.1:8080/b").await, Ok(()));
        for other in ["http://127.0.0.1:8081/", "http://127.0.0.2:8080/", "http://10.0.0.1:8080/"] {
            assert!(judge(seed, true, other).await.is_err(), "{other}");
        }
        assert!(judge(seed, false, seed).await.is_err(), "a torrent named it");
    }

    #[tokio::test]
    async fn our_own_part_of_the_internet_is_the_users_alone() {
        let ours = Ours::new(
            [("2600:1:2:3::7".parse().unwrap(), 64), ("8.8.4.20".parse().unwrap(), 24)],
            ["9.9.9.9".parse().unwrap()],
        );
        let judge = async |seed: &str, named: bool, url: &str| {
            let guard = Guard::new(&Place::parse(seed, named).unwrap(), Surroundings::fixed(ours.clone()));
            guard.admit(&Url::parse(url).unwrap(), false).await
        };
        let inner = [
            "http://[2600:1:2:3::1]/reboot?x",
            "https://[2600:1:2:3:ffff::9]:8443/",
            "http://8.8.4.1/",
            "http://[::ffff:8.8.4.1]/",
            "http://[64:ff9b::808:401]/",
            "http://9.9.9.9/",
            "http://[64:ff9b::909:909]/",
        ];
        for url in inner {
            let Err(Trouble::Lasting(why)) = judge("http://1.1.1.1/", false, url).await else {
                panic!("{url} was admitted");
            };
            assert!(why.text.contains("our own network") && why.remedy == Some(Remedy::NameUrl), "{why}");
            assert!(judge("http://1.1.1.1/", true, url).await.is_err(), "{url}: the user named another");
            assert_eq!(judge(url, true, url).await, Ok(()), "{url}: the user named it");
        }
        for url in ["http://[2600:1:3::1]/", "http://8.8.5.1/", "http://[64:ff9b::101:101]/"] {
            assert_eq!(judge(url, false, url).await, Ok(()), "{url}");
        }
    }

    #[tokio::test]
    async fn a_proxy_looks_up_what_the_user_named_and_is_told_of_nothing_inner_else() {
        let guard =
            Guard::new(&Place::parse("http://nowhere.invalid/f", true).unwrap(), Surroundings::default());
        let judge = async |url: &str| guard.admit(&Url::parse(url).unwrap(), true).await;
        assert_eq!(judge("http://nowhere.invalid/f").await, Ok(()), "only the proxy need know the name");
        for inner in ["http://127.0.0.1/", "http://169.254.169.254/", "http://localhost/", "http://[::1]/"] {
            assert!(matches!(judge(inner).await, Err(Trouble::Lasting(_))), "{inner}");
        }
        let Err(unknown) = judge("http://elsewhere.invalid/").await else { panic!("nobody could judge it") };
        assert!(matches!(unknown, Trouble::Passing { .. }), "{unknown}");
        assert_eq!(unknown.why().remedy, Some(Remedy::NameUrl), "{unknown}");
    }

    #[tokio::test]
    async fn ports_of_other_services_are_refused_with_the_reason() {
        let Err(Trouble::Lasting(why)) = judge("http://8.8.8.8/", false, "http://8.8.8.8:25/").await else {
            panic!("port 25 is that of mail");
        };
        assert!(why.text.contains("port 25") && why.remedy == Some(Remedy::NameUrl), "{why}");
    }

    #[tokio::test]
    async fn connections_know_only_names_that_were_judged() {
        let guard = Guard::new(&Place::parse("http://localhost:1/", true).unwrap(), Surroundings::default());
        let resolve = |name: &str| guard.pins().resolve(name.parse().unwrap());
        assert!(resolve("localhost").await.is_err());
        guard.admit(&Url::parse("http://localhost:1/").unwrap(), false).await.unwrap();
        let addresses: Vec<SocketAddr> = resolve("localhost").await.unwrap().collect();
        assert!(!addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback()));
    }
}
