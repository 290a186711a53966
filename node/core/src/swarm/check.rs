//! Assertions of what must hold for one content.

use super::Swarm;
use crate::{config::Config, content::held::Held, id::PeerKey};

impl Swarm {
    /// Asserts the invariants of this content's parts. `held` gives the runs that a neighbour
    /// holds.
    pub(crate) fn check<'a>(&self, config: &Config, held: impl Fn(PeerKey) -> Option<Held<'a>>) {
        let lacks = self.content.as_ref().is_some_and(|content| {
            let missing = content.have.runs().saturating_sub(content.have.count());
            content.wanted.as_ref().map_or(missing, |wanted| wanted.count_beyond(&content.have)) > 0
        });
        // An origin that lost runs does not fetch them: its operator repairs it.
        let downloads = self.download.is_some() || config.is_origin;
        assert!(
            downloads == lacks || config.is_origin,
            "a download exists while something wanted is missing"
        );
        assert!(lacks || self.download.is_none(), "a download ends when nothing wanted is missing");
        let pursued = self.content.is_none() || self.download.is_some();
        assert_eq!(self.pursuit.is_some(), pursued, "a pursuit exists until everything wanted is here");
        assert!(!self.paused || self.links.is_empty(), "a paused content has no neighbours");
        let ascends = self.links.keys().is_sorted_by(|one, next| one < next);
        assert!(ascends, "links are sorted, one a peer");
        self.discovery.check(&self.links, config);
        self.upload.check(&self.links, &held);
        if let (Some(download), Some(content)) = (&self.download, &self.content) {
            download.check(&self.links, &content.have, &held);
        }
    }
}
