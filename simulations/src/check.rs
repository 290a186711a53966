//! Checks of the simulator itself. A stand-in until there are some.

/// One check.
pub struct Check {
    /// How it is called.
    pub name: &'static str,
    /// What it shows, in one line.
    pub about: &'static str,
    /// Does it. Gives its figures, or what is wrong.
    pub run: fn() -> Result<String, String>,
}

/// All of them.
pub fn all() -> Vec<Check> {
    Vec::new()
}
