//! What all pages have in common: one file each, without scripts, which loads nothing.
//!
//! Invariant: the template (maud) escapes everything put into a page, and names are made
//! [`printable`], so a name can neither be markup nor reorder the text around it.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use nearcast_core::paths::printable;

/// The colours and tables are those of the services' status page.
pub(super) const STYLE: &str = include_str!("page.css");

/// Nothing may be loaded, run or sent. Only the style inside the file applies; it cannot load
/// anything either.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A whole page with a heading, a line about it, sections and a footer.
pub(super) fn document(title: &str, heading: &Markup, sections: &Markup, footer: &Markup) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_SECURITY_POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (printable(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (heading) }
                main { (sections) }
                footer { (footer) }
            }
        }
    };
    markup.into_string()
}

/// A tile with an important value, and perhaps words below it.
pub(super) fn tile(label: &str, value: &str, beside: &str) -> Markup {
    html! {
        div.tile {
            span.label { (label) } " " span.value { (value) }
            @if !beside.is_empty() { " " span.beside { (beside) } }
        }
    }
}

/// A part of the page with a heading.
pub(super) fn section(id: &str, title: &str, place: Place, inside: &Markup) -> Markup {
    html! {
        section class=[place.class()] aria-labelledby=(id) { h2 id=(id) { (title) } (inside) }
    }
}

/// Which place a section takes where there are two columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The next place in either column.
    Next,
    /// The next place in either column, with up to three sections beside it.
    Tall,
    /// Both columns.
    Wide,
}

impl Place {
    fn class(self) -> Option<&'static str> {
        match self {
            Place::Next => None,
            Place::Tall => Some("tall"),
            Place::Wide => Some("wide"),
        }
    }
}

/// A section for a plot, which brings its own heading.
pub(super) fn plot(place: Place, figure: &Markup) -> Markup {
    html! { section class=[place.class()] { (figure) } }
}

/// A list of names and values.
pub(super) fn facts(rows: &[(String, String)]) -> Markup {
    html! { dl { @for (name, value) in rows { div { dt { (words(name)) } dd { (words(value)) } } } } }
}

/// A table. On a narrow screen each row is a block that names its columns; the roles keep it a
/// table for screen readers.
pub(super) fn table(caption: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        table role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" { @for column in columns { th role="columnheader" scope="col" { (words(column)) } } }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (number, (cell, column)) in row.iter().zip(columns).enumerate() {
                            @if number == 0 { th role="rowheader" scope="row" { (cell) } }
                            @else { td role="cell" data-label=(printable(column)) { div { (cell) } } }
                        }
                    }
                }
            }
        }
    }
}

/// Text from elsewhere, with a text direction of its own.
pub(super) fn words(text: &str) -> Markup {
    html! { bdi { (printable(text)) } }
}

/// Whether something held, in a word and a colour.
pub(super) fn verdict(held: bool) -> Markup {
    html! {
        @if held { span.state.good { "held" } }
        @else { span.state.bad { "failed" } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two rules with the colours that pages share, for light and for dark.
    fn colours(style: &str) -> &str {
        let (colours, _) = style.split_once("\n}\n@media").expect("light colours come first");
        let rest = &style[colours.len()..];
        let dark = rest.find("\n  }\n}\n").expect("dark colours follow");
        &style[..colours.len() + dark]
    }

    #[test]
    fn colours_are_those_of_the_status_page() {
        let status = include_str!("../../../node/service/src/status/page.css");
        assert_eq!(colours(STYLE), colours(status));
    }

    #[test]
    fn a_page_loads_and_runs_nothing() {
        let page = document("<script>alert(1)</script>", &html! {}, &html! {}, &html! {});
        assert!(page.contains("<title>&lt;script&gt;alert(1)&lt;/script&gt;</title>"), "{page}");
        for word in ["<script", "<link", "<img", "url(http", "@import", " src="] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}
