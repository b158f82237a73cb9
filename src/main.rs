//! Parses the command line, runs it, and turns errors into exit codes.

use std::{process::ExitCode, time::Duration};

use clap::Parser as _;
use opsmedic::{
    app,
    cli::{Cli, Exit, Failure, Out, Outcome},
    config::{Config, Env},
    telemetry,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let env = Env::read();
    telemetry::start(env.log.as_deref(), cli.serves());
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::could_not_run(error)),
    };
    let json = cli.json;
    let outcome = runtime.block_on(run(cli, &env));
    // A read of stdin or a hung file system may still block a thread; it ends with the process.
    runtime.shutdown_timeout(Duration::from_millis(50));
    match outcome {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            if let Some(refusal) = failure.json.as_ref().filter(|_| json) {
                // Whoever reads no more needs no answer; the exit code tells.
                let _ = Out::new(true, true).line(format!("{refusal:#}"));
            }
            fail(&failure)
        }
    }
}

async fn run(cli: Cli, env: &Env) -> Outcome {
    let mut out = Out::new(cli.json, env.no_color);
    if let Some(outcome) = cli.run_alone(&mut out).await {
        return outcome;
    }
    let config = Config::load(cli.config.as_deref(), env).map_err(Failure::usage)?;
    let options = app::Options { read_only: cli.read_only() };
    let built = app::build(config, options).map_err(|e| Failure::new(Exit::Usage, format!("{e:#}")))?;
    cli.run(built.services, built.serving, &mut out).await
}

#[expect(clippy::print_stderr, reason = "the one place that tells a person why there is no answer")]
fn fail(failure: &Failure) -> ExitCode {
    if !failure.message.is_empty() {
        eprintln!("opsmedic: {}", telemetry::cleaned(&failure.message));
    }
    ExitCode::from(failure.exit as u8)
}
