//! The peers of a router, and which view of each is taken.
//!
//! A router may tell of every route several times: as it came in, as its policy left it, and as the best of all peers. One of
//! these is taken for each peer and address family. **Post-policy before pre-policy before Loc-RIB**: what the operator's
//! policy let pass is freed of leaks and bogus routes, and Loc-RIB knows only one peer's word for each prefix. What goes out
//! to peers (Adj-RIB-Out) is never taken. A better view that turns up later replaces a lesser one.
//!
//! A peer is known by its address and its BGP id (RFC 7854, section 4.2): neighbours on different interfaces may have the same
//! link-local address. Who leaves out the id in a message means the only peer of that address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use bgpkit_parser::{
    bmp::messages::{BmpPeerType, BmpPerPeerHeader, PerPeerFlags},
    models::{
        Afi, AsnLength, BgpMessage, BgpOpenMessage, CapabilityValue, ParamValue, Safi,
        capabilities::AddPathSendReceive,
    },
};
use nearcast_core::asn::Asn;

/// Peers of one router at most. The largest route servers have 2,000.
pub(super) const PEERS_MAX: usize = 4_096;

/// Of these, with one address: a router has so many interfaces to neighbours that all call themselves fe80::1. Bounds a search.
pub(super) const TWINS_MAX: usize = 256;

/// Address families, as places in arrays.
pub(super) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// Better ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum View {
    Local,
    PrePolicy,
    PostPolicy,
}

/// Whom a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) view: View,
    pub(super) address: IpAddr,
    /// Tells peers of one address apart; zero if the message leaves it out.
    pub(super) bgp_id: Ipv4Addr,
    pub(super) asn: Asn,
    pub(super) asn_length: AsnLength,
}

impl About {
    /// None for what is never taken: Adj-RIB-Out, and routing instances other than the global one, which are private
    /// networks.
    pub(super) fn of(header: &BmpPerPeerHeader) -> Option<About> {
        let view = match (header.peer_type, header.peer_flags) {
            (BmpPeerType::Global, PerPeerFlags::PeerFlags(flags)) if !flags.is_adj_rib_out() => {
                if flags.is_post_policy() { View::PostPolicy } else { View::PrePolicy }
            }
            (BmpPeerType::LocalRib, _) => View::Local,
            _ => return None,
        };
        let about = About {
            view,
            address: header.peer_ip,
            bgp_id: header.peer_bgp_id,
            asn: Asn(header.peer_asn.into()),
            asn_length: header.asn_length(),
        };
        (header.peer_distinguisher == 0).then_some(about)
    }
}

/// A view that is taken.
#[derive(Clone, Copy, Debug)]
struct Taken {
    view: View,
    source: u32,
}

/// What is known of a peer that is up, or of Loc-RIB as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peer {
    /// The router's own AS in this session.
    pub(super) own: Option<Asn>,
    /// For each family, whether several paths of one prefix may come (RFC 7911).
    pub(super) add_path: [bool; 2],
    /// For each family, whether ids of paths came although nobody said that they would.
    pub(super) has_ids: [bool; 2],
    taken: [Option<Taken>; 2],
    /// For each family, whether all that was there at the beginning has been told.
    ended: [bool; 2],
}

/// What an announcement in some view means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is taken, for this source.
    Taken(u32),
    /// The same comes in a better view.
    Better,
}

/// The peers of one address, by their ids.
#[derive(Debug, Default)]
struct Twins(Vec<(Ipv4Addr, Peer)>);

impl Twins {
    /// Where the one with this id is: if either side leaves the id out, the only one there is.
    fn position(&self, bgp_id: Ipv4Addr) -> Option<usize> {
        let exact = self.0.iter().position(|(id, _)| *id == bgp_id);
        let only = match self.0.as_slice() {
            [(id, _)] if id.is_unspecified() || bgp_id.is_unspecified() => Some(0),
            _ => None,
        };
        exact.or(only)
    }

    fn get(&self, bgp_id: Ipv4Addr) -> Option<&Peer> {
        self.position(bgp_id).map(|at| &self.0[at].1)
    }

    fn get_mut(&mut self, bgp_id: Ipv4Addr) -> Option<&mut Peer> {
        self.position(bgp_id).map(|at| &mut self.0[at].1)
    }
}

/// All of a router.
#[derive(Debug, Default)]
pub(super) struct Peers {
    by_address: HashMap<IpAddr, Twins>,
    /// How many peers that are.
    count: usize,
    local: Peer,
    /// For each family, peers of which a view is taken. Loc-RIB is taken only while there are none.
    adjacent: [usize; 2],
    next: u32,
}

impl Peers {
    /// Whether no peer was told of.
    pub(super) fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// The peer that a message is about, if the router told that it is up. Loc-RIB needs no telling: GoBGP does not.
    pub(super) fn find(&self, about: &About) -> Option<&Peer> {
        match about.view {
            View::Local => Some(&self.local),
            _ => self.by_address.get(&about.address)?.get(about.bgp_id),
        }
    }

    fn find_mut(&mut self, about: &About) -> Option<&mut Peer> {
        match about.view {
            View::Local => Some(&mut self.local),
            _ => self.by_address.get_mut(&about.address)?.get_mut(about.bgp_id),
        }
    }

    /// The peer puts ids in front of prefixes, although it was not announced. Whether that is news.
    pub(super) fn note_ids(&mut self, about: &About, family: Family) -> bool {
        let Some(peer) = self.find_mut(about) else { return false };
        !std::mem::replace(&mut peer.has_ids[family as usize], true)
    }

    /// A peer came up. What it told before does not count any more. Whether there is room for it.
    pub(super) fn up(
        &mut self,
        about: &About,
        sent: &BgpMessage,
        received: &BgpMessage,
        gone: &mut Vec<u32>,
    ) -> bool {
        let peer = Peer { own: own_asn(sent), add_path: add_path(sent, received), ..Peer::default() };
        if about.view == View::Local {
            gone.extend(sources(&self.local));
            self.local = peer;
            return true;
        }
        // Who leaves out the id in front says it in its own message.
        let bgp_id = if about.bgp_id.is_unspecified() { id_of(received) } else { about.bgp_id };
        let twins = self.by_address.entry(about.address).or_default();
        if let Some(at) = twins.position(bgp_id) {
            let before = std::mem::replace(&mut twins.0[at], (bgp_id, peer));
            self.leave(&before.1, gone);
            return true;
        }
        if self.count >= PEERS_MAX || twins.0.len() >= TWINS_MAX {
            if twins.0.is_empty() {
                self.by_address.remove(&about.address);
            }
            return false;
        }
        twins.0.push((bgp_id, peer));
        self.count = self.count.saturating_add(1);
        true
    }

    /// A peer went down.
    pub(super) fn down(&mut self, about: &About, gone: &mut Vec<u32>) {
        if about.view == View::Local {
            gone.extend(sources(&std::mem::take(&mut self.local)));
            return;
        }
        let Some(twins) = self.by_address.get_mut(&about.address) else { return };
        let Some(at) = twins.position(about.bgp_id) else { return };
        let (_, peer) = twins.0.swap_remove(at);
        if twins.0.is_empty() {
            self.by_address.remove(&about.address);
        }
        self.count = self.count.saturating_sub(1);
        self.leave(&peer, gone);
    }

    fn leave(&mut self, peer: &Peer, gone: &mut Vec<u32>) {
        for (adjacent, taken) in self.adjacent.iter_mut().zip(peer.taken) {
            *adjacent = adjacent.saturating_sub(taken.is_some().into());
        }
        gone.extend(sources(peer));
    }

    /// Whether nothing in this view is taken, of any family.
    pub(super) fn is_superseded(&self, about: &About) -> bool {
        FAMILIES.iter().all(|family| self.is_better(about, *family))
    }

    fn is_better(&self, about: &About, family: Family) -> bool {
        let at = family as usize;
        match about.view {
            View::Local => self.adjacent[at] > 0,
            view => {
                let taken = self.find(about).and_then(|peer| peer.taken[at]);
                taken.is_some_and(|taken| taken.view > view)
            }
        }
    }

    /// Something is announced in this view: the source it is taken for, and into `gone` those that it replaces.
    pub(super) fn claim(&mut self, about: &About, family: Family, gone: &mut Vec<u32>) -> Claim {
        let at = family as usize;
        if let Some(source) = self.taken(about, family) {
            return Claim::Taken(source);
        }
        if self.is_better(about, family) {
            return Claim::Better;
        }
        let fresh = Taken { view: about.view, source: self.next };
        if about.view == View::Local {
            self.local.taken[at] = Some(fresh);
        } else {
            let Some(peer) = self.find_mut(about) else { return Claim::Better };
            let lesser = peer.taken[at].replace(fresh);
            self.adjacent[at] = self.adjacent[at].saturating_add(lesser.is_none().into());
            gone.extend(lesser.map(|lesser| lesser.source));
            gone.extend(self.local.taken[at].take().map(|local| local.source));
        }
        self.next = self.next.saturating_add(1);
        Claim::Taken(fresh.source)
    }

    /// The source that routes in this view are told for, if they are taken.
    pub(super) fn taken(&self, about: &About, family: Family) -> Option<u32> {
        let taken = self.find(about)?.taken[family as usize]?;
        (taken.view == about.view).then_some(taken.source)
    }

    /// All that was there at the beginning has been told, of this peer and family. Whether that goes for all peers now.
    pub(super) fn end_of_rib(&mut self, about: &About, family: Family) -> bool {
        let Some(peer) = self.find_mut(about) else { return false };
        peer.ended[family as usize] = true;
        let whole = |peer: &Peer| {
            let untold = peer.taken.iter().zip(peer.ended).any(|(taken, ended)| taken.is_some() && !ended);
            peer.ended != [false; 2] && !untold
        };
        let mut all = self.by_address.values().flat_map(|twins| &twins.0);
        if self.by_address.is_empty() { whole(&self.local) } else { all.all(|(_, peer)| whole(peer)) }
    }
}

fn sources(peer: &Peer) -> impl Iterator<Item = u32> + use<> {
    peer.taken.into_iter().flatten().map(|taken| taken.source)
}

/// How the speaker of this message is told from others.
fn id_of(open: &BgpMessage) -> Ipv4Addr {
    match open {
        BgpMessage::Open(open) => open.bgp_identifier,
        _ => Ipv4Addr::UNSPECIFIED,
    }
}

/// The AS that speaks in this message, by its capability if it is a long one (RFC 6793).
fn own_asn(open: &BgpMessage) -> Option<Asn> {
    let BgpMessage::Open(open) = open else { return None };
    let long = capabilities(open).find_map(|value| match value {
        CapabilityValue::FourOctetAs(capability) => Some(Asn(capability.asn)),
        _ => None,
    });
    Some(long.unwrap_or(Asn(open.asn.into())))
}

/// Several paths come if the peer said it sends them, and the router that it takes them.
fn add_path(sent: &BgpMessage, received: &BgpMessage) -> [bool; 2] {
    let (BgpMessage::Open(sent), BgpMessage::Open(received)) = (sent, received) else { return [false; 2] };
    let can = |open: &_, afi: Afi, modes: [AddPathSendReceive; 2]| {
        capabilities(open).any(|value| match value {
            CapabilityValue::AddPath(capability) => capability.address_families.iter().any(|family| {
                family.afi == afi && family.safi == Safi::Unicast && modes.contains(&family.send_receive)
            }),
            _ => false,
        })
    };
    [Afi::Ipv4, Afi::Ipv6].map(|afi| {
        can(received, afi, [AddPathSendReceive::Send, AddPathSendReceive::SendReceive])
            && can(sent, afi, [AddPathSendReceive::Receive, AddPathSendReceive::SendReceive])
    })
}

fn capabilities(open: &BgpOpenMessage) -> impl Iterator<Item = &CapabilityValue> {
    let params = open.opt_params.iter();
    let lists = params.filter_map(|param| match &param.param_value {
        ParamValue::Capacities(capabilities) => Some(capabilities),
        ParamValue::Raw(_) => None,
    });
    lists.flatten().map(|capability| &capability.value)
}
