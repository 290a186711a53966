use std::fs;

use super::*;
use crate::report::{tests::outcome, write};

/// Runs for each value and seed, in folders of their own; the last completion is the seed.
fn sweep(folder: &Path, values: &[&str], seeds: &[u64]) {
    for value in values {
        for seed in seeds {
            let mut outcome = outcome(20, *seed);
            outcome.summary.options.insert("up".to_owned(), (*value).to_owned());
            outcome.summary.completion_seconds.last = *seed as f64;
            write(&outcome, &folder.join(format!("up={value},seed={seed}"))).unwrap();
        }
    }
}

fn index_of(folder: &Path) -> String {
    fs::read_to_string(write_index(folder).unwrap()).unwrap()
}

#[test]
fn an_index_has_a_row_and_a_link_for_each_run() {
    let folder = tempfile::tempdir().unwrap();
    sweep(folder.path(), &["5M", "10M"], &[1, 2, 6]);
    let page = index_of(folder.path());
    assert_eq!(page.matches("/report.html\"").count(), 6);
    assert!(page.contains("href=\"./up%3D5M%2Cseed%3D2/report.html\""), "{page}");
    assert!(page.contains("They differ in"), "{page}");
    assert_eq!(index_of(folder.path()), page, "the same runs give the same bytes");
}

#[test]
fn one_setting_that_varies_is_drawn_with_medians_in_the_order_of_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    sweep(folder.path(), &["10M", "5M", "900k"], &[1, 2, 6]);
    let page = index_of(folder.path());
    assert_eq!(page.matches("role=\"img\"").count(), 2);
    assert!(page.contains("900k: 2.0 s; 5M: 2.0 s; 10M: 2.0 s."), "{page}");
}

#[test]
fn nothing_is_drawn_when_no_or_several_settings_vary() {
    let folder = tempfile::tempdir().unwrap();
    sweep(folder.path(), &["5M"], &[1, 2]);
    assert!(!index_of(folder.path()).contains("role=\"img\""));

    let mut other = outcome(30, 7);
    other.summary.options.insert("up".to_owned(), "9M".to_owned());
    write(&other, &folder.path().join("<b>")).unwrap();
    let page = index_of(folder.path());
    assert!(!page.contains("role=\"img\"") && !page.contains("<b>"), "{page}");
    assert!(page.contains("peers, up"), "{page}");
}

#[test]
fn a_folder_without_runs_gets_no_index() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(write_index(folder.path()), Err(IndexError::Read(ReadError::NoRun { .. }))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
