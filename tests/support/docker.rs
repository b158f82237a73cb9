//! A Docker Engine of the test's own: private socket, data and containerd, one image made from a static busybox, nothing pulled.

use std::{
    fs,
    io::{Read, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};

use super::{find_program, leash::Leash, servers::folder, wait_for};

/// Containerd of its own, so that the machine's is not touched; dockerd first to end, because it ends the containers.
const ENGINE: &str = r#"
cd "$1"
containerd --config "$1/containerd.toml" >"$1/containerd.log" 2>&1 &
containerd=$!
n=0
while [ ! -S "$1/c.sock" ] && [ "$n" -lt 100 ]; do n=$((n + 1)); sleep 0.1; done
dockerd --host "unix://$1/d.sock" --containerd "$1/c.sock" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/d.pid" \
  --config-file "$1/daemon.json" --storage-driver vfs --bridge none --iptables=false --ip6tables=false --ip-masq=false \
  --userland-proxy=false >"$1/dockerd.log" 2>&1 &
dockerd=$!
trap 'kill -TERM "$dockerd"' TERM
while kill -0 "$dockerd" 2>/dev/null; do wait "$dockerd"; done
kill -TERM "$containerd"
wait "$containerd"
"#;

const TAR: &str = "application/x-tar";
/// How long the engine may take to unpack an image.
const IMPORT: Duration = Duration::from_secs(120);

/// A running engine.
pub(crate) struct Docker {
    leash: Leash,
    folder: PathBuf,
}

impl Docker {
    /// The image of a started engine.
    pub(crate) const IMAGE: &'static str = "box:test";

    /// Starts one that has the image, or says why this machine cannot.
    pub(crate) fn start() -> Result<Self, String> {
        let busybox = busybox().ok_or("no static busybox to make an image from")?;
        let engine = Self::empty()?;
        engine.import_busybox(&busybox);
        Ok(engine)
    }

    /// Starts one without an image, or says why this machine cannot.
    pub(crate) fn empty() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a Docker Engine of its own needs root".to_owned());
        }
        for program in ["dockerd", "containerd"] {
            find_program(program).ok_or_else(|| format!("{program} is not installed"))?;
        }
        let folder = folder();
        let inside = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let containerd = format!(
            "version = 2\nroot = '{}'\nstate = '{}'\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n[grpc]\naddress = '{}'\n",
            inside("croot"),
            inside("cstate"),
            inside("c.sock")
        );
        fs::write(folder.join("containerd.toml"), containerd).unwrap();
        fs::write(folder.join("daemon.json"), "{}").unwrap();
        let leash = Leash::start(&folder, "TERM", &["sh", "-c", ENGINE, "engine", folder.to_str().unwrap()]);
        let engine = Self { leash, folder };
        let answers = || engine.request("GET", "/_ping", None).is_ok_and(|(status, _)| status == 200);
        if !wait_for(Duration::from_secs(30), || !engine.leash.alive() || answers()) || !engine.leash.alive() {
            return Err(format!("dockerd does not start here: {}", engine.last_words()));
        }
        Ok(engine)
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("d.sock")
    }

    /// Runs a container in the host's network; the reason if this machine cannot run one. It is killed when the engine ends.
    pub(crate) fn run(&self, name: &str, argv: &[&str]) -> Result<(), String> {
        self.run_with_health(name, argv, &Value::Null)
    }

    /// As [`Docker::run`], with a health check as the API takes it.
    pub(crate) fn run_with_health(&self, name: &str, argv: &[&str], health: &Value) -> Result<(), String> {
        let host = json!({"NetworkMode": "host"});
        self.create(name, &json!({"Image": Self::IMAGE, "Cmd": argv, "StopSignal": "SIGKILL", "Healthcheck": health, "HostConfig": host}))
    }

    /// Runs a container as the engine's API describes it; the reason if this machine cannot run it.
    pub(crate) fn create(&self, name: &str, container: &Value) -> Result<(), String> {
        self.expect("POST", &format!("/containers/create?name={name}"), Some(container), 201);
        match self.request("POST", &format!("/containers/{name}/start"), None) {
            Ok((204, _)) => Ok(()),
            other => Err(format!("no container can run here: {other:?}")),
        }
    }

    /// Runs a program in a container to its end and gives what it printed.
    pub(crate) fn exec(&self, name: &str, argv: &[&str]) -> String {
        // With a terminal the output comes as it is, without the engine's frames.
        let exec = json!({"Cmd": argv, "AttachStdout": true, "AttachStderr": true, "Tty": true});
        let id = self.expect("POST", &format!("/containers/{name}/exec"), Some(&exec), 201);
        let start = json!({"Detach": false, "Tty": true}).to_string();
        let (status, output) = self.request("POST", &format!("/exec/{}/start", id["Id"].as_str().unwrap()), Some(start.as_bytes())).unwrap();
        let output = String::from_utf8_lossy(&output).replace("\r\n", "\n");
        assert_eq!(status, 200, "{argv:?}: {output}");
        output
    }

    /// What the engine knows of a container.
    pub(crate) fn inspect(&self, name: &str) -> Value {
        self.expect("GET", &format!("/containers/{name}/json"), None, 200)
    }

    /// When the container was started, as the engine says it.
    pub(crate) fn started_at(&self, name: &str) -> String {
        self.inspect(name)["State"]["StartedAt"].as_str().unwrap().to_owned()
    }

    fn expect(&self, method: &str, path: &str, body: Option<&Value>, status: u16) -> Value {
        let bytes = body.map(|value| value.to_string().into_bytes());
        let (got, answer) = self.request(method, path, bytes.as_deref()).unwrap();
        assert_eq!(got, status, "{method} {path}: {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    fn request(&self, method: &str, path: &str, body: Option<&[u8]>) -> std::io::Result<(u16, Vec<u8>)> {
        let body = body.unwrap_or_default();
        self.send(method, path, "application/json", &mut { body }, body.len() as u64)
    }

    /// One request of HTTP 1.0, whose answer ends with the connection.
    fn send(&self, method: &str, path: &str, kind: &str, body: &mut dyn Read, length: u64) -> std::io::Result<(u16, Vec<u8>)> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(if kind == TAR { IMPORT } else { Duration::from_secs(20) }))?;
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")?;
        std::io::copy(body, &mut stream)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let status = String::from_utf8_lossy(&answer[..end]).split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Ok((status, answer.split_off(end)))
    }

    /// Makes an image from a tar of its root.
    pub(crate) fn import(&self, image: &str, tar: &mut dyn Read, length: u64) {
        let (repo, tag) = image.split_once(':').unwrap();
        let (status, answer) = self.send("POST", &format!("/images/create?fromSrc=-&repo={repo}&tag={tag}"), TAR, tar, length).unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    }

    fn import_busybox(&self, busybox: &Path) {
        let root = self.folder.join("image");
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::copy(busybox, root.join("bin/busybox")).unwrap();
        let tar = Command::new("tar").arg("-C").arg(&root).args(["-c", "."]).output().unwrap();
        assert!(tar.status.success(), "tar");
        self.import(Self::IMAGE, &mut tar.stdout.as_slice(), tar.stdout.len() as u64);
    }

    fn last_words(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let (engine, below) = (read("dockerd.log"), read("containerd.log"));
        let last = |log: &str| log.lines().last().unwrap_or_default().chars().take(300).collect::<String>();
        format!("{} {}", last(&engine), if engine.is_empty() { last(&below) } else { String::new() })
    }
}

/// The static busybox that tests/run found, or the one in PATH.
fn busybox() -> Option<PathBuf> {
    let given = std::env::var_os("OPSMEDIC_TEST_BUSYBOX").map(PathBuf::from).filter(|path| path.is_file());
    given.or_else(|| find_program("busybox").filter(|path| is_static(path)))
}

/// A dynamic program names its loader in the first pages.
fn is_static(program: &Path) -> bool {
    let mut head = vec![0; 8_192];
    let read = fs::File::open(program).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    !head[..read].windows(4).any(|w| w == b"/ld-")
}
