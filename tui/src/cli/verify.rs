//! `nearcast verify`: hashes every byte on disk again and compares the hashes with the `.torrent`.

use std::path::PathBuf;

use clap::Args;
use nearcast_core::{manifest::Manifest, paths::printable};
use nearcast_node::publish::{BadFile, FileFault, VerifyReport, verify_data};
use nearcast_service::signals::Signals;
use serde_json::{Value, json};

use crate::{
    error::CommandError, hashing::with_progress, screen::Screen, source::read_torrent, units::Bytes,
};

/// Options of `verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// .torrent file to compare with.
    #[arg(value_name = "FILE.torrent")]
    torrent: PathBuf,
    /// Folder that contains the content's file or folder, as "get -o DIR" was told.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
    /// Print only what is wrong.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

impl Verify {
    pub(super) async fn run(self, screen: &Screen, signals: &Signals) -> Result<(), CommandError> {
        let torrent = read_torrent(&self.torrent)?;
        if let Err(source) = std::fs::read_dir(&self.folder) {
            let path = self.folder;
            return Err(CommandError::Io { path, source });
        }
        let folder = self.folder;
        let (manifest, report) = with_progress(screen, signals, "verifying", move |meter| {
            let progress = |done, total| meter.set(done, total);
            verify_data(&torrent, &folder, &progress, &meter.cancelled).map(|report| (torrent, report))
        })
        .await?;
        if self.json {
            screen.data(&object(&manifest, &report).to_string());
        } else {
            report.bad_files.iter().for_each(|bad| screen.data(&line(bad)));
        }
        if !report.bad_files.is_empty() {
            return Err(CommandError::Corrupt {
                bad: report.bad_files.len(),
                files: manifest.layout().files(),
            });
        }
        let (name, bytes) = (printable(manifest.name()), Bytes(manifest.layout().bytes()));
        screen.say(&format!("{name}: all {bytes} are right"));
        Ok(())
    }
}

fn line(bad: &BadFile) -> String {
    format!("{} {}", printable(bad.path.as_str()), bad.fault)
}

fn object(manifest: &Manifest, report: &VerifyReport) -> Value {
    let bad: Vec<Value> = report.bad_files.iter().map(bad_object).collect();
    json!({
        "content": manifest.content().to_string(),
        "ok": bad.is_empty(),
        "bytes": manifest.layout().bytes(),
        "files": manifest.layout().files(),
        "bad": bad,
    })
}

fn bad_object(bad: &BadFile) -> Value {
    let path = printable(bad.path.as_str());
    match &bad.fault {
        FileFault::Missing => json!({"path": path, "fault": "missing"}),
        FileFault::WrongSize { expected, found, .. } => {
            json!({"path": path, "fault": "wrong_size", "bytes_expected": expected, "bytes_found": found})
        }
        FileFault::Corrupt { damage } => {
            let ranges: Vec<[u64; 2]> =
                damage.ranges().iter().map(|range| [range.start, range.end]).collect();
            json!({"path": path, "fault": "corrupt", "bad_bytes": damage.bytes(), "bad_ranges": ranges})
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::atomic::AtomicBool};

    use nearcast_node::publish::{PublishOptions, publish};

    use super::*;

    #[test]
    fn what_is_bad_is_listed_file_by_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("show");
        fs::create_dir(&path).unwrap();
        for name in ["a", "b", "c", "d"] {
            fs::write(path.join(name), vec![1; 70_000]).unwrap();
        }
        let cancelled = AtomicBool::new(false);
        let published = publish(&path, &PublishOptions::default(), &|_, _| (), &cancelled).unwrap();
        fs::remove_file(path.join("a")).unwrap();
        fs::write(path.join("b"), [1; 10]).unwrap();
        let mut damaged = vec![1; 70_000];
        damaged[40_000] = 2;
        fs::write(path.join("c"), damaged).unwrap();
        let report = verify_data(&published.manifest, folder.path(), &|_, _| (), &cancelled).unwrap();
        let object = object(&published.manifest, &report);
        let faults: Vec<&str> = (0..3).filter_map(|bad| object["bad"][bad]["fault"].as_str()).collect();
        assert_eq!(faults, ["missing", "wrong_size", "corrupt"]);
        assert_eq!(object["bad"].as_array().map(Vec::len), Some(3));
        assert_eq!(object["ok"], false);
        assert!(line(&report.bad_files[0]).contains('a'));
        assert_eq!(line(&report.bad_files[2]), "show/c is damaged in bytes 0-69999");
        assert_eq!(object["bad"][2]["bad_ranges"], json!([[0, 70_000]]));
    }
}
