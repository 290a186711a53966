//! `nearcast-tracker atlas build`.

use std::{
    panic,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use nearcast_core::{asn::Asn, atlas::Loss, paths::printable};
use nearcast_service::signals::{Signal, Signals};
use serde_json::json;

use super::atlas::{complain, counts, data};
use crate::{
    atlas_file::{self, AtlasFileError},
    exit::Exit,
    progress::Progress,
};
use nearcast_bgp::{
    compile::{CompileError, Inputs, Report, compile},
    packed::Meter,
};

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(100);
/// How long to wait after a signal. Work ends with the current record, unless a disk or pipe does
/// not answer.
const END_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Build {
    /// Tables of collectors, as RouteViews and RIPE RIS publish them (MRT: TABLE_DUMP, TABLE_DUMP_V2).
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rib: Vec<PathBuf>,
    /// What collectors were told since (MRT: BGP4MP). What is older than the table of the same router is left out.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    updates: Vec<PathBuf>,
    /// Tables of lines: START, END and AS; PREFIX/LENGTH and AS; or PREFIX, LENGTH and AS; with tabs, blanks or commas between.
    /// Private addresses count only with private AS numbers: those are sites of your own.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    prefix2as: Vec<PathBuf>,
    /// Relations between ASes, as CAIDA publishes them: A|B|-1 (A is a provider of B), A|B|0 (peers). They count more than what is
    /// inferred from paths.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    as_rel: Vec<PathBuf>,
    /// Names of ASes: AS and name, with a tab, a blank or a comma between.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    names: Vec<PathBuf>,
    /// Your own sites, each with its prefixes and its links to others (TOML; see docs/sites.md). They count more than all else.
    #[arg(long, value_name = "FILE")]
    sites: Option<PathBuf>,
    /// Where to write the atlas.
    #[arg(long, short, value_name = "ATLAS")]
    output: PathBuf,
    /// Replace an atlas that knows more than twice as many prefixes. Without it that is taken for a mistake, as when a table was cut
    /// off on its way.
    #[arg(long)]
    allow_loss: bool,
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
    #[error(
        "{path} stays as it is: the new atlas is far smaller, {loss}; was a file cut off? --allow-loss replaces it all the same"
    )]
    Loss { path: String, loss: Loss },
    #[error("{0} is there and is no atlas, so it is not replaced; name another file with -o")]
    NoAtlas(String),
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
            BuildError::Loss { .. } | BuildError::NoAtlas(_) => Exit::BadOption,
            BuildError::Signal(_, signal) => (*signal).into(),
            BuildError::Start(_) => Exit::Unknown,
        }
    }
}

/// The result of a build.
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
        // Tasks that still block after a second signal must not keep the process.
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
        error.to_string().lines().for_each(complain);
        exit.into()
    }

    async fn build(&self) -> Result<Built, BuildError> {
        let signals = Signals::listen().map_err(BuildError::Start)?;
        let meter = Arc::new(Meter::default());
        let (inputs, output, theirs) = (self.inputs(), self.output.clone(), Arc::clone(&meter));
        let allow_loss = self.allow_loss;
        let mut work = tokio::task::spawn_blocking(move || make(&inputs, &output, allow_loss, &theirs));
        let mut progress = Progress::new(self.quiet || self.json);
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                ended = &mut work => {
                    // Nobody aborts the task, so a missing result means a panic, which continues
                    // here.
                    return ended.unwrap_or_else(|died| panic::resume_unwind(died.into_panic()));
                }
                signal = signals.first() => {
                    meter.cancel();
                    // A half-written file is removed before we leave, unless a read or write hangs.
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
        let all = |paths: &[PathBuf]| paths.iter().map(|path| input(path)).collect();
        Inputs {
            ribs: all(&self.rib),
            updates: all(&self.updates),
            tables: all(&self.prefix2as),
            as_rel: all(&self.as_rel),
            names: all(&self.names),
            sites: self.sites.as_deref().map(input),
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
                    "reserved": report.reserved,
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
            "{}: {} IPv4 and {} IPv6 prefixes, {} ASes, {} links; skipped: {} damages, {} lines, {} paths, {} routes to \
             private addresses, {} updates older than their table; {} in {:.1} s",
            self.output.display(),
            known.prefixes_v4,
            known.prefixes_v6,
            known.ases,
            known.links_transit + known.links_peering + known.links_unknown,
            mrt.damaged,
            built.report.bad_lines,
            mrt.unusable_paths,
            built.report.reserved,
            built.report.stale,
            size(built.bytes),
            took.as_secs_f64(),
        )
    }
}

/// The path to read; - is standard input.
fn input(path: &Path) -> PathBuf {
    if path == Path::new("-") { "/dev/stdin".into() } else { path.to_owned() }
}

/// A size in a fitting unit.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.2} MB", bytes as f64 / 1e6),
    }
}

/// Does the whole work. Blocks.
fn make(inputs: &Inputs, output: &Path, allow_loss: bool, meter: &Arc<Meter>) -> Result<Built, BuildError> {
    // Said before anything is read: perhaps it is one of the inputs, or a file of the user's.
    if atlas_file::is_something_else(output)? {
        return Err(BuildError::NoAtlas(output.display().to_string()));
    }
    let (atlas, report) = compile(inputs, meter)?;
    // If the old atlas is damaged, nothing is lost.
    let before = atlas_file::read(output).ok().filter(|_| !allow_loss);
    if let Some(loss) = before.and_then(|before| atlas.counts().loss_since(&before.counts())) {
        return Err(BuildError::Loss { path: output.display().to_string(), loss });
    }
    let bytes = atlas_file::write(output, &atlas)?;
    Ok(Built { report, counts: counts(&atlas), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_atlas_has_a_size_too() {
        let sizes = [0, 999, 1_000, 3_141, 999_949, 1_000_000, 3_141_592].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "3.1 kB", "999.9 kB", "1.00 MB", "3.14 MB"]);
    }
}
