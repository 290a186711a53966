//! The plots of reasons: why bytes crossed borders, were wasted, and why peers waited.

use std::collections::BTreeMap;

use maud::Markup;

use super::{
    super::{
        number::{self, bytes_unit, seconds_unit, share},
        plot::{Bar, Caption, Mark, bars},
    },
    charts::mode,
};
use crate::outcome::Summary;

/// What is counted.
enum Unit {
    Bytes,
    Requests,
    Seconds,
}

/// One plot.
struct Plot<'a> {
    id: &'a str,
    title: &'a str,
    /// What is counted, as a sentence that begins with an amount.
    about: &'a str,
    /// The word before the unit of the axis.
    axis: &'a str,
    unit: Unit,
}

/// Why bytes came in over borders.
pub(super) fn imports(summary: &Summary) -> Markup {
    let plot = Plot {
        id: "reasons",
        title: "Imports by reason",
        about: "came in over borders of ASes, by why they were asked for outside.",
        axis: "imported",
        unit: Unit::Bytes,
    };
    drawn(summary, &plot, &summary.reasons.imported_bytes)
}

/// Why payload was thrown away.
pub(super) fn wasted(summary: &Summary) -> Markup {
    let plot = Plot {
        id: "wasted-reasons",
        title: "Waste by reason",
        about: "were received and not needed, by why they came all the same.",
        axis: "wasted",
        unit: Unit::Bytes,
    };
    drawn(summary, &plot, &summary.reasons.wasted_bytes)
}

/// Why requests were taken back.
pub(super) fn taken_over(summary: &Summary) -> Markup {
    let plot = Plot {
        id: "taken-reasons",
        title: "Requests taken back by reason",
        about: "requests were taken back from whom they were made to, by why.",
        axis: "taken back",
        unit: Unit::Requests,
    };
    drawn(summary, &plot, &summary.reasons.taken_over_requests)
}

/// Why peers received nothing.
pub(super) fn stalls(summary: &Summary) -> Markup {
    let plot = Plot {
        id: "stall-reasons",
        title: "Seconds without anything by reason",
        about: "passed, over all peers, in which a peer that lacked something received nothing for a second.",
        axis: "over all peers",
        unit: Unit::Seconds,
    };
    drawn(summary, &plot, &summary.reasons.stalled_seconds)
}

/// Why uplinks sent nothing.
pub(super) fn idle_uplinks(summary: &Summary) -> Markup {
    let plot = Plot {
        id: "idle-reasons",
        title: "Idle uplinks by reason",
        about: "could have been sent by uplinks that sent nothing, by what stood between them and a request. \
                Origins are left out.",
        axis: "not sent",
        unit: Unit::Bytes,
    };
    drawn(summary, &plot, &summary.reasons.idle_uplink_bytes)
}

fn drawn(summary: &Summary, plot: &Plot<'_>, counts: &BTreeMap<String, u64>) -> Markup {
    let largest = counts.values().max().copied().unwrap_or(0) as f64;
    let all: f64 = counts.values().map(|count| *count as f64).sum();
    let (size, unit) = match plot.unit {
        Unit::Bytes => bytes_unit(largest),
        Unit::Seconds => seconds_unit(largest),
        Unit::Requests => (1.0, "requests"),
    };
    let show = |amount: f64| match plot.unit {
        Unit::Bytes => number::bytes(amount),
        Unit::Seconds => number::seconds(amount),
        Unit::Requests => number::count(amount as u64),
    };
    let mut reasons: Vec<(&String, f64)> =
        counts.iter().map(|(reason, count)| (reason, *count as f64)).collect();
    // The sort is stable, so that equal reasons stay in the order of the alphabet.
    reasons.sort_by(|a, b| b.1.total_cmp(&a.1));
    let rows: Vec<Bar> = reasons
        .into_iter()
        .map(|(reason, count)| Bar {
            name: nearcast_core::paths::printable(&reason.replace('_', " ")),
            value: count / size,
            mark: None,
            words: format!("{} ({})", show(count), share(count, all)),
            scaled: true,
        })
        .collect();
    let caption = Caption {
        id: plot.id,
        title: plot.title,
        description: format!("{} {}", show(all), plot.about),
        mode: mode(summary),
    };
    bars(&caption, &Mark { axis: &format!("{}, in {unit}", plot.axis), mark: "" }, &rows)
}
