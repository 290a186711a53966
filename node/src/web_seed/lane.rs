//! One request at a time: a stretch is asked for, read into buffers run by run, and handed to the workers.
//!
//! A server that sends no parts of files is read from the first byte on, by one lane, which keeps its
//! place in the file between stretches; what it must skip is thrown away, and bounded.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use nearcast_core::{
    input::RunFailure,
    layout::{FileIndex, Layout, RunIndex},
    message::Refusal,
    saturate::{to_u32, to_usize},
};
use reqwest::{Response, Url};
use tokio::time::timeout;

use super::{
    Budget, PERMIT_BYTES, Place, Trouble,
    answer::{self, Extent, Version},
    client::{self, Client, Request},
    piece::PieceInHand,
    plan::{Part, Stretch},
};
use crate::exchange::{
    Events, LinkId, TaskEvent,
    fetch::Tools,
    least_rate::{LeastRate, Progress, WINDOW},
};

/// One web seed while its task runs.
pub(super) struct Seed {
    pub(super) link: LinkId,
    pub(super) place: Place,
    pub(super) client: Client,
    pub(super) tools: Tools,
    pub(super) budget: Budget,
    /// What the server said of files of which more is to be fetched.
    pub(super) files: Mutex<BTreeMap<FileIndex, Known>>,
    /// It sends whole files only.
    pub(super) whole_only: AtomicBool,
    /// Then: where the reading stopped.
    pub(super) kept: Mutex<Option<Body>>,
    /// Then: bytes thrown away.
    pub(super) skipped: AtomicU64,
}

/// What is known of one file on the server.
#[derive(Clone, Debug)]
pub(super) struct Known {
    version: Version,
    /// Where the redirects ended.
    url: Url,
}

/// The rest of an answer.
pub(super) struct Body {
    file: FileIndex,
    response: Response,
    rest: Bytes,
    /// The file's byte that comes next, and the one after the last that comes.
    bytes: Range<u64>,
    whole: bool,
    rate: LeastRate,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seed {
    fn layout(&self) -> &Layout {
        self.tools.manifest.layout()
    }

    pub(super) fn is_whole_only(&self) -> bool {
        self.whole_only.load(Ordering::Relaxed)
    }

    /// Finds out whether the server has a file, and whether it sends parts.
    pub(super) async fn probe(&self, file: FileIndex) -> Result<(), Trouble> {
        let mut body = self.open(file, 0..1).await?;
        if !body.whole {
            // Read to its end, the connection serves the next request too.
            body.next(1, &self.tools.events, self.link).await?;
        }
        Ok(())
    }

    /// Fetches a stretch. What of it does not come is told as refused, so that it is asked for again.
    pub(super) async fn fetch(&self, stretch: Stretch) -> Result<(), Trouble> {
        // The semaphore is never closed.
        let _request = self.budget.requests.acquire().await.map_err(|_| stopping())?;
        let mut body = locked(&self.kept).take().filter(|body| body.file == stretch.file);
        for (at, part) in stretch.parts.iter().enumerate() {
            if let Err(trouble) = self.fetch_part(&stretch, part, &mut body).await {
                self.give_back(&stretch.parts[at..]).await;
                return Err(trouble);
            }
        }
        *locked(&self.kept) = body.filter(|body| body.whole);
        Ok(())
    }

    async fn fetch_part(
        &self,
        stretch: &Stretch,
        part: &Part,
        body: &mut Option<Body>,
    ) -> Result<(), Trouble> {
        let units = part.bytes(self.layout()).div_ceil(PERMIT_BYTES.into());
        let units = to_u32(units);
        let permit = self.budget.bytes.clone().acquire_many_owned(units).await.map_err(|_| stopping())?;
        let hand = PieceInHand::new(self.link, part.clone(), permit);
        for due in &part.runs {
            let span = self.layout().run(due.run);
            let mut pass = self.tools.down.begin(self.tools.account, u64::from(span.bytes)).await;
            let mut open = match body.take().filter(|body| body.reaches(span.offset)) {
                Some(open) => open,
                None => {
                    let bytes = span.offset..stretch.row_end(self.layout(), due.run);
                    self.open(stretch.file, bytes).await?
                }
            };
            self.skip(&mut open, span.offset).await?;
            let mut buffer = self.tools.buffers.take();
            buffer.clear();
            buffer.reserve_exact(span.bytes as usize);
            let mut may_come = 0_usize;
            while buffer.len() < span.bytes as usize {
                if buffer.len() == may_come {
                    may_come = may_come.saturating_add(to_usize(pass.next().await));
                }
                let left = may_come.saturating_sub(buffer.len());
                buffer.extend_from_slice(&open.next(left, &self.tools.events, self.link).await?);
            }
            *body = Some(open);
            self.hand_over(hand.clone(), due.run, buffer).await?;
        }
        Ok(())
    }

    /// Gives a run to the workers, and goes on.
    async fn hand_over(&self, hand: Arc<PieceInHand>, run: RunIndex, buffer: Vec<u8>) -> Result<(), Trouble> {
        let permit = self.tools.in_hand.clone().acquire_owned().await.map_err(|_| stopping())?;
        let tools = self.tools.clone();
        self.tools.tasks.spawn(async move {
            let (worker, piece) = (tools.clone(), hand.clone());
            let told = tools.workers.run(move || piece.take_in(&worker, run, buffer)).await;
            drop(permit);
            let told = told.unwrap_or_else(|error| {
                // The node stops, or a bug; the requests end either way.
                tracing::debug!(%error, "a piece was not stored");
                hand.all_failed(RunFailure::NotStored { bytes: 0 })
            });
            for event in told {
                // The driver is gone only when the node stops.
                let _ = tools.events.send(event).await;
            }
        });
        Ok(())
    }

    async fn give_back(&self, parts: &[Part]) {
        for due in parts.iter().flat_map(|part| &part.runs) {
            let cause = RunFailure::Refused(Refusal::Busy);
            let event = TaskEvent::Failed { link: self.link, request: due.request, cause };
            // The driver is gone only when the node stops.
            let _ = self.tools.events.send(event).await;
        }
    }

    /// Asks for a range of a file.
    async fn open(&self, file: FileIndex, bytes: Range<u64>) -> Result<Body, Trouble> {
        let known = locked(&self.files).get(&file).cloned();
        let original = self.place.of(&self.tools.manifest, file);
        let moved = known.as_ref().map(|known| &known.url).filter(|url| **url != original).cloned();
        let first = moved.clone().unwrap_or_else(|| original.clone());
        match self.open_at(first, file, &bytes, known.as_ref()).await {
            // Where a redirect led is often good for a while only.
            Err(Trouble::Lasting(_)) if moved.is_some() => {
                self.open_at(original, file, &bytes, known.as_ref()).await
            }
            result => result,
        }
    }

    async fn open_at(
        &self,
        url: Url,
        file: FileIndex,
        bytes: &Range<u64>,
        known: Option<&Known>,
    ) -> Result<Body, Trouble> {
        let if_range = known.and_then(|known| known.version.if_range());
        let request = Request { url, bytes: bytes.clone(), if_range };
        let (response, url) = self.client.ask(&request).await?;
        let file_bytes = self.layout().file_bytes(file);
        let known = known.map(|known| &known.version);
        let (extent, version) =
            answer::judge(response.status(), response.headers(), bytes, file_bytes, known)?;
        if bytes.end < file_bytes || bytes.start > 0 {
            let mut files = locked(&self.files);
            let known = files.entry(file).or_insert_with(|| Known { version, url: url.clone() });
            known.url = url;
        }
        let whole = extent == Extent::Whole && *bytes != (0..file_bytes);
        if whole {
            self.whole_only.store(true, Ordering::Relaxed);
        }
        let bytes = if whole { 0..file_bytes } else { bytes.clone() };
        Ok(Body { file, response, rest: Bytes::new(), bytes, whole, rate: LeastRate::new() })
    }

    /// Throws away what lies before `offset`, if that is not too much altogether.
    async fn skip(&self, body: &mut Body, offset: u64) -> Result<(), Trouble> {
        let bytes = offset.saturating_sub(body.bytes.start);
        if bytes == 0 {
            return Ok(());
        }
        let before = self.skipped.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.layout().bytes() {
            return Err(Trouble::lasting(
                "the server sends whole files only, and too much of them would be thrown away",
            ));
        }
        let mut pass = self.tools.down.begin(self.tools.account, bytes).await;
        while body.bytes.start < offset {
            let end = body.bytes.start.saturating_add(pass.next().await);
            while body.bytes.start < end {
                let left = to_usize(end.saturating_sub(body.bytes.start));
                body.next(left, &self.tools.events, self.link).await?;
            }
        }
        Ok(())
    }
}

impl Body {
    /// Whether this byte of the file is still to come, without another request.
    fn reaches(&self, offset: u64) -> bool {
        let next = self.bytes.start == offset || (self.whole && self.bytes.start < offset);
        next && offset < self.bytes.end
    }

    /// The next bytes, at most `max`.
    async fn next(&mut self, max: usize, events: &Events, link: LinkId) -> Result<Bytes, Trouble> {
        while self.rest.is_empty() {
            let asked = Instant::now();
            let chunk = timeout(self.rate.patience(), self.response.chunk()).await;
            self.rest = match chunk {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return Err(Trouble::passing("the server sent less than it announced")),
                Ok(Err(error)) => return Err(client::trouble(error)),
                Err(_) => Bytes::new(),
            };
            match self.rate.note(asked.elapsed(), self.rest.len()) {
                Progress::Enough => {}
                Progress::TooLittle => {
                    let seconds = WINDOW.as_secs();
                    let reason = format!("no data, or next to none, for {seconds} seconds");
                    return Err(Trouble::passing(reason));
                }
                Progress::Told => {
                    // The driver is gone only when the node stops.
                    let _ = events.send(TaskEvent::Receiving { link }).await;
                }
            }
        }
        let part = self.rest.split_to(max.min(self.rest.len()));
        self.bytes.start = self.bytes.start.saturating_add(part.len() as u64);
        Ok(part)
    }
}

fn stopping() -> Trouble {
    Trouble::passing("the node stops")
}
