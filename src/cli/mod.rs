//! The command line face, for people and scripts: the same rooms as MCP.
//!
//! **Invariant:** stdout carries only answers, and with `--json` only JSON; exit code 0 is fine, 1 a problem found, 2 wrong usage or
//! configuration, 3 could not run.

mod audit;
mod check;
mod classify;
mod drill;
mod logs;
mod output;
mod passphrase;
mod picture;
mod playbook;
mod recover;
mod serve;
mod signals;
mod token;
mod tools;
mod watch;

use std::{path::PathBuf, sync::Arc};

use clap::{CommandFactory as _, Parser, Subcommand};

pub use output::Out;
pub use serve::Serving;

use crate::{flows::Services, types::lang::Lang};

/// Troubleshoots a running system: checks health, reads logs, classifies incidents, shows playbooks, recovers. For people, and for AI
/// assistants over MCP.
#[derive(Debug, Parser)]
#[command(
    name = "opsmedic",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 fine, 1 problem found, 2 wrong usage or configuration, 3 could not run."
)]
pub struct Cli {
    /// Configuration file [default: $OPSMEDIC_CONFIG, ~/.config/opsmedic/opsmedic.toml, /etc/opsmedic/opsmedic.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
    /// Language of texts: en or zh [default: as configured]
    #[arg(long, global = true)]
    pub lang: Option<Lang>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run health checks
    Check(check::CheckArgs),
    /// Analyze log files
    #[command(subcommand)]
    Logs(logs::LogsCommand),
    /// Classify an incident by what is known of it
    Classify(classify::ClassifyArgs),
    /// Plan, run, approve and follow recoveries
    #[command(subcommand)]
    Recover(recover::RecoverCommand),
    /// Look at every target and recover those whose checks fail, under all guards, until Ctrl-C
    Watch(watch::WatchArgs),
    /// Read the audit of recoveries
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Read playbooks
    #[command(subcommand)]
    Playbook(playbook::PlaybookCommand),
    /// List the MCP tools
    Tools,
    /// Rehearse: break a service of its own, find, judge and mend it, as an assistant would
    Drill(drill::DrillArgs),
    /// Serve MCP over stdin and stdout, or over HTTP
    Serve(serve::ServeArgs),
    /// Make a bearer token for callers over HTTP; shown once, kept nowhere
    Token(token::TokenArgs),
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Nothing wrong.
    Fine = 0,
    /// It ran and found a problem.
    Problem = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// It could not run.
    CouldNotRun = 3,
}

/// Why a command gave no answer.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// For stderr.
    pub message: String,
    /// `{code, message, hint}` for stdout with `--json`, where there is a code.
    pub json: Option<serde_json::Value>,
}

impl Failure {
    /// With this exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), json: None }
    }

    /// Wrong usage.
    pub fn usage(error: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }

    /// Could not run.
    pub fn could_not_run(error: impl std::fmt::Display) -> Self {
        Self::new(Exit::CouldNotRun, error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // Like `| head`: enough was read, nothing went wrong.
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Fine, "");
        }
        Self::could_not_run(error)
    }
}

/// The result of a command.
pub type Outcome = Result<Exit, Failure>;

impl Cli {
    /// Commands that need neither configuration nor services; none if this is not one.
    ///
    /// # Errors
    /// As the command.
    pub async fn run_alone(&self, out: &mut Out) -> Option<Outcome> {
        match &self.command {
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut Self::command(), "opsmedic", &mut script);
                Some(out.raw(&script).map(|()| Exit::Fine).map_err(Into::into))
            }
            Command::Token(args) => Some(token::run(args, out)),
            Command::Drill(args) => Some(drill::run(args, out).await),
            Command::Recover(recover::RecoverCommand::Passphrase(args)) => Some(recover::make_key(args, out)),
            _ => None,
        }
    }

    /// Whether this serves, so that more is logged.
    pub fn serves(&self) -> bool {
        matches!(self.command, Command::Serve(_) | Command::Watch(_))
    }

    /// Whether recovery is to be refused.
    pub fn read_only(&self) -> bool {
        matches!(&self.command, Command::Serve(args) if args.read_only)
    }

    /// Runs a command that works with the rooms.
    ///
    /// # Errors
    /// As the command.
    pub async fn run(self, services: Arc<Services>, serving: Serving, out: &mut Out) -> Outcome {
        let lang = self.lang.unwrap_or(services.lang);
        match self.command {
            Command::Check(args) => check::run(&args, &services, out).await,
            Command::Logs(command) => logs::run(command, &services, lang, out).await,
            Command::Classify(args) => classify::run(args, &services, lang, out),
            Command::Recover(command) => recover::run(command, &services, out).await,
            Command::Watch(args) => watch::run(&args, services, out).await,
            Command::Audit(command) => audit::run(command, &services, out).await,
            Command::Playbook(command) => playbook::run(&command, &services, lang, out),
            Command::Tools => tools::run(out),
            Command::Serve(args) => serve::run(&args, services, serving).await,
            Command::Drill(_) | Command::Token(_) | Command::Completions { .. } => unreachable!("run without services"),
        }
    }
}
