//! Which of the known names somebody meant.

/// The known name with the least edits from `name`. `None`: none is similar, that is less than half
/// of the letters would stay.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = name.chars().count().div_ceil(2);
    known
        .map(|known| (edits(name, known), known))
        .min()
        .filter(|(edits, _)| *edits <= most)
        .map(|(_, name)| name)
}

/// Letters to insert, delete, replace or swap with the next one, to make one of the other (optimal
/// string alignment).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for at in 1..=a.len() {
        let mut row = vec![at];
        for to in 1..=b.len() {
            let replace = rows[at - 1][to - 1] + usize::from(a[at - 1] != b[to - 1]);
            let mut least = replace.min(rows[at - 1][to] + 1).min(row[to - 1] + 1);
            if at > 1 && to > 1 && a[at - 1] == b[to - 2] && a[at - 2] == b[to - 1] {
                least = least.min(rows[at - 2][to - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_with_the_least_edits_is_found_and_nothing_if_none_is_similar() {
        let known = ["peers", "runs", "uplinks", "downlinks"];
        let meant = |name| nearest(name, known.into_iter());
        assert_eq!(meant("pers"), Some("peers"));
        assert_eq!(meant("rnus"), Some("runs"));
        assert_eq!(meant("uplink"), Some("uplinks"));
        assert_eq!(meant("colour"), None);
        assert_eq!((edits("", "abc"), edits("ab", "ba"), edits("same", "same")), (3, 1, 0));
    }
}
