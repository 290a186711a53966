//! Which share of the peers has which access line.

use std::{fmt, str::FromStr};

use nearcast_core::random::Random;

use super::Class;

/// Shares are counted in millionths, so that nothing is decided by rounding.
const WHOLE: u32 = 1_000_000;
/// How far the sum of all shares may be from the whole, in millionths: thirds are often written
/// with three digits.
const SLACK: u32 = 1_000;
/// Classes of one mix at most. A dweller keeps its class in one byte.
pub const CLASSES_MAX: usize = 255;

/// A text, or a list, that is no mix.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MixError {
    /// Nothing is in it.
    #[error("a mix names at least one class, such as \"fibre 0.3, dsl 0.7\"")]
    Empty,
    /// More than [`CLASSES_MAX`] classes.
    #[error("a mix has at most {CLASSES_MAX} classes, not {0}")]
    TooMany(usize),
    /// No class has this name.
    #[error(
        "there is no class {0:?}: a class is fibre, cable, dsl, mobile, server or custom:UP:DOWN:LATENCY"
    )]
    Class(String),
    /// The figures of a custom class cannot be read.
    #[error("{0:?} is not custom:UP:DOWN:LATENCY, such as custom:125000:1250000:20ms with rates in bytes/s")]
    Custom(String),
    /// A class without a share, or with more than one.
    #[error("{0:?} is not a class and its share, such as \"dsl 0.2\"")]
    Part(String),
    /// A share that is no number from 0 to 1.
    #[error("the share of {class} is {share}, not a number from 0 to 1")]
    Share {
        /// The class, as it was written.
        class: String,
        /// Its share, as it was written.
        share: String,
    },
    /// A class is named twice.
    #[error("{0} is named twice in the mix")]
    Twice(Class),
    /// The shares are not a whole together.
    #[error("the shares of the mix are {0} together, not 1")]
    Sum(f64),
}

/// Classes and the share of the peers that each has.
///
/// ```
/// # use nearcast_sim::topology::{Class, Mix};
/// let mix: Mix = "fibre 0.3, cable 0.4, dsl 0.2, mobile 0.1".parse()?;
/// assert_eq!(mix.shares[1], (Class::Cable, 0.4));
/// # Ok::<(), nearcast_sim::topology::MixError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// Each class with its share. All shares together are 1, or off by a thousandth at most.
    pub shares: Vec<(Class, f64)>,
}

impl Mix {
    /// Everybody has the same class.
    pub fn only(class: Class) -> Mix {
        Mix { shares: vec![(class, 1.0)] }
    }

    /// What is wrong with the shares.
    ///
    /// # Errors
    /// If there are none, too many, or a class twice; if a share is not from 0 to 1; or if all
    /// together are not 1.
    pub fn check(&self) -> Result<(), MixError> {
        if self.shares.is_empty() {
            return Err(MixError::Empty);
        }
        if self.shares.len() > CLASSES_MAX {
            return Err(MixError::TooMany(self.shares.len()));
        }
        for (at, &(class, share)) in self.shares.iter().enumerate() {
            if !(0.0..=1.0).contains(&share) {
                return Err(MixError::Share { class: class.to_string(), share: share.to_string() });
            }
            if self.shares[..at].iter().any(|&(other, _)| other == class) {
                return Err(MixError::Twice(class));
            }
        }
        let sum: u32 = self.millionths().sum();
        if sum.abs_diff(WHOLE) > SLACK {
            return Err(MixError::Sum(f64::from(sum) / f64::from(WHOLE)));
        }
        Ok(())
    }

    fn millionths(&self) -> impl Iterator<Item = u32> {
        // A share is at most 1, so its millionths fit.
        self.shares.iter().map(|&(_, share)| (share * f64::from(WHOLE)).round() as u32)
    }

    /// The classes and how to draw one of them.
    ///
    /// # Errors
    /// As [`Mix::check`].
    pub(super) fn table(&self) -> Result<Table, MixError> {
        self.check()?;
        let mut sum = 0;
        let upto = self.millionths().map(|share| {
            sum += share;
            sum
        });
        Ok(Table { upto: upto.collect() })
    }
}

/// A checked mix, ready to draw from.
pub(super) struct Table {
    /// The sum of the shares up to each class, itself included, in millionths.
    upto: Vec<u32>,
}

impl Table {
    /// The index of a class: each as often as its share says.
    pub(super) fn draw(&self, random: &mut Random) -> u8 {
        let whole = self.upto.last().copied().unwrap_or(0);
        let number = random.below(whole);
        // A class without a share has the same sum as the one before, which is then found first.
        self.upto.partition_point(|&upto| upto <= number) as u8
    }
}

impl FromStr for Mix {
    type Err = MixError;

    /// Reads classes and their shares, with commas between them.
    ///
    /// # Errors
    /// If a part is no class with its share, or as [`Mix::check`].
    fn from_str(text: &str) -> Result<Mix, MixError> {
        if text.trim().is_empty() {
            return Err(MixError::Empty);
        }
        let shares = text.split(',').map(part).collect::<Result<_, _>>()?;
        let mix = Mix { shares };
        mix.check()?;
        Ok(mix)
    }
}

fn part(text: &str) -> Result<(Class, f64), MixError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [class, share] = *words else { return Err(MixError::Part(text.trim().to_owned())) };
    let error = || MixError::Share { class: class.to_owned(), share: share.to_owned() };
    let read = share.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    Ok((class.parse()?, read.ok_or_else(error)?))
}

impl fmt::Display for Mix {
    /// As [`Mix::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (class, share)) in self.shares.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{class} {share}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_read_as_it_is_written() {
        for text in
            ["fibre 0.3, cable 0.4, dsl 0.2, mobile 0.1", "custom:1:2:3us 1", "dsl 0.333, server 0.667"]
        {
            let mix: Mix = text.parse().unwrap();
            assert_eq!(mix.to_string(), text);
        }
        assert_eq!(" fibre   1.0 ".parse(), Ok(Mix::only(Class::Fibre)));
    }

    #[test]
    fn what_is_no_mix_is_refused_with_the_reason() {
        let error = |text: &str| text.parse::<Mix>().unwrap_err();
        let share = |class: &str, share: &str| MixError::Share { class: class.into(), share: share.into() };
        assert_eq!(error("  "), MixError::Empty);
        assert_eq!(error("fibre 0.5, dsl"), MixError::Part("dsl".into()));
        assert_eq!(error("fibre 0.5,"), MixError::Part(String::new()));
        assert_eq!(error("fibre 0.5 0.5"), MixError::Part("fibre 0.5 0.5".into()));
        assert_eq!(error("glass 1"), MixError::Class("glass".into()));
        assert_eq!(error("fibre 30%"), share("fibre", "30%"));
        assert_eq!(error("fibre NaN"), share("fibre", "NaN"));
        assert_eq!(error("fibre 1.5"), share("fibre", "1.5"));
        assert_eq!(error("fibre 0.5, fibre 0.5"), MixError::Twice(Class::Fibre));
        assert_eq!(error("fibre 0.5, dsl 0.4"), MixError::Sum(0.9));
        assert_eq!(Mix { shares: Vec::new() }.check(), Err(MixError::Empty));
    }

    #[test]
    fn classes_are_drawn_as_often_as_their_shares_say() {
        let mix: Mix = "fibre 0, cable 0.7, mobile 0, dsl 0.3, server 0".parse().unwrap();
        let (table, mut random, mut counts) = (mix.table().unwrap(), Random::new(1), [0_u32; 5]);
        for _ in 0..100_000 {
            counts[usize::from(table.draw(&mut random))] += 1;
        }
        assert!((69_000..71_000).contains(&counts[1]), "{counts:?}");
        assert_eq!([counts[0], counts[2], counts[4]], [0; 3], "nobody has a class without a share");
        assert_eq!(counts[1] + counts[3], 100_000);
    }
}
