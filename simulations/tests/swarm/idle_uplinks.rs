//! Nearness costs little time on layouts that nobody chose, because idle uplinks outside give what
//! groups lack. (`nearcast-sim frontier` shows many more.)

use nearcast_sim::{
    frontier::{Crowd, Judged, Layout, RANDOM, judge, scenario},
    outcome::Summary,
    run::{RunOptions, run},
};

/// Layouts in an ordinary test.
const LAYOUTS: u64 = 21;

fn summary(layout: &Layout, more: &[&str]) -> Summary {
    let scenario = scenario(layout, more.iter().copied()).expect("a layout is valid");
    run(&scenario, layout.seed, &RunOptions::default(), &mut |_| ()).expect("a layout runs").summary
}

fn middle(judged: &[Judged], of: impl Fn(&Judged) -> f64) -> f64 {
    let mut all: Vec<f64> = judged.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Until idle uplinks were offered, the slowest group of the layout in the middle took 1.23 times as
/// long as by random choice, and imported 0.9 copies more than it must.
#[test]
fn nearness_costs_little_time_on_drawn_layouts() {
    let judge = |seed| {
        let layout = Layout::draw(seed, Crowd::Small);
        judge(&layout, &summary(&layout, &[]), &summary(&layout, &RANDOM)).expect("everybody is done")
    };
    let judged: Vec<Judged> = (1_000..1_000 + LAYOUTS).map(judge).collect();
    let (time, last) = (middle(&judged, Judged::worst_time), middle(&judged, |it| it.time));
    let (excess, origin) = (middle(&judged, Judged::worst_excess), middle(&judged, |it| it.origin));
    println!("slowest group {time:.2}, last {last:.2}, excess {excess:.2}, origin {origin:.2}");
    assert!(time <= 1.2 && last <= 1.15, "slowest group {time:.2}, last {last:.2}");
    assert!(excess <= 1.6, "{excess:.2} copies beyond what is needed");
}
