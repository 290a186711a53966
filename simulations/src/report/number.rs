//! Numbers as people read them. A number that is not finite is shown as unknown.

/// Shown in place of an unknown value.
pub const UNKNOWN: &str = "\u{2013}";

/// Three significant digits, and commas between thousands: `0.0123`, `1.50`, `12,345`.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let size = value.abs();
    let decimals = match size {
        0.0 => 0,
        less if less < 1e-4 => return format!("{value:.2e}"),
        less if less < 0.009_995 => 5,
        less if less < 0.099_95 => 4,
        less if less < 0.999_5 => 3,
        less if less < 9.995 => 2,
        less if less < 99.95 => 1,
        more if more < 1e15 => 0,
        _ => return format!("{value:.2e}"),
    };
    let text = format!("{size:.decimals$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let whole = thousands(whole);
    let sign = if value < 0.0 { "-" } else { "" };
    fraction.map_or_else(|| format!("{sign}{whole}"), |fraction| format!("{sign}{whole}.{fraction}"))
}

/// A whole number, with commas between thousands.
pub fn count(value: u64) -> String {
    thousands(&value.to_string())
}

fn thousands(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && (digits.len() - number).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with three significant digits, in powers of a thousand.
pub fn bytes(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let (divisor, unit) = bytes_unit(value);
    format!("{} {unit}", significant(value / divisor))
}

/// The unit that fits so many bytes, and its size in bytes.
pub fn bytes_unit(bytes: f64) -> (f64, &'static str) {
    const UNITS: [(f64, &str); 6] =
        [(1e18, "EB"), (1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    // 999.5 would be shown as 1,000.
    UNITS.into_iter().find(|(size, _)| bytes.abs() >= size * 0.999_5).unwrap_or((1.0, "B"))
}

/// A duration: with one digit after the point at first, later in its two largest units.
pub fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    // `as` saturates; a duration is not negative.
    let whole = value.max(0.0).round() as u64;
    match value {
        less if less < 0.0 => format!("-{}", seconds(-less)),
        less if less < 1.0 => format!("{} s", significant(less)),
        less if less < 119.95 => format!("{less:.1} s"),
        less if less < 3599.5 => format!("{}m {:02}s", whole / 60, whole % 60),
        less if less < 86_399.5 => format!("{}h {:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d {:02}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// The unit that fits an axis of so many seconds, and its size in seconds.
pub fn seconds_unit(seconds: f64) -> (f64, &'static str) {
    match seconds {
        more if more > 48.0 * 3600.0 => (86_400.0, "days"),
        more if more > 3.0 * 3600.0 => (3600.0, "hours"),
        more if more > 300.0 => (60.0, "minutes"),
        _ => (1.0, "seconds"),
    }
}

/// A part in a hundred parts of a whole. Unknown for a whole of nothing.
pub fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 && part.is_finite() && whole.is_finite() {
        format!("{} %", significant(100.0 * part / whole))
    } else {
        UNKNOWN.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_mean_something() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.000_012_34, "1.23e-5"),
            (0.012_34, "0.0123"),
            (0.999_6, "1.00"),
            (1.5, "1.50"),
            (-12.34, "-12.3"),
            (99.96, "100"),
            (12_345.6, "12,346"),
            (1e300, "1.00e300"),
            (f64::NAN, UNKNOWN),
            (f64::INFINITY, UNKNOWN),
        ] {
            assert_eq!(significant(value), text, "{value}");
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
    }

    #[test]
    fn bytes_and_times_have_units_that_fit() {
        for (value, text) in
            [(0.0, "0 B"), (999.0, "999 B"), (999.6, "1.00 kB"), (268_435_456.0, "268 MB"), (1e12, "1.00 TB")]
        {
            assert_eq!(bytes(value), text);
        }
        for (value, text) in [
            (0.25, "0.250 s"),
            (42.34, "42.3 s"),
            (185.2, "3m 05s"),
            (7_800.0, "2h 10m"),
            (90_000.0, "1d 01h"),
            (-1.0, "-1.0 s"),
            (f64::NAN, UNKNOWN),
        ] {
            assert_eq!(seconds(value), text);
        }
        assert_eq!(share(1.0, 8.0), "12.5 %");
        assert_eq!(share(1.0, 0.0), UNKNOWN);
    }
}
