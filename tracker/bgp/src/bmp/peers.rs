//! The peers of a router, and the view we use for each.
//!
//! A router may report every route several times: as it came in, as its policy left it, and as the
//! best of all peers. For each peer and address family we use one of these views: **post-policy if
//! present, else pre-policy, else Loc-RIB**. The operator's policy has removed leaks and bogus
//! routes, and Loc-RIB has only one peer's route for each prefix. Routes sent out to peers
//! (Adj-RIB-Out) are never used. A better view that appears later replaces a lesser one.
//!
//! A peer is identified by its address and its BGP id (RFC 7854, section 4.2), as neighbours on
//! different interfaces may have the same link-local address. A message without an id means the
//! only peer with that address.

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

/// The most peers of one router. The largest route servers have 2,000.
pub(super) const PEERS_MAX: usize = 4_096;

/// The most peers of one router with the same address: on many interfaces, neighbours may all be
/// fe80::1. This bounds a search.
pub(super) const TWINS_MAX: usize = 256;

/// Address families, as indices into arrays.
pub(super) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// The views; a better one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum View {
    Local,
    PrePolicy,
    PostPolicy,
}

/// The peer and view that a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) view: View,
    pub(super) address: IpAddr,
    /// Distinguishes peers with the same address; zero if the message leaves it out.
    pub(super) bgp_id: Ipv4Addr,
    pub(super) asn: Asn,
    pub(super) asn_length: AsnLength,
}

impl About {
    /// `None` for messages that are never used: Adj-RIB-Out, and routing instances other than the
    /// global one, which are private networks.
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

/// The view in use.
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
    /// For each family: several paths of one prefix may come (RFC 7911).
    pub(super) add_path: [bool; 2],
    /// For each family: path ids came although they were not announced.
    pub(super) has_ids: [bool; 2],
    taken: [Option<Taken>; 2],
    /// For each family: the initial table is complete.
    ended: [bool; 2],
}

/// What an announcement in some view means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is used, for this source.
    Taken(u32),
    /// The same route comes in a better view.
    Better,
}

/// The peers with one address, by BGP id.
#[derive(Debug, Default)]
struct Twins(Vec<(Ipv4Addr, Peer)>);

impl Twins {
    /// The index of the peer with this id. If one side leaves out the id, the only peer matches.
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

/// All peers of a router.
#[derive(Debug, Default)]
pub(super) struct Peers {
    by_address: HashMap<IpAddr, Twins>,
    /// The number of peers.
    count: usize,
    local: Peer,
    /// For each family: the number of peers with a view in use. Loc-RIB is used only while this is
    /// 0.
    adjacent: [usize; 2],
    next: u32,
}

impl Peers {
    /// Whether no peer is known.
    pub(super) fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// The peer that a message is about, if the router has reported it as up. Loc-RIB needs no such
    /// report, as GoBGP sends none.
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

    /// Notes that the peer sends path ids without having announced them. Returns whether that is
    /// new.
    pub(super) fn note_ids(&mut self, about: &About, family: Family) -> bool {
        let Some(peer) = self.find_mut(about) else { return false };
        !std::mem::replace(&mut peer.has_ids[family as usize], true)
    }

    /// Notes that a peer came up; its earlier routes no longer count. Returns whether there was
    /// room for it.
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
        // If the per-peer header leaves out the id, the peer's own message has it.
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

    /// Notes that a peer went down.
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

    /// Whether this view is superseded for all families.
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

    /// Claims the source for an announcement in this view. The sources that it replaces go into
    /// `gone`.
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

    /// The source for routes in this view. `None`: the view is not in use.
    pub(super) fn taken(&self, about: &About, family: Family) -> Option<u32> {
        let taken = self.find(about)?.taken[family as usize]?;
        (taken.view == about.view).then_some(taken.source)
    }

    /// Notes the end of the initial table of this peer and family. Returns whether all peers are
    /// now complete.
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

/// The BGP id of the sender of this message.
fn id_of(open: &BgpMessage) -> Ipv4Addr {
    match open {
        BgpMessage::Open(open) => open.bgp_identifier,
        _ => Ipv4Addr::UNSPECIFIED,
    }
}

/// The AS of the sender of this message, from its capability if it has a four-byte number (RFC
/// 6793).
fn own_asn(open: &BgpMessage) -> Option<Asn> {
    let BgpMessage::Open(open) = open else { return None };
    let long = capabilities(open).find_map(|value| match value {
        CapabilityValue::FourOctetAs(capability) => Some(Asn(capability.asn)),
        _ => None,
    });
    Some(long.unwrap_or(Asn(open.asn.into())))
}

/// Several paths come if the peer announced that it sends them, and the router that it accepts
/// them.
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
