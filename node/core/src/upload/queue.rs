//! What is sent to a neighbour, and in which order.

use std::collections::VecDeque;

use crate::{content::layout::RunIndex, message::Refusal};

/// The most answers queued for one neighbour. The policy queues far fewer runs. Without this bound,
/// refusals to a peer that requests on and on without reading would pile up.
const DUE_MAX: usize = 1024;

/// An answer waiting to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The requested run.
    Run {
        /// The number of the request.
        request: u32,
        /// The run.
        run: RunIndex,
    },
    /// A refusal.
    Refusal {
        /// The number of the request.
        request: u32,
        /// The reason.
        why: Refusal,
    },
}

/// The answers waiting to be sent to one neighbour, the next one first.
///
/// Invariant: every request that was pushed is answered once, also one that is withdrawn.
#[derive(Debug, Default)]
pub struct Queue(VecDeque<Due>);

impl Queue {
    /// Adds an answer. Returns false, and adds nothing, if too many are waiting.
    #[must_use]
    pub fn push(&mut self, due: Due) -> bool {
        let has_room = self.0.len() < DUE_MAX;
        if has_room {
            self.0.push_back(due);
        }
        has_room
    }

    /// Takes out the next answer.
    pub fn pop(&mut self) -> Option<Due> {
        self.0.pop_front()
    }

    /// Takes back an answer that was not begun. Returns the run that will not be sent.
    pub fn withdraw(&mut self, asked: u32) -> Option<RunIndex> {
        let named = |due: &Due| matches!(due, Due::Run { request, .. } if *request == asked);
        let at = self.0.iter().position(named)?;
        let Some(Due::Run { run, .. }) = self.0.remove(at) else { return None };
        // The request is answered all the same, so that the asker's count of open requests stays
        // exact.
        self.0.push_back(Due::Refusal { request: asked, why: Refusal::Busy });
        Some(run)
    }

    /// Refuses every run that was not begun. Returns these runs.
    pub fn refuse_all(&mut self) -> Vec<RunIndex> {
        let mut taken_back = Vec::new();
        for due in &mut self.0 {
            if let Due::Run { request, run } = *due {
                taken_back.push(run);
                *due = Due::Refusal { request, why: Refusal::Choked };
            }
        }
        taken_back
    }

    /// Removes all answers. Returns the runs that will not be sent.
    pub fn clear(&mut self) -> Vec<RunIndex> {
        let run = |due: Due| if let Due::Run { run, .. } = due { Some(run) } else { None };
        self.0.drain(..).filter_map(run).collect()
    }

    /// Takes further answers from the front, as long as they satisfy `is_like` and there is room.
    pub fn next_like(&mut self, is_like: impl Fn(RunIndex) -> bool, room: usize) -> Vec<(u32, RunIndex)> {
        let mut taken = Vec::new();
        while let Some(&Due::Run { request, run }) = self.0.front().filter(|_| taken.len() < room)
            && is_like(run)
        {
            self.0.pop_front();
            taken.push((request, run));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::layout::Layout;

    #[test]
    fn a_withdrawn_answer_becomes_a_refusal() {
        let layout = Layout::new(16 << 10, [64 << 10]).unwrap();
        let run = |index| layout.run_index(index).unwrap();
        let mut queue = Queue::default();
        assert!(queue.push(Due::Run { request: 1, run: run(0) }));
        assert!(queue.push(Due::Run { request: 2, run: run(1) }));
        assert_eq!(queue.withdraw(1), Some(run(0)));
        assert_eq!(queue.withdraw(1), None);
        assert_eq!(queue.pop(), Some(Due::Run { request: 2, run: run(1) }));
        assert_eq!(queue.pop(), Some(Due::Refusal { request: 1, why: Refusal::Busy }));
        assert!(queue.push(Due::Run { request: 3, run: run(2) }));
        assert_eq!(queue.refuse_all(), [run(2)]);
        assert_eq!(queue.pop(), Some(Due::Refusal { request: 3, why: Refusal::Choked }));
        assert!(queue.push(Due::Run { request: 4, run: run(2) }));
        assert_eq!(queue.clear(), [run(2)]);
    }

    #[test]
    fn what_is_taken_together_is_alike_and_in_a_row() {
        let layout = Layout::new(16 << 10, [128 << 10]).unwrap();
        let run = |index| layout.run_index(index).unwrap();
        let mut queue = Queue::default();
        for index in 0..6 {
            assert!(queue.push(Due::Run { request: index, run: run(index) }));
        }
        let is_early = |run: RunIndex| run.get() < 4;
        assert_eq!(queue.next_like(is_early, 2), [(0, run(0)), (1, run(1))], "as many as there is room for");
        assert_eq!(queue.next_like(is_early, 9), [(2, run(2)), (3, run(3))], "the next one is not like it");
        assert_eq!(queue.next_like(is_early, 9), []);
        assert_eq!(queue.pop(), Some(Due::Run { request: 4, run: run(4) }));
        assert!(queue.push(Due::Refusal { request: 9, why: Refusal::Busy }));
        assert_eq!(queue.next_like(|_| true, 9), [(5, run(5))], "a refusal is no run");
    }

    #[test]
    fn who_asks_without_reading_fills_the_queue_and_no_more() {
        let mut queue = Queue::default();
        let refusal = |request| Due::Refusal { request, why: Refusal::Choked };
        assert!((0..DUE_MAX as u32).all(|request| queue.push(refusal(request))));
        assert!(!queue.push(refusal(9)));
    }
}
