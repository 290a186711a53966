//! `nearcast publish`: hashes files, writes the `.torrent`, prints the link.

mod place;

use std::path::{Path, PathBuf};

use clap::Args;
use nearcast_core::{
    layout::{BLOCK_BYTES, PIECE_BYTES_MAX},
    magnet::Magnet,
    manifest::{Manifest, is_web_url},
    paths::printable,
    signature::Signature,
};
use nearcast_node::{
    address::{Address, AddressError, SEEDER_PORT},
    key::SecretKey,
    publish::{
        Include, Prepared, PublishError, PublishOptions, Published, Reason, replace_file, torrent_name,
    },
};
use nearcast_service::{links::undialled, signals::Signals, units::parse_size};
use serde_json::{Value, json};

use self::place::Found;
use crate::{
    error::CommandError,
    hashing::with_progress,
    screen::Screen,
    source::read_torrent,
    units::{Bytes, counted},
};

/// The examples in `--help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast publish film.mkv --peer origin.example      a link that names where it is served
  nearcast publish season -o /srv/media/season.torrent --piece-size 1MiB
  nearcast publish film.mkv --web-seed https://cdn.example/films/ --sign publisher.key";

/// Options of `publish`.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// File or folder to publish.
    ///
    /// Of a folder, these are left out at every depth, and counted: hidden names (.x), backups (x~, #x#, .bak, .swp),
    /// unfinished files (.part, .tmp, .crdownload and so on), links and special files, secret keys (nearcast's, and PEM,
    /// SSH, OpenPGP and the like), and what others on this machine may not read, going by its mode. What is named here
    /// itself is published in any case, unless it is a secret key. A link that is named here gives the content its name.
    path: PathBuf,
    /// Publish hidden names, backups, unfinished and private files and secret keys, too.
    ///
    /// Whoever has the link can then read what others on this machine may not: keys, passwords, histories. What an
    /// unfinished download of nearcast keeps beside its files is left out all the same.
    #[arg(long)]
    hidden: bool,
    /// Where to write the .torrent [default: NAME.torrent in the current folder]. A seeder serves what lies beside its
    /// .torrent.
    #[arg(long, short, value_name = "FILE.torrent")]
    output: Option<PathBuf>,
    /// Replace another .torrent of that name.
    #[arg(long)]
    overwrite: bool,
    /// Bytes of a piece, a power of two: 256KiB, 1MiB [default: 256KiB, more for large contents].
    #[arg(long, value_name = "SIZE", value_parser = piece_size)]
    piece_size: Option<u64>,
    /// HTTP server or CDN that has the same file, or the folder it lies in (a URL ending in /); several are possible.
    /// Whoever gets the content fetches from it what peers lack. Its address goes into torrent and link, and must lie in the
    /// Internet.
    #[arg(long, value_name = "URL", value_parser = web_seed)]
    web_seed: Vec<String>,
    /// Peer or seeder to name in the link: HOST:PORT, HOST alone for port 4800, or a multiaddr; several are possible. Whoever opens the link tries the first eight, at ports
    /// from 1024 up.
    #[arg(long, value_name = "ADDRESS", value_parser = peer)]
    peer: Vec<Address>,
    /// Secret key to sign with, as nearcast key new makes it; several are possible. Signatures that a .torrent
    /// of the same content has already are kept.
    #[arg(long, value_name = "KEY")]
    sign: Vec<PathBuf>,
    /// Print one JSON object instead of the link.
    #[arg(long)]
    pub(super) json: bool,
    /// Say nothing but errors, besides the link.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

fn piece_size(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text).map_err(|error| error.to_string())?;
    let range = u64::from(BLOCK_BYTES)..=u64::from(PIECE_BYTES_MAX);
    if bytes.is_power_of_two() && range.contains(&bytes) {
        Ok(bytes)
    } else {
        Err("a piece is a power of two from 16KiB to 256MiB".to_owned())
    }
}

fn peer(text: &str) -> Result<Address, AddressError> {
    Address::read(text, SEEDER_PORT)
}

pub(super) fn web_seed(text: &str) -> Result<String, String> {
    if is_web_url(text) {
        Ok(text.to_owned())
    } else {
        Err("a web seed is an http:// or https:// address".to_owned())
    }
}

impl Publish {
    pub(super) async fn run(self, screen: &Screen, signals: &Signals) -> Result<(), CommandError> {
        // Loads the keys first: an error comes before hours of hashing.
        let keys = self.sign.iter().map(|path| SecretKey::load(path)).collect::<Result<Vec<_>, _>>()?;
        if let Some(output) = &self.output {
            // So does a file that must not be replaced.
            place::look(output)?;
        }
        let (path, options, told) = (self.path.clone(), self.options(), screen.clone());
        let mut published = with_progress(screen, signals, "hashing", move |meter| {
            let prepared = Prepared::at(&path, &options)?;
            // Lists the files before hashing, so that the user can stop if one is there by mistake.
            say_what_is_taken(&told, &prepared);
            prepared.hash(&|done, total| meter.set(done, total), &meter.cancelled)
        })
        .await
        .map_err(explain)?;
        self.say_what_is_private(screen, &published);
        published.manifest = self.sign(published.manifest, &keys);
        let unsigned = self.signers_lost(&published.manifest);
        let torrent = self.write_torrent(&published)?;
        if let Some(warning) = unsigned {
            screen.warn(&warning);
        }
        let link = self.link(&published);
        if self.json {
            screen.data(&object(&published, &torrent, &link).to_string());
            return Ok(());
        }
        screen.say(&format!(
            "{}: {} in {}, written to {}",
            printable(published.manifest.name()),
            Bytes(published.manifest.layout().bytes()),
            counted(published.manifest.layout().files(), "file"),
            printable(&torrent.to_string_lossy())
        ));
        for key in published.manifest.signatures().keys() {
            screen.say(&format!("signed by {key}"));
        }
        if let Some(warning) = undialled(&self.peer) {
            screen.warn(&warning);
        }
        if let Some(hint) = self.where_to_put_it(&torrent) {
            screen.say(&hint);
        }
        screen.data(&link.to_string());
        Ok(())
    }

    fn say_what_is_private(&self, screen: &Screen, published: &Published) {
        if published.left_out.total() > 0 {
            let only_special = published.left_out.total() == published.left_out.of(Reason::Special);
            let hint = match self.hidden || only_special {
                true => "",
                false => " (--hidden includes all but links and special files)",
            };
            screen.say(&format!("left out {}{hint}", published.left_out));
        }
        if published.is_private {
            let path = printable(&self.path.to_string_lossy());
            screen.say(&format!(
                "{path} is private: others on this machine may not read it, but whoever has the link can"
            ));
        }
    }

    fn target(&self, manifest: &Manifest) -> PathBuf {
        self.output.clone().unwrap_or_else(|| PathBuf::from(torrent_name(manifest.name())))
    }

    /// The usable `.torrent` that lies where ours is to go.
    fn torrent_there(&self, manifest: &Manifest) -> Option<Manifest> {
        match place::look(&self.target(manifest)).ok()? {
            Found::Torrent(bytes) => Manifest::parse(&bytes).ok(),
            Found::Nothing => None,
        }
    }

    /// A warning that names the signers of the existing `.torrent` who have not signed the new one.
    /// `None`: no signature is lost.
    fn signers_lost(&self, manifest: &Manifest) -> Option<String> {
        let there = self.torrent_there(manifest)?;
        let lost: Vec<String> = there
            .signatures()
            .keys()
            .filter(|key| !manifest.signatures().is_by(&[*key]))
            .map(|key| key.to_string())
            .collect();
        let target = self.target(manifest);
        (!lost.is_empty()).then(|| {
            format!(
                "{} was signed by {}, and what it is replaced with is not: whoever demands that signature will refuse \
                 it. Sign it with --sign KEY",
                target.display(),
                lost.join(", ")
            )
        })
    }

    /// A hint how to place data and `.torrent` for a seeder, which looks for the data beside the
    /// `.torrent` under the content's name. `None`: they are in place.
    fn where_to_put_it(&self, torrent: &Path) -> Option<String> {
        let folder = |path: &Path| path.canonicalize().ok()?.parent().map(Path::to_owned);
        // If the path is a link, the seeder serves the data at the target, under the target's name.
        let data = self.path.canonicalize().ok()?;
        let (named, lies) = (read_torrent(torrent).ok()?, data.file_name()?);
        if folder(torrent)? == data.parent()? && lies == named.name() {
            return None;
        }
        let place = data.with_file_name(torrent.file_name()?);
        Some(match lies == named.name() {
            true => format!(
                "to serve it, put the .torrent beside the data, where a seeder looks for it: mv {} {}",
                shell_word(torrent),
                shell_word(&place)
            ),
            false => format!(
                "to serve it, put the data beside the .torrent under the name {}, where a seeder looks for it",
                named.name()
            ),
        })
    }

    /// Signs with `keys`, and keeps the good signatures of an existing `.torrent` of the same
    /// content in the same place.
    fn sign(&self, manifest: Manifest, keys: &[SecretKey]) -> Manifest {
        let ours = keys.iter().map(|key| key.sign(manifest.content()));
        let there = self.torrent_there(&manifest);
        let there = there.filter(|there| there.content() == manifest.content());
        let theirs = there.map(|there| there.signatures().good().to_vec()).unwrap_or_default();
        let all: Vec<Signature> = ours.chain(theirs).collect();
        manifest.with_signatures(all)
    }

    fn options(&self) -> PublishOptions {
        PublishOptions {
            piece_bytes: self.piece_size,
            web_seeds: self.web_seed.clone(),
            include: Include { hidden: self.hidden, unfinished: self.hidden },
            ..PublishOptions::default()
        }
    }

    fn write_torrent(&self, published: &Published) -> Result<PathBuf, CommandError> {
        let target = self.target(&published.manifest);
        let bytes = published.manifest.to_torrent();
        let failed = |source| CommandError::Io { path: target.clone(), source };
        match place::look(&target)? {
            Found::Torrent(there) if there == bytes => return Ok(target),
            Found::Torrent(there)
                if there.is_empty() || differs_in_signatures(&there, &published.manifest) => {}
            Found::Torrent(_) if !self.overwrite => return Err(CommandError::Exists(target)),
            Found::Torrent(_) | Found::Nothing => {}
        }
        replace_file(&target, &bytes).map_err(failed)?;
        Ok(target)
    }

    fn link(&self, published: &Published) -> Magnet {
        Magnet {
            name: Some(published.manifest.name().to_owned()),
            web_seeds: published.manifest.web_seeds().to_vec(),
            addresses: self.peer.iter().map(ToString::to_string).collect(),
            ..Magnet::new(published.manifest.content())
        }
    }
}

/// The most files to list before hashing.
const FILES_LISTED_MAX: usize = 12;

/// Prints the first files of a folder by name, and warns of secret keys and of unusual names.
fn say_what_is_taken(screen: &Screen, prepared: &Prepared<'_>) {
    let files = prepared.files();
    let count = files.len();
    if count > 1 {
        let bytes = prepared.files().map(|(_, bytes)| bytes).fold(0, u64::saturating_add);
        let counted = |count: usize, what| counted(u32::try_from(count).unwrap_or(u32::MAX), what);
        screen.say(&format!("publishing {} of {}:", counted(count, "file"), Bytes(bytes)));
        for (path, bytes) in files.take(FILES_LISTED_MAX) {
            screen.say(&format!("  {path} ({})", Bytes(bytes)));
        }
        match count.saturating_sub(FILES_LISTED_MAX) {
            0 => {}
            more => screen.say(&format!("  and {}", counted(more, "more file"))),
        }
    }
    if prepared.secrets().total() > 0 {
        let paths: Vec<_> = prepared.secrets().paths().iter().map(|path| path.to_string_lossy()).collect();
        screen.warn(&format!(
            "{} will be readable by whoever has the link: {}",
            prepared.secrets(),
            paths.join(", ")
        ));
    }
    if !prepared.elsewhere().is_empty() {
        screen.warn(&format!(
            "{}. Names are published as they are; where one cannot be, the file gets another",
            prepared.elsewhere()
        ));
    }
}

/// The path, quoted for a shell.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%".contains(c);
    match text.chars().all(plain) && !text.starts_with('-') {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Adds to the error how to publish what is left out by default, if nothing else is there.
fn explain(error: CommandError) -> CommandError {
    match error {
        CommandError::Publish(error @ PublishError::SecretKey(_)) => {
            CommandError::BadOption(format!("{error}. To publish it all the same, use --hidden"))
        }
        CommandError::Publish(error @ PublishError::AllLeftOut { .. }) => CommandError::BadOption(format!(
            "{error}; name a file to publish it all the same, or use --hidden"
        )),
        error => error,
    }
}

/// Whether two torrents differ in signatures only: adding a signature needs no `--overwrite`.
fn differs_in_signatures(there: &[u8], manifest: &Manifest) -> bool {
    Manifest::parse(there)
        .is_ok_and(|there| there.with_signatures([]) == manifest.clone().with_signatures([]))
}

fn object(published: &Published, torrent: &Path, link: &Magnet) -> Value {
    let layout = published.manifest.layout();
    let left_out = &published.left_out;
    let skipped: Vec<String> =
        left_out.paths().iter().map(|path| printable(&path.to_string_lossy())).collect();
    let counts: serde_json::Map<String, Value> =
        Reason::ALL.iter().map(|&reason| (reason.name().to_owned(), left_out.of(reason).into())).collect();
    json!({
        "content": published.manifest.content().to_string(),
        "name": printable(published.manifest.name()),
        "bytes": layout.bytes(),
        "piece_bytes": layout.piece_bytes(),
        "pieces": layout.pieces(),
        "files": layout.files(),
        "torrent": printable(&torrent.to_string_lossy()),
        "link": link.to_string(),
        "signed_by": published.manifest.signatures().keys().map(|key| key.to_string()).collect::<Vec<_>>(),
        "skipped": skipped,
        "left_out": counts,
        "private": published.is_private,
        "secret_keys": published.secrets.total(),
        "names_lacked_elsewhere": published.elsewhere.lacked(),
        "names_alike_elsewhere": published.elsewhere.alike(),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::atomic::AtomicBool};

    use nearcast_node::publish::publish;

    use super::*;

    fn publish_into(folder: &Path, data: &[u8]) -> (Publish, Published) {
        let path = folder.join("film");
        fs::write(&path, data).unwrap();
        let command = Publish {
            path: path.clone(),
            hidden: false,
            output: Some(folder.join("film.torrent")),
            overwrite: false,
            piece_size: None,
            web_seed: vec!["http://origin.example/film".into()],
            peer: vec!["/ip4/127.9.0.1/tcp/4800".parse().unwrap()],
            sign: Vec::new(),
            json: false,
            quiet: true,
        };
        let cancelled = AtomicBool::new(false);
        let published = publish(&path, &command.options(), &|_, _| (), &cancelled);
        (command, published.unwrap())
    }

    #[test]
    fn the_same_torrent_may_be_written_again_but_no_other_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (mut command, published) = publish_into(folder.path(), b"one");
        let torrent = command.write_torrent(&published).unwrap();
        command.write_torrent(&published).unwrap();
        let (_, other) = publish_into(folder.path(), b"two");
        let refused = command.write_torrent(&other).unwrap_err();
        assert_eq!(refused.exit().code(), 13);
        assert_eq!(fs::read(&torrent).unwrap(), published.manifest.to_torrent());
        command.overwrite = true;
        command.write_torrent(&other).unwrap();
        assert_eq!(fs::read(&torrent).unwrap(), other.manifest.to_torrent());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "no temporary file stays");
    }

    #[test]
    fn one_publisher_after_another_signs_the_same_torrent() {
        let folder = tempfile::tempdir().unwrap();
        let (command, mut published) = publish_into(folder.path(), b"one");
        let keys = ["a.key", "b.key"].map(|name| SecretKey::create(&folder.path().join(name)).unwrap());
        for (signers, key) in (1..).zip(&keys) {
            let unsigned = published.manifest.with_signatures([]);
            published.manifest = command.sign(unsigned, std::slice::from_ref(key));
            let read = read_torrent(&command.write_torrent(&published).unwrap()).unwrap();
            assert_eq!(read.signatures().good().len(), signers);
            assert!(read.signatures().is_by(&[key.public()]));
        }
        let (_, other) = publish_into(folder.path(), b"two");
        let other = command.sign(other.manifest, &[]);
        assert!(other.signatures().good().is_empty(), "another content's do not count");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_io_error() {
        let folder = tempfile::tempdir().unwrap();
        let (mut command, published) = publish_into(folder.path(), b"one");
        command.output = Some(folder.path().join("absent/film.torrent"));
        let error = command.write_torrent(&published).unwrap_err();
        assert_eq!(error.exit().code(), 17);
    }

    #[test]
    fn whose_signature_is_lost_by_a_replacement_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (mut command, mut published) = publish_into(folder.path(), b"one");
        let key = SecretKey::create(&folder.path().join("a.key")).unwrap();
        published.manifest = command.sign(published.manifest, std::slice::from_ref(&key));
        assert_eq!(command.signers_lost(&published.manifest), None);
        command.write_torrent(&published).unwrap();
        let (_, other) = publish_into(folder.path(), b"two");
        command.overwrite = true;
        let lost = command.signers_lost(&other.manifest).unwrap();
        assert!(lost.contains(&key.public().to_string()) && lost.contains("--sign"), "{lost}");
        let signed = command.sign(other.manifest, &[key]);
        assert_eq!(command.signers_lost(&signed), None);
    }

    #[test]
    fn where_a_seeder_would_not_find_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (mut command, published) = publish_into(folder.path(), b"one");
        let torrent = command.write_torrent(&published).unwrap();
        assert_eq!(command.where_to_put_it(&torrent), None);
        let elsewhere = folder.path().join("el se where");
        fs::create_dir(&elsewhere).unwrap();
        command.output = Some(elsewhere.join("film.torrent"));
        let torrent = command.write_torrent(&published).unwrap();
        let hint = command.where_to_put_it(&torrent).unwrap();
        assert!(hint.contains("mv '") && hint.ends_with("/film.torrent"), "{hint}");
    }

    #[test]
    fn the_link_names_content_peers_and_web_seeds() {
        let folder = tempfile::tempdir().unwrap();
        let (command, published) = publish_into(folder.path(), b"one");
        let link: Magnet = command.link(&published).to_string().parse().unwrap();
        assert_eq!(link.content, published.manifest.content());
        assert_eq!(link.addresses, ["/ip4/127.9.0.1/tcp/4800"]);
        assert_eq!(link.web_seeds, ["http://origin.example/film"]);
        let object = object(&published, Path::new("film.torrent"), &link);
        assert_eq!(object["bytes"], 3);
        assert_eq!(object["link"], link.to_string());
    }

    #[test]
    fn piece_sizes_are_powers_of_two_in_range() {
        assert_eq!(piece_size("1MiB"), Ok(1 << 20));
        for wrong in ["1M", "8KiB", "512MiB", "x"] {
            assert!(piece_size(wrong).is_err(), "{wrong}");
        }
    }
}
