//! What the admin listener and the service manager are told of a tracker.

use std::{fmt, future::ready, sync::atomic::Ordering::Relaxed};

use nearcast_service::{
    admin::{Overview, Vitals},
    reloaded::Reloaded,
    run,
    status::Status,
};

use crate::{
    health::{Health, counted},
    metrics, status,
};

impl Vitals for Health {
    fn metrics(&self) -> Result<String, fmt::Error> {
        metrics::text(self)
    }

    fn overview(&self) -> Overview<'_> {
        let status = Status::of("nearcast-tracker", env!("CARGO_PKG_VERSION"), self, &self.reloaded);
        Box::pin(ready(status::fill(self, status)))
    }
}

impl run::Health for Health {
    fn status(&self) -> String {
        let Some(totals) = self.totals() else { return "starting".to_owned() };
        if self.draining.load(Relaxed) {
            return "writing down who is known".to_owned();
        }
        let atlas = match self.atlas_version() {
            Some(version) => format!("atlas {version}"),
            None => "no atlas".to_owned(),
        };
        let known = self.directory().unwrap_or_default();
        format!(
            "{} known for {}, {}, {atlas}",
            counted(known.peers, "peer", "peers"),
            counted(known.contents, "content", "contents"),
            counted(totals.connections.into(), "connection", "connections"),
        )
    }

    fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    fn reloaded(&self) -> &Reloaded {
        &self.reloaded
    }
}
