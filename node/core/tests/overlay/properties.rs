//! Inputs in any order: the machine keeps its invariants and its paces.

use std::time::Duration;

use nearcast_core::{
    id::PeerKey,
    overlay::{
        contact::Standing,
        door::{Input, Output},
        eligible::{ChildFacts, Consent, Facts},
        sketch::{Mark, Sketch},
        ticket::{Ticket, Welcome},
    },
    time::Timestamp,
};
use proptest::prelude::*;

use crate::machine::{Machine, caller, contact, contacts, facts};

/// What happens next: a kind, a peer, a number, and milliseconds that pass before.
type Step = (u8, u32, u16, u16);

fn ticket(number: u16) -> Ticket {
    let marks = (0..u32::from(number % 30))
        .map(|mark| Mark { mark: mark.wrapping_mul(u32::from(number) << 12 | 1), age_seconds: number });
    Ticket {
        room: number,
        leaving: number.is_multiple_of(7),
        version: u32::from(number % 3),
        sketch: Sketch::new(marks),
    }
}

fn input((kind, peer, number, _): Step) -> Input {
    let (key, standing) = (PeerKey(peer), [Standing::Primary, Standing::Warm][usize::from(number % 2)]);
    let welcome = || {
        let others = contacts(u32::from(number % 50)..u32::from(number % 50) + 12);
        Box::new(Welcome { ticket: ticket(number), others, crowded: number.is_multiple_of(5) })
    };
    let few = || (0..u32::from(number % 9)).map(|more| PeerKey(peer + more)).collect::<Vec<_>>();
    match kind {
        0 => Input::Measured(Facts { consent: Consent::Auto, ..facts() }),
        1 => Input::Measured(Facts { consent: Consent::Never, ..facts() }),
        2 => Input::Found(contacts(peer..peer + u32::from(number % 30))),
        3 | 4 => Input::Attached { parent: key, standing, welcome: welcome() },
        5 => Input::Refused { parent: key, alternatives: contacts(peer..peer + u32::from(number % 9)) },
        6 => Input::Unreachable { peer: key },
        7 => Input::Lost { peer: key },
        8 => Input::Renewed { parent: key, welcome: welcome() },
        9 => Input::Moved { from: key, to: contact(number.into()) },
        10 => Input::Elected { by: contact(peer), siblings: contacts(1..u32::from(number % 20) + 1) },
        11..=14 => Input::Asked { caller: caller(peer, u32::from(number)), standing },
        15 => Input::RenewAsked { child: key, version: number.into() },
        16 => Input::Surveyed(
            few()
                .into_iter()
                .map(|child| {
                    let age = Duration::from_secs(number.into());
                    (child, ChildFacts { age, dialled_back: true, rate: 1, version: 1 })
                })
                .collect(),
        ),
        17 => Input::Accepted { child: contact(peer) },
        18 => Input::Declined { child: key },
        19 => Input::Strained(number.is_multiple_of(2)),
        20..=22 => Input::Told {
            from: contact(peer),
            ticket: Box::new(ticket(number)),
            leads: contacts(peer..peer + u32::from(number % 9)),
            answer: number.is_multiple_of(2),
        },
        23 => Input::RoomAsked { from: key, children: number },
        24 => Input::RoomGranted { from: key, children: number },
        25 => Input::Handed { from: key, children: few() },
        _ => Input::Introduced { by: key, contact: contact(number.into()) },
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let peer = prop_oneof![3 => 0..12_u32, 1 => 0..2_000_u32];
    prop::collection::vec((0..27_u8, peer, any::<u16>(), 0..3_000_u16), 1..400)
}

/// The most things in any second.
fn most_in_a_second(times: &[Timestamp]) -> usize {
    let until = |at: Timestamp| times.partition_point(|&time| time.since(at) < Duration::from_secs(1));
    times.iter().enumerate().map(|(place, &at)| until(at) - place).max().unwrap_or(0)
}

/// Lets all happen, and gives when nodes were let in, and when the machine asked unbidden.
fn happen(machine: &mut Machine, steps: &[Step], small: bool) -> (Vec<Timestamp>, Vec<Timestamp>) {
    if small {
        let governor = &mut machine.config.governor;
        (governor.split_above, governor.merge_below, governor.children_max) = (12, 3, 20);
        (governor.warm_max, governor.tenure) = (10, Duration::from_secs(20));
    }
    let (mut let_in, mut asked) = (Vec::new(), Vec::new());
    let mut known_before = machine.member.children();
    for &step in steps {
        let end = machine.now + Duration::from_millis(step.3.into());
        let mut turns = 0;
        while machine.member.poll_timeout().is_some_and(|at| at <= end) {
            let outputs = machine.wake();
            let asks = |output: &&Output| matches!(output, Output::Attach { .. });
            asked.extend(outputs.iter().filter(asks).map(|_| machine.now));
            turns += 1;
            assert!(turns < 100, "it wakes itself again and again");
        }
        machine.now = end;
        let outputs = machine.hear(input(step));
        let welcomed = outputs.iter().filter_map(|output| match output {
            Output::Welcome { to, .. } => Some(*to),
            _ => None,
        });
        let new = welcomed.filter(|to| !known_before.contains(to));
        let_in.extend(new.map(|_| machine.now));
        known_before = machine.member.children();
        known_before.extend(machine.member.warm_children());
        let answers =
            outputs.iter().filter(|it| matches!(it, Output::Welcome { .. } | Output::Refuse { .. }));
        assert!(answers.count() <= 1, "one answer at most: {outputs:?}");
    }
    (let_in, asked)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_leaf_keeps_its_word_whatever_happens(steps in steps(), small in any::<bool>()) {
        let mut machine = Machine::leaf(&contacts(1..9));
        let (_, asked) = happen(&mut machine, &steps, small);
        prop_assert!(most_in_a_second(&asked) <= 3, "more than two tries a second: {asked:?}");
    }

    #[test]
    fn a_supernode_keeps_its_word_whatever_happens(steps in steps(), anchor in any::<bool>(), small in any::<bool>()) {
        let mut machine = Machine::supernode(anchor);
        let (let_in, _) = happen(&mut machine, &steps, small);
        prop_assert!(most_in_a_second(&let_in) <= 100);
        prop_assert!(!anchor || machine.member.is_anchor());
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(steps in steps()) {
        let story = || {
            let mut machine = Machine::supernode(false);
            steps.iter().map(|&step| {
                machine.now = machine.now + Duration::from_millis(step.3.into());
                (machine.hear(input(step)), machine.wake(), machine.member.poll_timeout())
            }).collect::<Vec<_>>()
        };
        prop_assert_eq!(story(), story());
    }
}
