//! Who takes part in a world: a scenario's plan as roles, and where they live.
//!
//! The directory, if there is one, is peer 0, as a tracker on a machine of its own. Then come the
//! origins, and then all others, in the order of the plan.

use std::{sync::Arc, time::Duration};

use nearcast_core::{config::Config, id::PeerKey, layout::Layout};

use super::{RunError, RunOptions, outages};
use crate::{
    scenario::{Delays, Finding, Scenario, Shared},
    topology::{ASES_DEFAULT, Mix, Placing, Population, generated},
    workload::{AfterDone, Kind, Line, OriginPlan, PeerPlan, Plan, StartSet},
    world::{
        Gives, Homes, Leaves, NetworkConfig, Plays, Role, Sharing, TOGETHER, Watch, WorldConfig, hoarder,
        leecher, origin, rider, silent_rider, stranger, tracker,
    },
};

/// The access lines of an ordinary country's homes, where a scenario names none.
const USUAL_LINES: &str = "fibre 0.3, cable 0.35, dsl 0.25, mobile 0.1";
/// The AS of origins, where there are groups. No group has this number.
const ELSEWHERE: u32 = 1_000_000;
/// The seed of the generated Internet: all runs are on the same one.
const INTERNET_SEED: u64 = 1;

/// How many peers stand before the plan's in a world: the tracker and the origins.
pub(super) fn before(scenario: &Scenario) -> u32 {
    has_tracker(scenario) + scenario.origins.count
}

/// 1 if peer 0 is a tracker, else 0.
pub(super) fn has_tracker(scenario: &Scenario) -> u32 {
    u32::from(scenario.finding == Finding::Directory)
}

/// What a scenario's world is made of.
pub(super) fn cast(scenario: &Scenario, seed: u64, options: &RunOptions) -> Result<WorldConfig, RunError> {
    scenario.validate()?;
    let internet = match scenario.network.model {
        Delays::Flat => None,
        Delays::Internet => Some(settle(scenario, seed, options)?),
    };
    let plan = match &internet {
        None => Plan::draw(scenario, seed)?,
        Some(homes) => {
            let dweller = |at: usize| homes.dwellers[before(scenario) as usize + at] as usize;
            Plan::draw_on(scenario, seed, |at| {
                let access = homes.population.class(dweller(at)).access();
                Line { up: access.up, down: access.down }
            })?
        }
    };
    let layout = scenario.layout()?;
    let mut roles = Vec::new();
    roles.extend((0..has_tracker(scenario)).map(|_| tracker()));
    roles.extend(plan.origins.iter().map(|plan| origin_role(scenario, plan)));
    roles.extend(plan.peers.iter().map(|plan| peer_role(scenario, &layout, plan)));
    let config = scenario.policy.config().clone();
    let mut world = WorldConfig {
        seed,
        layout,
        latency: Duration::from_secs_f64(scenario.network.latency_ms / 1e3),
        loss: scenario.network.loss as f32,
        roles,
        origin_config: Some(of_origins(&config)),
        config,
        acquainted: scenario.finding == Finding::Acquainted,
        directory: scenario.finding == Finding::Directory,
        exchange_peers: scenario.exchange,
        together: scenario.network.together as usize,
        contents: scenario.catalogue.contents,
        fidelity: options.fidelity,
        homes: internet,
        network: NetworkConfig::default(),
        checked: options.checked,
    };
    world.network = network(scenario, &world, seed)?;
    Ok(world)
}

/// What lies between the access links of this world.
fn network(scenario: &Scenario, world: &WorldConfig, seed: u64) -> Result<NetworkConfig, RunError> {
    let sharing = match scenario.network.sharing {
        Shared::Queues => Sharing::Queues,
        Shared::MaxMin => Sharing::MaxMin(Duration::from_secs_f64(scenario.network.solve_ms / 1e3)),
    };
    let limits = outages::limits(scenario, world)?;
    Ok(NetworkConfig { sharing, limits, outages: outages::outages(scenario, world, seed)? })
}

/// The policy of an operator's server: a seeder's, where the scenario leaves the defaults.
fn of_origins(config: &Config) -> Config {
    let (usual, server) = (Config::default(), Config::origin());
    let mut own = Config { is_origin: true, ..config.clone() };
    if own.links.most == usual.links.most {
        own.links.most = server.links.most;
    }
    if own.upload.slots == usual.upload.slots {
        own.upload.slots = server.upload.slots;
    }
    if own.upload.slots_total == usual.upload.slots_total {
        own.upload.slots_total = server.upload.slots_total;
    }
    own
}

fn origin_role(scenario: &Scenario, plan: &OriginPlan) -> Role {
    let together = scenario.network.together as usize;
    let slots = usize::from(of_origins(scenario.policy.config()).upload.slots);
    Role {
        delay: plan.extra_latency,
        goes_after: plan.dies,
        asn: if scenario.groups.sizes.is_empty() { 0 } else { ELSEWHERE },
        // A seeder sends to as many as it has slots.
        together: (together >= TOGETHER).then_some(slots),
        ..origin(plan.up)
    }
}

fn peer_role(scenario: &Scenario, layout: &Layout, plan: &PeerPlan) -> Role {
    let up = plan.up;
    let role = match plan.kind {
        Kind::Leecher => leecher(up),
        Kind::Rider => rider(up),
        Kind::SilentRider => silent_rider(up),
        Kind::Hoarder => hoarder(up),
        Kind::Poisoner => Role { corrupt: true, seed: true, ..leecher(up) },
        Kind::Liar => Role { boasts: true, ..leecher(up) },
        Kind::LargeView => large_view(up, scenario.actors.large_view_gives),
        Kind::BitTyrant => Role { plays: Plays::BitTyrant, ..leecher(up) },
        Kind::Seed => Role { seed: true, ..leecher(up) },
        Kind::Stranger => Role { up, ..stranger() },
    };
    let is_grouped = !scenario.groups.sizes.is_empty();
    Role {
        down: plan.down,
        joins: plan.joins,
        content: plan.content,
        leaves: match plan.leaves.done {
            AfterDone::Stays => Leaves::Never,
            AfterDone::Lingers(time) => Leaves::After(time),
            AfterDone::LingersAsLong(most) => Leaves::AsLong(most),
        },
        goes_after: plan.leaves.aborts_after,
        patience: plan.patience,
        seed: role.seed || plan.starts_with == StartSet::All,
        lacks: if plan.starts_with == StartSet::AllButFirst { layout.run_index(0) } else { None },
        // Whoever is in no group is in one with the origins: outside of all others.
        asn: plan.group.map_or(if is_grouped { ELSEWHERE } else { 0 }, |group| 1 + group),
        watches: plan.watches.then(|| watch(scenario)),
        ..role
    }
}

/// A client with a large view, and `gives` of its uplink.
fn large_view(up: u64, gives: f64) -> Role {
    let given = (up as f64 * gives) as u64;
    let role = Role { plays: Plays::LargeView, ..leecher(given.max(1)) };
    if given == 0 { Role { gives: Gives::Nothing, ..role } } else { role }
}

fn watch(scenario: &Scenario) -> Watch {
    let part = &scenario.viewers;
    let bytes = |seconds: f64| (part.bitrate.0 as f64 * seconds) as u64;
    Watch {
        bitrate: part.bitrate.0,
        start_bytes: bytes(part.buffer_seconds),
        resume_bytes: bytes(part.resume_seconds),
        told: part.told,
    }
}

/// Gives everybody a home: an address in an AS, and an access line.
/// The mix of access lines of a scenario's peers.
pub(crate) fn access_mix(scenario: &Scenario) -> Result<Mix, RunError> {
    let lines = match scenario.network.access.as_str() {
        "" => USUAL_LINES,
        named => named,
    };
    Ok(lines.parse()?)
}

/// How many peers are in each AS of an Internet on which a scenario's peers are placed.
pub(crate) fn ases(scenario: &Scenario, options: &RunOptions) -> Result<Vec<u32>, RunError> {
    let homes = settle(scenario, INTERNET_SEED, options)?;
    Ok(homes.population.members().map(|(_, members)| members.len() as u32).collect())
}

fn settle(scenario: &Scenario, seed: u64, options: &RunOptions) -> Result<Homes, RunError> {
    let atlas = options.atlas.clone().unwrap_or_else(|| Arc::new(generated(INTERNET_SEED, ASES_DEFAULT)));
    let mix = access_mix(scenario)?;
    let before = before(scenario);
    let members = scenario.groups.members(scenario.peers);
    let others = scenario.seeds.count + scenario.actors.strangers;
    let all = before + scenario.peers + others;
    if members.is_empty() {
        let population = Population::draw(atlas, all, seed, Placing::ByAddresses, &mix)?;
        return Ok(Homes { population: Arc::new(population), dwellers: (0..all).collect() });
    }
    let sizes: Vec<u32> = [before + others].into_iter().chain(members).collect();
    let filled = sizes.iter().copied().filter(|&size| size > 0).collect();
    let population = Population::draw(atlas, all, seed, Placing::Sizes(filled), &mix)?;
    let dwellers = assign(&population, &sizes, before, scenario.peers);
    Ok(Homes { population: Arc::new(population), dwellers })
}

/// Everybody's dweller. `sizes` are those of the ASes: first the one of all who are in no group.
/// They stand before the scenario's peers and after them.
fn assign(population: &Population, sizes: &[u32], before: u32, peers: u32) -> Vec<u32> {
    let mut ases: Vec<&[u32]> = population.members().map(|(_, members)| members).collect();
    let mut take = |size: u32| {
        let at = ases.iter().position(|members| members.len() == size as usize);
        at.map_or(&[][..], |at| ases.swap_remove(at))
    };
    let outside = take(sizes[0]);
    let (first, last) = outside.split_at((before as usize).min(outside.len()));
    let mut dwellers = first.to_vec();
    sizes[1..].iter().filter(|&&size| size > 0).for_each(|&size| dwellers.extend(take(size)));
    debug_assert_eq!(dwellers.len(), (before + peers) as usize);
    dwellers.extend(last);
    dwellers
}

/// The peers of a world that are the scenario's own.
pub(super) fn own(scenario: &Scenario) -> impl Iterator<Item = PeerKey> + use<> {
    let first = before(scenario);
    (first..first + scenario.peers).map(PeerKey)
}
