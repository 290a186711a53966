//! How many networks the supernodes are.

use std::collections::BTreeMap;

/// Counts the parts of a graph that hang together. `links` may name nodes that are not in `nodes`: they do not count.
pub(super) fn parts(nodes: impl Iterator<Item = u32>, links: impl Iterator<Item = (u32, u32)>) -> u32 {
    let place: BTreeMap<u32, usize> = nodes.enumerate().map(|(place, node)| (node, place)).collect();
    let mut above: Vec<usize> = (0..place.len()).collect();
    let mut count = place.len() as u32;
    for (a, b) in links {
        let (Some(&a), Some(&b)) = (place.get(&a), place.get(&b)) else { continue };
        let (a, b) = (root(&mut above, a), root(&mut above, b));
        if a != b {
            above[a] = b;
            count -= 1;
        }
    }
    count
}

fn root(above: &mut [usize], mut at: usize) -> usize {
    while above[at] != at {
        above[at] = above[above[at]];
        at = above[at];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_and_links_to_nobody_join_nothing() {
        let count = |links: &[(u32, u32)]| parts([1, 2, 3, 4, 9].into_iter(), links.iter().copied());
        assert_eq!(count(&[]), 5);
        assert_eq!(count(&[(1, 2), (2, 3), (1, 3), (4, 7), (7, 9)]), 3);
        assert_eq!(count(&[(1, 2), (3, 4), (2, 3), (9, 1)]), 1);
    }
}
