//! What the admin listener and the service manager are told of a seeder.

use std::{fmt, sync::atomic::Ordering::Relaxed, time::Duration};

use nearcast_service::{
    admin::{Overview, Vitals},
    reloaded::Reloaded,
    run,
    status::{AtlasStatus, CONTENTS_LISTED_MAX, Contents, Disks, Status, Timing},
};
use tokio::time::timeout;

use crate::{health::Health, metrics};

/// A loop that does not answer in this time hangs, and the status goes on without it.
const LOOK_MAX: Duration = Duration::from_secs(2);

impl Health {
    async fn look(&self) -> Status {
        let status = Status::of("nearcast-seeder", env!("CARGO_PKG_VERSION"), self, &self.reloaded);
        let atlas = AtlasStatus::of(self.atlas_version.load(Relaxed));
        let Some(node) = self.node() else { return Status { atlas, ..status } };
        let givings = timeout(LOOK_MAX, node.givings(CONTENTS_LISTED_MAX)).await.ok().flatten();
        let totals = self.totals().unwrap_or_default();
        let contents = Contents {
            served: totals.contents.into(),
            refused: self.refused_contents.load(Relaxed),
            published: self.published.load(Relaxed),
            hashing: self.hashing.load(Relaxed),
            publish_failures: self.publish_failures.load(Relaxed),
            left_out: self.left_out.load(Relaxed),
            ..Contents::of(&givings.unwrap_or_default(), totals.asn.is_some())
        };
        let disks = Disks {
            root_present: !self.root_gone.load(Relaxed),
            errors: totals.disk_errors,
            rotten_runs: totals.rotten_runs,
            reads: Timing::of(&node.disk_reads()),
        };
        Status { atlas, contents: Some(contents), disks: Some(disks), ..status.with_node(node) }
    }
}

impl Vitals for Health {
    fn metrics(&self) -> Result<String, fmt::Error> {
        metrics::text(self)
    }

    fn overview(&self) -> Overview<'_> {
        Box::pin(self.look())
    }
}

impl run::Health for Health {
    fn status(&self) -> String {
        let Some(totals) = self.totals() else { return "starting".to_owned() };
        if self.draining.load(Relaxed) {
            return format!("finishing what is being sent to {} clients", totals.unchoked);
        }
        format!("{} contents, {} connections, {} links", totals.contents, totals.connections, totals.links)
    }

    fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    fn reloaded(&self) -> &Reloaded {
        &self.reloaded
    }
}
