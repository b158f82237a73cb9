//! The service that the drill breaks: a shop with four database connections, which it can be made to lose. A restart gives them back.
//!
//! The fault is real within the service: orders wait for a connection and time out, and that is what health, log and figures show.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use crate::ports::{Clock as _, clock::SystemClock, process};

/// Connections to the database that the shop pretends to have.
const CONNECTIONS: usize = 4;
/// How long an order waits for one.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long an order keeps one.
const WORK: Duration = Duration::from_millis(3);
/// A victim that nobody ends, ends itself.
const LIFE: Duration = Duration::from_secs(120);

/// Where the shop writes its log.
pub(super) fn log_path(folder: &Path) -> PathBuf {
    folder.join("shop.log")
}

fn port_path(folder: &Path) -> PathBuf {
    folder.join("shop.port")
}

fn process_path(folder: &Path) -> PathBuf {
    folder.join("shop.process")
}

struct Shop {
    connections: Semaphore,
    log: Mutex<std::fs::File>,
    begun: Instant,
}

impl Shop {
    fn log(&self, level: &str, text: &str) {
        let line = format!("{} [{level}] pool: {text}\n", SystemClock.now());
        let mut file = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The folder may be gone already when the drill ends.
        let _ = file.write_all(line.as_bytes());
    }

    /// Work that needs a connection.
    async fn work(&self) -> bool {
        let got = timeout(PATIENCE, self.connections.acquire()).await;
        match got {
            Ok(Ok(_connection)) => {
                sleep(WORK).await;
                self.log("INFO", "order stored");
                true
            }
            _ => {
                self.log(
                    "ERROR",
                    &format!("connection timeout: no database connection within {} ms, {CONNECTIONS} of {CONNECTIONS} in use", PATIENCE.as_millis()),
                );
                false
            }
        }
    }
}

/// Runs the shop until it is ended, its folder is gone, or two minutes have passed.
///
/// # Errors
/// A port or file that cannot be had.
pub async fn run(folder: &Path) -> std::io::Result<()> {
    let port = std::fs::read_to_string(port_path(folder)).ok().and_then(|p| p.trim().parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log_path(folder))?;
    let shop = Arc::new(Shop { connections: Semaphore::new(CONNECTIONS), log: Mutex::new(log), begun: Instant::now() });
    shop.log("INFO", "started");
    std::fs::write(process_path(folder), process::this_process())?;
    // Last, because whoever starts a shop waits for this file.
    std::fs::write(port_path(folder), listener.local_addr()?.port().to_string())?;
    let app = Router::new().route("/health", get(health)).route("/order", get(order)).route("/leak", get(leak)).with_state(shop);
    tokio::select! {
        served = async { axum::serve(listener, app).await } => served,
        () = abandoned(folder) => Ok(()),
    }
}

async fn abandoned(folder: &Path) {
    let begun = Instant::now();
    while folder.exists() && begun.elapsed() < LIFE {
        sleep(Duration::from_millis(200)).await;
    }
}

async fn health(State(shop): State<Arc<Shop>>) -> (StatusCode, Json<Value>) {
    let well = shop.work().await;
    let (code, status) = if well { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "down") };
    (code, Json(json!({ "status": status, "version": "1.0.0", "uptime": shop.begun.elapsed().as_secs_f64() })))
}

async fn order(State(shop): State<Arc<Shop>>) -> StatusCode {
    if shop.work().await { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn leak(State(shop): State<Arc<Shop>>) -> StatusCode {
    shop.connections.forget_permits(CONNECTIONS);
    shop.log("WARNING", "connections are not given back");
    StatusCode::OK
}

/// Starts a shop as a process of its own and waits until it listens.
pub(super) async fn start(folder: &Path, patience: Duration) -> std::io::Result<u16> {
    let old = std::fs::read_to_string(process_path(folder)).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "the drill starts this program itself")]
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["drill", "victim"]).arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A group of its own: it outlives the restart command that starts it.
    let mut child = std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn()?;
    let begun = Instant::now();
    while begun.elapsed() < patience {
        let started = std::fs::read_to_string(process_path(folder)).is_ok_and(|now| now != old && !now.is_empty());
        let port = std::fs::read_to_string(port_path(folder)).ok().and_then(|p| p.trim().parse().ok());
        if let (true, Some(port)) = (started, port) {
            return Ok(port);
        }
        if let Some(status) = child.try_wait()? {
            return Err(std::io::Error::other(format!("the shop ended at its start: {status}")));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(std::io::Error::other("the shop did not start in time"))
}

/// Ends the shop and starts it anew on the same port: what the drill's recovery calls.
///
/// # Errors
/// A shop that cannot be ended or started.
pub async fn restart(folder: &Path) -> std::io::Result<()> {
    end(folder);
    start(folder, Duration::from_secs(5)).await.map(|_| ())
}

/// Ends exactly the process that wrote its identity, if it still lives, and waits until it is gone.
pub(super) fn end(folder: &Path) {
    let Ok(identity) = std::fs::read_to_string(process_path(folder)) else { return };
    let pid = identity.rsplit('/').nth(1).and_then(|p| p.parse().ok()).and_then(Pid::from_raw);
    let Some(pid) = pid else { return };
    for _ in 0..100 {
        if process::is_gone(&identity) || kill_process(pid, Signal::TERM).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
