//! Finds out what a text names. For a link that takes peers: its metainfo is asked for by a
//! download that may have no bytes, so that nothing is written and only the list of files comes.

use nearcast_core::id::ContentId;
use nearcast_node::{Fetch, Node, SeedGoal, proxy::Proxies};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::MakeFetch;
use crate::{
    app::{
        message::{Looked, Message, News},
        wish::Wish,
    },
    error::CommandError,
    source::Named,
};

/// What looks, one text at a time.
pub(super) struct Looking {
    means: Means,
    /// The text that is looked at now.
    now: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Those given up, which may not have ended yet.
    past: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Means {
    node: Node,
    proxies: Proxies,
    make_fetch: MakeFetch,
    messages: mpsc::Sender<Message>,
}

impl Looking {
    pub(super) fn new(
        node: Node,
        proxies: Proxies,
        make_fetch: MakeFetch,
        messages: mpsc::Sender<Message>,
    ) -> Looking {
        Looking { means: Means { node, proxies, make_fetch, messages }, now: None, past: Vec::new() }
    }

    /// Looks at a text, and no longer at the one before.
    pub(super) fn at(&mut self, text: String) {
        self.away();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(self.means.clone().look(text, stopped));
        self.now = Some((stop, task));
    }

    /// Gives up.
    pub(super) fn away(&mut self) {
        self.past.retain(|task| !task.is_finished());
        if let Some((stop, task)) = self.now.take() {
            // An error means that it has ended already.
            let _ = stop.send(());
            self.past.push(task);
        }
    }

    /// Gives up. Returns what may not have ended yet.
    pub(super) fn gone(&mut self) -> Vec<JoinHandle<()>> {
        self.away();
        std::mem::take(&mut self.past)
    }
}

impl Means {
    async fn look(self, text: String, mut stopped: oneshot::Receiver<()>) {
        let named = tokio::select! {
            named = Named::find(&text, &self.proxies) => named,
            _ = &mut stopped => return,
        };
        let named = match named {
            Ok(named) => named,
            Err(error) => return self.tell(Err(error.to_string())).await,
        };
        let manifest = named.manifest().cloned();
        let is_link = manifest.is_none();
        self.tell(Ok(Looked { named: named.clone(), manifest })).await;
        if is_link {
            self.ask_peers(named, stopped).await;
        }
    }

    /// Asks peers for the metainfo of a link.
    async fn ask_peers(&self, named: Named, mut stopped: oneshot::Receiver<()>) {
        let content: ContentId = named.content();
        // Nothing goes there, unless the content is empty.
        let Ok(folder) = tempfile::tempdir() else { return };
        let wish = Wish { named: named.clone(), folder: folder.path().to_owned(), files: None };
        let fetch = Fetch { bytes_max: Some(0), seed: SeedGoal::None, ..(self.make_fetch)(&wish) };
        // An error means that the content is in the list, and then the screen has its metainfo.
        let Ok(download) = self.node.fetch(fetch).await else { return };
        let ended = tokio::select! {
            ended = download.finished() => Some(ended),
            _ = &mut stopped => None,
        };
        let manifest = download.manifest();
        download.stop().await;
        match (manifest, ended) {
            (Some(manifest), Some(_)) => {
                tracing::debug!(%content, "peers told the metainfo");
                self.tell(Ok(Looked { named, manifest: Some(manifest) })).await;
            }
            (None, Some(Err(error))) => self.tell(Err(CommandError::from(error).to_string())).await,
            _ => {}
        }
    }

    async fn tell(&self, looked: Result<Looked, String>) {
        // If the screen has gone, nobody needs to know.
        let _ = self.messages.send(Message::News(News::Looked(looked))).await;
    }
}
