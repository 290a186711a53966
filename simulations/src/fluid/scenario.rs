//! A scenario in the fluid model: the same file, the same settings, any number of peers.
//!
//! What the model leaves out it leaves out here, too: actors, the delays of networks, patience, and
//! what peers bring with them. A Poisson process becomes a steady stream that lasts as long. A time
//! of lingering is exponential, whatever the scenario says.

use std::{collections::BTreeMap, time::Duration};

use super::{AccessClass, Arrivals, AsClass, Course, Fit, OriginRule, Setting, SettingError};
use crate::{
    run::{self, RunError, RunOptions},
    scenario::{Coming, Done, Rates, Scenario},
    yardstick::Zipf,
};

/// Classes into which a range of rates is cut.
const RATES: u32 = 8;
/// A link that nothing limits, in bytes a second.
const UNLIMITED: u64 = 1 << 40;
/// Homes that are placed on a map of networks to learn how large its ASes are.
const PLACED: u32 = 20_000;
/// Steps in the time that a download is expected to take.
const STEPS: f64 = 300.0;
/// Steps of a run at most.
const STEPS_MAX: f64 = 100_000.0;
/// After the last has come the run goes on for so many times what a download is expected to take.
const LASTS: f64 = 30.0;
/// Slices of the timeline.
const SLICES: f64 = 256.0;
/// Who stays stays for longer than any run, in seconds.
const FOR_EVER: f64 = 1e12;

/// Why a scenario cannot be run in the fluid model.
#[derive(Debug, thiserror::Error)]
pub enum FluidError {
    /// The scenario is not valid, or cannot be on this Internet.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What it comes to makes no sense in the model.
    #[error("the scenario cannot be a fluid: {0}")]
    Setting(#[from] SettingError),
}

/// Runs a scenario in the fluid model, with so many peers instead of its own number: they come in the
/// time in which its own would.
///
/// # Errors
/// If the scenario is not valid, or makes no sense in the model.
pub fn simulate(
    scenario: &Scenario,
    peers: f64,
    fit: &Fit,
    options: &RunOptions,
) -> Result<(Setting, Course), FluidError> {
    let mut setting = setting(scenario, peers, fit, options)?;
    let mut course = setting.run()?;
    if scenario.sessions.done == Done::Download {
        // How long a download takes is known after a first run only.
        let took = course.completion_seconds.mean;
        setting.seeding_seconds = took.min(scenario.sessions.linger_seconds);
        course = setting.run()?;
    }
    Ok((setting, course))
}

fn setting(scenario: &Scenario, peers: f64, fit: &Fit, options: &RunOptions) -> Result<Setting, FluidError> {
    scenario.validate().map_err(RunError::from)?;
    let lines = lines(scenario)?;
    let access: Vec<AccessClass> = lines.iter().map(|&(access, _)| access).collect();
    let shares: Vec<f64> = lines.iter().map(|&(_, share)| share).collect();
    let ases = sizes(scenario, options)?;
    let ases = ases.into_iter().map(|(ases, share)| AsClass { ases, share, access: shares.clone() });
    let bytes = scenario.bytes();
    let count = u64::from(scenario.origins.count);
    let up = (scenario.origins.up.0.saturating_mul(count) as f64 * fit.origin_use.clamp(0.0, 1.0)) as u64;
    let mean = |of: fn(&AccessClass) -> u64| -> f64 {
        lines.iter().map(|(access, share)| of(access) as f64 * share).sum()
    };
    let (from, over) = span(scenario);
    let given = fit.crowd(peers).effectiveness * mean(|access| access.up) + up as f64 / peers.max(1.0);
    let takes = bytes as f64 / given.min(mean(|access| access.down)).max(1.0);
    let lasts = (from + over + LASTS * takes).min(scenario.until_seconds).max(1e-3);
    let step = (takes / STEPS).max(lasts / STEPS_MAX);
    Ok(Setting {
        bytes,
        classes: Zipf { contents: scenario.catalogue.contents, exponent: scenario.catalogue.exponent }
            .classes(),
        ases: ases.collect(),
        access,
        arrivals: arrivals(scenario, peers),
        seeding_seconds: match scenario.sessions.done {
            Done::Stay => FOR_EVER,
            Done::Leave => 0.0,
            Done::Linger | Done::Download => scenario.sessions.linger_seconds,
            Done::Upload => bytes as f64 / mean(|access| access.up).max(1.0),
        },
        abort: scenario.sessions.abort_rate,
        origin: OriginRule { up, first_copy: up, tops_up: 1.0 },
        fit: fit.clone(),
        lasts: Duration::from_secs_f64(lasts),
        step: Duration::from_secs_f64(step),
        slice: Duration::from_secs_f64((lasts / SLICES).max(step)),
    })
}

/// When the first comes, and for how long others do, in seconds.
fn span(scenario: &Scenario) -> (f64, f64) {
    let arrivals = &scenario.arrivals;
    let over = match arrivals.kind {
        Coming::Together => 0.0,
        Coming::Over => arrivals.over_seconds,
        Coming::Poisson | Coming::Diurnal => f64::from(scenario.peers) / arrivals.rate,
    };
    (arrivals.start_seconds, over)
}

fn arrivals(scenario: &Scenario, peers: f64) -> Arrivals {
    let (from, over) = span(scenario);
    match scenario.arrivals.kind {
        Coming::Diurnal => Arrivals::Diurnal {
            mean: peers / over,
            swing: scenario.arrivals.swing,
            period: scenario.arrivals.day_seconds,
        },
        Coming::Together | Coming::Over | Coming::Poisson => Arrivals::Flash { peers, from, over },
    }
}

/// Access links, and the share of peers that has each.
fn lines(scenario: &Scenario) -> Result<Vec<(AccessClass, f64)>, RunError> {
    if scenario.uplinks == Rates::Access || scenario.downlinks == Rates::Access {
        let mix = run::access_mix(scenario)?;
        let line = |(class, share): &(crate::topology::Class, f64)| {
            let access = class.access();
            let of = |rates: &Rates, line: u64| if *rates == Rates::Access { line } else { mean(rates) };
            let (up, down) = (of(&scenario.uplinks, access.up), of(&scenario.downlinks, access.down));
            (AccessClass { up, down }, *share)
        };
        return Ok(mix.shares.iter().map(line).collect());
    }
    let (ups, downs) = (classes(&scenario.uplinks), classes(&scenario.downlinks));
    let share = 1.0 / (ups.len() * downs.len()) as f64;
    let pairs = ups.iter().flat_map(|&up| downs.iter().map(move |&down| AccessClass { up, down }));
    Ok(pairs.map(|access| (access, share)).collect())
}

/// Rates that stand for equally many links each, in bytes a second.
fn classes(rates: &Rates) -> Vec<u64> {
    let middle = |at: u32| (f64::from(at) + 0.5) / f64::from(RATES);
    match rates {
        Rates::Unlimited | Rates::Access => vec![UNLIMITED],
        Rates::InTurn(rates) => rates.iter().map(|rate| rate.0).collect(),
        Rates::Between(least, most) => {
            let at = |part: f64| least.0 as f64 + (most.0 as f64 - least.0 as f64) * part;
            (0..RATES).map(|number| at(middle(number)) as u64).collect()
        }
        Rates::LogBetween(least, most) => {
            let ratio = most.0 as f64 / least.0.max(1) as f64;
            (0..RATES).map(|number| (least.0 as f64 * ratio.powf(middle(number))) as u64).collect()
        }
    }
}

fn mean(rates: &Rates) -> u64 {
    let classes = classes(rates);
    classes.iter().sum::<u64>() / classes.len().max(1) as u64
}

/// ASes of about one size: how many, and which share of the peers they have together.
fn sizes(scenario: &Scenario, options: &RunOptions) -> Result<Vec<(u32, f64)>, RunError> {
    let members: Vec<u32> = match scenario.groups.by_address {
        true => run::ases(&Scenario { peers: PLACED, ..scenario.clone() }, options)?,
        false => scenario.groups.sizes.clone(),
    };
    let all: f64 = members.iter().map(|&members| f64::from(members)).sum();
    if all == 0.0 {
        // Nobody knows of any AS.
        return Ok(vec![(1, 1.0)]);
    }
    let mut classes: BTreeMap<u32, (u32, f64)> = BTreeMap::new();
    for members in members.into_iter().filter(|&members| members > 0) {
        // Each class has twice the size of the one before.
        let class = classes.entry(members.ilog2()).or_default();
        *class = (class.0 + 1, class.1 + f64::from(members) / all);
    }
    Ok(classes.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::shipped;

    fn set(name: &str, settings: &[&str]) -> Scenario {
        let mut scenario = shipped::find(name).unwrap();
        settings.iter().for_each(|set| scenario.set(set).unwrap());
        scenario
    }

    fn of(scenario: &Scenario, peers: f64) -> (Setting, Course) {
        simulate(scenario, peers, &Fit::ideal(), &RunOptions::default()).unwrap()
    }

    #[test]
    fn every_shipped_scenario_is_a_fluid() {
        for shipped in shipped::SHIPPED {
            let scenario = set(shipped.name, &["peers=24", "runs=20"]);
            let (setting, course) = of(&scenario, 24.0);
            assert!(course.totals.came > 20.0, "{}: {:?}", shipped.name, course.totals);
            let shares: f64 = setting.ases.iter().map(|ases| ases.share).sum();
            assert!((shares - 1.0).abs() < 1e-9, "{}", shipped.name);
        }
    }

    #[test]
    fn ten_million_take_as_long_as_ten_thousand_if_the_origin_is_small() {
        let scenario = set("flash-crowd", &[]);
        let time = |peers: f64| of(&scenario, peers).1.completion_seconds.p50;
        let (few, many) = (time(1e4), time(1e7));
        assert!((many / few - 1.0).abs() < 0.02, "{few} and {many}");
        assert!((of(&scenario, 1e7).1.totals.completed / 1e7 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn rates_of_a_range_keep_their_mean() {
        let between = |text: &str| mean(&text.parse::<Rates>().unwrap());
        assert_eq!(between("1M..3M"), 2_000_000);
        // The mean of a range in which each doubling is as likely is (b - a) / ln (b / a).
        let wanted = 7.5e6 / 16.0_f64.ln();
        assert!((between("log 500k..8M") as f64 / wanted - 1.0).abs() < 0.01);
    }
}
