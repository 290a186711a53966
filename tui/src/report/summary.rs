//! The summary of a successful download, in a few short lines: size, rate, sources and path.

use nearcast_core::{paths::printable, stats::Traffic, tier::Tier};
use nearcast_node::progress::Summary;

use crate::{
    layout::{cut, flow, flow_below, width},
    units::{Bytes, Rate, Span, percent},
};

/// The least columns of a name; nobody recognises a shorter one.
const NAME_COLUMNS_MIN: usize = 10;

/// The lines, none wider than `room`. Lines with a path or a key may be wider, as those are not
/// cut.
pub(crate) fn lines(summary: &Summary, room: usize) -> Vec<String> {
    let mut lines = flow(&head(summary, room), room);
    lines.extend(flow_below(&sources(&summary.received), room));
    lines.extend(flow_below(&accounts(summary), room));
    for key in &summary.signed_by {
        lines.extend(flow_below(&[format!("signed by {key}")], room));
    }
    lines.extend(flow_below(&[format!("in {}", printable(&summary.path.to_string_lossy()))], room));
    lines
}

fn head(summary: &Summary, room: usize) -> Vec<String> {
    let rest = format!(": {} in {}", Bytes(summary.bytes), Span(summary.elapsed));
    let name = room.saturating_sub(width(&rest)).max(NAME_COLUMNS_MIN);
    let mut parts = vec![format!("{}{rest}", cut(&printable(&summary.name), name))];
    let fetched = summary.received.total();
    if fetched > 0 {
        let seconds = summary.elapsed.as_secs_f64().max(0.001);
        parts.push(Rate(fetched as f64 / seconds).to_string());
        parts.push(format!("{}% from peers", percent(summary.received.from_peers(), fetched)));
    } else {
        parts.push("nothing had to be fetched".to_owned());
    }
    parts
}

/// Bytes by source: each class of peers, nearest first, then the origin and web seeds.
fn sources(received: &Traffic) -> Vec<String> {
    let tiers = Tier::ALL.map(|tier| (tier.name(), received.by_tier[tier as usize]));
    let others = [("the origin", received.origin), ("web seeds", received.web_seed)];
    let came = tiers.into_iter().chain(others).filter(|(_, bytes)| *bytes > 0);
    let said = came.map(|(name, bytes)| format!("{name} {}", Bytes(bytes)));
    said.enumerate().map(|(place, part)| if place == 0 { format!("from {part}") } else { part }).collect()
}

fn accounts(summary: &Summary) -> Vec<String> {
    let imported = summary.imports.as_ref().map_or(0, |_| summary.received.imported);
    let mut parts: Vec<String> = [
        ("imported", imported),
        ("there before", summary.bytes_resumed),
        ("given", summary.uploaded),
        ("wasted", summary.wasted),
    ]
    .into_iter()
    .filter(|(_, bytes)| *bytes > 0)
    .map(|(what, bytes)| format!("{} {what}", Bytes(bytes)))
    .collect();
    if summary.banned > 0 {
        parts.push(format!("{} banned for corrupt data", summary.banned));
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nearcast_core::{id::ContentId, stats::Giver};
    use nearcast_node::imports::Imports;

    use super::*;
    use crate::layout::{room, tests::WIDTHS};

    fn summary() -> Summary {
        let mut received = Traffic::default();
        received.add(Giver::Peer(Tier::Prefix24), 30_000_000);
        received.add(Giver::Peer(Tier::AdjacentAs), 10_000_000);
        received.add(Giver::Origin, 10_000_000);
        received.imported = 20_000_000;
        Summary {
            content: ContentId([1; 32]),
            name: "season-one-of-a-show".into(),
            path: "downloads/season-one-of-a-show".into(),
            bytes: 100_000_000,
            bytes_resumed: 50_000_000,
            elapsed: Duration::from_millis(2500),
            received,
            imports: Some(Imports::default()),
            uploaded: 108_000_000,
            wasted: 1_050_000,
            banned: 0,
            signed_by: Vec::new(),
        }
    }

    #[test]
    fn the_summary_is_short_lines_at_every_width() {
        let wide = [
            "season-one-of-a-show: 100 MB in 2.5 s, 20.0 MB/s, 80% from peers",
            "  from prefix24 30.0 MB, adjacent_as 10.0 MB, the origin 10.0 MB",
            "  20.0 MB imported, 50.0 MB there before, 108 MB given, 1.05 MB wasted",
            "  in downloads/season-one-of-a-show",
        ];
        let sixty = [
            "season-one-of-a-show: 100 MB in 2.5 s, 20.0 MB/s",
            "  80% from peers",
            "  from prefix24 30.0 MB, adjacent_as 10.0 MB",
            "  the origin 10.0 MB",
            "  20.0 MB imported, 50.0 MB there before, 108 MB given",
            "  1.05 MB wasted",
            "  in downloads/season-one-of-a-show",
        ];
        let forty = [
            "season-one-of-a-show: 100 MB in 2.5 s",
            "  20.0 MB/s, 80% from peers",
            "  from prefix24 30.0 MB",
            "  adjacent_as 10.0 MB",
            "  the origin 10.0 MB",
            "  20.0 MB imported",
            "  50.0 MB there before, 108 MB given",
            "  1.05 MB wasted",
            "  in downloads/season-one-of-a-show",
        ];
        let expected: [&[&str]; 5] = [&wide, &wide, &wide, &sixty, &forty];
        for (columns, expected) in WIDTHS.into_iter().zip(expected) {
            assert_eq!(lines(&summary(), room(columns)), expected, "{columns}");
        }
    }

    #[test]
    fn a_long_name_is_cut_and_a_long_path_is_whole() {
        let name = "a-name-that-goes-on-and-on-for-longer-than-any-line.mkv";
        let summary = Summary { name: name.into(), path: format!("/films/{name}").into(), ..summary() };
        let lines = lines(&summary, room(40));
        assert_eq!(lines[0], "a-name-that-goes-on-a…: 100 MB in 2.5 s");
        assert_eq!(lines.last(), Some(&format!("  in /films/{name}")));
    }

    #[test]
    fn what_did_not_happen_is_not_told() {
        let received = Traffic::default();
        let summary = Summary { received, imports: None, uploaded: 0, wasted: 0, banned: 2, ..summary() };
        assert_eq!(
            lines(&summary, 79),
            [
                "season-one-of-a-show: 100 MB in 2.5 s, nothing had to be fetched",
                "  50.0 MB there before, 2 banned for corrupt data",
                "  in downloads/season-one-of-a-show",
            ]
        );
    }

    #[test]
    fn names_cannot_command_the_terminal() {
        let summary = Summary { name: "\u{1b}[2J".into(), path: "\u{1b}[2J".into(), ..summary() };
        assert!(!lines(&summary, 79).concat().contains('\u{1b}'));
    }
}
