//! The IPv4 addresses that each AS of an atlas has, as one row of numbered addresses an AS.

use nearcast_core::{asn::Asn, atlas::Atlas, random::Random, saturate::to_u32};

/// The addresses of all ASes. An AS is its index here: they ascend by number.
pub(super) struct Lots {
    ases: Vec<Asn>,
    /// Where each AS's ranges begin in `ranges`, and one entry at the end.
    begins: Vec<usize>,
    /// The ranges of each AS, ascending.
    ranges: Vec<Range>,
    /// The number of addresses of all ASes before each, and one entry at the end.
    before: Vec<u64>,
}

struct Range {
    first: u32,
    last: u32,
    /// The number of addresses that the same AS has in the ranges before this one.
    before: u64,
}

impl Lots {
    pub(super) fn of(atlas: &Atlas) -> Lots {
        let mut all: Vec<(Asn, u32, u32)> =
            atlas.ranges_v4().map(|(first, last, asn)| (asn, first.to_bits(), last.to_bits())).collect();
        all.sort_unstable();
        let mut lots = Lots {
            ases: Vec::new(),
            begins: Vec::new(),
            ranges: Vec::with_capacity(all.len()),
            before: vec![],
        };
        let (mut before, mut inside) = (0, 0);
        for (asn, first, last) in all {
            if lots.ases.last() != Some(&asn) {
                lots.ases.push(asn);
                lots.begins.push(lots.ranges.len());
                lots.before.push(before);
                inside = 0;
            }
            lots.ranges.push(Range { first, last, before: inside });
            let addresses = u64::from(last - first) + 1;
            inside += addresses;
            before += addresses;
        }
        lots.begins.push(lots.ranges.len());
        lots.before.push(before);
        lots
    }

    /// The ASes that have addresses, ascending.
    pub(super) fn ases(&self) -> &[Asn] {
        &self.ases
    }

    /// The index of an AS. `None`: it has no addresses.
    pub(super) fn position(&self, asn: Asn) -> Option<usize> {
        self.ases.binary_search(&asn).ok()
    }

    /// The number of addresses of all ASes.
    pub(super) fn total(&self) -> u64 {
        self.before[self.ases.len()]
    }

    /// The number of addresses of an AS, at least one.
    pub(super) fn addresses(&self, of: usize) -> u64 {
        self.before[of + 1] - self.before[of]
    }

    /// The most peers that an AS has room for: one for two of its addresses, at least one. So a free
    /// address is found soon.
    pub(super) fn room(&self, of: usize) -> u32 {
        to_u32((self.addresses(of) / 2).max(1))
    }

    /// An AS: each as often as its share of the addresses says.
    pub(super) fn any(&self, random: &mut Random) -> usize {
        let number = u64::from(random.below(to_u32(self.total())));
        self.before.partition_point(|&before| before <= number) - 1
    }

    /// An address of an AS by its number.
    pub(super) fn address(&self, of: usize, number: u64) -> u32 {
        let range = self.range(of, number);
        // A number inside the range is less than its length, which fits.
        range.first + to_u32(number - range.before)
    }

    /// A number whose address is in the same /24 as that of `number`. It may be the same one.
    pub(super) fn beside(&self, of: usize, number: u64, random: &mut Random) -> u64 {
        let range = self.range(of, number);
        let address = self.address(of, number);
        let (first, last) = (range.first.max(address & !0xff), range.last.min(address | 0xff));
        let other = first + random.below(last - first + 1);
        range.before + u64::from(other - range.first)
    }

    fn range(&self, of: usize, number: u64) -> &Range {
        let ranges = &self.ranges[self.begins[of]..self.begins[of + 1]];
        &ranges[ranges.partition_point(|range| range.before <= number) - 1]
    }
}

#[cfg(test)]
mod tests {
    use nearcast_core::atlas::AtlasBuilder;

    use super::*;

    fn lots() -> Lots {
        let mut builder = AtlasBuilder::new(1);
        for (first, last, asn) in
            [("20.0.0.0", "20.0.1.255", 9), ("20.0.2.0", "20.0.2.0", 7), ("20.0.3.128", "20.0.3.255", 9)]
        {
            builder.range(first.parse().unwrap(), last.parse().unwrap(), &[Asn(asn)]).unwrap();
        }
        Lots::of(&builder.build())
    }

    fn ip(lots: &Lots, of: usize, number: u64) -> String {
        std::net::Ipv4Addr::from_bits(lots.address(of, number)).to_string()
    }

    #[test]
    fn the_addresses_of_an_as_are_numbered_without_gaps() {
        let lots = lots();
        assert_eq!(lots.ases(), [Asn(7), Asn(9)]);
        assert_eq!((lots.addresses(0), lots.addresses(1), lots.total()), (1, 640, 641));
        assert_eq!((lots.room(0), lots.room(1)), (1, 320));
        assert_eq!((lots.position(Asn(9)), lots.position(Asn(8))), (Some(1), None));
        let ips = [0, 511, 512, 639].map(|number| ip(&lots, 1, number));
        assert_eq!(ips, ["20.0.0.0", "20.0.1.255", "20.0.3.128", "20.0.3.255"]);
        assert_eq!(ip(&lots, 0, 0), "20.0.2.0");
    }

    #[test]
    fn a_neighbour_is_in_the_same_24_and_the_same_as() {
        let (lots, mut random) = (lots(), Random::new(1));
        for number in (0..640).chain(0..640) {
            let beside = lots.beside(1, number, &mut random);
            assert_eq!(lots.address(1, beside) >> 8, lots.address(1, number) >> 8);
        }
        assert_eq!(lots.beside(0, 0, &mut random), 0);
    }

    #[test]
    fn an_atlas_without_addresses_has_no_lots() {
        let lots = Lots::of(&AtlasBuilder::new(1).build());
        assert_eq!((lots.total(), lots.ases().len()), (0, 0));
    }
}
