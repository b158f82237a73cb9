//! Real Redis and Postgres, each in a folder and on a port of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use super::{find_program, free_port, leash::Leash, wait_for};

/// How long a server may take to answer its first call.
const START: Duration = Duration::from_secs(20);

/// A folder that the leash removes, not a guard: it must outlive this process.
pub(super) fn folder() -> PathBuf {
    tempfile::Builder::new().prefix("srv").tempdir().unwrap().keep()
}

/// A Redis that keeps nothing on disk.
pub(crate) struct Redis {
    leash: Leash,
    port: u16,
}

impl Redis {
    /// Starts one, or says why this machine cannot.
    pub(crate) fn start() -> Result<Self, String> {
        let program = find_program("redis-server").ok_or("redis-server is not installed")?;
        for _ in 0..3 {
            let port = free_port();
            let folder = folder();
            let settings = [
                "--bind",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--save",
                "",
                "--appendonly",
                "no",
                "--daemonize",
                "no",
                "--dir",
                folder.to_str().unwrap(),
            ];
            let argv: Vec<&str> = std::iter::once(program.to_str().unwrap()).chain(settings).collect();
            let redis = Self { leash: Leash::start(&folder, "TERM", &argv), port };
            let up = wait_for(START, || !redis.leash.alive() || redis.try_connect().is_some());
            if up && redis.leash.alive() {
                return Ok(redis);
            }
        }
        panic!("redis-server does not start");
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A client's connection.
    pub(crate) fn connect(&self) -> redis::Connection {
        self.try_connect().expect("redis answers")
    }

    fn try_connect(&self) -> Option<redis::Connection> {
        let mut connection = redis::Client::open(self.url()).ok()?.get_connection_with_timeout(Duration::from_secs(1)).ok()?;
        let pong: Option<String> = redis::cmd("PING").query(&mut connection).ok();
        pong.map(|_| connection)
    }
}

/// A Postgres with one user, whose password must never be seen in an output.
pub(crate) struct Postgres {
    _leash: Leash,
    port: u16,
    version: String,
}

impl Postgres {
    /// The password of the user.
    pub(crate) const PASSWORD: &'static str = "canary-pg-9f2c7a";

    /// The one that all tests of this binary share; it is only read.
    pub(crate) fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref().map_err(Clone::clone)
    }

    /// Makes a cluster and starts it, or says why this machine cannot.
    pub(crate) fn start() -> Result<Self, String> {
        let programs = postgres_programs().ok_or("postgresql is not installed")?;
        let identity = identity()?;
        let folder = folder();
        let data = folder.join("data");
        fs::write(folder.join("password"), Self::PASSWORD).unwrap();
        identity.own(&folder);
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let made = identity
            .command(&path(&programs.join("initdb")))
            .args(["--username=opsmedic", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--pwfile={}", path(&folder.join("password"))))
            .arg("-D")
            .arg(&data)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=40"].map(|s| format!("-c{s}"));
        let argv = identity.argv(&path(&programs.join("postgres")), &["-D", &path(&data), "-p", &port.to_string()], &settings);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let leash = Leash::start(&folder, "INT", &argv);
        let ready = || Command::new(programs.join("pg_isready")).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status().unwrap().success();
        let up = wait_for(START, || !leash.alive() || ready()) && leash.alive();
        assert!(up, "postgres does not start: {}", fs::read_to_string(folder.join("output")).unwrap_or_default());
        let version = fs::read_to_string(data.join("PG_VERSION")).unwrap().trim().to_owned();
        Ok(Self { _leash: leash, port, version })
    }

    /// Its major version.
    pub(crate) fn version(&self) -> String {
        self.version.clone()
    }

    /// Its address, with the password.
    pub(crate) fn url(&self) -> String {
        format!("postgres://opsmedic:{}@127.0.0.1:{}/postgres?sslmode=disable", Self::PASSWORD, self.port)
    }
}

/// Where initdb and postgres are: Debian keeps them out of PATH.
fn postgres_programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = glob::glob("/usr/lib/postgresql/*/bin/initdb").unwrap().flatten().collect();
    found.sort();
    found.pop().or_else(|| find_program("initdb")).and_then(|initdb| Some(initdb.parent()?.to_owned()))
}

/// As whom Postgres runs: it refuses to be root.
struct Identity(Option<&'static str>);

fn identity() -> Result<Identity, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Identity(None));
    }
    find_program("setpriv").ok_or("postgres must not run as root and setpriv is not installed")?;
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = |name: &&str| users.lines().any(|line| line.split(':').next() == Some(name));
    ["postgres", "nobody"].into_iter().find(known).map(|name| Identity(Some(name))).ok_or_else(|| "no user to run postgres as".to_owned())
}

impl Identity {
    fn argv(&self, program: &str, args: &[&str], more: &[String]) -> Vec<String> {
        let switch = self.0.map(|user| vec!["setpriv".into(), format!("--reuid={user}"), "--clear-groups".into(), "--".into()]).unwrap_or_default();
        switch.into_iter().chain([program.to_owned()]).chain(args.iter().map(|&a| a.to_owned())).chain(more.iter().cloned()).collect()
    }

    fn command(&self, program: &str) -> Command {
        let argv = self.argv(program, &[], &[]);
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]);
        command
    }

    fn own(&self, folder: &Path) {
        if let Some(user) = self.0 {
            let done = Command::new("chown").args(["-R", user]).arg(folder).status().unwrap();
            assert!(done.success(), "chown");
        }
    }
}
