//! The rehearsal: starts a small service of its own, breaks it, and works as a real MCP client of a real server until it is mended.
//!
//! Everything happens in one temporary folder and on the loopback address, and is gone at the end. Each step passes only if it saw what it
//! must; the first that does not ends the drill.

mod client;
mod report;
pub mod victim;

use std::{
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ports::http::{Client as HttpClient, Http as _, Request};
use client::Assistant;
pub use report::Step;
use report::{list, text};

/// Requests by which the trouble is measured.
const REQUESTS: usize = 40;
/// Longest wait for the service to answer after its start.
const START: Duration = Duration::from_secs(5);

/// Why a drill ended early.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// A step did not see what it must.
    #[error("the drill failed at \"{step}\": expected {expected}, saw {saw}")]
    Saw {
        /// The step.
        step: &'static str,
        /// What it must see.
        expected: String,
        /// What it saw.
        saw: String,
    },
    /// The drill itself could not be carried out.
    #[error("the drill cannot run: {0}")]
    CannotRun(String),
}

impl DrillError {
    fn cannot(error: impl std::fmt::Display) -> Self {
        Self::CannotRun(error.to_string())
    }
}

/// Runs the drill and tells each step as it ends; `stop` ends it early, and cleans up.
///
/// # Errors
/// The first step that did not see what it must, or why the drill could not be carried out.
pub async fn run(tell: &mut dyn FnMut(Step), stop: impl Future<Output = ()>) -> Result<(), DrillError> {
    let scene = Scene::set().await?;
    let mut drill = Drill { scene: &scene, begun: Instant::now(), tell };
    tokio::select! {
        ended = drill.rehearse() => ended,
        () = stop => Err(DrillError::CannotRun("interrupted".to_owned())),
    }
}

/// The folder and the service; both are gone when this is dropped.
struct Scene {
    folder: PathBuf,
    url: String,
    http: HttpClient,
}

impl Scene {
    async fn set() -> Result<Self, DrillError> {
        let folder = std::env::temp_dir().join(format!("opsmedic-drill-{}", uuid::Uuid::new_v4().simple()));
        std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(DrillError::cannot)?;
        // From here on the folder is removed in any case.
        let mut scene = Self { folder, url: String::new(), http: HttpClient::default() };
        let port = victim::start(&scene.folder, START).await.map_err(DrillError::cannot)?;
        scene.url = format!("http://127.0.0.1:{port}");
        std::fs::write(scene.config_path(), config(&scene).map_err(DrillError::cannot)?).map_err(DrillError::cannot)?;
        Ok(scene)
    }

    fn config_path(&self) -> PathBuf {
        self.folder.join("opsmedic.toml")
    }

    fn log_path(&self) -> PathBuf {
        victim::log_path(&self.folder)
    }

    /// One request; its status and milliseconds. No answer counts as 0.
    async fn get(&self, path: &str) -> (u16, f64) {
        let request = Request::get(format!("{}{path}", self.url), Duration::from_secs(2), 4_096);
        let begun = Instant::now();
        let status = self.http.send(&request).await.map_or(0, |answer| answer.status);
        (status, begun.elapsed().as_secs_f64() * 1_000.0)
    }

    /// Share of failed requests in percent, and the 95th percentile of the response time in ms.
    async fn measure(&self) -> (f64, f64) {
        let answers = futures::future::join_all((0..REQUESTS).map(|_| self.get("/order"))).await;
        let failed = answers.iter().filter(|(status, _)| *status != 200).count();
        let mut times: Vec<f64> = answers.iter().map(|(_, ms)| *ms).collect();
        times.sort_by(f64::total_cmp);
        #[expect(clippy::cast_precision_loss, reason = "40 requests")]
        let rate = failed as f64 / REQUESTS as f64 * 100.0;
        (rate, times[REQUESTS * 95 / 100].round())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        victim::end(&self.folder);
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "the drill's folder could not be removed");
        }
    }
}

/// A configuration as a user would write it.
fn config(scene: &Scene) -> Result<String, serde_json::Error> {
    // A JSON string is a TOML string.
    let quoted = |path: &Path| serde_json::to_string(&path.to_string_lossy());
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
    Ok(format!(
        "host = \"drill\"\n[store]\npath = {store}\n[logs]\nroots = [{folder}]\n[health.application]\nurl = \"{url}/health\"\n\
         [[targets]]\nname = \"shop\"\npolicy = \"auto\"\nsoak_seconds = 2\nverify_timeout_seconds = 10\n\
         [targets.check.application]\nurl = \"{url}/health\"\n\
         [targets.actions.restart_service.command]\nargv = [{program}, \"drill\", \"restart\", {folder}]\n\
         [targets.facts]\nhealth_url = \"{url}/health\"\nlog_path = {log}\n",
        store = quoted(&scene.folder.join("opsmedic.db"))?,
        folder = quoted(&scene.folder)?,
        log = quoted(&scene.log_path())?,
        program = quoted(&program)?,
        url = scene.url,
    ))
}

struct Drill<'a> {
    scene: &'a Scene,
    begun: Instant,
    tell: &'a mut dyn FnMut(Step),
}

impl Drill<'_> {
    /// Tells a step; an unmet expectation ends the drill.
    fn step(&mut self, title: &'static str, met: bool, expected: &str, saw: Vec<String>) -> Result<(), DrillError> {
        let shown = saw.join("; ");
        (self.tell)(Step { title, passed: met, at_seconds: self.begun.elapsed().as_secs_f64(), saw });
        if met { Ok(()) } else { Err(DrillError::Saw { step: title, expected: expected.to_owned(), saw: shown }) }
    }

    async fn rehearse(&mut self) -> Result<(), DrillError> {
        let assistant = Assistant::connect(&self.scene.config_path()).await?;
        let tools = assistant.tools().await?;
        self.step("connect to `opsmedic serve` as an MCP client", tools.len() >= 7, "all tools", vec![format!("tools: {}", tools.join(", "))])?;
        self.find_it_well(&assistant).await?;
        let (rate, latency) = self.break_it().await?;
        self.find_the_fault(&assistant).await?;
        self.read_the_log(&assistant).await?;
        let verdict = self.judge(&assistant, rate, latency).await?;
        self.read_the_playbook(&assistant, &verdict).await?;
        let operation = self.recover(&assistant, &verdict).await?;
        self.verify(&assistant).await?;
        self.read_the_history(&assistant, &operation).await?;
        assistant.leave().await;
        Ok(())
    }

    async fn health(&self, assistant: &Assistant) -> Result<(String, String), DrillError> {
        let report = assistant.call("run_health_checks", json!({ "names": ["application"] })).await?;
        Ok((text(&report, "/results/0/state"), text(&report, "/results/0/message")))
    }

    async fn find_it_well(&mut self, assistant: &Assistant) -> Result<(), DrillError> {
        let (state, message) = self.health(assistant).await?;
        self.step("run_health_checks: the shop is well", state == "ok", "application ok", vec![format!("application {state}: {message}")])
    }

    async fn break_it(&mut self) -> Result<(f64, f64), DrillError> {
        self.scene.get("/leak").await;
        let (rate, latency) = self.scene.measure().await;
        let saw = vec![format!("{REQUESTS} orders: {rate} % failed, p95 {latency} ms")];
        self.step("break it: the shop loses its database connections", rate > 50.0, "most orders to fail", saw)?;
        Ok((rate, latency))
    }

    async fn find_the_fault(&mut self, assistant: &Assistant) -> Result<(), DrillError> {
        let (state, message) = self.health(assistant).await?;
        self.step("run_health_checks: find the fault", state == "down", "application down", vec![format!("application {state}: {message}")])
    }

    async fn read_the_log(&mut self, assistant: &Assistant) -> Result<(), DrillError> {
        let report = assistant.call("analyze_logs", json!({ "paths": [self.scene.log_path()], "since": "5m" })).await?;
        let timeouts = report.pointer("/patterns/connection_timeout").and_then(Value::as_u64).unwrap_or(0);
        let saw = vec![
            format!("{} errors in {} records; connection_timeout {timeouts} times", report["error_count"], report["records_in_window"]),
            format!("top error: {}", text(&report, "/top_errors/0/untrusted_template")),
            format!("advice: {}", text(&report, "/recommendations/0/title")),
        ];
        self.step("analyze_logs: name the error", timeouts > 0, "connection timeouts in the log", saw)
    }

    async fn judge(&mut self, assistant: &Assistant, rate: f64, latency: f64) -> Result<Value, DrillError> {
        let evidence = json!({ "error_rate_percent": rate, "response_time_ms": latency, "availability_percent": 100.0 - rate, "description": "orders fail, connection timeouts in the log" });
        let verdict = assistant.call("classify_incident", evidence).await?;
        let met = verdict["severity"] == "P0" && verdict["determined"] == true;
        let saw = vec![
            format!("{} ({} confidence): {}", text(&verdict, "/severity"), text(&verdict, "/confidence"), text(&verdict, "/why")),
            format!("team {}, respond within {} min", list(&verdict, "/response_team"), verdict["sla_minutes"]),
        ];
        self.step("classify_incident: judge the severity", met, "a determined P0", saw)?;
        Ok(verdict)
    }

    async fn read_the_playbook(&mut self, assistant: &Assistant, verdict: &Value) -> Result<(), DrillError> {
        let playbook = assistant.call("get_playbook", json!({ "id": verdict["playbook"], "target": "shop" })).await?;
        let steps = playbook["steps"].as_array().map_or(&[][..], Vec::as_slice);
        let mut saw = vec![text(&playbook, "/title")];
        saw.extend(steps.iter().take(4).zip(1..).map(|(step, n)| format!("{n}. {}", text(step, "/title"))));
        saw.push(format!("… {} steps in all", steps.len()));
        self.step("get_playbook: read what to do", steps.len() > 4, "a playbook with steps", saw)
    }

    async fn recover(&mut self, assistant: &Assistant, verdict: &Value) -> Result<String, DrillError> {
        let plan = assistant.call("plan_recovery", json!({ "issue_type": verdict["issue_type"], "target": "shop" })).await?;
        let met = plan.pointer("/plan/steps/0/action").is_some_and(|a| a == "restart_service") && plan.get("blocked_by").is_none();
        let saw = vec![format!("1. {} ({} risk)", text(&plan, "/plan/steps/0/action"), text(&plan, "/plan/steps/0/risk")), text(&plan, "/plan/verification")];
        self.step("plan_recovery: see what would be done", met, "a restart that nothing blocks", saw)?;
        let arguments = json!({ "issue_type": verdict["issue_type"], "target": "shop", "reason": "drill: all orders fail, the connection pool is empty", "idempotency_key": "drill-1" });
        let operation = assistant.call("trigger_recovery", arguments).await?;
        let saw = vec![format!("before: {}", text(&operation, "/before")), text(&operation, "/attempts/0/message")];
        self.step("trigger_recovery: restart the shop and watch it", operation["state"] == "succeeded", "a recovery that succeeded", saw)?;
        Ok(text(&operation, "/operation_id"))
    }

    async fn verify(&mut self, assistant: &Assistant) -> Result<(), DrillError> {
        let (state, _) = self.health(assistant).await?;
        let (rate, latency) = self.scene.measure().await;
        let saw = vec![format!("application {state}; {REQUESTS} orders: {rate} % failed, p95 {latency} ms")];
        self.step("run_health_checks: the shop is well again", state == "ok" && rate == 0.0, "application ok and no order lost", saw)
    }

    async fn read_the_history(&mut self, assistant: &Assistant, operation: &str) -> Result<(), DrillError> {
        let history = assistant.call("get_recovery", json!({ "target": "shop" })).await?;
        let met = text(&history, "/operations/0/operation_id") == operation && history.pointer("/statistics/succeeded") == Some(&json!(1));
        let saw = vec![
            format!("{operation}: {}", text(&history, "/operations/0/state")),
            format!("last 24 h: {} of {} succeeded", history["statistics"]["succeeded"], history["statistics"]["ended"]),
        ];
        self.step("get_recovery: it is on record", met, "the recovery in the history", saw)
    }
}
