use tokio::{sync::mpsc, time::timeout};

use super::*;
use nearcast_bgp::{data, made_up};

const PATIENCE: Duration = Duration::from_secs(60);

/// The changes reported until `until` holds, which sees their number and whether the feed is
/// synced.
async fn collect(news: &mut mpsc::Receiver<News>, until: impl Fn(usize, bool) -> bool) -> (Vec<Told>, Tally) {
    let (mut all, mut tally, mut synced) = (Vec::new(), Tally::default(), false);
    let collecting = async {
        while !until(all.len(), synced) {
            match news.recv().await.expect("the feed goes on") {
                News::Begun(..) => {}
                News::Told(_, told, so_far) => {
                    assert!(told.len() <= BATCH_MAX);
                    all.extend(told);
                    tally = so_far;
                }
                News::Synced(_) => synced = true,
                News::Lost(_) => panic!("files are not lost"),
            }
        }
    };
    timeout(PATIENCE, collecting).await.expect("it was told in time");
    (all, tally)
}

#[tokio::test]
async fn the_updates_of_rrc15_have_the_counts_they_are_known_for() {
    for (name, announced, withdrawn) in [
        ("ripe-rrc15-updates.20100227.1600.gz", 52_468, 1_318),
        ("ripe-rrc15-updates.20100227.1610.gz", 5_920, 1_549),
    ] {
        let Some(path) = data(name) else { return };
        let (desk, mut news) = FeedSender::new();
        let updates = Updates::new(&[path], desk).unwrap();
        let feed = tokio::spawn(updates.run(CancellationToken::new()));
        let (_, tally) = collect(&mut news, |_, synced| synced).await;
        timeout(PATIENCE, feed).await.expect("it ends").unwrap();
        // An announcement with an unusable path counts as a withdrawal (RFC 7606).
        assert_eq!(
            (tally.announced + tally.skipped, tally.withdrawn - tally.skipped),
            (announced, withdrawn)
        );
        assert_eq!((tally.messages, tally.damaged), (announced + withdrawn, 0));
    }
}

/// A file in which one peer reaches a prefix by the path. `None`: the peer withdraws it.
fn file(path: Option<&[u32]>) -> Vec<u8> {
    made_up::updates(1_000, &[("192.0.2.1", 7, "198.51.100.0/24", path)])
}

#[tokio::test]
async fn a_folder_is_read_in_order_and_then_what_appears_in_it() {
    let folder = tempfile::tempdir().unwrap();
    // Written by a rename, as a look at the wrong moment could find half a file.
    let write = |name: &str, bytes: &[u8]| {
        let new = folder.path().join(".new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, folder.path().join(name)).unwrap();
    };
    write("updates.0002", &file(None));
    write("updates.0001", &file(Some(&[7, 9])));
    write(".updates.0000.partial", &file(Some(&[7, 10])));
    let (desk, mut news) = FeedSender::new();
    let stop = CancellationToken::new();
    let updates =
        Updates::new(&[folder.path().into()], desk).unwrap().looking_every(Duration::from_millis(5));
    let feed = tokio::spawn(updates.run(stop.clone()));
    let (told, _) = collect(&mut news, |_, synced| synced).await;
    assert!(
        matches!(told[..], [Told::Announced { source: 0, .. }, Told::Withdrawn { source: 0, .. }]),
        "{told:?}"
    );
    write("updates.0003", &file(Some(&[7, 11])));
    let (told, tally) = collect(&mut news, |told, _| told == 1).await;
    assert!(
        matches!(told[..], [Told::Announced { source: 0, .. }]),
        "the same peer is the same source: {told:?}"
    );
    assert_eq!((tally.announced, tally.withdrawn), (2, 1));
    // Older names are ignored.
    write("updates.0000", &file(Some(&[7, 12])));
    write("updates.0004", &file(None));
    let (told, _) = collect(&mut news, |told, _| told == 1).await;
    assert!(matches!(told[..], [Told::Withdrawn { source: 0, .. }]), "{told:?}");
    stop.cancel();
    timeout(PATIENCE, feed).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_passed_over_and_the_next_one_read() {
    let folder = tempfile::tempdir().unwrap();
    let whole = file(Some(&[7, 9]));
    let paths = [("a", whole[..whole.len() - 3].to_vec()), ("b", vec![0xff; 50_000]), ("c", whole)].map(
        |(name, bytes)| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        },
    );
    let (desk, mut news) = FeedSender::new();
    let feed = tokio::spawn(Updates::new(&paths, desk).unwrap().run(CancellationToken::new()));
    let (told, tally) = collect(&mut news, |_, synced| synced).await;
    assert_eq!(told.len(), 1);
    assert!(tally.damaged >= 2, "{tally:?}");
    timeout(PATIENCE, feed).await.expect("it ends").unwrap();
}

#[test]
fn what_is_not_there_is_said_with_its_name() {
    let (desk, _news) = FeedSender::new();
    let missing = Path::new("/nowhere/updates.gz");
    let (path, error) = Updates::new(&[missing.into()], desk).unwrap_err();
    assert_eq!((path.as_path(), error.kind()), (missing, io::ErrorKind::NotFound));
}
