//! A place of its own for every run of the binary: home, configuration, state and temporary files are inside, the caller's environment is not.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use super::mcp::McpClient;

/// No command of the tests takes this long; one that does hangs.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_opsmedic");

/// A key for the configuration, made by `opsmedic recover passphrase` of [`PASSPHRASE`].
pub(crate) const APPROVER_KEY: &str = "opsmedic-approver-1:YeGTQVuR5cTemwWMsbqyUw:5teHtZkDnI/Ad4ZIBbnNhfhcrebY3OV3f8mbPcT+YLw";
/// What the approver of the tests knows.
pub(crate) const PASSPHRASE: &str = "rehearsal passphrase";

/// A temporary folder with a configuration file and an environment.
pub(crate) struct Sandbox {
    folder: TempDir,
}

/// How a command ended.
pub(crate) struct Finished {
    /// The exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
    /// From start to end.
    pub(crate) elapsed: Duration,
}

impl Finished {
    /// Standard output as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("stdout is no JSON ({e}): {self}"))
    }

    /// Standard output as JSON lines.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("no JSON ({e}): {line}"))).collect()
    }

    /// Fails unless the exit code is this one.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head = |text: &str| text.chars().take(4_000).collect::<String>();
        write!(f, "exit {:?} after {:?}\nstdout: {}\nstderr: {}", self.code, self.elapsed, head(&self.stdout), head(&self.stderr))
    }
}

impl Sandbox {
    /// A sandbox with this configuration; `{dir}` in it becomes the sandbox's folder.
    pub(crate) fn new(config: &str) -> Self {
        let sandbox = Self { folder: TempDir::new().unwrap() };
        for name in ["home", "state", "tmp", "run"] {
            fs::create_dir(sandbox.path(name)).unwrap();
        }
        sandbox.configure(config);
        sandbox
    }

    /// The sandbox's folder.
    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// A path inside.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes a file inside and gives its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes a file that can be run, and gives its path.
    pub(crate) fn program(&self, name: &str, content: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.write(name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Replaces the configuration; `{dir}` becomes the sandbox's folder.
    pub(crate) fn configure(&self, config: &str) {
        self.write("opsmedic.toml", &self.fill(config));
    }

    /// A text with `{dir}` replaced by the sandbox's folder.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{dir}", self.dir().to_str().unwrap())
    }

    /// Gives a command the sandbox's environment and nothing else.
    pub(crate) fn confine(&self, command: &mut Command) {
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("home/.config"))
            .env("XDG_STATE_HOME", self.path("home/.local/state"))
            .env("XDG_DATA_HOME", self.path("home/.local/share"))
            .env("XDG_CACHE_HOME", self.path("home/.cache"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("TMPDIR", self.path("tmp"))
            .env("OPSMEDIC_STATE_DIR", self.path("state"))
            .env("OPSMEDIC_CONFIG", self.path("opsmedic.toml"))
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .current_dir(self.dir());
    }

    /// The binary with these arguments, confined.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args);
        self.confine(&mut command);
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn opsmedic<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Finished {
        finish(&mut self.command(args), b"")
    }

    /// Runs the binary with this standard input.
    pub(crate) fn opsmedic_with_input<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, input: &[u8]) -> Finished {
        finish(&mut self.command(args), input)
    }

    /// Runs the binary with the approver's passphrase on its standard input.
    pub(crate) fn as_approver(&self, args: &[&str]) -> Finished {
        let args = args.iter().chain(&["--passphrase-file", "-"]);
        finish(&mut self.command(args), format!("{PASSPHRASE}\n").as_bytes())
    }

    /// An MCP client of a fresh `opsmedic serve`, initialized.
    pub(crate) fn serve(&self) -> McpClient {
        self.serve_with(&[])
    }

    /// As [`Sandbox::serve`], with more arguments.
    pub(crate) fn serve_with(&self, args: &[&str]) -> McpClient {
        let mut client = McpClient::start(&mut self.command(["serve"].iter().chain(args)));
        client.initialize();
        client
    }

    /// As [`Sandbox::serve`], by a client with these capabilities.
    pub(crate) fn serve_as(&self, capabilities: &Value) -> McpClient {
        let mut client = McpClient::start(&mut self.command(["serve"]));
        client.initialize_as(capabilities);
        client
    }
}

/// Runs a command to its end with this standard input; one that hangs is killed and fails the test.
pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Finished {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // A program that ends without reading its input is no fault of the test.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let (code, hung) = wait(&mut child, begun);
    let elapsed = begun.elapsed();
    writer.join().unwrap();
    let finished = Finished { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), elapsed };
    assert!(!hung, "{command:?} hangs: {finished}");
    finished
}

fn wait(child: &mut Child, begun: Instant) -> (Option<i32>, bool) {
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), false);
        }
        if begun.elapsed() > HANGS_AFTER {
            child.kill().unwrap();
            child.wait().unwrap();
            return (None, true);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn collect(mut pipe: impl std::io::Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
