//! `nearcast-tracker atlas`: makes atlases, and answers questions from them.

use std::{
    io::{self, BufRead, BufWriter, Read, Write},
    net::IpAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Subcommand};
use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas as Map, Place},
    paths::{printable, printable_json},
    tier::Tier,
};
use serde_json::{Value, json};

use super::build::Build;
use crate::{
    atlas_file,
    exit::{EXIT_CODES, Exit},
};

/// What is to be done with an atlas.
#[derive(Debug, Subcommand)]
pub(super) enum Atlas {
    /// Compile an atlas.
    ///
    /// Files may be packed with gzip or bzip2, and may be pipes; - is standard input. What is damaged in them is skipped and
    /// counted. The same files give the same atlas, in whatever order they are named. An older atlas at ATLAS is replaced only by a
    /// whole one that knows at least half as much. Private and other special addresses have no AS, whatever routes say, but for
    /// sites of your own.
    #[command(after_help = EXIT_CODES)]
    Build(Build),
    /// Tell how much an atlas knows.
    #[command(after_help = EXIT_CODES)]
    Stats(Stats),
    /// Tell which AS originates each address, and of which range.
    #[command(after_help = EXIT_CODES)]
    Lookup(Lookup),
    /// Tell how near two addresses are, and why.
    #[command(after_help = EXIT_CODES)]
    Path(Path),
}

#[derive(Debug, Args)]
pub(super) struct Stats {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
pub(super) struct Lookup {
    #[command(flatten)]
    which: Which,
    /// IPv4 or IPv6 addresses; - takes them from standard input, one a line. What is no address is told, and the rest looked up.
    #[arg(value_name = "IP", required = true)]
    ips: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Path {
    #[command(flatten)]
    which: Which,
    /// Where bytes are wanted.
    #[arg(value_name = "IP_A")]
    a: IpAddr,
    /// Where they would come from.
    #[arg(value_name = "IP_B")]
    b: IpAddr,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// File that "atlas build" made.
    #[arg(value_name = "ATLAS")]
    atlas: PathBuf,
    /// Print JSON objects, one a line.
    #[arg(long)]
    json: bool,
}

impl Atlas {
    pub(super) fn run(self) -> ExitCode {
        match self {
            Atlas::Build(build) => build.run(),
            Atlas::Stats(told) => told.which.ask(print_stats),
            Atlas::Lookup(told) => told.which.ask(|atlas, json| print_each(atlas, &told.ips, json)),
            Atlas::Path(told) => told.which.ask(|atlas, json| print_path(atlas, told.a, told.b, json)),
        }
    }
}

impl Which {
    fn ask(&self, answer: impl FnOnce(&Map, bool) -> Exits) -> ExitCode {
        match atlas_file::read(&self.atlas) {
            Ok(atlas) => answer(&atlas, self.json).map_or_else(Into::into, |()| ExitCode::SUCCESS),
            Err(error) => {
                complain(&error.to_string());
                Exit::from(&error).into()
            }
        }
    }
}

type Exits = Result<(), Exit>;

/// Prints a message for people on standard error.
pub(super) fn complain(sentence: &str) {
    eprintln!("error: {}", printable(sentence));
}

/// Prints one line of data. Names in atlases come from strangers.
pub(super) fn data(words: &str, object: &Value, as_json: bool) {
    let line = if as_json { printable_json(&object.to_string()) } else { printable(words) };
    // The reader may have stopped reading.
    let _ = writeln!(io::stdout(), "{line}");
}

/// The counts of an atlas, by name.
pub(super) fn counts(atlas: &Map) -> Value {
    let counts = atlas.counts();
    json!({
        "version": atlas.version(),
        "prefixes_v4": counts.prefixes_v4,
        "prefixes_v6": counts.prefixes_v6,
        "ranges_v4": counts.ranges_v4,
        "ranges_v6": counts.ranges_v6,
        "ases": counts.ases,
        "names": counts.names,
        "origin_sets": counts.origin_sets,
        "links_transit": counts.links_transit,
        "links_peering": counts.links_peering,
        "links_unknown": counts.links_unknown,
        "resident_bytes": atlas.resident_bytes(),
    })
}

fn print_stats(atlas: &Map, as_json: bool) -> Exits {
    let counts = counts(atlas);
    let lines = counts.as_object().into_iter().flatten().map(|(name, value)| format!("{name} {value}"));
    if as_json {
        data("", &counts, true);
    } else {
        lines.for_each(|line| data(&line, &Value::Null, false));
    }
    Ok(())
}

/// The AS as a sentence mentions it. A site appears with its name, as its number means nothing to
/// people.
fn mentioned(atlas: &Map, asn: Asn) -> String {
    if asn.is_local() { called(atlas, asn) } else { asn.to_string() }
}

/// The AS with its name, for people.
fn called(atlas: &Map, asn: Asn) -> String {
    atlas.name(asn).map_or_else(|| asn.to_string(), |name| format!("{asn} {name}"))
}

fn as_object(atlas: &Map, asn: Asn) -> Value {
    json!({"asn": asn.0, "name": atlas.name(asn)})
}

fn print_each(atlas: &Map, wanted: &[String], as_json: bool) -> Exits {
    let mut answers =
        Answers { atlas, as_json, out: BufWriter::new(io::stdout().lock()), asked: 0, missing: 0, wrong: 0 };
    for one in wanted {
        match one.as_str() {
            "-" => answers.print_input()?,
            text => answers.answer(text, || "the command line".to_owned()),
        }
    }
    // The reader may have stopped reading.
    let _ = answers.out.flush();
    answers.end()
}

/// Looks up addresses one after another.
struct Answers<'a, W> {
    atlas: &'a Map,
    as_json: bool,
    out: W,
    asked: u64,
    missing: u64,
    /// Texts that were not addresses.
    wrong: u64,
}

/// A longer line is not an address. In bytes.
const LINE_BYTES_MAX: u64 = 100;

impl<W: Write> Answers<'_, W> {
    /// The result: an error if any text was not an address, or any address is unknown.
    fn end(&self) -> Exits {
        if self.missing > 0 {
            complain(&format!(
                "{} of {} addresses are in no prefix that this atlas knows",
                self.missing, self.asked
            ));
        }
        match (self.wrong, self.missing) {
            (0, 0) => Ok(()),
            (0, _) => Err(Exit::NotFound),
            _ => Err(Exit::BadOption),
        }
    }

    /// Answers for one text, which should be an address.
    fn answer(&mut self, text: &str, whence: impl FnOnce() -> String) {
        let text = text.trim();
        if let Ok(ip) = text.parse() {
            self.print(ip);
            return;
        }
        self.wrong += 1;
        if self.as_json {
            let object = json!({"ip": text, "origins": [], "error": "it is no address"});
            let _ = writeln!(self.out, "{}", printable_json(&object.to_string()));
        }
        let _ = self.out.flush();
        complain(&format!("{}: \"{text:.60}\" is no address; the rest is looked up", whence()));
    }

    fn print(&mut self, ip: IpAddr) {
        self.asked += 1;
        let found = self.atlas.lookup(ip);
        self.missing += u64::from(found.is_none());
        let line = match (found, self.as_json) {
            (None, false) => format!("{ip} not found"),
            (None, true) => json!({"ip": ip, "origins": []}).to_string(),
            (Some(found), false) => {
                let origins: Vec<String> = found.origins.iter().map(|&asn| called(self.atlas, asn)).collect();
                printable(&format!("{ip} {}-{} {}", found.first, found.last, origins.join(", ")))
            }
            (Some(found), true) => {
                let origins: Vec<Value> =
                    found.origins.iter().map(|&asn| as_object(self.atlas, asn)).collect();
                let object = json!({"ip": ip, "first": found.first, "last": found.last, "origins": origins});
                printable_json(&object.to_string())
            }
        };
        let _ = writeln!(self.out, "{line}");
    }

    /// Answers for addresses from standard input, one a line.
    fn print_input(&mut self) -> Exits {
        let mut input = io::stdin().lock();
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            let ended = match read {
                Ok(0) => break,
                Ok(_) => line.ends_with(b"\n") || (line.len() as u64) < LINE_BYTES_MAX,
                Err(error) => return self.unread(&error),
            };
            if !ended && let Err(error) = skip_line(&mut input) {
                return self.unread(&error);
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_start_matches('\u{feff}').trim();
            if !text.is_empty() && !text.starts_with('#') {
                self.answer(text, || format!("line {number} of standard input"));
            }
        }
        Ok(())
    }

    fn unread(&mut self, error: &io::Error) -> Exits {
        let _ = self.out.flush();
        complain(&format!("cannot read standard input: {error}"));
        Err(Exit::Io)
    }
}

/// Skips the rest of a line that is too long to be an address.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let some = input.fill_buf()?;
        let (used, ended) = match some.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (some.len(), some.is_empty()),
        };
        input.consume(used);
        if ended {
            return Ok(());
        }
    }
}

fn print_path(atlas: &Map, a: IpAddr, b: IpAddr, as_json: bool) -> Exits {
    let judged = Judged::of(atlas, atlas.place(a), atlas.place(b));
    let end = |place: Place| {
        let asn = place.asn.map(|asn| as_object(atlas, asn));
        json!({"ip": place.ip, "as": asn})
    };
    let path = judged.path.as_ref().map(|path| path.iter().map(|asn| asn.0).collect::<Vec<u32>>());
    let object = json!({
        "a": end(judged.a),
        "b": end(judged.b),
        "tier": judged.tier.name(),
        "relation": judged.relation.map(Relation::name),
        "hops": judged.path.as_ref().map(|path| path.len() - 1),
        "path": path,
        "why": judged.why,
    });
    let mut words = format!("{}: {}", judged.tier.name(), judged.why);
    for asn in judged.path.iter().flatten() {
        words.push_str(&format!("\n    {}", called(atlas, *asn)));
    }
    if as_json {
        data("", &object, true);
    } else {
        words.lines().for_each(|line| data(line, &Value::Null, false));
    }
    match [judged.a, judged.b].into_iter().find(|place| place.asn.is_none()) {
        Some(place) => {
            complain(&format!("{} is in no prefix that this atlas knows", place.ip));
            Err(Exit::NotFound)
        }
        None => Ok(()),
    }
}

/// How near two places are, and why.
struct Judged {
    a: Place,
    b: Place,
    tier: Tier,
    relation: Option<Relation>,
    path: Option<Vec<Asn>>,
    why: String,
}

impl Judged {
    fn of(atlas: &Map, a: Place, b: Place) -> Judged {
        let tier = atlas.proximity(a, b, None).tier();
        let ends = a.asn.zip(b.asn);
        let relation = ends.and_then(|(ours, theirs)| atlas.relation(ours, theirs));
        let path = ends.and_then(|(ours, theirs)| atlas.path(ours, theirs));
        let call = |asn| mentioned(atlas, asn);
        let (near, middle) = if a.ip.to_canonical().is_ipv4() { (24, 16) } else { (48, 32) };
        let why = match (tier, ends) {
            (Tier::Lan | Tier::Prefix24, _) => format!("both are in one /{near}"),
            (Tier::Prefix16, Some((ours, _))) => format!("both are in one /{middle} and in {}", call(ours)),
            (Tier::Prefix16, None) => format!("both are in one /{middle}, and the AS is not known"),
            (Tier::SameAs, Some((ours, _))) => format!("both are in {}", call(ours)),
            (Tier::AdjacentAs, Some((ours, theirs))) => {
                let (ours, theirs) = (call(ours), call(theirs));
                match relation {
                    Some(Relation::Customer) => format!("{theirs} is a customer of {ours}"),
                    Some(Relation::Peer) => format!("{theirs} is a peer of {ours}"),
                    Some(Relation::Provider) => format!("{theirs} is a provider of {ours}"),
                    _ => format!("{theirs} and {ours} are linked; who pays is not known"),
                }
            }
            (_, Some((ours, theirs))) => match &path {
                Some(path) => format!("{} links from {} to {}", path.len() - 1, call(ours), call(theirs)),
                None => format!("no route from {} to {} is known", call(ours), call(theirs)),
            },
            (_, None) => "the AS of an end is not known".to_owned(),
        };
        Judged { a, b, tier, relation, path, why }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_core::atlas::AtlasBuilder;

    use super::*;

    fn atlas() -> Map {
        let mut builder = AtlasBuilder::new(7);
        for (prefix, asn) in [
            ("10.1.0.0/16", 100),
            ("10.2.0.0/16", 100),
            ("20.0.0.0/16", 200),
            ("30.0.0.0/16", 300),
            ("40.0.0.0/16", 400),
            ("50.0.0.0/16", 500),
        ] {
            builder.prefix(prefix.parse().unwrap(), &[Asn(asn)]);
        }
        builder.link(Asn(100), Asn(200), Relation::Provider);
        builder.link(Asn(200), Asn(300), Relation::Customer);
        builder.link(Asn(100), Asn(400), Relation::Unknown);
        builder.build()
    }

    #[test]
    fn each_tier_has_its_reason() {
        let atlas = atlas();
        for (a, b, tier, why) in [
            ("10.1.0.1", "10.1.0.2", Tier::Prefix24, "both are in one /24"),
            ("10.1.0.1", "10.1.9.2", Tier::Prefix16, "both are in one /16 and in AS100"),
            ("10.1.0.1", "10.2.0.1", Tier::SameAs, "both are in AS100"),
            ("10.1.0.1", "20.0.0.1", Tier::AdjacentAs, "AS200 is a provider of AS100"),
            ("20.0.0.1", "10.1.0.1", Tier::AdjacentAs, "AS100 is a customer of AS200"),
            ("10.1.0.1", "40.0.0.1", Tier::AdjacentAs, "AS400 and AS100 are linked; who pays is not known"),
            ("10.1.0.1", "30.0.0.1", Tier::Remote, "2 links from AS100 to AS300"),
            ("10.1.0.1", "50.0.0.1", Tier::Remote, "no route from AS100 to AS500 is known"),
            ("10.1.0.1", "2001:db8::1", Tier::Unknown, "the AS of an end is not known"),
        ] {
            let judged = Judged::of(&atlas, atlas.place(a.parse().unwrap()), atlas.place(b.parse().unwrap()));
            assert_eq!((judged.tier, judged.why.as_str()), (tier, why), "{a} {b}");
        }
    }
}
