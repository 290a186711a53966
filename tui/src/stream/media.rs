//! What kind of file it is, by the end of its name; and lists of files for players.

/// The media types that players ask for (IANA, and what is usual where IANA has none).
const TYPES: [(&str, &str); 27] = [
    ("mp4", "video/mp4"),
    ("m4v", "video/mp4"),
    ("mkv", "video/x-matroska"),
    ("webm", "video/webm"),
    ("mov", "video/quicktime"),
    ("avi", "video/x-msvideo"),
    ("mpg", "video/mpeg"),
    ("mpeg", "video/mpeg"),
    ("ts", "video/mp2t"),
    ("m2ts", "video/mp2t"),
    ("ogv", "video/ogg"),
    ("flv", "video/x-flv"),
    ("wmv", "video/x-ms-wmv"),
    ("3gp", "video/3gpp"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("m4b", "audio/mp4"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("oga", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("srt", "application/x-subrip"),
    ("vtt", "text/vtt"),
    ("pdf", "application/pdf"),
];

/// The type of a file with this name.
pub(crate) fn media_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
    let known = TYPES.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known));
    known.map_or("application/octet-stream", |&(_, kind)| kind)
}

/// Whether a file with this name can be watched or heard.
pub(crate) fn is_played(name: &str) -> bool {
    let kind = media_type(name);
    kind.starts_with("video/") || kind.starts_with("audio/")
}

/// A name as a part of a URL: what is not plainly harmless is written as percent and hex digits.
pub(crate) fn in_url(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let write = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    name.bytes().map(write).collect()
}

/// A list for players: names and URLs.
pub(crate) fn playlist(files: &[(String, String)]) -> String {
    let mut list = "#EXTM3U\n".to_owned();
    for (name, url) in files {
        let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
        list.push_str(&format!("#EXTINF:-1,{name}\n{url}\n"));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_by_the_end_of_the_name() {
        assert_eq!(media_type("A film.MKV"), "video/x-matroska");
        assert_eq!(media_type("film.mkv.exe"), "application/octet-stream");
        assert_eq!(media_type("README"), "application/octet-stream");
        assert!(is_played("a.opus") && is_played("a.mp4") && !is_played("a.srt") && !is_played("a"));
    }

    #[test]
    fn no_name_ends_a_url_or_a_line_of_a_list() {
        assert_eq!(in_url("a b/ü?#\n.mp4"), "a%20b%2F%C3%BC%3F%23%0A.mp4");
        let list = playlist(&[("a\nhttp://evil/".into(), "http://127.0.0.1:1/t/0/a".into())]);
        assert_eq!(list, "#EXTM3U\n#EXTINF:-1,ahttp://evil/\nhttp://127.0.0.1:1/t/0/a\n");
    }
}
