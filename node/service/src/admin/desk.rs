//! Caches the status: at most one look a second, however many clients ask.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use super::Vitals;
use crate::status::Status;

/// How long a status is reused.
const KEPT: Duration = Duration::from_secs(1);

/// The last status, and its time. A look goes through all contents, so a client that asks often
/// must not cause many looks.
pub(crate) struct Desk {
    vitals: Arc<dyn Vitals>,
    seen: Mutex<Option<(Instant, Arc<Status>)>>,
}

impl Desk {
    pub(crate) fn new(vitals: Arc<dyn Vitals>) -> Desk {
        Desk { vitals, seen: Mutex::new(None) }
    }

    /// The source of probes and metrics.
    pub(crate) fn vitals(&self) -> &dyn Vitals {
        &*self.vitals
    }

    /// The status, at most a second old.
    pub(crate) async fn status(&self) -> Arc<Status> {
        let mut seen = self.seen.lock().await;
        if let Some((at, status)) = &*seen
            && at.elapsed() < KEPT
        {
            return status.clone();
        }
        let status = Arc::new(self.vitals.overview().await);
        *seen = Some((Instant::now(), status.clone()));
        status
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fmt,
        sync::atomic::{AtomicU64, Ordering::Relaxed},
    };

    use super::*;
    use crate::{
        admin::Overview,
        conditions::{Condition, Probes},
        reloaded::Reloaded,
    };

    /// Counts how often its status is taken.
    #[derive(Default)]
    struct Counting(AtomicU64);

    impl Probes for Counting {
        fn live(&self) -> Vec<Condition> {
            Vec::new()
        }

        fn ready(&self) -> Vec<Condition> {
            Vec::new()
        }
    }

    impl Vitals for Counting {
        fn metrics(&self) -> Result<String, fmt::Error> {
            Ok(String::new())
        }

        fn overview(&self) -> Overview<'_> {
            self.0.fetch_add(1, Relaxed);
            Box::pin(async { Status::of("nearcast-test", "1", self, &Reloaded::default()) })
        }
    }

    #[tokio::test]
    async fn many_who_ask_cause_few_looks() {
        const ASKED: u64 = 200;
        let counting = Arc::new(Counting::default());
        let desk = Desk::new(counting.clone());
        for _ in 0..ASKED {
            assert!(desk.status().await.live);
        }
        let looks = counting.0.load(Relaxed);
        // All clients would look only if each look took a second.
        assert!((1..ASKED).contains(&looks), "{looks} looks");
    }
}
