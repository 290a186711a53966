//! Reads the output of clients and seeders strictly: a missing field is a broken contract, not a
//! zero.

use std::collections::BTreeMap;

use serde_json::Value;

/// All keys of `bytes_by_tier`; every event has all of them.
pub const TIERS: [&str; 9] =
    ["lan", "prefix24", "prefix16", "same_as", "adjacent_as", "remote", "unknown", "origin", "web_seed"];

/// One line of `get --json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Event(Value);

impl Event {
    /// Reads a line. With `--json`, standard output has only events.
    pub fn parse(line: &str) -> Event {
        let value: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("stdout has a line that is no JSON ({error}): {line}"));
        assert!(value["event"].is_string(), "an event without a name: {line}");
        Event(value)
    }

    /// `started`, `progress`, `finished`, …
    pub fn name(&self) -> &str {
        self.text("event")
    }

    /// The value of a key that must be a number.
    pub fn number(&self, key: &str) -> u64 {
        number(&self.0, key)
    }

    /// The value of a key that must be a list of texts.
    pub fn texts(&self, key: &str) -> Vec<String> {
        let list = self.0[key].as_array().unwrap_or_else(|| panic!("no list \"{key}\" in {}", self.0));
        list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    }

    /// The value of a key that must be a text.
    pub fn text(&self, key: &str) -> &str {
        let text = self.0[key].as_str();
        text.unwrap_or_else(|| panic!("no text \"{key}\" in {}", self.0))
    }
}

/// The `finished` event.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Content id in hexadecimal digits.
    pub content: String,
    /// Bytes wanted.
    pub bytes: u64,
    /// Time from start to finished. In seconds.
    pub seconds: f64,
    /// Payload received in this run, by source.
    pub bytes_by_tier: BTreeMap<String, u64>,
    /// Payload sent.
    pub uploaded: u64,
    /// Payload thrown away.
    pub wasted: u64,
    /// Peers banned for corrupt data.
    pub banned: u64,
}

impl Summary {
    /// Reads a `finished` event.
    pub fn of(event: &Event) -> Summary {
        assert_eq!(event.name(), "finished");
        let value = &event.0;
        let tiers = &value["bytes_by_tier"];
        let seconds = value["seconds"].as_f64();
        Summary {
            content: event.text("content").to_owned(),
            bytes: event.number("bytes"),
            seconds: seconds.unwrap_or_else(|| panic!("no seconds in {value}")),
            bytes_by_tier: TIERS.iter().map(|&tier| (tier.to_owned(), number(tiers, tier))).collect(),
            uploaded: event.number("uploaded_bytes"),
            wasted: event.number("wasted_bytes"),
            banned: event.number("banned"),
        }
    }

    /// Payload received in this run from all sources.
    pub fn received(&self) -> u64 {
        self.bytes_by_tier.values().sum()
    }

    /// Payload received in this run from HTTP servers.
    pub fn from_web_seeds(&self) -> u64 {
        self.bytes_by_tier["web_seed"]
    }

    /// Payload received in this run from the operator's own servers.
    pub fn from_origin(&self) -> u64 {
        self.bytes_by_tier["origin"]
    }
}

fn number(value: &Value, key: &str) -> u64 {
    let number = value[key].as_u64();
    number.unwrap_or_else(|| panic!("no number \"{key}\" in {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINISHED: &str = r#"{"event":"finished","content":"ab","bytes":7,"seconds":0.5,"bytes_by_tier":{"lan":0,
        "prefix24":1,"prefix16":0,"same_as":0,"adjacent_as":0,"remote":2,"unknown":0,"origin":4,"web_seed":0},
        "imported_bytes":null,"uploaded_bytes":3,"wasted_bytes":0,"banned":0}"#;

    #[test]
    fn a_summary_adds_up_what_came_from_everybody() {
        let summary = Summary::of(&Event::parse(FINISHED));
        assert_eq!((summary.received(), summary.from_origin(), summary.uploaded), (7, 4, 3));
    }

    #[test]
    #[should_panic(expected = "no number \"web_seed\"")]
    fn a_summary_without_one_of_the_tiers_is_refused() {
        Summary::of(&Event::parse(&FINISHED.replace(r#","web_seed":0"#, "")));
    }

    #[test]
    #[should_panic(expected = "no JSON")]
    fn words_among_the_events_are_refused() {
        Event::parse("Downloading…");
    }
}
