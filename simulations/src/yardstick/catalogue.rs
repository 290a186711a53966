//! What the origin must serve, at the least, of a catalogue with a long tail.
//!
//! Peers of one content are an M/G/∞ queue: they come at random at rate λ and each is there for
//! τ = download and seeding time. So somebody who comes finds nobody with probability e^(-λ τ), and
//! then only the origin can serve. No policy of peers avoids that; only more seeding does.

/// The share of those who come and find no other peer of the content: e^(-λ τ). `arrivals` is in
/// peers a second, `stay` in seconds.
pub fn alone_share(arrivals: f64, stay: f64) -> f64 {
    (-arrivals * stay).exp()
}

/// The largest share of demand that uplinks of peers can serve: min { 1, Σ u / Σ d }. `up` is what
/// all peers can send and `demand` what all want, in the same unit.
pub fn capacity_ceiling(up: f64, demand: f64) -> f64 {
    if demand > 0.0 { (up / demand).min(1.0) } else { 1.0 }
}

/// The least share of all bytes that the origin serves, if `arrivals` peers a second want contents
/// of one size by their popularity, and each stays for `stay` seconds.
pub fn origin_share_min(classes: &[Class], arrivals: f64, stay: f64) -> f64 {
    classes.iter().map(|class| class.share * alone_share(arrivals * class.share_each(), stay)).sum()
}

/// A catalogue in which the content of rank r is wanted in proportion to r^-s (Zipf's law).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zipf {
    /// Contents.
    pub contents: u32,
    /// s. Near 1 for web pages and films.
    pub exponent: f64,
}

/// Contents of neighbouring ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Class {
    /// The first rank, counted from 1.
    pub first: u32,
    /// Contents in the class.
    pub contents: u32,
    /// The share of all demand that these contents have together.
    pub share: f64,
}

impl Class {
    /// The share of all demand that one content of the class has, on average.
    pub fn share_each(&self) -> f64 {
        self.share / f64::from(self.contents)
    }
}

impl Zipf {
    /// All contents, as one class each: exact, and large.
    pub fn contents(&self) -> Vec<Class> {
        self.cut(|first| first)
    }

    /// Classes whose last rank is less than twice their first. Popularity differs within a class by
    /// a factor of 2^s at most. Ten million contents make 24 classes.
    pub fn classes(&self) -> Vec<Class> {
        self.cut(|first| first.saturating_mul(2) - 1)
    }

    fn cut(&self, last: impl Fn(u32) -> u32) -> Vec<Class> {
        let mut classes = Vec::new();
        let mut first = 1;
        while first <= self.contents {
            let last = last(first).min(self.contents);
            // The smallest are added first, so that the sum does not depend on how classes are cut.
            let weight = (first..=last).rev().map(|rank| self.weight(rank)).sum();
            classes.push(Class { first, contents: last - first + 1, share: weight });
            let Some(next) = last.checked_add(1) else { break };
            first = next;
        }
        let all: f64 = classes.iter().rev().map(|class| class.share).sum();
        for class in &mut classes {
            class.share /= all;
        }
        classes
    }

    fn weight(&self, rank: u32) -> f64 {
        f64::from(rank).powf(-self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOGUE: Zipf = Zipf { contents: 100_000, exponent: 1.0 };

    #[test]
    fn shares_follow_the_rank_and_add_up_to_all() {
        let contents = CATALOGUE.contents();
        assert_eq!(contents.len(), 100_000);
        assert!((contents[0].share / contents[9].share - 10.0).abs() < 1e-9);
        for classes in [contents, CATALOGUE.classes()] {
            assert!((classes.iter().map(|class| class.share).sum::<f64>() - 1.0).abs() < 1e-9);
            assert_eq!(classes.iter().map(|class| class.contents).sum::<u32>(), 100_000);
        }
        assert_eq!(CATALOGUE.classes().len(), 17);
        assert_eq!(Zipf { contents: 0, exponent: 1.0 }.classes(), []);
    }

    #[test]
    fn somebody_alone_is_served_by_the_origin() {
        assert_eq!(alone_share(0.0, 1_000.0), 1.0);
        assert!((alone_share(0.001, 1_000.0) - (-1.0_f64).exp()).abs() < 1e-12);
        assert_eq!((capacity_ceiling(50.0, 100.0), capacity_ceiling(200.0, 100.0)), (0.5, 1.0));
        assert_eq!(capacity_ceiling(1.0, 0.0), 1.0);
    }

    #[test]
    fn the_tail_is_the_origins_and_classes_come_close_to_contents() {
        let (contents, classes) = (CATALOGUE.contents(), CATALOGUE.classes());
        // A peer a second, each there for an hour: the content of rank 1,000 has 0.3 on average.
        let exact = origin_share_min(&contents, 1.0, 3_600.0);
        let coarse = origin_share_min(&classes, 1.0, 3_600.0);
        assert!((0.4..0.5).contains(&exact), "{exact}");
        assert!((coarse - exact).abs() < 0.01, "{coarse} is far from {exact}");
        // Ten times the demand, or ten times the seeding, leave less.
        assert!(origin_share_min(&contents, 10.0, 3_600.0) < 0.3);
    }
}
