//! Viewers, and clients that play their own game, as scenarios have them.

use nearcast_sim::{
    outcome::{Outcome, Viewing},
    run::{RunOptions, run},
    scenario::Scenario,
    workload::Kind,
};

fn outcome(seed: u64, settings: &[&str]) -> Outcome {
    let mut scenario = Scenario::default();
    settings.iter().for_each(|setting| scenario.set(setting).expect("a valid setting"));
    let outcome = run(&scenario, seed, &RunOptions::default(), &mut |_| {}).expect("it can be run");
    for name in ["bytes_conserved", "uplinks_within_rate", "engines_know_what_they_hold"] {
        assert_eq!(outcome.summary.checks.get(name), Some(&true), "{name}");
    }
    outcome
}

fn viewing(settings: &[&str]) -> Viewing {
    outcome(1, settings).summary.viewing.expect("somebody watches")
}

#[test]
fn viewers_change_nothing_and_are_as_many_as_the_scenario_says() {
    let crowd = ["peers=40", "runs=100", "actors.riders=10"];
    let without = outcome(1, &crowd);
    let with = outcome(1, &[&crowd[..], &["viewers.watching=50%", "viewers.bitrate=500k"]].concat());
    // They are observed, and nobody hears of it.
    assert_eq!(without.summary.trace_hash, with.summary.trace_hash);
    assert_eq!(without.summary.viewing, None);
    // Half of those that play by the rules.
    let seen = with.summary.viewing.as_ref().expect("somebody watches");
    assert_eq!((seen.viewers, seen.started), (15, 15));
    let watch = |kind| with.peers.iter().filter(|row| row.kind == kind && row.viewed.is_some()).count();
    assert_eq!((watch(Kind::Leecher), watch(Kind::Rider)), (15, 0));
}

#[test]
fn a_viewer_of_a_rich_origin_starts_at_once_and_never_stalls() {
    // A run in 64 ms, one after the other, and no peer that could send another one before.
    let alone = ["peers=1", "runs=64", "origins.up=4MiB", "network.together=1", "viewers.watching=1"];
    let seen = viewing(&[&alone[..], &["viewers.bitrate=16k", "viewers.buffer_seconds=1"]].concat());
    assert_eq!((seen.viewers, seen.started, seen.stalls_mean, seen.stalled_share), (1, 1, 0.0, 0.0));
    assert_eq!(seen.smooth_share, 1.0);
    // min { 4 MiB, 4 MiB + 1 MiB }.
    assert_eq!(seen.rate_bound, f64::from(4 << 20));
    // Four times as fast as all that it can get: three quarters of the time are stalls, or waiting,
    // in whatever order runs come.
    let outcome = outcome(1, &[&alone[..], &["viewers.bitrate=16MiB", "viewers.buffer_seconds=0"]].concat());
    let seen = outcome.peers[0].viewed.expect("it watches");
    let bound = 64.0 * 262_144.0 * (1.0 / f64::from(4 << 20) - 1.0 / f64::from(16 << 20));
    let smooth = seen.smooth_delay.expect("all came");
    assert!(smooth >= bound, "{smooth} of {bound} s: nobody can start before without a stall");
    let lost = seen.start_delay.expect("it started") + seen.stalled;
    assert!(lost >= bound && seen.played == 1.0, "{seen:?}");
}

#[test]
fn stalls_and_the_wait_without_stalls_grow_with_the_bitrate() {
    // Without buffers all start with the first run.
    let crowd = [
        "peers=40",
        "runs=120",
        "viewers.watching=100%",
        "viewers.buffer_seconds=0",
        "viewers.resume_seconds=0",
    ];
    let at = |bitrate: &str| viewing(&[&crowd[..], &[bitrate]].concat());
    let shares = ["viewers.bitrate=100k", "viewers.bitrate=1M", "viewers.bitrate=4M"].map(|rate| at(rate));
    let stalled = [0, 1, 2].map(|at| shares[at].stalled_share);
    assert!(stalled.is_sorted() && stalled[2] > stalled[0] + 0.2, "{stalled:?}");
    let smooth = [0, 1, 2].map(|at| shares[at].smooth_delay_seconds.p50);
    assert!(smooth.is_sorted() && smooth[2] > smooth[0], "{smooth:?}");
}

fn median(outcome: &Outcome, kind: Kind) -> f64 {
    let kinds = &outcome.summary.kinds;
    let found = kinds.iter().find(|of| of.kind == kind).unwrap_or_else(|| panic!("{kind:?} in {kinds:?}"));
    assert_eq!(found.completed, found.peers, "all of {kind:?} are done");
    found.completion_seconds.p50
}

/// A crowd that is larger than the neighbourhood of an honest peer.
const LARGE: [&str; 6] = [
    "peers=100",
    "runs=100",
    "uplinks=1MiB",
    "policy.links.wanted=20",
    "policy.links.most=40",
    "sessions.patience_seconds=300",
];

#[test]
fn a_large_view_has_many_more_links_and_gives_what_the_scenario_says() {
    let nothing = outcome(1, &[&LARGE[..], &["actors.large_view=10%"]].concat());
    let sent = |outcome: &Outcome| {
        let rows = outcome.peers.iter().filter(|row| row.kind == Kind::LargeView);
        rows.map(|row| row.sent).sum::<u64>()
    };
    assert_eq!(sent(&nothing), 0);
    let little =
        outcome(1, &[&LARGE[..], &["actors.large_view=10%", "actors.large_view_gives=0.1"]].concat());
    assert!(sent(&little) > 0);
    let ups = little.peers.iter().filter(|row| row.kind == Kind::LargeView).map(|row| row.up);
    assert!(ups.into_iter().all(|up| up == (1 << 20) / 10));
    let medians = [Kind::Leecher, Kind::LargeView].map(|kind| median(&nothing, kind));
    println!("honest {:.1} s, large view {:.1} s", medians[0], medians[1]);
}

#[test]
fn bit_tyrants_take_part_give_and_finish() {
    let mixed = outcome(1, &[&LARGE[..], &["actors.bit_tyrants=20%"]].concat());
    let rows = |kind| mixed.peers.iter().filter(move |row| row.kind == kind);
    assert_eq!(rows(Kind::BitTyrant).count(), 20);
    let sent = |kind| rows(kind).map(|row| row.sent).sum::<u64>() as f64 / rows(kind).count() as f64;
    let (honest, tyrants) = (sent(Kind::Leecher), sent(Kind::BitTyrant));
    // They give, because they are served for it; less than honest peers, because they end when done.
    assert!(tyrants > 0.1 * honest && tyrants < honest, "{tyrants} and {honest}");
    let medians = [Kind::Leecher, Kind::BitTyrant].map(|kind| median(&mixed, kind));
    println!("honest {:.1} s, BitTyrants {:.1} s", medians[0], medians[1]);
}

#[test]
fn the_same_seed_gives_the_same_game() {
    let settings = ["actors.large_view=10%", "actors.bit_tyrants=10%", "viewers.watching=50%", "runs=40"];
    let run = |seed| outcome(seed, &settings);
    let (first, again) = (run(3), run(3));
    assert_eq!(first.summary.trace_hash, again.summary.trace_hash);
    assert_eq!(first.peers, again.peers);
    assert_ne!(first.summary.trace_hash, run(4).summary.trace_hash);
}
