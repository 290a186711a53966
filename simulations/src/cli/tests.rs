use clap::CommandFactory;

use super::*;

fn read(line: &str) -> Result<Cli, clap::Error> {
    Cli::read(line.split_whitespace().map(OsString::from))
}

#[test]
fn the_command_tree_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_help_begins_with_examples_and_ends_with_the_exit_codes() {
    let all = Cli::command();
    for mut command in all.get_subcommands().chain([&all]).cloned() {
        let help = command.render_long_help().to_string();
        let examples = help.find("Examples:\n  ").unwrap_or_else(|| panic!("{help}"));
        assert!(examples < help.find("Usage: ").unwrap_or_else(|| panic!("{help}")), "{help}");
        assert!(help.trim_end().ends_with(EXIT_CODES_HELP), "{help}");
    }
}

#[test]
fn every_example_parses() {
    let all = Cli::command();
    let mut tried = 0;
    for command in all.get_subcommands().chain([&all]) {
        let examples = command.get_before_help().map(ToString::to_string).unwrap_or_default();
        for line in examples.lines().filter(|line| line.starts_with("  ")).flat_map(|line| line.split(';')) {
            // What stands behind some spaces, or goes to another program or file, is for people.
            let line = line.trim().split("   ").next().unwrap_or_default();
            let line = line.split(['|', '>']).next().unwrap_or_default();
            // The other programs have tests of their own.
            if line.starts_with("nearcast-sim ") {
                let parsed = read(line);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried} examples");
}

#[test]
fn every_command_of_the_contract_parses() {
    for line in [
        "nearcast-sim list --json",
        "nearcast-sim show churn --json",
        "nearcast-sim run churn --seed 3 --set peers=4 --set runs=2 --atlas a.atlas --out d",
        "nearcast-sim run --set peers=4 runs=2 churn --out d",
        "nearcast-sim fidelity --set peers=4 runs=2 churn",
        "nearcast-sim run a.toml --seeds 1..8 --fidelity pulled --shard 1/2 --jobs 2 --quiet --out d --json",
        "nearcast-sim compare a b --json --html c.html",
        "nearcast-sim compare a b --with-a a2 a3 --with-b b2",
        "nearcast-sim cost --demand 25PB --prices p.toml --summary a --summary b --json",
        "nearcast-sim fidelity churn --set peers=4 --seeds 1..2 --json",
        "nearcast-sim replay flight.jsonl --policy links.wanted=4 --policy requests.most=3",
        "nearcast-sim check --json",
        "nearcast-sim clinic --seeds 1..2 --only riders --out d --against e --json",
        "nearcast-sim fluid churn --peers 40M --set peers=4 runs=2 --fit a --fit b --out d --json",
        "nearcast-sim fluid --beside sweep",
        "nearcast-sim completions zsh",
        "nearcast-sim man pages --json",
    ] {
        let parsed = read(line);
        assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
    }
}

#[test]
fn wrong_command_lines_are_refused() {
    for line in [
        "nearcast-sim run",
        "nearcast-sim run churn",
        "nearcast-sim run churn --out d --seed 1 --seeds 1..2",
        "nearcast-sim run churn --out d --jobs 0",
        "nearcast-sim compare a",
        "nearcast-sim cost --demand much",
        "nearcast-sim cost --shares moon=1",
        "nearcast-sim replay",
        "nearcast-sim sing",
    ] {
        let error = read(line).unwrap_err();
        assert!(error.use_stderr(), "{line}");
    }
}
