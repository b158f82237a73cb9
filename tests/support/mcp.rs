//! A small raw MCP client over stdio: it sees every line of the wire, which an SDK would hide.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::process;

/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(45);

/// A running `opsmedic serve`.
pub(crate) struct McpClient {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: Option<thread::JoinHandle<String>>,
    next_id: u64,
}

impl McpClient {
    /// Starts a server without a word to it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        let mut pipe = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines, stderr: Some(stderr), next_id: 0 }
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends one message as it is.
    pub(crate) fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string());
    }

    /// Sends one line as it is.
    pub(crate) fn send_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin was closed by the test");
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// The next message of the server. Fails on any line that is not JSON-RPC 2.0: stdout is protocol.
    pub(crate) fn receive(&self) -> Value {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => json_rpc(&line),
            Err(RecvTimeoutError::Timeout) => panic!("no answer within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the server closed its output"),
        }
    }

    /// Sends a request and gives its id.
    pub(crate) fn post(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    /// Sends a request and waits for its answer: the result, or the error object.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.post(method, params);
        loop {
            let mut message = self.receive();
            if message["id"] == id {
                return match message.get_mut("error") {
                    Some(error) => Err(error.take()),
                    None => Ok(message["result"].take()),
                };
            }
        }
    }

    /// The handshake of revision 2025-11-25; gives what the server said.
    pub(crate) fn initialize(&mut self) -> Value {
        self.initialize_as(&json!({}))
    }

    /// The same, by a client with these capabilities.
    pub(crate) fn initialize_as(&mut self, capabilities: &Value) -> Value {
        let client = json!({"name": "opsmedic-tests", "version": "1"});
        let result = self.request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client})).unwrap();
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        result
    }

    /// All tools, in the server's order.
    pub(crate) fn tools(&mut self) -> Vec<Value> {
        let mut result = self.request("tools/list", json!({})).unwrap();
        assert!(result.get("nextCursor").is_none_or(Value::is_null), "a second page of tools");
        serde_json::from_value(result["tools"].take()).unwrap()
    }

    /// Calls a tool; gives the whole result, `isError` included.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).unwrap_or_else(|e| panic!("{tool} {arguments}: protocol error {e}"))
    }

    /// Calls a tool that must succeed; gives the structured content.
    #[track_caller]
    pub(crate) fn ok(&mut self, tool: &str, arguments: &Value) -> Value {
        let mut result = self.call(tool, arguments);
        assert_ne!(result["isError"], true, "{tool} {arguments}: {result:#}");
        result["structuredContent"].take()
    }

    /// Calls a tool that must refuse; gives its `{code, message, hint}`.
    #[track_caller]
    pub(crate) fn refused(&mut self, tool: &str, arguments: &Value) -> Value {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{tool} {arguments}: {result:#}");
        let error = refusal(&result);
        for key in ["code", "message", "hint"] {
            assert!(error[key].as_str().is_some_and(|text| !text.is_empty()), "no {key} in {result:#}");
        }
        error
    }

    /// Closes the server's standard input.
    pub(crate) fn close_stdin(&mut self) {
        drop(self.stdin.take());
    }

    /// Asks the server to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends the server a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Kills the server where it stands, and gives the messages that came before.
    pub(crate) fn kill(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // The last line may be cut.
        self.lines.iter().filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }

    /// Whether the server still runs.
    pub(crate) fn running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end of the server: how it ended, and how long that took.
    pub(crate) fn wait_end(&mut self, limit: Duration) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, begun.elapsed());
            }
            assert!(begun.elapsed() < limit, "the server still runs after {limit:?}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Closes standard input, waits for the end, and gives what was written to stderr. What is left on stdout must be protocol.
    pub(crate) fn end(mut self) -> String {
        self.close_stdin();
        self.wait_end(Duration::from_secs(10));
        for line in self.lines.iter() {
            json_rpc(&line);
        }
        self.stderr.take().map(|reader| reader.join().unwrap()).unwrap_or_default()
    }

    /// A line of `/proc/PID/status` in KiB, such as `VmRSS`.
    pub(crate) fn memory_kib(&self, line: &str) -> u64 {
        process::memory_kib(self.pid(), line)
    }

    /// How many file descriptors the server holds.
    pub(crate) fn open_files(&self) -> usize {
        process::open_files(self.pid())
    }
}

impl Drop for McpClient {
    fn drop(&mut self) {
        // Gone already, or ended here: nothing outlives its test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The error object of a tool result.
pub(crate) fn refusal(result: &Value) -> Value {
    if result["structuredContent"].is_object() {
        return result["structuredContent"].clone();
    }
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no error object in {result:#}"))
}

fn json_rpc(line: &str) -> Value {
    let message: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("a stray line on stdout ({e}): {line:?}"));
    assert_eq!(message["jsonrpc"], "2.0", "a stray line on stdout: {line:?}");
    message
}
