//! `nearcast-tracker atlas build`.

use std::{
    panic,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use nearcast_core::{asn::Asn, paths::printable};
use nearcast_service::signals::{Signal, Signals};
use serde_json::json;

use super::atlas::{complain, counts, data};
use crate::{
    atlas_file::{self, AtlasFileError},
    bgp::{
        compile::{CompileError, Inputs, Report, compile},
        packed::Meter,
    },
    exit::Exit,
    progress::Progress,
};

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(100);
/// After a signal the work ends with the record in hand, unless a disk or pipe does not answer.
const END_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Build {
    /// Tables of collectors, as RouteViews and RIPE RIS publish them (MRT: TABLE_DUMP, TABLE_DUMP_V2).
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rib: Vec<PathBuf>,
    /// What collectors were told since (MRT: BGP4MP). What is older than the table of the same router is left out.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    updates: Vec<PathBuf>,
    /// Tables of lines: START, END and AS; PREFIX/LENGTH and AS; or PREFIX, LENGTH and AS; with tabs between.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    prefix2as: Vec<PathBuf>,
    /// Relations between ASes, as CAIDA publishes them: A|B|-1 (A is a provider of B), A|B|0 (peers). They count more than what is
    /// inferred from paths.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    as_rel: Vec<PathBuf>,
    /// Names of ASes: AS and name, with a tab between.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    names: Vec<PathBuf>,
    /// Where to write the atlas.
    #[arg(long, short, value_name = "ATLAS")]
    output: PathBuf,
    /// When the data was collected, in seconds since 1970, by which newer atlases are told from older. Without it: the time of
    /// the latest MRT record, else when the newest file was changed.
    #[arg(long, value_name = "SECONDS")]
    data_version: Option<u64>,
    /// ASes that buy transit from nobody, below whom relations are inferred. Without it: a list of 21 well-known ones.
    #[arg(long, value_name = "ASN", value_delimiter = ',')]
    tier1: Vec<Asn>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Print only what is wrong.
    #[arg(long, short)]
    quiet: bool,
}

/// Why there is no new atlas.
#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    File(#[from] AtlasFileError),
    #[error("stopped by a signal; {0} is as it was")]
    Signal(String, Signal),
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}

impl BuildError {
    fn exit(&self) -> Exit {
        match self {
            BuildError::Compile(error) => error.into(),
            BuildError::File(error) => error.into(),
            BuildError::Signal(_, signal) => (*signal).into(),
            BuildError::Start(_) => Exit::Unknown,
        }
    }
}

/// What was built.
struct Built {
    report: Report,
    counts: serde_json::Value,
    bytes: u64,
}

impl Build {
    pub(super) fn run(self) -> ExitCode {
        let began = Instant::now();
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return self.fail(&BuildError::Start(error)),
        };
        let ended = runtime.block_on(self.build());
        // Whatever still blocks after a second signal must not keep the process.
        runtime.shutdown_background();
        match ended {
            Ok(built) => {
                self.tell(&built, began.elapsed());
                ExitCode::SUCCESS
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&self, error: &BuildError) -> ExitCode {
        let exit = error.exit();
        if self.json {
            data("", &json!({"event": "failed", "code": exit as u8, "reason": error.to_string()}), true);
        }
        complain(&error.to_string());
        exit.into()
    }

    async fn build(&self) -> Result<Built, BuildError> {
        let signals = Signals::listen().map_err(BuildError::Start)?;
        let meter = Arc::new(Meter::default());
        let (inputs, output, theirs) = (self.inputs(), self.output.clone(), Arc::clone(&meter));
        let mut work = tokio::task::spawn_blocking(move || make(&inputs, &output, &theirs));
        let mut progress = Progress::new(self.quiet || self.json);
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                ended = &mut work => {
                    // Nobody aborts it, so the only way to no result is a panic, which goes on here.
                    return ended.unwrap_or_else(|died| panic::resume_unwind(died.into_panic()));
                }
                signal = signals.first() => {
                    meter.cancel();
                    // A half-written file is removed before we leave, unless what is read or written never comes.
                    tokio::select! {
                        Ok(Ok(built)) = &mut work => return Ok(built),
                        _ = signals.second() => {}
                        () = tokio::time::sleep(END_MAX) => {
                            complain("what is read or written does not answer; it is abandoned");
                        }
                        else => {}
                    }
                    return Err(BuildError::Signal(self.output.display().to_string(), signal));
                }
                _ = tick.tick() => progress.show(meter.progress()),
            }
        }
    }

    fn inputs(&self) -> Inputs {
        Inputs {
            ribs: self.rib.clone(),
            updates: self.updates.clone(),
            tables: self.prefix2as.clone(),
            as_rel: self.as_rel.clone(),
            names: self.names.clone(),
            version: self.data_version,
            tier_1: self.tier1.clone(),
        }
    }

    fn tell(&self, built: &Built, took: Duration) {
        let Built { report, counts, bytes } = built;
        report.warnings.iter().for_each(|warning| eprintln!("warning: {}", printable(warning)));
        if report.left_out > 0 {
            eprintln!(
                "warning: {} routes, links or names beyond what an atlas holds were left out",
                report.left_out
            );
        }
        if self.json {
            let mrt = &report.mrt;
            let object = json!({
                "event": "built",
                "atlas": self.output.display().to_string(),
                "bytes": bytes,
                "seconds": took.as_secs_f64(),
                "counts": counts,
                "records": mrt.records,
                "announced": mrt.announced,
                "withdrawn": mrt.withdrawn,
                "routers": report.routers,
                "lines": report.lines,
                "skipped": {
                    "damaged": mrt.damaged,
                    "bytes": mrt.bytes_skipped,
                    "unusable_paths": mrt.unusable_paths,
                    "too_short": mrt.too_short,
                    "stale": report.stale,
                    "bad_lines": report.bad_lines,
                    "left_out": report.left_out,
                },
            });
            data("", &object, true);
        } else if !self.quiet {
            eprintln!("{}", printable(&self.summary(built, took)));
        }
    }

    fn summary(&self, built: &Built, took: Duration) -> String {
        let known = &built.report.counts;
        let mrt = &built.report.mrt;
        format!(
            "{}: {} IPv4 and {} IPv6 prefixes, {} ASes, {} links; skipped: {} damages, {} lines, {} paths, {} updates older \
             than their table; {:.2} MB in {:.1} s",
            self.output.display(),
            known.prefixes_v4,
            known.prefixes_v6,
            known.ases,
            known.links_transit + known.links_peering + known.links_unknown,
            mrt.damaged,
            built.report.bad_lines,
            mrt.unusable_paths,
            built.report.stale,
            built.bytes as f64 / 1e6,
            took.as_secs_f64(),
        )
    }
}

/// The whole work; blocks.
fn make(inputs: &Inputs, output: &std::path::Path, meter: &Arc<Meter>) -> Result<Built, BuildError> {
    let (atlas, report) = compile(inputs, meter)?;
    let bytes = atlas_file::write(output, &atlas)?;
    Ok(Built { report, counts: counts(&atlas), bytes })
}
