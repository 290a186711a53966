//! What must hold of a run of the overlay.

use std::collections::BTreeMap;

use super::OverlayRun;
use crate::overlay::scenario::OverlayScenario;

/// A leaf's bytes, beyond the registry of its supernode.
const LEAF_BYTES_MAX: usize = 256;
/// A supernode's bytes, without its registry.
const SUPERNODE_BYTES_MAX: usize = 16 << 10;
/// Fewer leaves with a supernode than this, in per cent, are a network that has collapsed.
const COLLAPSED_PERCENT: f64 = 50.0;

/// Whether each check holds, by name. Those of bounds that the scenario does not give are left out.
pub(super) fn checks(scenario: &OverlayScenario, run: &OverlayRun) -> BTreeMap<String, bool> {
    let (expect, figures) = (&scenario.expect, &run.figures);
    let old = figures.old_attached_at_end_percent;
    let all = [
        ("leaf_bytes", Some(figures.leaf_bytes <= LEAF_BYTES_MAX)),
        ("supernode_bytes", Some(figures.supernode_bytes <= SUPERNODE_BYTES_MAX)),
        ("attached_again", least(expect.attached_percent_min, figures.attached_again_percent)),
        ("one_network", most(expect.one_network_within_seconds, figures.one_network_seconds)),
        ("nodes_a_supernode_min", least(expect.nodes_a_supernode_min, figures.nodes_a_supernode_least)),
        ("nodes_a_supernode_max", most(expect.nodes_a_supernode_max, figures.nodes_a_supernode_most)),
        ("shed", most(expect.shed_max, Some(figures.shed as f64))),
        ("children_max", most(expect.children_max, Some(figures.children_most.into()))),
        ("version_share", most(expect.version_percent_max, Some(figures.version_percent))),
        ("attached_at_end", least(expect.attached_at_end_percent_min, Some(figures.attached_at_end_percent))),
        (
            "old_rule_collapses",
            expect.old_rule_collapses.then(|| old.is_some_and(|old| old < COLLAPSED_PERCENT)),
        ),
    ];
    all.into_iter().filter_map(|(name, holds)| Some((name.to_owned(), holds?))).collect()
}

/// Whether a figure is at most what is expected. A figure that is not there is no success.
fn most(expected: Option<f64>, figure: Option<f64>) -> Option<bool> {
    expected.map(|most| figure.is_some_and(|figure| figure <= most))
}

/// Whether a figure is at least what is expected.
fn least(expected: Option<f64>, figure: Option<f64>) -> Option<bool> {
    expected.map(|least| figure.is_some_and(|figure| figure >= least))
}
