//! Which files of a crate use which others, read from their text.
//!
//! A noun is a file of a room, together with the files below it: `room::noun`. A file that stands in
//! no room is a room of its own. What only tests use is left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A room of a crate, or a noun: what uses, and all that it uses.
pub type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The uses inside of one crate.
#[derive(Debug, Default)]
pub struct Imports {
    /// From noun to noun.
    pub nouns: Arrows,
    /// From room to room.
    pub rooms: Arrows,
}

impl Imports {
    /// Reads every source below a crate's `src`.
    ///
    /// # Panics
    /// If the folder cannot be read.
    pub fn of(src: &Path) -> Imports {
        let mut files = BTreeMap::new();
        find(src, src, &mut files);
        let modules: BTreeSet<_> = files.keys().cloned().collect();
        let mut imports = Imports::default();
        for (module, file) in &files {
            let text = fs::read_to_string(file).expect("a source file is text");
            let from = noun(module);
            for used in paths(&code_of(&text)).iter().filter_map(|path| file_of(path, &modules)) {
                let to = noun(&used);
                if room(&from) != room(&to) {
                    add(&mut imports.rooms, room(&from), room(&to));
                }
                if from != to {
                    add(&mut imports.nouns, &from, &to);
                }
            }
        }
        imports
    }

    /// How many arrows there are between rooms.
    pub fn room_arrows(&self) -> usize {
        self.rooms.values().map(BTreeSet::len).sum()
    }
}

fn add(arrows: &mut Arrows, from: &str, to: &str) {
    arrows.entry(from.to_owned()).or_default().insert(to.to_owned());
}

/// A circle in the arrows, if there is one: each of its names uses the next, the last one the first.
pub fn circle(arrows: &Arrows) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|start| walk(arrows, start, &mut Vec::new(), &mut done))
}

fn walk(
    arrows: &Arrows,
    at: &str,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(first) = way.iter().position(|seen| seen == at) {
        return Some(way[first..].to_vec());
    }
    if done.contains(at) {
        return None;
    }
    way.push(at.to_owned());
    let found = arrows.get(at).into_iter().flatten().find_map(|next| walk(arrows, next, way, done));
    way.pop();
    done.insert(at.to_owned());
    found
}

/// The files below a folder by module path, without the crate's roots and files of tests.
fn find(src: &Path, folder: &Path, files: &mut BTreeMap<Vec<String>, PathBuf>) {
    for entry in fs::read_dir(folder).expect("the source tree can be read") {
        let path = entry.expect("the source tree can be read").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if matches!(name.as_str(), "lib" | "main" | "tests" | "testing") {
            continue;
        }
        if path.is_dir() {
            find(src, &path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let below = path.strip_prefix(src).expect("it was found there").with_extension("");
            let mut module: Vec<_> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            module.pop_if(|last| last == "mod");
            files.insert(module, path);
        }
    }
}

fn noun(module: &[String]) -> String {
    module[..module.len().min(2)].join("::")
}

fn room(noun: &str) -> &str {
    noun.split("::").next().unwrap_or(noun)
}

/// A source without comments and without the tests at its end.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Every path of a source that begins at the crate's root; a `use` of several is several.
fn paths(code: &str) -> Vec<Vec<String>> {
    let starts = code.match_indices("crate::").map(|(at, found)| at + found.len());
    let mut found = Vec::new();
    for start in starts {
        tree(&code[start..], Vec::new(), &mut found);
    }
    found
}

/// Reads one tree of paths: `a::b`, `a::{b, c::d}`. Gives what is left after it.
fn tree<'a>(mut text: &'a str, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    loop {
        text = text.trim_start();
        if let Some(inner) = text.strip_prefix('{') {
            text = inner;
            while !text.trim_start().starts_with('}') {
                text = tree(text, path.clone(), found).trim_start();
                text = text.strip_prefix(',').unwrap_or(text);
                if text.is_empty() {
                    return text;
                }
            }
            return &text.trim_start()[1..];
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let end = end.max(usize::from(text.starts_with('*')));
        path.push(text[..end].to_owned());
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(rest) => text = rest,
            None => break,
        }
    }
    found.push(path);
    let alias = text
        .strip_prefix(" as ")
        .map(|rest| rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'));
    alias.unwrap_or(text)
}

/// The file that a path leads into.
fn file_of(path: &[String], modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    (1..=path.len()).rev().map(|length| path[..length].to_vec()).find(|module| modules.contains(module))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: &str) -> Vec<String> {
        paths(&code_of(code)).iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn every_path_of_a_use_is_read_and_comments_are_not() {
        let code =
            "use crate::{a::{self, b::C, d::*}, e as f, g::h};\n// crate::no\nlet x = crate::i::j(1);\n";
        assert_eq!(read(code), ["a::self", "a::b::C", "a::d::*", "e", "g::h", "i::j"]);
    }

    #[test]
    fn what_tests_use_is_left_out() {
        assert_eq!(read("use crate::a;\n#[cfg(test)]\nmod tests {\n    use crate::b;\n}\n"), ["a"]);
    }

    #[test]
    fn a_circle_is_found_and_named() {
        let mut arrows = Arrows::new();
        add(&mut arrows, "a", "b");
        add(&mut arrows, "b", "c");
        add(&mut arrows, "a", "c");
        assert_eq!(circle(&arrows), None);
        add(&mut arrows, "c", "b");
        assert_eq!(circle(&arrows), Some(vec!["b".to_owned(), "c".to_owned()]));
    }
}
