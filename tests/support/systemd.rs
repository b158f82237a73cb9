//! A real systemd as the first process of a container, in an engine of the tests' own, with its bus reachable from here.

use std::{collections::BTreeMap, fs, os::unix::net::UnixStream, path::PathBuf, sync::OnceLock, time::Duration};

use serde_json::json;

use super::{docker::Docker, wait_for};

const IMAGE: &str = "systemd:test";
const CONTAINER: &str = "machine";

/// A running systemd. The tests of this binary share it, each with a unit of its own.
pub(crate) struct Systemd {
    docker: Docker,
    root: PathBuf,
}

impl Systemd {
    /// The shared one, or the reason why this machine cannot have one.
    pub(crate) fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<Systemd, String>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref().map_err(Clone::clone)
    }

    fn start() -> Result<Self, String> {
        let image = std::env::var_os("OPSMEDIC_TEST_SYSTEMD_IMAGE").map(PathBuf::from).filter(|path| path.is_file());
        let image = image.ok_or_else(|| {
            let reason = std::env::var("OPSMEDIC_TEST_NO_SYSTEMD").unwrap_or_default();
            if reason.is_empty() { "tests/run makes the systemd image and was not asked to".to_owned() } else { reason }
        })?;
        let docker = Docker::empty()?;
        let mut tar = fs::File::open(&image).unwrap();
        let length = tar.metadata().unwrap().len();
        docker.import(IMAGE, &mut tar, length);
        // With the host's namespace of control groups systemd sees which group is its own, and keeps to it.
        let host = json!({
            "NetworkMode": "none", "CgroupnsMode": "host", "CapAdd": ["SYS_ADMIN"],
            "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
            "Binds": ["/sys/fs/cgroup:/sys/fs/cgroup:rw"], "Tmpfs": {"/run": "", "/tmp": ""}
        });
        let container = json!({"Image": IMAGE, "Cmd": ["/lib/systemd/systemd"], "Env": ["container=docker"], "StopSignal": "SIGKILL", "HostConfig": host});
        docker.create(CONTAINER, &container)?;
        let pid = docker.inspect(CONTAINER)["State"]["Pid"].as_u64().unwrap();
        let systemd = Self { docker, root: PathBuf::from(format!("/proc/{pid}/root")) };
        let socket = systemd.path("/run/dbus/system_bus_socket");
        let ready = || UnixStream::connect(&socket).is_ok() && systemd.systemctl(&["is-system-running"]).trim() != "offline";
        if pid == 0 || !wait_for(Duration::from_secs(30), ready) {
            return Err("systemd does not start in a container here".to_owned());
        }
        // Those who ask before it is up get errors of the bus; a degraded one is up, too.
        systemd.systemctl(&["is-system-running", "--wait"]);
        fs::create_dir_all(systemd.path("/run/systemd/system")).unwrap();
        Ok(systemd)
    }

    /// The address of its bus.
    pub(crate) fn bus(&self) -> String {
        format!("unix:path={}", self.path("/run/dbus/system_bus_socket").display())
    }

    /// Where a path of the container is here.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// Writes the file of a new unit. systemd finds it when it is asked for; a reload would clear the counts of other tests' units.
    pub(crate) fn unit(&self, name: &str, text: &str) {
        fs::write(self.path("/run/systemd/system").join(name), text).unwrap();
    }

    /// Runs systemctl inside and gives what it printed.
    pub(crate) fn systemctl(&self, args: &[&str]) -> String {
        self.docker.exec(CONTAINER, &[&["systemctl", "--no-pager"], args].concat())
    }

    /// Properties of a unit, as systemctl shows them.
    pub(crate) fn show(&self, name: &str) -> BTreeMap<String, String> {
        let shown = self.systemctl(&["show", name, "-p", "ActiveState,SubState,Result,NRestarts,InvocationID,MainPID"]);
        shown.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}
