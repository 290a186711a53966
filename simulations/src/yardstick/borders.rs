//! Copies of a content that groups of peers, such as the customers of one AS, must import, and how
//! many they import if neighbours are chosen at random.
//!
//! All of this is for one content. In a catalogue with a long tail most groups have one member or
//! none for a content, and one member must import a whole copy. So a share of inner traffic of 100 %
//! is no yardstick; [`inner_share_max`] is.

/// The largest share of all bytes that can stay inside groups: 1 - A / N. Each of the A groups with
/// members and without a seeder imports one copy at least, and the N members need a copy each.
///
/// `sizes` are members that want the content, by group; empty groups do not count. `seeded` of the
/// groups hold a seeder and need no import. Zero if nobody wants anything.
pub fn inner_share_max(sizes: &[u32], seeded: u32) -> f64 {
    let groups = sizes.iter().filter(|&&size| size > 0).count() as f64;
    let members = total(sizes);
    if members == 0.0 { 0.0 } else { 1.0 - (groups - f64::from(seeded)).max(0.0) / members }
}

/// The share of bytes that stays inside groups if everybody takes from random others:
/// Σ n (n - 1) / (N (N - 1)). Zero if there are less than two.
pub fn inner_share_by_chance(sizes: &[u32]) -> f64 {
    let members = total(sizes);
    let pairs: f64 = sizes.iter().map(|&size| f64::from(size) * (f64::from(size) - 1.0)).sum();
    if members < 2.0 { 0.0 } else { pairs / (members * (members - 1.0)) }
}

/// Copies that a group of `size` out of `members` imports if everybody takes from random others:
/// n (N - n) / (N - 1). Zero if there are less than two.
pub fn redundancy_by_chance(size: u32, members: u32) -> f64 {
    if members < 2 {
        return 0.0;
    }
    let (size, members) = (f64::from(size), f64::from(members));
    size * (members - size) / (members - 1.0)
}

fn total(sizes: &[u32]) -> f64 {
    sizes.iter().map(|&size| f64::from(size)).sum()
}

/// A group, and the trade between its imports and its time: m*(t).
///
/// The n members need n copies. Their uplinks make U t / F of them within t, less what they export.
/// The rest comes in. It is a fluid bound: no order of pieces, no latency, and all members present
/// from the start. A measured point above the curve is waste.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frontier {
    /// n: members that want the content.
    pub members: u32,
    /// U: their uplinks together, and those of seeders inside, in bytes a second.
    pub up: u64,
    /// F: the content, in bytes.
    pub bytes: u64,
    /// Copies that the group sends outside.
    pub exports: f64,
    /// Whether a member holds the content from the start.
    pub seeded: bool,
}

impl Frontier {
    /// The fewest copies that must come in so that all are done after `seconds`:
    /// max { 1, n - U t / F + exports }. Zero for a group with a seeder, or without members.
    pub fn imports_min(&self, seconds: f64) -> f64 {
        let floor = if self.seeded || self.members == 0 { 0.0 } else { 1.0 };
        let made = self.up as f64 * seconds / self.bytes as f64 - self.exports;
        (f64::from(self.members) - made).max(floor)
    }

    /// The soonest that all are done if `imports` copies come in, in seconds. Infinite: never.
    pub fn seconds_min(&self, imports: f64) -> f64 {
        if imports < self.imports_min(f64::INFINITY) {
            return f64::INFINITY;
        }
        let made = f64::from(self.members) + self.exports - imports;
        if made <= 0.0 { 0.0 } else { made * self.bytes as f64 / self.up as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourteen_groups_of_fifty_import_46_copies_each_by_chance() {
        // The setting of Bindal and others, 2006.
        assert!((redundancy_by_chance(50, 700) - 46.5).abs() < 0.01);
        let sizes = [50; 14];
        let share = inner_share_by_chance(&sizes);
        assert!((share - 49.0 / 699.0).abs() < 1e-12);
        // What stays inside, and what 14 groups import, are all 700 copies.
        assert!((share * 700.0 + 14.0 * redundancy_by_chance(50, 700) - 700.0).abs() < 1e-9);
        assert!((inner_share_max(&sizes, 0) - 0.98).abs() < 1e-12);
        assert!((inner_share_max(&sizes, 1) - (1.0 - 13.0 / 700.0)).abs() < 1e-12);
    }

    #[test]
    fn lone_members_cannot_stay_inside() {
        assert_eq!(inner_share_max(&[1, 1, 1, 0], 0), 0.0);
        assert_eq!((inner_share_max(&[], 0), inner_share_by_chance(&[1])), (0.0, 0.0));
        assert_eq!(redundancy_by_chance(1, 1), 0.0);
    }

    #[test]
    fn who_has_time_imports_one_copy_and_who_hurries_imports_more() {
        // Fifty uplinks of 100 kbit/s and 64 MiB: a copy takes 104.9 s.
        let group = Frontier { members: 50, up: 50 * 12_800, bytes: 64 << 20, exports: 0.0, seeded: false };
        assert_eq!(group.imports_min(0.0), 50.0);
        assert_eq!(group.imports_min(1e6), 1.0);
        let seconds = group.seconds_min(1.0);
        assert!((seconds - 49.0 * 104.857_6).abs() < 1e-6, "{seconds}");
        assert!((group.imports_min(seconds) - 1.0).abs() < 1e-9);
        assert!((group.imports_min(group.seconds_min(20.0)) - 20.0).abs() < 1e-9);
        assert_eq!(group.seconds_min(0.5), f64::INFINITY);
    }

    #[test]
    fn exports_cost_time_and_a_seeder_inside_spares_the_import() {
        let group = Frontier { members: 10, up: 100, bytes: 100, exports: 3.0, seeded: true };
        assert_eq!((group.imports_min(5.0), group.imports_min(50.0)), (8.0, 0.0));
        assert_eq!((group.seconds_min(0.0), group.seconds_min(13.0)), (13.0, 0.0));
    }
}
