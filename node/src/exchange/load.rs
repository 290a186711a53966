//! Reading of runs to be served: a large run alone, small runs together, in one job each.

use std::{io, time::Instant};

use nearcast_core::{
    id::Hash,
    layout::RunIndex,
    merkle::proof_length,
    message::Refusal,
    saturate::{to_u8, to_u32},
};

use super::{
    SMALL_RUN_BYTES_MAX,
    serve::{Asked, Due, Serve},
};
use crate::{
    events::RunEvent,
    store::{DiskStore, Store, StoreError},
    wire::data::Answer,
};

/// Runs in memory, in the form in which they are sent.
pub(super) struct Loaded {
    /// The requests whose runs could be read.
    pub(super) asked: Vec<Asked>,
    /// The header of a large run, apart from its bytes, which are not copied once more to join it.
    pub(super) header: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// Small runs in the form in which they are sent, and the requests whose runs could not be read.
struct Handful {
    asked: Vec<Asked>,
    frames: Vec<u8>,
    unreadable: Vec<(Asked, StoreError)>,
}

impl Serve {
    pub(super) fn is_small(&self, run: RunIndex) -> bool {
        self.store.manifest().layout().run_length(run) <= SMALL_RUN_BYTES_MAX
    }

    /// How many bytes a run counts for as sent. Small runs include their headers, which have some
    /// weight there.
    pub(super) fn sent_bytes(&self, run: RunIndex) -> u64 {
        let layout = self.store.manifest().layout();
        let proof = proof_length(layout, run).saturating_mul(size_of::<Hash>());
        let header = if self.is_small(run) { proof.saturating_add(Answer::BYTES) } else { 0 };
        u64::from(layout.run_length(run)).saturating_add(header as u64)
    }

    /// Reads runs. `None`: there is nothing to send. For a run that cannot be read, the driver is
    /// told, and the asker gets a refusal.
    pub(super) async fn load(&self, asked: Vec<Asked>) -> io::Result<Option<Loaded>> {
        let began = Instant::now();
        let loaded = match asked[..] {
            [(request, run)] if !self.is_small(run) => self.load_large(request, run).await,
            _ => self.load_small(asked).await,
        };
        self.measured.reads().note(began.elapsed());
        loaded
    }

    async fn load_large(&self, request: u32, run: RunIndex) -> io::Result<Option<Loaded>> {
        let (store, mut buffer) = (self.store.clone(), self.buffers.take());
        let read = self.workers.run(move || {
            let proof = store.get(run, &mut buffer);
            (proof, buffer)
        });
        let (proof, bytes) = read.await.map_err(io::Error::other)?;
        match proof {
            Ok(proof) => {
                let header = header(request, run, &proof, bytes.len());
                Ok(Some(Loaded { asked: vec![(request, run)], header, bytes }))
            }
            Err(error) => {
                self.buffers.give(bytes);
                self.on_unreadable((request, run), error).await?;
                Ok(None)
            }
        }
    }

    /// Reads all runs in one job, into one buffer.
    async fn load_small(&self, asked: Vec<Asked>) -> io::Result<Option<Loaded>> {
        let (store, buffer) = (self.store.clone(), self.buffers.take());
        let read = self.workers.run(move || read_together(&store, asked, buffer)).await;
        let Handful { asked, frames, unreadable } = read.map_err(io::Error::other)?;
        for (asked, error) in unreadable {
            self.on_unreadable(asked, error).await?;
        }
        if asked.is_empty() {
            self.buffers.give(frames);
            return Ok(None);
        }
        Ok(Some(Loaded { asked, header: Vec::new(), bytes: frames }))
    }

    async fn on_unreadable(&self, (request, run): Asked, error: StoreError) -> io::Result<()> {
        let why = if error.is_passing() { Refusal::Busy } else { Refusal::Missing };
        self.tell(RunEvent::Unreadable { link: self.link, run, error }).await?;
        if self.queue.push(Due::Refusal { request, why }) {
            return Ok(());
        }
        Err(io::Error::other("the peer asks and does not read the answers"))
    }
}

fn header(request: u32, run: RunIndex, proof: &[Hash], bytes: usize) -> Vec<u8> {
    // By the layout, the length of a run and of its proof always fit.
    let (bytes, proof_hashes) = (to_u32(bytes).into(), to_u8(proof.len()));
    let answer = Answer::Run { id: request, run: run.get().into(), proof_hashes, bytes };
    [&answer.encode()[..], proof.as_flattened()].concat()
}

fn read_together(store: &DiskStore, wanted: Vec<Asked>, mut frames: Vec<u8>) -> Handful {
    let (mut asked, mut unreadable, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    frames.clear();
    for (request, run) in wanted {
        match store.get(run, &mut bytes) {
            Ok(proof) => {
                frames.extend(header(request, run, &proof, bytes.len()));
                frames.extend_from_slice(&bytes);
                asked.push((request, run));
            }
            Err(error) => unreadable.push(((request, run), error)),
        }
    }
    Handful { asked, frames, unreadable }
}
