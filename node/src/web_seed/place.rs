//! The URLs at which a web seed has the files of a content (BEP 19).

use std::fmt;

use nearcast_core::{layout::FileIndex, manifest::Manifest, paths::printable};
use reqwest::Url;

/// One web seed: its URL, and whether the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    url: Url,
    /// Whether the user named the URL, and so knows what is behind it. Otherwise it is from a
    /// torrent or a link, which anybody may have written.
    pub(crate) named: bool,
}

/// A URL that cannot be a web seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("it is no URL: {0}")]
    NoUrl(String),
    #[error("only http and https are spoken")]
    Scheme,
}

impl Place {
    /// Parses a URL.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub(crate) fn parse(url: &str, named: bool) -> Result<Place, PlaceError> {
        let mut url = Url::parse(url).map_err(|error| PlaceError::NoUrl(error.to_string()))?;
        if !is_http(&url) {
            return Err(PlaceError::Scheme);
        }
        url.set_fragment(None);
        Ok(Place { url, named })
    }

    /// The URL as it was given, without its fragment.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The URL of a file of the content. For a content of one file it is the seed's URL, unless
    /// that ends in `/`. Otherwise it lies below the seed's URL, under the content's name.
    pub(crate) fn of(&self, manifest: &Manifest, file: FileIndex) -> Url {
        let base = self.url.path();
        if manifest.is_single_file() && !base.ends_with('/') {
            return self.url.clone();
        }
        let mut path = base.to_owned();
        if !path.ends_with('/') {
            path.push('/');
        }
        let target = manifest.target(file);
        let names: Vec<String> = target.components().map(encoded).collect();
        path.push_str(&names.join("/"));
        let mut url = self.url.clone();
        url.set_path(&path);
        url
    }
}

/// For display: without credentials, and without the query, which may contain some.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.url))
    }
}

/// A URL for display.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // These calls fail only for URLs without a host, which have nothing to hide.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    printable(url.as_str())
}

pub(super) fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// A name as one segment of a path. All bytes but letters, digits and `-._~` are escaped (RFC
/// 3986).
fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use nearcast_core::{
        manifest::NewFile,
        paths::{RelativePath, SafeName},
    };

    use super::*;

    fn content(name: &str, files: &[&str]) -> Manifest {
        let new = |path: &&str| NewFile {
            path: RelativePath::parse(path).unwrap(),
            length: 1,
            piece_hashes: vec![[7; 32]],
        };
        let name = SafeName::parse(name.as_bytes()).unwrap();
        Manifest::build(&name, 16 << 10, files.iter().map(new).collect(), Vec::new()).unwrap()
    }

    fn urls(base: &str, manifest: &Manifest) -> Vec<String> {
        let place = Place::parse(base, false).unwrap();
        let files = (0..manifest.layout().files()).filter_map(|file| manifest.layout().file_index(file));
        files.map(|file| place.of(manifest, file).to_string()).collect()
    }

    #[test]
    fn a_single_file_is_the_url_or_lies_in_it() {
        let film = content("a film.mkv", &["a film.mkv"]);
        assert_eq!(urls("http://a.example/get?id=7", &film), ["http://a.example/get?id=7"]);
        assert_eq!(urls("https://a.example/films/", &film), ["https://a.example/films/a%20film.mkv"]);
        assert_eq!(urls("https://a.example", &film), ["https://a.example/a%20film.mkv"]);
    }

    #[test]
    fn files_lie_below_the_url_under_the_contents_name() {
        let folder = content("holiday", &["a/b c.txt", "100%?#.bin", "日本.mkv"]);
        let expected = [
            "http://a.example/x/holiday/100%25%3F%23.bin",
            "http://a.example/x/holiday/a/b%20c.txt",
            "http://a.example/x/holiday/%E6%97%A5%E6%9C%AC.mkv",
        ];
        assert_eq!(urls("http://a.example/x/", &folder), expected);
        assert_eq!(urls("http://a.example/x", &folder), expected);
    }

    #[test]
    fn a_name_cannot_climb_out_of_the_folder() {
        let folder = content("n", &["%2e%2e/%2e%2e/x", "..%2fy"]);
        let expected = ["http://a.example/b/n/%252e%252e/%252e%252e/x", "http://a.example/b/n/..%252fy"];
        let mut found = urls("http://a.example/b/", &folder);
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn other_schemes_are_refused_and_credentials_never_shown() {
        for url in ["ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "data:,x"] {
            assert_eq!(Place::parse(url, true), Err(PlaceError::Scheme), "{url}");
        }
        assert!(matches!(Place::parse("http://", true), Err(PlaceError::NoUrl(_))));
        let place = Place::parse("https://me:secret@a.example/f?token=1#x", true).unwrap();
        assert_eq!(place.to_string(), "https://a.example/f");
    }

    #[test]
    fn a_host_that_looks_like_another_is_shown_as_what_it_is() {
        // Each host has a Cyrillic letter, a full-width letter, or a letter that could fold to two.
        for (url, host) in [
            ("http://\u{430}pple.example/f", "xn--pple-43d.example"),
            ("https://ex\u{430}mple.com/f", "xn--exmple-4nf.com"),
            ("https://\u{440}\u{430}ypal.com/f", "xn--ypal-43d9g.com"),
            ("https://stra\u{df}e.example/f", "xn--strae-oqa.example"),
            ("https://\u{ff41}.example/f", "a.example"),
        ] {
            let place = Place::parse(url, false).unwrap();
            let shown = place.to_string();
            assert!(shown.is_ascii() && shown.contains(&format!("//{host}/")), "{url} is shown as {shown}");
            assert_eq!(place.url().host_str(), Some(host), "and that is where it leads");
        }
    }
}
