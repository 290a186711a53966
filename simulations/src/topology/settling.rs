//! Decides how many peers move into each AS, and which address each of them gets.

use std::collections::{BTreeMap, BTreeSet};

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::Atlas,
    random::Random,
    saturate::to_u32,
};

use super::{Placing, TopologyError, internet::shuffle, lots::Lots};

/// One peer in so many moves into the /24 of one who is there already, the others anywhere in their
/// AS. Without that, hardly two peers of a small swarm would share a /24. Houses and offices with
/// several peers do exist, and a policy for neighbours is to meet some.
const NEIGHBOUR_ONE_IN: u32 = 4;

/// How many peers each AS gets, by the index of the AS in the lots.
pub(super) type Counts = BTreeMap<usize, u32>;

/// Spreads peers over ASes as they are to be placed. No AS gets more peers than it has room for.
///
/// # Errors
/// If an AS, or all together, have too little room; or if the placing is for another number of
/// peers.
pub(super) fn counts(
    atlas: &Atlas,
    lots: &Lots,
    peers: u32,
    how: Placing,
    random: &mut Random,
) -> Result<Counts, TopologyError> {
    if let Some(placed) = how.peers()
        && placed != u64::from(peers)
    {
        return Err(TopologyError::Count { placed, peers });
    }
    match how {
        Placing::ByAddresses => by_addresses(lots, peers, random),
        Placing::Sizes(sizes) => in_stubs(atlas, lots, sizes, random),
        Placing::File(rows) => as_told(lots, rows),
    }
}

fn by_addresses(lots: &Lots, peers: u32, random: &mut Random) -> Result<Counts, TopologyError> {
    // An AS is full when half of its addresses are taken. With this bound, full ASes have at most
    // half of all addresses, so every second try at least finds room.
    let room = lots.total() / 4;
    if u64::from(peers) > room {
        return Err(TopologyError::TooMany { peers, room });
    }
    let mut counts = vec![0; lots.ases().len()];
    for _ in 0..peers {
        let at = loop {
            let at = lots.any(random);
            if counts[at] < lots.room(at) {
                break at;
            }
        };
        counts[at] += 1;
    }
    Ok(counts.into_iter().enumerate().filter(|&(_, count)| count > 0).collect())
}

fn in_stubs(
    atlas: &Atlas,
    lots: &Lots,
    mut sizes: Vec<u32>,
    random: &mut Random,
) -> Result<Counts, TopologyError> {
    let mut stubs: Vec<usize> =
        (0..lots.ases().len()).filter(|&at| is_stub(atlas, lots.ases()[at])).collect();
    shuffle(&mut stubs, random);
    // The largest first: whoever has room for it would have had room for the others, too, but not
    // the other way round.
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let mut counts = Counts::new();
    for size in sizes.into_iter().filter(|&size| size > 0) {
        let fits = |&at: &usize| lots.room(at) >= size && !counts.contains_key(&at);
        let at = stubs.iter().copied().find(fits).ok_or(TopologyError::NoStub { size })?;
        counts.insert(at, size);
    }
    Ok(counts)
}

fn is_stub(atlas: &Atlas, asn: Asn) -> bool {
    !atlas.neighbours(asn).any(|(_, relation)| relation == Relation::Customer)
}

fn as_told(lots: &Lots, rows: Vec<(Asn, u32)>) -> Result<Counts, TopologyError> {
    let mut counts = Counts::new();
    for (asn, peers) in rows.into_iter().filter(|&(_, peers)| peers > 0) {
        let at = lots.position(asn).ok_or(TopologyError::NoAddresses(asn))?;
        let count = counts.entry(at).or_insert(0_u32);
        *count = count.saturating_add(peers);
        let room = lots.room(at);
        if *count > room {
            return Err(TopologyError::Full { asn, peers: *count, room });
        }
    }
    Ok(counts)
}

/// Addresses for the peers of an AS, each another one. `peers` is at most the AS's room.
pub(super) fn addresses(lots: &Lots, of: usize, peers: u32, random: &mut Random) -> Vec<u32> {
    let all = lots.addresses(of);
    let (mut numbers, mut taken) = (Vec::new(), BTreeSet::new());
    for settled in 0..peers {
        let beside = settled > 0 && random.below(NEIGHBOUR_ONE_IN) == 0;
        let mut number = if beside {
            let neighbour = numbers[random.below(settled) as usize];
            lots.beside(of, neighbour, random)
        } else {
            random.below(to_u32(all)).into()
        };
        while !taken.insert(number) {
            number = (number + 1) % all;
        }
        numbers.push(number);
    }
    numbers.into_iter().map(|number| lots.address(of, number)).collect()
}
