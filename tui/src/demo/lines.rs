//! The demonstration without a terminal: a line a second, and one for each peer that completes.

use std::time::Duration;

use super::model::{Model, State};
use crate::{report::text::sources, units::Span};

const INTERVAL: Duration = Duration::from_secs(1);

/// Decides which lines are due.
#[derive(Debug, Default)]
pub(super) struct Lines {
    next: Duration,
    told: Vec<bool>,
}

impl Lines {
    /// The lines due now.
    pub(super) fn on_model(&mut self, model: &Model) -> Vec<String> {
        let mut lines = Vec::new();
        self.told.resize(model.peers().len(), false);
        for (peer, told) in model.peers().iter().zip(&mut self.told) {
            if let (State::Complete(elapsed), false) = (&peer.state, *told) {
                *told = true;
                lines.push(format!(
                    "{} complete after {}: {}",
                    peer.address,
                    Span(*elapsed),
                    sources(&peer.received)
                ));
            }
        }
        if model.elapsed() >= self.next {
            self.next = model.elapsed() + INTERVAL;
            lines.push(model.headline());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::model::tests::six;

    #[test]
    fn each_peer_is_told_once_and_everybody_once_a_second() {
        let (mut lines, mut model) = (Lines::default(), six());
        let first = lines.on_model(&model);
        assert_eq!(first.len(), 2);
        assert!(first[0].starts_with("127.1.0.1 complete after 4.0 s: 80% from peers"));
        assert!(lines.on_model(&model).is_empty());
        model.on_time(Duration::from_millis(4200));
        assert_eq!(lines.on_model(&model), [model.headline()]);
    }
}
