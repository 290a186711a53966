//! What is said before the first run: everything that is needed to do it again.

use std::collections::BTreeMap;

use nearcast_sim::scenario::{Scenario, sweep::Single};

use super::How;

/// Columns of a paragraph of settings.
const COLUMNS: usize = 100;

/// The scenario, the seeds, and every setting with its value. `set` names those that were set.
pub(super) fn text(base: &Scenario, runs: &[(Single, Scenario)], set: &[&str], how: &How) -> String {
    let scenario = runs.first().map_or(base, |(_, scenario)| scenario);
    let seeds: Vec<u64> = runs.iter().map(|(single, _)| single.seed).collect();
    let (first, last) = (seeds.iter().min().unwrap_or(&0), seeds.iter().max().unwrap_or(&0));
    let seeds = if first == last { format!("seed {first}") } else { format!("seeds {first} to {last}") };
    let count = match runs.len() {
        1 => String::new(),
        more => format!(", {more} runs"),
    };
    let mut lines = vec![format!("{}: {}", scenario.name, scenario.about)];
    lines.push(format!("{seeds}{count}, fidelity {}", how.fidelity_name()));
    if let Some(atlas) = &how.atlas_file {
        lines.push(format!("atlas {}", atlas.display()));
    }
    let mut options = scenario.options();
    for name in set {
        let mut values: Vec<String> = Vec::new();
        for (_, scenario) in runs {
            let value = scenario.options().remove(*name).unwrap_or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
        options.insert((*name).to_owned(), values.join(","));
    }
    // The first two lines say these.
    options.retain(|name, _| name != "name" && name != "about");
    lines.extend(paragraphs(&options));
    lines.join("\n")
}

/// A paragraph for each group of settings, broken before the line is too long.
fn paragraphs(options: &BTreeMap<String, String>) -> Vec<String> {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in options {
        let group = name.rsplit_once('.').map_or("", |(group, _)| group);
        groups.entry(group).or_default().push(format!("{name}={value}"));
    }
    let mut lines = Vec::new();
    for words in groups.into_values() {
        let mut line = " ".to_owned();
        for word in words {
            if line.len() + 1 + word.len() > COLUMNS && line.len() > 1 {
                lines.push(std::mem::replace(&mut line, "   ".to_owned()));
            }
            line = format!("{line} {word}");
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_said_and_no_line_is_long() {
        let scenario = Scenario::default();
        let how = How::new(None, None, false).unwrap();
        let single = |peers: u32, seed| {
            let settings = vec![("peers".to_owned(), peers.to_string())];
            let single = Single { number: 0, settings, seed };
            let scenario = single.scenario(&scenario).unwrap();
            (single, scenario)
        };
        let said = text(&scenario, &[single(20, 1), single(20, 2), single(30, 1)], &["peers"], &how);
        assert!(said.contains("\nseeds 1 to 2, 3 runs, fidelity "), "{said}");
        assert!(said.contains(" peers=20,30"), "{said}");
        assert!(said.lines().all(|line| line.chars().count() <= COLUMNS), "{said}");
        for name in scenario.options().keys().filter(|name| !["name", "about"].contains(&name.as_str())) {
            assert!(said.contains(&format!(" {name}=")), "{name}\n{said}");
        }
    }
}
