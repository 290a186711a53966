use super::*;
use crate::report::tests::outcome;

fn runs(seeds: [u64; 3], up: &str, factor: f64) -> Vec<Summary> {
    let run = |seed: u64| {
        let mut run = outcome(50, seed).summary;
        run.options.insert("up".to_owned(), up.to_owned());
        run.completion_seconds.last = (10.0 + seed as f64) * factor;
        run
    };
    seeds.map(run).to_vec()
}

fn figure<'a>(comparison: &'a Comparison, name: &str) -> &'a Figure {
    comparison.figures.iter().find(|figure| figure.name == name).expect("the figure is compared")
}

#[test]
fn figures_are_medians_and_their_ratio() {
    let comparison = compare(&runs([1, 2, 9], "5M", 1.0), &runs([3, 2, 1], "9M", 0.5));
    let last = figure(&comparison, "completion_last_seconds");
    assert_eq!((last.a, last.b, last.ratio), (Some(12.0), Some(6.0), Some(0.5)));
    assert_eq!(comparison.a.seeds, BTreeSet::from([1, 2, 9]));
    assert_eq!(comparison.traces, Traces::Different);
    assert_eq!(comparison.checks["no_clog"], Failures { a: 3, b: 3 });
}

#[test]
fn only_settings_that_differ_are_named() {
    let comparison = compare(&runs([1, 2, 3], "5M", 1.0), &runs([1, 2, 3], "9M", 1.0));
    let names: Vec<&String> = comparison.settings.keys().collect();
    assert_eq!(names, ["up"]);
    assert_eq!(comparison.settings["up"].b, BTreeSet::from(["9M".to_owned()]));
    assert_eq!(comparison.traces, Traces::Same, "made-up traces hang on the seed alone");
}

#[test]
fn what_is_not_known_has_no_ratio() {
    let (mut a, mut b) = (outcome(50, 1).summary, outcome(50, 1).summary);
    a.bound_seconds = None;
    a.wasted_copies = 0.0;
    b.completion_seconds.p95 = f64::NAN;
    let comparison = compare(&[a], &[b]);
    for name in ["bound_seconds", "wasted_copies", "completion_p95_seconds"] {
        assert_eq!(figure(&comparison, name).ratio, None, "{name}");
    }
    let nothing = compare(&[], &[]);
    assert_eq!((nothing.figures.len(), nothing.a.runs), (0, 0));
}

#[test]
fn the_text_is_aligned_and_the_json_has_every_figure() {
    let comparison = compare(&runs([1, 2, 3], "5M", 1.0), &runs([1, 2, 3], "9\u{1b}M", 2.0));
    let text = comparison.to_string();
    assert!(text.starts_with("A: 3 runs of flash_crowd, 3 seeds from 1 to 3\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let figures: Vec<&str> = text.split("\n\n").nth(1).expect("a table").lines().collect();
    let widths: BTreeSet<usize> = figures.iter().map(|line| line.chars().count()).collect();
    assert_eq!(widths.len(), 1, "{text}");
    let last = figures.iter().find(|line| line.starts_with("last is done")).expect("a row");
    assert_eq!(last.split_whitespace().collect::<Vec<_>>().join(" "), "last is done 12.0 s 24.0 s 2.00");

    let json = serde_json::to_value(&comparison).unwrap();
    assert_eq!(json["figures"].as_array().unwrap().len(), comparison.figures.len());
    assert_eq!(json["traces"], "same");
    assert_eq!(json["figures"][0]["unit"], "seconds");
}

#[test]
fn the_page_is_written_whole_and_escapes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compare.html");
    let comparison = compare(&runs([1, 2, 3], "<script>", 1.0), &runs([1, 2, 3], "9M", 9.0));
    write_page(&comparison, &path).unwrap();
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script") && !page.contains("NaN"));
    assert!(page.contains("differs by a factor of 9.00"), "{page}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
