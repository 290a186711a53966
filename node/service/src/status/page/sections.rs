//! The sections of the page, one for each part of the model.

use maud::{Markup, html};
use nearcast_core::tier::Tier;

use super::parts::{age, bar, cell, facts, rate, reasons, section, table, tier_words, tiers, timing, words};
use crate::{
    quantity::Bytes,
    status::{
        AtlasStatus, Budget, ContentStatus, Contents, DirectoryStatus, Disks, Feed, Feeds, HashTable,
        Network, Status,
    },
};

/// Digits of a content id that the page shows. The JSON and the tooltip have all of them.
const ID_DIGITS: usize = 12;

/// All sections.
pub(super) fn all(status: &Status) -> Markup {
    let is_tracker = status.directory.is_some();
    html! {
        @if let Some(contents) = &status.contents { (contents_section(contents)) }
        @if let Some(directory) = &status.directory { (directory_section(directory)) }
        @if is_tracker || status.atlas.is_some() { (atlas_section(status.atlas.as_ref())) }
        @if let Some(feeds) = &status.feeds { (feeds_section(feeds)) }
        @if let Some(table) = &status.hash_table { (hash_table_section(table)) }
        @if let Some(network) = &status.network { (network_section(network)) (tiers_section(status, network)) }
        @if let Some(disks) = &status.disks { (disks_section(disks)) }
        @if !status.budget.is_empty() { (budget_section(&status.budget)) }
    }
}

fn contents_section(contents: &Contents) -> Markup {
    let columns = ["Name", "Size", "Fetching now", "Peers so far", "Completed", "Sent", "Over the border"];
    let rows: Vec<_> = contents.busiest.iter().map(content_row).collect();
    let inside = html! {
        @if rows.is_empty() { p { "Nothing is served." } }
        @else { (table("The busiest contents first", &columns, &rows)) }
        @if contents.not_listed > 0 { p { "And " (contents.not_listed) " more that were less busy." } }
        p.note {
            "A peer counts as completed when it said that it holds everything while it was connected here; what it got elsewhere after \
             that nobody tells us."
        }
        (facts(&watched(contents)))
    };
    section("contents", "Contents", &inside)
}

fn watched(contents: &Contents) -> Vec<(&'static str, String)> {
    vec![
        ("Torrents that cannot be served", contents.refused.to_string()),
        ("Published since the start", contents.published.to_string()),
        ("Waiting to be hashed", contents.hashing.to_string()),
        ("Could not be published", contents.publish_failures.to_string()),
        ("Left out, as hidden or private", contents.left_out.to_string()),
    ]
}

fn content_row(content: &ContentStatus) -> Vec<Markup> {
    let id: String = content.content.chars().take(ID_DIGITS).collect();
    let name = html! {
        (words(&content.name)) " " code.id title=(content.content) { (id) "\u{2026}" }
    };
    let sent = html! {
        (Bytes(content.sent_bytes))
        @if content.sent_bytes > 0 { " " small { (tiers(&content.sent_by_tier_bytes)) } }
    };
    let exported =
        content.exported_bytes.map_or_else(|| "\u{2013}".to_owned(), |bytes| Bytes(bytes).to_string());
    vec![
        name,
        cell(Bytes(content.bytes)),
        cell(content.fetching),
        cell(content.takers),
        cell(content.completed),
        sent,
        cell(exported),
    ]
}

fn directory_section(directory: &DirectoryStatus) -> Markup {
    let written_down = match directory.saved_age_seconds {
        Some(ago) => format!("{} entries, {} ago", directory.saved_entries, age(Some(ago))),
        None => "not since the start".to_owned(),
    };
    let inside = facts(&[
        ("Peers, counted for each content", directory.entries.to_string()),
        ("Questions", directory.questions.to_string()),
        ("Answered with peers", directory.answers.to_string()),
        ("Announcements taken", directory.announcements.to_string()),
        ("Refused", reasons(&directory.refused)),
        ("Time to answer", timing(&directory.answering)),
        ("Written down", written_down),
        ("Could not be written down", format!("{} times", directory.saves_failed)),
    ]);
    section("directory", "Who is known", &inside)
}

fn feeds_section(feeds: &Feeds) -> Markup {
    let columns = ["Feed", "Phase", "Routes", "Announced", "Withdrawn", "Damaged", "Since", "Last change"];
    let rows: Vec<_> = feeds.sessions.iter().map(feed_row).collect();
    let inside = html! {
        @if feeds.broken { p { strong.bad { "The table of routes is lost by a mistake of this program; the last atlas stays." } } }
        @if rows.is_empty() { p { "Nobody tells of routes at the moment." } }
        @else { (table("Those who tell of routes, the oldest first", &columns, &rows)) }
        @if feeds.not_listed > 0 { p { "And " (feeds.not_listed) " more." } }
        (facts(&[
            ("Last change of a route", age(feeds.last_change_age_seconds)),
            ("Last atlas made of routes", age(feeds.last_rebuild_age_seconds)),
            ("Routers refused", feeds.bmp_refused.to_string()),
            ("Sessions ended at fault", feeds.bmp_faults.to_string()),
        ]))
    };
    section("feeds", "Routes", &inside)
}

fn feed_row(feed: &Feed) -> Vec<Markup> {
    vec![
        html! { (words(&feed.name)) " " small { (feed.kind.replace('_', " ")) } },
        html! { span.(phase_class(feed.phase)) { (feed.phase) } },
        cell(feed.routes),
        cell(feed.announced),
        cell(feed.withdrawn),
        cell(feed.damaged),
        cell(age(Some(feed.age_seconds))),
        cell(age(feed.last_change_age_seconds)),
    ]
}

fn phase_class(phase: &str) -> &'static str {
    match phase {
        "synced" => "good",
        "held" => "warn",
        _ => "plain",
    }
}

fn atlas_section(atlas: Option<&AtlasStatus>) -> Markup {
    let Some(atlas) = atlas else {
        return section(
            "atlas",
            "Atlas",
            &html! { p { "There is none: nearness goes by address prefixes alone." } },
        );
    };
    let mut rows = vec![("Version", atlas.version.to_string()), ("Age of its data", age(atlas.age_seconds))];
    let counts = [
        ("Prefixes of IPv4", atlas.prefixes_v4),
        ("Prefixes of IPv6", atlas.prefixes_v6),
        ("Autonomous systems", atlas.ases),
        ("Links between them", atlas.links),
        ("Version published", atlas.published_version),
    ];
    rows.extend(counts.into_iter().filter_map(|(name, count)| Some((name, count?.to_string()))));
    section("atlas", "Atlas", &facts(&rows))
}

fn hash_table_section(table: &HashTable) -> Markup {
    let asked_by = if table.serves { table.asked.to_string() } else { "nobody reaches us".to_owned() };
    let inside = facts(&[
        ("Directories known", table.nodes.to_string()),
        ("Questions of others", asked_by),
        ("Records of others", table.records.to_string()),
        ("Records refused", table.records_refused.to_string()),
        ("Look-ups", format!("{}, of which {} found somebody", table.lookups, table.lookups_found)),
        ("Contents written there", table.keys.saturating_sub(table.keys_lapsed).to_string()),
        ("Contents not written yet", table.keys_lapsed.to_string()),
    ]);
    section("hash-table", "Other directories", &inside)
}

fn network_section(network: &Network) -> Markup {
    let over_border =
        |bytes: Option<u64>| bytes.map_or_else(|| "\u{2013}".to_owned(), |bytes| Bytes(bytes).to_string());
    let inside = facts(&[
        ("Sending", rate(network.up_bytes_per_second)),
        ("Receiving", rate(network.down_bytes_per_second)),
        ("Sent", Bytes(network.sent_bytes).to_string()),
        ("Received", Bytes(network.received_bytes).to_string()),
        ("Our AS", network.asn.map_or_else(|| "no atlas says which".to_owned(), |asn| format!("AS{asn}"))),
        ("Sent over its border", over_border(network.exported_bytes)),
        ("Received over its border", over_border(network.imported_bytes)),
        ("Exchanges open", format!("{}, of which {} are served", network.links, network.links_served)),
        ("Waiting to be served", timing(&network.slot_waits)),
        ("Requests served", network.requests_served.to_string()),
        ("Requests refused", reasons(&network.requests_refused)),
        ("Connections refused", network.connections_refused.to_string()),
        ("Peers banned", network.peers_banned.to_string()),
    ]);
    section("network", "Network", &inside)
}

/// Traffic by tier: bytes sent by a seeder, or peers named in answers of a tracker.
fn tiers_section(status: &Status, network: &Network) -> Markup {
    let (caption, column, numbers) = match &status.directory {
        Some(directory) => ("Peers named in answers since the start", "Named", &directory.told_by_tier),
        None => ("Sent since the start", "Sent", &network.sent_by_tier_bytes),
    };
    let all: u64 = numbers.values().sum();
    let row = |tier: &Tier| {
        let number = numbers.get(tier.name()).copied().unwrap_or_default();
        let share = format!("{:.0} %", 100.0 * number as f64 / all.max(1) as f64);
        let shown = if status.directory.is_some() { cell(number) } else { cell(Bytes(number)) };
        vec![cell(tier_words(*tier)), shown, bar(number, all, &share, &share)]
    };
    let rows: Vec<_> = Tier::ALL.iter().map(row).collect();
    section("tiers", "How near", &table(caption, &["How near", column, "Share"], &rows))
}

fn disks_section(disks: &Disks) -> Markup {
    let inside = facts(&[
        ("The root", if disks.root_present { "is there" } else { "is not there" }.to_owned()),
        ("Time to read and verify", timing(&disks.reads)),
        ("Could not be read", disks.errors.to_string()),
        ("Did not match their hash", disks.rotten_runs.to_string()),
    ]);
    section("disks", "Disks", &inside)
}

fn budget_section(budget: &[Budget]) -> Markup {
    let shown =
        |kind: &str, value: u64| if kind == "bytes" { Bytes(value).to_string() } else { value.to_string() };
    let row = |of: &Budget| {
        let label = format!("{} of {}", shown(of.kind, of.used), shown(of.kind, of.limit));
        let bar = bar(of.used, of.limit, &label, &label);
        vec![cell(budget_words(of.kind)), bar, cell(of.refused)]
    };
    let rows: Vec<_> = budget.iter().map(row).collect();
    let inside = table("What strangers hold, of what they may", &["What", "Held", "Refused"], &rows);
    section("budget", "Budget", &inside)
}

fn budget_words(kind: &str) -> &str {
    match kind {
        "half_open" => "Connections being made to us",
        "half_open_quic" => "The same, over QUIC",
        "connections" => "Connections made to us",
        "hellos" => "Streams that have not said hello",
        "openings" => "Data streams being opened",
        "manifests" => "Questions for metainfo",
        "directories" => "Streams that ask for peers",
        "bytes" => "Bytes waiting in memory",
        "dials" => "Connections being made by us",
        other => other,
    }
}
