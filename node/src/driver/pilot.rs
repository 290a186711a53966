//! The engine, and the flight that its turns are written to if somebody asked for one.

use std::{
    fs::File,
    io::{BufWriter, Write},
    ops::Deref,
    path::Path,
    sync::Arc,
};

use nearcast_core::{
    View,
    config::Config,
    engine::Engine,
    flight::{Entry, Recorder},
    input::Input,
    output::Output,
    time::Timestamp,
};

use crate::error::StartError;

/// The engine of a node. Everything that changes it passes here.
pub(super) struct Pilot {
    engine: Engine,
    flight: Option<Flight>,
}

impl Deref for Pilot {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Pilot {
    /// A fresh engine. Its turns are written to `flight`.
    pub(super) fn new(config: &Config, seed: u64, flight: Option<File>) -> Pilot {
        let mut flight = flight.map(Flight::new);
        if let Some(flight) = &mut flight {
            flight.write(&Entry::Start { config: config.clone(), seed });
        }
        Pilot { engine: Engine::new(Arc::new(config.clone()), seed), flight }
    }

    /// Tells the engine what happened; what it wants done is appended to `outputs`.
    pub(super) fn handle(
        &mut self,
        now: Timestamp,
        input: Input,
        view: &dyn View,
        outputs: &mut Vec<Output>,
    ) {
        match &mut self.flight {
            None => self.engine.handle(now, input, view, outputs),
            Some(flight) => {
                let entry = flight.recorder.turn(&mut self.engine, (now, input), view, outputs);
                flight.write(&entry);
            }
        }
    }

    /// Replaces the settings.
    pub(super) fn set_config(&mut self, config: Config) {
        if let Some(flight) = &mut self.flight {
            flight.write(&Entry::Config(config.clone()));
        }
        self.engine.set_config(Arc::new(config));
    }
}

/// A flight as a file: one entry a line, in JSON.
///
/// The loop writes it, and waits for the disk if the system's cache is full. A flight is for finding
/// out what a node did, and one with gaps could not be repeated.
struct Flight {
    recorder: Recorder,
    /// `None`: it could not be written.
    file: Option<BufWriter<File>>,
}

impl Flight {
    fn new(file: File) -> Flight {
        Flight { recorder: Recorder::default(), file: Some(BufWriter::new(file)) }
    }

    fn write(&mut self, entry: &Entry) {
        let Some(file) = &mut self.file else { return };
        let mut written = || {
            serde_json::to_writer(&mut *file, entry)?;
            file.write_all(b"\n")
        };
        if let Err(error) = written() {
            tracing::warn!("the flight ends here, as it cannot be written: {error}");
            self.file = None;
        }
    }
}

/// Creates the file of a flight. One that is there is replaced.
pub(crate) fn create(path: &Path) -> Result<File, StartError> {
    File::create(path)
        .map_err(|error| StartError::Flight { path: path.to_owned(), reason: error.to_string() })
}
