//! `nearcast info`: what a link or a `.torrent` contains, without contacting any peer.

use clap::Args;
use nearcast_core::{
    magnet::Magnet,
    manifest::Manifest,
    paths::printable,
    signature::{PublisherKey, Signatures},
};
use nearcast_node::proxy::Proxies;
use serde_json::{Value, json};

use crate::{error::CommandError, screen::Screen, source::Named, units::Bytes};

/// Options of `info`.
#[derive(Debug, Args)]
pub(super) struct Info {
    /// Magnet link, content id, .torrent file, or URL of one.
    #[arg(value_name = "LINK|FILE|URL")]
    source: String,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

impl Info {
    pub(super) async fn run(&self, screen: &Screen) -> Result<(), CommandError> {
        let variable = |name: &str| std::env::var(name).ok();
        let proxies = Proxies::of_environment(&variable);
        let proxies = proxies.map_err(|error| CommandError::BadOption(error.to_string()))?;
        let named = Named::find(&self.source, &proxies).await?;
        if self.json {
            let object = match &named {
                Named::Link(magnet) => link_object(magnet),
                Named::Torrent(manifest) => torrent_object(manifest),
            };
            screen.data(&object.to_string());
            return Ok(());
        }
        let lines = match &named {
            Named::Link(magnet) => link_lines(magnet),
            Named::Torrent(manifest) => torrent_lines(manifest),
        };
        lines.iter().for_each(|line| screen.data(line));
        Ok(())
    }
}

/// Path and length of every file, in the order of the content.
fn files(manifest: &Manifest) -> impl Iterator<Item = (String, u64)> + '_ {
    let layout = manifest.layout();
    let indices = (0..layout.files()).filter_map(|index| layout.file_index(index));
    indices.map(|file| {
        let path = manifest.target(file);
        (printable(path.as_str()), layout.file_bytes(file))
    })
}

fn torrent_lines(manifest: &Manifest) -> Vec<String> {
    let layout = manifest.layout();
    let mut lines = vec![
        format!("name     {}", printable(manifest.name())),
        format!("content  {}", manifest.content()),
        format!("bytes    {} ({})", layout.bytes(), Bytes(layout.bytes())),
        format!("pieces   {} of {} bytes", layout.pieces(), layout.piece_bytes()),
        format!("link     {}", link_of(manifest)),
    ];
    let web_seeds = manifest.web_seeds().iter();
    lines.extend(web_seeds.map(|url| format!("web seed {}", printable(url))));
    lines.extend(signature_lines(manifest.signatures()));
    lines.push(format!("files    {}", layout.files()));
    lines.extend(files(manifest).map(|(path, bytes)| format!("{bytes:>16} {path}")));
    lines
}

fn signature_lines(signatures: &Signatures) -> Vec<String> {
    let mut lines: Vec<String> =
        signatures.keys().map(|key| format!("signed   by {key}, and that is right")).collect();
    if lines.is_empty() {
        lines.push("signed   by nobody".to_owned());
    }
    lines.extend(signatures.bad().iter().map(|key| format!("FORGED   not signed by {key}, as it claims")));
    lines
}

fn torrent_object(manifest: &Manifest) -> Value {
    let layout = manifest.layout();
    let files: Vec<Value> =
        files(manifest).map(|(path, bytes)| json!({"path": path, "bytes": bytes})).collect();
    json!({
        "content": manifest.content().to_string(),
        "name": printable(manifest.name()),
        "bytes": layout.bytes(),
        "piece_bytes": layout.piece_bytes(),
        "pieces": layout.pieces(),
        "files": files,
        "web_seeds": manifest.web_seeds(),
        "signatures": signature_objects(manifest.signatures()),
        "link": link_of(manifest).to_string(),
    })
}

fn signature_objects(signatures: &Signatures) -> Vec<Value> {
    let object = |key: PublisherKey, valid: bool| json!({"key": key.to_string(), "valid": valid});
    let bad = signatures.bad().iter().map(|&key| object(key, false));
    signatures.keys().map(|key| object(key, true)).chain(bad).collect()
}

/// The shortest link that works for a client that knows a peer.
fn link_of(manifest: &Manifest) -> Magnet {
    Magnet {
        name: Some(manifest.name().to_owned()),
        web_seeds: manifest.web_seeds().to_vec(),
        ..Magnet::new(manifest.content())
    }
}

fn peers(magnet: &Magnet) -> Vec<String> {
    let by_port = magnet.peers.iter().map(ToString::to_string);
    magnet.addresses.iter().cloned().chain(by_port).collect()
}

fn link_lines(magnet: &Magnet) -> Vec<String> {
    let name = magnet.name.as_deref().map_or("(not in the link)".into(), printable);
    let mut lines = vec![format!("name     {name}"), format!("content  {}", magnet.content)];
    lines.extend(peers(magnet).iter().map(|peer| format!("peer     {}", printable(peer))));
    let web_seeds = magnet.web_seeds.iter();
    lines.extend(web_seeds.map(|url| format!("web seed {}", printable(url))));
    let selection = magnet.selection.iter();
    lines.extend(selection.map(|files| format!("files    number {files}")));
    lines.push("The link does not say more; the rest comes from peers.".to_owned());
    lines
}

fn link_object(magnet: &Magnet) -> Value {
    json!({
        "content": magnet.content.to_string(),
        "name": magnet.name.as_deref().map(printable),
        "selection": magnet.selection.as_ref().map(ToString::to_string),
        "peers": peers(magnet),
        "web_seeds": magnet.web_seeds,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use nearcast_core::signature::Signature;
    use nearcast_node::publish::{PublishOptions, publish};

    use super::*;

    fn manifest() -> Manifest {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("show");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("a.mkv"), [1; 70_000]).unwrap();
        std::fs::write(path.join("b.srt"), [2; 10]).unwrap();
        let cancelled = AtomicBool::new(false);
        let published = publish(&path, &PublishOptions::default(), &|_, _| (), &cancelled);
        published.unwrap().manifest
    }

    #[test]
    fn a_torrent_is_told_with_all_its_files() {
        let object = torrent_object(&manifest());
        let expected = json!([
            {"path": "show/a.mkv", "bytes": 70_000}, {"path": "show/b.srt", "bytes": 10},
        ]);
        assert_eq!(object["files"], expected);
        assert_eq!(object["bytes"], 70_010);
        let text = torrent_lines(&manifest()).join("\n");
        assert!(text.contains("70000 show/a.mkv"), "{text}");
    }

    #[test]
    fn who_signed_is_told_and_who_only_seems_to_have() {
        let unsigned = manifest();
        assert!(torrent_lines(&unsigned).contains(&"signed   by nobody".to_owned()));
        let good = Signature::sign(&[1; 32], unsigned.content());
        let forged = Signature { bytes: good.bytes, ..Signature::sign(&[2; 32], unsigned.content()) };
        let signed = unsigned.with_signatures([good, forged]);
        let expected = json!([
            {"key": good.key.to_string(), "valid": true}, {"key": forged.key.to_string(), "valid": false},
        ]);
        assert_eq!(torrent_object(&signed)["signatures"], expected);
        let lines = torrent_lines(&signed);
        let about = |key: PublisherKey| lines.iter().find(|line| line.contains(&key.to_string())).unwrap();
        assert!(
            about(good.key).starts_with("signed") && about(forged.key).starts_with("FORGED"),
            "{lines:?}"
        );
    }

    #[test]
    fn the_link_leads_back_to_the_content() {
        let manifest = manifest();
        let magnet: Magnet = link_of(&manifest).to_string().parse().unwrap();
        assert_eq!(magnet.content, manifest.content());
        assert_eq!(link_object(&magnet)["name"], "show");
    }

    #[test]
    fn names_in_links_are_made_harmless_and_selections_told() {
        let mut magnet = Magnet::new(manifest().content());
        magnet.name = Some("\u{1b}]0;evil\u{7}".into());
        magnet.selection = Some("0,2-4".parse().unwrap());
        assert_eq!(link_object(&magnet)["selection"], "0,2-4");
        assert!(!link_lines(&magnet).join("").contains(['\u{1b}', '\u{7}']));
    }
}
