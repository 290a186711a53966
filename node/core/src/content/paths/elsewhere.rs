//! Which names of a content other systems cannot have, so that its publisher can be told once.

use std::{collections::BTreeMap, fmt};

use super::{RelativePath, SafeName, Unportable, printable};

/// Names that are remembered to be shown; more are only counted.
const SHOWN_MAX: usize = 3;

/// Names that are published as they are, and become other names elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    lacked: Vec<(String, Unportable)>,
    lacked_count: u64,
    alike: Vec<(String, String)>,
    alike_count: u64,
}

impl Elsewhere {
    /// Looks at the content's name and at the paths in it, in their order.
    pub fn of<'p>(content: &SafeName, paths: impl Iterator<Item = &'p RelativePath>) -> Elsewhere {
        let mut elsewhere = Elsewhere::default();
        elsewhere.look(content.as_str(), content.as_str());
        let (mut folded, mut last) = (BTreeMap::new(), "");
        for path in paths.map(RelativePath::as_str) {
            for prefix in prefixes(path).filter(|prefix| !leads_to(prefix, last)) {
                let name = prefix.rsplit('/').next().unwrap_or(prefix);
                elsewhere.look(prefix, name);
                if let Some(other) = folded.insert(prefix.to_lowercase(), prefix)
                    && other != prefix
                {
                    elsewhere.add_alike(other, prefix);
                }
            }
            last = path;
        }
        elsewhere
    }

    /// Number of names that Windows cannot have.
    pub fn lacked(&self) -> u64 {
        self.lacked_count
    }

    /// Number of names that differ from another one only in upper and lower case.
    pub fn alike(&self) -> u64 {
        self.alike_count
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.lacked_count == 0 && self.alike_count == 0
    }

    fn look(&mut self, path: &str, name: &str) {
        let Some(why) = Unportable::of(name) else { return };
        self.lacked_count = self.lacked_count.saturating_add(1);
        if self.lacked.len() < SHOWN_MAX {
            self.lacked.push((path.to_owned(), why));
        }
    }

    fn add_alike(&mut self, one: &str, other: &str) {
        self.alike_count = self.alike_count.saturating_add(1);
        if self.alike.len() < SHOWN_MAX {
            self.alike.push((one.to_owned(), other.to_owned()));
        }
    }
}

/// The prefixes of a path: `a`, `a/b`, `a/b/c`.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at]).chain([path])
}

/// Whether the path begins with this prefix, as a chain of names.
fn leads_to(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// One line, safe for terminals; nothing if there is nothing to say.
impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lacked_count > 0 {
            let are = if self.lacked_count == 1 { "name does" } else { "names do" };
            write!(f, "{} {are} not exist on Windows: ", self.lacked_count)?;
            let shown = self.lacked.iter().map(|(path, why)| format!("{} ({why})", printable(path)));
            list(f, shown, self.lacked_count)?;
        }
        if self.alike_count > 0 {
            let between = if self.lacked_count > 0 { "; " } else { "" };
            let differ = if self.alike_count == 1 { "name differs" } else { "names differ" };
            write!(f, "{between}{} {differ} from another only in upper and lower case: ", self.alike_count)?;
            let shown = self.alike.iter().map(|(a, b)| format!("{} and {}", printable(a), printable(b)));
            list(f, shown, self.alike_count)?;
        }
        Ok(())
    }
}

fn list(f: &mut fmt::Formatter<'_>, shown: impl ExactSizeIterator<Item = String>, count: u64) -> fmt::Result {
    let more = count.saturating_sub(shown.len() as u64);
    f.write_str(&shown.collect::<Vec<_>>().join(", "))?;
    if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &str, paths: &[&str]) -> Elsewhere {
        let mut paths: Vec<_> = paths.iter().map(|path| RelativePath::parse(path).unwrap()).collect();
        paths.sort();
        Elsewhere::of(&SafeName::parse(content.as_bytes()).unwrap(), paths.iter())
    }

    #[test]
    fn every_name_that_others_lack_is_counted_once_and_a_few_are_named() {
        let music = of("music", &["R.E.M./Green/01", "R.E.M./Green/02", "R.E.M./Up/01"]);
        assert_eq!((music.lacked(), music.alike()), (1, 0));
        assert_eq!(
            music.to_string(),
            "1 name does not exist on Windows: R.E.M. (it ends with a dot or a space)"
        );
        let linux =
            of("linux", &["drivers/aux.c", "include/xt_TCPMSS.h", "include/xt_tcpmss.h", "Include/x"]);
        assert_eq!((linux.lacked(), linux.alike()), (1, 2));
        assert!(linux.to_string().contains("include/xt_TCPMSS.h and include/xt_tcpmss.h"), "{linux}");
        let many: Vec<String> = (0..9).map(|i| format!("{i}?")).collect();
        let many = of("a", &many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(many.to_string().ends_with(" and 6 more"), "{many}");
        assert_eq!(of("nul", &["x"]).lacked(), 1);
    }

    #[test]
    fn of_names_that_all_have_nothing_is_said() {
        let plain = of("Music", &["a/b", "a/c", "b"]);
        assert!(plain.is_empty());
        assert_eq!(plain.to_string(), "");
    }
}
