//! Which neighbours to serve: those that give most and are nearest, and all others by turns.
//!
//! Slots are filled the moment they fall free; the rounds only correct. Tit-for-tat after Cohen
//! (2003), with short rounds and without a fixed wait for newcomers.

use std::collections::BTreeMap;

use crate::{
    config::Config,
    id::PeerKey,
    links::peers::{Link, Links},
    place::tier::Proximity,
    random::Random,
};

/// The conditions of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round<'a> {
    pub(crate) slots: usize,
    /// Everything wanted is here.
    pub(crate) seeding: bool,
    /// Whether nearer neighbours come first among equals. Not where only one member of a group asks
    /// for all of it: nearness has decided already.
    pub(crate) by_nearness: bool,
    /// Neighbours that come last, sorted. An origin knows which neighbours do not pass on what they
    /// get.
    pub(crate) last: &'a [PeerKey],
}

/// Decides anew which neighbours hold a slot. Returns how many do.
///
/// While slots are contended, half of an origin's slots are divided among groups, by `group_of`. Of
/// any other peer's slots, a quarter go to neighbours outside our own group that give. A neighbour
/// from another group asks for all of its group, so a far small group is not starved by a near
/// large one. Half of a leecher's slots are drawn by what neighbours gave lately, so that a
/// neighbour that gives twice as much has twice as many turns. While some neighbours do not use
/// their turns, a quarter of a seed's slots stay with the neighbours that take most.
pub(crate) fn round(
    links: &mut Links,
    round: Round<'_>,
    group_of: Option<&dyn Fn(&Link) -> u64>,
    config: &Config,
    random: &mut Random,
) -> usize {
    let Round { slots, .. } = round;
    links.iter_mut().for_each(Link::count_round);
    let mut ranked: Vec<(Rank, usize)> = links
        .iter()
        .enumerate()
        .filter(|(_, link)| link.is_interested())
        .map(|(at, link)| (Rank::of(link, round, random), at))
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let optimistic = usize::from(config.upload.optimistic_slots).min(slots / 2);
    let earned = if ranked.len() > slots { slots.saturating_sub(optimistic) } else { ranked.len() };
    let mut held = match ranked.len() > slots {
        true => reserved(links, &ranked, round, group_of),
        false => Vec::new(),
    };
    held.truncate(earned);
    if ranked.len() > slots && round.seeding {
        let idlers = links.iter().filter(|link| link.is_interested() && !link.is_in_use()).count();
        let most = (slots / 4).min(earned.saturating_sub(held.len())).min(idlers);
        keep_takers(links, &ranked, most, &mut held);
    }
    let drawn = match ranked.len() > slots && !round.seeding {
        true => (slots / 2).min(earned.saturating_sub(held.len())),
        false => 0,
    };
    let free = earned.saturating_sub(held.len()).saturating_sub(drawn);
    let rest = ranked.iter().map(|&(_, at)| at).filter(|at| !held.contains(at));
    let mut others: Vec<usize> = rest.collect();
    held.extend(others.drain(..free));
    draw_by_gifts(links, &mut others, drawn, &mut held, random);
    for _ in 0..optimistic {
        if others.is_empty() {
            break;
        }
        held.push(others.swap_remove(random.below(crate::saturate::to_u32(others.len())) as usize));
    }
    for (at, link) in links.iter_mut().enumerate() {
        link.set_choked(!held.contains(&at));
        link.sent = 0;
    }
    held.len()
}

/// Adds `most` of the neighbours that had a slot and took most. Turns alone would pass each slot to
/// one neighbour after another that asks for nothing, before a neighbour that takes what it asks
/// for had the slot again.
fn keep_takers(links: &Links, ranked: &[(Rank, usize)], most: usize, held: &mut Vec<usize>) {
    let all: Vec<&Link> = links.iter().collect();
    let takes = |&(rank, at): &(Rank, usize)| {
        let is_taker = all[at].sent > 0 && !all[at].is_choked() && rank.worth.is_finite();
        (is_taker && !held.contains(&at)).then_some(at)
    };
    let mut takers: Vec<usize> = ranked.iter().filter_map(takes).collect();
    takers.sort_by_key(|&at| std::cmp::Reverse(all[at].sent));
    held.extend(takers.into_iter().take(most));
}

/// The neighbours that wait for a slot, in the order of their turns.
pub(crate) fn waiting(links: &Links, round: Round<'_>, random: &mut Random) -> Vec<PeerKey> {
    let waits = links.iter().filter(|link| link.is_interested() && link.is_choked());
    let mut ranked: Vec<(Rank, PeerKey)> =
        waits.map(|link| (Rank::of(link, round, random), link.peer)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked.into_iter().map(|(_, peer)| peer).collect()
}

/// Moves `drawn` of `others` to `held`, drawn by what each gave lately. A neighbour that gave
/// nothing counts a little, so that no slots stay unused where nobody gives.
fn draw_by_gifts(
    links: &Links,
    others: &mut Vec<usize>,
    drawn: usize,
    held: &mut Vec<usize>,
    random: &mut Random,
) {
    let given: Vec<u32> = links.iter().map(|link| u32::from(link.given).max(1)).collect();
    for _ in 0..drawn {
        let all: u32 = others.iter().map(|&at| given[at]).sum();
        let mut left = random.below(all);
        let lucky = others.iter().position(|&at| {
            let is_here = left < given[at];
            left = left.saturating_sub(given[at]);
            is_here
        });
        if let Some(lucky) = lucky {
            held.push(others.remove(lucky));
        }
    }
}

/// The neighbours of `ranked` that get a slot kept for their group.
fn reserved(
    links: &Links,
    ranked: &[(Rank, usize)],
    Round { slots, seeding, .. }: Round<'_>,
    group_of: Option<&dyn Fn(&Link) -> u64>,
) -> Vec<usize> {
    let all: Vec<&Link> = links.iter().collect();
    let ranked = ranked.iter().map(|&(_, at)| at);
    let Some(group_of) = group_of else {
        let gives = |link: &Link| seeding || link.given > 0;
        return ranked.filter(|&at| all[at].is_outside() && gives(all[at])).take(slots / 4).collect();
    };
    let mut groups: BTreeMap<u64, usize> = BTreeMap::new();
    all.iter().filter(|link| link.is_interested()).for_each(|link| _ = groups.insert(group_of(link), 0));
    let each = (slots / 2).checked_div(groups.len()).unwrap_or(0).max(1);
    let kept = ranked.filter(|&at| {
        let held = groups.entry(group_of(all[at])).or_default();
        *held = held.saturating_add(1);
        *held <= each
    });
    kept.take(slots).collect()
}

/// Smaller is served first.
#[derive(Clone, Copy, Debug)]
struct Rank {
    /// Leeching: what it gave us lately, negated. Only new and verified bytes count, and they are
    /// forgotten in a minute, so that one burst earns no slot for ever. Seeding: what it got in the
    /// last round, so that turns go round. A neighbour that asks and takes nothing comes last, else
    /// a few such neighbours would hold every slot.
    worth: f32,
    proximity: Proximity,
    tie: f32,
}

impl Rank {
    fn of(link: &Link, round: Round<'_>, random: &mut Random) -> Rank {
        let worth = match round.seeding {
            true if link.is_stuck() || round.last.binary_search(&link.peer).is_ok() => f32::INFINITY,
            // A neighbour that did not use its turn comes after those that have had none.
            true if !link.is_in_use() => f32::from(link.sent) + f32::from(u16::MAX),
            true => f32::from(link.sent),
            false => -f32::from(link.given),
        };
        let proximity = if round.by_nearness { link.proximity() } else { Proximity::UNKNOWN };
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
    use crate::config::UploadConfig;
    use crate::{
        id::PeerKey,
        input::Neighbour,
        place::{locality::Locality, tier::Tier},
    };

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
            link.given = peer as u16;
            links.insert(link);
        }
        links
    }

    fn go(links: &mut Links, slots: usize, seeding: bool, config: &Config, random: &mut Random) -> usize {
        round(links, Round { slots, seeding, by_nearness: true, last: &[] }, None, config, random)
    }

    #[test]
    fn a_far_small_group_has_its_share_of_an_origins_slots_beside_a_near_large_one() {
        let config = Config {
            upload: UploadConfig { slots: 8, optimistic_slots: 1, ..Config::origin().upload },
            ..Config::origin()
        };
        let (mut links, mut random) = (crowd(60), Random::new(3));
        // Two of sixty are far, and further than the rest.
        for link in links.iter_mut().take(58) {
            link.locate(Tier::SameAs.into(), Locality::default());
        }
        let group_of = |link: &Link| u64::from(link.peer.0 >= 58);
        let mut far = [0, 0];
        for (at, groups) in [None, Some(&group_of as &dyn Fn(&Link) -> u64)].into_iter().enumerate() {
            for _ in 0..50 {
                links.iter_mut().filter(|link| !link.is_choked()).for_each(|link| link.sent += 1_000);
                let how = Round { slots: 8, seeding: true, by_nearness: true, last: &[] };
                assert_eq!(round(&mut links, how, groups, &config, &mut random), 8);
                far[at] += served(&links).iter().filter(|&&peer| peer >= 58).count();
            }
        }
        assert!(far[0] < 20, "{} turns: nearest first starves them", far[0]);
        assert_eq!(far[1], 100, "both, in every round");
    }

    #[test]
    fn more_groups_than_slots_take_turns() {
        let config = Config {
            upload: UploadConfig { slots: 4, optimistic_slots: 1, ..Config::origin().upload },
            ..Config::origin()
        };
        let (mut links, mut random) = (crowd(40), Random::new(3));
        let group_of = |link: &Link| u64::from(link.peer.0 / 4);
        let mut had = std::collections::BTreeSet::new();
        for _ in 0..30 {
            links.iter_mut().filter(|link| !link.is_choked()).for_each(|link| link.sent += 1_000);
            let how = Round { slots: 4, seeding: true, by_nearness: false, last: &[] };
            round(&mut links, how, Some(&group_of), &config, &mut random);
            had.extend(served(&links).into_iter().map(|peer| peer / 4));
        }
        assert_eq!(had.len(), 10);
    }

    fn served(links: &Links) -> Vec<u32> {
        links.iter().filter(|link| !link.is_choked()).map(|link| link.peer.0).collect()
    }

    #[test]
    fn who_gives_most_now_is_served_and_one_other_by_turns() {
        let config = Config {
            upload: UploadConfig { slots: 8, optimistic_slots: 1, ..Config::default().upload },
            ..Config::default()
        };
        let (mut links, mut random) = (crowd(20), Random::new(3));
        let mut lucky = std::collections::BTreeSet::new();
        for _ in 0..300 {
            assert_eq!(go(&mut links, 8, false, &config, &mut random), 8);
            let served = served(&links);
            assert_eq!(served[5..], [17, 18, 19]);
            lucky.extend(served[..5].iter().copied());
        }
        assert_eq!(lucky.len(), 17, "every other peer had a turn");
    }

    #[test]
    fn half_of_the_turns_go_to_each_by_what_it_gave_lately_and_riders_get_next_to_none() {
        const ROUNDS: usize = 2_000;
        let config = Config {
            upload: UploadConfig { slots: 8, optimistic_slots: 1, ..Config::default().upload },
            ..Config::default()
        };
        let (mut links, mut random) = (crowd(24), Random::new(3));
        // The first eight give nothing, the next eight give, the last eight give twice as much.
        for link in links.iter_mut() {
            link.given = [0, 40, 80][link.peer.0 as usize / 8];
        }
        let mut turns = [0; 3];
        for _ in 0..ROUNDS {
            go(&mut links, 8, false, &config, &mut random);
            served(&links).into_iter().for_each(|peer| turns[peer as usize / 8] += 1);
        }
        // Three of eight slots go to those that give most, four by what was given, and one to
        // anybody.
        let [riders, some, more] = turns.map(|turns| turns as f32 / ROUNDS as f32);
        println!(
            "of eight slots riders have {riders:.2}, who gives {some:.2}, who gives twice as much {more:.2}"
        );
        assert!(riders < 1.0, "an eighth of the slots is what anybody may have");
        // Three of the eight that give twice as much are served already when four are drawn of the
        // rest.
        let by_gifts = |turns: f32, others: f32| (turns - 0.5) / others;
        assert!((1.3..2.7).contains(&(by_gifts(more - 3.0, 5.0) / by_gifts(some, 8.0))));
    }

    #[test]
    fn one_burst_earns_no_slot_once_it_is_forgotten() {
        const ROUNDS: usize = 200;
        let config = Config {
            upload: UploadConfig { slots: 8, optimistic_slots: 1, ..Config::default().upload },
            ..Config::default()
        };
        let (mut links, mut random) = (crowd(20), Random::new(3));
        for link in links.iter_mut() {
            link.given = 0;
            link.rate = 1.0;
        }
        // It gave more in a moment than any other in a quarter of an hour, and its rate still is
        // what it was when it stopped.
        let burst = links.get_mut(PeerKey(0)).expect("it is there");
        burst.note_given(8 << 20);
        burst.rate = 64e6;
        for window in 1..=30 {
            links.iter_mut().skip(1).for_each(|link| link.note_given(32 << 10));
            links.iter_mut().for_each(|link| link.pass_window(window, true));
        }
        let mut turns = 0;
        for _ in 0..ROUNDS {
            go(&mut links, 8, false, &config, &mut random);
            turns += usize::from(served(&links).contains(&0));
        }
        // By chance it would have three eighths of the rounds.
        println!("{turns} of {ROUNDS} rounds");
        assert!(turns < ROUNDS / 4, "{turns} of {ROUNDS} rounds");
    }

    #[test]
    fn a_small_crowd_is_served_whole() {
        let config = Config::default();
        let (mut links, mut random) = (crowd(8), Random::new(3));
        assert_eq!(go(&mut links, 16, false, &config, &mut random), 8);
        assert_eq!(served(&links).len(), 8);
    }

    #[test]
    fn a_seed_gives_everybody_a_turn() {
        let config = Config {
            upload: UploadConfig { slots: 4, optimistic_slots: 1, ..Config::default().upload },
            ..Config::default()
        };
        let (mut links, mut random) = (crowd(12), Random::new(3));
        let mut had = std::collections::BTreeSet::new();
        for _ in 0..60 {
            links.iter_mut().filter(|link| !link.is_choked()).for_each(|link| link.sent += 1_000);
            go(&mut links, 4, true, &config, &mut random);
            had.extend(served(&links));
        }
        assert_eq!(had.len(), 12);
    }

    #[test]
    fn who_holds_a_slot_and_never_asks_loses_it_for_good() {
        let config = Config {
            upload: UploadConfig { slots: 4, optimistic_slots: 1, ..Config::default().upload },
            ..Config::default()
        };
        let (mut links, mut random) = (crowd(44), Random::new(3));
        // Forty neighbours want something, and ask for nothing.
        let is_honest = |peer: u32| peer >= 40;
        let mut turns = 0;
        for number in 0..100 {
            for link in links.iter_mut().filter(|link| is_honest(link.peer.0) && !link.is_choked()) {
                link.sent = 1_000;
            }
            go(&mut links, 4, true, &config, &mut random);
            if number >= 50 {
                turns += served(&links).into_iter().filter(|&peer| is_honest(peer)).count();
            }
        }
        assert!(turns >= 3 * 50, "{turns} of {} turns went to who uses them", 4 * 50);
    }

    #[test]
    fn who_asks_and_takes_nothing_cannot_hold_the_slots_of_a_seed() {
        let config = Config {
            upload: UploadConfig { slots: 4, optimistic_slots: 1, ..Config::default().upload },
            ..Config::default()
        };
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
            go(&mut links, 4, true, &config, &mut random);
            served_last = served(&links);
        }
        let honest_served = served_last.iter().filter(|peer| honest.contains(peer)).count();
        assert!(honest_served >= 3, "the slots went to {served_last:?}");
    }
}
