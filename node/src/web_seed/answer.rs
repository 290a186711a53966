//! What an HTTP answer means: the range that was asked for, the whole file, or trouble.
//!
//! A file must stay the same while it is fetched. What the first answer says of it is kept (its length,
//! ETag and Last-Modified) and every later one is held against it.

use std::{ops::Range, time::Duration};

use nearcast_core::untrusted::Untrusted;
use reqwest::{
    StatusCode,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue,
        LAST_MODIFIED, RETRY_AFTER,
    },
};

use super::Trouble;

/// A server that asks for more patience is tried again all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// What was asked for.
    Part,
    /// The whole file from its first byte: the server does not send parts.
    Whole,
}

/// By what a file is known to be still the same.
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

    /// For `If-Range`, which takes no weak ETag (RFC 9110, 13.1.5).
    pub(super) fn if_range(&self) -> Option<HeaderValue> {
        let strong = self.etag.clone().filter(|etag| !etag.as_bytes().starts_with(b"W/"));
        strong.or_else(|| self.modified.clone())
    }

    /// Whether both say that they are different. ETags decide where both have one: two servers behind one
    /// name often disagree about dates.
    fn differs(&self, other: &Version) -> bool {
        match (&self.etag, &other.etag) {
            (Some(mine), Some(theirs)) => mine != theirs,
            _ => matches!((&self.modified, &other.modified), (Some(mine), Some(theirs)) if mine != theirs),
        }
    }
}

/// Judges the head of an answer to a request for `asked` of a file of `file_bytes`; `known` is what
/// earlier answers said of the file.
///
/// # Errors
/// If the body is of no use.
pub(super) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    asked: &Range<u64>,
    file_bytes: u64,
    known: Option<&Version>,
) -> Result<(Extent, Version), Trouble> {
    let extent = match status {
        StatusCode::PARTIAL_CONTENT => {
            check_range(headers, asked, file_bytes)?;
            Extent::Part
        }
        StatusCode::OK => Extent::Whole,
        status => return Err(refused(status, headers)),
    };
    let version = Version::of(headers);
    if known.is_some_and(|known| known.differs(&version)) {
        return Err(Trouble::lasting("the file was changed on the server while it was being fetched"));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Trouble::lasting("it sends the file compressed, though that was not asked for"));
    }
    if extent == Extent::Whole {
        check_length(headers, file_bytes)?;
    }
    Ok((extent, version))
}

fn check_length(headers: &HeaderMap, file_bytes: u64) -> Result<(), Trouble> {
    match number(headers, &CONTENT_LENGTH) {
        Some(bytes) if bytes != file_bytes.into() => Err(other_length(bytes, file_bytes)),
        _ => Ok(()),
    }
}

fn other_length(found: Untrusted<u64>, file_bytes: u64) -> Trouble {
    Trouble::Lasting(format!(
        "its file has another length ({found} bytes) than that of the content ({file_bytes})"
    ))
}

fn check_range(headers: &HeaderMap, asked: &Range<u64>, file_bytes: u64) -> Result<(), Trouble> {
    let text = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default();
    let Some((range, total)) = content_range(text) else {
        return Err(Trouble::lasting("it sends a part of the file and does not say which"));
    };
    if let Some(total) = total.filter(|&total| total != file_bytes.into()) {
        return Err(other_length(total, file_bytes));
    }
    match range == *asked {
        true => Ok(()),
        false => Err(Trouble::lasting("it sends another part of the file than it was asked for")),
    }
}

/// `bytes 0-99/1234`, or `/*`.
fn content_range(text: &str) -> Option<(Range<u64>, Option<Untrusted<u64>>)> {
    let (range, total) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(Untrusted::new(total.parse().ok()?)),
    };
    Some((first..last.checked_add(1)?, total))
}

fn refused(status: StatusCode, headers: &HeaderMap) -> Trouble {
    let said = format!("the server says {status}");
    match status.as_u16() {
        429 | 503 => {
            // A date in its place is rare; then the pause is ours to choose.
            let after = number(headers, &RETRY_AFTER).unwrap_or_default();
            let after = Duration::from_secs(after.at_most(RETRY_AFTER_MAX.as_secs()));
            Trouble::Passing { reason: said, after: Some(after) }
        }
        408 | 425 | 500.. => Trouble::passing(said),
        _ => Trouble::Lasting(said),
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<Untrusted<u64>> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok().map(Untrusted::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |&(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn answer(status: u16, lines: &[(&'static str, &'static str)]) -> Result<Extent, Trouble> {
        let status = StatusCode::from_u16(status).unwrap();
        judge(status, &headers(lines), &(100..200), 1_000, None).map(|(extent, _)| extent)
    }

    #[test]
    fn a_part_is_what_was_asked_for_of_a_file_of_the_right_length() {
        assert_eq!(answer(206, &[("content-range", "bytes 100-199/1000")]), Ok(Extent::Part));
        assert_eq!(answer(206, &[("content-range", "bytes 100-199/*")]), Ok(Extent::Part));
        for wrong in [
            "bytes 100-199/999",
            "bytes 0-99/1000",
            "bytes 100-198/1000",
            "bytes */1000",
            "lines 100-199/1000",
            "",
        ] {
            assert!(matches!(answer(206, &[("content-range", wrong)]), Err(Trouble::Lasting(_))), "{wrong}");
        }
        assert!(answer(206, &[("content-type", "multipart/byteranges; boundary=x")]).is_err());
    }

    #[test]
    fn a_whole_file_has_its_length_and_is_not_compressed() {
        assert_eq!(answer(200, &[("content-length", "1000")]), Ok(Extent::Whole));
        assert_eq!(answer(200, &[]), Ok(Extent::Whole));
        assert!(answer(200, &[("content-length", "1001")]).is_err());
        assert!(answer(200, &[("content-encoding", "gzip")]).is_err());
    }

    #[test]
    fn some_refusals_pass_and_some_do_not() {
        for status in [400, 401, 403, 404, 405, 410, 416, 451, 304] {
            assert!(matches!(answer(status, &[]), Err(Trouble::Lasting(_))), "{status}");
        }
        for status in [408, 425, 500, 502, 504] {
            assert!(matches!(answer(status, &[]), Err(Trouble::Passing { after: None, .. })), "{status}");
        }
        let after = |status, said| match answer(status, &[("retry-after", said)]) {
            Err(Trouble::Passing { after, .. }) => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(503, "7"), Some(Duration::from_secs(7)));
        assert_eq!(after(429, "86400"), Some(RETRY_AFTER_MAX));
        assert_eq!(after(429, "18446744073709551615"), Some(RETRY_AFTER_MAX));
        assert_eq!(after(503, "Wed, 21 Oct 2026 07:28:00 GMT"), Some(Duration::ZERO));
    }

    #[test]
    fn a_file_that_changes_is_noticed_by_what_the_server_says_of_it() {
        let part = ("content-range", "bytes 100-199/1000");
        let judge = |lines: &[(&'static str, &'static str)], known: &Version| {
            judge(StatusCode::PARTIAL_CONTENT, &headers(lines), &(100..200), 1_000, Some(known))
        };
        let known = Version::of(&headers(&[("etag", "\"a\""), ("last-modified", "then")]));
        assert!(
            judge(&[part, ("etag", "\"a\""), ("last-modified", "now")], &known).is_ok(),
            "the ETag decides"
        );
        assert!(judge(&[part, ("etag", "\"b\""), ("last-modified", "then")], &known).is_err());
        assert!(judge(&[part], &known).is_ok(), "it says nothing");
        let dated = Version::of(&headers(&[("last-modified", "then")]));
        assert!(judge(&[part, ("last-modified", "now")], &dated).is_err());
        let whole = headers(&[("etag", "\"b\""), ("content-length", "1000")]);
        let changed = super::judge(StatusCode::OK, &whole, &(100..200), 1_000, Some(&known));
        assert!(matches!(changed, Err(Trouble::Lasting(why)) if why.contains("changed")));
    }

    #[test]
    fn only_strong_validators_go_into_if_range() {
        let version = |lines: &[(&'static str, &'static str)]| Version::of(&headers(lines)).if_range();
        assert_eq!(
            version(&[("etag", "\"a\""), ("last-modified", "then")]),
            Some(HeaderValue::from_static("\"a\""))
        );
        assert_eq!(
            version(&[("etag", "W/\"a\""), ("last-modified", "then")]),
            Some(HeaderValue::from_static("then"))
        );
        assert_eq!(version(&[("etag", "W/\"a\"")]), None);
    }
}
