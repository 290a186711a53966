//! Whether an atlas may take the place of an older one. A file that was cut off on its way, or a
//! collector that was told nothing, makes an atlas that is new and knows nothing.

use super::{Atlas, Counts};

/// Fewer prefixes than this say nothing about what is missing.
const HANDFUL: u64 = 100;

/// What a newer atlas would lose: more than half of what the older one knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it knows {left} {family} prefixes, and the one before {known}")]
pub struct Loss {
    /// IPv4 or IPv6.
    pub family: &'static str,
    /// Prefixes of the older one.
    pub known: u64,
    /// Prefixes of the newer one.
    pub left: u64,
}

impl Counts {
    /// What is lost by going from `older` to this atlas. `None`: at least half of the prefixes of
    /// each family are left, or there were too few of them to tell.
    pub fn loss_since(&self, older: &Counts) -> Option<Loss> {
        let families =
            [("IPv4", older.prefixes_v4, self.prefixes_v4), ("IPv6", older.prefixes_v6, self.prefixes_v6)];
        let lost =
            families.into_iter().find(|&(_, known, left)| known >= HANDFUL && left < known.div_ceil(2));
        lost.map(|(family, known, left)| Loss { family, known, left })
    }
}

impl Atlas {
    /// Whether it knows the AS of no address at all.
    pub fn knows_nobody(&self) -> bool {
        self.v4.owned() == 0 && self.v6.owned() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{asn::Asn, atlas::AtlasBuilder};

    fn counts(prefixes_v4: u64, prefixes_v6: u64) -> Counts {
        Counts { prefixes_v4, prefixes_v6, ..Counts::default() }
    }

    #[test]
    fn half_of_either_family_is_a_loss_and_a_handful_is_none() {
        let older = counts(1_000, 200);
        assert_eq!(counts(500, 100).loss_since(&older), None);
        assert_eq!(counts(5_000, 0).loss_since(&older).map(|loss| loss.family), Some("IPv6"));
        let loss = counts(499, 200).loss_since(&older).unwrap();
        assert_eq!(loss.to_string(), "it knows 499 IPv4 prefixes, and the one before 1000");
        assert_eq!(counts(0, 0).loss_since(&counts(99, 99)), None);
        assert_eq!(counts(0, 0).loss_since(&counts(u64::MAX, 0)).map(|loss| loss.left), Some(0));
    }

    #[test]
    fn an_atlas_of_holes_and_links_knows_nobody() {
        let mut builder = AtlasBuilder::new(1);
        builder.prefix("9.0.0.0/8".parse().unwrap(), &[]);
        builder.link(Asn(1), Asn(2), crate::place::asn::Relation::Peer);
        assert!(builder.clone().build().knows_nobody());
        builder.prefix("8.0.0.0/8".parse().unwrap(), &[Asn(1)]);
        assert!(!builder.build().knows_nobody());
    }
}
