//! Sizes, rates and durations as people read them.

pub(crate) use nearcast_service::quantity::{Bytes, Rate, Span};

/// Part of a total in whole percent, and 100 only when the part is complete. An empty total is
/// complete.
pub(crate) fn percent(part: u64, total: u64) -> u8 {
    if part >= total {
        return 100;
    }
    (u128::from(part) * 100 / u128::from(total)) as u8
}

/// A count with its noun: `1 file`, `2 files`.
pub(crate) fn counted(number: u32, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundred_percent_means_everything() {
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(999_999, 1_000_000), 99);
        assert_eq!(percent(u64::MAX - 1, u64::MAX), 99);
        assert_eq!(percent(5, 5), 100);
    }

    #[test]
    fn one_thing_is_not_many() {
        assert_eq!(counted(1, "file"), "1 file");
        assert_eq!(counted(0, "file"), "0 files");
    }
}
