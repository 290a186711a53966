use super::*;

/// Names with one thing wrong each, besides those that are generated below.
const HOSTILE: &[(&[u8], NameFault)] = &[
    (b"", NameFault::Empty),
    (b".", NameFault::Dots),
    (b"..", NameFault::Dots),
    (b"/", NameFault::Separator),
    (b"/etc", NameFault::Separator),
    (b"a/", NameFault::Separator),
    (b"a/b", NameFault::Separator),
    (b"../x", NameFault::Separator),
    (b"\xff", NameFault::NotUtf8),
    (b"a\x80", NameFault::NotUtf8),
    (b"\xc0\xae\xc0\xae", NameFault::NotUtf8),
    (b"\xe0\x80\xaf", NameFault::NotUtf8),
    (b"\xc0\xaf", NameFault::NotUtf8),
    (b"\xed\xa0\x80", NameFault::NotUtf8),
    (b"\xf4\x90\x80\x80", NameFault::NotUtf8),
    (b"caf\xe9", NameFault::NotUtf8),
    (b"\xe2\x82", NameFault::NotUtf8),
    (b"\xef\xbb", NameFault::NotUtf8),
    ("a\u{2028}b".as_bytes(), NameFault::Control),
    ("a\u{2029}b".as_bytes(), NameFault::Control),
    (b"a\nb", NameFault::Control),
    (b"\x1b[2Jx", NameFault::Control),
    (b"a\0", NameFault::Control),
    (b"a\0/b.txt", NameFault::Control),
    ("photo\u{202e}gpj.exe".as_bytes(), NameFault::Bidi),
];

fn corpus() -> Vec<(Vec<u8>, NameFault)> {
    let mut names: Vec<(Vec<u8>, NameFault)> =
        HOSTILE.iter().map(|(name, fault)| (name.to_vec(), *fault)).collect();
    let controls = (0..0x20).chain(0x7f..=0x9f).filter_map(char::from_u32);
    names.extend(controls.map(|c| (format!("a{c}b").into_bytes(), NameFault::Control)));
    let bidi = "\u{202b}\u{202d}\u{202e}\u{2067}\u{2068}";
    names.extend(bidi.chars().map(|c| (format!("a{c}b").into_bytes(), NameFault::Bidi)));
    for length in [256, 257, 300, 1000, 4096, 100_000] {
        names.push((vec![b'a'; length], NameFault::TooLong(length)));
    }
    // 128 characters of two bytes: the bytes count.
    names.push(("ä".repeat(128).into_bytes(), NameFault::TooLong(256)));
    names
}

#[test]
fn hostile_names_are_refused_for_the_right_reason() {
    let names = corpus();
    assert!(names.len() >= 100, "{}", names.len());
    for (name, fault) in names {
        let refused = SafeName::parse(&name).map_err(|error| error.fault);
        assert_eq!(refused, Err(fault), "{}", excerpt(&name));
    }
}

#[test]
fn no_hostile_name_hides_inside_a_path() {
    for (name, _) in corpus() {
        let Ok(name) = std::str::from_utf8(&name) else {
            continue;
        };
        // A name with separators in it is several names, which may be fine.
        if name.contains('/') {
            continue;
        }
        for path in [name.to_owned(), format!("a/{name}"), format!("{name}/a"), format!("a/{name}/b")] {
            assert!(RelativePath::parse(&path).is_err(), "{}", printable(&path));
        }
    }
    for path in ["", "/", "/a", "a/", "a//b", "../a", "a/../b", "a/./b"] {
        assert!(RelativePath::parse(path).is_err(), "{path}");
    }
}

#[test]
fn ordinary_names_of_all_languages_are_accepted() {
    let long = "a".repeat(NAME_BYTES_MAX);
    for name in [
        "a",
        ".hidden",
        "..a",
        "a..b",
        "README.md",
        "two words.txt",
        "Größe",
        "日本語.mkv",
        "ملف.txt",
        "👩\u{200d}🚀.png",
        "con2",
        "console.log",
        "com10",
        "com",
        "lpt",
        "nulls",
        "my aux",
        "Talk: part 1.mp4",
        "12:30",
        "R.E.M.",
        "Con.Air.1997.mkv",
        "aux.c",
        "AC\\DC",
        "\u{200e}+49 170.vcf",
        "\u{202a}+49 170\u{202c}.txt",
        "a+b=c&d;e'f\"g`h$i%j^k(l)[m]{n}~#@!,",
        "-rf",
        "*?<>|",
        &long,
    ] {
        let safe = SafeName::parse(name.as_bytes());
        assert_eq!(safe.as_ref().map(SafeName::as_str), Ok(name));
    }
}

#[test]
fn a_path_joined_to_a_folder_stays_in_it() {
    let path = RelativePath::parse("a/b.c/d").unwrap();
    let names: Vec<&str> = path.components().collect();
    assert_eq!((names, path.file_name()), (vec!["a", "b.c", "d"], "d"));
    let joined = std::path::Path::new("/downloads").join(path.to_path_buf());
    assert_eq!(joined, std::path::Path::new("/downloads/a/b.c/d"));
    let below = path.below(&SafeName::parse(b"name").unwrap());
    assert_eq!(below.to_string(), "name/a/b.c/d");
}

#[test]
fn paths_are_ordered_by_component() {
    let path = |text| RelativePath::parse(text).unwrap();
    assert!(path("a/z") < path("a.b"), "folder a sorts before the file a.b");
    assert!(path("a") < path("a/b"));
}

#[test]
fn paths_are_bounded_in_depth_and_length() {
    let deep = |depth: usize| RelativePath::parse(&vec!["d"; depth].join("/"));
    assert!(deep(PATH_DEPTH_MAX).is_ok());
    assert_eq!(deep(PATH_DEPTH_MAX + 1), Err(PathError::TooDeep));
    let long = |names: usize| RelativePath::parse(&vec!["n".repeat(NAME_BYTES_MAX); names].join("/"));
    assert!(long(16).is_ok());
    assert_eq!(long(17), Err(PathError::TooLong));
}

#[test]
fn errors_about_hostile_names_are_short_and_safe_to_print() {
    for (name, _) in corpus() {
        let text = SafeName::parse(&name).unwrap_err().to_string();
        assert!(text.len() < 1100, "{}", text.len());
        assert!(!text.chars().any(|c| is_control(c) || is_bidi(c)), "{text:?}");
    }
}

#[test]
fn printable_text_cannot_drive_a_terminal() {
    assert_eq!(printable("plain ünicode 日本"), "plain ünicode 日本");
    assert_eq!(printable("\u{1b}]0;owned\u{7}"), "\\u{1b}]0;owned\\u{7}");
    assert_eq!(printable("\u{9b}2J\r\n\t"), "\\u{9b}2J\\u{d}\\u{a}\\u{9}");
    assert_eq!(printable("a\u{202e}b\u{2066}c"), "a\\u{202e}b\\u{2066}c");
    let everything: String = (0..=0x0001_0000).filter_map(char::from_u32).collect();
    let safe = printable(&everything);
    assert!(!safe.chars().any(|c| is_control(c) || is_bidi(c)));
    assert_eq!(printable(&safe), safe);
}

#[test]
fn no_byte_and_no_sequence_reaches_a_terminal_as_a_command() {
    let latin: String = (0..=255).map(char::from).collect();
    let raw: Vec<u8> = (0..=255).collect();
    let hostile = [
        latin,
        String::from_utf8_lossy(&raw).into_owned(),
        "\u{1b}]8;;http://evil.example/\u{1b}\\click\u{1b}]8;;\u{1b}\\".to_owned(),
        "\u{1b}]52;c;cm0gLXJmIH4=\u{7}".to_owned(),
        "\u{9d}52;c;cm0gLXJmIH4=\u{9c}".to_owned(),
        "\u{9b}2J\r\n\u{2028}\u{2029}forged line".to_owned(),
        "\u{202e}fdp.exe \u{2066}\u{61c}\u{200f}".to_owned(),
    ];
    for text in hostile {
        for safe in [printable(&text), printable_json(&text)] {
            let command = safe.chars().find(|&c| c.is_control() || is_bidi(c) || is_control(c));
            assert_eq!(command, None, "{safe}");
            assert!(safe.len() <= 10 * text.len());
        }
    }
    assert_eq!(printable_json("\"\u{1b}\u{202e}\""), "\"\\u001b\\u202e\"");
    assert_eq!(printable_json("größe 日本"), "größe 日本");
}
