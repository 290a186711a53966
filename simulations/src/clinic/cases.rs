//! What is in the clinic, and the figures of each case.

use super::{Arm, Case, Goal, Row, Work, choice, tick};
use crate::outcome::{Group, Summary};

/// No nearness at all: random choice, as a baseline.
const RANDOM: [&str; 2] = ["policy.nearness.tiers=false", "policy.nearness.one_copy_in=false"];

const fn row(figure: &'static str, found: &'static str, goal: Goal) -> Row {
    Row { figure, found, goal }
}

const fn most(figure: &'static str, found: &'static str, most: f64) -> Row {
    row(figure, found, Goal::AtMost(most))
}

const fn least(figure: &'static str, found: &'static str, least: f64) -> Row {
    row(figure, found, Goal::AtLeast(least))
}

const fn arm(name: &'static str, set: &'static [&'static str]) -> Arm {
    Arm { name, set }
}

/// All cases.
pub const CASES: &[Case] = &[
    Case {
        name: "hoarder-in-group",
        work: Work::Runs {
            scenario: "clinic-hoarder-in-group",
            arms: &[arm("with", &[]), arm("without", &["actors.hoarders=0"])],
            figures: hoarder,
        },
        rows: &[most("time, x that without it", "never", 1.3)],
    },
    Case {
        name: "riders",
        work: Work::Runs {
            scenario: "clinic-riders",
            arms: &[arm("talking", &[]), arm("silent", &["actors.riders=0", "actors.silent_riders=25%"])],
            figures: riders,
        },
        rows: &[
            most("the last honest peer, s", "49.7", 25.0),
            least("a rider's median, x the honest one", "1.0", 1.3),
            most("the last beside silent ones, s", "25.0", 25.0),
            least("a silent rider's median, x the honest one", "-", 1.3),
        ],
    },
    Case {
        name: "large-groups",
        work: Work::Runs {
            scenario: "clinic-large-groups",
            arms: &[
                arm("3-mib", &["runs=12"]),
                arm("12-mib", &["runs=48"]),
                arm("24-mib", &["runs=96"]),
                arm("96-mib", &["runs=384"]),
                arm("3-mib-random", &["runs=12", RANDOM[0], RANDOM[1]]),
                arm("12-mib-random", &["runs=48", RANDOM[0], RANDOM[1]]),
                arm("24-mib-random", &["runs=96", RANDOM[0], RANDOM[1]]),
                arm("96-mib-random", &["runs=384", RANDOM[0], RANDOM[1]]),
            ],
            figures: large_groups,
        },
        rows: &[
            most("3 MiB: copies into the worst AS", "3-9", 1.3),
            most("12 MiB: copies into the worst AS", "2.2-3.2", 1.3),
            most("24 MiB: copies into the worst AS", "1.5-1.75", 1.3),
            most("96 MiB: copies into the worst AS", "2.5-3.5", 1.3),
            most("3 MiB: time, x random choice", "-", 1.05),
            most("12 MiB: time, x random choice", "-", 1.05),
            most("24 MiB: time, x random choice", "-", 1.05),
            most("96 MiB: time, x random choice", "-", 1.05),
        ],
    },
    Case {
        name: "seed-outside",
        work: Work::Runs {
            scenario: "clinic-seed-outside",
            arms: &[arm("as-is", &[])],
            figures: |runs| vec![worst_imports(&runs[0])],
        },
        rows: &[most("copies into the group", "2.9", 1.3)],
    },
    Case {
        name: "scarce-uplinks",
        work: Work::Runs {
            scenario: "clinic-scarce-uplinks",
            arms: &[arm("near", &[]), arm("random", &RANDOM)],
            figures: scarce,
        },
        rows: &[
            most("group of 12: time, x random choice", "1.11", 1.09),
            most("group of 6: time, x random choice", "1.11", 1.0),
            most("group of 4: time, x random choice", "1.13", 1.0),
            most("group of 2: time, x random choice", "0.99", 1.0),
            most("copies into a group, mean", "1.20", 1.4),
        ],
    },
    Case {
        name: "slow-uplinks",
        work: Work::Runs {
            scenario: "clinic-slow-uplinks",
            arms: &[arm("as-is", &[])],
            figures: |runs| vec![last(&runs[0]) / bound(&runs[0]), percent_wasted(&runs[0])],
        },
        rows: &[most("last / bound", "2.01", 1.15), most("wasted, %", "43", 5.0)],
    },
    Case {
        name: "equal-uplinks",
        work: Work::Runs {
            scenario: "clinic-equal-uplinks",
            arms: &[arm("as-is", &[])],
            figures: |runs| vec![last(&runs[0]) / mundinger(&runs[0]), percent_wasted(&runs[0])],
        },
        rows: &[most("last / Mundinger's bound", "1.27", 1.15), most("wasted, %", "18", 3.0)],
    },
    Case {
        name: "far-origin",
        work: Work::Runs {
            scenario: "far-origin",
            arms: &[
                arm("300-ms", &["origins.extra_latency_ms=145"]),
                arm("600-ms", &["origins.extra_latency_ms=295"]),
                arm("1-s", &["origins.extra_latency_ms=495"]),
            ],
            figures: |runs| runs.iter().map(|run| bound(run) / last(run)).collect(),
        },
        rows: &[
            least("300 ms: part of the origin's rate", "0.91", 0.9),
            least("600 ms: part of the origin's rate", "0.31", 0.85),
            least("1 s: part of the origin's rate", "0.14", 0.75),
        ],
    },
    Case {
        name: "hot-contents",
        work: Work::Runs {
            scenario: "clinic-hot-contents",
            arms: &[arm("as-is", &[])],
            figures: |runs| vec![waited(&runs[0])],
        },
        rows: &[most("longest wait for the first byte, s", "never", 60.0)],
    },
    Case {
        name: "strangers-first",
        work: Work::Probe(choice::probe),
        rows: &[least("honest part of the neighbours after a minute", "0", 0.5)],
    },
    Case {
        name: "large-content",
        work: Work::Probe(tick::probe),
        rows: &[
            most("100 GiB, a group of 40: a tick, ms here", "21", 1.0),
            most("2 TiB, a group of 40: a tick, ms here", "443", 10.0),
        ],
    },
];

/// When the last who should have everything had it, in seconds; infinite if somebody never had.
fn last(run: &Summary) -> f64 {
    let all = run.checks.get("everybody_finishes").copied().unwrap_or(true);
    if all && run.completed > 0 { run.completion_seconds.last } else { f64::INFINITY }
}

fn bound(run: &Summary) -> f64 {
    run.bound_seconds.unwrap_or(f64::NAN)
}

/// Mundinger's bound for equal uplinks u: (1 + floor(log2 N) / M) F / u, where the fluid bound is
/// N F / (u + N u).
fn mundinger(run: &Summary) -> f64 {
    let peers = f64::from(run.peers);
    let alone = bound(run) * (1.0 + peers) / peers;
    alone * (1.0 + f64::from(run.peers.max(1).ilog2()) / f64::from(run.runs))
}

fn percent_wasted(run: &Summary) -> f64 {
    100.0 * run.wasted_share
}

fn waited(run: &Summary) -> f64 {
    if run.began == run.peers { run.began_seconds.last } else { f64::INFINITY }
}

fn worst_imports(run: &Summary) -> f64 {
    run.groups.iter().map(|group| group.imports).fold(f64::NAN, f64::max)
}

fn hoarder(runs: &[Summary]) -> Vec<f64> {
    vec![last(&runs[0]) / last(&runs[1])]
}

fn riders(runs: &[Summary]) -> Vec<f64> {
    // Riders that never finish have not gained.
    let ratio = |run: &Summary| run.riders_p50_seconds.unwrap_or(1e9) / run.completion_seconds.p50;
    runs.iter().flat_map(|run| [last(run), ratio(run)]).collect()
}

fn large_groups(runs: &[Summary]) -> Vec<f64> {
    let (near, random) = runs.split_at(runs.len() / 2);
    let copies = near.iter().map(worst_imports);
    copies.chain(near.iter().zip(random).map(|(near, random)| last(near) / last(random))).collect()
}

fn scarce(runs: &[Summary]) -> Vec<f64> {
    let [near, random] = [&runs[0].groups, &runs[1].groups];
    let time = |group: &Group| group.last_seconds.unwrap_or(f64::INFINITY);
    let of_random = |asn: u32| random.iter().find(|group| group.asn == asn).map_or(f64::NAN, time);
    let times = near.iter().map(|group| time(group) / of_random(group.asn));
    let copies = near.iter().map(|group| group.imports).sum::<f64>() / near.len() as f64;
    times.chain([copies]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(last: f64, groups: &[(u32, u32, f64, f64)]) -> Summary {
        let group = |&(asn, members, imports, last): &(u32, u32, f64, f64)| Group {
            asn,
            members,
            imports,
            last_seconds: Some(last),
            ..Group::default()
        };
        let mut run = Summary { peers: 4, completed: 4, runs: 400, ..Summary::default() };
        run.completion_seconds.last = last;
        run.groups = groups.iter().map(group).collect();
        run
    }

    #[test]
    fn groups_are_compared_with_themselves_whatever_their_order() {
        let near = run(12.0, &[(1, 12, 1.5, 11.0), (2, 6, 1.3, 12.0)]);
        let random = run(10.0, &[(2, 6, 4.0, 12.0), (1, 12, 6.0, 10.0)]);
        assert_eq!(scarce(&[near, random]), [1.1, 1.0, 1.4]);
    }

    #[test]
    fn who_never_finishes_takes_for_ever() {
        let mut stuck = run(30.0, &[]);
        stuck.checks.insert("everybody_finishes".to_owned(), false);
        assert_eq!(hoarder(&[stuck, run(10.0, &[])]), [f64::INFINITY]);
        assert_eq!(hoarder(&[run(13.0, &[]), run(10.0, &[])]), [1.3]);
    }

    #[test]
    fn the_worst_group_counts_and_half_of_the_arms_are_random() {
        let near = run(21.0, &[(1, 2, 1.0, 1.0), (2, 2, 1.9, 1.0)]);
        assert_eq!(large_groups(&[near.clone(), run(20.0, &[])])[0], 1.9);
        assert_eq!(large_groups(&[near, run(20.0, &[])])[1], 1.05);
    }

    #[test]
    fn equal_uplinks_have_the_bound_of_their_scenario() {
        // 1,000 peers and the origin send 100 MiB at 1 MiB/s: 99.9 s, and by pieces 102.25 s.
        let mut run = run(0.0, &[]);
        (run.peers, run.bound_seconds) = (1_000, Some(100.0 * 1_000.0 / 1_001.0));
        assert!((mundinger(&run) - 102.25).abs() < 1e-9, "{}", mundinger(&run));
    }
}
