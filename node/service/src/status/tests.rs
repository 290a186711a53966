//! Tests of the page and the JSON, and that no name can break them.

use super::*;

/// Names that try to be markup, links, other text or other rows.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</style></title><h1>all is well</h1>",
    "\u{202e}gpj.evil\u{2066}",
    "a\u{1b}]8;;http://evil.example\u{7}b\r\nc",
    "{{7*7}} &lt;b&gt; &#x3c;i&#x3e;",
];

fn content(name: &str) -> ContentStatus {
    ContentStatus {
        content: "ab".repeat(32),
        name: name.to_owned(),
        bytes: 2_000_000,
        fetching: 3,
        takers: 12,
        completed: 9,
        sent_bytes: 6_000_000,
        sent_by_tier_bytes: BTreeMap::from([("lan", 0), ("same_as", 6_000_000)]),
        exported_bytes: Some(0),
        ..ContentStatus::default()
    }
}

fn seeder(names: &[&str]) -> Status {
    let busiest = names.iter().map(|name| content(name)).collect();
    Status {
        service: "nearcast-seeder",
        version: "1.2.3",
        live: true,
        ready: true,
        reload: Reload { successful: true, at_seconds: None },
        network: Some(Network { up_bytes_per_second: Some(1_500_000.0), ..Network::default() }),
        contents: Some(Contents { served: 7, busiest, not_listed: 4, ..Contents::default() }),
        disks: Some(Disks { root_present: true, ..Disks::default() }),
        budget: vec![Budget { kind: "bytes", used: 5_000, limit: 9_000_000, refused: 2 }],
        ..Status::default()
    }
}

fn tracker() -> Status {
    let feed = Feed { kind: "bmp", name: "r1 at 192.0.2.1".to_owned(), phase: "synced", ..Feed::default() };
    Status {
        service: "nearcast-tracker",
        live: true,
        directory: Some(DirectoryStatus {
            peers: 41,
            questions_per_second: Some(12.34),
            ..DirectoryStatus::default()
        }),
        feeds: Some(Feeds { sessions: vec![feed], ..Feeds::default() }),
        atlas: Some(AtlasStatus { version: 7, prefixes_v4: Some(3), ..AtlasStatus::default() }),
        ..Status::default()
    }
}

#[test]
fn a_page_shows_what_the_model_says_and_names_what_is_left_out() {
    let text = page(&seeder(&["film"]), None);
    for words in [
        "<!DOCTYPE html><html lang=\"en\">",
        "<title>ready: nearcast-seeder</title>",
        "<bdi>film</bdi>",
        "title=\"abababab",
        "6.00 MB same AS",
        "1.50 MB/s",
        "And 4 more that were less busy",
        "5.00 kB of 9.00 MB",
        "scope=\"col\"",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(!text.contains("Routes</h2>"), "a seeder has no feeds");
    let text = page(&tracker(), None);
    for words in ["not ready: nearcast-tracker", "12.3", "r1 at 192.0.2.1", "synced", "Prefixes of IPv4"] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(!text.contains("<h2 id=\"contents\">"), "a tracker knows no names");
}

#[test]
fn no_name_is_markup_or_turns_text_around() {
    let plain = page(&seeder(&["film"]), None);
    for name in HOSTILE {
        let text = page(&seeder(&[name]), None);
        let tags = |text: &str| text.matches('<').count();
        assert_eq!(tags(&text), tags(&plain), "{name}");
        let odd = |c: char| {
            c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert_eq!(text.find(odd), None, "{name}");
    }
    assert!(page(&seeder(&HOSTILE), None).contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn json_says_names_as_they_are_and_is_harmless_to_terminals() {
    let text = json(&seeder(&HOSTILE)).unwrap();
    assert_eq!(text.trim_end().find(|c: char| c.is_control() || c == '\u{202e}'), None);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let busiest = value["contents"]["busiest"].as_array().unwrap();
    let names: Vec<&str> = busiest.iter().map(|content| content["name"].as_str().unwrap()).collect();
    assert_eq!(names, HOSTILE);
    assert_eq!(value["contents"]["not_listed"], 4);
    assert!(value["directory"].is_null() && json(&tracker()).unwrap().contains("\"phase\":\"synced\""));
}

#[test]
fn the_style_in_the_page_is_the_one_that_the_policy_allows() {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use sha2::{Digest, Sha256};
    let text = page(&seeder(&["film"]), None);
    let (_, rest) = text.split_once("<style>").unwrap();
    let (style, rest) = rest.split_once("</style>").unwrap();
    let hash = BASE64_STANDARD.encode(Sha256::digest(style));
    let policy = CONTENT_SECURITY_POLICY.as_str();
    assert!(
        policy.starts_with("default-src 'none'; ") && policy.contains(&format!("'sha256-{hash}'")),
        "{policy}"
    );
    for word in ["<style", "<script", " style=", " src=", "url(", "@import", " onload"] {
        assert!(!rest.contains(word) && !style.contains(word), "{word}");
    }
}

#[test]
fn it_renews_itself_only_if_asked_and_neither_all_the_time_nor_never() {
    let refresh = |query: Option<&str>| {
        let text = page(&tracker(), query);
        let (_, rest) = text.split_once("http-equiv=\"refresh\" content=\"")?;
        rest.split('"').next().and_then(|seconds| seconds.parse::<u64>().ok())
    };
    for (query, seconds) in [
        (None, None),
        (Some(""), None),
        (Some("refresh="), None),
        (Some("refresh=0"), None),
        (Some("refresh=10;url=http://evil.example"), None),
        (Some("refresh=10"), Some(10)),
        (Some("a=b&refresh=1"), Some(2)),
        (Some("refresh=99999999"), Some(3_600)),
    ] {
        assert_eq!(refresh(query), seconds, "{query:?}");
    }
}

#[test]
fn a_page_of_the_longest_names_stays_small() {
    let long = "\u{202e}".repeat(85);
    let names = vec![long.as_str(); CONTENTS_LISTED_MAX];
    let (page, json) = (page(&seeder(&names), None), json(&seeder(&names)).unwrap());
    assert!(page.len() < 512 * 1024 && json.len() < 512 * 1024, "{} {}", page.len(), json.len());
}
