use super::*;

const BAD: [f64; 4] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX];

fn caption() -> Caption<'static> {
    Caption {
        id: "some",
        title: "Some <b>plot</b>",
        description: "What \"it\" shows & why.".to_owned(),
        mode: "exact",
    }
}

fn labels() -> Labels<'static> {
    Labels { x: "time, in seconds", y: "rate, in MB/s" }
}

fn drawn(points: &[(f64, f64)]) -> String {
    line(&caption(), &labels(), points, Shape::Steps, 100.0, None).into_string()
}

fn banded(values: &[f64]) -> String {
    let edges: Vec<f64> = (0..=values.len()).map(|edge| edge as f64).collect();
    let band = |class| Band { words: "same AS", class, values: values.to_vec(), sum: values.iter().sum() };
    stack(&caption(), &labels(), &edges, &[band("tier-3"), band("origin")]).into_string()
}

fn barred(values: &[f64]) -> String {
    let row = |value: &f64| Bar {
        name: "AS64500".to_owned(),
        value: *value,
        mark: Some(*value),
        words: "1 of 2".to_owned(),
        scaled: true,
    };
    let rows: Vec<Bar> = values.iter().map(row).collect();
    bars(&caption(), &Mark { axis: "copies", mark: "fewest" }, &rows).into_string()
}

fn spreads(values: &[f64]) -> String {
    let point =
        |value: &f64| SpreadPoint { name: "5M".to_owned(), low: *value, median: *value, high: *value };
    spread(&caption(), &labels(), &values.iter().map(point).collect::<Vec<_>>()).into_string()
}

fn ratioed(values: &[f64]) -> String {
    let row = |value: &f64| RatioRow { name: "last".to_owned(), ratio: *value, words: "2.00".to_owned() };
    ratios(&caption(), "B/A", &values.iter().map(row).collect::<Vec<_>>()).into_string()
}

/// Every plot of the same values.
fn all(values: &[f64]) -> [String; 5] {
    let points: Vec<(f64, f64)> = values.iter().map(|value| (*value, *value)).collect();
    [drawn(&points), banded(values), barred(values), spreads(values), ratioed(values)]
}

#[test]
fn what_is_not_a_number_is_never_drawn() {
    for values in [&BAD[..], &[1.0, f64::NAN, 3.0], &[f64::INFINITY], &[0.0], &[-1.0, -2.0]] {
        for plot in all(values) {
            assert!(!plot.contains("NaN") && !plot.contains("inf"), "{values:?}: {plot}");
        }
    }
    let rule = Rule { x: f64::NAN, words: "bound".to_owned() };
    let plot = line(&caption(), &labels(), &[(1.0, 1.0)], Shape::Straight, f64::NAN, Some(&rule));
    let plot = plot.into_string();
    assert!(!plot.contains("NaN") && !plot.contains("class=\"rule\""), "{plot}");
}

#[test]
fn a_plot_without_data_says_so_and_keeps_its_name() {
    for plot in all(&[]) {
        assert!(plot.contains("No data"), "{plot}");
        assert!(plot.contains("role=\"img\"") && plot.contains("<desc id=\"some-desc\">"), "{plot}");
    }
}

#[test]
fn every_plot_has_a_title_a_description_and_is_escaped() {
    for plot in all(&[1.0, 2.0]) {
        assert!(plot.contains("<title id=\"some-title\">Some &lt;b&gt;plot&lt;/b&gt;</title>"), "{plot}");
        assert!(plot.contains("What &quot;it&quot; shows &amp; why."), "{plot}");
        assert!(plot.contains("aria-labelledby=\"some-title some-desc\""), "{plot}");
    }
    for plot in [drawn(&[(1.0, 1.0)]), banded(&[1.0]), spreads(&[1.0])] {
        assert!(plot.contains("time, in seconds") && plot.contains("rate, in MB/s"), "{plot}");
    }
}

#[test]
fn a_single_point_can_be_seen() {
    let plot = drawn(&[(3.0, 100.0)]);
    assert!(plot.contains("<circle class=\"dot\""), "{plot}");
}

#[test]
fn steps_keep_their_height_until_the_next_point() {
    let plot = drawn(&[(0.0, 0.0), (5.0, 100.0)]);
    // The axis has 5 steps to 5, so that the second point is at the right end and on top.
    let flat = format!(
        "M{} {}L{} {}L{} {}",
        number(LEFT),
        number(BOTTOM),
        number(RIGHT),
        number(BOTTOM),
        number(RIGHT),
        number(TOP)
    );
    assert!(plot.contains(&flat), "{plot}");
}

#[test]
fn bands_are_told_apart_by_patterns_and_words_and_not_by_colour_alone() {
    let plot = banded(&[2.0; 12]);
    for part in ["id=\"some-tier-3\"", "url(#some-tier-3)", "url(#some-origin)", "same AS: 50.0 %"] {
        assert!(plot.contains(part), "{part}: {plot}");
    }
    let inside = plot.matches("<text class=\"over\"").count();
    assert_eq!(inside, 2, "thick bands hold their words: {plot}");
}

#[test]
fn a_bar_beyond_the_axis_ends_in_an_arrow() {
    let bar = |value, scaled| Bar {
        name: "a long name that does not fit".to_owned(),
        value,
        mark: None,
        words: String::new(),
        scaled,
    };
    let words = Mark { axis: "copies", mark: "" };
    let plot = bars(&caption(), &words, &[bar(2.0, true), bar(900.0, false)]).into_string();
    assert_eq!(plot.matches("<path class=\"bar\"").count(), 1, "{plot}");
    assert!(plot.contains("<title>a long name that does not fit</title>a long name that\u{2026}"), "{plot}");
}

#[test]
fn ratios_lie_on_both_sides_of_one() {
    let plot = ratioed(&[0.5, 2.0, 100.0, 0.0, -3.0]);
    assert_eq!(plot.matches("<rect class=\"bar\"").count(), 3, "{plot}");
    assert_eq!(plot.matches("<path class=\"bar\"").count(), 1, "{plot}");
}
