//! The status as a page: plain HTML without scripts, made by the server, readable on a phone and by
//! a screen reader.
//!
//! Invariant: the template (maud) escapes everything put into the page, and names are made
//! [`printable`], so a name can neither be markup nor reorder the text around it. The page loads
//! nothing and runs nothing; [`CONTENT_SECURITY_POLICY`] makes browsers enforce that.
//!
//! The page reloads itself only on request (`?refresh=10`): a reload disturbs users who read it,
//! listen to it or select text in it.

mod parts;
mod sections;

use std::{
    sync::LazyLock,
    time::{Duration, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use nearcast_core::paths::printable;
use sha2::{Digest, Sha256};

use self::parts::tile;
use super::Status;
use crate::quantity::{Bytes, Span};

const STYLE: &str = include_str!("page.css");
/// The refresh interval that the page offers, in seconds.
const REFRESH_OFFERED: u64 = 10;
/// The shortest refresh interval, in seconds.
const REFRESH_SECONDS_MIN: u64 = 2;
/// The longest refresh interval, in seconds.
const REFRESH_SECONDS_MAX: u64 = 3_600;

/// Nothing may be loaded, run, sent or framed. The only style is known by its hash.
pub(crate) static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The whole page. `query` is the part of the URL after the question mark.
pub(crate) fn page(status: &Status, query: Option<&str>) -> String {
    let refresh = query.and_then(refresh_seconds);
    let state = state(status);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                title { (state.0) ": " (status.service) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(status, state))
                main { (tiles(status)) (sections::all(status)) }
                (footer(status, refresh))
            }
        }
    };
    markup.into_string()
}

fn refresh_seconds(query: &str) -> Option<u64> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("refresh="))?;
    let seconds: u64 = value.parse().ok().filter(|seconds| *seconds > 0)?;
    Some(seconds.clamp(REFRESH_SECONDS_MIN, REFRESH_SECONDS_MAX))
}

/// A word for the state, and the class of its colour.
fn state(status: &Status) -> (&'static str, &'static str) {
    match (status.live, status.ready) {
        (false, _) => ("hangs", "bad"),
        (true, false) => ("not ready", "warn"),
        (true, true) => ("ready", "good"),
    }
}

fn header(status: &Status, (word, class): (&str, &str)) -> Markup {
    let failing: Vec<&str> = status
        .conditions
        .iter()
        .filter(|condition| !condition.holds)
        .map(|condition| condition.name)
        .collect();
    html! {
        header {
            h1 { (status.service) " " span.state.(class) { (word) } }
            p.about {
                "Version " (status.version) ", up for " (Span(Duration::from_secs(status.uptime_seconds)))
                @if !status.reload.successful { ". " strong.bad { "The last reload of the configuration was refused" } }
                @if !failing.is_empty() { ". " strong.warn { "Does not hold: " (failing.join(", ")) } }
                "."
            }
        }
    }
}

/// The most important values.
fn tiles(status: &Status) -> Markup {
    html! {
        section.tiles aria-label="At a glance" {
            @if let Some(directory) = &status.directory {
                (tile("Questions a second", &parts::number(directory.questions_per_second)))
                (tile("Answers a second", &parts::number(directory.answers_per_second)))
                (tile("Peers known", &directory.peers.to_string()))
                (tile("Contents known", &directory.contents.to_string()))
            }
            @if let Some(network) = &status.network {
                @if status.directory.is_none() {
                    (tile("Sending", &parts::rate(network.up_bytes_per_second)))
                    (tile("Sent since the start", &Bytes(network.sent_bytes).to_string()))
                }
                (tile("Peers connected", &network.connections.to_string()))
            }
            @if let Some(contents) = &status.contents { (tile("Contents served", &contents.served.to_string())) }
            @if let Some(atlas) = &status.atlas { (tile("Age of the atlas", &parts::age(atlas.age_seconds))) }
        }
    }
}

fn footer(status: &Status, refresh: Option<u64>) -> Markup {
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(status.at_seconds)).unwrap_or(UNIX_EPOCH);
    html! {
        footer {
            @if let Some(peer) = &status.peer {
                p { "Peer id " code { (peer) } }
                @if !status.addresses.is_empty() {
                    ul.addresses { @for address in &status.addresses { li { code { (printable(address)) } } } }
                }
            }
            p { "As it was on " (httpdate::fmt_http_date(at)) ". Sums are since the start." }
            nav aria-label="This page" {
                @match refresh {
                    Some(seconds) => a href="/" { "Stop renewing every " (seconds) " s" },
                    None => a href=(format!("/?refresh={REFRESH_OFFERED}")) { "Renew every " (REFRESH_OFFERED) " s" },
                }
                a href="/status.json" { "As JSON" }
                a href="/metrics" { "Metrics" }
                a href="/readyz?verbose" { "Readiness" }
            }
        }
    }
}
