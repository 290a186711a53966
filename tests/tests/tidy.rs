//! Checks of style, as ordinary tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use e2e::binaries::workspace;

/// Words that the core must not contain: the core decides, and does no I/O. `IpAddr` and its kin
/// are plain values.
const IMPURE: [&str; 16] = [
    "tokio",
    "libp2p",
    "futures",
    "getrandom",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "println!",
];

fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let root = workspace().join(below);
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the source tree can be read") {
            let path = entry.expect("the source tree can be read").path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if path.is_dir() && !hidden && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is text");
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn short(path: &Path) -> String {
    path.strip_prefix(workspace()).unwrap_or(path).display().to_string()
}

/// A file without the tests at its end. Tests may print, and may read the clock of files they made.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// The code of a line, without its comment. Good enough: no string here has two slashes and a
/// forbidden word.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

#[test]
fn nothing_is_left_for_later() {
    // Joined here, so that this file passes its own test.
    let marks = [["FIX", "ME"], ["TO", "DO"], ["XX", "X"]].map(|parts| parts.concat());
    let all = sources("");
    assert!(all.len() > 20, "the source tree was found");
    for (path, text) in all {
        for (number, line) in (1..).zip(text.lines()) {
            let mark = marks.iter().find(|mark| line.contains(mark.as_str()));
            assert_eq!(mark, None, "{}:{number}: {line}", short(&path));
        }
    }
}

#[test]
fn the_core_names_no_clock_socket_file_or_runtime() {
    let core = sources("node/core/src");
    assert!(core.len() > 5, "the core was found");
    for (path, text) in core {
        for (number, line) in (1..).zip(without_tests(&text).lines()) {
            let impure = IMPURE.iter().find(|word| names(code(line), word));
            assert_eq!(impure, None, "{}:{number}: {line}", short(&path));
        }
    }
}

/// With the feature and without it, engines decide the same.
#[test]
fn the_core_writes_reasons_and_never_reads_them() {
    let mut written = 0;
    for (path, text) in sources("node/core/src") {
        let is_own = short(&path).starts_with("node/core/src/reasons");
        for line in without_tests(&text).lines().map(code).filter(|_| !is_own) {
            for (at, _) in line.match_indices("reasons.") {
                assert!(line[at..].starts_with("reasons.on_"), "{}: {line}", short(&path));
                written += 1;
            }
        }
    }
    assert!(written >= 3, "the places were found");
}

/// Whether `line` contains `word` as a whole word: `SimInstant` does not name `Instant`.
fn names(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Files that may read the wall clock: to tell people when something happened, or for the age of
/// data from outside. Other files compare times of files with earlier times of the same files,
/// which no step of the clock changes.
const WALL_CLOCK: [&str; 8] = [
    "node/service/src/atlas/age.rs",
    // Metrics say when something happened.
    "node/service/src/metrics.rs",
    "node/service/src/reloaded.rs",
    // The status does so too.
    "node/service/src/status.rs",
    // Whether the dates of certificates can be judged at all.
    "node/src/net/transport.rs",
    // The age of a left-over file. A step of the clock removes the file early or late, and its
    // writer tries again.
    "seeder/src/keeper/publishing.rs",
    // The version of an atlas is the time its data was collected.
    "tracker/src/feeds/live/keeper.rs",
    // Events tell scripts when they happened.
    "tui/src/report/event.rs",
];

#[test]
fn no_timer_hangs_on_the_wall_clock() {
    for (path, text) in [
        "node/src",
        "node/core/src",
        "node/service/src",
        "seeder/src",
        "tracker/src",
        "tracker/bgp/src",
        "tui/src",
    ]
    .map(sources)
    .concat()
    {
        let allowed = WALL_CLOCK.contains(&short(&path).as_str()) || path.ends_with("tests.rs");
        for (number, line) in (1..).zip(without_tests(&text).lines()) {
            let read = ["SystemTime::now", "UNIX_EPOCH.elapsed", "Utc::now", "Local::now"];
            let read = read.iter().find(|word| code(line).contains(*word));
            assert!(read.is_none() || allowed, "{}:{number}: {line}", short(&path));
        }
    }
}

/// Files that judge a certificate by other rules than those of the web, and why.
const OWN_VERIFIERS: [&str; 1] = [
    // libp2p's rules: a certificate is self-signed, and proves the key that names the peer.
    "node/src/net/tls.rs",
];

#[test]
fn no_certificate_is_taken_unseen() {
    // Joined here, so that this file passes its own test.
    let never = [["danger_", "accept"], ["tls_danger", "_"], ["dangerous_", "configuration"]]
        .map(|parts| parts.concat());
    let own = [[".danger", "ous()"], ["ServerCert", "Verifier"], ["ClientCert", "Verifier"]]
        .map(|parts| parts.concat());
    let mut judged = Vec::new();
    for (path, text) in sources("") {
        for (number, line) in (1..).zip(text.lines()) {
            let word = never.iter().find(|word| code(line).contains(word.as_str()));
            assert_eq!(word, None, "{}:{number}: {line}", short(&path));
            if own.iter().any(|word| code(line).contains(word.as_str())) {
                judged.push(short(&path));
            }
        }
    }
    judged.dedup();
    assert_eq!(judged, OWN_VERIFIERS, "who else judges certificates?");
}

/// Files that send or receive datagrams. QUIC does so as well, inside libp2p.
const DATAGRAMS: [&str; 1] = [
    // Multicast DNS: answers go to the group of the local network, at most once a second, whoever
    // asked.
    "node/src/lan/socket.rs",
];

#[test]
fn questions_are_answered_over_connections_only() {
    let programs = [
        "node/src",
        "node/core/src",
        "node/service/src",
        "seeder/src",
        "tracker/src",
        "tracker/bgp/src",
        "tui/src",
    ];
    let mut heard: Vec<String> = programs
        .map(sources)
        .concat()
        .iter()
        .filter(|(_, text)| without_tests(text).lines().any(|line| names(code(line), "UdpSocket")))
        .map(|(path, _)| short(path))
        .filter(|path| !path.contains("/tests/"))
        .collect();
    heard.sort();
    assert_eq!(heard, DATAGRAMS, "what answers datagrams can be used against whoever seems to have asked");
}

#[test]
fn words_are_found_whole() {
    assert!(names("use std::time::Instant;", "Instant"));
    assert!(names("use tokio::sync;", "tokio"));
    assert!(!names("struct InstantMap;", "Instant"));
    assert!(!names("SimInstant", "Instant"));
}

#[test]
fn the_core_depends_on_no_runtime() {
    let manifest =
        fs::read_to_string(workspace().join("node/core/Cargo.toml")).expect("the core has a manifest");
    let (_, dependencies) = manifest.split_once("[dependencies]").expect("the core has dependencies");
    let dependencies = dependencies.split("\n[").next().unwrap_or(dependencies);
    for banned in ["tokio", "libp2p", "futures", "getrandom", "rustix", "socket2", "nearcast-node"] {
        assert!(!dependencies.lines().any(|line| line.starts_with(banned)), "{banned} in {dependencies}");
    }
}

/// The most lines of a file.
const FILE_LINES_MAX: usize = 500;
/// The most lines of a function, which should fit on a screen.
const FUNCTION_LINES_MAX: usize = 70;
/// What may be longer, and why: a file, or a function of it as `path::name`.
const LONGER: [(&str, &str); 1] = [(
    "node/core/src/place/scope/tests.rs::a_strangers_url_leads_to_the_internet_and_nowhere_else",
    "a table, with an address on each line",
)];

#[test]
fn files_and_functions_are_short() {
    let (mut sizes, mut long) = (Vec::new(), BTreeMap::new());
    for (path, text) in sources("") {
        let (path, lines) = (short(&path), text.lines().count());
        for (name, lines) in functions(&text) {
            if lines > FUNCTION_LINES_MAX {
                long.insert(format!("{path}::{name}"), lines);
            }
        }
        if lines > FILE_LINES_MAX {
            long.insert(path, lines);
        }
        sizes.push(lines);
    }
    sizes.sort_unstable();
    let total: usize = sizes.iter().sum();
    println!("{} files, {total} lines, median {}", sizes.len(), sizes[sizes.len() / 2]);
    let too_long = long.iter().filter(|(place, _)| !may_be_longer(place));
    let too_long: Vec<String> = too_long.map(|(place, lines)| format!("{lines:6} {place}")).collect();
    assert!(
        too_long.is_empty(),
        "more than {FILE_LINES_MAX} lines in a file, or {FUNCTION_LINES_MAX} in a function:\n{}",
        too_long.join("\n")
    );
    for (place, why) in LONGER {
        assert!(long.contains_key(place), "{place} ({why}) is not long any more");
    }
}

fn may_be_longer(place: &str) -> bool {
    LONGER.iter().any(|(known, _)| *known == place)
}

/// The functions of a file that have a body, and the number of lines of each.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let function = |at: usize| Some((declared(lines[at])?.to_owned(), length(&lines[at..])?));
    (0..lines.len()).filter_map(function).collect()
}

/// The name of the function that a line declares. `None`: it declares none.
fn declared(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let may_stand_before = |word: &str| {
        // As in `pub(in crate::demo)`, and as in `extern "C"`.
        let is_visibility = word.starts_with("pub") || word.ends_with(')');
        let is_abi = word.len() > 1 && word.starts_with('"') && word.ends_with('"');
        is_visibility || is_abi || ["async", "const", "default", "extern", "unsafe"].contains(&word)
    };
    let name = &rest[..rest.find(['(', '<'])?];
    before.split_whitespace().all(may_stand_before).then_some(name)
}

/// The number of lines from a function's first line to the brace that closes it, which stands at the
/// same indentation. `None`: the function has no body.
fn length(lines: &[&str]) -> Option<usize> {
    for (number, line) in (1..).zip(lines) {
        let code = line.trim();
        if code.is_empty() || indentation(line) != indentation(lines[0]) {
            continue;
        }
        if code.starts_with('}') || code.ends_with('}') {
            return Some(number);
        }
        if code.ends_with(';') {
            return None;
        }
    }
    None
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[test]
fn functions_are_counted_from_their_first_line_to_their_brace() {
    let text = [
        "impl A {",
        "    pub(crate) async fn one(",
        "        &self,",
        "    ) -> u8 {",
        "        // Why.",
        "",
        "        1",
        "    }",
        "",
        "    fn none(&self);",
        "    fn far(",
        "        &self,",
        "    ) -> u8;",
        "}",
        "",
        "/// What fn two() does.",
        "pub(in crate::demo) const fn two<T>() {}",
    ]
    .join("\n");
    assert_eq!(functions(&text), [("one".to_owned(), 7), ("two".to_owned(), 1)]);
}
