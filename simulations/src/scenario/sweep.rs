//! Sweeps: one scenario with several values of some settings and several seeds.

use std::{ops::RangeInclusive, str::FromStr};

use super::{Scenario, ScenarioError};

/// Runs that a sweep may have, all shards together.
const RUNS_MAX: usize = 1_000_000;

/// What the seeds of a sweep look like, for people.
const SEEDS: &str = "seeds: a number, or the first and the last, such as 1..8";

/// Which values and seeds are combined: each with each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Settings and the values that each takes, in the order in which they were given.
    pub axes: Vec<(String, Vec<String>)>,
    /// The seeds, the last one included.
    pub seeds: RangeInclusive<u64>,
}

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Single {
    /// Its number in the whole sweep, from 0. The same on every machine that has a shard.
    pub number: usize,
    /// The settings, each with its value.
    pub settings: Vec<(String, String)>,
    /// The seed.
    pub seed: u64,
}

/// One part of a sweep: `2/4` is the second of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 1.
    pub which: usize,
    /// Of how many.
    pub of: usize,
}

impl Sweep {
    /// Reads assignments with one or several values each (`peers=100,200`), and seeds (`5` or
    /// `1..8`). A comma in brackets or quotes does not part values.
    ///
    /// # Errors
    /// If one is no assignment, a setting is given twice, or the seeds are none.
    pub fn parse<S: AsRef<str>>(assignments: &[S], seeds: &str) -> Result<Sweep, ScenarioError> {
        let wrong = |text: &str, wanted| ScenarioError::Argument { text: text.to_owned(), wanted };
        let mut axes: Vec<(String, Vec<String>)> = Vec::new();
        for assignment in assignments.iter().map(AsRef::as_ref) {
            let split = assignment.split_once('=').filter(|(name, _)| !name.trim().is_empty());
            let (name, values) = split.ok_or_else(|| wrong(assignment, "a setting: NAME=VALUE[,VALUE]…"))?;
            let name = name.trim();
            if axes.iter().any(|(known, _)| known == name) {
                return Err(wrong(assignment, "the first mention of this setting"));
            }
            axes.push((name.to_owned(), values_of(values)));
        }
        let number = |text: &str| text.trim().parse().map_err(|_| wrong(seeds, SEEDS));
        let (first, last) = match seeds.split_once("..") {
            None => (number(seeds)?, number(seeds)?),
            Some((first, last)) => (number(first)?, number(last)?),
        };
        if first > last {
            return Err(wrong(seeds, SEEDS));
        }
        Ok(Sweep { axes, seeds: first..=last })
    }

    /// All runs: the seeds turn fastest, then the last setting, the first setting slowest.
    ///
    /// # Errors
    /// If there are more than a million.
    pub fn runs(&self) -> Result<Vec<Single>, ScenarioError> {
        let seeds = u128::from(self.seeds.end() - self.seeds.start()) + 1;
        let each = self.axes.iter().map(|(_, values)| values.len() as u128);
        let runs = each.fold(seeds, u128::saturating_mul);
        if runs > RUNS_MAX as u128 {
            return Err(ScenarioError::TooLarge { runs, most: RUNS_MAX });
        }
        let mut combinations: Vec<Vec<(String, String)>> = vec![Vec::new()];
        for (name, values) in &self.axes {
            let with = |(before, value): (&Vec<_>, &String)| {
                let mut settings = before.clone();
                settings.push((name.clone(), value.clone()));
                settings
            };
            let pairs =
                combinations.iter().flat_map(|before| values.iter().map(move |value| (before, value)));
            combinations = pairs.map(with).collect();
        }
        let pairs =
            combinations.iter().flat_map(|settings| self.seeds.clone().map(move |seed| (settings, seed)));
        let single = |(number, (settings, seed)): (usize, (&Vec<_>, u64))| Single {
            number,
            settings: settings.clone(),
            seed,
        };
        Ok(pairs.enumerate().map(single).collect())
    }

    /// The runs of one shard: every `of`-th one, so that each shard has some of every value.
    ///
    /// # Errors
    /// As [`Sweep::runs`].
    pub fn shard(&self, shard: Shard) -> Result<Vec<Single>, ScenarioError> {
        let mine = |single: &Single| single.number % shard.of == shard.which - 1;
        Ok(self.runs()?.into_iter().filter(mine).collect())
    }
}

impl Single {
    /// The scenario with this run's settings, checked.
    ///
    /// # Errors
    /// If there is no such setting, or a value does not do.
    pub fn scenario(&self, base: &Scenario) -> Result<Scenario, ScenarioError> {
        let mut scenario = base.clone();
        self.settings.iter().try_for_each(|(name, value)| scenario.set_to(name, value))?;
        scenario.validate()?;
        Ok(scenario)
    }
}

impl Shard {
    /// The whole sweep.
    pub const ALL: Shard = Shard { which: 1, of: 1 };

    /// Part number `which` of `of`.
    ///
    /// # Errors
    /// Unless 1 <= `which` <= `of`.
    pub fn new(which: usize, of: usize) -> Result<Shard, ScenarioError> {
        match (1..=of).contains(&which) {
            true => Ok(Shard { which, of }),
            false => Err(ScenarioError::Argument { text: format!("{which}/{of}"), wanted: SHARD }),
        }
    }
}

/// What a shard looks like, for people.
const SHARD: &str = "a part of a sweep, such as 2/4 for the second of four";

impl FromStr for Shard {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Shard, ScenarioError> {
        let wrong = || ScenarioError::Argument { text: text.to_owned(), wanted: SHARD };
        let (which, of) = text.split_once('/').ok_or_else(wrong)?;
        match (which.trim().parse(), of.trim().parse()) {
            (Ok(which), Ok(of)) => Shard::new(which, of).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

/// Parts a text at commas that are in no brackets and no quotes. A quote in the middle of a bare text
/// is a letter like any other.
fn values_of(text: &str) -> Vec<String> {
    let (mut values, mut value) = (Vec::new(), String::new());
    let (mut depth, mut quote, mut escaped) = (0_u32, None, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if depth > 0 || value.trim().is_empty() => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                values.push(std::mem::take(&mut value));
                continue;
            }
            (None, _) => {}
        }
        value.push(c);
    }
    values.push(value);
    values.iter().map(|value| value.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_meets_each_seed_in_a_fixed_order() {
        let sweep = Sweep::parse(&["peers=10,20", "groups.sizes=[2, 3],[5]"], "1..2").unwrap();
        let runs = sweep.runs().unwrap();
        let shown: Vec<String> = runs
            .iter()
            .map(|run| format!("{} {} {} {}", run.number, run.settings[0].1, run.settings[1].1, run.seed))
            .collect();
        assert_eq!(
            shown,
            [
                "0 10 [2, 3] 1",
                "1 10 [2, 3] 2",
                "2 10 [5] 1",
                "3 10 [5] 2",
                "4 20 [2, 3] 1",
                "5 20 [2, 3] 2",
                "6 20 [5] 1",
                "7 20 [5] 2",
            ]
        );
        let scenario = runs[5].scenario(&Scenario::default()).unwrap();
        assert_eq!((scenario.peers, scenario.groups.sizes), (20, vec![2, 3]));
    }

    #[test]
    fn shards_are_disjoint_and_together_are_the_whole() {
        let sweep = Sweep::parse(&["runs=1,2,3"], "1..5").unwrap();
        let mut all = Vec::new();
        for which in 1..=4 {
            let shard = sweep.shard(Shard::new(which, 4).unwrap()).unwrap();
            assert!((3..=4).contains(&shard.len()));
            all.extend(shard);
        }
        all.sort_by_key(|single| single.number);
        assert_eq!(all, sweep.runs().unwrap());
        assert_eq!(all, sweep.shard(Shard::ALL).unwrap());
    }

    #[test]
    fn commas_in_quotes_and_brackets_part_nothing() {
        let values = |text: &str| values_of(text);
        assert_eq!(values("1, 2 ,3"), ["1", "2", "3"]);
        assert_eq!(values("[1, 2],[3]"), ["[1, 2]", "[3]"]);
        assert_eq!(values(r#""a, \"b", 'c, d',it's,e"#), [r#""a, \"b""#, "'c, d'", "it's", "e"]);
        assert_eq!(values(""), [""]);
    }

    #[test]
    fn without_settings_and_with_one_seed_there_is_one_run() {
        let none: [&str; 0] = [];
        let runs = Sweep::parse(&none, "7").unwrap().runs().unwrap();
        assert_eq!(runs, [Single { number: 0, settings: Vec::new(), seed: 7 }]);
    }

    #[test]
    fn what_is_no_sweep_is_refused() {
        let refused = |assignments: &[&str], seeds: &str| Sweep::parse(assignments, seeds).is_err();
        assert!(refused(&["peers"], "1") && refused(&["=3"], "1") && refused(&["peers=1", "peers=2"], "1"));
        assert!(refused(&[], "8..1") && refused(&[], "x") && refused(&[], "1..") && refused(&[], ""));
        for text in ["0/4", "5/4", "1", "a/b", "1/0"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        let error = Sweep::parse(&["peers=1,2"], "1..1000000").unwrap().runs().unwrap_err();
        assert_eq!(error.to_string(), "the sweep has 2000000 runs; at most 1000000 are possible");
        let error = Sweep::parse(&["pers=1"], "1").unwrap().runs().unwrap()[0].scenario(&Scenario::default());
        assert!(error.unwrap_err().to_string().contains("did you mean `peers`?"));
    }
}
