//! Runs one request at a time: asks for a stretch, reads it into buffers run by run, and hands the
//! runs to the workers.
//!
//! If a server sends less than was asked for, or breaks off, the lane asks again from there. If a
//! server wants fewer requests, we wait: a lane that already holds bytes waits for a while;
//! otherwise the task waits.
//!
//! A server that sends only whole files is read from the first byte on, by one lane. The lane keeps
//! its place in the file between stretches. Bytes that it must skip are thrown away, and their
//! number is bounded.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use nearcast_core::{
    input::RunFailure,
    layout::{FileIndex, Layout, RunIndex},
    message::Refusal,
    random::Random,
    saturate::{to_u32, to_usize},
    time::Timestamp,
    web_pace::WebPace,
};
use reqwest::{Response, Url};
use tokio::time::timeout;

use super::{
    Budget, PERMIT_BYTES, Place,
    answer::{self, Extent, Version},
    client::{self, Client, Request},
    piece::PieceInHand,
    plan::{Part, Stretch},
};
use crate::{
    events::{LinkId, News, RunEvent, TaskEvent, Trouble, report},
    exchange::{
        fetch::Tools,
        least_rate::{LeastRate, Progress, WINDOW},
    },
};

/// A lane that holds bytes waits at most this long for its turn: other lanes need that memory.
const WAIT_IN_HAND_MAX: Duration = Duration::from_secs(10);
/// While we wait for a server, we report it as alive this often.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// After an answer breaks off, the lane continues if this many bytes came. With fewer, the request
/// has failed.
const BROKEN_OFF_BYTES_MIN: u64 = 1024;

/// One web seed while its task runs.
pub(super) struct Seed {
    pub(super) link: LinkId,
    pub(super) place: Place,
    pub(super) client: Client,
    pub(super) tools: Tools,
    pub(super) budget: Budget,
    /// What the server said about files, for files of which more is to be fetched.
    pub(super) files: Mutex<BTreeMap<FileIndex, Known>>,
    /// The server sends only whole files.
    pub(super) whole_only: AtomicBool,
    /// With `whole_only`: the answer that is still open, where reading stopped.
    pub(super) kept: Mutex<Option<Body>>,
    /// With `whole_only`: bytes thrown away.
    pub(super) skipped: AtomicU64,
    /// How fast the server may be asked, and the state this depends on.
    pub(super) pace: Mutex<Pace>,
    /// A doubt about this server was reported.
    pub(super) doubted: AtomicBool,
}

/// The pace of requests, with its clock and its random numbers.
pub(super) struct Pace {
    rule: WebPace,
    started: Instant,
    random: Random,
}

impl Pace {
    pub(super) fn new(lanes_max: usize) -> Pace {
        // Without entropy, many clients may come back at the same time; nothing worse.
        let random = Random::new(getrandom::u64().unwrap_or_default());
        Pace { rule: WebPace::new(lanes_max), started: Instant::now(), random }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// How long to wait until the next request.
    fn wait(&self) -> Duration {
        self.rule.not_before().since(self.now())
    }

    fn on_refused(&mut self, after: Option<Duration>) {
        let now = self.now();
        self.rule.on_refused(now, after, &mut self.random);
    }
}

/// What is known of one file on the server.
#[derive(Clone, Debug)]
pub(super) struct Known {
    version: Version,
    /// The URL where the redirects ended.
    url: Url,
}

/// The rest of an answer.
pub(super) struct Body {
    file: FileIndex,
    response: Response,
    rest: Bytes,
    /// The file's next byte to come, and the one after the last to come.
    bytes: Range<u64>,
    whole: bool,
    rate: LeastRate,
    /// Bytes that came with this answer.
    came: u64,
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

    /// Finds out whether the server has a file, and whether it sends ranges.
    pub(super) async fn probe(&self, file: FileIndex) -> Result<(), Trouble> {
        let mut body = self.open(file, 0..1, Duration::ZERO).await?;
        if !body.whole {
            // Once read to its end, the connection can serve the next request.
            body.next(1, &self.tools, self.link).await?;
        }
        Ok(())
    }

    /// Requests that may run at the same time.
    pub(super) fn lanes(&self) -> usize {
        if self.is_whole_only() { 1 } else { locked(&self.pace).rule.lanes() }
    }

    /// How long we must not ask the server.
    pub(super) fn wait(&self) -> Duration {
        locked(&self.pace).wait()
    }

    /// Notes that a request failed.
    pub(super) fn note_failure(&self, after: Option<Duration>) {
        locked(&self.pace).on_refused(after);
    }

    /// Waits for a part of the pause that the server asked for. The server has what we want, so we
    /// report it as alive: waiting for it is no reason to drop it.
    pub(super) async fn rest(&self, wait: Duration) {
        tokio::time::sleep(wait.min(SIGN_EVERY)).await;
        if locked(&self.pace).rule.is_refused() {
            report(&self.tools.events, RunEvent::Receiving { link: self.link }).await;
        }
    }

    /// Waits until the server may be asked, but at most `most`.
    async fn wait_turn(&self, most: Duration) -> Result<(), Trouble> {
        let begun = Instant::now();
        loop {
            let wait = self.wait();
            if wait.is_zero() {
                return Ok(());
            }
            if wait > most.saturating_sub(begun.elapsed()) {
                return Err(Trouble::Passing { reason: "it is to be left alone".into(), after: Some(wait) });
            }
            self.rest(wait).await;
        }
    }

    /// Fetches a stretch. Reports the runs that do not come as refused, so that they are asked for
    /// again.
    pub(super) async fn fetch(&self, stretch: Stretch) -> Result<(), Trouble> {
        // The semaphore is never closed.
        let _request = self.budget.requests.acquire().await.map_err(|_| stopping())?;
        let mut body = locked(&self.kept).take().filter(|body| body.file == stretch.file);
        for (at, part) in stretch.parts.iter().enumerate() {
            if let Err(trouble) = self.fetch_part(&stretch, (at, part), &mut body).await {
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
        (at, part): (usize, &Part),
        body: &mut Option<Body>,
    ) -> Result<(), Trouble> {
        let units = part.bytes(self.layout()).div_ceil(PERMIT_BYTES.into());
        let units = to_u32(units);
        let permit = self.budget.bytes.clone().acquire_many_owned(units).await.map_err(|_| stopping())?;
        let hand = PieceInHand::new(self.link, part.clone(), permit);
        for (number, due) in part.runs.iter().enumerate() {
            // At the first run the lane holds nothing yet; it gives the stretch back instead of
            // waiting.
            let patience = if (at, number) == (0, 0) { Duration::ZERO } else { WAIT_IN_HAND_MAX };
            let span = self.layout().run(due.run);
            let mut pass = self.tools.down.begin(self.tools.account, u64::from(span.bytes)).await;
            let mut open = match body.take().filter(|body| body.reaches(span.offset)) {
                Some(open) => open,
                None => {
                    let bytes = span.offset..stretch.row_end(self.layout(), due.run);
                    self.open(stretch.file, bytes, patience).await?
                }
            };
            self.skip(&mut open, span.offset).await?;
            let mut buffer = self.tools.buffers.take();
            buffer.clear();
            buffer.reserve_exact(span.bytes as usize);
            let row_end = stretch.row_end(self.layout(), due.run);
            let mut may_come = 0_usize;
            while buffer.len() < span.bytes as usize {
                if buffer.len() == may_come {
                    may_come = may_come.saturating_add(to_usize(pass.next().await));
                }
                let left = may_come.saturating_sub(buffer.len());
                buffer.extend_from_slice(&self.read(&mut open, left, row_end).await?);
            }
            *body = Some(open);
            self.hand_over(hand.clone(), due.run, buffer).await?;
        }
        Ok(())
    }

    /// Hands a run to the workers without waiting for the result.
    async fn hand_over(&self, hand: Arc<PieceInHand>, run: RunIndex, buffer: Vec<u8>) -> Result<(), Trouble> {
        let permit = self.tools.in_hand.clone().acquire_owned().await.map_err(|_| stopping())?;
        let tools = self.tools.clone();
        self.tools.tasks.spawn(async move {
            let (worker, piece) = (tools.clone(), hand.clone());
            let told = tools.workers.run(move || piece.take_in(&worker, run, buffer)).await;
            drop(permit);
            let told = told.unwrap_or_else(|error| {
                // Either the node stops or there is a bug; the requests end in both cases.
                tracing::debug!(%error, "a piece was not stored");
                hand.all_failed(RunFailure::NotStored { bytes: 0 })
            });
            for event in told {
                report(&tools.events, event).await;
            }
        });
        Ok(())
    }

    async fn give_back(&self, parts: &[Part]) {
        for due in parts.iter().flat_map(|part| &part.runs) {
            let cause = RunFailure::Refused(Refusal::Busy);
            let event = RunEvent::Failed { link: self.link, request: due.request, cause };
            report(&self.tools.events, event).await;
        }
    }

    /// Reads the next bytes, at most `max`, from this answer or from a new one that continues it.
    /// `end` is where the wanted bytes end.
    async fn read(&self, body: &mut Body, max: usize, end: u64) -> Result<Bytes, Trouble> {
        loop {
            if body.bytes.is_empty() {
                self.go_on(body, end).await?;
            }
            match body.next(max, &self.tools, self.link).await {
                Err(Trouble::Passing { after: None, .. }) if body.came >= BROKEN_OFF_BYTES_MIN => {
                    self.go_on(body, end).await?;
                }
                result => return result,
            }
        }
    }

    /// Asks for the rest of an answer that ended early.
    async fn go_on(&self, body: &mut Body, end: u64) -> Result<(), Trouble> {
        let (at, asked) = (body.bytes.start, Instant::now());
        let mut next = self.open(body.file, at..end.max(at.saturating_add(1)), WAIT_IN_HAND_MAX).await?;
        // Many answers that each bring almost nothing are measured as one.
        if body.rate.note(asked.elapsed(), 0) == Progress::TooLittle {
            return Err(too_slow());
        }
        std::mem::swap(&mut next.rate, &mut body.rate);
        self.skip(&mut next, at).await?;
        *body = next;
        Ok(())
    }

    /// Asks for a range of a file. Waits for its turn, but at most `patience`.
    async fn open(&self, file: FileIndex, bytes: Range<u64>, patience: Duration) -> Result<Body, Trouble> {
        let begun = Instant::now();
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            self.wait_turn(left).await?;
            {
                let mut pace = locked(&self.pace);
                let now = pace.now();
                pace.rule.on_begun(now);
            }
            match self.open_now(file, bytes.clone()).await {
                Ok(body) => {
                    locked(&self.pace).rule.on_success();
                    return Ok(body);
                }
                Err(Trouble::Passing { after: Some(after), reason }) => {
                    self.note_failure(Some(after));
                    tracing::debug!(place = %self.place, %reason, "a web seed is to be asked less");
                    if self.wait() > patience.saturating_sub(begun.elapsed()) {
                        let after = Some(self.wait());
                        return Err(Trouble::Passing { reason, after });
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    async fn open_now(&self, file: FileIndex, bytes: Range<u64>) -> Result<Body, Trouble> {
        let known = locked(&self.files).get(&file).cloned();
        let original = self.place.of(&self.tools.manifest, file);
        let moved = known.as_ref().map(|known| &known.url).filter(|url| **url != original).cloned();
        let first = moved.clone().unwrap_or_else(|| original.clone());
        match self.open_at(first, file, &bytes, known.as_ref()).await {
            // The target of a redirect is often valid only for a while.
            Err(Trouble::Lasting(_) | Trouble::Passing { after: None, .. }) if moved.is_some() => {
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
        let request = Request { url, bytes: Some(bytes.clone()) };
        let (response, url) = self.client.ask(&request).await?;
        let file_bytes = self.layout().file_bytes(file);
        let known = known.map(|known| &known.version);
        let judged = answer::judge(response.status(), response.headers(), bytes, file_bytes, known)?;
        self.doubt(judged.doubt).await;
        if bytes.end < file_bytes || bytes.start > 0 {
            let mut files = locked(&self.files);
            let version = judged.version;
            let known = files.entry(file).or_insert_with(|| Known { version, url: url.clone() });
            known.url = url;
        }
        let (bytes, whole) = match judged.extent {
            Extent::Part(range) => (range, false),
            Extent::Whole => (0..file_bytes, *bytes != (0..file_bytes)),
        };
        self.whole_only.store(whole, Ordering::Relaxed);
        Ok(Body { file, response, rest: Bytes::new(), bytes, whole, rate: LeastRate::new(), came: 0 })
    }

    /// Reports once why this server's bytes may be false.
    async fn doubt(&self, why: Option<&'static str>) {
        let Some(why) = why else { return };
        if !self.doubted.swap(true, Ordering::Relaxed) {
            tracing::debug!(place = %self.place, why, "a web seed is in doubt; its bytes are judged by their hash");
            let event = TaskEvent::WebSeed { link: self.link, news: News::Doubt(why) };
            report(&self.tools.events, event).await;
        }
    }

    /// Throws away the bytes before `offset`, unless the total thrown away becomes too large.
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
                body.next(left, &self.tools, self.link).await?;
            }
        }
        Ok(())
    }
}

impl Body {
    /// Whether this byte of the file will come without another request.
    fn reaches(&self, offset: u64) -> bool {
        let next = self.bytes.start == offset || (self.whole && self.bytes.start < offset);
        next && offset < self.bytes.end
    }

    /// Reads the next bytes, at most `max`.
    async fn next(&mut self, max: usize, tools: &Tools, link: LinkId) -> Result<Bytes, Trouble> {
        while self.rest.is_empty() {
            let asked = Instant::now();
            let chunk = timeout(self.rate.patience(), self.response.chunk()).await;
            self.rest = match chunk {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return Err(Trouble::passing("the server sent less than it announced")),
                Ok(Err(error)) => return Err(client::trouble(error)),
                Err(_) => Bytes::new(),
            };
            tools.arrived.fetch_add(self.rest.len() as u64, Ordering::Relaxed);
            match self.rate.note(asked.elapsed(), self.rest.len()) {
                Progress::Enough => {}
                Progress::TooLittle => {
                    self.came = 0;
                    return Err(too_slow());
                }
                Progress::Told => {
                    report(&tools.events, RunEvent::Receiving { link }).await;
                }
            }
        }
        let part = self.rest.split_to(max.min(self.rest.len()));
        self.bytes.start = self.bytes.start.saturating_add(part.len() as u64);
        self.came = self.came.saturating_add(part.len() as u64);
        Ok(part)
    }
}

fn too_slow() -> Trouble {
    Trouble::passing(format!("no data, or next to none, for {} seconds", WINDOW.as_secs()))
}

fn stopping() -> Trouble {
    Trouble::passing("the node stops")
}
