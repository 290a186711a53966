use proptest::prelude::*;

use super::*;

fn key(number: u32) -> Key {
    let mut key = [3; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    Key(key)
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

fn wants(keys: std::ops::Range<u32>, weight: Weight) -> Schedule {
    let mut schedule = Schedule::new(1);
    schedule.begin_round();
    assert!(keys.into_iter().all(|number| schedule.want(seconds(0), key(number), weight)));
    assert_eq!(schedule.end_round(), []);
    schedule
}

/// A world in which a look-up costs `look` requests, and a write `write` more. Returns the requests
/// made in each second.
fn run(schedule: &mut Schedule, until: u64, (look, write): (u32, u32), found: usize) -> Vec<u32> {
    let mut spent = vec![0; until as usize + 1];
    let mut now = seconds(0);
    while now <= seconds(until) {
        while let Some(act) = schedule.poll(now) {
            let requests = match act {
                Act::LookUp(key) => {
                    schedule.looked_up(now, key, found, look);
                    look
                }
                Act::Provide(key) => {
                    schedule.provided(now, key, look + write);
                    look + write
                }
            };
            spent[(now.as_nanos() / 1_000_000_000) as usize] += requests;
        }
        match schedule.next_at() {
            Some(next) => now = next.max(now + Duration::from_millis(1)),
            None => break,
        }
    }
    spent
}

#[test]
fn a_key_is_looked_up_then_written_and_written_again_before_its_record_expires() {
    let mut schedule = wants(1..2, Weight::Few);
    assert_eq!(schedule.lapsed(seconds(0)), 1);
    assert_eq!(schedule.poll(seconds(0)), Some(Act::LookUp(key(1))));
    assert_eq!(schedule.poll(seconds(0)), None, "one at a time");
    schedule.looked_up(seconds(1), key(1), 3, 10);
    assert_eq!(schedule.next_at(), Some(seconds(1)), "ten requests are a second");
    assert_eq!(schedule.poll(seconds(1)), Some(Act::Provide(key(1))));
    schedule.provided(seconds(2), key(1), 10);
    assert_eq!(schedule.lapsed(seconds(2)), 0);
    let next = schedule.next_at().unwrap();
    assert!((seconds(1_202)..seconds(1_503)).contains(&next), "{next:?}");
    assert_eq!(schedule.poll(next), Some(Act::Provide(key(1))), "few others: no need to look");
}

#[test]
fn a_key_of_twenty_others_is_left_alone_and_looked_at_again() {
    let mut schedule = wants(1..2, Weight::Own);
    schedule.poll(seconds(0));
    schedule.looked_up(seconds(0), key(1), 20, 10);
    assert_eq!(schedule.lapsed(seconds(0)), 0, "others cover it");
    let next = schedule.next_at().unwrap();
    assert!((seconds(720)..seconds(901)).contains(&next), "{next:?}");
    assert_eq!(schedule.poll(next), Some(Act::LookUp(key(1))));
    schedule.looked_up(next, key(1), 12, 10);
    let next = schedule.next_at().unwrap();
    assert_eq!(schedule.poll(next), Some(Act::Provide(key(1))));
    schedule.provided(next, key(1), 10);
    let next = schedule.next_at().unwrap();
    assert_eq!(schedule.poll(next), Some(Act::LookUp(key(1))), "it may be enough by now");
}

#[test]
fn ten_thousand_contents_cost_ten_requests_a_second_and_what_matters_most_goes_first() {
    let mut schedule = wants(0..10_000, Weight::Few);
    schedule.begin_round();
    (0..100).for_each(|number| _ = schedule.want(seconds(0), key(number), Weight::Own));
    (100..10_000).for_each(|number| _ = schedule.want(seconds(0), key(number), Weight::Few));
    assert!(schedule.end_round().is_empty());
    let spent = run(&mut schedule, 3_600, (12, 8), 0);
    let all: u32 = spent.iter().sum();
    assert!((35_000..=36_040).contains(&all), "{all} in an hour");
    for minute in spent.windows(60) {
        assert!(minute.iter().sum::<u32>() <= 640, "{minute:?}");
    }
    let of_own = (0..100).filter(|number| {
        schedule.keys[&key(*number)].written.is_some_and(|at| seconds(3_600).since(at) < RECORD_LIFE)
    });
    assert_eq!(of_own.count(), 100, "what the host has itself never lapses");
    assert!(schedule.lapsed(seconds(3_600)) > 8_000, "and it is said how much does not fit");
}

#[test]
fn writes_spread_over_the_life_of_a_record() {
    let mut schedule = wants(0..300, Weight::Few);
    let spent = run(&mut schedule, 7_200, (2, 2), 0);
    let late = &spent[3_600..];
    let busiest = late.windows(60).map(|minute| minute.iter().sum::<u32>()).max().unwrap();
    assert!(busiest < 300, "{busiest} of at most 600 in the busiest minute");
    assert_eq!(schedule.lapsed(seconds(7_200)), 0);
}

#[test]
fn a_content_that_nobody_has_any_more_is_dropped() {
    let mut schedule = wants(0..3, Weight::Few);
    let act = schedule.poll(seconds(0)).unwrap();
    schedule.looked_up(seconds(0), act.key(), 0, 1);
    schedule.poll(seconds(1));
    schedule.provided(seconds(1), act.key(), 1);
    schedule.begin_round();
    schedule.want(seconds(2), key(2), Weight::Few);
    assert_eq!(schedule.end_round(), [act.key()], "the one under which we stand is told of");
    assert_eq!((schedule.len(), schedule.due.len()), (1, 1));
}

#[test]
fn a_full_schedule_drops_what_matters_least() {
    let mut schedule = wants(0..u32::try_from(KEYS_MAX).unwrap(), Weight::Few);
    assert!(!schedule.want(seconds(0), key(900_000), Weight::Few));
    assert!(schedule.want(seconds(0), key(900_001), Weight::Own));
    assert_eq!(schedule.len(), KEYS_MAX);
}

#[test]
fn a_query_that_is_never_answered_does_not_stop_the_rest() {
    let mut schedule = wants(0..2, Weight::Few);
    let lost = schedule.poll(seconds(0)).unwrap();
    assert_eq!(schedule.poll(seconds(59)), None);
    let next = schedule.poll(seconds(60)).unwrap();
    assert_ne!(next, lost);
    schedule.looked_up(seconds(61), lost.key(), 0, 1);
    assert_eq!(schedule.poll(seconds(61)), None, "a late answer ends nothing else");
}

proptest! {
    #[test]
    fn every_key_is_due_or_under_way(
        steps in prop::collection::vec((0_u8..6, 0_u32..20, 0_usize..25, 0_u32..30), 0..200),
    ) {
        let mut schedule = Schedule::new(3);
        let mut now = Timestamp::ZERO;
        schedule.begin_round();
        for (what, number, found, requests) in steps {
            now = now + Duration::from_secs(3);
            match what {
                0 => _ = schedule.want(now, key(number), Weight::Few),
                1 => _ = schedule.want(now, key(number), Weight::Own),
                2 => {
                    schedule.begin_round();
                    schedule.want(now, key(number), Weight::Several);
                    schedule.end_round();
                }
                3 => _ = schedule.poll(now),
                4 => schedule.looked_up(now, key(number), found, requests),
                _ => schedule.provided(now, key(number), requests),
            }
            let under_way = schedule.under_way.map(|(act, _)| act.key());
            for (key, entry) in schedule.keys.iter().filter(|(key, _)| under_way != Some(**key)) {
                prop_assert!(schedule.due.contains(&(entry.weight, entry.due, *key)));
            }
            for (weight, due, key) in &schedule.due {
                let entry = schedule.keys[key];
                prop_assert_eq!((entry.weight, entry.due), (*weight, *due));
            }
        }
    }
}
