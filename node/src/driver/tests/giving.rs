//! What an origin reports to its publisher: who takes what, in numbers.

use std::time::Duration;

use super::{config, fetch, node, origin, patiently};
use crate::{
    config::SeedGoal,
    fetch::{Fetch, Source},
    giving::{Giving, Givings},
    node::Node,
    store::testing,
};

const FILM_BYTES: u64 = (2 << 20) + 7;

/// Asks for the report until it satisfies `is`.
async fn until(node: &Node, max: usize, is: impl Fn(&Givings) -> bool) -> Givings {
    patiently("what was given is told", async {
        loop {
            let givings = node.givings(max).await.unwrap();
            if is(&givings) {
                return givings;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn takers_and_those_who_became_complete_count_once_for_the_content_they_took() {
    let made = [testing::content(256 << 10, &[FILM_BYTES]), testing::content(256 << 10, &[300_000])];
    let shared: Vec<_> = made.iter().map(|(manifest, data)| (manifest.clone(), data)).collect();
    let (source, _folder) = origin(config(103, 1), &shared).await;
    let nothing = until(&source, 9, |givings| givings.busiest.len() == 2).await;
    assert!(nothing.busiest.iter().all(|giving| giving.given == Default::default()), "{nothing:?}");
    let film = made[0].0.clone();
    let folder = tempfile::tempdir().unwrap();
    let taker = node(103, 2).await;
    for _ in 0..2 {
        // The second time everything is there already, and the same peer comes again.
        let begin = Fetch {
            seed: SeedGoal::Forever,
            ..fetch(Source::Manifest(film.clone()), folder.path(), source.addresses())
        };
        let download = taker.fetch(begin).await.unwrap();
        patiently("the download", download.finished()).await.unwrap();
        let film_id = film.content();
        let told = until(&source, 1, |givings| {
            let first = givings.busiest.first();
            first.is_some_and(|giving| {
                giving.content == film_id && giving.given.completed == 1 && giving.given.sent >= FILM_BYTES
            })
        })
        .await;
        let [Giving { name, bytes, given, .. }] = &told.busiest[..] else { panic!("{told:?}") };
        assert_eq!((name.as_str(), *bytes, told.left_out), ("film", FILM_BYTES, 1));
        assert_eq!((given.takers, given.completed, given.sent), (1, 1, FILM_BYTES));
        assert_eq!(given.by_tier.iter().sum::<u64>(), FILM_BYTES, "{given:?}");
        patiently("the end", download.stop()).await;
    }
    assert!(source.disk_reads().count() > 0 && source.slot_waits().count() > 0);
    let mut totals = source.totals();
    let all_given = totals.wait_for(|totals| totals.uploaded >= FILM_BYTES);
    drop(patiently("what was given is counted", all_given).await.unwrap());
    assert_eq!(source.givings(0).await.unwrap().left_out, 2, "none is listed, all are counted");
    for node in [taker, source] {
        node.shutdown(Duration::ZERO).await;
    }
}
