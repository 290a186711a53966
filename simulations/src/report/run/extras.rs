//! What viewers saw, how kinds of peers fared, and limited links: parts of a page that not every run
//! has.

use maud::{Markup, html};

use super::{
    super::{
        number,
        page::{self, Place, section, tile},
        plot::{Caption, Labels, Rule, Shape, line},
    },
    charts::distribution,
};
use crate::outcome::{AsLink, Behaviour, Outcome, Summary, Viewing};

/// The most important values.
pub(super) fn tiles(seen: &Viewing) -> Markup {
    let bound = number::significant(seen.bitrate as f64 / seen.rate_bound);
    let smooth = number::significant(100.0 * seen.smooth_share);
    html! {
        section.tiles aria-label="Viewers" {
            (tile("Half started after", &number::seconds(seen.start_delay_seconds.p50),
                &format!("{} of {} started", number::count(seen.started.into()), number::count(seen.viewers.into()))))
            (tile("95 % started after", &number::seconds(seen.start_delay_seconds.p95), "of those that started"))
            (tile("Stalls a viewer", &number::significant(seen.stalls_mean), &format!("{smooth} % never stalled")))
            (tile("Stalled", &number::share(seen.stalled_share, 1.0), "of the time from the start of play"))
            (tile("Bitrate", &format!("{}/s", number::bytes(seen.bitrate as f64)),
                &format!("{bound} of the bound (Kumar, Liu, Ross 2007)")))
        }
    }
}

/// When viewers started, and the plot of it.
pub(super) fn plot(outcome: &Outcome, seen: &Viewing) -> Markup {
    let started = outcome.peers.iter().filter_map(|row| row.viewed?.start_delay).collect();
    let smooth = seen.smooth_delay_seconds;
    let points = distribution(started, seen.viewers as usize);
    let caption = Caption {
        id: "starts",
        title: "Viewers that have started",
        description: format!(
            "{} of {} viewers started to play. To play without a stall, half of those that hold everything \
             would have had to wait for {} (dashed), and 95 % for {}.",
            number::count(seen.started.into()),
            number::count(seen.viewers.into()),
            number::seconds(smooth.p50),
            number::seconds(smooth.p95)
        ),
    };
    let rule = Rule { x: smooth.p50, words: format!("no stalls: {}", number::seconds(smooth.p50)) };
    let labels = Labels { x: "time since joining, in seconds", y: "viewers, in %" };
    page::plot(Place::Next, &line(&caption, &labels, &points, Shape::Steps, 100.0, Some(&rule)))
}

/// The limited links that were used most. Nothing, if no link is limited.
pub(super) fn links(summary: &Summary) -> Markup {
    let row = |link: &AsLink| {
        let cells = [
            format!("AS{} to AS{}", link.from, link.to),
            format!("{}/s", number::bytes(link.rate as f64)),
            number::bytes(link.bytes as f64),
            number::share(link.used_share, 1.0),
        ];
        cells.map(|text| html! { (text) }).to_vec()
    };
    let rows: Vec<Vec<Markup>> = summary.links.iter().map(row).collect();
    let caption = "Those that were used most, each way by itself, in parts of the whole run";
    let inside = page::table(caption, &["Link", "Carries", "Carried", "Used"], &rows);
    html! {
        @if !rows.is_empty() { (section("links", "Limited links between ASes", Place::Wide, &inside)) }
    }
}

/// How peers of each kind fared. Nothing, if all are honest.
pub(super) fn kinds(outcome: &Outcome) -> Markup {
    let kinds = &outcome.summary.kinds;
    let honest = kinds.iter().find(|kind| kind.kind.is_honest()).map(|kind| kind.completion_seconds.p50);
    let columns = ["Kind", "Peers", "Done", "Half done", "Last done", "Half / honest", "Sent, copies each"];
    let row = |kind: &Behaviour| {
        let ratio = honest.filter(|honest| *honest > 0.0 && kind.completed > 0);
        let cells = [
            kind.kind.name().to_owned(),
            number::count(kind.peers.into()),
            number::count(kind.completed.into()),
            number::seconds(kind.completion_seconds.p50),
            number::seconds(kind.completion_seconds.last),
            number::significant(ratio.map_or(f64::NAN, |honest| kind.completion_seconds.p50 / honest)),
            number::significant(kind.sent_copies / f64::from(kind.peers.max(1))),
        ];
        cells.map(|text| html! { (text) }).to_vec()
    };
    let rows: Vec<Vec<Markup>> = kinds.iter().map(row).collect();
    let inside = page::table("Times from joining to holding everything", &columns, &rows);
    html! {
        @if kinds.len() > 1 { (section("kinds", "Kinds of peers", Place::Wide, &inside)) }
    }
}
