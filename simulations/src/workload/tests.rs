use std::collections::BTreeMap;

use super::*;
use crate::scenario::{Amount, Bytes};

fn plan(scenario: &Scenario) -> Plan {
    Plan::draw(scenario, 1).unwrap()
}

fn with(settings: &[&str]) -> Scenario {
    let mut scenario = Scenario::default();
    settings.iter().for_each(|setting| scenario.set(setting).unwrap());
    scenario
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_one_another() {
    let scenario = with(&["uplinks=log 1M..9M", "arrivals.kind=poisson", "sessions.abort_rate=0.01"]);
    assert_eq!(Plan::draw(&scenario, 1), Plan::draw(&scenario, 1));
    assert_ne!(Plan::draw(&scenario, 1), Plan::draw(&scenario, 2));
}

#[test]
fn what_differs_in_one_aspect_has_the_same_draws_in_all_others() {
    let base = with(&["uplinks=log 1M..9M", "arrivals.kind=poisson", "downlinks=1M..9M"]);
    let mut riders = base.clone();
    riders.set("actors.riders=20%").unwrap();
    let mut slower = base.clone();
    slower.set("downlinks=100k..200k").unwrap();
    for (a, b) in plan(&base).peers.iter().zip(&plan(&riders).peers) {
        assert_eq!(PeerPlan { kind: Kind::Leecher, ..*b }, *a);
    }
    for (a, b) in plan(&base).peers.iter().zip(&plan(&slower).peers) {
        assert_eq!(PeerPlan { down: a.down, ..*b }, *a);
    }
}

#[test]
fn all_parts_are_played_by_as_many_as_the_scenario_says() {
    let scenario = with(&[
        "peers=40",
        "actors.riders=25%",
        "actors.silent_riders=2",
        "actors.hoarders=1",
        "actors.poisoners=3",
        "actors.liars=4",
        "actors.strangers=5",
        "seeds.count=2",
        "origins.count=3",
    ]);
    let plan = plan(&scenario);
    let mut counts: BTreeMap<Kind, u32> = BTreeMap::new();
    plan.peers.iter().for_each(|peer| *counts.entry(peer.kind).or_default() += 1);
    let wanted = [
        (Kind::Leecher, 20),
        (Kind::Rider, 10),
        (Kind::SilentRider, 2),
        (Kind::Hoarder, 1),
        (Kind::Poisoner, 3),
        (Kind::Liar, 4),
        (Kind::Seed, 2),
        (Kind::Stranger, 5),
    ];
    assert_eq!(counts, BTreeMap::from(wanted));
    assert_eq!(plan.origins.len(), 3);
    let set_of = |kind| plan.peers.iter().find(|peer| peer.kind == kind).unwrap().starts_with;
    assert_eq!((set_of(Kind::Seed), set_of(Kind::Poisoner)), (StartSet::All, StartSet::All));
    assert_eq!((set_of(Kind::Hoarder), set_of(Kind::Rider)), (StartSet::Nothing, StartSet::Nothing));
    // Not always the same ones.
    let riders = |seed| {
        let peers = Plan::draw(&scenario, seed).unwrap().peers;
        peers.iter().map(|peer| peer.kind == Kind::Rider).collect::<Vec<_>>()
    };
    assert_ne!(riders(1), riders(2));
}

#[test]
fn who_is_early_plays_by_the_rules_if_others_can_play_the_parts() {
    for seed in 0..50 {
        let scenario = with(&["peers=10", "actors.hoarders=8", "arrivals.early=2"]);
        let peers = Plan::draw(&scenario, seed).unwrap().peers;
        assert!(peers[..2].iter().all(|peer| peer.kind.is_honest()));
        assert!(peers[2..].iter().all(|peer| peer.kind == Kind::Hoarder));
    }
    let all = with(&["peers=10", "actors.hoarders=10", "arrivals.early=2"]);
    assert!(plan(&all).peers.iter().all(|peer| peer.kind == Kind::Hoarder));
}

#[test]
fn groups_have_their_members_and_these_come_at_any_time() {
    let scenario =
        with(&["peers=400", "groups.sizes=[3, 1]", "arrivals.kind=over", "arrivals.over_seconds=100"]);
    let peers = plan(&scenario).peers;
    let members = |group| peers.iter().filter(move |peer| peer.group == Some(group));
    assert_eq!((members(0).count(), members(1).count()), (300, 100));
    let mean = members(1).map(|peer| peer.joins.as_secs_f64()).sum::<f64>() / 100.0;
    assert!((35.0..65.0).contains(&mean), "{mean}");
    let without = with(&["peers=400", "arrivals.kind=over"]);
    let peers = plan(&without).peers;
    assert!(peers.iter().all(|peer| peer.group.is_none()));
    assert!(peers.is_sorted_by_key(|peer| peer.joins));
}

#[test]
fn links_have_the_rates_that_the_scenario_says() {
    let mut scenario = with(&["peers=1000", "uplinks=1M 2M", "downlinks=unlimited"]);
    let peers = plan(&scenario).peers;
    assert_eq!(
        (peers[0].up, peers[1].up, peers[2].up, peers[0].down),
        (1_000_000, 2_000_000, 1_000_000, None)
    );
    scenario.uplinks = Rates::Between(Bytes(1_000), Bytes(3_000));
    scenario.downlinks = Rates::LogBetween(Bytes(1_000), Bytes(100_000));
    let peers = plan(&scenario).peers;
    let mean = peers.iter().map(|peer| peer.up as f64).sum::<f64>() / 1_000.0;
    assert!((mean / 2_000.0 - 1.0).abs() < 0.03, "{mean}");
    let below = peers.iter().filter(|peer| peer.down.unwrap() < 10_000).count();
    assert!(below.abs_diff(500) < 50, "{below}");
    assert!(peers.iter().all(|peer| (1_000..=100_000).contains(&peer.down.unwrap())));
}

#[test]
fn access_lines_say_the_rates_where_the_scenario_leaves_them_to_these() {
    let mut scenario = with(&["peers=3", "actors.strangers=1", "network.model=internet", "uplinks=access"]);
    let line = |at: usize| Line { up: 100 + at as u64, down: 1_000 + at as u64 };
    let rates = |scenario: &Scenario| {
        let peers = Plan::draw_on(scenario, 1, line).unwrap().peers;
        peers.iter().map(|peer| (peer.up, peer.down)).collect::<Vec<_>>()
    };
    assert_eq!(rates(&scenario), [(100, None), (101, None), (102, None), (103, None)]);
    scenario.set("downlinks=access").unwrap();
    assert_eq!(rates(&scenario)[3], (103, Some(1_003)));
    assert!(Plan::draw(&scenario, 1).is_err());
    scenario.set("network.model=flat").unwrap();
    assert!(scenario.validate().is_err());
}

#[test]
fn who_is_done_stays_as_long_as_the_scenario_says() {
    let done = |settings: &[&str]| plan(&with(settings)).peers[0].leaves.done;
    assert_eq!(done(&["sessions.done=stay"]), AfterDone::Stays);
    assert_eq!(done(&["sessions.done=leave"]), AfterDone::Lingers(Duration::ZERO));
    assert_eq!(done(&["sessions.done=linger"]), AfterDone::Lingers(Duration::from_secs(60)));
    assert_eq!(done(&["sessions.done=download"]), AfterDone::LingersAsLong(Duration::from_secs(60)));
    // 100 runs of 256 KiB at 1 MiB a second.
    assert_eq!(done(&["sessions.done=upload"]), AfterDone::Lingers(Duration::from_secs(25)));
}

#[test]
fn lingering_and_aborting_have_their_means() {
    let scenario = with(&[
        "peers=50000",
        "sessions.done=linger",
        "sessions.lengths=exponential",
        "sessions.linger_seconds=30",
        "sessions.abort_rate=0.02",
    ]);
    let peers = plan(&scenario).peers;
    let linger = |peer: &PeerPlan| match peer.leaves.done {
        AfterDone::Lingers(time) => time.as_secs_f64(),
        other => panic!("{other:?}"),
    };
    let mean = |of: &dyn Fn(&PeerPlan) -> f64| peers.iter().map(of).sum::<f64>() / 50_000.0;
    let (lingers, aborts) = (mean(&linger), mean(&|peer| peer.leaves.aborts_after.unwrap().as_secs_f64()));
    assert!((lingers / 30.0 - 1.0).abs() < 0.02 && (aborts / 50.0 - 1.0).abs() < 0.02, "{lingers} {aborts}");
}

#[test]
fn the_club_lacks_one_run_and_later_ones_what_the_scenario_says() {
    let mut scenario = with(&["peers=100", "arrivals.kind=poisson", "arrivals.early_hold=all-but-one"]);
    scenario.arrivals.early = Amount::Percent(10.0);
    let peers = plan(&scenario).peers;
    let club = peers.iter().filter(|peer| peer.starts_with == StartSet::AllButFirst);
    assert!(club.clone().count() == 10 && club.clone().all(|peer| peer.joins.is_zero()));
    assert!(peers[10..].iter().all(|peer| peer.starts_with == StartSet::Nothing && !peer.joins.is_zero()));
}

#[test]
fn a_scenario_that_is_not_valid_has_no_plan() {
    assert!(Plan::draw(&Scenario { peers: 0, ..Scenario::default() }, 1).is_err());
}
