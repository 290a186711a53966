//! What strangers say counts for themselves only, and is bounded.

use std::time::Duration;

use nearcast_core::{
    id::PeerKey,
    overlay::{
        contact::{Contact, Standing},
        door::{Input, Output},
        eligible::ChildFacts,
        sketch::{Mark, Sketch},
        ticket::{Ticket, Welcome},
    },
};

use crate::machine::{Machine, attached, caller, contact, contacts, facts, ticket};

#[test]
fn children_that_flood_take_no_more_than_the_share_of_their_network() {
    let mut machine = Machine::supernode(false);
    let (mut of_flood, mut of_others) = (0, 0);
    // A thousand questions a second from one /24, for a minute, and one honest node a second.
    for millis in 0..60_000_u32 {
        machine.now = machine.now + Duration::from_millis(1);
        of_flood += u32::from(machine.ask(caller(1_000 + millis, 9), Standing::Primary));
        if millis % 1_000 == 999 {
            of_others += u32::from(machine.ask(caller(millis / 1_000 + 1, 100 + millis), Standing::Primary));
        }
    }
    assert!(of_flood <= 125, "{of_flood} children of one network");
    assert_eq!(of_others, 60, "everybody else is let in");
}

#[test]
fn a_parent_that_hands_over_children_it_has_not_got_blocks_places_for_a_minute_at_most() {
    let mut machine = Machine::supernode(false);
    machine.tell(5, ticket(0));
    let invented = (100_000..120_000).map(PeerKey).collect();
    machine.hear(Input::Handed { from: PeerKey(5), children: invented });
    let room = |machine: &mut Machine| {
        let told = machine.hear(Input::Told {
            from: contact(5),
            ticket: Box::new(ticket(0)),
            leads: Vec::new(),
            answer: true,
        });
        let [Output::Gossip { ticket, .. }] = &told[..] else { panic!("it answers: {told:?}") };
        ticket.room
    };
    assert_eq!(room(&mut machine), 0);
    assert!(machine.ask(caller(7, 7), Standing::Primary), "nobody else has room, so it is let in");
    machine.now = machine.now + Duration::from_secs(61);
    assert_eq!(room(&mut machine), 499);
}

#[test]
fn nobody_but_the_primary_parent_moves_or_elects_a_leaf_and_nobody_attaches_it_unasked() {
    let mut machine = Machine::child();
    assert_eq!(machine.hear(Input::Moved { from: PeerKey(9), to: contact(66) }), []);
    let by = contact(9);
    assert_eq!(
        machine.hear(Input::Elected { by, siblings: contacts(60..68) }),
        [Output::Decline { by: by.peer }]
    );
    assert_eq!(machine.hear(attached(66, Standing::Primary)), [Output::Detach { from: PeerKey(66) }]);
    assert_eq!(machine.member.primary(), Some(contact(1)));
    let moved = machine.hear(Input::Moved { from: PeerKey(1), to: contact(2) });
    assert_eq!(moved, [Output::Attach { to: PeerKey(2), standing: Standing::Primary }]);
    assert_eq!(machine.member.primary(), Some(contact(1)), "it stays until the other takes it");
    let left = machine.hear(attached(2, Standing::Primary));
    assert_eq!(
        (left, machine.member.primary()),
        (vec![Output::Detach { from: PeerKey(1) }], Some(contact(2)))
    );
}

#[test]
fn a_parent_that_names_only_its_friends_leaves_a_leaf_with_others() {
    let mut machine = Machine::leaf(&contacts(1..24));
    // Everybody refuses, and names three liars each time.
    let mut next = 1_000;
    machine.pass(600, |output| match output {
        Output::Attach { to, .. } => {
            next += 3;
            let alternatives = contacts(next..next + 3);
            Some(Input::Refused { parent: *to, alternatives })
        }
        _ => None,
    });
    let honest = machine.member.remembered().iter().filter(|contact| contact.peer.0 < 24).count();
    assert!(honest >= 17, "{honest} of 23");
}

#[test]
fn a_version_that_has_its_share_is_elected_no_more() {
    let mut machine = Machine::supernode(false);
    machine.config.governor.split_above = 40;
    machine.serve(1..60);
    // Seven of ten supernodes run version 2.
    (100..109).for_each(|number| {
        let version = if number < 107 { 2 } else { 1 };
        _ = machine.tell(number, Ticket { version, ..ticket(0) });
    });
    let mut elected = Vec::new();
    for _ in 0..200 {
        machine.pass(20, |output| match output {
            Output::Survey { children } => {
                let child = |&child: &PeerKey| {
                    let age = Duration::from_secs(1_000);
                    (child, ChildFacts { age, dialled_back: true, rate: 1, version: 1 + child.0 % 2 })
                };
                Some(Input::Surveyed(children.iter().map(child).collect()))
            }
            Output::Recruit { child, .. } => {
                elected.push(1 + child.0 % 2);
                Some(Input::Declined { child: *child })
            }
            Output::Gossip { to, answer: true, .. } => {
                let version = if to.0 < 107 { 2 } else { 1 };
                Some(Input::Told {
                    from: contact(to.0),
                    ticket: Box::new(Ticket { version, ..ticket(0) }),
                    leads: Vec::new(),
                    answer: false,
                })
            }
            _ => None,
        });
    }
    assert!(elected.len() > 100 && elected.iter().all(|&version| version == 1), "{elected:?}");
}

#[test]
fn a_leaf_whose_version_has_its_share_does_not_elect_itself() {
    let promoted = |crowded: bool| {
        let mut machine = Machine::leaf(&contacts(1..2));
        machine.hear(Input::Measured(facts()));
        machine.wake();
        let welcome = Welcome { ticket: ticket(9), crowded, ..Welcome::default() };
        let (parent, standing) = (PeerKey(1), Standing::Primary);
        machine.hear(Input::Attached { parent, standing, welcome: Box::new(welcome) });
        machine.hear(Input::Lost { peer: parent });
        machine.pass(3_600, |output| match output {
            Output::Attach { to, .. } => Some(Input::Unreachable { peer: *to }),
            _ => None,
        });
        machine.member.is_supernode()
    };
    assert!(promoted(false), "when everybody is gone, somebody has to begin");
    assert!(!promoted(true));
}

#[test]
fn a_liar_that_promises_room_unasked_gets_no_children() {
    let mut machine = Machine::supernode(false);
    machine.serve(1..30);
    machine.tell(5_000, ticket(500));
    assert_eq!(machine.hear(Input::RoomGranted { from: PeerKey(5_000), children: u16::MAX }), []);
    // Its time has come, and nobody promises anything: it serves on.
    let mut asked = 0;
    machine.pass(4_000, |output| match output {
        Output::AskRoom { to, .. } => {
            asked += 1;
            Some(Input::RoomGranted { from: *to, children: 0 })
        }
        Output::Gossip { to, answer: true, .. } => Some(Input::Told {
            from: contact(to.0),
            ticket: Box::new(ticket(500)),
            leads: Vec::new(),
            answer: false,
        }),
        _ => None,
    });
    assert!(asked > 0 && machine.member.is_supernode() && machine.member.load() == 29, "{asked}");
}

#[test]
fn sketches_and_leads_of_a_liar_fill_no_more_than_its_share() {
    let mut machine = Machine::supernode(false);
    let honest: Vec<Contact> = contacts(1..25);
    honest.iter().for_each(|contact| _ = machine.tell(contact.peer.0, ticket(100)));
    for number in 0..200 {
        let marks = (0..24).map(|mark| Mark { mark: number * 24 + mark, age_seconds: 0 });
        let sketch = Sketch::new(marks);
        machine.hear(Input::Told {
            from: contact(300 + number),
            ticket: Box::new(Ticket { sketch, ..ticket(500) }),
            leads: contacts(1_000..1_100),
            answer: false,
        });
    }
    let siblings = machine.member.siblings();
    let kept = honest.iter().filter(|contact| siblings.contains(&contact.peer)).count();
    assert_eq!(kept, 24, "islands displace only each other");
}
