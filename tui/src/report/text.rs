//! Sentences about downloads, for lines and bars.

use std::time::Duration;

use nearcast_core::{
    id::ContentId,
    paths::printable,
    stats::{Streaming, Traffic},
    tier::Tier,
};
use nearcast_node::progress::{Phase, Progress};

use super::why::sentence;
use crate::units::{Bytes, Rate, Span, percent};

/// How to call a content: its name, or its id until the name is known.
pub(crate) fn label(name: Option<&str>, content: ContentId) -> String {
    match name {
        Some(name) => printable(name),
        None => content.to_string().chars().take(12).collect(),
    }
}

/// The progress of a download, without its name.
pub(crate) fn status(progress: &Progress) -> String {
    match &progress.phase {
        Phase::Checking => "checking what is there".to_owned(),
        Phase::FetchingManifest => format!("asking for the metainfo, {}", neighbours(progress)),
        Phase::Downloading => downloading(progress),
        Phase::Stalled(why) => format!("{why}; {}", share(progress)),
        Phase::DiskFull => format!("the disk is full, waiting for room; {}", share(progress)),
        Phase::Paused => format!("paused; {}", share(progress)),
        Phase::Complete => format!("complete, {}", Bytes(progress.bytes_total)),
        Phase::Seeding => format!(
            "seeding, {} given, {}, {}",
            Bytes(progress.uploaded),
            shown_rate(progress.rate_up),
            neighbours(progress)
        ),
    }
}

fn downloading(progress: &Progress) -> String {
    let mut parts = vec![share(progress), shown_rate(progress.rate_down)];
    parts.extend(remaining(progress).map(|left| format!("{} left", Span(left))));
    parts.push(neighbours(progress));
    parts.extend(progress.streaming.as_ref().and_then(buffer));
    let received = progress.received;
    if received.total() > 0 {
        parts.push(format!("{}% from peers", percent(received.from_peers(), received.total())));
    }
    let mut said = parts.join(", ");
    if let Some(why) = progress.slow.and_then(sentence) {
        said += &format!("; {why}");
    }
    said
}

/// What is here of what is read next, as time.
fn buffer(streaming: &Streaming) -> Option<String> {
    let buffer = Duration::from_millis(streaming.buffer_ms?.into());
    Some(format!("buffer {}", Span(buffer)))
}

/// A rate; a dash if it is not known.
pub(super) fn shown_rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "—".to_owned(), |rate| Rate(rate).to_string())
}

pub(super) fn share(progress: &Progress) -> String {
    format!("{} of {}", Bytes(progress.bytes_have), Bytes(progress.bytes_total))
}

/// Time to the end at the present rate. `None`: nothing is received.
pub(crate) fn remaining(progress: &Progress) -> Option<Duration> {
    let bytes = progress.bytes_total.saturating_sub(progress.bytes_have);
    let rate = progress.rate_down.filter(|rate| *rate >= 1.0)?;
    Duration::try_from_secs_f64(bytes as f64 / rate).ok()
}

/// Counts of neighbours. Near: the same /16 or closer. The operator's own servers count apart.
pub(super) fn neighbours(progress: &Progress) -> String {
    let (mut near, mut far, mut origins, mut web_seeds) = (0, 0, 0, 0);
    for neighbour in &progress.neighbours {
        match neighbour.tier {
            _ if neighbour.web_seed => web_seeds += 1,
            _ if neighbour.origin => origins += 1,
            Tier::Lan | Tier::Prefix24 | Tier::Prefix16 => near += 1,
            Tier::SameAs | Tier::AdjacentAs | Tier::Remote | Tier::Unknown => far += 1,
        }
    }
    let origin = if origins > 0 { " + origin" } else { "" };
    let web_seed = if web_seeds > 0 { " + web seed" } else { "" };
    format!("{near} near {far} far{origin}{web_seed}")
}

/// The sources of the bytes in words: peers, then the origin, then web seeds.
pub(crate) fn sources(received: &Traffic) -> String {
    let total = received.total();
    if total == 0 {
        return "nothing had to be fetched".to_owned();
    }
    let tiers: Vec<String> = Tier::ALL
        .iter()
        .map(|tier| (tier.name(), received.by_tier[*tier as usize]))
        .filter(|(_, bytes)| *bytes > 0)
        .map(|(name, bytes)| format!("{name} {}", Bytes(bytes)))
        .collect();
    let mut parts = vec![format!("{}% from peers", percent(received.from_peers(), total))];
    if !tiers.is_empty() {
        parts[0] += &format!(" ({})", tiers.join(", "));
    }
    for (name, bytes) in [("the origin", received.origin), ("web seeds", received.web_seed)] {
        if bytes > 0 {
            parts.push(format!("{} from {name}", Bytes(bytes)));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use nearcast_core::stats::Giver;
    use nearcast_node::progress::{Neighbour, Stall};

    use super::*;

    /// A download in progress, for the tests of all reports.
    pub(crate) fn halfway() -> Progress {
        let neighbour = |tier, origin| Neighbour {
            peer: "12D3".into(),
            address: "/ip4/127.1.0.2/tcp/1".into(),
            tier,
            asn: Some(nearcast_core::asn::Asn(64_500)),
            rate_down: 1_000_000.0,
            origin,
            web_seed: false,
            has: 0.5,
            received: 0,
            sent: 0,
        };
        let mut received = Traffic::default();
        received.add(Giver::Peer(Tier::Prefix24), 30_000_000);
        received.add(Giver::Peer(Tier::Remote), 10_000_000);
        received.add(Giver::Origin, 10_000_000);
        Progress {
            phase: Phase::Downloading,
            name: "film\u{1b}[31m.mkv".into(),
            bytes_total: 100_000_000,
            bytes_have: 50_000_000,
            received,
            rate_down: Some(5_000_000.0),
            neighbours: vec![
                neighbour(Tier::Prefix24, false),
                neighbour(Tier::Remote, false),
                neighbour(Tier::Remote, true),
            ],
            ..Progress::default()
        }
    }

    #[test]
    fn a_running_download_says_how_far_how_fast_and_from_whom() {
        assert_eq!(
            status(&halfway()),
            "50.0 MB of 100 MB, 5.00 MB/s, 10 s left, 1 near 1 far + origin, 80% from peers"
        );
    }

    #[test]
    fn a_web_seed_counts_apart() {
        let mut progress = halfway();
        progress.neighbours[2].web_seed = true;
        progress.received.add(Giver::WebSeed, 50_000_000);
        assert!(
            status(&progress).ends_with("1 near 1 far + web seed, 40% from peers"),
            "{}",
            status(&progress)
        );
        assert!(sources(&progress.received).ends_with("50.0 MB from web seeds"));
    }

    #[test]
    fn nothing_is_predicted_when_nothing_moves() {
        let progress = Progress { rate_down: Some(0.0), ..halfway() };
        assert_eq!(remaining(&progress), None);
        assert!(!status(&progress).contains("left"));
        let unknown = Progress { rate_down: None, ..halfway() };
        assert_eq!(remaining(&unknown), None);
        assert!(status(&unknown).starts_with("50.0 MB of 100 MB, —, 1 near"), "{}", status(&unknown));
    }

    #[test]
    fn a_stalled_download_says_why_and_how_far() {
        let stalled = Progress { phase: Phase::Stalled(Stall::Waiting), ..halfway() };
        assert_eq!(status(&stalled), "waiting for an answer; 50.0 MB of 100 MB");
    }

    #[test]
    fn what_a_stranger_wrote_cannot_command_the_terminal() {
        let label = label(Some("film\u{1b}]0;x\u{7}\u{202e}"), ContentId([0; 32]));
        assert!(label.starts_with("film") && !label.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{label}");
    }

    #[test]
    fn sources_name_each_tier_and_the_origin() {
        let text = sources(&halfway().received);
        assert_eq!(text, "80% from peers (prefix24 30.0 MB, remote 10.0 MB), 10.0 MB from the origin");
        assert_eq!(sources(&Traffic::default()), "nothing had to be fetched");
    }
}
