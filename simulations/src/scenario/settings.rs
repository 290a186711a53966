//! Scenarios from text, and their settings by name.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use super::{Scenario, ScenarioError, nearest::nearest};

/// Numbers from here on are shown with an exponent: TOML's whole numbers end before.
const WHOLE_MAX: f64 = 1e15;

/// Settings of the policy have names that begin so.
const POLICY: &str = "policy.";

impl Scenario {
    /// Reads a scenario. What the text does not say has its default. To be followed by
    /// [`Scenario::validate`].
    ///
    /// # Errors
    /// Says in which line and column the text is no TOML, has a value of the wrong kind, or has a
    /// field that there is not.
    pub fn parse(text: &str) -> Result<Scenario, ScenarioError> {
        parse(text)
    }

    /// Sets one setting: `peers=100`, `network.latency_ms=20`, `policy.links.wanted=20`. A text needs
    /// quotes only if it begins or ends with a space or a quote. To be followed by
    /// [`Scenario::validate`].
    ///
    /// # Errors
    /// If there is no such setting, or it cannot have this value. Then nothing is changed.
    pub fn set(&mut self, assignment: &str) -> Result<(), ScenarioError> {
        let (name, value) = assignment.split_once('=').ok_or_else(|| ScenarioError::Argument {
            text: assignment.to_owned(),
            wanted: "a setting: NAME=VALUE",
        })?;
        self.set_to(name.trim(), value.trim())
    }

    /// Sets the setting of this name to this value, as [`Scenario::set`] does.
    ///
    /// # Errors
    /// As [`Scenario::set`].
    pub fn set_to(&mut self, name: &str, value: &str) -> Result<(), ScenarioError> {
        if let Some(knob) = name.strip_prefix(POLICY) {
            return self.policy.set(knob, value);
        }
        if name == "policy" {
            let why = "it is a group; see `policy.links.wanted`".to_owned();
            return Err(ScenarioError::Value { name: name.to_owned(), value: value.to_owned(), why });
        }
        *self = with(&self.table(), name, value)?;
        Ok(())
    }

    /// Every setting's name and value, those of the policy included, as [`Scenario::set`] takes them.
    pub fn options(&self) -> BTreeMap<String, String> {
        let mut options = BTreeMap::new();
        list("", &self.table(), &mut options, true);
        let policy = self.policy.settings().into_iter();
        options.extend(policy.map(|(name, value)| (format!("{POLICY}{name}"), value)));
        options
    }

    /// The scenario that has these settings, as [`Scenario::options`] lists them. What is not listed
    /// has its default.
    ///
    /// # Errors
    /// As [`Scenario::set`].
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Scenario, ScenarioError> {
        let mut scenario = Scenario::default();
        options.iter().try_for_each(|(name, value)| scenario.set_to(name, value))?;
        Ok(scenario)
    }

    fn table(&self) -> Table {
        table(self)
    }
}

/// Reads a scenario of any kind.
///
/// # Errors
/// As [`Scenario::parse`].
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ScenarioError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        ScenarioError::Text {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: plain(error.message()),
        }
    })
}

/// A scenario of any kind as a table.
pub(crate) fn table<T: Serialize>(scenario: &T) -> Table {
    Table::try_from(scenario).expect("texts, numbers, lists and tables are all that a scenario has")
}

/// The scenario of this table with one setting changed.
///
/// # Errors
/// As [`Scenario::set`].
pub(crate) fn with<T: DeserializeOwned>(table: &Table, name: &str, value: &str) -> Result<T, ScenarioError> {
    let why = match find(table, name) {
        None => return Err(unknown(table, name)),
        Some(Value::Table(group)) => {
            let known: Vec<String> = group.keys().map(|key| format!("`{name}.{key}`")).collect();
            format!("it is a group of settings: {}", known.join(", "))
        }
        Some(_) => match read_any(table, name, value) {
            Ok(scenario) => return Ok(scenario),
            Err(why) => why,
        },
    };
    Err(ScenarioError::Value { name: name.to_owned(), value: value.to_owned(), why })
}

/// Every setting's name and value, as [`with`] takes them.
pub(crate) fn listed(table: &Table) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    list("", table, &mut options, false);
    options
}

fn find<'a>(table: &'a Table, name: &str) -> Option<&'a Value> {
    match name.split_once('.') {
        None => table.get(name),
        Some((group, rest)) => find(table.get(group)?.as_table()?, rest),
    }
}

fn replaced(mut table: Table, name: &str, value: Value) -> Table {
    match name.split_once('.') {
        None => {
            table.insert(name.to_owned(), value);
        }
        Some((group, rest)) => {
            if let Some(Value::Table(inner)) = table.remove(group) {
                table.insert(group.to_owned(), Value::Table(replaced(inner, rest, value)));
            }
        }
    }
    table
}

/// The scenario of this table with one setting changed; else why the last reading of the text does
/// not do.
fn read_any<T: DeserializeOwned>(table: &Table, name: &str, text: &str) -> Result<T, String> {
    let mut why = String::new();
    for value in readings(text) {
        match replaced(table.clone(), name, value).try_into() {
            Ok(scenario) => return Ok(scenario),
            Err(error) => why = plain(error.message()),
        }
    }
    Err(why)
}

/// What a text may mean: what TOML says, and the text itself.
fn readings(text: &str) -> Vec<Value> {
    let read = toml::from_str::<Table>(&format!("value = {text}")).ok();
    let one = read.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    match one {
        Some(Value::String(text)) => vec![Value::String(text)],
        Some(value) => vec![Value::String(text.to_owned()), value],
        None => vec![Value::String(text.to_owned())],
    }
}

/// Lists what a table holds. Without what lies in `policy`, if that is listed elsewhere.
fn list(before: &str, table: &Table, into: &mut BTreeMap<String, String>, but_policy: bool) {
    for (key, value) in table {
        let name = format!("{before}{key}");
        match value {
            Value::Table(_) if but_policy && name == "policy" => {}
            Value::Table(table) => list(&format!("{name}."), table, into, but_policy),
            value => {
                into.insert(name, show(value));
            }
        }
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) if stands_bare(text) => text.clone(),
        Value::Float(number) if number.abs() < WHOLE_MAX => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(show).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Integer(number) => number.to_string(),
        Value::Boolean(is) => is.to_string(),
        Value::String(text) => quoted(text),
        Value::Datetime(_) | Value::Table(_) => quoted(""),
    }
}

/// Whether a text means itself where it stands without quotes, also in a list with commas.
fn stands_bare(text: &str) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\'' | ',' | '[' | ']' | '{' | '}');
    text.trim() == text && text.chars().all(plain)
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// There is none of this name. Knows the names of the group that there is, else the top ones.
fn unknown(table: &Table, name: &str) -> ScenarioError {
    let mut all = BTreeMap::new();
    list("", table, &mut all, false);
    let group = name.rsplit_once('.').map(|(group, _)| group);
    let inside = group.and_then(|group| Some((group, find(table, group)?.as_table()?)));
    let known: Vec<String> = match inside {
        Some((group, table)) => table.keys().map(|key| format!("{group}.{key}")).collect(),
        None => table.keys().cloned().collect(),
    };
    let candidates = all.keys().chain(table.keys()).map(String::as_str);
    ScenarioError::Unknown {
        name: name.to_owned(),
        nearest: nearest(name, candidates).map(str::to_owned),
        known: known.join(", "),
    }
}

/// Adds to a message about an unknown name which one was meant. Such a message names the unknown one
/// first, and then those that are known, all in backquotes.
fn plain(message: &str) -> String {
    let message = message.trim_end().replace('\n', " ");
    let named: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match named.split_first() {
        Some((name, known)) if message.starts_with("unknown ") => {
            let meant = nearest(name, known.iter().copied());
            let meant = meant.map(|meant| format!(" (did you mean `{meant}`?)")).unwrap_or_default();
            format!("{message}{meant}")
        }
        _ => message,
    }
}
