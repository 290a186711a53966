//! A fluid model for tens of millions of peers and for catalogues: numbers of peers instead of peers.
//!
//! Its state is, for each class of contents by popularity, class of ASes by size, and class of access
//! links: leechers with their progress, and seeds. It has no dice. What it cannot know, how well
//! peers use their uplinks and how much a group imports, is [`Fit`]ted from exact runs. Its results
//! say [`MODE`], and so must every plot of them.
//!
//! Contents of a class are alike, so one stands for all. Of that content let there be X leechers and
//! Y seeds in the mean. Their true numbers are Poisson, as those who come do so independently.
//!
//! - **Company.** A leecher finds nobody with probability e^-(X + Y), and then only the origin can
//!   serve it ([`crate::yardstick::alone_share`]).
//! - **Uplinks.** Leechers send η of their uplinks, seeds send all. A leecher's part of that is
//!   (1 - e^-X) (η U_x + U_y) / X, as at least one leecher shares what there is. For large X that is
//!   the model of Qiu and Srikant ([`crate::yardstick::Swarm`]).
//! - **Downlinks.** Leechers of all access classes get one rate, or what their downlink takes if that
//!   is less: progressive filling.
//! - **The origin** serves who is alone, gives a crowd without a seed its first copy, and tops up
//!   others by as much as it is set to.
//! - **Imports.** Of what members of a group of n receive, m(n) / n comes from outside, and n is 1
//!   and a Poisson number of others.
//!
//! Unlike in Qiu and Srikant's model a leecher is done when it has received all bytes, not at random
//! with the right mean: a crowd that comes at once is done at once. How far the times of its members
//! lie around that is fitted, too, and changes what is said of times and nothing else. What those who
//! give up have received is lost.
//!
//! What it leaves out: pieces (so a start-up by doubling, and the last piece), latency, slots, and
//! all choices of peers but for what is fitted.

mod arrivals;
mod cell;
mod course;
mod fit;
mod model;
mod scenario;
mod serving;

use std::time::Duration;

pub use arrivals::Arrivals;
pub use course::{ClassTotals, Course, Point, Totals};
pub use fit::{Crowd, Fit, FitError, Imports, Unfit};
pub use scenario::{FluidError, simulate};

use crate::yardstick::Class;
use model::Model;

/// What plots of these results say.
pub const MODE: &str = "fluid";

/// An access link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AccessClass {
    /// Bytes a second.
    pub up: u64,
    /// Bytes a second.
    pub down: u64,
}

/// ASes of about one size.
#[derive(Clone, Debug, PartialEq)]
pub struct AsClass {
    /// ASes in the class.
    pub ases: u32,
    /// The share of all peers that they have together.
    pub share: f64,
    /// How their peers are spread over [`Setting::access`]: a share for each.
    pub access: Vec<f64>,
}

/// What the origin does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OriginRule {
    /// What it can send to all contents together, in bytes a second. If more is wanted, all get the
    /// same share of it.
    pub up: u64,
    /// What it sends to one crowd that has no seed yet, in bytes a second at most. No crowd goes
    /// faster than that until it holds a copy.
    pub first_copy: u64,
    /// The share that it fills of what peers leave of the downlinks of leechers in company. 0: it
    /// serves those who are alone, and first copies. 1: downlinks are full while its own uplink
    /// lasts.
    pub tops_up: f64,
}

/// Everything that a run of the model is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// A content, in bytes.
    pub bytes: u64,
    /// The catalogue; see [`crate::yardstick::Zipf`].
    pub classes: Vec<Class>,
    /// Classes of ASes.
    pub ases: Vec<AsClass>,
    /// Classes of access links.
    pub access: Vec<AccessClass>,
    /// How peers come.
    pub arrivals: Arrivals,
    /// How long a seed stays in the mean, in seconds. Stays are exponential. 0: all leave at once.
    pub seeding_seconds: f64,
    /// The share of leechers that give up in a second.
    pub abort: f64,
    /// What the origin does.
    pub origin: OriginRule,
    /// What exact runs say of peers.
    pub fit: Fit,
    /// How long a run lasts.
    pub lasts: Duration,
    /// The step of integration. A hundredth of a download or less gives errors below a percent.
    pub step: Duration,
    /// How often the state is noted.
    pub slice: Duration,
}

/// Why a setting makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The content has no bytes, or there are no classes of contents, ASes or access links.
    #[error("a content, an AS and an access link are needed at least")]
    Empty,
    /// Each class of ASes has a share for each access link.
    #[error("class {0} of the ASes does not say how its peers are spread over access links")]
    Spread(usize),
    /// Shares must cover all peers.
    #[error("{0} are not shares that add up to 1")]
    Shares(&'static str),
    /// What finds use of an uplink is a share of it.
    #[error("the effectiveness of peers is not between 0 and 1")]
    Effectiveness,
    /// A step must be longer than nothing, and is not longer than a slice.
    #[error("the step is zero, or longer than a slice")]
    Step,
}

/// Shares add up to 1 but for this, as they are often written with a few digits.
const SHARES_ERROR_MAX: f64 = 1e-3;

impl Setting {
    /// Runs the model from no peers at all. The same setting always gives the same result.
    ///
    /// # Errors
    ///
    /// If the setting makes no sense. Nothing has been computed then.
    pub fn run(&self) -> Result<Course, SettingError> {
        self.validate()?;
        let mut model = Model::new(self);
        let steps = self.lasts.as_nanos().div_ceil(self.step.as_nanos());
        for _ in 0..steps {
            model.step();
        }
        Ok(model.course())
    }

    fn validate(&self) -> Result<(), SettingError> {
        if self.bytes == 0 || self.classes.is_empty() || self.ases.is_empty() || self.access.is_empty() {
            return Err(SettingError::Empty);
        }
        let is_spread = |ases: &AsClass| ases.access.len() == self.access.len() && ases.ases > 0;
        if let Some(at) = self.ases.iter().position(|ases| !is_spread(ases)) {
            return Err(SettingError::Spread(at));
        }
        let is_whole = |shares: &mut dyn Iterator<Item = f64>| {
            let (sum, all) = shares.fold((0.0, true), |(sum, all), share| (sum + share, all && share >= 0.0));
            all && (sum - 1.0_f64).abs() <= SHARES_ERROR_MAX
        };
        if !is_whole(&mut self.classes.iter().map(|class| class.share)) {
            return Err(SettingError::Shares("demands of contents"));
        }
        if !is_whole(&mut self.ases.iter().map(|ases| ases.share)) {
            return Err(SettingError::Shares("sizes of ASes"));
        }
        if !self.ases.iter().all(|ases| is_whole(&mut ases.access.iter().copied())) {
            return Err(SettingError::Shares("access links"));
        }
        let by_peers = self.fit.by_peers.iter().map(|crowd| crowd.effectiveness);
        if !by_peers.chain([self.fit.effectiveness]).all(|it| (0.0..=1.0).contains(&it)) {
            return Err(SettingError::Effectiveness);
        }
        match self.step.is_zero() || self.step > self.slice {
            true => Err(SettingError::Step),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
