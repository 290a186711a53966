//! What can be wrong with a scenario, with a setting, or with a sweep.

/// Why a scenario cannot be used. A scenario on which setting something failed is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The text is no TOML, or has a value of the wrong kind or a field that there is not.
    #[error("line {line}, column {column}: {message}")]
    Text {
        /// Counts from 1.
        line: usize,
        /// Counts characters from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// There is no such setting.
    #[error("there is no setting `{name}`{}; known are {known}", did_you_mean(.nearest))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The most similar setting.
        nearest: Option<String>,
        /// The settings of the same group, or the groups.
        known: String,
    },
    /// A setting cannot have this value.
    #[error("`{name}` cannot be `{value}`: {why}")]
    Value {
        /// The setting.
        name: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// A setting is out of its range, or does not go with another.
    #[error("`{name}` must be {wanted}")]
    Invalid {
        /// The setting.
        name: String,
        /// What it may be.
        wanted: String,
    },
    /// No scenario has this name.
    #[error("there is no scenario `{name}`{}; known are {known}", did_you_mean(.nearest))]
    NoScenario {
        /// What was asked for.
        name: String,
        /// The most similar name.
        nearest: Option<String>,
        /// All names.
        known: String,
    },
    /// An argument that should set something, name seeds or name a shard does not.
    #[error("`{text}` is not {wanted}")]
    Argument {
        /// The argument.
        text: String,
        /// What it should look like.
        wanted: &'static str,
    },
    /// A sweep has more runs than anybody waits for.
    #[error("the sweep has {runs} runs; at most {most} are possible")]
    TooLarge {
        /// Runs of the sweep.
        runs: u128,
        /// The most there may be.
        most: usize,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

/// Passes if `ok`. Else `name` must be `wanted`.
pub(crate) fn check(ok: bool, name: &str, wanted: &str) -> Result<(), ScenarioError> {
    match ok {
        true => Ok(()),
        false => Err(ScenarioError::Invalid { name: name.to_owned(), wanted: wanted.to_owned() }),
    }
}
