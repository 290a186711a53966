//! Interprets an HTTP answer: (the beginning of) the range that was asked for, the whole file, or
//! trouble.
//!
//! Every piece is verified, so nothing that a server says about a file decides about its bytes. Two
//! machines behind one name disagree about dates and ETags, and many servers call a `.tgz` encoded.
//! Anything odd is kept as a doubt, and given as the reason if the bytes turn out to be false. Only
//! lengths decide: a file of another length is another file.

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

use crate::events::{Trouble, Why};
use nearcast_core::{outcomes::Remedy, untrusted::Untrusted, web_pace::PAUSE_MAX};
use reqwest::{
    StatusCode,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue,
        LAST_MODIFIED, RETRY_AFTER,
    },
};

/// An answer brings at least this many of the bytes asked for. With fewer, a request would cost
/// more than it brings.
const ANSWER_BYTES_MIN: u64 = 1024;

/// What the body of an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// These bytes of the file. They include the first byte asked for.
    Part(Range<u64>),
    /// The whole file from its first byte: the server does not send ranges.
    Whole,
}

/// What a server says about the version of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

impl Version {
    fn of(headers: &HeaderMap) -> Version {
        let header = |name: HeaderName| headers.get(name).cloned();
        Version { etag: header(ETAG), modified: header(LAST_MODIFIED) }
    }

    /// Whether the two versions say that they differ. If both have an ETag, the ETags decide: two
    /// servers behind one name often disagree about dates.
    fn differs(&self, other: &Version) -> bool {
        match (&self.etag, &other.etag) {
            (Some(mine), Some(theirs)) => mine != theirs,
            _ => matches!((&self.modified, &other.modified), (Some(mine), Some(theirs)) if mine != theirs),
        }
    }
}

/// An answer that is usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) extent: Extent,
    pub(super) version: Version,
    /// Why the bytes may be false. `None`: there is no doubt.
    pub(super) doubt: Option<&'static str>,
}

/// Judges the head of an answer to a request for the bytes `asked` of a file of `file_bytes`.
/// `known` is what the first answer said about the file.
///
/// # Errors
/// If the body is not usable. If the server had the file before (`known`), the trouble counts as
/// passing, because the file may come back.
pub(super) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    asked: &Range<u64>,
    file_bytes: u64,
    known: Option<&Version>,
) -> Result<Judged, Trouble> {
    let extent = extent(status, headers, asked, file_bytes);
    let extent = extent.map_err(|trouble| match (trouble, known) {
        (Trouble::Lasting(reason), Some(_)) => Trouble::passing(reason),
        (trouble, _) => trouble,
    })?;
    let version = Version::of(headers);
    let doubt = match () {
        () if is_encoded(headers) => Some("it says that it sends the file compressed"),
        () if known.is_some_and(|known| known.differs(&version)) => {
            Some("it says that the file was changed while it was being fetched")
        }
        () => None,
    };
    Ok(Judged { extent, version, doubt })
}

fn extent(
    status: StatusCode,
    headers: &HeaderMap,
    asked: &Range<u64>,
    file_bytes: u64,
) -> Result<Extent, Trouble> {
    match status {
        StatusCode::PARTIAL_CONTENT => part(headers, asked, file_bytes),
        // Some servers and caches send a part with status 200.
        StatusCode::OK if headers.contains_key(CONTENT_RANGE) => part(headers, asked, file_bytes),
        StatusCode::OK => match number(headers, &CONTENT_LENGTH) {
            Some(bytes) if bytes != file_bytes.into() => Err(other_length(headers, bytes, file_bytes)),
            _ => Ok(Extent::Whole),
        },
        StatusCode::RANGE_NOT_SATISFIABLE => Err(not_satisfiable(headers, file_bytes)),
        status => Err(refused(status, headers)),
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_some_and(|encoding| !encoding.is_empty() && encoding != "identity")
}

fn other_length(headers: &HeaderMap, found: Untrusted<u64>, file_bytes: u64) -> Trouble {
    let why = if is_encoded(headers) {
        "it sends the file compressed, though that was not asked for: ".to_owned()
    } else {
        String::new()
    };
    Trouble::lasting(format!(
        "{why}its file has another length ({found} bytes) than that of the content ({file_bytes})"
    ))
}

fn part(headers: &HeaderMap, asked: &Range<u64>, file_bytes: u64) -> Result<Extent, Trouble> {
    let Some(text) = headers.get(CONTENT_RANGE) else {
        // A body of the length asked for is taken as the range asked for; its hash decides later.
        let asked_bytes = asked.end.saturating_sub(asked.start);
        return match number(headers, &CONTENT_LENGTH) {
            Some(bytes) if bytes == asked_bytes.into() => Ok(Extent::Part(asked.clone())),
            _ => Err(Trouble::lasting("it sends a part of the file and does not say which")),
        };
    };
    let Some((range, total)) = text.to_str().ok().and_then(content_range) else {
        return Err(Trouble::lasting("it sends a part of the file and does not say which"));
    };
    if let Some(total) = total.filter(|&total| total != file_bytes.into()) {
        return Err(other_length(headers, total, file_bytes));
    }
    let range = range.start..range.end.min(file_bytes);
    if !range.contains(&asked.start) {
        return Err(Trouble::lasting("it sends another part of the file than it was asked for"));
    }
    // The server may send less than was asked for (RFC 9110, 15.3.7). Then the rest is asked for.
    let useful = range.end.min(asked.end).saturating_sub(asked.start);
    if useful < ANSWER_BYTES_MIN.min(asked.end.saturating_sub(asked.start)) {
        return Err(Trouble::passing(format!("it sends {useful} bytes at a time, which is too little")));
    }
    Ok(Extent::Part(range))
}

/// Parses `bytes 0-99/1234`, or `/*` for an unknown length.
fn content_range(text: &str) -> Option<(Range<u64>, Option<Untrusted<u64>>)> {
    let text = text.trim();
    let (unit, rest) = text.split_at_checked("bytes".len())?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let rest = rest.strip_prefix([' ', '=', ':'])?;
    let (range, total) = rest.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(Untrusted::new(total.parse().ok()?)),
    };
    Some((first..last.checked_add(1)?, total))
}

/// The trouble behind a 416, which may give the length of the file (RFC 9110, 15.5.17).
fn not_satisfiable(headers: &HeaderMap, file_bytes: u64) -> Trouble {
    let text = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let total = text.and_then(|text| text.trim().strip_prefix("bytes */")?.trim().parse::<u64>().ok());
    match total.filter(|total| *total != file_bytes) {
        Some(total) => other_length(headers, Untrusted::new(total), file_bytes),
        None => refused(StatusCode::RANGE_NOT_SATISFIABLE, headers),
    }
}

fn refused(status: StatusCode, headers: &HeaderMap) -> Trouble {
    let said = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Why::curable("the proxy wants to know who asks", Remedy::NameProxyUser)
        }
        status => Why::from(format!("the server says {status}")),
    };
    let asked = retry_after(headers);
    match status.as_u16() {
        // 420, 509 and 529 are not standard: too many requests, bandwidth used up, overloaded.
        429 | 503 | 420 | 509 | 529 => {
            Trouble::Passing { reason: said, after: Some(asked.unwrap_or_default()) }
        }
        // A server that says when to come back expects us to.
        400.. if asked.is_some() => Trouble::Passing { reason: said, after: asked },
        408 | 425 | 500.. => Trouble::passing(said),
        _ => Trouble::Lasting(said),
    }
}

/// How long the server wants no requests: in seconds, or until a date. A date is by the server's
/// clock, so without a `Date` field it is ignored: our clock may be wrong.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = match number(headers, &RETRY_AFTER) {
        Some(seconds) => seconds.at_most(PAUSE_MAX.as_secs()),
        None => {
            let then = date(headers, &RETRY_AFTER)?;
            let now = date(headers, &DATE)?;
            then.duration_since(now).unwrap_or_default().as_secs().min(PAUSE_MAX.as_secs())
        }
    };
    Some(Duration::from_secs(seconds))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<Untrusted<u64>> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok().map(Untrusted::new)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = [(&'static str, &'static str)];

    fn headers(lines: &Lines) -> HeaderMap {
        let line = |&(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn asked(
        status: u16,
        asked: Range<u64>,
        lines: &Lines,
        known: Option<&Version>,
    ) -> Result<Judged, Trouble> {
        judge(StatusCode::from_u16(status).unwrap(), &headers(lines), &asked, 1_000_000, known)
    }

    /// The answer to a request for bytes 100 to 199.
    fn answer(status: u16, lines: &Lines) -> Result<Extent, Trouble> {
        asked(status, 100..200, lines, None).map(|judged| judged.extent)
    }

    #[test]
    fn a_part_holds_what_was_asked_for_of_a_file_of_the_right_length() {
        for right in
            ["bytes 100-199/1000000", "bytes 100-199/*", "Bytes=100-199/1000000", " bytes  100-199/1000000"]
        {
            assert_eq!(answer(206, &[("content-range", right)]), Ok(Extent::Part(100..200)), "{right}");
        }
        assert_eq!(answer(206, &[("content-range", "bytes 0-4095/1000000")]), Ok(Extent::Part(0..4096)));
        assert_eq!(answer(200, &[("content-range", "bytes 100-199/1000000")]), Ok(Extent::Part(100..200)));
        assert_eq!(answer(206, &[("content-length", "100")]), Ok(Extent::Part(100..200)));
        for wrong in [
            "bytes 100-199/999",
            "bytes 0-99/1000000",
            "bytes 101-199/1000000",
            "bytes 200-100/1000000",
            "bytes */1000000",
            "bytes 100-18446744073709551615/1000000",
            "lines 100-199/1000000",
            "",
        ] {
            assert!(matches!(answer(206, &[("content-range", wrong)]), Err(Trouble::Lasting(_))), "{wrong}");
        }
        assert!(answer(206, &[("content-type", "multipart/byteranges; boundary=x")]).is_err());
    }

    #[test]
    fn the_beginning_of_a_part_is_taken_unless_it_is_next_to_nothing() {
        let part =
            |range| asked(206, 0..500_000, &[("content-range", range)], None).map(|judged| judged.extent);
        assert_eq!(part("bytes 0-99999/1000000"), Ok(Extent::Part(0..100_000)));
        assert_eq!(part("bytes 0-999999/1000000"), Ok(Extent::Part(0..1_000_000)));
        assert!(matches!(part("bytes 0-9/1000000"), Err(Trouble::Passing { after: None, .. })));
        assert_eq!(
            asked(206, 0..1, &[("content-range", "bytes 0-0/1000000")], None).unwrap().extent,
            Extent::Part(0..1)
        );
    }

    #[test]
    fn a_whole_file_has_its_length() {
        assert_eq!(answer(200, &[("content-length", "1000000")]), Ok(Extent::Whole));
        assert_eq!(answer(200, &[]), Ok(Extent::Whole));
        assert!(matches!(answer(200, &[("content-length", "1001")]), Err(Trouble::Lasting(_))));
        let longer = answer(416, &[("content-range", "bytes */77")]);
        assert!(matches!(&longer, Err(Trouble::Lasting(why)) if why.text.contains("77 bytes")), "{longer:?}");
    }

    #[test]
    fn what_is_called_compressed_is_judged_by_its_length_and_then_by_its_hash() {
        let encoded = ("content-encoding", "x-gzip");
        for lines in
            [[encoded, ("content-range", "bytes 100-199/1000000")], [encoded, ("content-length", "1000000")]]
        {
            let judged =
                asked(if lines[1].0 == "content-range" { 206 } else { 200 }, 100..200, &lines, None).unwrap();
            assert!(judged.doubt.is_some_and(|doubt| doubt.contains("compressed")), "{judged:?}");
        }
        let shorter = answer(200, &[encoded, ("content-length", "4321")]);
        assert!(
            matches!(&shorter, Err(Trouble::Lasting(why)) if why.text.contains("compressed")),
            "{shorter:?}"
        );
        let plain = asked(200, 0..1_000_000, &[("content-encoding", "identity")], None).unwrap();
        assert_eq!((plain.extent, plain.doubt), (Extent::Whole, None));
    }

    #[test]
    fn some_refusals_pass_and_some_do_not() {
        for status in [400, 401, 403, 404, 405, 410, 416, 451, 304] {
            assert!(matches!(answer(status, &[]), Err(Trouble::Lasting(_))), "{status}");
            let known = Version::default();
            let later = asked(status, 100..200, &[], Some(&known));
            assert!(matches!(later, Err(Trouble::Passing { after: None, .. })), "{status}: it had the file");
        }
        for status in [408, 425, 500, 502, 504] {
            assert!(matches!(answer(status, &[]), Err(Trouble::Passing { after: None, .. })), "{status}");
        }
        for status in [429, 503, 509, 529] {
            let none = Some(Duration::ZERO);
            assert!(
                matches!(answer(status, &[]), Err(Trouble::Passing { after, .. }) if after == none),
                "{status}"
            );
        }
    }

    #[test]
    fn a_server_says_when_to_come_back_in_seconds_or_by_a_date() {
        let after = |status, lines: &Lines| match answer(status, lines) {
            Err(Trouble::Passing { after, .. }) => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(503, &[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(after(429, &[("retry-after", "86400")]), Some(PAUSE_MAX));
        assert_eq!(after(429, &[("retry-after", "18446744073709551615")]), Some(PAUSE_MAX));
        assert_eq!(after(403, &[("retry-after", "3")]), Some(Duration::from_secs(3)));
        let then = ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(
            after(503, &[then, ("date", "Wed, 21 Oct 2026 07:27:48 GMT")]),
            Some(Duration::from_secs(12))
        );
        assert_eq!(after(503, &[then, ("date", "Wed, 21 Oct 2026 07:28:48 GMT")]), Some(Duration::ZERO));
        assert_eq!(after(503, &[("retry-after", "soon")]), Some(Duration::ZERO));
    }

    #[test]
    fn a_file_that_seems_to_change_is_in_doubt_and_taken_all_the_same() {
        let part = ("content-range", "bytes 100-199/1000000");
        let doubt = |lines: &Lines, known: &Version| asked(206, 100..200, lines, Some(known)).unwrap().doubt;
        let known = Version::of(&headers(&[("etag", "\"a\""), ("last-modified", "then")]));
        assert_eq!(
            doubt(&[part, ("etag", "\"a\""), ("last-modified", "now")], &known),
            None,
            "the ETag decides"
        );
        assert_eq!(doubt(&[part], &known), None, "it says nothing");
        let dated = Version::of(&headers(&[("last-modified", "then")]));
        for (lines, known) in
            [([part, ("etag", "\"b\"")], &known), ([part, ("last-modified", "now")], &dated)]
        {
            assert!(doubt(&lines, known).is_some_and(|doubt| doubt.contains("changed")));
        }
    }
}
