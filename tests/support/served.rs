//! An `opsmedic serve --http` of the test's own, and raw clients for it: they see every byte, which an SDK would hide.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{process, sandbox::Sandbox, wait_for};

/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(45);
/// The newest revision, which knows no sessions.
pub(crate) const MODERN: &str = "2026-07-28";

/// A running server; ended with the test.
pub(crate) struct Served {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stderr: Arc<Mutex<String>>,
}

/// An answer over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The JSON-RPC messages in the body, whether it is JSON or a stream of events.
    pub(crate) fn messages(&self) -> Vec<Value> {
        if self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
            let data = self.body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).filter(|data| !data.is_empty());
            return data.map(|data| serde_json::from_str(data).unwrap_or_else(|e| panic!("no JSON ({e}): {data}"))).collect();
        }
        vec![serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))]
    }

    /// The last message's result; fails on an error.
    #[track_caller]
    pub(crate) fn result(&self) -> Value {
        let last = self.messages().pop().unwrap_or_else(|| panic!("no message in {self:?}"));
        last.get("result").unwrap_or_else(|| panic!("no result in {self:?}")).clone()
    }
}

impl Served {
    /// Starts a server on a free port with these further arguments.
    pub(crate) fn start(sandbox: &Sandbox, args: &[&str]) -> Self {
        Self::run(&mut sandbox.command(["serve", "--http", "127.0.0.1:0"].iter().chain(args)))
    }

    /// Starts this command, which must serve HTTP.
    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let (sender, addresses) = mpsc::channel();
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()), stderr.clone());
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let found = line.split_once("serving MCP at ").and_then(|(_, rest)| rest.split("://").nth(1)?.split('/').next()?.parse().ok());
                if let Some(address) = found {
                    let _ = sender.send(address);
                }
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let address = addresses.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not serve: {}", stderr.lock().unwrap()));
        Self { child, address, stderr }
    }

    /// What it wrote to stderr up to now.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// `http://ADDRESS` and a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection of its own.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// One request on a connection of its own. `Host` is the server's unless a header says otherwise.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = self.connect();
        let head = self.head(method, path, headers, body.len());
        // A server that refuses by the head may close before it has read the body.
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        parse(&bytes)
    }

    /// The status of a GET; none where the connection ends without an answer.
    pub(crate) fn request_status(&self, path: &str) -> Option<u16> {
        let mut stream = self.connect();
        let _ = stream.write_all(self.head("GET", path, &[], 0).as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        (!bytes.is_empty()).then(|| parse(&bytes).status)
    }

    /// The head of a request that asks to close the connection afterwards.
    pub(crate) fn head(&self, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {}\r\n", self.address);
        }
        if length > 0 {
            head += &format!("Content-Length: {length}\r\n");
        }
        headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        head + "\r\n"
    }

    /// A POST of a JSON-RPC message to `/mcp`, as a client that takes both forms of an answer.
    pub(crate) fn post(&self, headers: &[(&str, &str)], message: &Value) -> Reply {
        let own = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];
        let headers: Vec<_> = own.into_iter().chain(headers.iter().copied()).collect();
        self.request("POST", "/mcp", &headers, &message.to_string())
    }

    /// A request of revision 2026-07-28.
    pub(crate) fn modern(&self, headers: &[(&str, &str)], method: &str, params: Value) -> Reply {
        self.modern_as(&json!({}), headers, method, params)
    }

    /// As [`Served::modern`], by a client with these capabilities.
    pub(crate) fn modern_as(&self, capabilities: &Value, headers: &[(&str, &str)], method: &str, mut params: Value) -> Reply {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "opsmedic-tests", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        });
        let into = params["_meta"].as_object().cloned().unwrap_or_default();
        params["_meta"] = meta.as_object().unwrap().clone().into_iter().chain(into).collect();
        let name = ["name", "uri", "taskId"].iter().find_map(|key| params[key].as_str()).map(str::to_owned);
        let own = [("Mcp-Protocol-Version", MODERN), ("Mcp-Method", method)].into_iter().chain(name.as_deref().map(|name| ("Mcp-Name", name)));
        let headers: Vec<_> = own.chain(headers.iter().copied()).collect();
        self.post(&headers, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    }

    /// Calls a tool in revision 2026-07-28; gives the whole result.
    #[track_caller]
    pub(crate) fn call(&self, headers: &[(&str, &str)], tool: &str, arguments: &Value) -> Value {
        self.modern(headers, "tools/call", json!({"name": tool, "arguments": arguments})).result()
    }

    /// As [`Served::session`], or nothing where the server has no room for it.
    pub(crate) fn try_session(&self, headers: &[(&str, &str)]) -> Option<Session<'_>> {
        Session::try_open(self, headers, &json!({}))
    }

    /// A session of revision 2025-11-25 with these headers on every request.
    pub(crate) fn session(&self, headers: &[(&str, &str)]) -> Session<'_> {
        Session::open(self, headers, &json!({}))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait_end(&mut self, limit: Duration) -> ExitStatus {
        let mut ended = None;
        assert!(
            wait_for(limit, || {
                ended = self.child.try_wait().unwrap();
                ended.is_some()
            }),
            "it does not end within {limit:?}"
        );
        ended.unwrap()
    }

    /// A line of `/proc/PID/status` in KiB, such as `VmRSS`.
    pub(crate) fn memory_kib(&self, line: &str) -> u64 {
        process::memory_kib(self.pid(), line)
    }

    /// How many file descriptors it holds.
    pub(crate) fn open_files(&self) -> usize {
        process::open_files(self.pid())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Gone already, or ended here: nothing outlives its test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A session of a revision before 2026-07-28 over streamable HTTP.
pub(crate) struct Session<'s> {
    served: &'s Served,
    headers: Vec<(String, String)>,
    next_id: u64,
}

impl<'s> Session<'s> {
    /// Initializes with these capabilities.
    pub(crate) fn open(served: &'s Served, headers: &[(&str, &str)], capabilities: &Value) -> Self {
        Self::try_open(served, headers, capabilities).expect("there is no room for a session")
    }

    fn try_open(served: &'s Served, headers: &[(&str, &str)], capabilities: &Value) -> Option<Self> {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "opsmedic-tests", "version": "1"}});
        let reply = served.post(headers, &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}));
        if reply.status == 503 {
            return None;
        }
        assert_eq!(reply.status, 200, "{reply:?}");
        let id = reply.header("mcp-session-id").unwrap_or_else(|| panic!("no session in {reply:?}")).to_owned();
        let own = [("Mcp-Session-Id".to_owned(), id), ("Mcp-Protocol-Version".to_owned(), "2025-11-25".to_owned())];
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).chain(own).collect();
        let session = Self { served, headers, next_id: 0 };
        let initialized = session.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        assert_eq!(initialized.status, 202, "{initialized:?}");
        Some(session)
    }

    /// The headers that every request of this session has.
    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The session's id.
    pub(crate) fn id(&self) -> &str {
        self.headers.iter().find(|(name, _)| name == "Mcp-Session-Id").map(|(_, id)| id.as_str()).unwrap()
    }

    /// Sends a message as it is.
    pub(crate) fn send(&self, message: &Value) -> Reply {
        self.served.post(&self.headers(), message)
    }

    /// Sends a request and gives the reply.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Reply {
        self.next_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}))
    }

    /// Calls a tool; gives the whole result.
    #[track_caller]
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).result()
    }

    /// Sends a request, answers what the server asks within it, and gives all messages up to its answer.
    pub(crate) fn send_answering(&self, request: &Value, answer: impl Fn(&Value) -> Value) -> Vec<Value> {
        let own = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];
        let headers: Vec<_> = own.into_iter().chain(self.headers()).collect();
        let body = request.to_string();
        let mut stream = self.served.connect();
        stream.write_all(format!("{}{body}", self.served.head("POST", "/mcp", &headers, body.len())).as_bytes()).unwrap();
        let mut messages: Vec<Value> = Vec::new();
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            let Some(message) = line.strip_prefix("data:").and_then(|data| serde_json::from_str::<Value>(data.trim()).ok()) else { continue };
            messages.push(message.clone());
            if message["id"] == request["id"] && message.get("method").is_none() {
                return messages;
            }
            if message.get("method").is_some() && message.get("id").is_some() {
                let sent = self.send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": answer(&message)}));
                assert_eq!(sent.status, 202, "{sent:?}");
            }
        }
        panic!("no answer: {messages:#?}");
    }

    /// Ends the session.
    pub(crate) fn close(self) {
        self.served.request("DELETE", "/mcp", &self.headers(), "");
    }
}

/// The transport of 2024-11-05: a stream of events, and a POST for every message.
pub(crate) struct SseClient<'s> {
    served: &'s Served,
    headers: Vec<(String, String)>,
    events: mpsc::Receiver<(String, String)>,
    stream: TcpStream,
    /// Where messages go.
    pub(crate) address: String,
    next_id: u64,
}

impl<'s> SseClient<'s> {
    /// Opens the stream and shakes hands.
    pub(crate) fn open(served: &'s Served, headers: &[(&str, &str)]) -> Self {
        let mut client = Self::open_only(served, headers);
        let params = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "opsmedic-tests", "version": "1"}});
        let answer = client.request("initialize", params);
        assert!(answer["result"].is_object(), "{answer}");
        client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    /// Opens the stream only.
    pub(crate) fn open_only(served: &'s Served, headers: &[(&str, &str)]) -> Self {
        let mut stream = served.connect();
        stream.write_all(served.head("GET", "/sse", headers, 0).as_bytes()).unwrap();
        let (sender, events) = mpsc::channel();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        thread::spawn(move || {
            let (mut event, mut line) = (String::new(), String::new());
            while reader.read_line(&mut line).is_ok_and(|n| n > 0) {
                match line.trim_end().split_once(':') {
                    Some(("event", name)) => event = name.trim().to_owned(),
                    Some(("data", data)) if sender.send((event.clone(), data.trim().to_owned())).is_err() => break,
                    _ => {}
                }
                line.clear();
            }
        });
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let (event, address) = events.recv_timeout(PATIENCE).expect("no first event");
        assert_eq!(event, "endpoint");
        Self { served, headers, events, stream, address, next_id: 0 }
    }

    /// Sends a message as it is.
    pub(crate) fn post(&self, message: &Value) -> Reply {
        let own = [("Content-Type", "application/json")];
        let headers: Vec<_> = own.into_iter().chain(self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()))).collect();
        self.served.request("POST", &self.address, &headers, &message.to_string())
    }

    /// The next message of the server.
    pub(crate) fn receive(&self) -> Value {
        let (event, data) = self.events.recv_timeout(PATIENCE).expect("no message");
        assert_eq!(event, "message");
        serde_json::from_str(&data).unwrap_or_else(|e| panic!("no JSON ({e}): {data}"))
    }

    /// Sends a request and waits for its answer, the whole message.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let reply = self.post(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        assert_eq!(reply.status, 202, "{reply:?}");
        loop {
            let message = self.receive();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool; gives the whole result.
    #[track_caller]
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let answer = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        answer.get("result").unwrap_or_else(|| panic!("{answer}")).clone()
    }
}

impl Drop for SseClient<'_> {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Reads a reply that ended with its connection.
pub(crate) fn parse(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or_else(|| panic!("no status: {head}"));
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Reply { status, headers, body }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            whole.push_str(if size == 0 { "" } else { rest });
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}
