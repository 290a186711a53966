use super::*;
use crate::content::{
    paths::{SafeName, stand_in},
    tree_hash::sha256,
};

const ROOT: &str = "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr";

/// A bencoded string.
fn text(text: &str) -> String {
    format!("{}:{text}", text.len())
}

/// A file of one block in a file tree.
fn file(name: &str) -> String {
    format!("{}d0:d6:lengthi1e11:pieces root32:{ROOT}ee", text(name))
}

fn folder(name: &str, inside: &str) -> String {
    format!("{}d{inside}e", text(name))
}

/// A torrent with this file tree.
fn torrent(tree: &str) -> String {
    format!("d4:infod9:file treed{tree}e12:meta versioni2e4:name4:name12:piece lengthi16384eee")
}

fn parse(tree: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(torrent(tree).as_bytes())
}

#[test]
fn the_torrents_of_these_tests_are_accepted_when_nothing_is_wrong() {
    let tree = [folder("a", &(file("b") + &file("c"))), file("d")].concat();
    let manifest = parse(&tree).unwrap();
    let paths: Vec<&str> = manifest.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a/b", "a/c", "d"]);
    assert!(!manifest.is_single_file());
    let piece = manifest.layout().piece_index(2).unwrap();
    assert_eq!(&manifest.piece_hash(piece)[..], ROOT.as_bytes());
}

#[test]
fn one_file_with_the_contents_name_is_a_single_file() {
    let target = |tree: &str| {
        let manifest = parse(tree).unwrap();
        let file = manifest.layout().file_index(0).unwrap();
        (manifest.is_single_file(), manifest.target(file).to_string())
    };
    assert_eq!(target(&file("name")), (true, "name".to_owned()));
    assert_eq!(target(&file("other")), (false, "name/other".to_owned()));
    let nested = folder("name", &file("name"));
    assert_eq!(target(&nested), (false, "name/name/name".to_owned()));
}

#[test]
fn hostile_names_are_refused_wherever_they_stand() {
    for name in ["..", ".", "", "a/b", "/", "a\nb", "a\0", "\u{1b}[2J", "\u{202e}x"] {
        for tree in [file(name), folder(name, &file("x")), folder("a", &file(name))] {
            let error = parse(&tree).unwrap_err();
            // An empty name inside a folder makes the folder a file, without properties.
            let refused = matches!(
                error,
                ManifestError::Name(_)
                    | ManifestError::Missing("length")
                    | ManifestError::FileIsFolder(_)
                    | ManifestError::Invalid(_)
            );
            assert!(refused, "{name:?}: {error}");
        }
        let named = torrent(&file("x")).replace("4:name4:name", &format!("4:name{}", text(name)));
        let error = Manifest::parse(named.as_bytes()).unwrap_err();
        assert!(matches!(error, ManifestError::Name(_)), "{name:?}: {error}");
    }
}

#[test]
fn names_that_only_another_system_lacks_are_kept() {
    for name in ["nul", "aux.c", "R.E.M.", "x ", "a\\b", "C:x", "What?"] {
        let manifest = parse(&folder(name, &file(name))).unwrap();
        assert_eq!(manifest.files()[0].path.components().collect::<Vec<_>>(), [name, name]);
    }
}

#[test]
fn where_a_name_cannot_be_the_file_has_places_of_its_own() {
    let places = |tree: &str| {
        let manifest = parse(tree).unwrap();
        let file = manifest.layout().file_index(0).unwrap();
        manifest.stand_ins(file).map(|path| path.to_string()).collect::<Vec<_>>()
    };
    let found = places(&folder("What?", &file("aux.c")));
    let (what, aux) = (stand_in("What?"), stand_in("aux.c"));
    let expected = [
        format!("name/What?/{aux}"),
        format!("name/{what}/aux.c"),
        format!("{}/What?/aux.c", stand_in("name")),
        format!("name/{what}/{aux}"),
        format!("{}/{what}/{aux}", stand_in("name")),
    ];
    assert_eq!(found, expected);
    assert_eq!(places(&file("name")), [stand_in("name")]);
    let deep =
        (0..crate::content::paths::PATH_DEPTH_MAX - 1).fold(file("f"), |inside, _| folder("d", &inside));
    assert_eq!(places(&deep).len(), 2 * crate::content::paths::PATH_DEPTH_MAX + 1);
}

#[test]
fn names_that_are_one_on_some_disk_only_are_two() {
    for tree in [
        file("A") + &file("a"),
        folder("A", &file("x")) + &file("a"),
        folder("A", &file("x")) + &folder("a", &file("x")),
        folder("x", &(file("GRÜN") + &file("grün"))),
        file("Strasse") + &file("Straße"),
        file("cafe\u{301}") + &file("caf\u{e9}"),
    ] {
        assert!(parse(&tree).is_ok_and(|manifest| manifest.files().len() == 2), "{tree}");
    }
    assert!(parse(&(file("a") + &file("a"))).is_err());
}

#[test]
fn a_file_that_is_also_a_folder_is_refused() {
    let both = format!("1:ad0:d6:lengthi1e11:pieces root32:{ROOT}e{}e", file("inside"));
    let error = parse(&both).unwrap_err();
    assert!(matches!(error, ManifestError::FileIsFolder(_)), "{error}");
}

#[test]
fn symbolic_links_are_refused() {
    let attribute = format!("1:ad0:d4:attr1:l6:lengthi1e11:pieces root32:{ROOT}ee");
    let target = "1:ad0:d6:lengthi0e12:symlink pathl2:..6:passwdeee";
    for tree in [attribute.as_str(), target] {
        let error = parse(tree).unwrap_err();
        assert!(matches!(error, ManifestError::Symlink(_)), "{error}");
    }
    let executable = format!("1:ad0:d4:attr1:x6:lengthi1e11:pieces root32:{ROOT}ee");
    assert!(parse(&executable).is_ok());
}

#[test]
fn a_root_is_there_when_there_is_data() {
    let error = parse("1:ad0:d6:lengthi5eee").unwrap_err();
    assert!(matches!(error, ManifestError::Root(_)), "{error}");
    for tree in [
        "1:ad0:d6:lengthi1e11:pieces root31:rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrree",
        "1:ad0:d6:lengthi-1eee",
        "1:ad0:d6:lengthi18446744073709551616eee",
        "1:ad0:d6:length1:5ee",
        "1:a1:b",
    ] {
        let error = parse(tree).unwrap_err();
        assert!(matches!(error, ManifestError::Invalid(_)), "{tree}: {error}");
    }
}

#[test]
fn the_root_of_an_empty_file_means_nothing() {
    let zeros = "\0".repeat(32);
    for root in [zeros.as_str(), ROOT, "short", ""] {
        let tree = format!("1:ad0:d6:lengthi0e11:pieces root{}ee{}", text(root), file("b"));
        let manifest = parse(&tree).unwrap();
        assert_eq!(manifest.files()[0].pieces_root, None);
        assert_eq!(manifest.layout().pieces(), 1);
        let again = Manifest::parse(&manifest.to_torrent()).unwrap();
        assert_eq!(again, manifest, "the info dictionary stays as it came");
    }
}

#[test]
fn a_content_without_files_is_refused() {
    for tree in ["", "1:ade", "1:ad1:bdee"] {
        assert!(matches!(parse(tree), Err(ManifestError::NoFiles)), "{tree}");
    }
}

#[test]
fn depth_and_numbers_are_bounded() {
    let nested = |depth: usize| ["1:dd".repeat(depth - 1), file("f"), "e".repeat(depth - 1)].concat();
    assert!(parse(&nested(crate::content::paths::PATH_DEPTH_MAX)).is_ok());
    assert!(parse(&nested(crate::content::paths::PATH_DEPTH_MAX + 1)).is_err());
    assert!(parse(&nested(100_000)).is_err(), "the stack is not the limit");

    let many: String = (0..=FILES_MAX).map(|i| format!("6:{i:06}d0:d6:lengthi0eee")).collect();
    assert!(matches!(parse(&many), Err(ManifestError::TooManyFiles)));

    // 2,000 bytes of folders above every file would make 64 MiB of paths from 2 MiB of info.
    let leaves: String = (0..40_000).map(|i| format!("6:{i:06}d0:d6:lengthi0eee")).collect();
    let deep = (0..10).fold(leaves, |inside, _| folder(&"d".repeat(200), &inside));
    let error = parse(&deep).unwrap_err();
    assert!(matches!(error, ManifestError::TooLarge { .. }), "{error}");
}

#[test]
fn a_torrent_or_info_dictionary_over_its_limit_is_not_read() {
    let too_large = |error| matches!(error, ManifestError::TooLarge { .. });
    let torrent = vec![b'd'; TORRENT_BYTES_MAX + 1];
    assert!(too_large(Manifest::parse(&torrent).unwrap_err()));
    let info = vec![b'd'; INFO_BYTES_MAX + 1];
    assert!(too_large(Info::parse(ContentId(sha256(&info)), &info).unwrap_err()));
}

#[test]
fn versions_other_than_two_are_told_apart() {
    let version = |version: &str| {
        let torrent = torrent(&file("f")).replace("12:meta versioni2e", version);
        Manifest::parse(torrent.as_bytes()).unwrap_err()
    };
    assert!(matches!(version("12:meta versioni1e"), ManifestError::V1Only));
    assert!(matches!(version("12:meta versioni3e"), ManifestError::Version(3)));
    assert!(matches!(version(""), ManifestError::Missing("meta version")));
    let v1 = "d4:infod6:lengthi5e4:name1:f12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
    let error = Manifest::parse(v1.as_bytes()).unwrap_err();
    assert!(matches!(error, ManifestError::V1Only), "{error}");
}

#[test]
fn an_info_dictionary_is_canonical_and_has_no_tail() {
    let good = torrent(&file("f"));
    let manifest = Manifest::parse(good.as_bytes()).unwrap();
    for tail in ["e", "d", "0:", "i1e", "\n", "\0", "\r\n\r\n"] {
        let around = Manifest::parse([&good, tail].concat().as_bytes());
        match tail.trim_matches(['\r', '\n', '\0']) {
            "" => assert_eq!(around.unwrap(), manifest, "{tail:?}"),
            _ => assert!(matches!(around, Err(ManifestError::TrailingBytes)), "{tail:?}"),
        }
        let info = good[7..good.len() - 1].to_owned() + tail;
        let refused = Info::parse(ContentId(sha256(info.as_bytes())), info.as_bytes());
        assert!(matches!(refused, Err(ManifestError::TrailingBytes)), "{tail:?}");
    }
    for (from, to) in [
        ("i16384e", "i016384e"),
        ("4:name4:name", "04:name4:name"),
        ("12:meta versioni2e4:name4:name", "4:name4:name12:meta versioni2e"),
        ("4:name4:name", "4:name4:name4:name4:name"),
        ("i2e", "i-0e"),
    ] {
        let error = Manifest::parse(good.replace(from, to).as_bytes()).unwrap_err();
        assert!(matches!(error, ManifestError::Bencode(_)), "{to}: {error}");
    }
    for other in ["", "i1e", "le", "4:info", "de", "d4:infoi1ee", "d4:infodee"] {
        assert!(Manifest::parse(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn what_lies_around_the_info_dictionary_comes_in_any_order_and_form() {
    let (manifest, layer) = large(3);
    let info = std::str::from_utf8(manifest.info_bytes());
    assert!(info.is_err(), "roots are bytes");
    let entry = |root: &[u8], layer: &[Hash]| {
        let head = format!("{}:", layer.len() * 32);
        [b"32:", root, head.as_bytes(), layer.as_flattened()].concat()
    };
    let root = manifest.info().layer_files().next().unwrap().root;
    let layers = [entry(&[0xff; 32], &[[7; 32]]), entry(&root, &layer), entry(&[1; 32], &[])].concat();
    let layers = [b"12:piece layersd".as_slice(), &layers, b"e"].concat();
    let info = [b"4:info".as_slice(), manifest.info_bytes()].concat();
    let site = b"8:announce3:udp13:creation datei007e7:comment0:1:xd1:bi1e1:ai-0ee".as_slice();
    let wild = [&layers[..], site, &info].concat();
    for inside in [[&info[..], &layers].concat(), [&layers[..], &info].concat(), wild] {
        let torrent = [b"d", &inside[..], b"e"].concat();
        assert_eq!(Manifest::parse(&torrent).unwrap(), manifest);
    }
    let twice = [b"d", &info[..], &layers, &info, b"e"].concat();
    assert!(matches!(Manifest::parse(&twice), Err(ManifestError::Twice("info"))));
}

#[test]
fn another_kind_of_file_is_told_from_a_torrent_that_is_cut_off() {
    for other in [b"\x1aE\xdf\xa3".as_slice(), b"<html>", b"", b"magnet:?xt=x"] {
        assert!(matches!(Manifest::parse(other), Err(ManifestError::NotMetainfo)));
    }
    let good = torrent(&file("f"));
    for length in 1..good.len() {
        let error = Manifest::parse(&good.as_bytes()[..length]).unwrap_err();
        assert!(matches!(error, ManifestError::Damaged { at } if at <= length), "{length}: {error}");
    }
}

#[test]
fn an_info_dictionary_of_another_content_is_refused() {
    let torrent = torrent(&file("f"));
    let info = &torrent.as_bytes()[7..torrent.len() - 1];
    let content = Manifest::parse(torrent.as_bytes()).unwrap().content();
    assert_eq!(Info::parse(content, info).unwrap().content(), content);
    let error = Info::parse(ContentId([0; 32]), info).unwrap_err();
    assert!(matches!(error, ManifestError::OtherContent { .. }), "{error}");
}

/// A content of one file with this many pieces of 16 KiB, and its layer.
fn large(pieces: u32) -> (Manifest, Vec<Hash>) {
    let layer: Vec<Hash> = (0..pieces).map(|i| sha256(&i.to_be_bytes())).collect();
    let file = NewFile {
        path: RelativePath::parse("f").unwrap(),
        length: u64::from(pieces) * 16_384 - 1,
        piece_hashes: layer.clone(),
    };
    let name = SafeName::parse(b"n").unwrap();
    (Manifest::build(&name, 16_384, vec![file], vec![]).unwrap(), layer)
}

#[test]
fn layers_that_are_missing_short_or_wrong_are_refused() {
    let (manifest, layer) = large(3);
    let torrent = manifest.to_torrent();
    let whole = layer.as_flattened();
    let at = torrent.windows(96).position(|window| window == whole).unwrap();
    let with = |layer: &[u8]| {
        let length = layer.len().to_string();
        let head = &torrent[..at - 3];
        let torrent = [head, length.as_bytes(), b":", layer, &torrent[at + 96..]].concat();
        Manifest::parse(&torrent)
    };
    assert_eq!(with(whole).unwrap(), manifest);
    let mut wrong = whole.to_vec();
    wrong[95] ^= 1;
    assert!(matches!(with(&wrong), Err(ManifestError::LayerHash(_))));
    assert!(matches!(with(&whole[..64]), Err(ManifestError::LayerLength { expected: 3, found: 2, .. })));
    assert!(matches!(with(&whole[..95]), Err(ManifestError::Invalid("piece layers"))));
    // A layer padded by hand has the same root, but another length.
    let padded = [whole, &[0; 32]].concat();
    assert!(matches!(with(&padded), Err(ManifestError::LayerLength { .. })));
    let info = Info::parse(manifest.content(), manifest.info_bytes()).unwrap();
    assert!(info.assemble(vec![]).is_err());
}

#[test]
fn files_of_equal_content_share_a_layer() {
    let layer: Vec<Hash> = (0..5).map(|i: u32| sha256(&i.to_be_bytes())).collect();
    let new_file = |path: &str| NewFile {
        path: RelativePath::parse(path).unwrap(),
        length: 5 * 16_384,
        piece_hashes: layer.clone(),
    };
    let name = SafeName::parse(b"n").unwrap();
    let files = vec![new_file("b"), new_file("a")];
    let manifest = Manifest::build(&name, 16_384, files, vec![]).unwrap();
    let torrent = manifest.to_torrent();
    let layers = torrent.windows(160).filter(|window| *window == layer.as_flattened());
    assert_eq!(layers.count(), 1);
    assert_eq!(Manifest::parse(&torrent).unwrap(), manifest);
    assert_eq!(manifest.layers().count(), 10);
}

#[test]
fn one_root_for_two_lengths_is_refused() {
    let entry =
        |name: &str, length: u32| format!("{}d0:d6:lengthi{length}e11:pieces root32:{ROOT}ee", text(name));
    let tree = entry("a", 40_000) + &entry("b", 40_001);
    let error = parse(&tree).unwrap_err();
    assert!(matches!(error, ManifestError::Root(_)), "{error}");
}

#[test]
fn what_cannot_be_published_is_said() {
    let new_file = |path: &str, length: u64, hashes: usize| NewFile {
        path: RelativePath::parse(path).unwrap(),
        length,
        piece_hashes: vec![[7; 32]; hashes],
    };
    let build = |files: &[NewFile]| {
        let name = SafeName::parse(b"n").unwrap();
        Manifest::build(&name, 16_384, files.to_vec(), vec![]).unwrap_err()
    };
    let (a, inside) = (new_file("a", 1, 1), new_file("a/b", 1, 1));
    assert!(matches!(build(&[a.clone(), inside]), ManifestError::FileIsFolder(_)));
    assert!(matches!(build(&[a.clone(), a]), ManifestError::SameName(_)));
    assert!(matches!(build(&[new_file("a", 16_385, 1)]), ManifestError::LayerLength { .. }));
    assert!(matches!(build(&[new_file("a", 0, 1)]), ManifestError::LayerLength { .. }));
    assert!(matches!(build(&[]), ManifestError::NoFiles));
}

#[test]
fn web_seeds_are_kept_when_they_are_urls_and_not_too_many() {
    let with = |list: &str| {
        let torrent = torrent(&file("f"));
        let torrent = format!("{}8:url-list{list}e", &torrent[..torrent.len() - 1]);
        Manifest::parse(torrent.as_bytes()).map(|manifest| manifest.web_seeds().to_vec())
    };
    assert_eq!(with("10:http://a/b").unwrap(), ["http://a/b"]);
    assert_eq!(with("l10:http://a/b10:http://a/bi1e5:ftp:/e").unwrap(), ["http://a/b"]);
    assert_eq!(with("9:http:///a").unwrap(), [""; 0]);
    assert!(matches!(with("i1e"), Err(ManifestError::Invalid("url-list"))));
    let many: String = (100..900).map(|i| format!("12:http://a/{i}")).collect();
    assert_eq!(with(&format!("l{many}e")).unwrap().len(), WEB_SEEDS_MAX);
}

#[test]
fn signatures_lie_outside_the_content_id_and_only_good_ones_are_kept() {
    let (manifest, _) = large(3);
    let content = manifest.content();
    let (ours, theirs) = (Signature::sign(&[1; 32], content), Signature::sign(&[2; 32], content));
    let forged = Signature { bytes: theirs.bytes, ..Signature::sign(&[3; 32], content) };
    let signed = manifest.clone().with_signatures([ours, theirs, forged]);
    assert_eq!((signed.content(), signed.layout()), (content, manifest.layout()));
    assert_eq!(signed.signatures().bad(), [forged.key]);
    let read = Manifest::parse(&signed.to_torrent()).unwrap();
    assert_eq!(read.signatures().good(), signed.signatures().good());
    assert!(read.signatures().bad().is_empty(), "what was discarded is not written");
    assert!(read.signatures().is_by(&[ours.key]) && read.signatures().is_by(&[theirs.key]));
    assert_eq!(read.with_signatures([]).to_torrent(), manifest.to_torrent());
}

#[test]
fn whatever_stands_in_the_place_of_signatures_the_content_is_good() {
    let with = |value: &str| {
        let torrent = torrent(&file("f"));
        let torrent = format!("{}19:nearcast signatures{value}e", &torrent[..torrent.len() - 1]);
        Manifest::parse(torrent.as_bytes()).map(|manifest| manifest.signatures().clone())
    };
    let (key, bytes) = ("k".repeat(32), "s".repeat(64));
    for (value, bad) in [
        ("i1e".to_owned(), 0),
        ("le".to_owned(), 0),
        ("de".to_owned(), 0),
        (format!("d3:key64:{bytes}e"), 0),
        (format!("d32:{key}64:{bytes}e"), 1),
        (format!("d32:{key}1:se"), 1),
        (format!("d32:{key}lee"), 1),
    ] {
        let signatures = with(&value).unwrap();
        assert_eq!((signatures.good().len(), signatures.bad().len()), (0, bad), "{value}");
    }
    let many: String = (100..900).map(|i| format!("32:{i}{}64:{bytes}", "k".repeat(29))).collect();
    assert_eq!(with(&format!("d{many}e")).unwrap().bad().len(), crate::content::signature::SIGNATURES_MAX);
}
