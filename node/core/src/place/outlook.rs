//! Our own place in the network, and how near others are, seen from there.

use std::{net::IpAddr, sync::Arc};

use crate::place::{
    asn::Asn,
    atlas::{Atlas, Place, Viewpoint},
    scope::{Scope, shares_prefix},
    tier::{Near, Proximity, Tier},
};

/// What an atlas says, as seen from our place.
#[derive(Debug)]
pub struct Outlook {
    atlas: Arc<Atlas>,
    /// Our place, for each of our addresses.
    ours: Vec<Place>,
    /// Distances from our AS. `None`: our AS is not known.
    view: Option<Viewpoint>,
}

impl Outlook {
    /// Computes distances from `ours`. Visits the whole graph, which takes some milliseconds.
    pub fn new(atlas: Arc<Atlas>, ours: &[IpAddr]) -> Outlook {
        let ours: Vec<Place> = ours.iter().map(|&ip| atlas.place(ip)).collect();
        let view = ours.iter().find_map(|place| place.asn).map(|asn| atlas.view_from(asn));
        Outlook { atlas, ours, view }
    }

    fn near(&self, ip: IpAddr) -> Near {
        let theirs = self.atlas.place(ip);
        let from_each = self.ours.iter().map(|&ours| self.atlas.proximity(ours, theirs, self.view.as_ref()));
        Near { proximity: from_each.min().unwrap_or(Proximity::UNKNOWN), asn: theirs.asn }
    }
}

/// Our own place in the network.
#[derive(Debug, Default)]
pub struct Standpoint {
    /// The IPs we listen on: those of every interface if we listen everywhere. Also the public IP
    /// at which a directory saw us.
    ours: Vec<IpAddr>,
    /// The subnets of our interfaces, without loopback, which in tests stands for distant networks.
    subnets: Vec<(IpAddr, u8)>,
    outlook: Option<Outlook>,
}

impl Standpoint {
    /// The place of a node with these addresses, and with interfaces in these subnets (an address and
    /// the length of its prefix, in bits). A subnet of one address is none.
    pub fn new(ours: Vec<IpAddr>, subnets: impl IntoIterator<Item = (IpAddr, u8)>) -> Standpoint {
        let wide_enough = |&(ip, bits): &(IpAddr, u8)| bits < if ip.is_ipv4() { 32 } else { 128 };
        Standpoint { ours, subnets: subnets.into_iter().filter(wide_enough).collect(), outlook: None }
    }

    /// Our own IPs.
    pub fn ours(&self) -> &[IpAddr] {
        &self.ours
    }

    /// Notes that a directory saw us at an IP. Behind a NAT this is the only way to learn our
    /// public IP; with a public IP of our own, no directory is believed. The first report stands,
    /// so that a later directory cannot move us elsewhere. A false report costs us nearness, and
    /// costs other peers nothing. Returns true if the IP is new.
    pub fn on_seen_at(&mut self, ip: IpAddr) -> bool {
        let is_public = |ip: &IpAddr| Scope::of(*ip) == Scope::Public;
        let is_news = is_public(&ip) && !self.ours.iter().any(is_public);
        self.ours.extend(is_news.then_some(ip));
        is_news
    }

    /// The atlas in use.
    pub fn atlas(&self) -> Option<&Arc<Atlas>> {
        self.outlook.as_ref().map(|outlook| &outlook.atlas)
    }

    /// Replaces the atlas in use.
    pub fn look_around(&mut self, outlook: Outlook) {
        self.outlook = Some(outlook);
    }

    /// Our AS. `None`: there is no atlas, or it does not know our IPs.
    pub fn our_asn(&self) -> Option<Asn> {
        self.outlook.as_ref()?.ours.iter().find_map(|place| place.asn)
    }

    /// How near an IP is.
    pub fn near(&self, ip: IpAddr) -> Near {
        let near = match &self.outlook {
            Some(outlook) => outlook.near(ip),
            None => self.by_prefix(ip).into(),
        };
        if self.subnets.iter().any(|&(ours, bits)| shares_prefix(ours, ip, bits)) {
            return Near { proximity: Tier::Lan.into(), ..near };
        }
        near
    }

    fn by_prefix(&self, ip: IpAddr) -> Tier {
        let by_prefix = self.ours.iter().map(|&ours| Tier::by_prefix(ours, ip));
        by_prefix.min().unwrap_or(Tier::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{asn::Relation, atlas::AtlasBuilder};

    fn standpoint(ip: &str, subnets: Vec<(IpAddr, u8)>) -> Standpoint {
        Standpoint::new(vec![ip.parse().unwrap()], subnets)
    }

    impl Standpoint {
        fn tier_of(&self, ip: &str) -> Tier {
            self.near(ip.parse().unwrap()).tier()
        }
    }

    #[test]
    fn an_atlas_makes_distant_prefixes_near_when_their_as_is() {
        let mut builder = AtlasBuilder::new(1);
        for (prefix, asn) in
            [("127.1.0.0/16", 1), ("127.2.0.0/16", 1), ("127.3.0.0/16", 3), ("127.4.0.0/16", 4)]
        {
            builder.prefix(prefix.parse().unwrap(), &[Asn(asn)]);
        }
        builder.link(Asn(1), Asn(3), Relation::Peer);
        let mut ours = standpoint("127.1.0.5", Vec::new());
        assert_eq!((ours.our_asn(), ours.tier_of("127.2.0.6")), (None, Tier::Remote));
        ours.look_around(Outlook::new(Arc::new(builder.build()), ours.ours()));
        assert_eq!(ours.our_asn(), Some(Asn(1)));
        assert_eq!(ours.tier_of("127.1.0.6"), Tier::Prefix24);
        assert_eq!(ours.tier_of("127.2.0.6"), Tier::SameAs);
        assert_eq!(ours.tier_of("127.3.0.6"), Tier::AdjacentAs);
        assert_eq!(ours.tier_of("127.4.0.6"), Tier::Remote);
        let near = ours.near("127.3.0.6".parse().unwrap());
        assert_eq!(near, Near { proximity: Proximity::adjacent(Relation::Peer), asn: Some(Asn(3)) });
    }

    #[test]
    fn behind_a_nat_the_first_directory_says_where_we_are() {
        let mut builder = AtlasBuilder::new(1);
        builder.prefix("8.8.0.0/16".parse().unwrap(), &[Asn(1)]);
        builder.prefix("9.9.0.0/16".parse().unwrap(), &[Asn(1)]);
        let atlas = Arc::new(builder.build());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut near = standpoint("10.0.0.5", Vec::new());
        for nowhere in ["10.0.0.5", "127.0.0.1", "192.0.2.1", "0.0.0.0"] {
            assert!(!near.on_seen_at(ip(nowhere)), "{nowhere}");
        }
        assert!(near.on_seen_at(ip("8.8.1.1")));
        assert!(!near.on_seen_at(ip("7.7.7.7")), "a second one does not move us");
        near.look_around(Outlook::new(atlas, near.ours()));
        assert_eq!((near.our_asn(), near.tier_of("9.9.9.9")), (Some(Asn(1)), Tier::SameAs));
        let mut public = standpoint("9.9.9.9", Vec::new());
        assert!(!public.on_seen_at(ip("8.8.1.1")), "it knows where it is");
    }

    #[test]
    fn a_subnet_of_ours_is_the_lan_and_loopback_never_is() {
        let near = standpoint("192.168.7.5", vec![("192.168.7.5".parse().unwrap(), 22)]);
        assert_eq!(near.tier_of("192.168.5.9"), Tier::Lan);
        assert_eq!(near.tier_of("192.168.8.9"), Tier::Prefix16);
        let loopback = standpoint("127.1.0.5", Vec::new());
        assert_eq!(loopback.tier_of("127.1.0.6"), Tier::Prefix24);
        assert_eq!(loopback.tier_of("127.2.0.6"), Tier::Remote);
    }
}
