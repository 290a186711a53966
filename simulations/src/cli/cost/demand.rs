//! Demand, shares and prices as people write them.

use nearcast_sim::{
    cost::{Carrier, Prices, Shares},
    scenario::Bytes,
};

/// Units above those that scenarios have, in terabytes.
const LARGE: [(&str, u64); 2] = [("P", 1_000), ("E", 1_000_000)];

/// Bytes: `25PB`, `700TB`, or as scenarios have them.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no number of bytes, such as 25PB, 700TB or 5TiB");
    let number = text.trim();
    // `5TiB` and plain bytes are read as they are; `5TB` is `5T`.
    let number = if number.ends_with("iB") { number } else { number.trim_end_matches('B') };
    for (unit, terabytes) in LARGE {
        if let Some(number) = number.strip_suffix(unit) {
            let Bytes(bytes) = format!("{}T", number.trim()).parse().map_err(|_| wrong())?;
            return bytes.checked_mul(terabytes).ok_or_else(wrong);
        }
    }
    number.parse().map(|Bytes(bytes)| bytes).map_err(|_| wrong())
}

/// The carrier of this name.
pub(super) fn carrier(text: &str) -> Result<Carrier, String> {
    let known = Carrier::ALL.map(Carrier::name).join(", ");
    let found = Carrier::ALL.into_iter().find(|carrier| carrier.name() == text);
    found.ok_or_else(|| format!("there is no carrier `{text}`; known are {known}"))
}

/// Shares: `internal=80,peer=10,cdn=10`, in any proportions.
pub(super) fn shares(text: &str) -> Result<Shares, String> {
    /// Parts keep six digits behind the point.
    const SCALE: f64 = 1e6;
    let mut weights = [0; Carrier::COUNT];
    for part in text.split(',') {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not CARRIER=PART"))?;
        let value: f64 = value.trim().parse().map_err(|_| format!("`{value}` is no number"))?;
        if !(0.0..=1e9).contains(&value) {
            return Err(format!("`{value}` is not between 0 and 1000000000"));
        }
        weights[carrier(name.trim())? as usize] += (value * SCALE).round() as u64;
    }
    match weights.iter().any(|&weight| weight > 0) {
        true => Ok(Shares::of_weights(weights)),
        false => Err("one part at least must be above 0".to_owned()),
    }
}

/// Prices as a file that `--prices` reads.
pub(super) fn as_file(prices: &Prices) -> String {
    let mut text = format!("name = {:?}\ncurrency = {:?}\n", prices.name, prices.currency);
    text += "# Money a month for each Mbit/s of the 95th percentile (per_mbit), or for each GB (per_gb).\n";
    for carrier in Carrier::ALL {
        let price = serde_json::json!(prices.of(carrier));
        let named = price.as_object().and_then(|object| object.iter().next());
        if let Some((unit, number)) = named {
            text += &format!("{} = {{ {unit} = {number} }}\n", carrier.name());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_is_read_with_large_units() {
        let cases = [
            ("25PB", Ok(25_000_000_000_000_000)),
            ("0.5 PB", Ok(500_000_000_000_000)),
            ("700TB", Ok(700_000_000_000_000)),
            ("1EB", Ok(1_000_000_000_000_000_000)),
            ("5TiB", Ok(5 << 40)),
            ("12", Ok(12)),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), bytes, "{text}");
        }
        for text in ["", "PB", "much", "-1PB", "99EB"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_may_be_in_any_proportion() {
        assert_eq!(shares("internal=3,cdn=1"), Ok(Shares::of_weights([3, 0, 0, 0, 1])));
        assert_eq!(shares("internal=0.75, cdn=0.25"), shares("internal=3,cdn=1"));
        for text in ["", "internal", "internal=x", "moon=1", "internal=0", "internal=-1", "cdn=NaN"] {
            assert!(shares(text).is_err(), "{text}");
        }
    }

    #[test]
    fn printed_prices_are_read_as_the_same() {
        assert_eq!(Prices::parse(&as_file(&Prices::default())).unwrap(), Prices::default());
    }
}
