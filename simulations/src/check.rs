//! What must hold of the simulator itself: bounds that cannot be beaten, formulas that are exact,
//! models that agree, runs that repeat. Each is checked in seconds to a minute; all take less than
//! five minutes.

mod fidelity;
mod one_club;
mod repeat;
mod worlds;

use nearcast_core::random::Random;

use crate::{
    transport::{Traffic, difference},
    yardstick::{Schedule, mundinger_rounds},
};

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// A name, for the command line.
    pub name: &'static str,
    /// What it shows, in one line.
    pub about: &'static str,
    /// Runs it. Gives the figures; an error has them, too, and says what is wrong.
    pub run: fn() -> Result<String, String>,
}

/// All checks, the quickest first.
pub fn all() -> Vec<Check> {
    vec![
        Check {
            name: "schedule",
            about: "the scripted schedule for equal uplinks takes 1 + floor(log2 N) / M, and keeps every rule",
            run: schedule,
        },
        Check {
            name: "links",
            about: "links as queues are within 5 % of progressive filling on 1,000 small graphs, bytes exact",
            run: links,
        },
        Check {
            name: "repeat",
            about: "the same seed gives the same trace again, on one thread and on two",
            run: repeat::run,
        },
        Check {
            name: "bounds",
            about: "no drawn world beats the bound of Kumar and Ross; bytes, rates and have-maps are right in each",
            run: worlds::run,
        },
        Check {
            name: "fidelity",
            about: "the pulled world agrees with the exact one within 2 %",
            run: fidelity::run,
        },
        Check {
            name: "one-club",
            about: "a club that lacks one run grows at arrivals less seed rate, within 5 %, and shrinks below it",
            run: one_club::run,
        },
    ]
}

fn schedule() -> Result<String, String> {
    let mut played = 0;
    for (peers, parts) in [(1, 1), (7, 3), (100, 400), (200, 100), (1_000, 50), (1_000, 400)] {
        let rounds = Schedule::new(peers, parts).play().map_err(|breach| breach.to_string())?;
        let (last, bound) =
            (rounds.iter().copied().max().unwrap_or(0) as u64, mundinger_rounds(peers, parts));
        if last != bound {
            return Err(format!("{peers} peers, {parts} parts: {last} rounds, and not {bound}"));
        }
        played += 1;
    }
    Ok(format!("{played} schedules of up to 1,000 peers and 400 parts take exactly the bound"))
}

/// Small worlds that are compared.
const GRAPHS: u32 = 1_000;
/// The mean difference that is borne.
const DIFFERENCE_MAX: f64 = 0.05;

fn links() -> Result<String, String> {
    let mut random = Random::new(1);
    let (mut all, mut exact) = (Vec::new(), true);
    for _ in 0..GRAPHS {
        let (later, is_exact) = difference(&Traffic::draw(&mut random));
        exact &= is_exact;
        all.extend(later.iter().map(|later| later.abs()));
    }
    all.sort_by(f64::total_cmp);
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let (p95, most) = (all[all.len() * 19 / 20], all[all.len() - 1]);
    let figures = format!(
        "{} transfers: mean difference {:.2} %, p95 {:.1} %, most {:.1} %",
        all.len(),
        mean * 1e2,
        p95 * 1e2,
        most * 1e2
    );
    match () {
        () if !exact => Err(format!("{figures}; bytes were lost")),
        () if mean > DIFFERENCE_MAX => Err(format!("{figures}; more than 5 % on average")),
        () => Ok(format!("{figures}; every byte arrived")),
    }
}
