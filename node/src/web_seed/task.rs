//! The task of one web seed: takes the engine's requests, and keeps a few lanes busy with them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use nearcast_core::layout::{FileIndex, Layout};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Budget, Place,
    client::Client,
    lane::{Pace, Seed},
    plan::Plan,
};
use crate::{
    events::{LinkId, News, TaskEvent, Trouble, report},
    exchange::fetch::Tools,
    wire::data::Ask,
};

/// Requests under way to one web seed, at most: enough to fill a long path, few enough for any
/// server.
const LANES_MAX: usize = 4;
/// Failures in a row that a web seed may have; the next one ends its task. After each failure the
/// engine asks again for what failed, more slowly.
const FAILURES_MAX: u32 = 4;
/// Requests for runs come one by one. Those of one decision gather for this long before the first
/// is sent.
const GATHER: Duration = Duration::from_millis(1);
/// Requests taken from the queue at once, at most.
const ASKS_AT_ONCE_MAX: usize = 256;

/// Everything the task of a web seed needs.
pub(crate) struct Job {
    pub(crate) link: LinkId,
    pub(crate) place: Place,
    pub(crate) tools: Tools,
    pub(crate) budget: Budget,
    /// A wanted file, for the first probe.
    pub(crate) file: FileIndex,
}

/// Runs until the seed is of no use, the driver drops `asks`, or `cancel` is set.
pub(crate) async fn run(job: Job, mut asks: mpsc::Receiver<Ask>, cancel: CancellationToken) {
    let (link, events) = (job.link, job.tools.events.clone());
    let tell = async |news| {
        report(&events, TaskEvent::WebSeed { link, news }).await;
    };
    let work = async {
        let file = job.file;
        let seed = Seed::new(job);
        seed.probe(file).await?;
        tell(News::Open).await;
        seed.work(&mut asks).await
    };
    let end = tokio::select! {
        () = cancel.cancelled() => return,
        end = work => end,
    };
    if let Err(trouble) = end {
        tell(News::Gone(trouble)).await;
    }
}

impl Seed {
    fn new(job: Job) -> Seed {
        Seed {
            link: job.link,
            client: Client::new(&job.place, LANES_MAX, &job.budget),
            place: job.place,
            tools: job.tools,
            budget: job.budget,
            files: Mutex::new(BTreeMap::new()),
            whole_only: AtomicBool::new(false),
            kept: Mutex::new(None),
            skipped: AtomicU64::new(0),
            pace: Mutex::new(Pace::new(LANES_MAX)),
            doubted: AtomicBool::new(false),
        }
    }

    async fn work(&self, asks: &mut mpsc::Receiver<Ask>) -> Result<(), Trouble> {
        let layout = self.tools.manifest.layout();
        let (mut plan, mut lanes) = (Plan::default(), FuturesUnordered::new());
        let mut failures: u32 = 0;
        let mut batch = Vec::with_capacity(ASKS_AT_ONCE_MAX);
        loop {
            let (lanes_now, wait) = (self.lanes(), self.wait());
            while wait.is_zero()
                && lanes.len() < lanes_now
                && let Some(stretch) = plan.take(layout, lanes_now.saturating_sub(lanes.len()))
            {
                lanes.push(self.fetch(stretch));
            }
            tokio::select! {
                count = asks.recv_many(&mut batch, ASKS_AT_ONCE_MAX) => {
                    if count == 0 {
                        return Ok(());
                    }
                    if lanes.is_empty() {
                        tokio::time::sleep(GATHER).await;
                        while let Some(ask) = asks.try_recv().ok().filter(|_| batch.len() < ASKS_AT_ONCE_MAX) {
                            batch.push(ask);
                        }
                    }
                    batch.drain(..).for_each(|ask| plan.hear(ask, layout));
                }
                Some(end) = lanes.next() => match end {
                    Ok(()) => failures = 0,
                    // The server wants fewer requests, and the pace knows that. This is no failure.
                    Err(Trouble::Passing { after: Some(_), .. }) => {}
                    Err(Trouble::Passing { after: None, reason }) if failures < FAILURES_MAX => {
                        failures = failures.saturating_add(1);
                        self.note_failure(None);
                        tracing::debug!(place = %self.place, %reason, failures, "a request to a web seed failed");
                    }
                    Err(trouble) => return Err(trouble),
                },
                () = self.rest(wait), if !wait.is_zero() => {}
            }
        }
    }
}

impl Plan {
    fn hear(&mut self, ask: Ask, layout: &Layout) {
        match ask {
            Ask::Request { id, run, .. } => {
                let run = run.admit(|run| layout.run_index(run));
                run.into_iter().for_each(|run| self.add(run.get(), id));
            }
            Ask::Cancel { id } => self.cancel(id),
        }
    }
}
