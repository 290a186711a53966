//! A strict reader of metrics text, for tests: anything that could confuse a collector is an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
};

use super::format::Format;

/// A metric and what is known about it.
#[derive(Debug, Default)]
struct Family {
    kind: Option<String>,
    has_help: bool,
    unit: Option<String>,
    samples: usize,
}

/// Every sample by its name and labels, if the text is entirely correct.
///
/// # Errors
/// The first problem, and its place.
pub fn samples(text: &str, format: Format) -> Result<BTreeMap<String, f64>, String> {
    let body = match format {
        Format::OpenMetrics => text.strip_suffix("# EOF\n").ok_or("it does not end in # EOF")?,
        Format::Text => text,
    };
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut reader = Reader { format, families: BTreeMap::new(), samples: BTreeMap::new(), current: "" };
    for (number, line) in (1..).zip(body.lines()) {
        let read = match line.strip_prefix("# ") {
            Some(told) => reader.read_told(told),
            None => reader.read_sample(line),
        };
        read.map_err(|what| format!("line {number}: {what}: {line}"))?;
    }
    for (name, family) in &reader.families {
        family.check(name, &reader.samples)?;
    }
    Ok(reader.samples)
}

/// What was read so far.
struct Reader<'a> {
    format: Format,
    families: BTreeMap<&'a str, Family>,
    samples: BTreeMap<String, f64>,
    /// The metric that was told of last.
    current: &'a str,
}

impl<'a> Reader<'a> {
    /// Reads a line that tells of a metric: its help, type or unit. The error says what is wrong.
    fn read_told(&mut self, told: &'a str) -> Result<(), &'static str> {
        let (word, rest) = told.split_once(' ').ok_or("it says nothing")?;
        let (name, value) = rest.split_once(' ').ok_or("nothing is said")?;
        if !is_name(name) || value.is_empty() {
            return Err("it names no metric");
        }
        if name != self.current && self.families.contains_key(name) {
            return Err("the metric was told before");
        }
        self.current = name;
        let family = self.families.entry(name).or_default();
        if family.samples > 0 {
            return Err("it comes behind samples");
        }
        let format = self.format;
        let is_new = match word {
            "HELP" => !std::mem::replace(&mut family.has_help, true),
            "TYPE" => is_kind(value, format) && family.kind.replace(value.to_owned()).is_none(),
            "UNIT" if format == Format::OpenMetrics => family.unit.replace(value.to_owned()).is_none(),
            _ => false,
        };
        if is_new { Ok(()) } else { Err("it is said twice, or does not belong here") }
    }

    /// Reads the line of a sample. The error says what is wrong.
    fn read_sample(&mut self, line: &str) -> Result<(), &'static str> {
        let (name, labels, value) = sample(line).ok_or("it is no sample")?;
        let family = self.families.get_mut(self.current).ok_or("it has no type")?;
        let kind = family.kind.as_deref().ok_or("it has no type")?;
        if !is_called(name, self.current, kind, self.format) {
            return Err("it is not called like its metric");
        }
        if self.format == Format::Text && kind == "counter" && !name.ends_with("_total") {
            return Err("a counter ends in _total");
        }
        let value: f64 = value.parse().map_err(|_| "its value is no number")?;
        if kind == "counter" && !(value >= 0.0 && value.is_finite()) {
            return Err("a counter is finite and not below zero");
        }
        family.samples += 1;
        let labels: Vec<String> = labels.into_iter().collect();
        match self.samples.insert(format!("{name}{{{}}}", labels.join(",")), value) {
            Some(_) => Err("it is told twice"),
            None => Ok(()),
        }
    }
}

impl Family {
    /// Checks what can be known only at the end: everything about the metric was told, and its
    /// samples fit.
    fn check(&self, name: &str, samples: &BTreeMap<String, f64>) -> Result<(), String> {
        if !self.has_help || self.kind.is_none() || self.samples == 0 {
            return Err(format!("{name} has no help, no type or no sample"));
        }
        if self.kind.as_deref() == Some("histogram") && !is_histogram(name, samples) {
            return Err(format!("the buckets of {name} do not add up"));
        }
        if let Some(unit) = &self.unit
            && !name.ends_with(&format!("_{unit}"))
        {
            return Err(format!("{name} does not end in its unit, {unit}"));
        }
        Ok(())
    }
}

/// The verdict of `promtool check metrics` on a text. `None`: promtool is not installed.
pub fn promtool(text: &str) -> Option<Result<(), String>> {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    // promtool reports problems even if it stops reading early.
    let _ = child.stdin.take()?.write_all(text.as_bytes());
    let ended = child.wait_with_output().ok()?;
    let said = [ended.stdout, ended.stderr].concat();
    Some(if ended.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) })
}

fn is_kind(kind: &str, format: Format) -> bool {
    match format {
        Format::OpenMetrics => matches!(kind, "counter" | "gauge" | "histogram" | "info" | "unknown"),
        Format::Text => matches!(kind, "counter" | "gauge" | "histogram" | "untyped"),
    }
}

/// Whether a sample's name fits its metric.
fn is_called(sample: &str, name: &str, kind: &str, format: Format) -> bool {
    let ending = sample.strip_prefix(name);
    match (format, kind) {
        (_, "histogram") => matches!(ending, Some("_bucket" | "_sum" | "_count")),
        (Format::OpenMetrics, "counter") => ending == Some("_total"),
        (Format::OpenMetrics, "info") => ending == Some("_info"),
        _ => ending == Some(""),
    }
}

/// Whether each bucket counts all before it, and the last bucket counts all.
fn is_histogram(name: &str, samples: &BTreeMap<String, f64>) -> bool {
    let bound = |key: &str| {
        let bound = key.strip_prefix(name)?.strip_prefix("_bucket{le=\"")?.strip_suffix("\"}")?;
        bound.parse::<f64>().ok()
    };
    let mut buckets: Vec<(f64, f64)> =
        samples.iter().filter_map(|(key, count)| Some((bound(key)?, *count))).collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    let last = buckets.last().filter(|(bound, _)| bound.is_infinite()).map(|(_, count)| count);
    buckets.is_sorted_by(|less, more| less.1 <= more.1) && last == samples.get(&format!("{name}_count{{}}"))
}

fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// The name, labels and value of a line.
fn sample(line: &str) -> Option<(&str, BTreeSet<String>, &str)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeSet::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        let mut names = BTreeSet::new();
        while !rest.starts_with('}') {
            let (label, behind) = rest.split_once("=\"")?;
            let mut escaped = false;
            let close = behind.char_indices().find(|&(_, c)| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            let (value, behind) = behind.split_at(close?.0);
            if !is_name(label) || label.contains(':') || !names.insert(label) {
                return None;
            }
            labels.insert(format!("{label}=\"{value}\""));
            rest = &behind[1..];
            rest = rest.strip_prefix(',').filter(|rest| !rest.starts_with('}')).unwrap_or(rest);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ')?;
    (is_name(name) && !value.contains(' ')).then_some((name, labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "# HELP a_bytes Help.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total{x=\"1\",y=\"\\\"}\"} 7\n\
                         a_bytes_total{x=\"2\",y=\"\"} 8\n# HELP b Help.\n# TYPE b gauge\nb -1.5\n# EOF\n";

    #[test]
    fn what_is_right_is_read_and_every_kind_of_wrong_is_not() {
        let read = samples(RIGHT, Format::OpenMetrics).unwrap();
        assert_eq!((read.len(), read["b{}"]), (3, -1.5));
        for (from, to) in [
            ("# EOF\n", ""),
            ("# EOF\n", "# EOF\n# EOF\n"),
            ("# HELP b Help.\n", ""),
            ("# TYPE b gauge\n", ""),
            ("# TYPE b gauge\n", "# TYPE b gauge\n# TYPE b gauge\n"),
            ("# TYPE b gauge\n", "# TYPE b colour\n"),
            ("b -1.5\n", ""),
            ("b -1.5\n", "b -1.5\nb 2\n"),
            ("b -1.5\n", "c -1.5\n"),
            ("b -1.5\n", "b x\n"),
            ("b -1.5\n", "b{x=\"1\",x=\"2\"} 1\n"),
            ("b -1.5\n", "b{x=1} 1\n"),
            ("a_bytes_total{x=\"2\",y=\"\"} 8", "a_bytes_total{x=\"2\",y=\"\"} -8"),
            ("a_bytes_total{x=\"2\"", "a_bytes{x=\"2\""),
            ("# UNIT a_bytes bytes\n", "# UNIT a_bytes seconds\n"),
            ("# HELP b Help.\n", "# HELP a_bytes Help.\n"),
        ] {
            let wrong = RIGHT.replacen(from, to, 1);
            assert_ne!(wrong, RIGHT, "{from}");
            assert!(samples(&wrong, Format::OpenMetrics).is_err(), "{wrong}");
        }
        assert!(samples(RIGHT, Format::Text).is_err());
    }

    #[test]
    fn buckets_of_a_histogram_add_up() {
        let right = "# HELP a A.\n# TYPE a histogram\na_sum 3\na_count 3\na_bucket{le=\"1.0\"} 2\na_bucket{le=\"+Inf\"} 3\n";
        assert!(samples(right, Format::Text).is_ok());
        for (from, to) in [("a_count 3", "a_count 2"), ("} 2", "} 4"), ("+Inf", "2.0"), ("a_sum", "a_mean")] {
            let wrong = right.replacen(from, to, 1);
            assert!(wrong != right && samples(&wrong, Format::Text).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_older_text_says_the_same_under_the_older_rules() {
        let text = Format::Text.of(RIGHT.to_owned());
        assert!(text.starts_with("# HELP a_bytes_total Help.\n# TYPE a_bytes_total counter\n"), "{text}");
        let (new, old) =
            (samples(RIGHT, Format::OpenMetrics).unwrap(), samples(&text, Format::Text).unwrap());
        assert_eq!(new, old);
        assert!(samples(&format!("{text}# EOF\n"), Format::Text).is_err());
    }
}
