//! Whom to serve: who gives most and is nearest, and by turns everybody.
//!
//! Slots are filled the moment they fall free; the rounds only correct. Tit-for-tat after Cohen
//! (2003), with short rounds and without a fixed wait for newcomers.

use crate::{
    config::Config,
    peers::{Link, Links},
    random::Random,
    tier::Proximity,
};

/// Decides anew who holds a slot. Returns how many do.
pub(crate) fn round(
    links: &mut Links,
    slots: usize,
    seeding: bool,
    config: &Config,
    random: &mut Random,
) -> usize {
    links.iter_mut().for_each(Link::count_round);
    let mut ranked: Vec<(Rank, usize)> = links
        .iter()
        .enumerate()
        .filter(|(_, link)| link.is_interested())
        .map(|(at, link)| (Rank::of(link, seeding, config.nearness, random), at))
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let optimistic = usize::from(config.optimistic_slots).min(slots / 2);
    let earned = if ranked.len() > slots { slots - optimistic } else { ranked.len() };
    let mut held: Vec<usize> = ranked.iter().take(earned).map(|&(_, at)| at).collect();
    let mut others: Vec<usize> = ranked.iter().skip(earned).map(|&(_, at)| at).collect();
    for _ in 0..optimistic {
        if others.is_empty() {
            break;
        }
        held.push(others.swap_remove(random.below(others.len() as u32) as usize));
    }
    for (at, link) in links.iter_mut().enumerate() {
        link.set_choked(!held.contains(&at));
        link.sent = 0;
    }
    held.len()
}

/// Smaller is served first.
#[derive(Clone, Copy, Debug)]
struct Rank {
    /// Leeching: what it gives us, negated. Seeding: what it got in the last round, so that turns go round; but whoever
    /// asks and takes nothing comes last, else a few of those would hold every slot.
    worth: f32,
    proximity: Proximity,
    tie: f32,
}

impl Rank {
    fn of(link: &Link, seeding: bool, nearness: bool, random: &mut Random) -> Rank {
        let worth = match seeding {
            true if link.is_stuck() => f32::INFINITY,
            true => link.sent as f32,
            false => -link.rate,
        };
        let proximity = if nearness { link.proximity() } else { Proximity::UNKNOWN };
        Rank { worth, proximity, tie: random.unit() }
    }

    fn total_cmp(&self, other: &Rank) -> std::cmp::Ordering {
        let by_worth = self.worth.total_cmp(&other.worth);
        by_worth.then(self.proximity.cmp(&other.proximity)).then(self.tie.total_cmp(&other.tie))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::PeerKey, input::Neighbour, tier::Tier};

    fn crowd(count: u32) -> Links {
        let mut links = Links::default();
        for peer in 0..count {
            let about = Neighbour {
                near: Tier::Remote.into(),
                origin: false,
                directory: false,
                manifest: false,
                web_seed: false,
            };
            let mut link = Link::new(PeerKey(peer), about, 4);
            link.set_interested(true);
            link.rate = peer as f32;
            links.insert(link);
        }
        links
    }

    fn served(links: &Links) -> Vec<u32> {
        links.iter().filter(|link| !link.is_choked()).map(|link| link.peer.0).collect()
    }

    #[test]
    fn those_who_give_most_are_served_and_one_other_by_turns() {
        let config = Config { upload_slots: 4, optimistic_slots: 1, ..Config::default() };
        let (mut links, mut random) = (crowd(20), Random::new(3));
        let mut lucky = std::collections::BTreeSet::new();
        for _ in 0..300 {
            assert_eq!(round(&mut links, 4, false, &config, &mut random), 4);
            let served = served(&links);
            assert_eq!(served[1..], [17, 18, 19]);
            lucky.insert(served[0]);
        }
        assert_eq!(lucky.len(), 17, "every other peer had a turn");
    }

    #[test]
    fn a_small_crowd_is_served_whole() {
        let config = Config::default();
        let (mut links, mut random) = (crowd(8), Random::new(3));
        assert_eq!(round(&mut links, 16, false, &config, &mut random), 8);
        assert_eq!(served(&links).len(), 8);
    }

    #[test]
    fn a_seed_gives_everybody_a_turn() {
        let config = Config { upload_slots: 4, optimistic_slots: 1, ..Config::default() };
        let (mut links, mut random) = (crowd(12), Random::new(3));
        let mut had = std::collections::BTreeSet::new();
        for _ in 0..60 {
            links.iter_mut().filter(|link| !link.is_choked()).for_each(|link| link.sent += 1_000);
            round(&mut links, 4, true, &config, &mut random);
            had.extend(served(&links));
        }
        assert_eq!(had.len(), 12);
    }

    #[test]
    fn who_asks_and_takes_nothing_cannot_hold_the_slots_of_a_seed() {
        let config = Config { upload_slots: 4, optimistic_slots: 1, ..Config::default() };
        let (mut links, mut random) = (crowd(12), Random::new(3));
        let honest = 8..12;
        let mut served_last = Vec::new();
        for _ in 0..20 {
            // The first eight ask for much and read nothing; the others take what they get.
            for link in links.iter_mut() {
                match honest.contains(&link.peer.0) {
                    true if !link.is_choked() => link.sent = 1_000,
                    true => {}
                    false => link.uploads = 100,
                }
            }
            round(&mut links, 4, true, &config, &mut random);
            served_last = served(&links);
        }
        let honest_served = served_last.iter().filter(|peer| honest.contains(peer)).count();
        assert!(honest_served >= 3, "the slots went to {served_last:?}");
    }
}
