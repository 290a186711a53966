//! What an origin sends to whom, run by run.

use super::*;
use crate::content::run_set::RunSet;

fn run(index: u32) -> RunIndex {
    RunIndex::new(index)
}

fn wish(peer: PeerKey, index: u32) -> Wish {
    Wish { peer, run: run(index), exact: false }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn each_run_is_sent_once_before_any_twice() {
    let config = Config::origin();
    let (mut steering, availability) = (Steering::new(at(0), 4, 0), Availability::new(4));
    let nobody = RunSet::empty(4);
    let mut ask = |now, index| {
        steering.answer(
            at(now),
            wish(PeerKey(1), index),
            Some((&nobody).into()),
            &availability,
            true,
            &config,
        )
    };
    assert_eq!(ask(0, 2), Answer::Serve(run(2)));
    assert_eq!(ask(1, 2), Answer::Serve(run(0)), "2 was sent: an unsent one in its place");
    assert_eq!(ask(2, 2), Answer::Serve(run(1)));
    assert_eq!(ask(3, 0), Answer::Serve(run(3)));
    assert_eq!(ask(4, 0), Answer::Elsewhere, "all were sent a moment ago");
    assert_eq!(ask(9_000, 0), Answer::Serve(run(0)), "nobody passed it on");
}

#[test]
fn what_went_to_somebody_who_is_gone_is_not_said_to_be_elsewhere() {
    let config = Config::origin();
    let (mut steering, availability) = (Steering::new(at(0), 2, 0), Availability::new(2));
    let nobody = RunSet::empty(2);
    let ask = |steering: &mut Steering, peer, index, crowd| {
        steering.answer(
            at(1),
            wish(PeerKey(peer), index),
            Some((&nobody).into()),
            &availability,
            crowd,
            &config,
        )
    };
    for index in 0..2 {
        assert_eq!(ask(&mut steering, 1, index, false), Answer::Serve(run(index)), "alone");
    }
    steering.on_unlinked(PeerKey(1), &availability);
    assert_eq!(ask(&mut steering, 2, 0, true), Answer::Serve(run(0)));
    assert_eq!(ask(&mut steering, 3, 0, true), Answer::Elsewhere, "2 passes it on");
}

#[test]
fn who_wants_one_run_and_no_other_gets_that_or_none() {
    let config = Config::origin();
    let (mut steering, mut availability) = (Steering::new(at(0), 8, 0), Availability::new(8));
    let mut ask = |now, index, availability: &Availability| {
        let exact = Wish { exact: true, ..wish(PeerKey(1), index) };
        steering.answer(at(now), exact, Some((&RunSet::empty(8)).into()), availability, true, &config)
    };
    assert_eq!(ask(0, 2, &availability), Answer::Serve(run(2)));
    assert_eq!(ask(1, 2, &availability), Answer::Elsewhere, "2 was sent a moment ago");
    availability.add(run(2));
    assert_eq!(
        ask(2, 2, &availability),
        Answer::Serve(run(2)),
        "its peers are silent, else it would not ask"
    );
}

#[test]
fn each_origin_begins_elsewhere_and_leaves_nothing_out() {
    let config = Config::origin();
    let (mut steering, availability) = (Steering::new(at(0), 4, 3), Availability::new(4));
    let mut ask = |index| {
        let wish = wish(PeerKey(1), index);
        steering.answer(at(0), wish, Some((&RunSet::empty(4)).into()), &availability, true, &config)
    };
    assert_eq!([2, 2, 2, 2].map(&mut ask), [2, 3, 0, 1].map(|index| Answer::Serve(run(index))));
    steering.on_unsent(run(3));
    steering.on_unsent(run(1));
    let mut ask = |index| {
        let wish = wish(PeerKey(1), index);
        steering.answer(at(0), wish, Some((&RunSet::empty(4)).into()), &availability, true, &config)
    };
    assert_eq!([2, 2].map(&mut ask), [3, 1].map(|index| Answer::Serve(run(index))));
}

#[test]
fn a_run_that_did_not_go_out_is_unsent_again() {
    let config = Config::origin();
    let (mut steering, availability) = (Steering::new(at(0), 2, 0), Availability::new(2));
    let ask = |steering: &mut Steering| {
        steering.answer(at(0), wish(PeerKey(1), 0), None, &availability, true, &config)
    };
    assert_eq!(ask(&mut steering), Answer::Serve(run(0)));
    assert_eq!(ask(&mut steering), Answer::Serve(run(1)));
    steering.on_unsent(run(1));
    assert_eq!(ask(&mut steering), Answer::Serve(run(1)));
    assert_eq!(ask(&mut steering), Answer::Elsewhere);
}

#[test]
fn what_went_away_with_a_neighbour_is_given_to_the_next_one_at_once() {
    let config = Config::origin();
    let (mut steering, mut availability) = (Steering::new(at(0), 2, 0), Availability::new(2));
    let (gone, next) = (PeerKey(1), PeerKey(2));
    let ask = |steering: &mut Steering, peer, index, availability: &Availability| {
        steering.answer(at(100), wish(peer, index), None, availability, true, &config)
    };
    assert_eq!(ask(&mut steering, gone, 0, &availability), Answer::Serve(run(0)));
    assert_eq!(ask(&mut steering, gone, 1, &availability), Answer::Serve(run(1)));
    assert_eq!(ask(&mut steering, next, 0, &availability), Answer::Elsewhere, "it will be passed on");
    // Another neighbour has the second run already.
    availability.add(run(1));
    steering.on_unlinked(gone, &availability);
    assert_eq!(ask(&mut steering, next, 0, &availability), Answer::Serve(run(0)));
    assert_eq!(steering.next_unsent(None, &availability), None, "the other run has not gone away");
}

#[test]
fn what_only_somebody_holds_who_passes_nothing_on_is_given_to_somebody_else() {
    let config = Config::origin();
    let (mut steering, mut availability) = (Steering::new(at(0), 64, 0), Availability::new(64));
    let [rider, quick, other] = [1, 2, 3].map(PeerKey);
    let peers = [rider, quick, other];
    let ask = |steering: &mut Steering, now, peer, index, availability: &Availability| {
        steering.answer(at(now), wish(peer, index), None, availability, true, &config)
    };
    assert_eq!(ask(&mut steering, 0, rider, 0, &availability), Answer::Serve(run(0)));
    steering.on_delivered(at(500), rider, run(0));
    availability.add(run(0));
    assert_eq!(steering.judge(at(2_000), &peers, 16, &availability, &config).1, [], "it may be slow");
    assert!(steering.is_trusted(rider));
    let (last, changed) = steering.judge(at(4_000), &peers, 16, &availability, &config);
    assert_eq!((last, changed), (vec![rider], vec![rider]));
    // What the rider holds does not count any more.
    availability.subtract(run(0));
    assert!(!steering.is_trusted(rider) && steering.is_trusted(quick));
    assert_eq!(ask(&mut steering, 4_000, quick, 0, &availability), Answer::Serve(run(0)), "as if unsent");
    assert_eq!(ask(&mut steering, 4_100, rider, 9, &availability), Answer::Elsewhere, "others are served");
    assert_eq!(ask(&mut steering, 4_500, rider, 9, &availability), Answer::Serve(run(9)), "it is idle");
    assert_eq!(ask(&mut steering, 4_600, other, 9, &availability), Answer::Serve(run(9)), "as if unsent");
    // The rider has another chance, and after the second time a later one.
    let has_chance = |steering: &mut Steering, from: u64| {
        let trusted = |&second: &u64| {
            steering.judge(at(second * 1_000), &peers, 16, &availability, &config);
            steering.is_trusted(rider)
        };
        (from..100).find(trusted)
    };
    assert_eq!(has_chance(&mut steering, 5), Some(8));
    assert_eq!(ask(&mut steering, 9_000, rider, 20, &availability), Answer::Serve(run(20)));
    steering.on_delivered(at(9_100), rider, run(20));
    assert_eq!(has_chance(&mut steering, 13), Some(21));
}

#[test]
fn what_went_out_a_moment_ago_is_not_sent_again_while_the_asker_lacks_something_else() {
    let config = Config::origin();
    let (mut steering, mut availability) = (Steering::new(at(0), 3, 0), Availability::new(3));
    // Neighbours hold all three runs; fewest hold the last one.
    for index in [0, 0, 0, 1, 1, 2] {
        availability.add(run(index));
    }
    let mut theirs = RunSet::empty(3);
    let mut ask = |now, peer, theirs: &RunSet| {
        steering.answer(at(now), wish(PeerKey(peer), 0), Some(theirs.into()), &availability, true, &config)
    };
    assert_eq!(ask(0, 1, &theirs), Answer::Serve(run(0)));
    assert_eq!(ask(100, 2, &theirs), Answer::Serve(run(2)), "it lacks that, too");
    assert_eq!(ask(200, 3, &theirs), Answer::Serve(run(1)));
    assert_eq!(ask(300, 4, &theirs), Answer::Serve(run(0)), "there is nothing else");
    assert_eq!(ask(3_250, 5, &theirs), Answer::Serve(run(2)), "that was sent long ago");
    theirs.insert(run(1));
    assert_eq!(ask(3_260, 6, &theirs), Answer::Serve(run(0)), "it has the other one");
}

#[test]
fn a_lone_leecher_gets_what_it_asks_for() {
    let config = Config::origin();
    let (mut steering, availability) = (Steering::new(at(0), 4, 0), Availability::new(4));
    for _ in 0..3 {
        let answer = steering.answer(at(0), wish(PeerKey(1), 1), None, &availability, false, &config);
        assert_eq!(answer, Answer::Serve(run(1)));
    }
}

#[test]
fn a_run_that_peers_hold_is_served_only_when_nothing_is_unsent() {
    let config = Config::origin();
    let (mut steering, mut availability) = (Steering::new(at(0), 2, 0), Availability::new(2));
    availability.add(run(0));
    let mut ask =
        |now, index| steering.answer(at(now), wish(PeerKey(1), index), None, &availability, true, &config);
    assert_eq!(ask(0, 0), Answer::Serve(run(1)));
    assert_eq!(ask(1, 0), Answer::Serve(run(0)));
}

#[test]
fn who_holds_runs_alone_for_long_waits_while_others_pass_theirs_on() {
    let config = Config::origin();
    let (mut steering, mut availability) = (Steering::new(at(0), 64, 0), Availability::new(64));
    let (slow, quick) = (PeerKey(1), PeerKey(2));
    let mut ask = |now, peer, availability: &Availability| {
        let answer = steering.answer(at(now), wish(peer, 0), None, availability, true, &config);
        matches!(answer, Answer::Serve(_))
    };
    assert!(ask(0, slow, &availability));
    availability.add(run(0));
    assert!(ask(900, slow, &availability), "it may yet pass it on");
    assert!(ask(1_900, quick, &availability));
    assert!(!ask(2_000, slow, &availability), "it alone has run 0, since two seconds");
    assert!(ask(2_300, slow, &availability), "the uplink would be idle else");
    assert!(ask(2_400, quick, &availability));
    availability.add(run(0));
    assert!(ask(2_500, slow, &availability), "it has passed run 0 on");
}

#[test]
fn who_got_runs_and_says_nothing_waits_as_if_it_held_them_alone() {
    let config = Config::origin();
    let (mut steering, availability) = (Steering::new(at(0), 64, 0), Availability::new(64));
    let (silent, quick) = (PeerKey(1), PeerKey(2));
    let ask = |steering: &mut Steering, now, peer| {
        steering.answer(at(now), wish(peer, 0), None, &availability, true, &config)
    };
    assert_eq!(ask(&mut steering, 0, silent), Answer::Serve(run(0)));
    assert!(matches!(ask(&mut steering, 1_900, quick), Answer::Serve(_)));
    assert!(matches!(ask(&mut steering, 2_000, silent), Answer::Serve(_)), "run 0 is still on its way");
    steering.on_delivered(at(2_100), silent, run(0));
    assert!(matches!(ask(&mut steering, 2_900, quick), Answer::Serve(_)));
    assert!(matches!(ask(&mut steering, 3_000, silent), Answer::Serve(_)), "the news may be on their way");
    assert!(matches!(ask(&mut steering, 3_200, quick), Answer::Serve(_)));
    assert_eq!(ask(&mut steering, 3_300, silent), Answer::Elsewhere);
    assert!(matches!(ask(&mut steering, 3_900, silent), Answer::Serve(_)), "the uplink would be idle else");
}

#[test]
fn the_clock_of_sent_runs_starts_anew_after_two_hours() {
    let config = Config::origin();
    let (mut steering, availability) = (Steering::new(at(0), 2, 0), Availability::new(2));
    let mut ask =
        |now, index| steering.answer(at(now), wish(PeerKey(1), index), None, &availability, true, &config);
    assert_eq!(ask(0, 0), Answer::Serve(run(0)));
    assert_eq!(ask(7_000_000, 1), Answer::Serve(run(1)));
    assert_eq!(ask(7_000_100, 1), Answer::Elsewhere, "sent a tenth of a second ago");
    assert_eq!(ask(7_000_200, 0), Answer::Serve(run(0)), "sent long ago");
}
