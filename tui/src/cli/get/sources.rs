//! The sources of `get`: links, files and URLs from the command line, from lists, and from standard
//! input.
//!
//! Invariant: a source that cannot be used is reported with its place, and does not stop the
//! others.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use nearcast_core::manifest::TORRENT_BYTES_MAX;
use nearcast_node::proxy::Proxies;

use crate::{error::CommandError, exit::Exit, report::event, screen::Screen, source::Named};

/// Standard input, by its usual name.
const STDIN: &str = "-";
/// The longest list that is read. In bytes. No person or script writes a longer one.
const LIST_BYTES_MAX: u64 = 16 << 20;
/// The most sources of one command: each may need a file and a task.
const SOURCES_MAX: usize = 10_000;

/// A source as the user wrote it.
struct Written {
    text: String,
    /// List and line number. `None`: the command line.
    place: Option<String>,
}

/// The contents to download, and an exit code for each source that cannot be used.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) contents: Vec<Named>,
    pub(super) ends: Vec<Exit>,
    seen: BTreeSet<nearcast_core::id::ContentId>,
}

impl Wanted {
    /// Reads every source, and at once reports those that cannot be used.
    pub(super) async fn read(
        sources: &[String],
        lists: &[PathBuf],
        proxies: &Proxies,
        screen: &Screen,
        json: bool,
    ) -> Wanted {
        let mut wanted = Wanted::default();
        let mut stdin = false;
        for text in sources {
            match text.as_str() {
                STDIN if std::mem::replace(&mut stdin, true) => {}
                STDIN => wanted.add_stdin(proxies, screen, json).await,
                text => {
                    let written = Written { text: text.to_owned(), place: None };
                    wanted.add(written, proxies, screen, json).await;
                }
            }
        }
        for list in lists {
            let is_stdin = list.as_os_str() == STDIN;
            if is_stdin && std::mem::replace(&mut stdin, true) {
                continue;
            }
            let path = if is_stdin { Path::new("standard input") } else { list.as_path() };
            match read_bounded((!is_stdin).then(|| list.clone()), LIST_BYTES_MAX).await {
                Ok(bytes) => wanted.add_list(&bytes, path, proxies, screen, json).await,
                Err(source) => wanted.fail(CommandError::Io { path: path.to_owned(), source }, screen, json),
            }
        }
        wanted
    }

    /// Reads standard input, which holds a `.torrent` or a list.
    async fn add_stdin(&mut self, proxies: &Proxies, screen: &Screen, json: bool) {
        let path = Path::new("standard input");
        match read_bounded(None, TORRENT_BYTES_MAX as u64).await {
            Ok(bytes) if is_bencoded(&bytes) => self.take("-", Named::of_bytes(&bytes, path), screen, json),
            Ok(bytes) => self.add_list(&bytes, path, proxies, screen, json).await,
            Err(source) => self.fail(CommandError::Io { path: path.to_owned(), source }, screen, json),
        }
    }

    async fn add_list(&mut self, bytes: &[u8], path: &Path, proxies: &Proxies, screen: &Screen, json: bool) {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let sentence = format!("{} is no list of links: it is not text in UTF-8", path.display());
            return self.fail(CommandError::BadOption(sentence), screen, json);
        };
        let written = lines(text, path, screen);
        if written.is_empty() {
            let sentence = format!("{} names nothing: write a link or a .torrent a line", path.display());
            return self.fail(CommandError::BadOption(sentence), screen, json);
        }
        for one in written {
            self.add(one, proxies, screen, json).await;
        }
    }

    async fn add(&mut self, written: Written, proxies: &Proxies, screen: &Screen, json: bool) {
        let found = match self.contents.len() + self.ends.len() >= SOURCES_MAX {
            true => Err(CommandError::BadOption(format!("more than {SOURCES_MAX} downloads at a time"))),
            false => Named::find(&written.text, proxies).await,
        };
        let found = found.map_err(|source| match written.place {
            Some(place) => CommandError::Input { place, source: Box::new(source) },
            None => source,
        });
        self.take(&written.text, found, screen, json);
    }

    fn take(&mut self, text: &str, found: Result<Named, CommandError>, screen: &Screen, json: bool) {
        match found {
            // The same content given twice is downloaded once.
            Ok(named) if self.seen.insert(named.content()) => {
                named.bad_signatures().iter().for_each(|key| {
                    screen.warn(&format!("{text}: the signature of {key} does not verify and is ignored"));
                });
                self.contents.push(named);
            }
            Ok(_) => {}
            Err(error) => self.fail(error, screen, json),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "an error that was told is over")]
    fn fail(&mut self, error: CommandError, screen: &Screen, json: bool) {
        if json {
            screen.data(&event::failed(None, &error));
        }
        screen.complain(&error.to_string());
        self.ends.push(error.exit());
    }
}

/// Whether the bytes begin like a bencoded dictionary, as every `.torrent` does.
fn is_bencoded(bytes: &[u8]) -> bool {
    matches!(bytes, [b'd', b'0'..=b'9', ..])
}

/// All bytes of a file, or of standard input if there is no `path`, up to `bytes_max`. Reads on a
/// thread of its own, as people may type slowly.
async fn read_bounded(path: Option<PathBuf>, bytes_max: u64) -> io::Result<Vec<u8>> {
    let read = move || {
        let mut bytes = Vec::new();
        let taken = match path {
            Some(path) => fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?,
            None => io::stdin().lock().take(bytes_max + 1).read_to_end(&mut bytes)?,
        };
        match taken as u64 > bytes_max {
            true => Err(io::Error::other(format!("it has more than {bytes_max} bytes"))),
            false => Ok(bytes),
        }
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// The sources in a list, one a line. Empty lines and lines that begin with # are ignored. In
/// aria2's lists, indented lines hold options, which are not used, and a line may hold several URIs
/// of one file, of which the first is used.
fn lines(text: &str, path: &Path, screen: &Screen) -> Vec<Written> {
    let mut found = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        let one = line.split('\t').map(str::trim).find(|part| !part.is_empty()).unwrap_or_default();
        if one.is_empty() || one.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t']) && is_option(one) {
            screen
                .warn(&format!("{place}: options of single downloads are not read here; {one} is left out"));
            continue;
        }
        found.push(Written { text: one.to_owned(), place: Some(place) });
    }
    found
}

/// Whether this is an option like `out=film.mkv` in aria2's lists.
fn is_option(text: &str) -> bool {
    let name = text.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| {
        name != "xt" && !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    async fn read(sources: &[&str], lists: &[&Path]) -> Wanted {
        let sources: Vec<String> = sources.iter().map(|&text| text.to_owned()).collect();
        let lists: Vec<PathBuf> = lists.iter().map(|&path| path.to_owned()).collect();
        Wanted::read(&sources, &lists, &Proxies::none(), &Screen::new(true, false), false).await
    }

    #[tokio::test]
    async fn one_unreadable_source_does_not_hide_the_others() {
        let named = format!("magnet:?xt=urn:btmh:1220{}", id('a'));
        let wanted = read(&["/absent.torrent", &named, &named], &[]).await;
        assert_eq!(wanted.contents.len(), 1, "the same content twice is one download");
        assert_eq!(wanted.ends, [Exit::Io]);
    }

    #[tokio::test]
    async fn a_list_has_a_source_a_line_and_comments() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        let text = format!(
            "\u{feff}# films\r\n\r\n{}\n  dir=/tmp/x\n\tout=name\nmagnet:?xt=urn:btmh:1220{}&amp;dn=b\n   {}\t{}\n/absent.torrent\n",
            id('a'),
            id('b'),
            id('c'),
            id('d'),
        );
        fs::write(&list, text).unwrap();
        let wanted = read(&[&id('a')], &[&list]).await;
        let contents: Vec<String> = wanted.contents.iter().map(|named| named.content().to_string()).collect();
        assert_eq!(contents, [id('a'), id('b'), id('c')]);
        assert_eq!(wanted.ends, [Exit::Io]);
    }

    #[tokio::test]
    async fn lists_that_name_nothing_or_are_none_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        for (bytes, end) in
            [(&b"# nothing\n"[..], Exit::BadOption), (&[0xff, 0xfe, 0x00][..], Exit::BadOption)]
        {
            fs::write(&list, bytes).unwrap();
            assert_eq!(read(&[], &[&list]).await.ends, [end]);
        }
        assert_eq!(read(&[], &[&folder.path().join("absent")]).await.ends, [Exit::Io]);
    }

    #[test]
    fn places_in_a_list_are_its_lines() {
        let found = lines("#\n\nxt=urn:btmh:1\n", Path::new("l"), &Screen::new(true, false));
        assert_eq!(found[0].place.as_deref(), Some("l:3"));
        assert!(is_option("out=a") && !is_option("xt=urn:x") && !is_option("/a=b") && !is_option("film"));
    }
}
