//! The shipped monitoring files: a running service has every metric and label that they name, and
//! the tools that read the files accept them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
    time::Instant,
};

use e2e::{
    binaries::workspace,
    cluster::PATIENCE,
    http::Answer,
    internet,
    operated::Operated,
    place::Place,
    process::{Process, Stream},
    tracker::{Tracker, TrackerOptions},
};
use serde_json::Value;

/// Names of metrics, each with its labels and their values.
type Told = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Labels that the collector adds to each sample.
const COLLECTOR_LABELS: [&str; 2] = ["job", "instance"];
/// Metrics that the collector makes itself.
const COLLECTOR_METRICS: [&str; 1] = ["up"];
/// Words of the query language that the expressions use.
const LANGUAGE: [&str; 10] =
    ["by", "changes", "count", "histogram_quantile", "increase", "label_values", "rate", "sum", "time", "le"];

fn folder() -> PathBuf {
    workspace().join("docs/monitoring")
}

fn read(name: &str) -> String {
    let path = folder().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Adds all metrics of a service to `told`.
fn scrape(text: &str, told: &mut Told) {
    for line in text.lines().filter(|line| line.starts_with("nearcast_") || line.starts_with("process_")) {
        let (sample, _) = line.rsplit_once(' ').expect("a sample has a value");
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let known = told.entry(name.to_owned()).or_default();
        for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once('=').expect("a label has a value");
            known.entry(name.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
    }
}

/// Names in an expression: metrics with the label matchers in braces, and labels that it groups by.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    metrics: Vec<(String, Vec<(String, String)>)>,
    groups: Vec<String>,
}

fn named(expression: &str) -> Named {
    let (mut named, mut rest) = (Named::default(), expression);
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '[') {
        // The exponent or unit of a number is not a name.
        let is_in_number = rest[..at].ends_with(|c: char| c.is_ascii_digit());
        rest = &rest[at..];
        if rest.starts_with('[') {
            rest = rest.split_once(']').expect("a range ends").1;
            continue;
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        if is_in_number {
            continue;
        }
        if word == "by" {
            let (list, behind) = rest.trim_start()[1..].split_once(')').expect("a list ends");
            named.groups.extend(list.split(',').map(|label| label.trim().to_owned()));
            rest = behind;
        } else if !LANGUAGE.contains(&word) {
            let mut matchers = Vec::new();
            if let Some(inside) = rest.strip_prefix('{') {
                let (list, behind) = inside.split_once('}').expect("braces are closed");
                matchers.extend(list.split(", ").map(matcher));
                rest = behind;
            }
            named.metrics.push((word.to_owned(), matchers));
        }
    }
    named
}

/// A label and the value it must equal. The value is empty for other matches.
fn matcher(text: &str) -> (String, String) {
    let end = text.find(['=', '!']).expect("a matcher compares");
    let (label, rest) = text.split_at(end);
    let exact = rest.strip_prefix("=\"").and_then(|value| value.strip_suffix('"'));
    (label.trim().to_owned(), exact.unwrap_or_default().to_owned())
}

/// Errors in an expression, and in the labels that its legend shows.
fn faults(expression: &str, shown: &[String], told: &Told) -> Vec<String> {
    let (named, mut faults) = (named(expression), Vec::new());
    let mut labels: BTreeSet<&str> = COLLECTOR_LABELS.into();
    for (metric, matchers) in &named.metrics {
        if COLLECTOR_METRICS.contains(&metric.as_str()) {
            continue;
        }
        let Some(known) = told.get(metric) else {
            faults.push(format!("no service tells {metric}: {expression}"));
            continue;
        };
        labels.extend(known.keys().map(String::as_str));
        for (label, value) in matchers.iter().filter(|(label, _)| !COLLECTOR_LABELS.contains(&label.as_str()))
        {
            let values = known.get(label);
            if !values.is_some_and(|values| value.is_empty() || values.contains(value)) {
                faults.push(format!("{metric} has no {label}=\"{value}\": {expression}"));
            }
        }
    }
    let named_labels = named.groups.iter().chain(shown);
    let strange = named_labels.filter(|label| !labels.contains(label.as_str()));
    faults.extend(strange.map(|label| format!("nothing has a label {label}: {expression}")));
    faults
}

/// The labels that a legend or an annotation shows.
fn shown(text: &str) -> Vec<String> {
    let places = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let labels = places.filter_map(|place| {
        let place = place.trim();
        if place.contains("$value") { None } else { Some(place.trim_start_matches("$labels.").to_owned()) }
    });
    labels.collect()
}

/// Expressions of the rules, each with the labels in its annotations.
fn rules() -> Vec<(String, Vec<String>)> {
    let text = read("rules.yml");
    let alerts: Vec<&str> = text.split("- alert:").skip(1).collect();
    let rules: Vec<_> = alerts
        .iter()
        .map(|alert| {
            let line = alert.lines().find_map(|line| line.trim().strip_prefix("expr: "));
            (line.expect("an alert has an expression, on one line").to_owned(), shown(alert))
        })
        .collect();
    assert!(rules.len() > 10, "the rules were found");
    rules
}

/// Finds all values of `key`, at any depth.
fn find<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(key));
            members.values().for_each(|member| find(member, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| find(item, key, found)),
        _ => {}
    }
}

/// Expressions of a dashboard, each with the labels of its legend.
fn dashboard(name: &str) -> Vec<(String, Vec<String>)> {
    let dashboard: Value =
        serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut targets = Vec::new();
    find(&dashboard, "targets", &mut targets);
    let targets: Vec<&Value> = targets.into_iter().filter_map(Value::as_array).flatten().collect();
    assert!(targets.len() > 20, "{name}: the expressions were found");
    let mut all: Vec<_> = targets
        .iter()
        .map(|target| {
            let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
            (text("expr"), shown(&text("legendFormat")))
        })
        .collect();
    let variables = dashboard["templating"]["list"].as_array().expect("a dashboard has variables");
    let queries = variables.iter().filter_map(|variable| variable["definition"].as_str());
    // A variable's query asks for the values of a label.
    all.extend(
        queries
            .map(|query| (query.rsplit_once(',').expect("a metric, and a label").0.to_owned(), Vec::new())),
    );
    let mut ids: Vec<i64> = Vec::new();
    let panels = dashboard["panels"].as_array().expect("a dashboard has panels");
    ids.extend(panels.iter().filter_map(|panel| panel["id"].as_i64()));
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>().len(),
        panels.len(),
        "{name}: each panel has an id of its own"
    );
    all
}

/// Starts a seeder and a tracker that have values for all metrics.
fn start(place: &Place) -> (Operated, Tracker) {
    let atlas = internet::write_atlas(place.path());
    let arguments = ["--atlas", &atlas.to_string_lossy(), "--bmp", "127.0.0.1:0"];
    let tracker = Tracker::start(place, &TrackerOptions::new(place, "127.49.9.1", &arguments));
    let root = place.folder("root");
    let seeder = Operated::start(place, &root, "127.49.9.2", "");
    // The counts of what strangers hold appear a moment after the start.
    let deadline = Instant::now() + PATIENCE;
    let asks: [&dyn Fn() -> Answer; 2] = [&|| seeder.ask("/metrics"), &|| tracker.ask("/metrics")];
    for ask in asks {
        while !ask().text.contains("nearcast_budget_limit{") {
            assert!(Instant::now() < deadline, "{}", seeder.process.tail());
        }
    }
    (seeder, tracker)
}

#[test]
fn every_name_in_rules_and_dashboards_is_told_by_a_running_service() {
    let place = Place::new();
    let (seeder, tracker) = start(&place);
    let (mut of_seeder, mut of_tracker, mut of_both) = (Told::new(), Told::new(), Told::new());
    let (seeder, tracker) = (seeder.ask("/metrics").text, tracker.ask("/metrics").text);
    scrape(&seeder, &mut of_seeder);
    scrape(&tracker, &mut of_tracker);
    [&seeder, &tracker].iter().for_each(|text| scrape(text, &mut of_both));
    let files = [
        (rules(), &of_both),
        (dashboard("seeder.json"), &of_seeder),
        (dashboard("tracker.json"), &of_tracker),
    ];
    let faults: Vec<String> = files
        .iter()
        .flat_map(|(expressions, told)| {
            expressions.iter().flat_map(|(expression, shown)| faults(expression, shown, told))
        })
        .collect();
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn a_name_that_nobody_tells_is_found() {
    let mut told = Told::new();
    scrape("nearcast_a_total{tier=\"lan\"} 7\nnearcast_b_bucket{le=\"1.0\"} 0\n", &mut told);
    let good = "histogram_quantile(0.5, sum by (le) (rate(nearcast_b_bucket{job=~\"$job\"}[5m]))) > 1e3 * 2";
    for (expression, shown, count) in [
        (good, "", 0),
        ("up{job=~\"x\"} == 0", "instance", 0),
        ("sum by (tier) (nearcast_a_total{tier=\"lan\"})", "tier", 0),
        ("nearcast_a_totl", "", 1),
        ("time() - nearcast_a", "", 1),
        ("ratee(nearcast_a_total[5m])", "", 1),
        ("nearcast_a_total{tier=\"lam\"}", "", 1),
        ("nearcast_a_total{teer=~\"l.*\"}", "", 1),
        ("sum by (kind) (nearcast_a_total)", "", 1),
        ("nearcast_a_total", "kind", 1),
    ] {
        let shown: Vec<String> =
            [shown].iter().filter(|label| !label.is_empty()).map(|&label| label.to_owned()).collect();
        assert_eq!(faults(expression, &shown, &told).len(), count, "{expression}");
    }
}

#[test]
fn promtool_takes_the_rules_their_tests_and_what_services_tell() {
    if Command::new("promtool").arg("--version").output().is_err() {
        return println!("skipped: there is no promtool here");
    }
    for arguments in [["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]] {
        let process =
            Process::start("promtool", Command::new("promtool").args(arguments).current_dir(folder()));
        assert_eq!(process.wait_exit(PATIENCE), 0, "{}", process.tail());
    }
    let place = Place::new();
    let (seeder, tracker) = start(&place);
    for answer in [seeder.ask("/metrics"), tracker.ask("/metrics")] {
        let (_, body) = answer.text.split_once("\r\n\r\n").expect("a head and a body");
        let file = place.path().join("scrape.txt");
        let lines: Vec<&str> =
            body.lines().filter(|line| line.starts_with('#') || line.contains(' ')).collect();
        fs::write(&file, lines.join("\n") + "\n").expect("a temporary folder can be written to");
        let mut command = Command::new("sh");
        command.args(["-c", "promtool check metrics < \"$1\"", "sh"]).arg(&file);
        let process = Process::start("promtool", &mut command);
        let code = process.wait_exit(PATIENCE);
        assert_eq!((code, process.lines(Stream::Stderr)), (0, Vec::new()), "{}", process.tail());
    }
}

#[test]
fn every_alert_is_tried() {
    let (rules, tests) = (read("rules.yml"), read("rules_test.yml"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "the alerts were found");
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}")), "{alert} is in no test");
    }
}
