//! The list of contents that a tracker is a directory for, if it is limited to a list.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::Path,
};

use nearcast_core::{id::ContentId, magnet::Magnet, paths::printable};

/// A larger file is not such a list.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Problems reported for one file; the first ones show what is wrong.
const PROBLEMS_MAX: usize = 10;

/// Reads a list with one content a line, as an id or a magnet link. Blank lines and text after #
/// are ignored.
///
/// # Errors
/// All problems, one sentence each with its line. A list with problems is rejected as a whole.
pub fn read(path: &Path) -> Result<BTreeSet<ContentId>, Vec<String>> {
    let name = printable(&path.to_string_lossy());
    let unreadable = |error: io::Error| vec![format!("cannot read {name}: {error}")];
    let mut text = String::new();
    let bytes = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    if bytes.map_err(unreadable)? as u64 > FILE_BYTES_MAX {
        return Err(vec![format!("{name} is larger than {} MiB", FILE_BYTES_MAX >> 20)]);
    }
    parse(&text, &name)
}

fn parse(text: &str, name: &str) -> Result<BTreeSet<ContentId>, Vec<String>> {
    let (mut contents, mut problems) = (BTreeSet::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        match content(line) {
            Some(content) => drop(contents.insert(content)),
            None if problems.len() < PROBLEMS_MAX => problems.push(format!(
                "{name}:{number}: this is no content: write its id of 64 hexadecimal digits, or a magnet link"
            )),
            None => break,
        }
    }
    if problems.is_empty() { Ok(contents) } else { Err(problems) }
}

fn content(line: &str) -> Option<ContentId> {
    match line.starts_with("magnet:") {
        true => line.parse::<Magnet>().ok().map(|link| link.content),
        // As in a link: the two bytes that name the hash may come first.
        false => line.strip_prefix("1220").filter(|rest| rest.len() == 64).unwrap_or(line).parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_links_comments_and_blank_lines_are_understood() {
        let (a, b, c) = ("ab".repeat(32), "cd".repeat(32), "12".repeat(32));
        let text = format!("# films\n{a}\n\n  1220{a} # again\nmagnet:?xt=urn:btmh:1220{b}&dn=x\n{c}\r\n");
        let contents = parse(&text, "list").unwrap();
        assert_eq!(contents, [a, b, c].map(|text| text.parse().unwrap()).into());
    }

    #[test]
    fn a_list_with_anything_else_in_it_is_refused_with_its_lines() {
        let text = format!("{}\nfilm.torrent\n\nmagnet:?dn=x\n", "ab".repeat(32));
        let problems = parse(&text, "list").unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].starts_with("list:2: ") && problems[1].starts_with("list:4: "), "{problems:?}");
        assert_eq!(parse(&"x\n".repeat(1_000), "list").unwrap_err().len(), PROBLEMS_MAX);
        assert!(read(Path::new("/nowhere/list")).unwrap_err()[0].contains("/nowhere/list"));
    }
}
