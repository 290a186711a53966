//! One layout, drawn from a seed: who is where, with which uplinks, and what they want.

use std::str::FromStr;

use crate::workload::{Aspect, Dice};

/// Groups of a layout.
const GROUPS: (u64, u64) = (3, 8);
/// How much larger than another one a group may be drawn.
const GROUP_WEIGHT_MAX: u64 = 16;
/// The slowest uplink of a layout, in KiB a second.
const UPLINK_KIB: (u64, u64) = (64, 4_096);
/// Runs of the content, of 256 KiB.
const RUNS: (u64, u64) = (16, 1_024);
/// Peers of a layout of any size.
const PEERS: (u64, u64) = (6, 120);

/// How many peers layouts have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// Twenty.
    Small,
    /// Sixty.
    Middle,
    /// From 6 to 120.
    Any,
}

/// One layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The seed that it was drawn from, and that its worlds run with.
    pub seed: u64,
    /// Settings of the scenario `frontier`, as `--set` takes them.
    pub settings: Vec<String>,
}

impl FromStr for Crowd {
    type Err = String;

    fn from_str(text: &str) -> Result<Crowd, String> {
        match text {
            "20" => Ok(Crowd::Small),
            "60" => Ok(Crowd::Middle),
            "any" => Ok(Crowd::Any),
            _ => Err(format!("`{text}` is none of 20, 60 and any")),
        }
    }
}

impl Layout {
    /// Draws a layout.
    pub fn draw(seed: u64, crowd: Crowd) -> Layout {
        let mut dice = Dice::new(seed, Aspect::Layouts);
        let peers = match crowd {
            Crowd::Small => 20,
            Crowd::Middle => 60,
            Crowd::Any => dice.log_between(PEERS.0, PEERS.1),
        };
        let sizes = sizes(&mut dice, peers);
        let slowest = dice.log_between(UPLINK_KIB.0, UPLINK_KIB.1);
        let (uplinks, fastest) = match dice.below(3) {
            0 => (format!("{slowest}KiB"), slowest),
            1 => (format!("{slowest}KiB..{}KiB", 6 * slowest), 6 * slowest),
            _ => (format!("log {slowest}KiB..{}KiB", 16 * slowest), 16 * slowest),
        };
        let downlinks = match dice.below(3) {
            0 => format!("{}KiB", 10 * fastest),
            _ => "unlimited".to_owned(),
        };
        // From a quarter of one fast uplink to eight of them.
        let origin = dice.log_between(fastest.div_ceil(4), 8 * fastest);
        let runs = dice.log_between(RUNS.0, RUNS.1);
        let links = [10, 20, 40, 80][dice.below(4) as usize];
        let mut settings = vec![
            format!("peers={peers}"),
            format!("groups.sizes={sizes:?}").replace(' ', ""),
            format!("uplinks={uplinks}"),
            format!("downlinks={downlinks}"),
            format!("origins.up={origin}KiB"),
            format!("runs={runs}"),
            format!("policy.links.wanted={links}"),
            format!("policy.links.most={}", links + links / 2),
        ];
        if dice.below(3) == 0 {
            // Over about as long as one uplink of the middle needs for the content.
            let seconds = (runs * 256 / (slowest + fastest).div_ceil(2)).max(1);
            settings.extend(["arrivals.kind=over".to_owned(), format!("arrivals.over_seconds={seconds}")]);
        }
        Layout { seed, settings }
    }

    /// The settings, as options of a command line.
    pub fn options(&self) -> String {
        let quoted = |set: &String| match set.contains([' ', '[']) {
            true => format!(" '{set}'"),
            false => format!(" {set}"),
        };
        format!("--seed {} --set{}", self.seed, self.settings.iter().map(quoted).collect::<String>())
    }
}

/// Members of each group, the largest first, at least one each.
fn sizes(dice: &mut Dice, peers: u64) -> Vec<u64> {
    let groups = dice.between(GROUPS.0, GROUPS.1).min(peers);
    let weights: Vec<u64> = (0..groups).map(|_| dice.log_between(1, GROUP_WEIGHT_MAX)).collect();
    let total: u64 = weights.iter().sum();
    let mut sizes = vec![1; groups as usize];
    // Each peer that is left falls to a group by weight.
    for _ in groups..peers {
        let mut at = dice.below(total);
        let group = weights.iter().position(|&weight| match at.checked_sub(weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        sizes[group.unwrap_or(0)] += 1;
    }
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes
}
