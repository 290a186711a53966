use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Runs until no flow moves. When each flow was done, in milliseconds.
fn run(flows: &mut Flows) -> Vec<(u64, u64)> {
    let mut times = Vec::new();
    while let Some(moment) = flows.next_done() {
        for done in flows.take_done(moment) {
            times.push((done.flow.0, moment.as_nanos() / 1_000_000));
        }
        flows.check();
    }
    times
}

#[test]
fn two_flows_share_an_uplink_until_one_is_done() {
    let mut flows = Flows::new(&[1_000, 0, 0], &[None; 3]);
    flows.start(at(0), 0, 1, 1_000, None).unwrap();
    flows.start(at(0), 0, 2, 500, None).unwrap();
    assert_eq!(run(&mut flows), [(1, 1_000), (0, 1_500)]);
    assert_eq!((flows.sent(0), flows.received(1), flows.received(2)), (1_500, 1_000, 500));
}

#[test]
fn what_a_slow_downlink_leaves_goes_to_the_other_flow() {
    let mut flows = Flows::new(&[1_000, 0, 0], &[None, Some(200), None]);
    let slow = flows.start(at(0), 0, 1, 200, None).unwrap();
    let fast = flows.start(at(0), 0, 2, 800, None).unwrap();
    assert_eq!((flows.rate(slow), flows.rate(fast)), (Some(200.0), Some(800.0)));
    assert_eq!(run(&mut flows), [(0, 1_000), (1, 1_000)]);
}

#[test]
fn a_flow_that_starts_later_or_stops_changes_the_rates_of_others() {
    let mut flows = Flows::new(&[1_000, 0], &[None; 2]);
    flows.start(at(0), 0, 1, 1_000, None).unwrap();
    let other = flows.start(at(500), 0, 1, 1_000, None).unwrap();
    assert_eq!(flows.stop(at(700), other), Some(900));
    assert_eq!(flows.stop(at(700), other), None);
    assert_eq!(run(&mut flows), [(0, 1_100)]);
    assert_eq!(flows.sent(0), 1_100);
}

#[test]
fn an_empty_flow_is_done_at_once_and_one_without_a_rate_never() {
    let mut flows = Flows::new(&[0, 1_000], &[None; 2]);
    flows.start(at(3), 0, 1, 0, None).unwrap();
    flows.start(at(3), 0, 1, 1, None).unwrap();
    flows.start(at(3), 1, 0, 10, Some(10)).unwrap();
    assert_eq!(run(&mut flows), [(0, 3), (2, 1_003)]);
    assert_eq!(flows.len(), 1);
}

#[test]
fn there_are_no_more_flows_than_can_be_solved() {
    let mut flows = Flows::new(&[1_000; 100], &[Some(5_000); 100]);
    for flow in 0..FLOWS_MAX {
        flows.start(at(0), flow % 100, (flow / 100) % 100, 1_000, None).unwrap();
    }
    assert_eq!(flows.start(at(0), 0, 1, 1, None), Err(TooManyFlows));
    // Each uplink has a hundred flows of a hundredth of its rate.
    let done = flows.next_done().unwrap();
    assert!(done.since(at(100_000)) < Duration::from_millis(1), "{done:?}");
    assert_eq!(flows.take_done(done).len(), FLOWS_MAX);
    flows.check();
}

proptest! {
    #[test]
    fn every_byte_arrives_and_none_is_made(
        links in proptest::collection::vec((1..100_000_u64, proptest::option::of(1..100_000_u64)), 2..8),
        starts in proptest::collection::vec((0..2_000_u64, any::<u16>(), any::<u16>(), 0..1_000_000_u64), 0..40),
    ) {
        let (up, down): (Vec<_>, Vec<_>) = links.into_iter().unzip();
        let mut flows = Flows::new(&up, &down);
        let peers = up.len();
        let mut starts: Vec<_> = starts.into_iter().map(|(time, from, to, bytes)| {
            (at(time), usize::from(from) % peers, usize::from(to) % peers, bytes)
        }).collect();
        starts.sort();
        let mut received = vec![0; peers];
        let mut collect = |done: Vec<Done>| for done in done { received[done.to] += done.bytes };
        for &(time, from, to, bytes) in &starts {
            while let Some(moment) = flows.next_done() && moment <= time {
                collect(flows.take_done(moment));
            }
            flows.start(time, from, to, bytes, None).unwrap();
        }
        while let Some(moment) = flows.next_done() {
            collect(flows.take_done(moment));
            flows.check();
        }
        prop_assert!(flows.is_empty());
        for (peer, received) in received.into_iter().enumerate() {
            let wanted: u64 = starts.iter().filter(|start| start.2 == peer).map(|start| start.3).sum();
            prop_assert_eq!(received, wanted);
            prop_assert_eq!(flows.received(peer), wanted);
        }
    }
}
