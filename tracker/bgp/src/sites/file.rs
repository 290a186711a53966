//! The file of sites, in TOML. All its problems are reported at once, each with its line.
//!
//! ```toml
//! [[site]]
//! name = "Berlin"
//! prefixes = ["10.1.0.0/16", "fd00:1::/48"]
//! links = [{ to = "Munich", cost = "free" }, { to = "Lagos", cost = "both" }]
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};

use ipnetwork::IpNetwork;
use nearcast_core::asn::{Asn, Relation};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Cost, Site, Sites, number};

/// A larger file is not a file of sites. In bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// The most sites. More would be a network of the size of the Internet.
pub const SITES_MAX: usize = 65_536;
/// The most problems that are reported.
const PROBLEMS_MAX: usize = 50;
/// The longest name, in bytes: names are shown on screens.
const NAME_BYTES_MAX: usize = 100;
/// How many existing names the hint for an unknown name lists.
const NAMES_TOLD_MAX: usize = 8;

/// The problems of a file of sites: one sentence a line, each with file and line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct SitesError(Vec<String>);

/// What the file says about one site, with line numbers.
struct Draft {
    line: usize,
    name: String,
    asn: Option<Asn>,
    prefixes: Vec<(IpNetwork, usize)>,
    links: Vec<(String, Cost, usize)>,
}

/// Parses the text of such a file; `name` is the file's name in messages.
///
/// # Errors
/// All problems of the file.
pub fn parse(text: &str, name: &str) -> Result<Sites, SitesError> {
    let mut reader = Reader { text, problems: Vec::new() };
    let drafts = reader.drafts();
    let sites = reader.sites(&drafts);
    let links = reader.links(&drafts, &sites);
    if reader.problems.is_empty() {
        return Ok(Sites { sites, links });
    }
    reader.problems.sort();
    let more = reader.problems.len().saturating_sub(PROBLEMS_MAX);
    let told = reader.problems.into_iter().take(PROBLEMS_MAX);
    let mut said: Vec<String> = told.map(|(line, problem)| format!("{name}:{line}: {problem}")).collect();
    if more > 0 {
        said.push(format!("{name}: and {more} more"));
    }
    Err(SitesError(said))
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<(usize, String)>,
}

/// What a value should have been.
type Wrong = String;

impl Reader<'_> {
    fn line_of(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|&byte| byte == b'\n').count().saturating_add(1)
    }

    fn wrong(&mut self, line: usize, problem: impl Into<String>) {
        self.problems.push((line, problem.into()));
    }

    fn drafts(&mut self) -> Vec<Draft> {
        let table = match DeTable::parse(self.text) {
            Ok(table) => table,
            Err(error) => {
                let line = self.line_of(error.span().map_or(0, |span| span.start));
                self.wrong(line, error.message());
                return Vec::new();
            }
        };
        let mut drafts = Vec::new();
        for (key, value) in table.get_ref() {
            let line = self.line_of(key.span().start);
            match (&**key.get_ref(), value.get_ref()) {
                ("site", DeValue::Array(sites)) if sites.len() <= SITES_MAX => {
                    drafts.extend(sites.iter().filter_map(|site| self.draft(site)));
                }
                ("site", DeValue::Array(_)) => {
                    self.wrong(line, format!("there are more than {SITES_MAX} sites"))
                }
                ("site", _) => self.wrong(line, "each site begins with [[site]], in double brackets"),
                (other, _) => {
                    self.wrong(line, format!("there is no {other} here; each site begins with [[site]]"))
                }
            }
        }
        if drafts.is_empty() && self.problems.is_empty() {
            self.wrong(1, "there is no [[site]] in it");
        }
        drafts
    }

    fn draft(&mut self, site: &Spanned<DeValue<'_>>) -> Option<Draft> {
        let mut line = self.line_of(site.span().start);
        let DeValue::Table(table) = site.get_ref() else {
            self.wrong(line, "each site begins with [[site]], in double brackets");
            return None;
        };
        let mut draft =
            Draft { line, name: String::new(), asn: None, prefixes: Vec::new(), links: Vec::new() };
        for (key, value) in table {
            let at = self.line_of(key.span().start);
            let taken = match &**key.get_ref() {
                "name" => {
                    line = at;
                    text(value).and_then(name).map(|name| draft.name = name)
                }
                "asn" => private_number(value).map(|asn| draft.asn = Some(asn)),
                "prefixes" => self.each(value, |value, at| {
                    let prefix = text(value).and_then(prefix)?;
                    draft.prefixes.push((prefix, at));
                    Ok(())
                }),
                "links" => self.each(value, |value, at| {
                    let (to, cost) = link(value)?;
                    draft.links.push((to, cost, at));
                    Ok(())
                }),
                other => Err(format!("a site has a name, prefixes, links and an asn, and no {other}")),
            };
            if let Err(wrong) = taken {
                self.wrong(at, wrong);
            }
        }
        draft.line = line;
        let has = |key: &str| table.keys().any(|known| **known.get_ref() == *key);
        if !has("name") {
            self.wrong(line, "this site has no name: name = \"Berlin\"");
        } else if !has("prefixes") {
            let problem = format!("{} has no prefixes: prefixes = [\"10.1.0.0/16\"]", draft.name);
            self.wrong(line, problem);
        }
        (!draft.name.is_empty()).then_some(draft)
    }

    /// Passes each value of a list to `take`. Problems are reported at the line of the value.
    fn each(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        mut take: impl FnMut(&Spanned<DeValue<'_>>, usize) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        let DeValue::Array(values) = value.get_ref() else {
            return Err("a list is expected, in brackets: [\"…\", \"…\"]".to_owned());
        };
        for value in values {
            let at = self.line_of(value.span().start);
            if let Err(wrong) = take(value, at) {
                self.wrong(at, wrong);
            }
        }
        Ok(())
    }

    fn sites(&mut self, drafts: &[Draft]) -> Vec<Site> {
        let mut lines: HashMap<&str, usize> = HashMap::new();
        let mut numbers: HashMap<Asn, &str> = HashMap::new();
        for draft in drafts {
            if let Some(first) = lines.insert(&draft.name, draft.line) {
                self.wrong(
                    draft.line,
                    format!("the name {} is given twice, first in line {first}", draft.name),
                );
            }
            if let Some(other) = draft.asn.and_then(|asn| numbers.insert(asn, &draft.name)) {
                self.wrong(draft.line, format!("{} has the number of {other}", draft.name));
            }
        }
        self.overlaps(drafts);
        // In the order of names, so that the order of the file does not matter.
        let unnumbered: BTreeMap<&str, ()> = drafts
            .iter()
            .filter(|draft| draft.asn.is_none())
            .map(|draft| (draft.name.as_str(), ()))
            .collect();
        let mut given: HashMap<&str, Asn> = HashMap::new();
        for name in unnumbered.keys() {
            let asn = number(name, |asn| numbers.contains_key(&asn));
            numbers.insert(asn, name);
            given.insert(name, asn);
        }
        let asn = |draft: &Draft| draft.asn.or_else(|| given.get(draft.name.as_str()).copied());
        let site = |draft: &Draft| {
            let prefixes = draft.prefixes.iter().map(|&(prefix, _)| prefix).collect();
            Some(Site { name: draft.name.clone(), asn: asn(draft)?, prefixes })
        };
        drafts.iter().filter_map(site).collect()
    }

    /// Checks that no address belongs to two sites, and none appears twice.
    fn overlaps(&mut self, drafts: &[Draft]) {
        let mut all: Vec<(IpNetwork, usize, &str)> = drafts
            .iter()
            .flat_map(|draft| {
                draft.prefixes.iter().map(|&(prefix, line)| (prefix, line, draft.name.as_str()))
            })
            .collect();
        // After sorting, a prefix follows the one that contains it.
        all.sort_by_key(|&(prefix, line, _)| (prefix.network(), prefix.prefix(), line));
        let mut around: Vec<(IpNetwork, usize, &str)> = Vec::new();
        for (prefix, line, name) in all {
            while around.pop_if(|(outer, ..)| !holds(*outer, prefix)).is_some() {}
            match around.last() {
                Some((outer, first, other)) if *outer == prefix => {
                    self.wrong(
                        line,
                        format!("{prefix} of {name} is given twice, first in line {first}, to {other}"),
                    );
                }
                Some((outer, first, other)) => {
                    self.wrong(line, format!("{prefix} of {name} lies in {outer} of {other}, line {first}"));
                }
                None => {}
            }
            around.push((prefix, line, name));
        }
    }

    fn links(&mut self, drafts: &[Draft], sites: &[Site]) -> Vec<(Asn, Asn, Relation)> {
        let numbers: HashMap<&str, Asn> = sites.iter().map(|site| (site.name.as_str(), site.asn)).collect();
        let mut said: HashMap<(Asn, Asn), (Relation, usize)> = HashMap::new();
        let mut told: HashSet<(Asn, Asn)> = HashSet::new();
        let mut links = Vec::new();
        for draft in drafts {
            let Some(&ours) = numbers.get(draft.name.as_str()) else { continue };
            for (to, cost, line) in &draft.links {
                let Some(theirs) = numbers.get(to.as_str()).copied().or_else(|| public(to)) else {
                    self.wrong(
                        *line,
                        format!(
                            "{} is linked to {to}, and there is no such site{}",
                            draft.name,
                            hint(to, sites)
                        ),
                    );
                    continue;
                };
                let relation = cost.relation();
                if ours == theirs {
                    self.wrong(*line, format!("{} is linked to itself", draft.name));
                } else if !told.insert((ours, theirs)) {
                    self.wrong(*line, format!("{} is linked to {to} twice", draft.name));
                } else if let Some((other, first)) = said.get(&(theirs, ours)) {
                    if other.reversed() != relation {
                        let problem = format!(
                            "what the link of {} and {to} costs is another thing in line {first}",
                            draft.name
                        );
                        self.wrong(*line, problem);
                    }
                } else {
                    said.insert((ours, theirs), (relation, *line));
                    links.push((ours, theirs, relation));
                }
            }
        }
        links
    }
}

fn text<'a>(value: &'a Spanned<DeValue<'_>>) -> Result<&'a str, Wrong> {
    match value.get_ref() {
        DeValue::String(text) => Ok(&**text),
        other => {
            Err(format!("a text is expected, not {} {}; put it in quotes", article(other), other.type_str()))
        }
    }
}

fn article(value: &DeValue<'_>) -> &'static str {
    if matches!(value, DeValue::Integer(_) | DeValue::Array(_)) { "an" } else { "a" }
}

fn name(text: &str) -> Result<String, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(format!("a name has at most {NAME_BYTES_MAX} bytes, and no control characters"));
    }
    Ok(text.to_owned())
}

/// Parses an AS number that nobody in the Internet has.
fn private_number(value: &Spanned<DeValue<'_>>) -> Result<Asn, Wrong> {
    let asn = match value.get_ref() {
        DeValue::Integer(number) if number.radix() == 10 => {
            number.as_str().replace('_', "").parse::<Asn>().ok()
        }
        DeValue::String(text) => text.parse().ok(),
        _ => None,
    };
    let private = |asn: &Asn| matches!(asn.0, 64_512..=65_534 | 4_200_000_000..=4_294_967_294);
    asn.filter(private).ok_or_else(|| {
        "the asn of a site is a private one: 64512 to 65534, or 4200000000 to 4294967294; without it, one is chosen".to_owned()
    })
}

fn prefix(text: &str) -> Result<IpNetwork, Wrong> {
    let text = text.trim();
    let Some((_, bits)) = text.split_once('/') else {
        return Err(match text.parse::<std::net::IpAddr>() {
            Ok(ip) => format!(
                "\"{text}\" has no length: write {ip}/{} for this one address",
                if ip.is_ipv4() { 32 } else { 128 }
            ),
            Err(_) => format!("\"{text:.60}\" is no prefix: write it like 10.1.0.0/16 or fd00:1::/48"),
        });
    };
    // The parser would accept a mask after the slash, too.
    let network = bits.parse::<u8>().ok().and_then(|_| text.parse::<IpNetwork>().ok());
    let network = network
        .ok_or_else(|| format!("\"{text:.60}\" is no prefix: write it like 10.1.0.0/16 or fd00:1::/48"))?;
    if network.prefix() == 0 {
        return Err(format!("{network} is the whole Internet, and no site"));
    }
    let (first, bits) = (network.network(), network.prefix());
    if network.ip() != first {
        return Err(format!(
            "{network} has bits behind its length: write {first}/{bits}, or a longer length"
        ));
    }
    Ok(network)
}

/// Parses a link: a name, or a table with a name and a cost.
fn link(value: &Spanned<DeValue<'_>>) -> Result<(String, Cost), Wrong> {
    let DeValue::Table(table) = value.get_ref() else {
        return Ok((text(value)?.trim().to_owned(), Cost::Free));
    };
    let (mut to, mut cost) = (None, Cost::Free);
    for (key, value) in table {
        match &**key.get_ref() {
            "to" => to = Some(text(value)?.trim().to_owned()),
            "cost" => {
                let said = text(value)?;
                cost = Cost::named(said).ok_or_else(|| {
                    format!("the cost is \"free\", \"ours\", \"theirs\" or \"both\", and not \"{said:.60}\"")
                })?;
            }
            other => return Err(format!("a link has a to and a cost, and no {other}")),
        }
    }
    to.map(|to| (to, cost)).ok_or_else(|| "this link leads nowhere: to = \"Munich\"".to_owned())
}

/// Parses an AS of the Internet, written as AS3320.
fn public(text: &str) -> Option<Asn> {
    let is_number = text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("as")) && text.len() > 2;
    text.parse().ok().filter(|_| is_number)
}

fn holds(outer: IpNetwork, inner: IpNetwork) -> bool {
    outer.prefix() <= inner.prefix() && outer.contains(inner.network())
}

/// A hint on which name may have been meant.
fn hint(to: &str, sites: &[Site]) -> String {
    if let Some(site) = sites.iter().find(|site| site.name.eq_ignore_ascii_case(to)) {
        return format!("; did you mean {}?", site.name);
    }
    let names: Vec<&str> = sites.iter().take(NAMES_TOLD_MAX).map(|site| site.name.as_str()).collect();
    let more = if sites.len() > NAMES_TOLD_MAX { " and others" } else { "" };
    format!("; there are {}{more}", names.join(", "))
}
