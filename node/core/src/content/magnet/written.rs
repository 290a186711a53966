//! Links as people pass them on: from the source of a web page, a mail, a chat or a list.
//!
//! Invariant: a link that [`Magnet`](super::Magnet) writes is left as it is.

use std::borrow::Cow;

/// How often an escaped link is unescaped: it may have been escaped again, but not without end.
const ESCAPED_TIMES_MAX: usize = 3;
/// The longest entity that is looked for, in bytes, without its `&` and `;`.
const ENTITY_BYTES_MAX: usize = 8;
/// Characters around a link that are no part of it.
const AROUND: &[char] = &[
    '"', '\'', '<', '>', '(', ')', '[', ']', '{', '}', ',', ';', '`', '\u{201c}', '\u{201d}', '\u{2018}',
    '\u{2019}', '«', '»',
];
/// Characters that are there and are not seen.
const UNSEEN: &[char] = &['\u{feff}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{a0}'];

/// The link that a text means: without the characters around it, without line breaks and the spaces
/// at them, and with its characters in place of their escapes.
pub(super) fn cleaned(text: &str) -> Cow<'_, str> {
    let mut link = Cow::Borrowed(link_in(trimmed(text)));
    let is_quoted = link.contains("xt=3D");
    if link.contains(['\r', '\n']) {
        let line = |line: &'_ str| {
            if is_quoted { line.trim().trim_end_matches('=') } else { line.trim() }.to_owned()
        };
        link = Cow::Owned(link.lines().map(line).collect());
    }
    if is_quoted {
        // The raw text of a mail (RFC 2045, 6.7).
        link = Cow::Owned(link.replace("=3D", "="));
    }
    if link.get(.."magnet%3A".len()).is_some_and(|start| start.eq_ignore_ascii_case("magnet%3A"))
        && let Some(decoded) = super::percent::decode(&link)
    {
        // It is the value of a parameter of another URL.
        link = Cow::Owned(decoded);
    }
    for _ in 0..ESCAPED_TIMES_MAX {
        match unescaped(&link) {
            Some(plain) => link = Cow::Owned(link_in(trimmed(&plain)).to_owned()),
            None => break,
        }
    }
    // No link holds these as they are: it ended before them.
    let whole = link.split(['"', '<', '>']).next().unwrap_or(&link);
    let whole = without_stop(whole).unwrap_or(whole);
    if whole.len() < link.len() { Cow::Owned(whole.to_owned()) } else { link }
}

/// The link in the middle of a text: of `<a href="…">`, of `[name](…)`, or of a sentence. The whole
/// text, if it begins with its link or has none.
fn link_in(text: &str) -> &str {
    const SCHEME: &str = "magnet:?";
    let is_scheme = |at: &usize| {
        text.as_bytes()[*at..]
            .get(..SCHEME.len())
            .is_some_and(|it| it.eq_ignore_ascii_case(SCHEME.as_bytes()))
    };
    let Some(at) = text.match_indices(['m', 'M']).map(|(at, _)| at).find(is_scheme) else { return text };
    let (before, link) = text.split_at(at);
    let Some(before) = before.chars().next_back() else { return text };
    let is_end = |c: char| match before {
        '"' | '\'' | '`' => c == before,
        '(' => c == ')',
        '[' => c == ']',
        '{' => c == '}',
        _ => c.is_whitespace() || matches!(c, '<' | '>'),
    };
    link.split(is_end).next().unwrap_or(link)
}

/// The link before the full stop of a sentence. `None`: it ends otherwise. Only a content id tells
/// for sure that the stop is no part of the link.
fn without_stop(link: &str) -> Option<&str> {
    let before = link.strip_suffix(['.', '!', '?', ':'])?;
    let digits = before.bytes().rev().take_while(u8::is_ascii_hexdigit).count();
    (digits >= 64).then_some(before)
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || AROUND.contains(&c) || UNSEEN.contains(&c))
}

/// The text with its HTML entities and JSON escapes replaced. `None`: there are none.
fn unescaped(text: &str) -> Option<String> {
    if !text.contains(['&', '\\']) {
        return None;
    }
    let (mut plain, mut rest, mut changed) = (String::with_capacity(text.len()), text, false);
    while let Some(at) = rest.find(['&', '\\']) {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        let found = if escape.starts_with('&') { entity(escape) } else { json(escape) };
        match found {
            Some((character, after)) => {
                plain.push(character);
                (rest, changed) = (after, true);
            }
            None => {
                let (sign, after) = escape.split_at(1);
                plain.push_str(sign);
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    changed.then_some(plain)
}

/// A character written as `&amp;`, `&#38;` or `&#x26;`, and the text after it.
fn entity(text: &str) -> Option<(char, &str)> {
    let (name, after) = text.strip_prefix('&')?.split_once(';')?;
    if name.len() > ENTITY_BYTES_MAX {
        return None;
    }
    let character = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => char::from_u32(u32::from_str_radix(digits, 16).ok()?)?,
            None => char::from_u32(number.parse().ok()?)?,
        },
        None => named(name)?,
    };
    Some((character, after))
}

/// The named entities that a link may have been written with.
fn named(name: &str) -> Option<char> {
    Some(match name {
        "amp" | "AMP" => '&',
        "quot" | "QUOT" => '"',
        "apos" => '\'',
        "lt" | "LT" => '<',
        "gt" | "GT" => '>',
        "nbsp" => ' ',
        "colon" => ':',
        "equals" => '=',
        "quest" => '?',
        "sol" => '/',
        "period" => '.',
        "percnt" => '%',
        "plus" => '+',
        "comma" => ',',
        "lowbar" => '_',
        _ => return None,
    })
}

/// A character written as `\u0026` or `\/`, and the text after it.
fn json(text: &str) -> Option<(char, &str)> {
    let rest = text.strip_prefix('\\')?;
    if let Some(after) = rest.strip_prefix('/') {
        return Some(('/', after));
    }
    // Shells and chat programs put a backslash before characters that mean something to them.
    if let Some(sign @ ('&' | '?' | '=')) = rest.chars().next() {
        return Some((sign, &rest[1..]));
    }
    let digits = rest.strip_prefix('u')?.get(..4)?;
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    Some((character, &rest[5..]))
}
