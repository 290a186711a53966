//! Which part of a file an HTTP request asks for (RFC 9110, section 14).

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The whole file: no part was asked for, or in words that we may ignore.
    Whole,
    /// From the first byte to the last one, both included.
    Of(u64, u64),
    /// There is no such part.
    Beyond,
}

/// Reads the header `Range` for a file of this many bytes. Several parts at once are not served:
/// then the whole file is, as RFC 9110 allows.
pub(crate) fn part(range: Option<&str>, length: u64) -> Part {
    let Some(range) = range.and_then(|range| range.trim().strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    let Some((from, upto)) = range.trim().split_once('-') else { return Part::Whole };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A number that is too large is beyond every file.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let last = length.saturating_sub(1);
    match (from.trim(), upto.trim()) {
        ("", count) if digits(count) => match number(count).min(length) {
            0 => Part::Beyond,
            count => Part::Of(length - count, last),
        },
        (from, "") if digits(from) => within(number(from), last, length),
        (from, upto) if digits(from) && digits(upto) => match (number(from), number(upto)) {
            (from, upto) if from > upto => Part::Whole,
            (from, upto) => within(from, upto.min(last), length),
        },
        _ => Part::Whole,
    }
}

fn within(from: u64, upto: u64, length: u64) -> Part {
    if from < length { Part::Of(from, upto) } else { Part::Beyond }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str) -> Part {
        part(Some(range), 100)
    }

    #[test]
    fn parts_are_read_as_the_standard_says() {
        assert_eq!(part(None, 100), Part::Whole);
        assert_eq!(of("bytes=0-0"), Part::Of(0, 0));
        assert_eq!(of("bytes=10-19"), Part::Of(10, 19));
        assert_eq!(of("bytes=90-"), Part::Of(90, 99));
        assert_eq!(of("bytes=90-1000"), Part::Of(90, 99), "as far as there is something");
        assert_eq!(of("bytes=-1"), Part::Of(99, 99));
        assert_eq!(of("bytes=-1000"), Part::Of(0, 99));
    }

    #[test]
    fn what_is_beyond_the_end_is_told_and_nonsense_is_ignored() {
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(of(beyond), Part::Beyond, "{beyond}");
        }
        for nonsense in ["bytes=", "bytes=-", "bytes=5", "bytes=9-3", "bytes=a-b", "lines=1-2", "bytes=+1-2"]
        {
            assert_eq!(of(nonsense), Part::Whole, "{nonsense}");
        }
        assert_eq!(of("bytes=0-1,5-6"), Part::Whole, "several parts");
        assert_eq!(part(Some("bytes=0-"), 0), Part::Beyond, "of an empty file");
    }
}
