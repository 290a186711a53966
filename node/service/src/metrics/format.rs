//! The two text formats of metrics: OpenMetrics 1.0 for collectors that ask for it, and Prometheus
//! text 0.0.4, which all collectors and tools read, for all others.

use std::fmt::Write as _;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text of Prometheus, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` of this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Chooses the format by the lines of `Accept` (RFC 9110, section 12.5.1). OpenMetrics is
    /// chosen only if the client names it and does not prefer text: a client that accepts anything
    /// may not know OpenMetrics.
    pub fn wanted<'a>(accept: impl Iterator<Item = &'a str>) -> Format {
        let (mut open, mut text) = (0.0_f32, 0.0_f32);
        for range in accept.flat_map(|line| line.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0_f32, None);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.parse().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0),
                    "version" => version = Some(value),
                    _ => {}
                }
            }
            match (kind.as_str(), version) {
                ("application/openmetrics-text", None | Some("1.0.0")) => open = open.max(quality),
                ("text/plain", None | Some("0.0.4")) => text = text.max(quality),
                _ => {}
            }
        }
        if open > 0.0 && open >= text { Format::OpenMetrics } else { Format::Text }
    }

    /// Converts OpenMetrics text to this format.
    pub fn of(self, open_metrics: String) -> String {
        match self {
            Format::OpenMetrics => open_metrics,
            Format::Text => text_of(&open_metrics),
        }
    }
}

/// Converts OpenMetrics text to Prometheus text. Older collectors know no units and no end marker,
/// and name a metric like its samples.
fn text_of(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            help = told.split_once(' ').map(|(_, words)| words);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|told| told.split_once(' '))
        {
            let (end, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            // Writing to a String cannot fail.
            if let Some(help) = help.take() {
                let _ = writeln!(text, "# HELP {name}{end} {}", help.replace("\\\"", "\""));
            }
            let _ = writeln!(text, "# TYPE {name}{end} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_told_to_those_who_name_it() {
        for (accept, format) in [
            (&[][..], Format::Text),
            (&["*/*"], Format::Text),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"], Format::Text),
            (&["application/openmetrics-text"], Format::OpenMetrics),
            (&["application/openmetrics-text; version=1.0.0; charset=utf-8"], Format::OpenMetrics),
            (&["Application/OpenMetrics-Text;Version=\"1.0.0\""], Format::OpenMetrics),
            (&["application/openmetrics-text;version=2.0.0"], Format::Text),
            (&["application/openmetrics-text;q=0"], Format::Text),
            (&["application/openmetrics-text;q=x"], Format::Text),
            (&["text/plain;version=0.0.4", "application/openmetrics-text;q=0.5"], Format::Text),
            (&["text/plain;q=0.4", "application/openmetrics-text;q=0.5"], Format::OpenMetrics),
            // Prometheus 2 and 3.
            (
                &[
                    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                   text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ],
                Format::OpenMetrics,
            ),
            (
                &[
                    "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1",
                ],
                Format::Text,
            ),
        ] {
            assert_eq!(Format::wanted(accept.iter().copied()), format, "{accept:?}");
        }
    }
}
