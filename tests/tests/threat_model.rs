//! The page with the threat model agrees with the source: each constant has the stated value, each
//! test exists, and each row names both.

use std::fs;

use e2e::binaries::workspace;

/// One row of a table.
#[derive(Debug)]
struct Row {
    line: usize,
    bounds: Vec<String>,
    shown_by: Vec<String>,
}

fn page() -> String {
    fs::read_to_string(workspace().join("docs/threat-model.md")).expect("the page is there")
}

/// The texts between backquotes.
fn spans(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows(page: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(page.lines()) {
        let cells: Vec<&str> = text.trim().trim_matches('|').split(" | ").collect();
        if !text.starts_with('|') || text.starts_with("|---") || text.contains("It can try") {
            continue;
        }
        assert_eq!(cells.len(), 4, "line {line}: four columns: {text}");
        rows.push(Row { line, bounds: spans(cells[2]), shown_by: spans(cells[3]) });
    }
    rows
}

/// The text without white space, so that formatting does not matter.
fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Checks `path::NAME = value` against the source. The error says what is wrong.
fn check_bound(source: &str, name: &str, value: &str) -> Result<(), String> {
    let declaration = format!("const {name}: ");
    let (_, rest) = source.split_once(&declaration).ok_or(format!("there is no constant {name}"))?;
    let (found, _) = rest.split_once(';').ok_or(format!("{name} has no end"))?;
    let (_, found) = found.split_once('=').ok_or(format!("{name} has no value"))?;
    if bare(found) == bare(value) { Ok(()) } else { Err(format!("{name} is {}, not {value}", found.trim())) }
}

/// Checks that a test of this name exists. The error says what is wrong.
fn check_test(source: &str, name: &str) -> Result<(), String> {
    let (before, _) = source.split_once(&format!("fn {name}(")).ok_or(format!("there is no test {name}"))?;
    // The attributes of the test stand between the end of the previous item and its name.
    let attributes = before.rsplit(['}', ';']).next().unwrap_or_default();
    if attributes.contains("test") { Ok(()) } else { Err(format!("{name} is no test")) }
}

fn source(path: &str) -> Result<String, String> {
    fs::read_to_string(workspace().join(path)).map_err(|error| format!("{path}: {error}"))
}

fn check(row: &Row) -> Vec<String> {
    let bound = |text: &String| -> Result<(), String> {
        let (path, rest) = text.split_once("::").ok_or(format!("{text} is no path::NAME = value"))?;
        let (name, value) = rest.split_once(" = ").ok_or(format!("{text} has no value"))?;
        check_bound(&source(path)?, name, value)
    };
    let test = |text: &String| -> Result<(), String> {
        let (path, name) = text.split_once("::").ok_or(format!("{text} is no path::test"))?;
        check_test(&source(path)?, name)
    };
    let mut problems: Vec<String> = row.bounds.iter().filter_map(|text| bound(text).err()).collect();
    problems.extend(row.shown_by.iter().filter_map(|text| test(text).err()));
    if row.bounds.is_empty() {
        problems.push("no constant bounds it".to_owned());
    }
    if row.shown_by.is_empty() {
        problems.push("no test shows it".to_owned());
    }
    problems.into_iter().map(|problem| format!("docs/threat-model.md:{}: {problem}", row.line)).collect()
}

#[test]
fn every_bound_of_the_threat_model_is_the_sources_and_every_test_exists() {
    let rows = rows(&page());
    assert!(rows.len() >= 30, "the tables were found: {} rows", rows.len());
    let problems: Vec<String> = rows.iter().flat_map(check).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_kind_of_stranger_has_a_table() {
    let page = page();
    for stranger in ["Neighbour", "Directory", "Link", "Torrent", "Web seed", "Router", "Atlas", "Local user"]
    {
        assert!(page.lines().any(|line| line == format!("## {stranger}")), "{stranger}");
    }
}

#[test]
fn what_is_no_longer_true_is_found() {
    let source = "/// Why.\npub(crate) const ROWS_MAX: usize =\n    64 << 10;\n\n#[test]\nfn it_holds() {}\nfn other() {}\n";
    assert_eq!(check_bound(source, "ROWS_MAX", "64 << 10"), Ok(()));
    assert!(check_bound(source, "ROWS_MAX", "65 << 10").unwrap_err().contains("64 << 10"));
    assert!(check_bound(source, "ROWS", "64").is_err());
    assert_eq!(check_test(source, "it_holds"), Ok(()));
    assert!(check_test(source, "other").is_err() && check_test(source, "it_hold").is_err());
    let page = "| It can try | costs | Bound | Shown by |\n|---|---|---|---|\n| lie | much | `a.rs::B = 1` | none |\n";
    let rows = rows(page);
    let problems = check(&rows[0]).join("\n");
    assert!(rows.len() == 1 && problems.contains("a.rs") && problems.contains("no test"), "{problems}");
}
