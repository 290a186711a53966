//! What the node and other programs tell.

use nearcast_core::id::ContentId;
use nearcast_node::Phase;

use super::{Model, NodeState};
use crate::app::{dialog::Dialog, effect::Effect, entry::Standing, message::News, words::clean};

impl Model {
    /// Takes what the node tells.
    pub(super) fn on_news(&mut self, news: News) -> Vec<Effect> {
        match news {
            News::Up => {
                self.node = NodeState::Up;
                let waiting = self.downloads.all_mut().filter(|entry| entry.standing == Standing::Waiting);
                waiting.for_each(|entry| entry.standing = Standing::Running);
                self.downloads.arrange();
            }
            News::Down(why) => self.node = NodeState::Down(clean(&why)),
            News::Progress(all) => return self.on_progress(all),
            News::Manifest(content, manifest) => {
                if let Some(entry) = self.downloads.get_mut(content) {
                    let is_new = entry.manifest.is_none();
                    entry.on_manifest(manifest);
                    self.downloads.arrange();
                    return if is_new { vec![Effect::Save] } else { Vec::new() };
                }
            }
            News::Begun(content) => {
                if let Some(entry) = self.downloads.get_mut(content) {
                    entry.begun = true;
                }
            }
            News::Failed(content, why) => {
                if let Some(entry) = self.downloads.get_mut(content) {
                    let why = clean(&why);
                    self.notice = Some(format!("{}: {why}", entry.name));
                    (entry.standing, entry.begun) = (Standing::Failed(why), false);
                    self.downloads.arrange();
                }
            }
            News::Left(content) => return self.on_left(content),
            News::Holding(content, holding) => {
                if let Some(entry) = self.downloads.get_mut(content) {
                    entry.holding = Some(holding);
                }
            }
            News::Networks(names) => {
                self.networks.extend(names.into_iter().map(|(asn, name)| (asn, clean(&name))));
            }
            News::Looked(Ok(looked)) if self.downloads.get(looked.named.content()).is_some() => {
                return self.on_known(looked.named.content());
            }
            News::Looked(looked) => {
                if let Some(Dialog::Add(add)) = &mut self.dialog {
                    add.on_looked(looked);
                }
            }
        }
        Vec::new()
    }

    /// What was to be added is in the list already.
    fn on_known(&mut self, content: ContentId) -> Vec<Effect> {
        if matches!(self.dialog, Some(Dialog::Add(_))) {
            self.dialog = None;
            self.downloads.choose(content);
            self.notice = Some("this is in the list already".to_owned());
        }
        vec![Effect::LookAway]
    }

    fn on_progress(&mut self, all: Vec<(ContentId, nearcast_node::Progress)>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (content, progress) in all {
            let Some(entry) = self.downloads.get_mut(content) else { continue };
            let is_done = |phase: &Phase| matches!(phase, Phase::Complete | Phase::Seeding);
            let has_come = progress.received.total() > 0;
            let is_news = has_come && is_done(&progress.phase) && !is_done(&entry.progress.phase);
            entry.on_progress(progress);
            // What was complete before is no news. The rest is to be known after kill -9, too.
            if is_news {
                self.notice = Some(format!("{} is complete", entry.name));
                effects = vec![Effect::Save];
            }
        }
        if self.downloads.is_moving() {
            self.downloads.arrange();
        }
        effects
    }

    /// The node has left a download. If that was for a player, the player begins.
    fn on_left(&mut self, content: ContentId) -> Vec<Effect> {
        let Some(entry) = self.downloads.get_mut(content) else { return Vec::new() };
        entry.begun = false;
        match entry.standing {
            Standing::Played => vec![Effect::Play(entry.wish.clone())],
            _ => Vec::new(),
        }
    }

    /// A player has ended: what it played is ours again.
    pub(super) fn on_played(&mut self, content: ContentId, ended: Result<(), String>) -> Vec<Effect> {
        if let Err(why) = ended {
            self.notice = Some(clean(&why));
        }
        match self.downloads.get(content) {
            Some(entry) if entry.standing == Standing::Played => self.begin_again(content),
            _ => Vec::new(),
        }
    }
}
