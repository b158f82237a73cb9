//! Runs programs: argument vectors only, never a shell, with a deadline and capped output.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::task::AbortOnDropHandle;

/// What a program inherits; everything else of the environment stays out, secrets above all.
const INHERITED: &[&str] =
    &["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "KUBECONFIG", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "SSH_AUTH_SOCK"];

/// A program to run.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Program and arguments; the program by absolute path or found through PATH.
    pub argv: Vec<String>,
    /// Variables on top of the few that are inherited.
    pub env: BTreeMap<String, String>,
    /// When it is ended, with all processes of its group.
    pub timeout: Duration,
    /// What is kept of each of stdout and stderr, in bytes; the rest is read and dropped.
    pub max_output_bytes: usize,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output, as far as kept.
    pub stdout: String,
    /// Its standard error, as far as kept.
    pub stderr: String,
}

/// Why a program has no exit code.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The argument vector has no program.
    #[error("the argument vector is empty")]
    Empty,
    /// It could not be started; nothing happened.
    #[error("cannot start {program}: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ran into the deadline and was ended; what it did until then is unknown.
    #[error("{program} did not finish within {} s and was ended", timeout.as_secs())]
    TimedOut {
        /// The program.
        program: String,
        /// The deadline.
        timeout: Duration,
    },
    /// It ran, but its end could not be observed.
    #[error("lost sight of {program}: {source}")]
    Lost {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Runs programs.
#[async_trait]
pub trait Exec: Send + Sync {
    /// Runs one to its end or deadline. Dropping the future asks the program to end (SIGTERM).
    ///
    /// # Errors
    /// See [`ExecError`]: only `Empty` and `NotStarted` mean that nothing happened.
    async fn run(&self, invocation: &Invocation) -> Result<Finished, ExecError>;
}

/// Real processes, each in a group of its own.
pub struct SystemExec;

#[async_trait]
impl Exec for SystemExec {
    async fn run(&self, invocation: &Invocation) -> Result<Finished, ExecError> {
        let (program, arguments) = invocation.argv.split_first().ok_or(ExecError::Empty)?;
        let mut child = spawn(program, arguments, &invocation.env).map_err(|source| ExecError::NotStarted { program: program.clone(), source })?;
        let group = Group::of(child.id());
        let cap = invocation.max_output_bytes;
        let (stdout, stderr) = (Output::of(child.stdout.take(), cap), Output::of(child.stderr.take(), cap));
        let ended = tokio::time::timeout(invocation.timeout, child.wait()).await;
        match ended {
            Ok(Ok(status)) => {
                // What it started in the background may live on, and may hold the pipes for ever.
                group.disarm();
                let (stdout, stderr) = tokio::join!(stdout.kept(), stderr.kept());
                Ok(Finished { code: status.code(), stdout, stderr })
            }
            Ok(Err(source)) => Err(ExecError::Lost { program: program.clone(), source }),
            Err(_) => {
                group.end(&mut child).await;
                Err(ExecError::TimedOut { program: program.clone(), timeout: invocation.timeout })
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this port is the one place that starts programs and hands on the environment")]
fn spawn(program: &str, arguments: &[String], env: &BTreeMap<String, String>) -> std::io::Result<tokio::process::Child> {
    let inherited = INHERITED.iter().filter_map(|name| std::env::var_os(name).map(|value| (*name, value)));
    tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(inherited)
        .envs(env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// How long a program that is asked to end may take.
const MANNERS: Duration = Duration::from_secs(2);
/// How long output is waited for once the program has ended.
const LINGER: Duration = Duration::from_millis(300);

/// An output pipe that is read by a task of its own; the first `cap` bytes are kept.
struct Output {
    kept: Arc<Mutex<Vec<u8>>>,
    reader: AbortOnDropHandle<()>,
}

impl Output {
    fn of(pipe: Option<impl AsyncRead + Unpin + Send + 'static>, cap: usize) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let filled = kept.clone();
        let reader = async move {
            let Some(mut pipe) = pipe else { return };
            let mut block = vec![0; 8_192];
            while let Ok(n @ 1..) = pipe.read(&mut block).await {
                let mut kept = filled.lock().unwrap_or_else(PoisonError::into_inner);
                let room = cap.saturating_sub(kept.len()).min(n);
                kept.extend_from_slice(&block[..room]);
            }
        };
        Self { kept, reader: AbortOnDropHandle::new(tokio::spawn(reader)) }
    }

    /// What came, as far as it comes soon after the program's end.
    async fn kept(self) -> String {
        // A pipe that somebody else still holds is given up; what was read counts.
        let _ = tokio::time::timeout(LINGER, self.reader).await;
        String::from_utf8_lossy(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// Asks the process group to end when dropped, unless the program ended by itself: a cancelled failover gets the chance to clean up.
struct Group(Option<Pid>);

impl Group {
    fn of(id: Option<u32>) -> Self {
        Self(id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn disarm(mut self) {
        self.0 = None;
    }

    /// Asks first, and insists after a while.
    async fn end(self, child: &mut tokio::process::Child) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(MANNERS, child.wait()).await.is_err() {
            self.signal(Signal::KILL);
        }
        // What the program left running in its group goes with it.
        self.signal(Signal::KILL);
        self.disarm();
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // A group that is gone already is what is wanted.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(argv: &[&str]) -> Invocation {
        Invocation { argv: argv.iter().map(|&a| a.to_owned()).collect(), env: BTreeMap::new(), timeout: Duration::from_millis(400), max_output_bytes: 64 }
    }

    #[tokio::test]
    async fn gives_code_and_capped_output() {
        let done = SystemExec.run(&invocation(&["sh", "-c", "yes | head -c 100000; echo oops >&2; exit 3"])).await.expect("sh starts");
        assert_eq!((done.code, done.stdout.len(), done.stderr.as_str()), (Some(3), 64, "oops\n"));
    }

    #[tokio::test]
    async fn ends_the_whole_group_at_the_deadline() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let script = format!("(sleep 1; echo late > {}) & wait", file.path().display());
        let error = SystemExec.run(&invocation(&["sh", "-c", &script])).await.expect_err("runs past the deadline");
        assert!(matches!(error, ExecError::TimedOut { .. }), "{error}");
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(std::fs::read(file.path()).expect("readable"), b"", "a grandchild lived on");
    }

    #[tokio::test]
    async fn what_a_program_leaves_running_lives_on_and_delays_nothing() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let script = format!("(sleep 0.6; echo late > {}) & echo started; exit 0", file.path().display());
        let begun = std::time::Instant::now();
        let done = SystemExec.run(&Invocation { timeout: Duration::from_secs(5), ..invocation(&["sh", "-c", &script]) }).await.expect("ends");
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), "started\n"));
        assert!(begun.elapsed() < Duration::from_millis(900), "waited for the background");
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(std::fs::read_to_string(file.path()).expect("readable"), "late\n", "the background was ended");
    }

    #[tokio::test]
    async fn a_missing_program_never_started() {
        let error = SystemExec.run(&invocation(&["/nonexistent/program"])).await.expect_err("cannot start");
        assert!(matches!(error, ExecError::NotStarted { .. }), "{error}");
    }
}
