//! What a node is in the overlay: nothing, a leaf, or a supernode.
//!
//! Invariants (asserted by [`Membership::check`]): nothing holds no memory, a leaf at most 256 bytes, and a supernode at
//! most 16 KB, without its registry; an anchor stays a supernode; a node serves and is a child never at once.

use super::{
    contact::Contact,
    door::{Input, Output},
    host::Host,
    parents::{Leaf, Next},
    supernode::{Supernode, Turn},
};
use crate::{id::PeerKey, random::Random, time::Timestamp};

/// What a node is in the overlay.
#[derive(Debug, Default)]
pub struct Membership(Role);

#[derive(Debug, Default)]
enum Role {
    #[default]
    Off,
    Leaf(Box<Leaf>),
    Supernode(Box<Supernode>),
}

impl Membership {
    /// A node that takes no part.
    pub fn off() -> Membership {
        Membership(Role::Off)
    }

    /// A leaf that knows these supernodes: those on its disk, or configured ones. The same seed and inputs give the same
    /// outputs; strangers must not know the seed.
    pub fn leaf(now: Timestamp, host: &Host<'_>, seed: u64, known: &[Contact]) -> Membership {
        Membership(Role::Leaf(Box::new(Leaf::new(now, host, Random::new(seed), known))))
    }

    /// A supernode from the start: an anchor, which an operator runs and which never steps down, or a node that served
    /// until it was restarted a moment ago.
    pub fn supernode(
        now: Timestamp,
        host: &Host<'_>,
        seed: u64,
        anchor: bool,
        known: &[Contact],
    ) -> Membership {
        let known = known.iter().copied();
        Membership(Role::Supernode(Box::new(Supernode::new(now, host, Random::new(seed), anchor, known))))
    }

    /// When to hand in [`Input::Woken`], should nothing happen before.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        match &self.0 {
            Role::Off => None,
            Role::Leaf(leaf) => Some(leaf.wake()),
            Role::Supernode(supernode) => Some(supernode.wake()),
        }
    }

    /// Takes one thing that happened, and appends what is to be done.
    pub fn handle(&mut self, now: Timestamp, host: &Host<'_>, input: Input, outputs: &mut Vec<Output>) {
        match &mut self.0 {
            Role::Off => {
                if let Input::Asked { caller, .. } = input {
                    outputs.push(Output::Refuse { to: caller.peer, alternatives: Vec::new() });
                }
            }
            Role::Leaf(leaf) => {
                if let Next::Promote(by) = on_leaf(leaf, now, host, input, outputs) {
                    self.promote(now, host, by, outputs);
                }
            }
            Role::Supernode(supernode) => {
                if on_supernode(supernode, now, host, input, outputs) == Turn::StepDown {
                    self.step_down(now, host, outputs);
                }
            }
        }
    }

    fn promote(&mut self, now: Timestamp, host: &Host<'_>, by: Option<PeerKey>, outputs: &mut Vec<Output>) {
        let Role::Leaf(leaf) = std::mem::take(&mut self.0) else { return };
        outputs.push(Output::Promoted { by });
        // Who elected us knows that we are its child no longer.
        let others = leaf.memory().parents().filter(|parent| Some(parent.peer) != by);
        outputs.extend(others.map(|parent| Output::Detach { from: parent.peer }));
        let known: Vec<Contact> = leaf.memory().everybody().collect();
        let random = leaf.into_random();
        let supernode = Supernode::new(now, host, random, false, known.into_iter());
        self.0 = Role::Supernode(Box::new(supernode));
    }

    fn step_down(&mut self, now: Timestamp, host: &Host<'_>, outputs: &mut Vec<Output>) {
        let Role::Supernode(supernode) = std::mem::take(&mut self.0) else { return };
        outputs.push(Output::SteppedDown { warm: supernode.children().warm().to_vec() });
        let known: Vec<Contact> = supernode.siblings().contacts().collect();
        self.0 = Role::Leaf(Box::new(Leaf::new(now, host, supernode.into_random(), &known)));
    }

    /// Whether the node serves.
    pub fn is_supernode(&self) -> bool {
        matches!(self.0, Role::Supernode(_))
    }

    /// Whether the node serves and never steps down.
    pub fn is_anchor(&self) -> bool {
        matches!(&self.0, Role::Supernode(supernode) if supernode.is_anchor())
    }

    /// The primary parent of a leaf that has one.
    pub fn primary(&self) -> Option<Contact> {
        match &self.0 {
            Role::Leaf(leaf) => leaf.memory().primary(),
            _ => None,
        }
    }

    /// All parents of a leaf, the primary one first.
    pub fn parents(&self) -> Vec<Contact> {
        match &self.0 {
            Role::Leaf(leaf) => leaf.memory().parents().collect(),
            _ => Vec::new(),
        }
    }

    /// What to write to the disk, so that a restart begins with it: all supernodes that are known.
    pub fn remembered(&self) -> Vec<Contact> {
        match &self.0 {
            Role::Off => Vec::new(),
            Role::Leaf(leaf) => leaf.memory().everybody().collect(),
            Role::Supernode(supernode) => supernode.siblings().contacts().collect(),
        }
    }

    /// Children that a supernode serves.
    pub fn children(&self) -> Vec<PeerKey> {
        match &self.0 {
            Role::Supernode(supernode) => supernode.children().served().collect(),
            _ => Vec::new(),
        }
    }

    /// How many children it serves.
    pub fn load(&self) -> u16 {
        match &self.0 {
            Role::Supernode(supernode) => supernode.load(),
            _ => 0,
        }
    }

    /// Children that keep a supernode in reserve.
    pub fn warm_children(&self) -> Vec<PeerKey> {
        match &self.0 {
            Role::Supernode(supernode) => supernode.children().warm().to_vec(),
            _ => Vec::new(),
        }
    }

    /// The siblings of a supernode.
    pub fn siblings(&self) -> Vec<PeerKey> {
        match &self.0 {
            Role::Supernode(supernode) => supernode.siblings().contacts().map(|it| it.peer).collect(),
            _ => Vec::new(),
        }
    }

    /// Memory held on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Role::Off => 0,
            Role::Leaf(_) => size_of::<Leaf>(),
            Role::Supernode(supernode) => supernode.heap_bytes(),
        }
    }

    /// Asserts the invariants.
    pub fn check(&self, host: &Host<'_>) {
        match &self.0 {
            Role::Off => {}
            Role::Leaf(leaf) => leaf.memory().check(),
            Role::Supernode(supernode) => supernode.check(host),
        }
        let most = if self.is_supernode() { 16 << 10 } else { 256 };
        assert!(self.heap_bytes() <= most, "{} bytes", self.heap_bytes());
    }
}

fn on_leaf(
    leaf: &mut Leaf,
    now: Timestamp,
    host: &Host<'_>,
    input: Input,
    outputs: &mut Vec<Output>,
) -> Next {
    match input {
        Input::Woken => return leaf.on_woken(now, host, outputs),
        Input::Measured(facts) => leaf.on_measured(now, host, &facts),
        Input::Found(found) => leaf.on_found(now, &found, host.me),
        Input::Attached { parent, standing, welcome } => {
            leaf.on_attached(now, host, (parent, standing), &welcome, outputs);
        }
        Input::Refused { parent, alternatives } => leaf.on_refused(parent, &alternatives, host.me),
        Input::Unreachable { peer } | Input::Lost { peer } => leaf.on_gone(now, host, peer),
        Input::Renewed { parent, welcome } => leaf.hear(parent, &welcome, outputs),
        Input::Moved { from, to } => leaf.on_moved(from, to, host.me, outputs),
        Input::Elected { by, siblings } => return leaf.on_elected(now, by.peer, &siblings, outputs),
        Input::Asked { caller, .. } => {
            outputs.push(Output::Refuse { to: caller.peer, alternatives: leaf.alternatives() });
        }
        // It takes us for a supernode.
        Input::Told { from, answer: true, .. } => {
            outputs.push(Output::Refuse { to: from.peer, alternatives: leaf.alternatives() });
        }
        Input::RoomAsked { from, .. } => outputs.push(Output::GrantRoom { to: from, children: 0 }),
        Input::RenewAsked { child, .. } => outputs.push(Output::Detach { from: child }),
        Input::Told { .. }
        | Input::Surveyed(_)
        | Input::Accepted { .. }
        | Input::Declined { .. }
        | Input::Strained(_)
        | Input::RoomGranted { .. }
        | Input::Handed { .. }
        | Input::Introduced { .. } => {}
    }
    Next::Stay
}

fn on_supernode(
    supernode: &mut Supernode,
    now: Timestamp,
    host: &Host<'_>,
    input: Input,
    outputs: &mut Vec<Output>,
) -> Turn {
    match input {
        Input::Woken => return supernode.on_woken(now, host, outputs),
        Input::Measured(facts) => supernode.on_measured(host, &facts),
        Input::Strained(strained) => supernode.on_strained(strained),
        Input::Found(found) => supernode.on_found(now, &found, host.me),
        Input::Asked { caller, standing } => supernode.on_asked(now, host, (&caller, standing), outputs),
        Input::RenewAsked { child, version } => {
            supernode.on_renew_asked(now, host, (child, version), outputs);
        }
        Input::Unreachable { peer } | Input::Lost { peer } => supernode.on_gone(now, peer),
        // It stays our child.
        Input::Declined { child } => supernode.on_declined(child),
        Input::Surveyed(surveyed) => supernode.on_surveyed(now, host, &surveyed, outputs),
        Input::Accepted { child } => supernode.on_accepted(now, child, outputs),
        Input::Told { from, ticket, leads, answer } => {
            supernode.on_told(now, host, (from, &ticket), (&leads, answer), outputs);
        }
        Input::RoomAsked { from, children } => {
            supernode.on_room_asked(now, host, (from, children), outputs);
        }
        Input::RoomGranted { from, children } => {
            supernode.on_room_granted(now, (from, children), outputs);
        }
        Input::Handed { from, children } => supernode.on_handed(now, host, from, &children),
        Input::Introduced { by, contact } => supernode.on_introduced(now, by, contact, host.me),
        Input::Refused { parent, .. } => supernode.on_refused(parent),
        // It asked before it served.
        Input::Attached { parent, .. } => outputs.push(Output::Detach { from: parent }),
        Input::Elected { by, .. } => outputs.push(Output::Decline { by: by.peer }),
        Input::Renewed { .. } | Input::Moved { .. } => {}
    }
    Turn::Stay
}
