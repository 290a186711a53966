//! The plots of a run.

use maud::Markup;
use nearcast_core::tier::Tier;

use super::super::{
    number::{self, bytes_unit, seconds_unit, share, significant},
    plot::{Band, Bar, Caption, Labels, Mark, Rule, Shape, bars, line, stack},
};
use crate::outcome::{Group, Outcome, Slice, Summary};

/// The most points of a distribution. More cannot be told apart in a drawing.
const POINTS_MAX: usize = 400;
/// The most spans of a time line.
const SPANS_MAX: usize = 220;
/// The most bars; the others are summed up.
const BARS_MAX: usize = 30;

/// How a run was simulated.
pub(super) fn mode(summary: &Summary) -> &str {
    summary.options.get("fidelity").map_or("", String::as_str)
}

/// How many peers are done after how long. Peers that never are keep the line below a hundred.
pub(super) fn completion(outcome: &Outcome) -> Markup {
    let times = outcome.peers.iter().filter_map(|peer| Some(peer.completed? - peer.joined)).collect();
    let points = distribution(times, outcome.peers.len());
    let last = points.last().map_or(0.0, |(seconds, _)| *seconds);
    let (unit, unit_words) = seconds_unit(last.max(outcome.summary.bound_seconds.unwrap_or(0.0)));
    let points: Vec<_> = points.into_iter().map(|(seconds, share)| (seconds / unit, share)).collect();
    let bound = outcome.summary.bound_seconds;
    let rule =
        bound.map(|bound| Rule { x: bound / unit, words: format!("bound: {}", number::seconds(bound)) });
    let beside = bound.map_or_else(String::new, |bound| {
        format!(
            " The last peer cannot be done before {} (dashed); it took {} times that.",
            number::seconds(bound),
            significant(last / bound)
        )
    });
    let caption = Caption {
        mode: mode(&outcome.summary),
        id: "completion",
        title: "Peers that are done",
        description: format!(
            "{} of {} peers hold everything, the last after {}.{beside}",
            number::count(outcome.summary.completed.into()),
            number::count(outcome.summary.peers.into()),
            number::seconds(last)
        ),
    };
    let x = format!("time since joining, in {unit_words}");
    line(&caption, &Labels { x: &x, y: "peers, in %" }, &points, Shape::Steps, 100.0, rule.as_ref())
}

/// For values of some of `whole`: how many in a hundred are at most so large, from zero to the
/// largest. At most about [`POINTS_MAX`] points; the last is always among them.
pub(super) fn distribution(mut values: Vec<f64>, whole: usize) -> Vec<(f64, f64)> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    if values.is_empty() {
        return Vec::new();
    }
    let whole = whole.max(values.len()) as f64;
    let every = values.len().div_ceil(POINTS_MAX);
    let last = values.len() - 1;
    let points = values.iter().enumerate().filter(|(index, _)| index % every == every - 1 || *index == last);
    let points = points.map(|(index, value)| (*value, 100.0 * (index + 1) as f64 / whole));
    [(0.0, 0.0)].into_iter().chain(points).collect()
}

/// Bytes by source between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Span {
    /// In seconds.
    pub(super) from: f64,
    /// In seconds, later than `from`.
    pub(super) to: f64,
    /// The tiers in their order, then origins.
    pub(super) bytes: [f64; Tier::COUNT + 1],
}

/// Spans without gaps, at most [`SPANS_MAX`]. Slices that no time passed in are counted with the
/// next.
pub(super) fn spans(slices: &[Slice]) -> Vec<Span> {
    let every = slices.len().div_ceil(SPANS_MAX).max(1);
    let mut spans = Vec::new();
    let mut open = Span::default();
    for (index, slice) in slices.iter().enumerate() {
        for (sum, bytes) in open.bytes.iter_mut().zip(slice.by_tier.iter().chain([&slice.origin])) {
            *sum += *bytes as f64;
        }
        open.to = if slice.at.is_finite() { open.to.max(slice.at) } else { open.to };
        let due = index % every == every - 1 || index + 1 == slices.len();
        if due && open.to > open.from {
            spans.push(open);
            open = Span { from: open.to, to: open.to, ..Span::default() };
        }
    }
    spans
}

/// What came from where, over time.
pub(in crate::report) fn tiers(outcome: &Outcome) -> Markup {
    let spans = spans(&outcome.timeline);
    let rate = |span: &Span, source: usize| span.bytes[source] / (span.to - span.from);
    let whole = |span: &Span| (0..=Tier::COUNT).map(|source| rate(span, source)).sum::<f64>();
    let (unit, unit_words) = bytes_unit(spans.iter().map(whole).fold(0.0, f64::max));
    let (time, time_words) = seconds_unit(spans.last().map_or(0.0, |span| span.to));
    let sums: Vec<f64> =
        (0..=Tier::COUNT).map(|source| spans.iter().map(|span| span.bytes[source]).sum()).collect();
    let bands: Vec<Band<'_>> = (0..=Tier::COUNT)
        .map(|source| Band {
            words: SOURCES[source].0,
            class: SOURCES[source].1,
            values: spans.iter().map(|span| rate(span, source) / unit).collect(),
            sum: sums[source],
        })
        .collect();
    let all: f64 = sums.iter().sum();
    let parts: Vec<String> = SOURCES
        .iter()
        .zip(&sums)
        .filter(|(_, sum)| **sum > 0.0)
        .map(|((words, _), sum)| format!("{words} {}", share(*sum, all)))
        .collect();
    let caption = Caption {
        mode: mode(&outcome.summary),
        id: "tiers",
        title: "Bytes by nearness",
        description: format!(
            "{} were received. By where they came from, from the bottom up: {}.",
            number::bytes(all),
            parts.join(", ")
        ),
    };
    let edges: Vec<f64> = spans
        .first()
        .map(|span| span.from / time)
        .into_iter()
        .chain(spans.iter().map(|span| span.to / time))
        .collect();
    let (x, y) = (format!("time, in {time_words}"), format!("received, in {unit_words}/s"));
    stack(&caption, &Labels { x: &x, y: &y }, &edges, &bands)
}

/// Words and classes of the tiers in their order, and of origins.
const SOURCES: [(&str, &str); Tier::COUNT + 1] = [
    ("local network", "tier-0"),
    ("same /24 or /48", "tier-1"),
    ("same /16 or /32", "tier-2"),
    ("same AS", "tier-3"),
    ("neighbouring AS", "tier-4"),
    ("farther away", "tier-5"),
    ("unknown", "tier-6"),
    ("origins", "origin"),
];

/// Which part of everything origins sent, over time.
pub(in crate::report) fn origin_share(outcome: &Outcome) -> Markup {
    let spans = spans(&outcome.timeline);
    let (time, time_words) = seconds_unit(spans.last().map_or(0.0, |span| span.to));
    let points: Vec<(f64, f64)> = spans
        .iter()
        .filter_map(|span| {
            let whole: f64 = span.bytes.iter().sum();
            let part = 100.0 * span.bytes[Tier::COUNT] / whole;
            (whole > 0.0).then_some((f64::midpoint(span.from, span.to) / time, part))
        })
        .collect();
    let origin: f64 = spans.iter().map(|span| span.bytes[Tier::COUNT]).sum();
    let whole: f64 = spans.iter().flat_map(|span| span.bytes).sum();
    let caption = Caption {
        mode: mode(&outcome.summary),
        id: "origin-share",
        title: "Share of the origins",
        description: format!(
            "Origins sent {} of everything. The line shows their share at each time at which anything was received.",
            share(origin, whole)
        ),
    };
    let x = format!("time, in {time_words}");
    line(&caption, &Labels { x: &x, y: "from origins, in %" }, &points, Shape::Straight, 100.0, None)
}

/// How an AS is called.
pub(super) fn as_name(asn: u32) -> String {
    if asn == 0 { "unknown AS".to_owned() } else { format!("AS{asn}") }
}

/// What came in over the borders of ASes, beside the fewest possible.
pub(super) fn groups(summary: &Summary) -> Markup {
    let (first, rest) = summary.groups.split_at(summary.groups.len().min(BARS_MAX));
    let mut rows: Vec<Bar> = first
        .iter()
        .map(|group| imported(as_name(group.asn), group.imports, group.frontier_imports, true))
        .collect();
    if !rest.is_empty() {
        let imports = rest.iter().map(|group| group.imports).sum();
        let frontier = rest.iter().map(|group| group.frontier_imports).sum::<Option<f64>>();
        let name = format!("{} others, summed", number::count(rest.len() as u64));
        rows.push(imported(name, imports, frontier, false));
    }
    let all: f64 = summary.groups.iter().map(|group| group.imports).sum();
    let caption = Caption {
        mode: mode(summary),
        id: "imports",
        title: "Imports of each AS",
        description: format!(
            "{} ASes imported {} copies together; the {} largest are shown one by one.{}",
            number::count(summary.groups.len() as u64),
            significant(all),
            first.len(),
            beside_frontier(&summary.groups)
        ),
    };
    let words =
        Mark { axis: "imported, in copies of the content", mark: "the fewest copies to be done as soon" };
    bars(&caption, &words, &rows)
}

fn imported(name: String, imports: f64, frontier: Option<f64>, scaled: bool) -> Bar {
    let words = match frontier {
        Some(frontier) => format!("{} of {}", significant(imports), significant(frontier)),
        None => significant(imports),
    };
    Bar { name, value: imports, mark: frontier, words, scaled }
}

fn beside_frontier(groups: &[Group]) -> String {
    let known: Vec<(f64, f64)> =
        groups.iter().filter_map(|group| Some((group.imports, group.frontier_imports?))).collect();
    let (imports, fewest) = known.iter().fold((0.0, 0.0), |sums, group| (sums.0 + group.0, sums.1 + group.1));
    if fewest > 0.0 {
        format!(
            " Where the fewest possible are known, that was {} times the fewest.",
            significant(imports / fewest)
        )
    } else {
        String::new()
    }
}

/// How much of what peers received they did not need.
pub(super) fn waste(outcome: &Outcome) -> Markup {
    let sums = outcome
        .peers
        .iter()
        .fold((0.0, 0.0), |sums, peer| (sums.0 + peer.wasted as f64, sums.1 + peer.received as f64));
    let shares: Vec<f64> = outcome
        .peers
        .iter()
        .filter(|peer| peer.received > 0)
        .map(|peer| 100.0 * peer.wasted as f64 / peer.received as f64)
        .collect();
    let most = shares.iter().copied().fold(0.0, f64::max);
    let peers = shares.len();
    let caption = Caption {
        mode: mode(&outcome.summary),
        id: "waste",
        title: "Waste of each peer",
        description: format!(
            "{} of {} received were not needed ({}). One peer wasted {} % of what it received, and no peer more.",
            number::bytes(sums.0),
            number::bytes(sums.1),
            share(sums.0, sums.1),
            significant(most)
        ),
    };
    let labels = Labels { x: "wasted, in % of what the peer received", y: "peers at most so, in %" };
    line(&caption, &labels, &distribution(shares, peers), Shape::Steps, 100.0, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_ends_at_the_last_value_and_the_share_that_has_one() {
        let points = distribution(vec![3.0, 1.0, f64::NAN, 2.0], 6);
        assert_eq!(points.first(), Some(&(0.0, 0.0)));
        assert_eq!(points.last(), Some(&(3.0, 50.0)));

        let many = distribution((1..=100_000).map(f64::from).collect(), 100_000);
        assert_eq!(many.last(), Some(&(100_000.0, 100.0)));
        assert!(many.len() <= POINTS_MAX + 2, "{}", many.len());
        let on_the_line = |(value, share): &(f64, f64)| (value / 1_000.0 - share).abs() < 1e-6;
        assert!(many.iter().all(on_the_line));
        assert_eq!(distribution(Vec::new(), 5), []);
    }

    #[test]
    fn spans_lose_no_byte() {
        let slice = |at: f64| Slice { at, by_tier: [1; Tier::COUNT], origin: 2 };
        let slices: Vec<Slice> = (1..=1_000).map(|at| slice(f64::from(at))).collect();
        let many = spans(&slices);
        assert!(many.len() <= SPANS_MAX, "{}", many.len());
        assert_eq!(many.iter().map(|span| span.bytes[Tier::COUNT]).sum::<f64>(), 2_000.0);
        assert!(many.windows(2).all(|two| two[0].to == two[1].from));
        assert_eq!(many.last().map(|span| span.to), Some(1_000.0));

        // Two slices at one time, and one without a time.
        let odd = spans(&[slice(1.0), slice(1.0), slice(f64::NAN), slice(2.0)]);
        assert_eq!(odd.len(), 2);
        assert_eq!(odd[1].bytes[0], 3.0);
    }
}
