//! Bytes that a download imported into our own AS, by the AS they came from.

use std::collections::BTreeMap;

use nearcast_core::asn::Asn;

/// ASes counted one by one. Bytes of further ASes are in the sum only.
const ASES_MAX: usize = 1_024;

/// Bytes by the AS that they came from. Our own AS is not included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imports {
    /// Bytes by AS. The sum may be less than all that was imported: at most 1,024 ASes are counted.
    pub by_as: BTreeMap<Asn, u64>,
}

impl Imports {
    /// Counts `bytes` that came from `asn`.
    pub(crate) fn add(&mut self, asn: Asn, bytes: u64) {
        if self.by_as.len() < ASES_MAX || self.by_as.contains_key(&asn) {
            *self.by_as.entry(asn).or_default() += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ases_are_counted_apart_and_no_more_than_the_bound() {
        let mut imports = Imports::default();
        for asn in 0..2 * ASES_MAX as u32 {
            imports.add(Asn(asn), 5);
            imports.add(Asn(0), 1);
        }
        assert_eq!(imports.by_as.len(), ASES_MAX);
        assert_eq!(imports.by_as[&Asn(0)], 5 + 2 * ASES_MAX as u64);
    }
}
