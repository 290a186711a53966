//! Which ASes are linked, what they are to each other, and how far apart they are as routes go.
//!
//! Routes are valley-free (Gao, 2001): up from customers to providers, across at most one link
//! between peers, down to customers; nobody carries others' traffic for nothing. A link of unknown
//! relation may be used in any direction.
//!
//! Invariants: every link stands twice, once from each end, with reversed relations; the neighbours
//! of an AS ascend.

use crate::{place::asn::Relation, saturate::to_u32};

/// The index of an AS in the atlas's list.
pub(super) type Node = u32;

const RELATION_SHIFT: u32 = 30;
const RELATIONS: [Relation; 4] = [Relation::Customer, Relation::Peer, Relation::Provider, Relation::Unknown];

/// The most ASes: the two highest bits of a neighbour hold the relation.
pub(super) const NODES_MAX: usize = 1 << RELATION_SHIFT;

const NODE_BITS: u32 = (1 << RELATION_SHIFT) - 1;

/// The graph of ASes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Graph {
    /// Where each AS's neighbours begin, and one entry at the end.
    offsets: Box<[u32]>,
    /// A neighbour and what it is to the AS.
    neighbours: Box<[u32]>,
}

/// Which links a route may still take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Only up so far: any link may follow.
    Climbing,
    /// Across or down already: only links down may follow.
    Descending,
}

impl Phase {
    /// The phase after a link to an AS that is `relation` to the one before. `None`: a route may
    /// not take it.
    fn after(self, relation: Relation) -> Option<Phase> {
        match (self, relation) {
            (phase, Relation::Unknown) => Some(phase),
            (Phase::Climbing, Relation::Provider) => Some(Phase::Climbing),
            (Phase::Climbing, Relation::Peer) | (_, Relation::Customer) => Some(Phase::Descending),
            (Phase::Descending, Relation::Provider | Relation::Peer) => None,
        }
    }
}

/// Not reached.
const FAR: u8 = u8::MAX;

impl Graph {
    /// A graph of `nodes` ASes. `links` has one entry for each link: two ASes, and what the second
    /// is to the first.
    pub(super) fn new(nodes: usize, links: &[(Node, Node, Relation)]) -> Graph {
        let mut ends: Vec<(Node, u32)> = Vec::with_capacity(links.len().saturating_mul(2));
        for &(a, b, relation) in links {
            ends.push((a, pack(b, relation)));
            ends.push((b, pack(a, relation.reversed())));
        }
        ends.sort_unstable_by_key(|&(node, packed)| (node, unpack(packed).0));
        let mut offsets = Vec::with_capacity(nodes.saturating_add(1));
        let mut at = 0_usize;
        for node in 0..=to_u32(nodes) {
            while ends.get(at).is_some_and(|&(of, _)| of < node) {
                at = at.saturating_add(1);
            }
            offsets.push(to_u32(at));
        }
        Graph { offsets: offsets.into(), neighbours: ends.into_iter().map(|(_, packed)| packed).collect() }
    }

    fn nodes(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    fn packed(&self, node: Node) -> &[u32] {
        let [from, to] = self.offsets[node as usize..][..2] else { return &[] };
        &self.neighbours[from as usize..to as usize]
    }

    /// The neighbours of an AS, ascending, and what each is to it.
    pub(super) fn neighbours(&self, node: Node) -> impl Iterator<Item = (Node, Relation)> {
        self.packed(node).iter().map(|&packed| unpack(packed))
    }

    /// Every link once, ascending: the lower AS, the higher one, and what the higher is to the
    /// lower.
    pub(super) fn links(&self) -> impl Iterator<Item = (Node, Node, Relation)> {
        (0..to_u32(self.nodes())).flat_map(move |node| {
            let higher = move |&(other, _): &(Node, Relation)| other > node;
            self.neighbours(node).filter(higher).map(move |(other, relation)| (node, other, relation))
        })
    }

    /// What `theirs` is to `ours`. `None`: they are not linked.
    pub(super) fn relation(&self, ours: Node, theirs: Node) -> Option<Relation> {
        let around = self.packed(ours);
        let at = around.binary_search_by_key(&theirs, |&packed| unpack(packed).0).ok()?;
        Some(unpack(around[at]).1)
    }

    /// The links between `from` and every AS on the shortest route; [`FAR`] if no route has fewer.
    pub(super) fn hops_from(&self, from: Node) -> Box<[u8]> {
        let search = Search::from(self, from, None);
        search.hops.into_iter().map(|[climbing, descending]| climbing.min(descending)).collect()
    }

    /// One shortest route, both ends included.
    pub(super) fn path(&self, from: Node, to: Node) -> Option<Vec<Node>> {
        let search = Search::from(self, from, Some(to));
        let mut at = search.states_of(to).min_by_key(|&state| search.hops_of(state))?;
        let mut path = vec![to];
        while let Some(before) = search.before(at) {
            path.push(before.0);
            at = before;
        }
        path.reverse();
        Some(path)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.offsets).saturating_add(size_of_val(&*self.neighbours))
    }
}

/// A number of hops of [`Graph::hops_from`]. `None`: not reached.
pub(super) fn reached(hops: u8) -> Option<u8> {
    (hops != FAR).then_some(hops)
}

fn pack(node: Node, relation: Relation) -> u32 {
    node | (relation as u32) << RELATION_SHIFT
}

fn unpack(packed: u32) -> (Node, Relation) {
    (packed & NODE_BITS, RELATIONS[(packed >> RELATION_SHIFT) as usize])
}

type State = (Node, Phase);

/// A breadth-first search over ASes and phases.
struct Search<'a> {
    graph: &'a Graph,
    from: Node,
    /// Hops to each AS, by phase.
    hops: Vec<[u8; 2]>,
}

impl<'a> Search<'a> {
    /// Looks everywhere, or until `to` is found.
    fn from(graph: &'a Graph, from: Node, to: Option<Node>) -> Search<'a> {
        let mut search = Search { graph, from, hops: vec![[FAR; 2]; graph.nodes()] };
        search.hops[from as usize][Phase::Climbing as usize] = 0;
        let mut now = vec![(from, Phase::Climbing)];
        let mut hops = 0_u8;
        while !now.is_empty() && hops < FAR - 1 && !now.iter().any(|&(node, _)| Some(node) == to) {
            hops = hops.saturating_add(1);
            now = search.advance(&now, hops);
        }
        search
    }

    /// Everything one link further than `edge` that was not reached before.
    fn advance(&mut self, edge: &[State], hops: u8) -> Vec<State> {
        let mut next = Vec::new();
        for &(node, phase) in edge {
            for (other, relation) in self.graph.neighbours(node) {
                let Some(after) = phase.after(relation) else { continue };
                let known = &mut self.hops[other as usize];
                // From an AS reached while climbing, every link is allowed that is allowed while
                // descending.
                if known[after as usize] == FAR && known[Phase::Climbing as usize] == FAR {
                    known[after as usize] = hops;
                    next.push((other, after));
                }
            }
        }
        next
    }

    fn hops_of(&self, (node, phase): State) -> u8 {
        self.hops[node as usize][phase as usize]
    }

    /// The phases in which an AS was reached.
    fn states_of(&self, node: Node) -> impl Iterator<Item = State> {
        let states = [(node, Phase::Climbing), (node, Phase::Descending)];
        states.into_iter().filter(|&state| self.hops_of(state) != FAR)
    }

    /// The state that a state was reached from: with the lowest AS that fits, so that the same
    /// graph gives the same path.
    fn before(&self, state: State) -> Option<State> {
        let (node, phase) = state;
        if state == (self.from, Phase::Climbing) {
            return None;
        }
        let wanted = self.hops_of(state).checked_sub(1)?;
        self.graph.neighbours(node).find_map(|(other, relation)| {
            let leads_here = |&before: &State| {
                self.hops_of(before) == wanted && before.1.after(relation.reversed()) == Some(phase)
            };
            self.states_of(other).find(leads_here)
        })
    }
}
