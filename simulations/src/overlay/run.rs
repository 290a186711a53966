//! Runs a scenario of the overlay to its end, and judges what came of it.

mod checks;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nearcast_core::time::Timestamp;
use serde::Serialize;

use super::{
    course::{Course, Point},
    old_rule,
    scenario::{OverlayScenario, Start},
    world::World,
};
use crate::{run::peak_rss, scenario::ScenarioError};

/// Looks at a world, about.
const LOOKS: f64 = 1_500.0;
/// How often progress is told.
const PROGRESS_PAUSE: Duration = Duration::from_millis(500);

/// What came of a run, as `overlay.json` holds it. A stable format: fields are added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OverlayFigures {
    /// The scenario's name.
    pub scenario: String,
    /// The seed of everything random.
    pub seed: u64,
    /// Every setting, by name.
    pub options: BTreeMap<String, String>,
    /// A hash of everything that happened, as 16 hexadecimal digits.
    pub trace_hash: String,
    /// Nodes that were up at most.
    pub nodes: u32,
    /// Supernodes at the end.
    pub supernodes: u32,
    /// Inputs that machines handled.
    pub inputs: u64,
    /// Messages that a node sent in a minute, on average.
    pub messages_a_node_minute: f64,
    /// Bytes that a node sent in a second for these, on average, about.
    pub bytes_a_node_second: f64,
    /// The most children that a supernode had.
    pub children_most: u32,
    /// Nodes for each supernode, the least that was seen, from a thousand nodes on. `None`: there were never as many.
    pub nodes_a_supernode_least: Option<f64>,
    /// Nodes for each supernode, the most that was seen, from a thousand nodes on.
    pub nodes_a_supernode_most: Option<f64>,
    /// Leaves that lost their parent, or restarted, when supernodes failed.
    pub affected: u32,
    /// Of these, so many have a parent again in time, in per cent. `None`: nothing failed.
    pub attached_again_percent: Option<f64>,
    /// Seconds until 99 per cent of these have one. `None`: nothing failed, or it takes longer than the run.
    pub attached_again_seconds: Option<f64>,
    /// Seconds from the end of the last cut until all supernodes are one network. `None`: there was no cut, or they are
    /// never.
    pub one_network_seconds: Option<f64>,
    /// Networks at the end.
    pub networks_at_end: u32,
    /// Leaves with a parent at the end, in per cent of all.
    pub attached_at_end_percent: f64,
    /// Children that supernodes which stayed sent away.
    pub shed: u64,
    /// Supernodes of one version, at most, in per cent; until one fails.
    pub version_percent: f64,
    /// Leaves that supernodes elected.
    pub elected: u32,
    /// Leaves that elected themselves.
    pub self_elected: u32,
    /// Supernodes that stepped down.
    pub stepped_down: u32,
    /// Under the old rule, leaves with a supernode at the end, in per cent. `None`: it did not run.
    pub old_attached_at_end_percent: Option<f64>,
    /// Bytes that a leaf takes.
    pub leaf_bytes: usize,
    /// The most bytes that a supernode took at the end.
    pub supernode_bytes: usize,
    /// How long the run took here, in seconds.
    pub wall_seconds: f64,
    /// The most memory that the process held, in bytes.
    pub peak_rss_bytes: u64,
    /// Whether each check held, by name.
    pub checks: BTreeMap<String, bool>,
    /// The command that repeats exactly this run.
    pub again: String,
}

/// A run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverlayRun {
    /// What it was about, in one line.
    pub about: String,
    /// Its figures.
    pub figures: OverlayFigures,
    /// Our policy over time.
    pub course: Course,
    /// The old rule over time.
    pub old: Option<Course>,
}

/// Runs a scenario to its end. `progress` hears which second of the world has come, now and then.
///
/// # Errors
/// If the scenario is not valid.
pub fn run(
    scenario: &OverlayScenario,
    seed: u64,
    progress: &mut dyn FnMut(f64),
) -> Result<OverlayRun, ScenarioError> {
    scenario.validate()?;
    let begun = Instant::now();
    let mut told = begun;
    let mut world = World::new(scenario, seed);
    let sample = (scenario.until_seconds / LOOKS).round().max(1.0);
    let (mut points, mut node_seconds, mut at) = (Vec::new(), 0.0, 0.0);
    while at <= scenario.until_seconds {
        world.go_on(Timestamp::ZERO + Duration::from_secs_f64(at));
        let point = world.look(at);
        node_seconds += f64::from(point.nodes) * sample;
        points.push(point);
        at += sample;
        if told.elapsed() >= PROGRESS_PAUSE {
            told = Instant::now();
            progress(at);
        }
    }
    let counts = world.counts();
    let course = Course { points, affected: counts.affected };
    let old = scenario.old_rule.beside.then(|| old_rule::run(scenario, seed, sample));
    let seen = Seen { scenario, course: &course, old: old.as_ref() };
    let figures = OverlayFigures {
        scenario: scenario.name.clone(),
        seed,
        options: scenario.options(),
        trace_hash: format!("{:016x}", counts.trace),
        inputs: counts.inputs,
        messages_a_node_minute: counts.messages as f64 * 60.0 / node_seconds.max(1.0),
        bytes_a_node_second: counts.bytes as f64 / node_seconds.max(1.0),
        shed: counts.shed,
        elected: counts.elected,
        self_elected: counts.self_elected,
        stepped_down: counts.stepped_down,
        leaf_bytes: world.leaf_bytes(),
        supernode_bytes: world.supernode_bytes(),
        ..seen.figures()
    };
    let mut run = OverlayRun { about: scenario.about.clone(), figures, course, old };
    run.figures.checks = checks::checks(scenario, &run);
    run.figures.wall_seconds = begun.elapsed().as_secs_f64();
    run.figures.peak_rss_bytes = peak_rss().unwrap_or(0);
    Ok(run)
}

/// What was seen over time.
struct Seen<'a> {
    scenario: &'a OverlayScenario,
    course: &'a Course,
    old: Option<&'a Course>,
}

impl Seen<'_> {
    /// The figures that follow from looks at the world.
    fn figures(&self) -> OverlayFigures {
        let points = &self.course.points;
        let last = points.last().copied().unwrap_or_default();
        // Supernodes of a settled world are there before their leaves.
        let begun = match self.scenario.start {
            Start::Settled => self.scenario.coming.over_seconds,
            Start::Anchors => 0.0,
        };
        let many = points.iter().filter(|point| point.nodes >= 1_000 && point.at > begun);
        let ratios = many.map(Point::nodes_a_supernode);
        let lost_at = Some(self.scenario.loss.at_seconds).filter(|&at| at > 0.0);
        let in_time = self.scenario.expect.attached_within_seconds;
        let again = |at: f64| self.course.attached_again_at(at, 99.0).map(|then| then - at);
        let percent =
            |point: &Point| 100.0 * f64::from(point.of_one_version) / f64::from(point.supernodes.max(1));
        // Once a version has failed, the others have all there is.
        let failed_at = lost_at.filter(|_| self.scenario.loss.version > 0).unwrap_or(f64::INFINITY);
        let before = points.iter().filter(|point| point.at < failed_at);
        OverlayFigures {
            nodes: points.iter().map(|point| point.nodes).max().unwrap_or(0),
            supernodes: last.supernodes,
            children_most: points.iter().map(|point| point.largest).max().unwrap_or(0),
            nodes_a_supernode_least: ratios.clone().reduce(f64::min),
            nodes_a_supernode_most: ratios.reduce(f64::max),
            affected: self.course.affected,
            attached_again_percent: lost_at.and_then(|at| self.course.attached_again_percent(at + in_time)),
            attached_again_seconds: lost_at.and_then(again),
            one_network_seconds: self.one_network_seconds(),
            networks_at_end: last.networks,
            attached_at_end_percent: 100.0 * last.attached_share(),
            version_percent: before.map(percent).fold(0.0, f64::max),
            old_attached_at_end_percent: self
                .old
                .and_then(|old| old.points.last().map(|point| 100.0 * point.attached_share())),
            ..OverlayFigures::default()
        }
    }

    /// Seconds from the end of the last cut until all supernodes are one network, and stay one.
    fn one_network_seconds(&self) -> Option<f64> {
        let healed = self.scenario.healed_at()?;
        let after = self.course.points.iter().filter(|point| point.at >= healed);
        let split = after.clone().rfind(|point| point.networks > 1).map_or(healed, |point| point.at);
        after
            .map(|point| (point.at, point.networks))
            .find(|&(at, networks)| networks == 1 && (at > split || split == healed))
            .map(|(at, _)| at - healed)
    }
}
