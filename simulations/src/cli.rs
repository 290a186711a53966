//! The command tree, and how a command runs and ends.
//!
//! Results go to standard output, and everything else to standard error. Nothing here decides what a
//! world does.

mod chart;
mod check;
mod clinic;
mod compare;
mod completions;
mod cost;
mod crowd;
mod error;
mod exit;
mod fidelity;
mod fluid;
mod frontier;
mod interrupt;
mod list;
mod man;
mod overlay;
mod progress;
mod replay;
mod run;
mod screen;
mod show;
mod source;
mod verdict;
mod words;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use self::{
    error::CliError,
    exit::{EXIT_CODES_HELP, Exit},
    interrupt::Interrupts,
    screen::Screen,
};

/// The examples come before everything else: most people want a line to change.
const HELP: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

const EXAMPLES: &str = "\
Examples:
  nearcast-sim list                                  what there is to run
  nearcast-sim run flash-crowd --out crowd           one run; crowd/report.html shows it
  nearcast-sim run flash-crowd --set peers=50,100,200 --seeds 1..8 --out sweep
  nearcast-sim compare before after                  two runs, or two sweeps, side by side";

/// Simulates swarms of nearcast peers: the policy of real nodes, in a virtual world.
#[derive(Debug, Parser)]
#[command(
    name = "nearcast-sim",
    version,
    before_help = EXAMPLES,
    after_help = EXIT_CODES_HELP,
    help_template = HELP,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios that come with the simulator.
    #[command(before_help = list::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    List(list::List),
    /// Show a scenario: its text, or all its settings.
    #[command(before_help = show::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Show(show::Show),
    /// Run a scenario, or a sweep over its settings and over seeds, and write what came of it.
    ///
    /// The same scenario, settings and seed give the same run, to the last input. The exit code is 0 only if every check
    /// of every run held.
    #[command(before_help = run::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Run(Box<run::Run>),
    /// Compare two runs, or two sweeps.
    #[command(before_help = compare::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Compare(compare::Compare),
    /// Say what a month of traffic costs, and who carries it.
    #[command(before_help = cost::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Cost(cost::Cost),
    /// Show how far the faster way to simulate is from the exact one.
    #[command(before_help = fidelity::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Fidelity(Box<fidelity::Compared>),
    /// Run a scenario with tens of millions of peers: as numbers of peers, not one by one.
    ///
    /// How well peers use their uplinks, and how much groups import, is fitted from exact runs. Everything else follows
    /// from who comes when, over which links.
    #[command(before_help = fluid::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Fluid(Box<fluid::Fluid>),
    /// Run supernodes and leaves without contents, and see how they grow, fail and find each other again.
    ///
    /// The overlay's scenarios are files of their own (docs/scenarios.md). Without a scenario, they are listed. The exit
    /// code is 0 only if every check of every run held.
    #[command(before_help = overlay::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Overlay(Box<overlay::Overlay>),
    /// Tell a fresh engine what a node was told, and compare what both decided.
    ///
    /// A node that runs with NEARCAST_FLIGHT=FILE records a flight: what its engine was told, and what it decided. The
    /// same policy must decide the same again. With another policy, the differences are counted.
    #[command(before_help = replay::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Replay(replay::Replayed),
    /// Run the clinic: what was wrong with the policy, how it is now, and what is wanted.
    ///
    /// Each case is a scenario in which the policy did badly, often run in several ways that are compared. The exit code
    /// is 0 only if every figure is as wanted.
    #[command(before_help = clinic::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Clinic(clinic::Clinic),
    /// Compare nearness with random choice over many layouts, drawn from seeds.
    ///
    /// Each layout has some ASes of different sizes, uplinks by dice, and an origin that is scarce or ample. It is run
    /// twice. Nearness is to cost no group any time, and a group is to import no more than it must. The exit code is 0 only
    /// if the middle layout is as wanted.
    #[command(before_help = frontier::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Frontier(frontier::Frontier),
    /// Check the simulator itself against what is known by theory.
    #[command(before_help = check::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Check(check::Checks),
    /// Print a script with which a shell completes command lines of nearcast-sim.
    #[command(before_help = completions::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Completions(completions::Completions),
    /// Write the manual pages of nearcast-sim.
    #[command(before_help = man::EXAMPLES, after_help = EXIT_CODES_HELP, help_template = HELP)]
    Man(man::Man),
}

/// Runs what the command line asks for.
pub(crate) fn run() -> Exit {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::BadOption } else { Exit::Ok };
            // If the help cannot be written, there is no better place for another error.
            let _ = error.print();
            return exit;
        }
    };
    let screen = Screen::new(cli.command.quiet(), cli.command.json());
    let ended = Interrupts::listen()
        .map_err(|source| CliError::Io { path: "signal handlers".into(), source })
        .and_then(|interrupts| cli.command.run(&screen, &interrupts))
        .and_then(|()| screen.finish());
    match ended {
        Ok(()) => Exit::Ok,
        Err(error) => {
            screen.fail(&error);
            error.exit()
        }
    }
}

impl Cli {
    /// Reads a command line, the program's name included.
    fn read(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(words::spread(words))
    }
}

impl Command {
    fn json(&self) -> bool {
        match self {
            Command::List(list) => list.json,
            Command::Show(show) => show.json,
            Command::Run(run) => run.json,
            Command::Compare(compare) => compare.json,
            Command::Cost(cost) => cost.json,
            Command::Fidelity(compared) => compared.json,
            Command::Fluid(fluid) => fluid.json,
            Command::Overlay(overlay) => overlay.json,
            Command::Replay(replayed) => replayed.json,
            Command::Clinic(clinic) => clinic.json,
            Command::Frontier(frontier) => frontier.json,
            Command::Check(checks) => checks.json,
            Command::Man(man) => man.json,
            Command::Completions(_) => false,
        }
    }

    fn quiet(&self) -> bool {
        match self {
            Command::Run(run) => run.quiet,
            Command::Fidelity(compared) => compared.quiet,
            Command::Overlay(overlay) => overlay.quiet,
            Command::Clinic(clinic) => clinic.quiet,
            Command::Frontier(frontier) => frontier.quiet,
            _ => false,
        }
    }

    fn run(&self, screen: &Screen, interrupts: &Interrupts) -> Result<(), CliError> {
        match self {
            Command::List(list) => list.run(screen),
            Command::Show(show) => show.run(screen),
            Command::Run(run) => run.run(screen, interrupts),
            Command::Compare(compare) => compare.run(screen, interrupts),
            Command::Cost(cost) => cost.run(screen),
            Command::Fidelity(compared) => compared.run(screen),
            Command::Fluid(fluid) => fluid.run(screen, interrupts),
            Command::Overlay(overlay) => overlay.run(screen, interrupts),
            Command::Replay(replayed) => replayed.run(screen),
            Command::Clinic(clinic) => clinic.run(screen, interrupts),
            Command::Frontier(frontier) => frontier.run(screen),
            Command::Check(checks) => checks.run(screen),
            Command::Completions(completions) => completions.run(),
            Command::Man(man) => man.run(screen),
        }
    }
}

#[cfg(test)]
mod tests;
