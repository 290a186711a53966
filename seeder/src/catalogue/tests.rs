use std::fs;

use super::*;

/// Writes `bytes` zeros to a folder as `NAME`, and `NAME.torrent` beside it.
fn publish(folder: &Path, name: &str, bytes: usize) -> ContentId {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), vec![0; bytes]).unwrap();
    let options = nearcast_node::publish::PublishOptions::default();
    let published = nearcast_node::publish::publish(
        &folder.join(name),
        &options,
        &|_, _| (),
        &std::sync::atomic::AtomicBool::new(false),
    );
    let manifest = published.unwrap().manifest;
    fs::write(folder.join(format!("{name}.torrent")), manifest.to_torrent()).unwrap();
    manifest.content()
}

/// One word a change: `+` served, `-` stopped, `!` refused, followed by the name of the `.torrent`.
fn scan(catalogue: &mut Catalogue) -> Vec<String> {
    let root = Folder::open(&catalogue.root).unwrap();
    let changes = catalogue.scan(&root, &mut |_, _| ()).unwrap();
    let word = |sign: char, path: &Path| format!("{sign}{}", path.file_name().unwrap().to_string_lossy());
    changes
        .iter()
        .map(|change| match change {
            Change::Serve { torrent, .. } => word('+', torrent),
            Change::Stop { torrent, .. } => word('-', torrent),
            Change::Refuse { torrent, .. } => word('!', torrent),
        })
        .collect()
}

#[test]
fn contents_in_folders_below_are_served_and_said_once() {
    let root = tempfile::tempdir().unwrap();
    publish(root.path(), "a", 10);
    publish(&root.path().join("x/y"), "b", 20);
    let mut catalogue = Catalogue::new(root.path().to_owned());
    assert_eq!(scan(&mut catalogue), ["+a.torrent", "+b.torrent"]);
    assert_eq!(catalogue.len(), 2);
    assert!(scan(&mut catalogue).is_empty());
}

#[test]
fn data_that_is_missing_is_waited_for_and_said_once() {
    let root = tempfile::tempdir().unwrap();
    publish(root.path(), "a", 10);
    fs::write(root.path().join("a"), [0; 9]).unwrap();
    let mut catalogue = Catalogue::new(root.path().to_owned());
    assert_eq!(scan(&mut catalogue), ["!a.torrent"]);
    assert!(scan(&mut catalogue).is_empty());
    let has_arrived = |catalogue: &Catalogue| catalogue.has_arrived(&Folder::open(root.path()).unwrap());
    assert!(!has_arrived(&catalogue));
    fs::write(root.path().join("a"), [0; 10]).unwrap();
    assert!(has_arrived(&catalogue));
    assert_eq!(scan(&mut catalogue), ["+a.torrent"]);
}

#[test]
fn a_torrent_or_data_that_goes_away_is_no_longer_served() {
    let root = tempfile::tempdir().unwrap();
    publish(root.path(), "a", 10);
    publish(root.path(), "b", 20);
    let mut catalogue = Catalogue::new(root.path().to_owned());
    scan(&mut catalogue);
    fs::remove_file(root.path().join("a.torrent")).unwrap();
    fs::remove_file(root.path().join("b")).unwrap();
    assert_eq!(scan(&mut catalogue), ["-a.torrent", "-b.torrent", "!b.torrent"]);
    assert!(catalogue.is_empty());
}

#[test]
fn a_content_is_served_from_one_place_and_the_second_takes_over() {
    let root = tempfile::tempdir().unwrap();
    let one = publish(&root.path().join("1"), "a", 10);
    assert_eq!(one, publish(&root.path().join("2"), "a", 10));
    let mut catalogue = Catalogue::new(root.path().to_owned());
    assert_eq!(scan(&mut catalogue), ["+a.torrent", "!a.torrent"]);
    fs::remove_dir_all(root.path().join("1")).unwrap();
    assert_eq!(scan(&mut catalogue), ["-a.torrent", "+a.torrent"]);
    assert_eq!(catalogue.len(), 1);
}

#[test]
fn a_damaged_torrent_is_read_again_only_when_it_changes() {
    let root = tempfile::tempdir().unwrap();
    let content = publish(root.path(), "a", 10);
    let torrent = root.path().join("a.torrent");
    let good = fs::read(&torrent).unwrap();
    fs::write(&torrent, &good[..good.len() - 1]).unwrap();
    let mut catalogue = Catalogue::new(root.path().to_owned());
    assert_eq!(scan(&mut catalogue), ["!a.torrent"]);
    assert!(scan(&mut catalogue).is_empty());
    fs::write(&torrent, &good).unwrap();
    assert_eq!(scan(&mut catalogue), ["+a.torrent"]);
    assert!(catalogue.served.contains_key(&content));
}

#[test]
fn what_the_node_refused_is_tried_again_but_said_once() {
    let root = tempfile::tempdir().unwrap();
    publish(root.path(), "a", 10);
    let torrent = root.path().join("a.torrent");
    let mut catalogue = Catalogue::new(root.path().to_owned());
    scan(&mut catalogue);
    assert!(catalogue.on_refused(&torrent, "full"));
    assert_eq!(scan(&mut catalogue), ["+a.torrent"]);
    assert!(!catalogue.on_refused(&torrent, "full"));
    assert!(catalogue.is_empty());
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    publish(elsewhere.path(), "a", 10);
    std::os::unix::fs::symlink(elsewhere.path(), root.path().join("folder")).unwrap();
    let link = root.path().join("a.torrent");
    std::os::unix::fs::symlink(elsewhere.path().join("a.torrent"), link).unwrap();
    let mut catalogue = Catalogue::new(root.path().to_owned());
    assert_eq!(scan(&mut catalogue), ["!a.torrent"], "and that is said");
    assert!(scan(&mut catalogue).is_empty(), "once");
}

/// The refusal of the only `.torrent`.
fn refused(root: &Path) -> (Refusal, String) {
    let mut catalogue = Catalogue::new(root.to_owned());
    let mut changes = catalogue.scan(&Folder::open(root).unwrap(), &mut |_, _| ()).unwrap();
    match (changes.pop(), changes.len()) {
        (Some(Change::Refuse { reason, kind, .. }), 0) => (kind, reason),
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn what_lies_in_the_place_of_the_data_is_called_what_it_is() {
    let (root, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    publish(root.path(), "a", 10);
    let (data, blob) = (root.path().join("a"), store.path().join("blob"));
    fs::rename(&data, &blob).unwrap();
    assert_eq!(refused(root.path()).0, Refusal::Gone);
    std::os::unix::fs::symlink(&blob, &data).unwrap();
    let (kind, reason) = refused(root.path());
    assert!(
        kind == Refusal::Wrong && reason.contains("symbolic link") && reason.contains("hard link"),
        "{reason}"
    );
    fs::remove_file(&data).unwrap();
    fs::create_dir(&data).unwrap();
    assert!(refused(root.path()).1.contains("no regular file"));
    fs::remove_dir(&data).unwrap();
    fs::write(&data, "short").unwrap();
    let (kind, reason) = refused(root.path());
    assert_eq!(kind, Refusal::Changed);
    assert!(reason.ends_with("has 5 bytes instead of 10"), "{reason}");
    fs::remove_file(&data).unwrap();
    fs::hard_link(&blob, &data).unwrap();
    let mut catalogue = Catalogue::new(root.path().to_owned());
    assert_eq!(scan(&mut catalogue), ["+a.torrent"], "as the reason says");
}

#[test]
fn what_we_wrote_ourselves_is_served_without_a_look_at_everything() {
    let root = tempfile::tempdir().unwrap();
    let content = publish(root.path(), "a", 10);
    let mut catalogue = Catalogue::new(root.path().to_owned());
    let folder = Folder::open(root.path()).unwrap();
    let written = |catalogue: &mut Catalogue| {
        let manifest = Arc::new(read_torrent(&folder, Path::new("a.torrent")).unwrap());
        catalogue.take_written(&folder, Path::new("a.torrent"), manifest)
    };
    let changes = written(&mut catalogue);
    assert!(matches!(&changes[..], [Change::Serve { root: data, .. }] if data == root.path()), "{changes:?}");
    assert!(scan(&mut catalogue).is_empty(), "a look has nothing to add");
    assert!(written(&mut catalogue).is_empty(), "nor has this, when a look came first");
    let other = publish(root.path(), "a", 11);
    let changes = written(&mut catalogue);
    assert!(
        matches!(&changes[..], [Change::Stop { content: old, .. }, Change::Serve { .. }] if *old == content)
    );
    assert!(catalogue.served.contains_key(&other) && catalogue.len() == 1);
}

#[test]
fn a_root_of_another_number_is_known_by_what_is_in_it() {
    let place = tempfile::tempdir().unwrap();
    let (root, other) = (place.path().join("root"), place.path().join("other"));
    publish(&root.join("below"), "a", 10);
    fs::create_dir(&other).unwrap();
    let mut catalogue = Catalogue::new(root.clone());
    scan(&mut catalogue);
    assert!(!catalogue.is_known_in(&Folder::open(&other).unwrap()));
    fs::rename(root.join("below"), other.join("below")).unwrap();
    assert!(catalogue.is_known_in(&Folder::open(&other).unwrap()));
}
