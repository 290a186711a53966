//! What is simulated of the overlay, as data. docs/scenarios.md describes the format.
//!
//! Invariant: the settings that [`OverlayScenario::options`] lists make an equal scenario when they are set one after
//! the other on the default one.

use std::{collections::BTreeMap, time::Duration};

use nearcast_core::overlay::config::OverlayConfig;
use serde::{Deserialize, Serialize};

use crate::scenario::{
    ScenarioError,
    error::check,
    settings::{listed, parse, table, with},
    text::or_none,
};

/// Nodes that a world may have.
pub const NODES_MAX: u32 = 20_000_000;

/// What is simulated. Every field has a default, so a text says only what matters to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverlayScenario {
    /// How it is called.
    pub name: String,
    /// What it shows, in one line.
    pub about: String,
    /// Nodes, anchors included.
    pub nodes: u32,
    /// Trackers: supernodes from the start, which never step down, and which everybody knows.
    pub anchors: u32,
    /// What is there when the world begins.
    pub start: Start,
    /// Nodes for each supernode that is there in a settled world.
    pub nodes_a_supernode: u32,
    /// Nodes that are public, have uplink and memory to spare, and may serve, in per cent.
    pub eligible_percent: f64,
    /// Nodes that run version 2 of the program, in per cent. The others run version 1.
    pub second_version_percent: f64,
    /// When the world ends, in seconds.
    pub until_seconds: f64,
    /// What lies between the nodes.
    pub network: OverlayNetwork,
    /// When nodes come and go.
    pub coming: Coming,
    /// Supernodes that fail, and nodes that restart, all at once.
    pub loss: Loss,
    /// A part of the nodes that is cut off.
    pub partition: Partition,
    /// Nodes that are cut off one by one, and come back in another order.
    pub clog: Clog,
    /// The rule that felled Skype.
    pub old_rule: OldRule,
    /// Policy that differs from the defaults.
    pub policy: OverlayPolicy,
    /// What the run must yield.
    pub expect: OverlayExpect,
}

/// What is there when a world begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// The anchors alone.
    Anchors,
    /// A network that has been there for hours: supernodes, and leaves that come back and remember them.
    Settled,
}

/// What lies between the nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverlayNetwork {
    /// Autonomous systems over which the nodes are spread.
    pub ases: u32,
    /// The shortest way of a message, in milliseconds.
    pub latency_min_ms: u32,
    /// The longest way of a message, in milliseconds.
    pub latency_max_ms: u32,
    /// A node that fails without a word is missed after up to so many seconds.
    pub missed_within_seconds: f64,
    /// A dial to a node that is not there fails after so many seconds.
    pub dial_fails_seconds: f64,
}

/// How nodes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tide {
    /// All, over `over_seconds`.
    Over,
    /// The first at once, and twice as many each `doubling_seconds`.
    Doubling,
    /// As many as the time of the day says; at night `night_percent` of all.
    Wave,
}

/// When nodes come and go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Coming {
    /// How.
    pub tide: Tide,
    /// For `over`: seconds from the first to the last.
    pub over_seconds: f64,
    /// For `doubling`: seconds.
    pub doubling_seconds: f64,
    /// For `wave`: nodes at night, in per cent.
    pub night_percent: f64,
    /// For `wave`: seconds from noon to noon.
    pub day_seconds: f64,
}

/// Supernodes that fail, and nodes that restart, all at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Loss {
    /// When. 0: never.
    pub at_seconds: f64,
    /// Supernodes that fail and do not come back, in per cent. Anchors stay.
    pub supernodes_percent: f64,
    /// Supernodes of this version fail, whatever `supernodes_percent` says. 0: of any.
    pub version: u32,
    /// Leaves that restart, in per cent.
    pub restarts_percent: f64,
    /// They are back within so many seconds.
    pub restart_within_seconds: f64,
}

/// A part of the nodes that is cut off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Partition {
    /// When. 0: never.
    pub at_seconds: f64,
    /// For how long.
    pub for_seconds: f64,
    /// ASes on the other side, in per cent.
    pub percent: f64,
}

/// Nodes that are cut off one by one, and come back in another order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clog {
    /// When the first is cut off. 0: never.
    pub at_seconds: f64,
    /// How many, in per cent.
    pub percent: f64,
    /// Seconds over which they are cut off one by one, and later come back one by one.
    pub over_seconds: f64,
    /// Seconds for which all are cut off.
    pub for_seconds: f64,
}

/// The rule that felled Skype in December 2010: supernodes that have too much to do shut themselves off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OldRule {
    /// Whether a world of it runs beside ours.
    pub beside: bool,
    /// A supernode with more children shuts itself off.
    pub shut_off_above: u32,
    /// It is back, without children, after so many seconds.
    pub back_after_seconds: f64,
    /// A leaf that has no supernode asks another one this often, in seconds.
    pub retry_seconds: f64,
}

/// Policy that differs from the defaults. Zero stands for the default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverlayPolicy {
    /// Seconds that a node must have been up to be eligible.
    pub up_min_seconds: f64,
    /// Seconds that a child's connection must have stood to be elected.
    pub child_age_min_seconds: f64,
    /// A supernode splits above so many children.
    pub split_above: u16,
    /// It steps down below so many.
    pub merge_below: u16,
    /// It takes so many at most.
    pub children_max: u16,
    /// It keeps so many in reserve.
    pub warm_max: u16,
    /// Attachments a second.
    pub attaches_per_second: u16,
    /// Children of one network.
    pub children_per_network_max: u16,
    /// Seconds for which a supernode serves at least.
    pub tenure_seconds: f64,
    /// Supernodes of one version, in per cent.
    pub version_share_max_percent: u8,
}

/// What a run must yield. A bound that is `none` is not asserted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverlayExpect {
    /// Of the leaves that lost their parent or restarted, so many have a parent again in time, in per cent.
    #[serde(with = "or_none")]
    pub attached_percent_min: Option<f64>,
    /// In so many seconds.
    pub attached_within_seconds: f64,
    /// Seconds after the last cut ended in which all supernodes are one network.
    #[serde(with = "or_none")]
    pub one_network_within_seconds: Option<f64>,
    /// Nodes for each supernode, the least that is ever seen, from a thousand nodes on.
    #[serde(with = "or_none")]
    pub nodes_a_supernode_min: Option<f64>,
    /// Nodes for each supernode, the most that is ever seen, from a thousand nodes on.
    #[serde(with = "or_none")]
    pub nodes_a_supernode_max: Option<f64>,
    /// Children that supernodes which stayed sent away.
    #[serde(with = "or_none")]
    pub shed_max: Option<f64>,
    /// The most children of a supernode.
    #[serde(with = "or_none")]
    pub children_max: Option<f64>,
    /// Supernodes of one version, in per cent.
    #[serde(with = "or_none")]
    pub version_percent_max: Option<f64>,
    /// Nodes with a parent at the end, in per cent of all leaves.
    #[serde(with = "or_none")]
    pub attached_at_end_percent_min: Option<f64>,
    /// Whether the old rule leaves most leaves without a supernode at the end.
    pub old_rule_collapses: bool,
}

impl Default for OverlayScenario {
    fn default() -> OverlayScenario {
        OverlayScenario {
            name: "unnamed".to_owned(),
            about: String::new(),
            nodes: 10_000,
            anchors: 1,
            start: Start::Settled,
            nodes_a_supernode: 300,
            eligible_percent: 20.0,
            second_version_percent: 0.0,
            until_seconds: 900.0,
            network: OverlayNetwork::default(),
            coming: Coming::default(),
            loss: Loss::default(),
            partition: Partition::default(),
            clog: Clog::default(),
            old_rule: OldRule::default(),
            policy: OverlayPolicy::default(),
            expect: OverlayExpect::default(),
        }
    }
}

impl Default for OverlayNetwork {
    fn default() -> OverlayNetwork {
        OverlayNetwork {
            ases: 500,
            latency_min_ms: 10,
            latency_max_ms: 150,
            missed_within_seconds: 5.0,
            dial_fails_seconds: 3.0,
        }
    }
}

impl Default for Coming {
    fn default() -> Coming {
        Coming {
            tide: Tide::Over,
            over_seconds: 60.0,
            doubling_seconds: 3_600.0,
            night_percent: 25.0,
            day_seconds: 86_400.0,
        }
    }
}

impl Default for OldRule {
    fn default() -> OldRule {
        OldRule { beside: false, shut_off_above: 500, back_after_seconds: 120.0, retry_seconds: 1.0 }
    }
}

impl Default for OverlayExpect {
    fn default() -> OverlayExpect {
        OverlayExpect {
            attached_percent_min: None,
            attached_within_seconds: 30.0,
            one_network_within_seconds: None,
            nodes_a_supernode_min: None,
            nodes_a_supernode_max: None,
            shed_max: Some(0.0),
            children_max: None,
            version_percent_max: None,
            attached_at_end_percent_min: None,
            old_rule_collapses: false,
        }
    }
}

impl OverlayScenario {
    /// Reads a scenario. To be followed by [`OverlayScenario::validate`].
    ///
    /// # Errors
    /// Says in which line and column the text is no TOML, has a value of the wrong kind, or has a field that there is
    /// not.
    pub fn parse(text: &str) -> Result<OverlayScenario, ScenarioError> {
        parse(text)
    }

    /// Sets the setting of this name. To be followed by [`OverlayScenario::validate`].
    ///
    /// # Errors
    /// If there is no such setting, or it cannot have this value. Then nothing is changed.
    pub fn set_to(&mut self, name: &str, value: &str) -> Result<(), ScenarioError> {
        *self = with(&table(self), name, value)?;
        Ok(())
    }

    /// Every setting's name and value.
    pub fn options(&self) -> BTreeMap<String, String> {
        listed(&table(self))
    }

    /// Checks every range.
    ///
    /// # Errors
    /// Names the first setting that cannot be as it is, and says what it may be.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        let is_percent = |percent: f64| (0.0..=100.0).contains(&percent);
        let is_time = |seconds: f64| (0.0..=1e8).contains(&seconds);
        check((2..=NODES_MAX).contains(&self.nodes), "nodes", "2 to 20000000")?;
        check(self.anchors < self.nodes, "anchors", "fewer than `nodes`")?;
        let begins = self.anchors > 0 || self.start == Start::Settled;
        check(begins, "anchors", "at least 1 where `start` is `anchors`")?;
        check((1..=100_000).contains(&self.nodes_a_supernode), "nodes_a_supernode", "1 to 100000")?;
        check(is_time(self.until_seconds), "until_seconds", "0 to 100000000 seconds")?;
        for (name, percent) in [
            ("eligible_percent", self.eligible_percent),
            ("second_version_percent", self.second_version_percent),
            ("coming.night_percent", self.coming.night_percent),
            ("loss.supernodes_percent", self.loss.supernodes_percent),
            ("loss.restarts_percent", self.loss.restarts_percent),
            ("partition.percent", self.partition.percent),
            ("clog.percent", self.clog.percent),
        ] {
            check(is_percent(percent), name, "0 to 100")?;
        }
        for (name, seconds) in [
            ("network.missed_within_seconds", self.network.missed_within_seconds),
            ("network.dial_fails_seconds", self.network.dial_fails_seconds),
            ("coming.over_seconds", self.coming.over_seconds),
            ("loss.at_seconds", self.loss.at_seconds),
            ("loss.restart_within_seconds", self.loss.restart_within_seconds),
            ("partition.at_seconds", self.partition.at_seconds),
            ("partition.for_seconds", self.partition.for_seconds),
            ("clog.at_seconds", self.clog.at_seconds),
            ("clog.over_seconds", self.clog.over_seconds),
            ("clog.for_seconds", self.clog.for_seconds),
            ("policy.up_min_seconds", self.policy.up_min_seconds),
            ("policy.child_age_min_seconds", self.policy.child_age_min_seconds),
            ("policy.tenure_seconds", self.policy.tenure_seconds),
            ("expect.attached_within_seconds", self.expect.attached_within_seconds),
        ] {
            check(is_time(seconds), name, "0 to 100000000 seconds")?;
        }
        let above_zero = "above 0";
        check(self.coming.doubling_seconds > 0.0, "coming.doubling_seconds", above_zero)?;
        check(self.coming.day_seconds > 0.0, "coming.day_seconds", above_zero)?;
        check(self.old_rule.retry_seconds > 0.0, "old_rule.retry_seconds", above_zero)?;
        check(self.network.ases > 0, "network.ases", above_zero)?;
        let is_range = self.network.latency_min_ms <= self.network.latency_max_ms;
        check(is_range, "network.latency_max_ms", "at least `network.latency_min_ms`")
    }

    /// The policy.
    pub fn config(&self) -> OverlayConfig {
        let policy = &self.policy;
        let mut config = OverlayConfig::default();
        let time = |field: &mut Duration, seconds: f64| {
            if seconds > 0.0 {
                *field = Duration::from_secs_f64(seconds);
            }
        };
        time(&mut config.eligible.up_min, policy.up_min_seconds);
        time(&mut config.eligible.child_age_min, policy.child_age_min_seconds);
        time(&mut config.governor.tenure, policy.tenure_seconds);
        let count = |field: &mut u16, count: u16| {
            if count > 0 {
                *field = count;
            }
        };
        let governor = &mut config.governor;
        count(&mut governor.split_above, policy.split_above);
        count(&mut governor.merge_below, policy.merge_below);
        count(&mut governor.children_max, policy.children_max);
        count(&mut governor.warm_max, policy.warm_max);
        count(&mut governor.attaches_per_second, policy.attaches_per_second);
        count(&mut governor.children_per_network_max, policy.children_per_network_max);
        if policy.version_share_max_percent > 0 {
            governor.version_share_max = policy.version_share_max_percent;
        }
        config
    }

    /// When the last cut ends, in seconds. `None`: nobody is cut off.
    pub fn healed_at(&self) -> Option<f64> {
        let partition = &self.partition;
        let clog = &self.clog;
        let ends = [
            (partition.at_seconds > 0.0).then_some(partition.at_seconds + partition.for_seconds),
            (clog.at_seconds > 0.0).then_some(clog.at_seconds + 2.0 * clog.over_seconds + clog.for_seconds),
        ];
        ends.into_iter().flatten().reduce(f64::max)
    }
}
