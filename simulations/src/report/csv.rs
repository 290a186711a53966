//! The tables of a run for other programs, as RFC 4180 has them, but with lines that end in a line
//! feed alone.
//!
//! The first line names the columns. An unknown value is an empty cell. Numbers with a fraction have
//! as many digits as bring back the same number.

use std::io::{self, Write};

use nearcast_core::tier::Tier;

use crate::outcome::{Outcome, Viewed};

/// The columns of `peers.csv`. New ones come last.
const PEER_COLUMNS: &str = "peer,as,up,down,joined,completed,received,sent,wasted,imported,kind,\
                            start_delay_seconds,stalls,stalled_seconds,smooth_delay_seconds,\
                            began";

/// `peers.csv`: a row for each peer.
pub(super) fn peers(outcome: &Outcome, to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "{PEER_COLUMNS}")?;
    for row in &outcome.peers {
        let down = row.down.map(|down| down.to_string()).unwrap_or_default();
        writeln!(
            to,
            "{},{},{},{down},{},{},{},{},{},{},{},{},{}",
            row.peer,
            row.asn,
            row.up,
            number(Some(row.joined)),
            number(row.completed),
            row.received,
            row.sent,
            row.wasted,
            row.imported,
            row.kind.name(),
            viewed(row.viewed),
            number(row.began)
        )?;
    }
    Ok(())
}

/// What a viewer saw, as four cells.
fn viewed(seen: Option<Viewed>) -> String {
    let Some(seen) = seen else { return ",,,".to_owned() };
    let (start, smooth) = (number(seen.start_delay), number(seen.smooth_delay));
    format!("{start},{},{},{smooth}", seen.stalls, number(Some(seen.stalled)))
}

/// `timeline.csv`: a row for each span of time, with bytes by source.
pub(super) fn timeline(outcome: &Outcome, to: &mut impl Write) -> io::Result<()> {
    let tiers = Tier::ALL.map(Tier::name).join(",");
    writeln!(to, "at,{tiers},origin")?;
    for slice in &outcome.timeline {
        write!(to, "{}", number(Some(slice.at)))?;
        for bytes in slice.by_tier {
            write!(to, ",{bytes}")?;
        }
        writeln!(to, ",{}", slice.origin)?;
    }
    Ok(())
}

/// `groups.csv`: a row for each AS.
pub(super) fn groups(outcome: &Outcome, to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "as,members,imports,last_seconds,frontier_imports")?;
    for group in &outcome.summary.groups {
        writeln!(
            to,
            "{},{},{},{},{}",
            group.asn,
            group.members,
            number(Some(group.imports)),
            number(group.last_seconds),
            number(group.frontier_imports)
        )?;
    }
    Ok(())
}

/// `reasons.csv`: a row for each reason, with what happened, how much of it, and the unit.
pub(super) fn reasons(outcome: &Outcome, to: &mut impl Write) -> io::Result<()> {
    let reasons = &outcome.summary.reasons;
    writeln!(to, "what,reason,amount,unit")?;
    for (what, unit, counts) in [
        ("import", "bytes", &reasons.imported_bytes),
        ("take-over", "requests", &reasons.taken_over_requests),
        ("waste", "bytes", &reasons.wasted_bytes),
        ("stall", "seconds", &reasons.stalled_seconds),
        ("idle uplink", "bytes", &reasons.idle_uplink_bytes),
    ] {
        for (reason, amount) in counts {
            writeln!(to, "{what},{},{amount},{unit}", quoted(reason))?;
        }
    }
    Ok(())
}

/// `imports.csv`: a row for each reason, with bytes.
pub(super) fn imports(outcome: &Outcome, to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "reason,bytes")?;
    for (reason, bytes) in &outcome.summary.reasons.imported_bytes {
        writeln!(to, "{},{bytes}", quoted(reason))?;
    }
    Ok(())
}

fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map(|value| value.to_string()).unwrap_or_default()
}

/// A text as one cell.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
