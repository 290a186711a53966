//! A node in this process, for the screen.
//!
//! Invariant: questions about one content are carried out one after another. A download that is
//! being left is left before the same content is begun again.

mod looking;
mod sampling;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use nearcast_core::{asn::Asn, atlas::Atlas, id::ContentId};
use nearcast_node::{Download, DownloadLimits, Fetch, Node, NodeConfig, Progress, proxy::Proxies};
use nearcast_service::atlas::{Following, Known};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};

use self::looking::Looking;
use super::{
    message::{Message, News},
    station::Station,
    wish::Wish,
};
use crate::{atlas::Plan, error::CommandError};

/// Questions of the screen that wait. At the start there is one for each download.
const ORDERS_MAX: usize = 100_000;
/// How often the node is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Makes the fetch of a wish.
pub(crate) type MakeFetch = Arc<dyn Fn(&Wish) -> Fetch + Send + Sync>;

/// What a node is made with.
pub(crate) struct Means {
    /// Its settings, without the atlas.
    pub(crate) config: NodeConfig,
    /// The atlas. Read when the node starts, as that takes a moment.
    pub(crate) plan: Box<dyn FnOnce() -> Result<Plan, CommandError> + Send>,
    /// Whom to ask for newer atlases.
    pub(crate) known: Known,
    /// Makes the fetch of a wish.
    pub(crate) make_fetch: MakeFetch,
    /// The proxies for URLs.
    pub(crate) proxies: Proxies,
}

/// What the screen asks.
enum Order {
    Begin(Wish),
    Stop(ContentId),
    Pause(ContentId, bool),
    Limit(DownloadLimits),
    LimitOne(ContentId, DownloadLimits),
    Look(String),
    LookAway,
    Watch(Option<ContentId>),
    End(Duration, oneshot::Sender<()>),
}

/// The door to a node that starts, runs or has failed.
pub(crate) struct InProcess {
    orders: mpsc::Sender<Order>,
}

impl InProcess {
    /// Starts a node. Must be called inside a tokio runtime.
    pub(crate) fn start(means: Means, messages: mpsc::Sender<Message>) -> InProcess {
        let (orders, queue) = mpsc::channel(ORDERS_MAX);
        tokio::spawn(run(means, orders.clone(), queue, messages));
        InProcess { orders }
    }

    /// Ends the node: it leaves every swarm, and what has come is durable.
    pub(crate) async fn end(self, grace: Duration) {
        let (done, ended) = oneshot::channel();
        if self.orders.send(Order::End(grace, done)).await.is_ok() {
            // An error means that it has ended already.
            let _ = ended.await;
        }
    }

    fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            tracing::warn!("the node takes no more orders");
        }
    }
}

impl Station for InProcess {
    fn begin(&self, wish: Wish) {
        self.order(Order::Begin(wish));
    }

    fn stop(&self, content: ContentId) {
        self.order(Order::Stop(content));
    }

    fn pause(&self, content: ContentId, paused: bool) {
        self.order(Order::Pause(content, paused));
    }

    fn limit(&self, limits: DownloadLimits) {
        self.order(Order::Limit(limits));
    }

    fn limit_one(&self, content: ContentId, limits: DownloadLimits) {
        self.order(Order::LimitOne(content, limits));
    }

    fn look(&self, text: String) {
        self.order(Order::Look(text));
    }

    fn look_away(&self) {
        self.order(Order::LookAway);
    }

    fn watch(&self, content: Option<ContentId>) {
        self.order(Order::Watch(content));
    }
}

/// Starts the node and serves the screen until it says to end.
async fn run(
    means: Means,
    orders: mpsc::Sender<Order>,
    mut queue: mpsc::Receiver<Order>,
    messages: mpsc::Sender<Message>,
) {
    let (make_fetch, proxies) = (means.make_fetch.clone(), means.proxies.clone());
    let started = match start(means).await {
        Ok(started) => started,
        Err(error) => {
            // If the screen has gone, nobody needs to know.
            let _ = messages.send(Message::News(News::Down(error.to_string()))).await;
            return wait_for_end(&mut queue).await;
        }
    };
    let (node, atlas, following) = started;
    let mut worker = Worker {
        looking: Looking::new(node.clone(), proxies, make_fetch.clone(), messages.clone()),
        node,
        atlas,
        make_fetch,
        orders,
        messages,
        kept: BTreeMap::new(),
        leaving: BTreeMap::new(),
        waiting: BTreeMap::new(),
        ends: JoinSet::new(),
        watched: None,
        named: BTreeSet::new(),
    };
    worker.tell(News::Up).await;
    worker.serve(&mut queue, following).await;
}

async fn start(means: Means) -> Result<(Node, Option<Arc<Atlas>>, Option<Following>), CommandError> {
    let plan = tokio::task::spawn_blocking(means.plan).await;
    let plan = plan.map_err(|error| CommandError::BadOption(error.to_string()))??;
    let (atlas, hear_of_atlases) = (plan.atlas.clone(), plan.follows());
    let config = NodeConfig { atlas: atlas.clone(), hear_of_atlases, ..means.config };
    let node = Node::start(config).await?;
    let following = plan.follow(&node, means.known);
    Ok((node, atlas, following))
}

async fn wait_for_end(queue: &mut mpsc::Receiver<Order>) {
    while let Some(order) = queue.recv().await {
        if let Order::End(_, done) = order {
            let _ = done.send(());
            return;
        }
    }
}

/// A download that the node has.
struct Kept {
    download: Arc<Download>,
    progress: watch::Receiver<Progress>,
    /// Whether the screen was told of the metainfo.
    told: bool,
}

/// Carries out what the screen asks.
struct Worker {
    node: Node,
    atlas: Option<Arc<Atlas>>,
    make_fetch: MakeFetch,
    orders: mpsc::Sender<Order>,
    messages: mpsc::Sender<Message>,
    kept: BTreeMap<ContentId, Kept>,
    /// Tasks that leave downloads.
    leaving: BTreeMap<ContentId, JoinHandle<()>>,
    /// Tasks that wait for those, to begin anew.
    waiting: BTreeMap<ContentId, JoinHandle<()>>,
    /// Downloads that end without their content, and why.
    ends: JoinSet<Option<(ContentId, String)>>,
    looking: Looking,
    watched: Option<Watched>,
    /// Networks whose names were told.
    named: BTreeSet<Asn>,
}

/// The download whose map is drawn.
struct Watched {
    content: ContentId,
    /// Looks until the map is made again.
    wait: u8,
    /// Bytes that were here when the map was made. `None`: it was not made yet.
    have: Option<u64>,
}

impl Worker {
    async fn serve(&mut self, queue: &mut mpsc::Receiver<Order>, following: Option<Following>) {
        let node = self.node.clone();
        let mut failed = Box::pin(async move { node.failed().await });
        let mut has_failed = false;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = queue.recv() => match order {
                    Some(Order::End(grace, done)) => {
                        self.end(grace, following).await;
                        let _ = done.send(());
                        return;
                    }
                    Some(order) => self.carry_out(order).await,
                    None => return self.end(Duration::ZERO, following).await,
                },
                Some(end) = self.ends.join_next() => {
                    if let Ok(Some((content, why))) = end {
                        self.on_failed(content, why).await;
                    }
                }
                failure = &mut failed, if !has_failed => {
                    has_failed = true;
                    self.tell(News::Down(failure.to_string())).await;
                }
                _ = look.tick() => self.look_round().await,
            }
        }
    }

    async fn end(&mut self, grace: Duration, following: Option<Following>) {
        self.looking.away();
        if let Some(following) = following {
            following.finish(Duration::ZERO).await;
        }
        self.node.shutdown(grace).await;
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Begin(wish) => self.begin(wish).await,
            Order::Stop(content) => self.stop(content),
            Order::Pause(content, paused) => {
                if let Some(kept) = self.kept.get(&content) {
                    match paused {
                        true => kept.download.pause().await,
                        false => kept.download.resume().await,
                    }
                }
            }
            Order::Limit(limits) => self.node.limit(limits.up, limits.down).await,
            Order::LimitOne(content, limits) => {
                if let Some(kept) = self.kept.get(&content) {
                    kept.download.set_limits(limits).await;
                }
            }
            Order::Look(text) => self.looking.at(text),
            Order::LookAway => self.looking.away(),
            Order::Watch(content) => {
                self.watched = content.map(|content| Watched { content, wait: 0, have: None });
            }
            Order::End(..) => {}
        }
    }

    async fn begin(&mut self, wish: Wish) {
        let content = wish.content();
        if let Some(kept) = self.kept.get(&content) {
            kept.download.resume().await;
            return self.tell(News::Begun(content)).await;
        }
        let mut before: Vec<JoinHandle<()>> = self.looking.gone();
        before.extend(self.leaving.remove(&content));
        if before.iter().any(|task| !task.is_finished()) {
            return self.begin_after(before, wish);
        }
        match self.node.fetch((self.make_fetch)(&wish)).await {
            Ok(download) => self.keep(content, download).await,
            Err(error) => self.tell(News::Failed(content, CommandError::from(error).to_string())).await,
        }
    }

    /// Begins when some tasks have ended.
    fn begin_after(&mut self, before: Vec<JoinHandle<()>>, wish: Wish) {
        let (orders, content) = (self.orders.clone(), wish.content());
        let after = tokio::spawn(async move {
            for task in before {
                // A task that was aborted has ended, too.
                let _ = task.await;
            }
            let _ = orders.send(Order::Begin(wish)).await;
        });
        self.waiting.insert(content, after);
    }

    async fn keep(&mut self, content: ContentId, download: Download) {
        // A handle of its own, for the other one may be stopped while this one waits.
        if let Some(other) = self.node.download(content).await {
            self.ends.spawn(async move {
                let ended = other.finished().await;
                ended.err().map(|error| (content, CommandError::from(error).to_string()))
            });
        }
        let progress = download.progress();
        self.kept.insert(content, Kept { download: Arc::new(download), progress, told: false });
        self.tell(News::Begun(content)).await;
    }

    fn stop(&mut self, content: ContentId) {
        if let Some(begins) = self.waiting.remove(&content) {
            begins.abort();
        }
        let (before, kept) = (self.leaving.remove(&content), self.kept.remove(&content));
        let messages = self.messages.clone();
        let left = tokio::spawn(async move {
            if let Some(before) = before {
                // A task that panicked has ended, too.
                let _ = before.await;
            }
            if let Some(Ok(download)) = kept.map(|kept| Arc::try_unwrap(kept.download)) {
                download.stop().await;
            }
            // If the screen has gone, nobody needs to know.
            let _ = messages.send(Message::News(News::Left(content))).await;
        });
        self.leaving.insert(content, left);
    }

    async fn on_failed(&mut self, content: ContentId, why: String) {
        // What was stopped has ended as well, and is not kept any more.
        if let Some(kept) = self.kept.remove(&content) {
            if let Ok(download) = Arc::try_unwrap(kept.download) {
                self.leaving.insert(content, tokio::spawn(download.stop()));
            }
            self.tell(News::Failed(content, why)).await;
        }
    }

    async fn tell(&self, news: News) {
        // If the screen has gone, nobody needs to know.
        let _ = self.messages.send(Message::News(news)).await;
    }
}
