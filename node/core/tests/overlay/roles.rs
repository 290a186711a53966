//! How a node comes to a role, and how it leaves it.

use std::time::Duration;

use nearcast_core::{
    id::PeerKey,
    overlay::{
        contact::Standing,
        door::{Input, Output},
        eligible::{ChildFacts, Consent, Facts},
        membership::Membership,
        ticket::Ticket,
    },
};

use crate::machine::{Machine, attached, caller, contact, contacts, facts, ticket};

/// What a world of good siblings says.
fn well(output: &Output) -> Option<Input> {
    match output {
        Output::Gossip { to, answer: true, .. } => Some(Input::Told {
            from: contact(to.0),
            ticket: Box::new(ticket(200)),
            leads: Vec::new(),
            answer: false,
        }),
        Output::AskRoom { to, children } => Some(Input::RoomGranted { from: *to, children: *children }),
        // Whoever is asked to move does.
        Output::Move { child, .. } => Some(Input::Lost { peer: *child }),
        Output::Survey { children } => {
            let age = Duration::from_secs(1_000);
            let good = ChildFacts { age, dialled_back: true, rate: 1, version: 1 };
            let fit =
                |&child: &PeerKey| (child, ChildFacts { dialled_back: child.0.is_multiple_of(5), ..good });
            Some(Input::Surveyed(children.iter().map(fit).collect()))
        }
        Output::Recruit { child, .. } => Some(Input::Accepted { child: contact(child.0) }),
        _ => None,
    }
}

#[test]
fn a_node_that_takes_no_part_refuses_and_needs_no_clock() {
    let mut machine = Machine::leaf(&[]);
    machine.member = Membership::off();
    assert_eq!((machine.member.poll_timeout(), machine.member.heap_bytes()), (None, 0));
    assert!(!machine.ask(caller(1, 1), Standing::Primary));
}

#[test]
fn above_500_children_a_fit_one_is_elected_and_gets_half_of_them_as_by_as() {
    let mut machine = Machine::supernode(false);
    machine.serve(1..501);
    assert!(!machine.pass(60, well).iter().any(|output| matches!(output, Output::Recruit { .. })));
    machine.serve(501..502);
    let outputs = machine.pass(60, well);
    let elected = outputs.iter().find_map(|output| match output {
        Output::Recruit { child, .. } => Some(*child),
        _ => None,
    });
    let elected = elected.expect("somebody is elected");
    assert!(elected.0.is_multiple_of(5), "one of those that are fit");
    let (ases, children) = outputs
        .iter()
        .find_map(|output| match output {
            Output::HandOver { to, ases, children } if *to == elected => Some((ases, children)),
            _ => None,
        })
        .expect("it gets children");
    assert!((230..=250).contains(&children.len()) && !children.contains(&elected), "{}", children.len());
    let of_ases = children.iter().filter(|child| {
        let asn = caller(child.0, child.0).asn.expect("it has one");
        ases.contains(&asn)
    });
    assert_eq!(of_ases.count(), children.len());
    assert_eq!(usize::from(machine.member.load()), 500 - children.len());
}

#[test]
fn a_child_that_does_not_move_is_served_on() {
    let mut machine = Machine::supernode(false);
    machine.serve(1..502);
    machine.pass(120, |output| match output {
        Output::Move { .. } => None,
        other => well(other),
    });
    assert!(machine.member.load() >= 490, "{}", machine.member.load());
}

#[test]
fn a_supernode_with_few_children_serves_its_time_then_hands_all_over_and_is_a_leaf() {
    let mut machine = Machine::supernode(false);
    machine.serve(1..70);
    machine.ask(caller(900, 900), Standing::Warm);
    machine.tell(2_000, ticket(200));
    let early = machine.pass(1_700, well);
    assert!(!early.iter().any(|output| matches!(output, Output::AskRoom { .. })), "its tenure is not over");
    let outputs = machine.pass(600, well);
    let moved = outputs.iter().filter(|output| matches!(output, Output::Move { .. })).count();
    assert_eq!(moved, 69);
    assert!(outputs.contains(&Output::SteppedDown { warm: vec![PeerKey(900)] }));
    assert!(!machine.member.is_supernode() && machine.member.remembered() == [contact(2_000)]);
}

#[test]
fn an_anchor_never_steps_down_and_one_that_may_not_serve_does_so_at_once() {
    let mut anchor = Machine::supernode(true);
    anchor.tell(2_000, ticket(200));
    anchor.pass(10_000, well);
    assert!(anchor.member.is_anchor());
    let mut forbidden = Machine::supernode(false);
    forbidden.serve(1..200);
    forbidden.tell(2_000, ticket(400));
    forbidden.hear(Input::Measured(Facts { consent: Consent::Never, ..facts() }));
    forbidden.pass(600, well);
    assert!(!forbidden.member.is_supernode());
}

#[test]
fn nobody_steps_down_towards_one_that_steps_down() {
    let mut machine = Machine::supernode(false);
    machine.serve(1..30);
    machine.tell(2_000, ticket(400));
    let asked = machine.hear(Input::RoomAsked { from: PeerKey(2_000), children: 50 });
    assert_eq!(asked, [Output::GrantRoom { to: PeerKey(2_000), children: 50 }]);
    let too_many = machine.hear(Input::RoomAsked { from: PeerKey(2_000), children: 400 });
    let room = 375 - 29;
    assert_eq!(too_many, [Output::GrantRoom { to: PeerKey(2_000), children: room }], "three quarters of 500");
    // It asks for room itself, and nobody answers yet.
    machine.pass(80, |output| match output {
        Output::AskRoom { .. } => None,
        other => well(other),
    });
    machine.hear(Input::Measured(Facts { consent: Consent::Never, ..facts() }));
    let mut asking = false;
    for _ in 0..4_000 {
        asking = machine.wake().iter().any(|output| matches!(output, Output::AskRoom { .. }));
        machine.tell(2_000, ticket(400));
        if asking {
            break;
        }
    }
    assert!(asking);
    let asked = machine.hear(Input::RoomAsked { from: PeerKey(2_000), children: 50 });
    assert_eq!(asked, [Output::GrantRoom { to: PeerKey(2_000), children: 0 }]);
    assert!(!machine.ask(caller(7_000, 7_000), Standing::Primary), "it takes nobody either");
}

#[test]
fn a_leaf_holds_two_warm_parents_apart_and_tries_them_first() {
    let mut machine = Machine::leaf(&contacts(1..10));
    let takes = |output: &Output| match output {
        Output::Attach { to, standing } => Some(attached(to.0, *standing)),
        _ => None,
    };
    machine.pass(300, takes);
    let parents = machine.member.parents();
    assert_eq!(parents.len(), 3);
    for (at, one) in parents.iter().enumerate() {
        assert!(parents[at + 1..].iter().all(|other| one.is_apart(*other)));
    }
    machine.hear(Input::Lost { peer: parents[0].peer });
    let before = machine.now;
    let outputs = machine.wake();
    let [Output::Attach { to, standing: Standing::Primary }] = outputs[..] else { panic!("{outputs:?}") };
    assert!(to == parents[1].peer || to == parents[2].peer, "a warm parent is tried first");
    assert!(machine.now.since(before) <= Duration::from_secs(1), "within its jitter");
    machine.hear(attached(to.0, Standing::Primary));
    assert_eq!(machine.member.primary().map(|parent| parent.peer), Some(to));
}

#[test]
fn a_leaf_that_sees_an_island_introduces_it_to_its_parent() {
    let mut machine = Machine::child();
    machine.hear(Input::Found(contacts(2..3)));
    machine.pass(60, |output| match output {
        Output::Attach { to, standing } => Some(attached(to.0, *standing)),
        _ => None,
    });
    assert_eq!(machine.member.parents().len(), 2);
    let other =
        (900..920).map(|number| nearcast_core::overlay::sketch::Mark { mark: number, age_seconds: 1 });
    let sketch = nearcast_core::overlay::sketch::Sketch::new(other);
    let welcome = nearcast_core::overlay::ticket::Welcome {
        ticket: Ticket { sketch, ..ticket(1) },
        ..Default::default()
    };
    let outputs = machine.hear(Input::Renewed { parent: PeerKey(2), welcome: Box::new(welcome) });
    assert_eq!(outputs, [Output::Introduce { to: PeerKey(1), contact: contact(2) }]);
}

#[test]
fn an_elected_leaf_that_is_fit_serves_and_leaves_its_parents() {
    let mut machine = Machine::child();
    let by = contact(1);
    let outputs = machine.hear(Input::Elected { by, siblings: contacts(20..24) });
    let served = vec![Output::Promoted { by: Some(by.peer) }];
    assert_eq!((outputs, machine.member.is_supernode()), (served, true));
    let told = machine.pass(60, well);
    assert!(told.iter().any(|output| matches!(output, Output::Gossip { .. })));
    assert!(machine.member.siblings().contains(&by.peer));
    let mut unfit = Machine::child();
    unfit.hear(Input::Measured(Facts { consent: Consent::Never, ..facts() }));
    assert_eq!(unfit.hear(Input::Elected { by, siblings: Vec::new() }), [Output::Decline { by: by.peer }]);
}
