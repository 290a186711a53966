//! What people see of a service: its status as a page in a browser, and as JSON.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::{Path, PathBuf},
    time::Instant,
};

use e2e::{
    browser::{Browser, Screen},
    cluster::{Get, PATIENCE, publish_to},
    content::{MIB, write_random},
    http, internet,
    operated::Operated,
    place::Place,
    tracker::{Tracker, TrackerOptions},
};
use serde_json::Value;

/// Names a folder in which the pictures are kept, for people to look at.
const PICTURES_VARIABLE: &str = "NEARCAST_SCREENSHOTS";
/// Hostile names: markup, attributes, text in another direction, and a whole screen of text.
const MARKUP: &str = "<script>document.title='taken'<img src=x onerror=alert(1)>.bin";
const TURNED: &str = "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627} & \"quoted\".bin";

fn longest() -> String {
    // 255 bytes, the longest name on most disks.
    format!("{}.bin", "\u{fc}".repeat(125)) + "x"
}

fn status(admin: &str) -> Value {
    let answer = http::get(admin, "/status.json");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let (_, body) = answer.text.split_once("\r\n\r\n").expect("a head and a body");
    // In a chunked answer, lengths stand between the lines.
    let json = body.lines().find(|line| line.starts_with('{')).expect("an object");
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}\n{json}"))
}

fn wait_status(admin: &str, enough: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = status(admin);
        if enough(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status:#}");
    }
}

/// Takes pictures on a phone and on a desktop, light and dark.
fn look_at(browser: &Browser, place: &Place, url: &str, name: &str) {
    let kept = std::env::var_os(PICTURES_VARIABLE).map(PathBuf::from);
    let folder = kept.unwrap_or_else(|| place.folder("pictures"));
    for (device, width, height) in [("phone", 500, 2_600), ("desk", 1_280, 1_600)] {
        let [light, dark] = [false, true].map(|dark| {
            let to = folder.join(format!("{name}-{device}-{}.png", if dark { "dark" } else { "light" }));
            browser.screenshot(place, url, Screen { width, height, dark }, &to)
        });
        for picture in [&light, &dark] {
            assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"), "{name} on a {device}");
            assert_eq!(picture[16..20], width.to_be_bytes(), "{name} on a {device}");
        }
        assert_ne!(light, dark, "the page goes by what its reader likes");
    }
}

/// Asserts that the browser reports nothing that it had to refuse.
fn assert_undisturbed(said: &str) {
    for word in ["Content Security Policy", "Refused to", "CONSOLE"] {
        assert!(!said.contains(word), "{said}");
    }
}

fn serve_hostile(place: &Place, root: &Path) -> PathBuf {
    let mut first = None;
    for (number, name) in [MARKUP, TURNED, &longest()].into_iter().enumerate() {
        let file = root.join(name);
        write_random(&file, MIB, 490 + number as u64);
        let torrent = root.join(format!("{number}.torrent"));
        publish_to(place, &file, &torrent, &[]);
        first.get_or_insert(torrent);
    }
    first.expect("there is one")
}

#[test]
fn a_publisher_sees_who_fetches_what_and_no_name_is_more_than_text() {
    let place = Place::new();
    let root = place.folder("root");
    let torrent = serve_hostile(&place, &root);
    fs::write(root.join("junk.torrent"), "not a torrent").unwrap();
    let seeder = Operated::start(&place, &root, "127.49.1.1", "");
    for ip in ["127.49.1.2", "127.49.2.2"] {
        Get::new(&place, &torrent, &place.folder(ip), ip).peer(seeder.address()).finish();
    }
    let status = wait_status(seeder.admin(), |status| {
        let first = &status["contents"]["busiest"][0];
        first["sent_bytes"].as_u64() >= Some(2 * MIB) && first["completed"] == 2
    });
    let first = &status["contents"]["busiest"][0];
    assert_eq!(first["name"], MARKUP, "the busiest comes first: {status:#}");
    assert_eq!((&first["takers"], &first["fetching"], &first["bytes"]), (&2.into(), &0.into(), &MIB.into()));
    let near = first["sent_by_tier_bytes"]["prefix24"].as_u64();
    assert!(near.is_some_and(|bytes| bytes > 0 && bytes <= MIB), "{status:#}");
    assert_eq!(status["contents"]["served"], 3);
    assert_eq!(status["contents"]["refused"], 1);
    assert!(status["disks"]["reads"]["count"].as_u64() > Some(0), "{status:#}");
    assert!(status["network"]["slot_waits"]["count"].as_u64() >= Some(2), "{status:#}");
    assert!(status["peer"].as_str().is_some_and(|peer| seeder.address().contains(peer)));
    let metrics = seeder.ask("/metrics").text;
    assert!(!metrics.contains(".bin"), "no content is named in metrics");

    let Some(browser) = Browser::find() else {
        return println!("skipped: there is no chromium here");
    };
    let (dom, said) = browser.dom(&place, &format!("{}/", seeder.admin()));
    assert!(dom.contains("<title>ready: nearcast-seeder</title>"), "{dom}");
    assert!(!dom.contains("<script") && !dom.contains("<img"), "{dom}");
    let markup = "&lt;script&gt;document.title='taken'&lt;img src=x onerror=alert(1)&gt;.bin";
    for text in [markup, "\u{5e9}\u{5dc}\u{5d5}\u{5dd}", &longest(), "Fetching now"] {
        assert!(dom.contains(text), "{text}\n{dom}");
    }
    assert_undisturbed(&said);
    look_at(&browser, &place, &format!("{}/", seeder.admin()), "seeder");
}

/// A router that has sent its name and nothing else (RFC 7854, section 4.3: an initiation with a
/// sysName).
fn router(tracker: &Tracker) -> TcpStream {
    let line = tracker.wait_log("routers may connect to", PATIENCE);
    let words: Vec<&str> = line.split(' ').collect();
    let address = words.iter().find(|word| word.starts_with("127.0.0.1:")).expect("it says where");
    let mut router = TcpStream::connect(address).expect("it listens there");
    let name = b"<b>r1</b>";
    let length = 6 + 4 + name.len() as u32;
    let header = [&[3][..], &length.to_be_bytes(), &[4]].concat();
    let tlv = [&2_u16.to_be_bytes()[..], &(name.len() as u16).to_be_bytes(), name].concat();
    router.write_all(&[header, tlv].concat()).expect("it reads");
    router
}

#[test]
fn an_operator_sees_whom_a_tracker_knows_and_who_tells_it_of_routes() {
    let place = Place::new();
    let atlas = place.path().join("world.atlas");
    fs::write(&atlas, internet::atlas(1_700_000_000).encode()).unwrap();
    let arguments = ["--atlas", &atlas.to_string_lossy(), "--bmp", "127.0.0.1:0"];
    let tracker = Tracker::start(&place, &TrackerOptions::new(&place, "127.49.3.1", &arguments));
    let _router = router(&tracker);
    let root = place.folder("root");
    let torrent = serve_hostile(&place, &root);
    let lines = format!("tracker = [\"{}\"]", tracker.address());
    let _seeder = Operated::start(&place, &root, "127.49.3.2", &lines);
    Get::new(&place, &torrent, &place.folder("out"), "127.49.4.1")
        .with(&["--tracker", tracker.address()])
        .finish();
    let status = wait_status(tracker.admin(), |status| {
        status["directory"]["contents"].as_u64() >= Some(3) && !status["feeds"]["sessions"][0].is_null()
    });
    assert!(status["directory"]["answering"]["count"].as_u64() >= Some(3), "{status:#}");
    assert!(status["directory"]["answers"].as_u64() >= Some(1), "{status:#}");
    assert_eq!(status["atlas"]["version"], 1_700_000_000);
    assert!(status["atlas"]["prefixes_v4"].as_u64() > Some(0) && status["atlas"]["age_seconds"].is_u64());
    let feed = &status["feeds"]["sessions"][0];
    assert_eq!((&feed["kind"], &feed["phase"]), (&"bmp".into(), &"syncing".into()), "{status:#}");
    assert_eq!(feed["name"], "<b>r1</b> at 127.0.0.1", "{status:#}");
    assert!(status["contents"].is_null() && !status.to_string().contains(".bin"), "a tracker knows no names");

    let Some(browser) = Browser::find() else {
        return println!("skipped: there is no chromium here");
    };
    let (dom, said) = browser.dom(&place, &format!("{}/?refresh=3000", tracker.admin()));
    for text in [
        "&lt;b&gt;r1&lt;/b&gt; at 127.0.0.1",
        "Questions a second",
        "Who is known",
        "Prefixes of IPv4",
        "content=\"3000\"",
    ] {
        assert!(dom.contains(text), "{text}\n{dom}");
    }
    assert_undisturbed(&said);
    look_at(&browser, &place, &format!("{}/", tracker.admin()), "tracker");
}
